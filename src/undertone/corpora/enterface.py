"""eNTERFACE'05: English of 14 nations, elicited on camera, 42 subjects and more, six emotions.

In:  the user's copy: ``subject 1/anger/sentence 1/s1_an_1.avi``, or sound taken from these videos
     under the same names, anywhere below a folder. Videos are decoded by ffmpeg.
Out: ``Corpus`` with the label columns emotion and sentence ("an1").

The grammar of a file name: subject, emotion (two letters of the English word), sentence (1 to 5).
Where a folder above a file says another subject, or another emotion, than its name, the file is
left out and counted. Each emotion has five sentences of its own, which all subjects say: **words
tell the emotion**, and a note says so. The names tell no sex. No folds were published.
Source: Martin, Kotsia, Macq and Pitas (2006), The eNTERFACE'05 audio-visual emotion database, ICDE
Workshops.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from undertone.corpora import grammar
from undertone.corpora.corpus import Corpus

GRAMMAR = re.compile(
    r"s_?(?P<speaker>\d{1,2})_(?P<emotion>an|di|fe|ha|sa|su)_(?P<number>[1-5])", re.IGNORECASE
)
SUBJECT = re.compile(r"subject[ _-]?(\d+)", re.IGNORECASE)
EMOTIONS: Mapping[str, str] = {
    "an": "anger",
    "di": "disgust",
    "fe": "fear",
    "ha": "happiness",
    "sa": "sadness",
    "su": "surprise",
}
WORDS_TELL = (
    "Each emotion has five sentences of its own: a system that hears words can tell the emotion "
    "from them."
)


def read(path: Path) -> Corpus:
    """The corpus in a folder, or as much of it as is there."""
    root = Path(path)
    named = grammar.read(
        *(root, read_name),
        corpus="eNTERFACE",
        example="s1_an_1.avi",
        refuse=lambda path: said_otherwise(path.relative_to(root)),
        apart_by=("speaker", "sentence"),
    )
    return Corpus(
        name="enterface",
        root=root,
        table=named.table,
        licence="for research, see its authors' page",
        citation="Martin, Kotsia, Macq and Pitas (2006), The eNTERFACE'05 audio-visual emotion "
        "database, 22nd International Conference on Data Engineering Workshops.",
        left_out=named.left_out,
        notes=(WORDS_TELL,),
    )


def said_otherwise(path: Path) -> str | None:
    """What the folders of a file say against its name; None where they agree or say nothing.

    >>> said_otherwise(Path("subject 2/fear/s2_an_1.avi"))
    'its folder says fear, its name anger'
    """
    match = GRAMMAR.fullmatch(path.stem)
    assert match is not None, "asked of names of the corpus"
    subject, emotion = int(match["speaker"]), EMOTIONS[match["emotion"].lower()]
    for folder in path.parts[:-1]:
        told = SUBJECT.fullmatch(folder)
        if told and int(told[1]) != subject:
            return f"its folder says subject {int(told[1])}, its name {subject}"
        if folder.lower() in EMOTIONS.values() and folder.lower() != emotion:
            return f"its folder says {folder.lower()}, its name {emotion}"
    return None


def read_name(stem: str) -> dict[str, str | None] | None:
    """What a file name without ending tells; None where it is no name of eNTERFACE'05.

    >>> read_name("s_3_ha_5")["speaker"], read_name("s12_sa_2")["sentence"]
    ('3', 'sa2')
    """
    match = GRAMMAR.fullmatch(stem)
    if match is None:
        return None
    return {
        "speaker": str(int(match["speaker"])),
        "language": "eng",
        "emotion": EMOTIONS[match["emotion"].lower()],
        "sentence": match["emotion"].lower() + match["number"],
    }
