"""A table of files with their speakers and emotions: the way to bring your own corpus.

In:  a table (CSV, JSON lines, Excel, Parquet: ``corpora.tables``) with the columns file, speaker
     and emotion (or a task's amounts as numbers: happy, sad, anger, surprise, disgust, fear; or
     some of arousal, valence, dominance, on any scale), and optionally start and end or duration
     (``corpora.times``), sex, language, transcript and utterance; the synonyms are in
     ``corpora.columns``. Paths are relative to the table. Several raters may have a row each
     (column rater), or their shares may be told (``corpora.raters``).
Out: ``Corpus``, its root the table's folder; other columns are kept as text. A file that is not
     there is left out, and counted. An empty emotion is an unlabelled utterance; an empty speaker
     is None, and so are "unknown" and the like: such an utterance never enters a labelled fold.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from undertone.corpora import columns, media, raters
from undertone.corpora.corpus import COLUMNS, Corpus, left_out, name_utterances
from undertone.corpora.folder import TABLES
from undertone.corpora.ratings import SHARE
from undertone.errors import UndertoneError, as_path
from undertone.tasks import AMOUNTS, TASKS, Task
from undertone.tasks.names import canonical_emotion, names_no_emotion
from undertone.tasks.words import describe_unknown

NEEDED = ("file", "speaker")
SEGMENT = ["file", "start_s", "end_s"]
LETTERS = frozenset("asnhufdcox")  # of MSP-Podcast's EmoClass, see ``tasks.names``


def read(path: Path, *, name: str | None = None) -> Corpus:
    """Read a table of utterances.

    Args:
        path: of the table; its folder is where its paths start.
        name: of the corpus; the table's name if None, or its folder's for a ``labels.csv``.

    Raises:
        UndertoneError: a column is missing, a row stands there twice, or no file is there.
    """
    path = Path(path)
    table = columns.read_table(path)
    return from_cells(table.cells, path, name=name, notes=table.notes)


def from_cells(
    cells: pd.DataFrame, path: Path, *, name: str | None = None, notes: Sequence[str] = ()
) -> Corpus:
    """The corpus of a table whose columns have this package's names.

    Args:
        cells: of text.
        path: where they stand; its folder is where their paths start.
        name: of the corpus.
        notes: on how the table was read.
    """
    table, spelt = _located(_labelled(cells, path), path)
    if raters.RATER not in table:
        _check_repeated(table, SEGMENT, path)
    table["utterance"], is_first = _named(table)
    _check_repeated(table[is_first], ["utterance"], path)
    rated = raters.rated(table, path)
    table = rated.table.astype(object).where(rated.table.notna(), None)
    words = describe_unknown(table["emotion"].dropna()) if "emotion" in table else ""
    corpus = replace(_corpus(table, path, name), ratings=rated.ratings, notes=rated.notes)
    return corpus.noting(*notes, spelt, words)


def _labelled(cells: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Cells in this package's terms, their labels checked."""
    cells, of_amounts = tasks_of_amounts(cells)
    if not of_amounts and not raters.tells_emotions(list(cells)):
        _check_amounts_are_whole(cells, path)
    told = of_amounts or raters.tells_emotions(list(cells))
    columns.require(cells, NEEDED if told else (*NEEDED, "emotion"), path)
    if cells.empty:
        raise UndertoneError(f"{path} has a row of column names and no row below it")
    table = columns.standardise(cells, path)
    if "emotion" in cells:
        _check_letters(cells["emotion"], path)
        table["emotion"] = table["emotion"].map(_emotion, na_action="ignore")
    for task in of_amounts:
        for column in (name for name in task.label_columns if name in table):
            table[column] = _amounts(table[column], task, path)
    return table


def _located(table: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, str]:
    """The table with files as the disk spells them and all fixed columns, and a note on files."""
    named = _normalised(table["file"], path.parent)
    table = table.assign(file=named.map(_places(named, path)).fillna(named))
    for column in COLUMNS:
        if column not in table:
            table[column] = None
    return table, _spelt_otherwise(named, table["file"])


