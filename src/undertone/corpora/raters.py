"""Tables that tell what several raters said of an utterance, one row an utterance made of them.

In:  rows with the columns utterance and rater (a row a rater), or with columns ``share_<emotion>``
     (and perhaps ``n_raters``); emotions under their canonical names, amounts as numbers.
Out: ``Rated``: a row an utterance, with the emotion that most raters heard, the mean of amounts and
     the share of each emotion; the ratings; and what a reader must know.

Where two emotions are ahead together an utterance has none, and it is said how often. Raters who
name no emotion have no vote.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from undertone.corpora import ratings
from undertone.errors import UndertoneError, describe_some
from undertone.tasks import AMOUNTS, TASKS
from undertone.tasks.names import canonical_emotion

RATER, N_RATERS = "rater", "n_raters"
SAME = ("speaker", "sex", "language", "transcript")  # of all rows of an utterance
ROUNDED = 0.02  # shares are written with two decimals or more


@dataclass(frozen=True)
class Rated:
    """One row an utterance.

    Attributes:
        table: the rows.
        ratings: as a corpus holds them; None where nobody's are told.
        notes: sentences.
    """

    table: pd.DataFrame
    ratings: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


def rated(rows: pd.DataFrame, where: Path | str) -> Rated:
    """The same rows where nothing is told of raters, else one an utterance.

    Args:
        rows: with the column utterance; the index counts the rows of the file from 0.
        where: they stand, for messages.

    Raises:
        UndertoneError: rows of one utterance contradict each other, or shares are none.
    """
    if RATER in rows:
        return _of_raters(rows, where)
    shares = [name for name in rows if str(name).startswith(ratings.SHARE)]
    return _of_shares(rows, shares, where) if shares else Rated(rows)


def tells_emotions(columns: Sequence[Hashable]) -> bool:
    """Whether a table tells emotions, if only by shares."""
    return "emotion" in columns or any(str(name).startswith(ratings.SHARE) for name in columns)


def _of_raters(rows: pd.DataFrame, where: Path | str) -> Rated:
    amounts = _amounts_among(rows.columns)
    _check_same(rows, where)
    _check_once(rows, where)
    labels = [name for name in ("emotion", *amounts) if name in rows]
    told = ratings.compact(rows[[*ratings.KEYS, *labels]])
    table = rows.drop_duplicates("utterance").set_index("utterance", drop=False)
    of_each = rows.groupby("utterance", sort=False)
    for name in SAME:
        if name in rows:
            table[name] = of_each[name].first()
    for name in amounts:
        table[name] = of_each[name].mean()
    notes = _note_on_others(rows, [*labels, *SAME])
    if "emotion" in rows:
        counts = ratings.counts(told)
        table = table.drop(columns="emotion").join(ratings.shares(counts))
        majority = ratings.majority(counts)
        table["emotion"] = majority.reindex(table.index)
        notes += _note_on_ties(int(majority.isna().sum()))
    return Rated(table.drop(columns=RATER).set_index(_first_rows(rows)), told, notes)


def _of_shares(rows: pd.DataFrame, names: Sequence[Hashable], where: Path | str) -> Rated:
    shares = _read_shares(rows, names, where)
    table = rows.drop(columns=list(names)).join(shares)
    notes: tuple[str, ...] = ()
    known = shares.notna().all(axis=1)
    if "emotion" not in rows:
        majority = ratings.majority(shares.fillna(0))
        table["emotion"] = majority
        notes = _note_on_ties(int((majority.isna() & known).sum()))
    if N_RATERS not in rows:
        return Rated(table, None, notes)
    counts = _counts(shares[known], rows[N_RATERS][known], where)
    counts.index = pd.Index(rows["utterance"][known], name="utterance")
    return Rated(table, ratings.of_counts(counts), notes)


def _read_shares(rows: pd.DataFrame, names: Sequence[Hashable], where: Path | str) -> pd.DataFrame:
    """Columns of shares under canonical names; NaN in rows without any."""
    table = rows[list(names)].apply(pd.to_numeric, errors="coerce").astype(float)
    table.columns = [
        ratings.SHARE + canonical_emotion(str(name).removeprefix(ratings.SHARE)) for name in names
    ]
    if table.columns.duplicated().any():
        raise UndertoneError(
            f"{where} has two columns of {table.columns[table.columns.duplicated()][0]}: add them "
            "up into one"
        )
    filled = rows[list(names)].notna().any(axis=1)
    wrong = filled & ~((table >= 0).all(axis=1) & ((table.sum(axis=1) - 1).abs() <= ROUNDED))
    if wrong.any():
        raise UndertoneError(
            f"{where}, row {rows.index[wrong][0] + 2} (the column names are row 1; "
            f"{int(wrong.sum())} such rows): expected shares from 0 that sum to 1, found "
            f"{', '.join(map(str, rows[list(names)][wrong].iloc[0]))}"
        )
    return table.div(table.sum(axis=1).where(filled), axis=0)


def _counts(shares: pd.DataFrame, n_raters: pd.Series, where: Path | str) -> pd.DataFrame:
    """How many raters heard each emotion."""
    numbers = pd.to_numeric(n_raters, errors="coerce").astype(float)
    exact = shares.mul(numbers, axis=0)
    wrong = ((exact - exact.round()).abs() > 1e-6 + ROUNDED * numbers.to_numpy()[:, None] / 2).any(
        axis=1
    ) | ~(numbers >= 1)
    if wrong.any():
        raise UndertoneError(
            f"{where}, row {shares.index[wrong][0] + 2} (the column names are row 1): the shares "
            f"are none of {n_raters[wrong].iloc[0]} raters: mend the column {N_RATERS}"
        )
    counts = exact.round().astype(int)
    return counts.set_axis([str(name).removeprefix(ratings.SHARE) for name in counts], axis=1)


def _amounts_among(columns: Sequence[Hashable] | pd.Index) -> list[str]:
    kinds = [kind for kind in TASKS.values() if kind.kind == AMOUNTS]
    return [name for kind in kinds for name in kind.label_columns if name in columns]


def _first_rows(rows: pd.DataFrame) -> pd.Index:
    return rows.index[~rows["utterance"].duplicated()]


def _check_same(rows: pd.DataFrame, where: Path | str) -> None:
    for name in (name for name in SAME if name in rows):
        n_told = rows.groupby("utterance", sort=False)[name].nunique()
        if odd := list(n_told.index[n_told > 1]):
            own = rows.index[rows["utterance"] == odd[0]] + 2
            raise UndertoneError(
                f"{where} tells several of the column {name} of the utterance {odd[0]} in the rows "
                f"{describe_some(own, 5)} ({len(odd)} such utterances): its raters must rate the "
                "same"
            )


def _check_once(rows: pd.DataFrame, where: Path | str) -> None:
    """A rater may name two emotions of an utterance, but not one of them twice."""
    named = rows[rows[RATER].notna()]
    key = [*ratings.KEYS, *(["emotion"] if "emotion" in rows else [])]
    if (twice := named[named.duplicated(key, keep=False)]).empty:
        return
    first = twice.iloc[0]
    own = twice.index[(twice[key].fillna("") == first[key].fillna("")).all(axis=1)] + 2
    raise UndertoneError(
        f"{where} has the rater {first[RATER]} twice for the utterance {first['utterance']}, in "
        f"the rows {' and '.join(map(str, own))} (the column names are row 1): keep one of them"
    )


def _note_on_ties(n_ties: int) -> tuple[str, ...]:
    if not n_ties:
        return ()
    return (f"{n_ties} utterances have no emotion: as many raters heard one as another.",)


def _note_on_others(rows: pd.DataFrame, known: Sequence[str]) -> tuple[str, ...]:
    """Columns that differ between the raters of an utterance and are of no label."""
    others = [str(name) for name in rows if name not in (*known, *ratings.KEYS)]
    n_told = rows.groupby("utterance")[others].nunique(dropna=False)
    differ = [name for name in others if (n_told[name] > 1).any()]
    if not differ:
        return ()
    return (f"Raters differ in the columns {', '.join(differ)}: the first row is kept.",)
