"""Which utterances say the same sentence.

In:  rows of a corpus's table: ``transcript``, and ``sentence`` where the corpus's file names hold a
     code of it.
Out: (n_rows,) one name a sentence; None where nobody knows what is said.

Two utterances say one sentence where their words are the same, whatever their case, punctuation and
blanks, or where their codes are: an automatic transcript spells one sentence in several ways, and
some utterances may have a code alone. Names do not depend on the order of rows.
"""

import unicodedata
from collections.abc import Iterable

import pandas as pd

CODE, WORDS = "sentence", "transcript"  # columns
APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}`´"


def fold(text: str) -> str:
    """Words without case, punctuation and superfluous blanks.

    >>> fold("  Don't go — it's a TEST!"), fold("Dont go, its a test")
    ('dont go its a test', 'dont go its a test')
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(
        letter if unicodedata.category(letter)[0] in "LMN" else " "
        for letter in plain
        if letter not in APOSTROPHES
    )
    return " ".join(kept.split())


def sentence_of(rows: pd.DataFrame) -> pd.Series:
    """The sentence of each utterance, by the words of it that come first in the alphabet.

    Args:
        rows: of a corpus's table; both columns may be missing.

    >>> said = {"transcript": ["Go on!", "go on", None], "sentence": ["a1", None, "A1"]}
    >>> sentence_of(pd.DataFrame(said)).tolist()
    ['go on', 'go on', 'go on']
    >>> sentence_of(pd.DataFrame({"transcript": ["Go on!", "Stop", None]})).tolist()
    ['go on', 'stop', None]
    """
    words, codes = _folded(rows, WORDS), _folded(rows, CODE)
    group = _groups(words, codes)
    spelt = words.where(words.notna(), codes)
    ranked = pd.DataFrame({"group": group, "no_words": words.isna(), "name": spelt})
    first = ranked.dropna().sort_values(["group", "no_words", "name"]).drop_duplicates("group")
    names = dict(zip(first["group"], first["name"], strict=True))
    return pd.Series([names.get(number) for number in group], index=rows.index, dtype=object)


def said_on_both_sides(learned: Iterable[object], tested: Iterable[object]) -> set[object]:
    """The sentences that training and test utterances share; unknown ones are none.

    >>> said_on_both_sides(["go on", None, "stop"], [None, "stop"])
    {'stop'}
    """
    return (set(learned) & set(tested)) - {None}


def _folded(rows: pd.DataFrame, column: str) -> pd.Series:
    if column not in rows:
        return pd.Series([None] * len(rows), index=rows.index, dtype=object)
    cells = rows[column].map(lambda cell: fold(str(cell)), na_action="ignore").astype(object)
    return cells.where(cells.notna() & (cells != ""), None)


def _groups(words: pd.Series, codes: pd.Series) -> pd.Series:
    """(n_rows,) a number a chain of rows with equal words or codes; -1 where nothing is known."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while parent.setdefault(node, node) != node:
            parent[node] = node = parent[parent[node]]
        return node

    nodes = [
        [(kind, text) for kind, text in ((WORDS, said), (CODE, code)) if isinstance(text, str)]
        for said, code in zip(words, codes, strict=True)
    ]
    for of_row in nodes:
        for node in of_row:
            parent[root(node)] = root(of_row[0])
    numbers: dict[tuple[str, str], int] = {}
    found = [numbers.setdefault(root(n[0]), len(numbers)) if n else -1 for n in nodes]
    return pd.Series(found, index=words.index, dtype=int)