def _corpus(table: pd.DataFrame, path: Path, name: str | None) -> Corpus:
    for column in table.columns:  # numbers among objects are numbers again
        if str(column).startswith(SHARE):
            table[column] = table[column].astype(float)
    reasons = table["file"].map(
        lambda file: _reason_to_leave_out(path.parent / as_path(file)), "ignore"
    )
    reasons = reasons.mask(table["file"].isna(), "no file named").astype(object)
    stays = reasons.isna()
    own_name = path.resolve().parent.name if path.stem.lower() in TABLES else path.stem
    return Corpus(
        name=name or own_name,
        root=path.parent,
        table=table[stays],
        licence="unknown",
        citation="",
        left_out=left_out(table[~stays].assign(reason=reasons[~stays]).to_dict("records")),
    )


def tasks_of_amounts(cells: pd.DataFrame) -> tuple[pd.DataFrame, list[type[Task]]]:
    """The tasks of amounts whose labels a table has by its columns, which get the task's names.

    Case does not matter. A short name such as ``act`` counts where its cells are numbers.
    """
    kinds = []
    for kind in (kind for kind in TASKS.values() if kind.kind == AMOUNTS):
        known = _columns_of(kind, cells)
        if kind.label_columns_in(known.__contains__):
            cells = cells.rename(columns={column: name for name, column in known.items()})
            kinds.append(kind)
    return cells, kinds


def _columns_of(kind: type[Task], cells: pd.DataFrame) -> dict[str, str]:
    """The table's column by the task's name of it, for those that are there."""
    given = {str(column).strip().lower(): column for column in reversed(cells.columns)}
    found = {}
    for name in kind.label_columns:
        words = [word for word in kind.names_of(name) if word in given]
        words = [
            w for w in words if w == name or kind.needs_all_labels or _are_numbers(cells[given[w]])
        ]
        if words:
            found[name] = given[words[0]]
    return found


def _are_numbers(cells: pd.Series) -> bool:
    filled = cells[cells.str.strip() != ""]
    return len(filled) > 0 and bool(pd.to_numeric(filled, errors="coerce").notna().all())


def _check_amounts_are_whole(cells: pd.DataFrame, path: Path) -> None:
    """Say which columns lack where a table has some of a task's."""
    for kind in (kind for kind in TASKS.values() if kind.kind == AMOUNTS):
        known = _columns_of(kind, cells)
        missing = [name for name in kind.label_columns if name not in known]
        if known and missing:
            raise UndertoneError(
                f"{path} has {len(known)} of the columns of the task "
                f"{kind.name} and no column {', '.join(missing)}: add the columns; a row with an "
                "empty cell among them counts as unlabelled"
            )


def _amounts(cells: pd.Series, task: type[Task], path: Path) -> pd.Series:
    """Numbers within the task's range; NaN where a cell is empty."""
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    wrong = (numbers.isna() & cells.notna()) | (numbers < task.low) | (numbers > task.high)
    if wrong.any():
        raise UndertoneError(
            f"{path} has {cells[wrong].iloc[0]!r} in the column {cells.name}, line "
            f"{cells.index[wrong][0] + 2} ({int(wrong.sum())} such "
            f"cells); the task {task.name} takes numbers from {task.low:g} to {task.high:g}: mend "
            "or empty those cells"
        )
    return numbers


def _emotion(text: str) -> str | None:
    return None if names_no_emotion(text) else canonical_emotion(text)


def _check_letters(emotions: pd.Series, path: Path) -> None:
    """Single letters mean one thing in MSP-Podcast and another in EmoDB: W, L, E and T tell."""
    others = {text.strip().casefold() for text in emotions} - LETTERS
    if odd := sorted(text for text in others if len(text) == 1 and text.isalpha()):
        raise UndertoneError(
            f"{path} has the emotion {odd[0].upper()!r}; single letters are read as MSP-Podcast's "
            "(A anger, S sad, H happy, U surprise, F fear, D disgust, C contempt, N neutral, "
            "O other, X no agreement): write the emotions out"
        )


