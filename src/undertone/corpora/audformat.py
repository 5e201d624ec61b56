"""audformat's databases, as audEERING publishes corpora: a header and tables beside it.

In:  a folder with ``db.yaml`` and ``db.<table>.csv`` or ``.parquet`` (extra ``audformat``).
Out: ``Corpus``: the rows of every table that tells emotions, with speaker, sex, language and
     transcript from whichever table or scheme knows them.

A header may hold objects that run code when it is read, and a table may be kept as a pickle: the
header is read as plain values, and pickles are never opened. An utterance that two tables tell
different emotions has none, and that is said.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from undertone.corpora import csv, media, tables
from undertone.corpora.columns import SYNONYMS, under_our_names
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError, needs

HEADER = "db.yaml"
INDEX = ("file", "start", "end")
OF_A_FILE = ("speaker", "sex", "language", "transcript")


def is_database(path: Path) -> bool:
    """Whether a folder holds a database."""
    return media.is_file(path / HEADER)


def read(path: Path, *, name: str | None = None) -> Corpus:
    """The corpus in a database; the header's name is the corpus's where none is given.

    Raises:
        UndertoneError: the extra is not installed, the header is not plain, or a table is missing.
    """
    root = Path(path)
    return _read(root, _header(root), root, name)


def of_database(database: Any, *, name: str | None = None) -> Corpus:
    """The corpus of a database in memory; paths start where it was loaded from, or here.

    Raises:
        UndertoneError: a table tells what this package cannot read.
    """
    needs("audformat", extra="audformat", what="audformat databases")
    with tempfile.TemporaryDirectory() as folder:
        database.save(folder, storage_format="csv", header_only=False, update_other_formats=False)
        return _read(Path(folder), database, Path(database.root or Path.cwd()), name)


def _read(tables_in: Path, database: Any, root: Path, name: str | None) -> Corpus:
    """The corpus whose tables lie in one folder and whose recordings start at another."""
    if not database.tables:
        raise UndertoneError(
            f"the database {database.name} has no table of files or segments: expected one with a "
            "column emotion, and speaker"
        )
    frames = {table: _read_table(tables_in, table, database) for table in database.tables}
    telling = {table: frame for table, frame in frames.items() if "emotion" in frame}
    rows, notes = _united(telling or frames)
    for column in OF_A_FILE:
        known = _by_file(frames.values(), column)
        own = rows[column] if column in rows else pd.Series("", index=rows.index, dtype=object)
        others = rows["file"].map(known).astype(object).fillna("")
        rows[column] = own.where(own != "", others)
    _from_speakers(rows, database)
    if "emotion" not in rows:
        rows["emotion"] = ""
    rows = under_our_names(rows, root / HEADER)
    corpus = csv.from_cells(rows, root / HEADER, name=name or str(database.name), notes=notes)
    return corpus.with_source(
        licence=str(database.license or "unknown"),
        citation=str(database.author or database.source or ""),
    )


def _header(root: Path) -> Any:
    needs("audformat", extra="audformat", what="audformat databases")
    import audformat
    import yaml

    text, _ = tables.decode(root / HEADER)
    try:
        values = yaml.safe_load(text)
        return audformat.Database.load_header_from_yaml(values)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UndertoneError(f"{root / HEADER} is no plain header of a database: {error}") from None


def _read_table(root: Path, table: str, database: Any) -> pd.DataFrame:
    """A table's cells under our names, labels written out as their schemes do."""
    places = [root / f"db.{table}.{suffix}" for suffix in ("csv", "parquet")]
    place = next((place for place in places if media.is_file(place)), None)
    if place is None:
        if not media.is_file(root / f"db.{table}.pkl"):
            raise UndertoneError(
                f"expected {places[0].name} or {places[1].name} in {root}, as its {HEADER} says; "
                "fetch the database again"
            )
        raise UndertoneError(
            f"{root} keeps the table {table} as a pickle, which is not opened because it may run "
            "code; where you trust it, save it as text with "
            f"`python -c \"import audformat; audformat.Database.load('{root}').save('{root}', "
            "storage_format='csv')\"`"
        )
    cells = tables.read(place).cells
    renamed: dict[str, str] = {}
    for column, facts in database[table].columns.items():
        known = _our_name(column) or _our_name(facts.scheme_id or "")
        if known and known not in renamed.values() and column in cells:
            renamed[column] = known
            cells[column] = _written_out(cells[column], database, facts.scheme_id)
    return cells.rename(columns=renamed)


def _our_name(word: str) -> str | None:
    """The column of this package that a word stands for."""
    wanted = ("emotion", *OF_A_FILE)
    return next((name for name in wanted if word.lower() in (name, *SYNONYMS[name])), None)


def _written_out(cells: pd.Series, database: Any, scheme: str | None) -> pd.Series:
    labels = database.schemes[scheme].labels if scheme in database.schemes else None
    texts = (
        {k: v for k, v in labels.items() if isinstance(v, str)} if isinstance(labels, dict) else {}
    )
    return cells.map(lambda cell: texts.get(cell, cell))


def _united(frames: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows of all tables, each file or segment once, and a note where they disagree."""
    parts = [
        frame.reindex(columns=[*_index_of(frame), *_others(frame)]) for frame in frames.values()
    ]
    rows = pd.concat(parts, ignore_index=True).astype(object).fillna("")
    index = [column for column in INDEX if column in rows]
    kept = rows.drop_duplicates(index, ignore_index=True)
    if "emotion" not in rows:
        return kept, ()
    told = rows[rows["emotion"] != ""].groupby(index)["emotion"].nunique()
    disputed = pd.MultiIndex.from_frame(kept[index]).isin(_tuples(told.index[told > 1]))
    if not disputed.any():
        return kept, ()
    note = (
        f"The tables {' and '.join(frames)} tell {disputed.sum()} utterances different emotions: "
        "they count as unlabelled."
    )
    return kept.assign(emotion=kept["emotion"].mask(disputed, "")), (note,)


def _tuples(index: pd.Index) -> list[tuple[Any, ...]]:
    return [key if isinstance(key, tuple) else (key,) for key in index]


def _index_of(frame: pd.DataFrame) -> list[str]:
    return [column for column in INDEX if column in frame]


def _others(frame: pd.DataFrame) -> list[str]:
    return [str(column) for column in frame if column not in INDEX]


def _by_file(frames: Iterable[pd.DataFrame], column: str) -> dict[str, str]:
    """What is told of whole files."""
    known: dict[str, str] = {}
    for frame in frames:
        if column in frame and "file" in frame:
            for file, value in zip(frame["file"], frame[column], strict=True):
                if value != "":
                    known.setdefault(file, value)
    return known


def _from_speakers(rows: pd.DataFrame, database: Any) -> None:
    """Sex and language of the speakers, and the database's language, where no table tells."""
    scheme = next((s for s in database.schemes if _our_name(s) == "speaker"), None)
    labels = database.schemes[scheme].labels if scheme is not None else None
    facts = labels if isinstance(labels, dict) else {}
    for column in ("sex", "language"):
        by_speaker = {
            str(speaker): str(value)
            for speaker, of_speaker in facts.items()
            if isinstance(of_speaker, dict)
            for word, value in of_speaker.items()
            if _our_name(word) == column
        }
        known = rows["speaker"].map(by_speaker).astype(object).fillna("")
        rows[column] = rows[column].where(rows[column] != "", known)
    languages = list(database.languages or [])
    if len(languages) == 1:
        rows["language"] = rows["language"].where(rows["language"] != "", languages[0])
