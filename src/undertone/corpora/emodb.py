"""EmoDB, the Berlin Database of Emotional Speech: German, acted, ten speakers, ten sentences.

In:  its folder (``wav/03a01Fa.wav``, 535 files, 7 emotions), or any part of its files anywhere
     below a folder, in any audio format. The original's ``erkennung.txt`` is read where it is.
Out: ``Corpus`` with the label columns emotion and sentence ("a01"), and agreement: the share of
     twenty listeners who recognised the emotion, where ``erkennung.txt`` tells it.

The grammar of a file name: speaker (2 digits), sentence (letter and 2 digits), emotion (initial of
the German word), take (letter). Every speaker says the same ten sentences, so that words tell
nothing. Source: Burkhardt et al. (2005), A database of German emotional speech, Interspeech.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from undertone.corpora import grammar
from undertone.corpora.corpus import Corpus
from undertone.corpora.texts import read_text
from undertone.errors import UndertoneError

GRAMMAR = re.compile(
    r"(?P<speaker>03|08|09|1[0-6])(?P<sentence>[ab]\d\d)(?P<emotion>[WLEAFTN])(?P<take>[a-z])"
)
MALE = frozenset({"03", "10", "11", "12", "15"})
EMOTIONS: Mapping[str, str] = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
SENTENCES: Mapping[str, str] = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen.",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": ("An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht."),
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
LISTENERS = "erkennung.txt"


def read(path: Path) -> Corpus:
    """The corpus in a folder, or as much of it as is there."""
    root = Path(path)
    named = grammar.read(root, read_name, example="03a01Fa.wav", corpus="EmoDB")
    table = named.table
    if (listeners := grammar.find_beside(root, LISTENERS)) is not None:
        table["agreement"] = table["utterance"].map(read_agreement(listeners))
    return Corpus(
        name="emodb",
        root=root,
        table=table,
        licence="CC0-1.0",
        citation="Burkhardt et al. (2005), A database of German emotional speech, Interspeech.",
        left_out=named.left_out,
    )


def read_name(stem: str) -> dict[str, str | None] | None:
    """What a file name without ending tells; None where it is no name of EmoDB.

    >>> read_name("03a01Fa")["emotion"], read_name("03a01Fa")["sex"]
    ('happiness', 'male')
    """
    match = GRAMMAR.fullmatch(stem)
    if match is None:
        return None
    return {
        "speaker": match["speaker"],
        "sex": "male" if match["speaker"] in MALE else "female",
        "language": "deu",
        "transcript": SENTENCES.get(match["sentence"]),
        "emotion": EMOTIONS[match["emotion"]],
        "sentence": match["sentence"],
    }


def read_agreement(path: Path) -> dict[str, float]:
    """The share of listeners who recognised the emotion, by utterance.

    Args:
        path: ``erkennung.txt``: Latin-1, columns parted by white space (Satz, erkannt in percent,
            natürlich), decimal commas.
    """
    lines = read_text(path, otherwise="latin-1").splitlines()
    agreement = {}
    for line in lines[1:]:
        file, *percentages = line.split()[:2] or [""]
        if read_name(stem := file.partition(".")[0]) is None:
            continue
        try:
            agreement[stem] = float(percentages[0].replace(",", ".")) / 100
        except (IndexError, ValueError):
            raise UndertoneError(
                f"expected a percentage after {file} in {path}, found {line!r}"
            ) from None
    return agreement
