"""When two names stand for one thing: speakers, files.

In:  names as tables, folders and programs spell them.
Out: a folded form that is equal for names of one thing; groups of names that fold alike.

Tables lose leading zeros when they are merged, spreadsheets make 3.0 of 03, systems compose and
decompose letters: ``03``, ``3`` and ``3.0`` are one speaker, and so are ``Anna``, ``anna `` and
``ANNA``.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

UNSEEN = (
    "Cf"  # category of letters without a shape: zero-width blanks, directions, byte order marks
)
FRACTION = re.compile(r"(\d+)[.,]0+")


def fold(name: str) -> str:
    """A name without case, blanks, marks between words, what has no shape, leading zeros and form.

    >>> fold("03"), fold("3.0"), fold("Spk_07 "), fold("spk 7")
    ('3', '3', 'spk 7', 'spk 7')
    """
    seen = "".join(letter for letter in name if unicodedata.category(letter) != UNSEEN)
    plain = unicodedata.normalize("NFKC", seen).casefold().strip()
    if whole := FRACTION.fullmatch(plain):
        plain = whole[1]
    plain = re.sub(r"(?<=[^\W\d_])(?=\d)|[\s_\-.]+", " ", plain).strip()
    return re.sub(r"(?<!\d)0+(?=\d)", "", plain)


def fold_file(name: str) -> str:
    """A file name without case and Unicode form, as some file systems compare names."""
    return unicodedata.normalize("NFC", name).casefold()


def spelt_in_several_ways(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that stand for one thing, each group and all groups in order."""
    groups = defaultdict(set)
    for name in names:
        groups[fold(name)].add(name)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)
