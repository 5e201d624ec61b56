"""SAVEE, Surrey Audio-Visual Expressed Emotion: English, acted, four men, seven emotions.

In:  the user's copy: ``AudioData/DC/a01.wav``, 480 files, or the flat copies that go round
     (``DC_a01.wav``), anywhere below a folder, in any audio format.
Out: ``Corpus`` with the label column emotion. Utterances are named as in the flat copies.

The grammar of a file name: speaker (DC, JE, JK, KL; of the original the folder's name), emotion (a,
d, f, h, n, ``sa``, ``su``), number of the sentence. Some sentences are said with several emotions,
and the names do not tell which: there is no column sentence. No folds were published; the habit is
to leave one speaker out at a time.
Source: Haq and Jackson (2010), Multimodal emotion recognition, in Wang (ed.), Machine Audition.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from undertone.corpora import grammar
from undertone.corpora.corpus import Corpus

SPEAKERS = ("DC", "JE", "JK", "KL")
OF_A_FILE = r"(?P<emotion>a|d|f|h|n|sa|su)(?P<number>\d\d)"
PLAIN = re.compile(OF_A_FILE, re.IGNORECASE)
GRAMMAR = re.compile(rf"(?P<speaker>{'|'.join(SPEAKERS)})_{OF_A_FILE}", re.IGNORECASE)
EMOTIONS: Mapping[str, str] = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}


def read(path: Path) -> Corpus:
    """The corpus in a folder, or as much of it as is there."""
    root = Path(path)
    named = grammar.read(
        root, read_name, example="DC/a01.wav or DC_a01.wav", corpus="SAVEE", name_of=name_of
    )
    return Corpus(
        name="savee",
        root=root,
        table=named.table,
        licence="for research, on registration with the University of Surrey",
        citation="Haq and Jackson (2010), Multimodal emotion recognition, in Wang (ed.), Machine "
        "Audition: Principles, Algorithms and Systems, IGI Global.",
        left_out=named.left_out,
    )


def name_of(path: Path) -> str:
    """The name in which the speaker stands, whether the file's does or its folder's.

    >>> name_of(Path("AudioData/DC/a01.wav")), name_of(Path("ALL/JE_su02.wav"))
    ('DC_a01', 'JE_su02')
    >>> name_of(Path("dc/A01.WAV")), name_of(Path("ALL/je_SU02.WAV"))
    ('DC_a01', 'JE_su02')
    """
    speaker = path.absolute().parent.name.upper()
    name = path.stem
    if PLAIN.fullmatch(name) and speaker in SPEAKERS:
        name = f"{speaker}_{name}"
    if GRAMMAR.fullmatch(name):
        speaker, _, rest = name.partition("_")
        return f"{speaker.upper()}_{rest.lower()}"
    return name


def read_name(name: str) -> dict[str, str | None] | None:
    """What the name of an utterance tells; None where it is no name of SAVEE.

    >>> read_name("KL_sa11")["emotion"], read_name("KL_s11")
    ('sadness', None)
    """
    match = GRAMMAR.fullmatch(name)
    if match is None:
        return None
    return {
        "speaker": match["speaker"].upper(),
        "sex": "male",
        "language": "eng",
        "emotion": EMOTIONS[match["emotion"].lower()],
    }
