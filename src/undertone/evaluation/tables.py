"""Tables that people hand in: read, find the columns, join on the utterance.

In:  a DataFrame or the path of a CSV or Parquet file.
Out: ``Table``, indexed by utterance; and the two tables joined.

Columns may have the names that the readers of corpora accept, and a few more. Cells are read as
text: "03" stays a speaker.
Without a column ``utterance`` it is the file's name without folder and ending, or, where two files
share that, its whole path without ending.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from undertone.corpora.columns import SYNONYMS, read_cells
from undertone.corpora.tasks import INTENSITIES, canonical_emotion
from undertone.errors import UndertoneError

COLUMN_NAMES = {
    **{name: SYNONYMS[name] for name in ("utterance", "file", "speaker")},
    "emotion": (*SYNONYMS["emotion"], "truth"),
    "prediction": ("prediction", "predicted", "predicted_emotion"),
    "video": ("video", "video_id"),
    **{name: (name, canonical_emotion(name)) for name in INTENSITIES},
}


@dataclass(frozen=True)
class Table:
    """A table whose index is the utterance, and the words that say where it came from."""

    frame: pd.DataFrame
    where: str

    def has(self, name: str) -> bool:
        return find_column(self.frame, name) is not None

    def column(self, name: str) -> pd.Series:
        """The column of that name or of a synonym; a blank cell is missing."""
        found = find_column(self.frame, name)
        if found is None:
            raise UndertoneError(
                f"expected a column {name} (or {', '.join(COLUMN_NAMES[name][1:])}) in "
                f"{self.where}; found {', '.join(map(str, self.frame.columns)) or 'none'}"
            )
        cells = self.frame[found].astype(object)
        return cells.mask(cells.isna() | (cells.astype(str).str.strip() == ""), None)


def find_column(frame: pd.DataFrame, name: str) -> str | None:
    """The first column that is called ``name`` or a synonym of it, whatever its case."""
    by_lower_case = {str(column).strip().lower(): column for column in frame.columns}
    return next((by_lower_case[s] for s in COLUMN_NAMES[name] if s in by_lower_case), None)


def open_table(source: pd.DataFrame | str | Path, what: str) -> Table:
    """A table indexed by utterance, each of which occurs once."""
    if isinstance(source, pd.DataFrame):
        frame, where = source, what
    else:
        frame, where = read(Path(source)), str(source)
    if frame.empty:
        raise UndertoneError(f"expected utterances in {where}; it has no rows")
    utterance = _utterances(Table(frame, where))
    if (n_empty := int(utterance.isna().sum())) > 0:
        raise UndertoneError(f"expected a name for each utterance in {where}; {n_empty} are empty")
    if twice := sorted(utterance[utterance.duplicated()].unique()):
        raise UndertoneError(
            f"expected each utterance once in {where}; {describe_some(twice)} occur more than "
            "once: keep one row each, or give every row its own name in a column utterance"
        )
    return Table(frame.set_axis(pd.Index(utterance, name="utterance")), where)


def _what_is_at(path: Path) -> str:
    return "a folder there" if path.is_dir() else "no such file"


def read(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file."""
    if not path.is_file():
        raise UndertoneError(
            f"expected a CSV or Parquet file at {path}; there is {_what_is_at(path)}"
        )
    if path.suffix.lower() != ".parquet":
        return read_cells(path)
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:  # arrow's errors derive from these
        raise UndertoneError(
            f"expected a Parquet file at {path}; it cannot be read: {error}"
        ) from error


def join(
    table: Table, columns: pd.DataFrame, *, other: Table, other_columns: pd.DataFrame, drop: bool
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Both tables' columns for the utterances that both have complete.

    Args:
        table: the truth.
        columns: its columns to keep, indexed by utterance.
        other: the prediction.
        other_columns: its columns to keep, indexed by utterance.
        drop: leave out what only one side has rather than refuse it.

    Returns:
        The joined columns in the order of the utterances' names, and how many were left out why.
    """
    gaps = {
        f"not in {other.where}": columns.index.difference(other_columns.index),
        f"not in {table.where}": other_columns.index.difference(columns.index),
        f"empty in {table.where}": columns.index[columns.isna().any(axis=1)],
        f"empty in {other.where}": other_columns.index[other_columns.isna().any(axis=1)],
    }
    left_out = {reason: utterances for reason, utterances in gaps.items() if len(utterances)}
    if left_out and not drop:
        found = "; ".join(f"{len(u)} {r} ({describe_some(u)})" for r, u in left_out.items())
        raise UndertoneError(
            f"expected the same utterances with a label in {table.where} and {other.where}; "
            f"found {found}. Complete the tables, or leave those utterances out and have them "
            'counted with --drop-missing (in Python missing="drop")'
        )
    joined = columns.dropna().join(other_columns.dropna(), how="inner").sort_index()
    if joined.empty:
        raise UndertoneError(
            f"no utterance of {table.where} ({describe_some(columns.index)}) is in {other.where} "
            f"({describe_some(other_columns.index)}): are the names written differently?"
        )
    return joined, {reason: len(utterances) for reason, utterances in left_out.items()}


def describe_some(names: Iterable[object], limit: int = 3) -> str:
    """The first few names and how many more there are.

    >>> describe_some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    words = [str(name) for name in names]
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more


def _utterances(table: Table) -> pd.Series:
    if table.has("utterance"):
        return table.column("utterance").map(str, na_action="ignore")
    if not table.has("file"):
        table.column("utterance")  # says what is missing
    paths = table.column("file").map(
        lambda text: PurePosixPath(str(text).replace("\\", "/")), na_action="ignore"
    )
    stems = paths.map(lambda path: path.stem, na_action="ignore")
    if not stems.duplicated().any():
        return stems
    return paths.map(lambda path: str(path.with_suffix("")), na_action="ignore")
