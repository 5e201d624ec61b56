"""A truth of several raters that people hand in: one row an utterance, and the ratings beside it.

In:  a table with the columns utterance (or file), speaker, rater and labels, a row a rater; or with
     columns ``share_<emotion>``, and ``n_raters`` beside them.
Out: ``Told``: the truth as ``tables_given`` has any, the ratings, and what a reader must know.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from undertone.corpora.raters import N_RATERS, RATER, rated
from undertone.corpora.ratings import SHARE
from undertone.evaluation.tables_given import (
    GivenTable,
    names_of,
    numbers,
    open_table,
    read_rows,
)
from undertone.tasks import AMOUNTS, TASKS
from undertone.tasks.names import canonical_emotion, names_no_emotion


@dataclass(frozen=True)
class Told:
    """What a truth tells.

    Attributes:
        table: one row an utterance.
        ratings: as a corpus holds them; None where nobody's are told.
        notes: sentences.
    """

    table: GivenTable
    ratings: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


def open_truth(source: pd.DataFrame | str | Path) -> Told:
    """A table of truths, of one rater or of several."""
    frame, where = read_rows(source, "the truth")
    if isinstance(source, pd.DataFrame):
        frame = frame.reset_index(drop=True)
    given = GivenTable(frame, where)
    shares = [name for name in frame if str(name).startswith(SHARE)]
    if not given.has(RATER) and not shares:
        return Told(open_table(source, "the truth"))
    rows = pd.DataFrame({"utterance": names_of(given).astype(object)})
    for name in ("speaker", "video", RATER):
        if given.has(name):
            rows[name] = given.column(name)
    if given.has("emotion"):
        rows["emotion"] = given.column("emotion").map(_emotion, na_action="ignore")
    amounts = (n for kind in TASKS.values() if kind.kind == AMOUNTS for n in kind.label_columns)
    rows = rows.join(numbers(given, [name for name in amounts if given.has(name)]))
    for column in (*shares, *([N_RATERS] if N_RATERS in frame else [])):
        rows[str(column)] = given.column(str(column))
    together = rated(rows, where)
    table = GivenTable(together.table.set_index("utterance"), where)
    return Told(table, together.ratings, together.notes)


def _emotion(label: object) -> str | None:
    return None if names_no_emotion(str(label)) else canonical_emotion(str(label))