def _normalised(files: pd.Series, root: Path) -> pd.Series:
    """Paths without detours, relative to the root where they lie below it."""

    def normalise(file: str) -> str:
        below = os.path.relpath(root / file, root)
        return Path(file if below.startswith("..") else below).as_posix()

    return files.map(normalise, na_action="ignore")


def _check_repeated(table: pd.DataFrame, key: list[str], path: Path) -> None:
    named = table[table["file"].notna()]
    repeated = named[named.duplicated(key, keep=False)]
    if repeated.empty:
        return
    file, *_ = repeated[key].iloc[0]
    group = repeated.groupby(key, sort=False, dropna=False).ngroup()
    rows = group.index[group == 0] + 2
    n_more = repeated.duplicated(key).sum() - (len(rows) - 1)
    what = "the utterance" if key == ["utterance"] else "the same segment of the file"
    raise UndertoneError(
        f"{path} lists {what} {file} in the lines {' and '.join(map(str, rows))}"
        f"{f', and {n_more} more like it' if n_more else ''}; "
        "keep one of them"
    )


def _named(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The utterance of each row, and whether it is the first row of it: raters share one."""
    segment = table.groupby(SEGMENT, dropna=False, sort=False).ngroup()
    segment = segment.where(table["file"].notna(), -1 - table.index.to_series())
    is_first = ~segment.duplicated()
    names = _utterances(table[is_first])
    return segment.map(dict(zip(segment[is_first], names, strict=True))).astype(object), is_first


def _utterances(table: pd.DataFrame) -> pd.Series:
    """Names given by the table, else by its files; segments of one file carry their times."""
    files = table["file"].fillna("").astype(str)
    names = pd.Series(name_utterances(files), index=table.index, dtype=object)
    shared = files.duplicated(keep=False) | table["start_s"].notna() | table["end_s"].notna()
    names[shared] += table[shared].apply(_times, axis=1)
    nowhere = table["file"].isna()
    names[nowhere] = "row " + (table.index[nowhere] + 2).astype(str)
    return table["utterance"].fillna(names)


def _times(row: pd.Series) -> str:
    start_s = 0.0 if pd.isna(row["start_s"]) else row["start_s"]
    end = "end" if pd.isna(row["end_s"]) else f"{row['end_s']:.3f}"
    return f"@{start_s:.3f}-{end}"


def _places(files: pd.Series, path: Path) -> dict[str, str | None]:
    """Where each file lies, as the disk spells it; None where it is not there."""
    places = {
        file: media.locate(path.parent, file) for file in files.unique() if isinstance(file, str)
    }
    reasons = {
        file: _reason_to_leave_out(path.parent / as_path(places[file] or file)) for file in places
    }
    if all(reasons.values()):
        tried = next((f"; {path.parent / f}: {why}" for f, why in reasons.items()), "")
        raise UndertoneError(
            f"none of the {len(files)} files that {path} lists can be used{tried}. "
            "Paths are relative to the table: is it in the folder it was made for?"
        )
    return places


def _reason_to_leave_out(path: Path) -> str | None:
    """Why a row of this file cannot be used; None where it can."""
    if media.is_file(path) or media.is_dead_link(path):
        return media.why_not(path) or None
    return "file not found"


def _spelt_otherwise(named: pd.Series, located: pd.Series) -> str:
    """A note on files that lie there under a name of other case or Unicode form."""
    differ = named.notna() & (named != located)
    if not differ.any():
        return ""
    return (
        f"{differ.sum()} file names are written otherwise on disk, in case or Unicode form alone, "
        f"and were found: {named[differ].iloc[0]!a} is {located[differ].iloc[0]!a}."
    )
