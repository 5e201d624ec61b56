"""Tables that people hand in: read, find the columns, join on the utterance.

In:  a DataFrame or the path of a CSV, JSON lines or Parquet file.
Out: ``GivenTable``, indexed by utterance; and the two tables joined.

Columns may have the names that the readers of corpora accept, and a few more: an amount that of its
emotion. Cells are read as text: "03" stays a speaker.
Without a column ``utterance`` it is the file's name without folder and ending, or, where two files
share that, its whole path without ending.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from undertone.config import parse_json
from undertone.corpora.columns import SYNONYMS, read_cells
from undertone.corpora.texts import refuse_pointer
from undertone.errors import UndertoneError, describe_some
from undertone.tasks import TASKS

TRUTH = "truth_"  # before an output where truth and prediction stand in one table
COLUMN_NAMES = {
    **{name: SYNONYMS[name] for name in ("utterance", "file", "speaker")},
    "emotion": (*SYNONYMS["emotion"], "truth"),
    "prediction": ("prediction", "predicted", "predicted_emotion"),
    "video": ("video", "video_id"),
    "rater": SYNONYMS["rater"],
}


@dataclass(frozen=True)
class GivenTable:
    """A table whose index is the utterance, and the words that say where it came from."""

    frame: pd.DataFrame
    where: str

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    def column(self, name: str) -> pd.Series:
        """The column of that name or of a synonym; a blank cell is missing."""
        if (column := self._find(name)) is None:
            raise UndertoneError(
                f"expected {describe_column(name)} in {self.where}; found "
                f"{', '.join(map(str, self.frame.columns)) or 'none'}"
            )
        cells = self.frame[column].astype(object)
        return cells.mask(cells.isna() | (cells.astype(str).str.strip() == ""), None)

    def _find(self, name: str) -> str | None:
        """The first column that is called ``name`` or a synonym of it, whatever its case."""
        by_lower_case = {str(column).strip().lower(): column for column in self.frame.columns}
        return next((by_lower_case[s] for s in _synonyms(name) if s in by_lower_case), None)


def describe_column(name: str) -> str:
    """The column and its synonyms, for messages.

    >>> describe_column("video")
    'a column video (or video_id)'
    """
    synonyms = ", ".join(_synonyms(name)[1:])
    return f"a column {name}" + (f" (or {synonyms})" if synonyms else "")


def _synonyms(name: str) -> tuple[str, ...]:
    """Of a column, itself first; of an amount those that its task knows."""
    if name in COLUMN_NAMES:
        return COLUMN_NAMES[name]
    for kind in TASKS.values():
        if name in kind.label_names:
            return tuple(dict.fromkeys(kind.names_of(name)))
    return (name,)


def open_table(source: pd.DataFrame | str | Path, what: str) -> GivenTable:
    """A table indexed by utterance, each of which occurs once."""
    frame, where = read_rows(source, what)
    utterance = names_of(GivenTable(frame, where))
    if twice := sorted(utterance[utterance.duplicated()].unique()):
        keep = "one row each, or give every row its own name in a column utterance"
        if {"system", "budget", "draw"} <= set(frame.columns):
            keep = "the rows of one system, budget and draw"
        raise UndertoneError(
            f"expected each utterance once in {where}; {describe_some(twice)} occur more than "
            f"once: keep {keep}"
        )
    return GivenTable(frame.set_axis(pd.Index(utterance, name="utterance")), where)


def read_rows(source: pd.DataFrame | str | Path, what: str) -> tuple[pd.DataFrame, str]:
    """The rows of a table, and what it is called in messages."""
    if isinstance(source, pd.DataFrame):
        frame, where = source, what
    else:
        frame, where = _read(Path(source)), str(source)
    if frame.empty:
        raise UndertoneError(f"expected utterances in {where}; it has no rows")
    return frame, where


def names_of(table: GivenTable) -> pd.Series:
    """The utterance of each row, refused where one has no name."""
    utterance = _utterances(table)
    if (n_empty := int(utterance.isna().sum())) > 0:
        raise UndertoneError(
            f"expected a name for each utterance in {table.where}; {n_empty} are empty"
        )
    return utterance


def _read(path: Path) -> pd.DataFrame:
    """A CSV, JSON lines or Parquet file."""
    if not path.is_file():
        what = "a folder there" if path.is_dir() else "no such file"
        raise UndertoneError(
            f"expected a CSV, JSON lines or Parquet file at {path}; there is {what}"
        )
    refuse_pointer(path)
    if path.suffix.lower() == ".jsonl":
        return _read_lines(path)
    if path.suffix.lower() != ".parquet":
        return read_cells(path)
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:  # arrow's errors derive from these
        raise UndertoneError(
            f"expected a Parquet file at {path}; it cannot be read: {error}"
        ) from error


def _read_lines(path: Path) -> pd.DataFrame:
    """JSON lines, as `undertone predict` prints them."""
    try:
        rows = [parse_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        return pd.DataFrame(rows, dtype=object)
    except ValueError as error:
        raise UndertoneError(f"expected JSON lines at {path}; one is none: {error}") from None


def join(
    truths: pd.DataFrame, predictions: pd.DataFrame, *where: str, drop: bool
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Both tables' columns for the utterances that both have complete.

    Args:
        truths: columns to keep, indexed by utterance.
        predictions: likewise.
        where: what the two tables are called.
        drop: leave out what only one side has rather than refuse it.

    Returns:
        The joined columns in the order of the utterances' names, and how many were left out why.
    """
    of_truth, of_prediction = where
    gaps = {
        f"not in {of_prediction}": truths.index.difference(predictions.index),
        f"not in {of_truth}": predictions.index.difference(truths.index),
        f"empty in {of_truth}": truths.index[truths.isna().any(axis=1)],
        f"empty in {of_prediction}": predictions.index[predictions.isna().any(axis=1)],
    }
    left_out = {reason: utterances for reason, utterances in gaps.items() if len(utterances)}
    if left_out and not drop:
        reasons = "; ".join(f"{len(u)} {r} ({describe_some(u)})" for r, u in left_out.items())
        raise UndertoneError(
            f"expected the same utterances with a label in {of_truth} and {of_prediction}; "
            f"found {reasons}. Complete the tables, or leave those utterances out and have them "
            'counted with --drop-missing (in Python missing="drop")'
        )
    joined = truths.dropna().join(predictions.dropna(), how="inner").sort_index()
    if joined.empty:
        raise UndertoneError(
            f"no utterance of {of_truth} ({describe_some(truths.index)}) is in {of_prediction} "
            f"({describe_some(predictions.index)}): are the names written differently?"
        )
    return joined, {reason: len(utterances) for reason, utterances in left_out.items()}


