"""Corpora for other programs: Parquet tables, audformat databases.

In:  a ``Corpus``.
Out: a file or a folder that is whole or absent, which this package reads too.

Paths are relative where the recordings lie below the table, and absolute elsewhere.
"""

import io
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from undertone import atomic
from undertone.corpora.corpus import Corpus, knows
from undertone.errors import UndertoneError, as_path, as_text, needs
from undertone.tasks.dimensions import DIMENSIONS

TEXTS = {"transcript": "transcription", "language": "language", "sex": "gender"}


def to_parquet(corpus: Corpus, path: Path | str, *, overwrite: bool = False) -> Path:
    """Write the table of a corpus, an utterance a row.

    Args:
        corpus: whose recordings stay where they are.
        path: of the file, ending in ``.parquet``.
        overwrite: whether a file that is there may be replaced.

    Raises:
        UndertoneError: the file is there, has another ending, or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".parquet":
        raise UndertoneError(f"a Parquet table ends in .parquet, found {path.name}")
    if path.exists() and not overwrite:
        raise UndertoneError(f"{path} is there already: say overwrite=True, or choose another name")
    table = corpus.table.assign(file=_files(corpus, path.parent))
    table = table.dropna(axis="columns", how="all")
    if "speaker" not in table:
        table["speaker"] = None
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    atomic.write_bytes(path, content.getvalue())
    return path


def to_audformat(corpus: Corpus, folder: Path | str) -> Path:
    """Write an audformat database, its tables as CSV.

    The table ``emotion`` has the labels; the scheme ``speaker`` knows each speaker's sex.

    Raises:
        UndertoneError: the extra is not installed, or the folder is there already.
    """
    needs("audformat", extra="audformat", what="audformat databases")
    folder = Path(folder)
    save(as_database(corpus, folder), folder)
    return folder


def save(database: Any, folder: Path) -> None:
    """Write an ``audformat.Database``, its tables as CSV, whole or not at all."""
    with atomic.new_folder(folder) as place:
        inner = place / "written"
        database.save(str(inner), storage_format="csv", header_only=False)
        for file in inner.iterdir():
            file.rename(place / file.name)
        shutil.rmtree(inner)


def as_database(corpus: Corpus, folder: Path) -> Any:
    """The same as an ``audformat.Database`` in memory, whose paths start at a folder."""
    import audformat

    rows = corpus.table
    languages = sorted(rows["language"].dropna().unique())
    database = audformat.Database(
        corpus.name,
        source=corpus.citation or "unknown",
        usage="unrestricted" if corpus.licence.startswith("CC0") else "research",
        languages=languages if len(languages) == 1 else [],
        author=corpus.citation or None,
        license=corpus.licence,
    )
    table = database["emotion"] = audformat.Table(_index(corpus, folder))
    schemes: dict[str, Any] = {"speaker": audformat.Scheme(labels=_speakers(rows))}
    values: dict[str, list[Any]] = {"speaker": rows["speaker"].where(_known(rows), None).tolist()}
    if "emotion" in rows:
        schemes["emotion"] = audformat.Scheme(labels=list(corpus.emotions))
        values["emotion"] = rows["emotion"].tolist()
    for name in (n for n in DIMENSIONS if n in rows):
        schemes[name], values[name] = audformat.Scheme("float"), rows[name].astype(float).tolist()
    for ours, theirs in TEXTS.items():
        if rows[ours].notna().any():
            schemes[theirs], values[theirs] = audformat.Scheme("str"), rows[ours].tolist()
    for name, scheme in schemes.items():
        database.schemes[name] = scheme
        table[name] = audformat.Column(scheme_id=name)
        table[name].set(values[name])
    return database


def _known(rows: pd.DataFrame) -> pd.Series:
    return rows["speaker"].map(knows)


def _speakers(rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Sex by speaker, where it is known."""
    known = rows[_known(rows)].drop_duplicates("speaker")
    return {
        str(speaker): {} if sex is None else {"gender": sex}
        for speaker, sex in zip(known["speaker"], known["sex"], strict=True)
    }


def _index(corpus: Corpus, folder: Path) -> pd.Index:
    import audformat

    rows, files = corpus.table, _files(corpus, folder)
    if rows["start_s"].isna().all() and rows["end_s"].isna().all():
        return audformat.filewise_index(files)
    return audformat.segmented_index(
        files,
        [pd.Timedelta(seconds=start) for start in rows["start_s"].fillna(0.0)],
        [pd.NaT if end != end else pd.Timedelta(seconds=end) for end in rows["end_s"]],
    )


def _files(corpus: Corpus, folder: Path) -> list[str]:
    """The recordings as seen from a folder."""
    home, found = folder.resolve(), []
    for file in corpus.table["file"]:
        path = (Path(corpus.root) / as_path(file)).resolve()
        inside = path.is_relative_to(home)
        found.append(as_text(str(path.relative_to(home) if inside else path)))
    return found
