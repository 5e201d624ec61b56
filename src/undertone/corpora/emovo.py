"""EMOVO: Italian, acted, six speakers, fourteen sentences, seven emotions.

In:  the user's copy: ``f1/dis-f1-b1.wav``, 588 files anywhere below a folder, in any audio format.
Out: ``Corpus`` with the label columns emotion and sentence ("b1").

The grammar of a file name: emotion (first letters of the Italian word), speaker (f or m, and a
digit), sentence (b short, l long, n without sense, d a question, and a digit). Every speaker says
the same sentences with every emotion, so that words tell nothing. No folds were published.
Source: Costantini, Iaderola, Paoloni and Todisco (2014), EMOVO Corpus, LREC.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from undertone.corpora import grammar
from undertone.corpora.corpus import Corpus

GRAMMAR = re.compile(
    r"(?P<emotion>dis|gio|neu|pau|rab|sor|tri)-(?P<speaker>[fm][1-3])-(?P<sentence>[bdln]\d)",
    re.IGNORECASE,
)
SEXES: Mapping[str, str] = {"f": "female", "m": "male"}
EMOTIONS: Mapping[str, str] = {
    "dis": "disgust",
    "gio": "happiness",  # gioia
    "neu": "neutral",
    "pau": "fear",  # paura
    "rab": "anger",  # rabbia
    "sor": "surprise",  # sorpresa
    "tri": "sadness",  # tristezza
}


def read(path: Path) -> Corpus:
    """The corpus in a folder, or as much of it as is there."""
    root = Path(path)
    named = grammar.read(
        *(root, read_name),
        example="dis-f1-b1.wav",
        corpus="EMOVO",
        apart_by=("speaker", "emotion", "sentence"),
    )
    return Corpus(
        name="emovo",
        root=root,
        table=named.table,
        licence="for research, see its authors' page",
        citation="Costantini, Iaderola, Paoloni and Todisco (2014), EMOVO Corpus: an Italian "
        "emotional speech database, LREC.",
        left_out=named.left_out,
    )


def read_name(stem: str) -> dict[str, str | None] | None:
    """What a file name without ending tells; None where it is no name of EMOVO.

    >>> read_name("gio-m3-l2")["emotion"], read_name("gio-m3-l2")["speaker"]
    ('happiness', 'm3')
    """
    match = GRAMMAR.fullmatch(stem)
    if match is None:
        return None
    speaker = match["speaker"].lower()
    return {
        "speaker": speaker,
        "sex": SEXES[speaker[0]],
        "language": "ita",
        "emotion": EMOTIONS[match["emotion"].lower()],
        "sentence": match["sentence"].lower(),
    }