def numbers(table: GivenTable, names: Sequence[str]) -> pd.DataFrame:
    """The columns as numbers; a blank cell is missing, any other that is no number refused."""
    columns = {}
    for name in names:
        cells = table.column(name)
        columns[name] = pd.to_numeric(cells, errors="coerce").astype(float)
        odd = (columns[name].isna() & cells.notna()) | np.isinf(columns[name])
        if odd.any():
            raise UndertoneError(
                f"expected finite numbers in the column {name} of {table.where}; found "
                f"{describe_some(map(repr, cells[odd]))}, for {describe_some(cells.index[odd])}: "
                "mend those cells, or leave them empty"
            )
    return pd.DataFrame(columns)


def _utterances(table: GivenTable) -> pd.Series:
    if table.has("utterance"):
        return table.column("utterance").map(str, na_action="ignore")
    if not table.has("file"):
        table.column("utterance")  # says what is missing
    paths = table.column("file").map(
        lambda text: PurePosixPath(str(text).replace("\\", "/")), na_action="ignore"
    )
    stems = paths.map(lambda path: path.stem, na_action="ignore")
    if not table.has("rater"):
        again = stems.duplicated()
    else:  # who has a row each of one file
        again = stems[~paths.duplicated()].duplicated()
    if not again.any():
        return stems
    return paths.map(lambda path: str(path.with_suffix("")), na_action="ignore")
