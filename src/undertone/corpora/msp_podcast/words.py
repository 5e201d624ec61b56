"""The words of MSP-Podcast's tables under this package's names.

In:  cells of any of its tables.
Out: a class, a part of the partition, a speaker, the emotion that a rater named; None where there
     is none. A word that is none of the corpus's is refused where it stands.
"""

from collections.abc import Mapping
from pathlib import Path

from undertone.corpora.columns import UNKNOWN
from undertone.errors import UndertoneError
from undertone.tasks.names import EMOTIONS, canonical_emotion

SCALE = (1.0, 7.0)
AMOUNTS = ("arousal", "valence", "dominance")
LETTERS: Mapping[str, str | None] = {
    **{letter: canonical_emotion(letter) for letter in "ASHUFDCN"},
    "O": None,  # another emotion
    "X": None,  # no agreement
    "": None,  # withheld
}
SPLITS: Mapping[str, str | None] = {
    "train": "train",
    "development": "valid",
    "validation": "valid",
    **{part: part for part in ("test", "test1", "test2", "test3")},
    "": None,
}
COLUMNS = ("letter", *AMOUNTS, "split", "speaker", "sex")  # of a table of labels, by file


def letter_of(cell: str, path: Path, line: int) -> str:
    """A letter of ``LETTERS``."""
    if (letter := cell.strip().upper()) in LETTERS:
        return letter
    known = ", ".join(filter(None, LETTERS))
    raise UndertoneError(f"{path}, line {line}: expected a class ({known}), found {cell!r}")


def split_of(cell: str, path: Path, line: int) -> str | None:
    """train, valid, test, test1, test2 or test3."""
    if (word := cell.strip().lower()) in SPLITS:
        return SPLITS[word]
    raise UndertoneError(
        f"{path}, line {line}: expected Train, Development, Validation, Test1, Test2 or Test3, "
        f"found {cell!r}"
    )


def speaker_of(cell: str) -> str | None:
    """The number of a speaker; nobody is called Unknown.

    >>> speaker_of("Speaker_12"), speaker_of(" 12.0 "), speaker_of("Unknown")
    ('12', '12', None)
    """
    name = cell.strip()
    if name.lower() in UNKNOWN:
        return None
    return name.removeprefix("Speaker_").removesuffix(".0")


def emotion_of(word: str) -> str | None:
    """The main emotion that a rater chose; what they wrote themselves is another emotion.

    >>> emotion_of("Angry"), emotion_of("Other-annoyed; tired"), emotion_of("")
    ('anger', 'other', None)
    """
    name = canonical_emotion(word)
    if name in UNKNOWN:
        return None
    return name if name in EMOTIONS else "other"
