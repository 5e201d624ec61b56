"""Any table to cells of text: delimited, JSON lines or JSON, Excel, Parquet.

In:  the path of a table.
Out: ``Table``: a frame of text, "" where a cell is empty, and what a reader of it must know.

The index of the frame is a row's line in the file less 2, so that ``index + 2`` is what an editor
shows; of formats without lines, the number of the row where the names are row 1. Text that is not
UTF-8 is read in the encoding that ``charset-normalizer`` finds, and that is said.
"""

import datetime
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from undertone.corpora import delimited
from undertone.errors import UndertoneError, needs

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
SHEET_SUFFIXES = (".xlsx", ".xlsm")
SUFFIXES = (*TEXT_SUFFIXES, *JSON_SUFFIXES, *SHEET_SUFFIXES, ".parquet")
BYTE_ORDER_MARKS: Mapping[bytes, str] = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
SINGLE_BYTE = ("cp1252", "cp1251", "cp1253")
SEVERAL_BYTES = ("cp932", "gb18030", "big5", "cp949")
MAX_SHEET_BYTES = 1_000_000_000  # unpacked
SAMPLE_BYTES = 1_000_000  # of a text, to find its encoding


@dataclass(frozen=True)
class Table:
    """Cells, and how they were read where that was not the usual way."""

    cells: pd.DataFrame
    notes: tuple[str, ...] = field(default=())


def read(path: Path, known: Sequence[str] = ()) -> Table:
    """Read a table by what its name ends in.

    Args:
        path: of the table.
        known: names of columns that help to find the row of names, in lower case.

    Raises:
        UndertoneError: it is not there, or cannot be read whole.
    """
    _check_is_file(path)
    suffix = path.suffix.lower()
    try:
        if suffix in SHEET_SUFFIXES:
            return _read_sheet(path, known)
        if suffix == ".parquet":
            return Table(from_frame(_read_parquet(path)))
        if suffix in JSON_SUFFIXES:
            return _read_json(path)
        text, notes = decode(path)
    except OSError as error:
        raise UndertoneError(f"{path} cannot be read as a table: {error}") from None
    parsed = delimited.parse(text, path, known)
    index = pd.Index([line - 2 for line in parsed.lines], dtype=int)
    return Table(pd.DataFrame(parsed.rows, index, parsed.names, dtype=object), notes)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ValueError as error:  # arrow's errors derive from it
        raise UndertoneError(
            f"{path} cannot be read as a Parquet table: {error}; write it again, or as CSV"
        ) from None


def decode(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and a note where it is not UTF-8."""
    content = path.read_bytes()
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return _in(encoding, content, path), ()
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError:
        encoding = _found_encoding(content, path)
    note = (
        f"{path.name} is not in UTF-8: read as {encoding}; if names look wrong, save it as UTF-8."
    )
    return _in(encoding, content, path), (note,)


def from_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as cells: its named index as columns, whole numbers without a fraction."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame = frame.reset_index(drop=True)
    return pd.DataFrame(
        {str(name): [text_of(value) for value in frame[name]] for name in frame.columns},
        index=frame.index,
        dtype=object,
    )


def text_of(value: Any) -> str:
    """A cell as text.

    >>> text_of(3.0), text_of(None), text_of(float("nan")), text_of("03")
    ('3', '', '', '03')
    """
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None or pd.isna(value) else str(value)


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise UndertoneError(f"expected a table at {path}, found a folder; name the table")
    if not path.is_file():
        raise UndertoneError(f"expected a table of utterances at {path}; there is none")


def _in(encoding: str, content: bytes, path: Path) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UndertoneError(
            f"{path} cannot be read as text: byte {error.start} is none of {encoding}; save it as "
            "UTF-8 and try again"
        ) from None


def _found_encoding(content: bytes, path: Path) -> str:
    from charset_normalizer import from_bytes

    if b"\0" in content[:SAMPLE_BYTES]:
        raise UndertoneError(
            f"{path} is no text: it holds bytes of 0; expected a table ({', '.join(SUFFIXES)})"
        )
    sample = content[:SAMPLE_BYTES]
    best = from_bytes(sample, cp_isolation=[*SINGLE_BYTE, *SEVERAL_BYTES]).best()
    if best is not None and best.encoding in SEVERAL_BYTES:
        return str(best.encoding)
    words = re.findall(r"[^\W\d_]{3,}", sample.decode("cp1252", errors="ignore"))
    accented = [word for word in words if not word.isascii()]
    all_accents = [word for word in accented if not re.search("[A-Za-z]", word)]
    if 2 * len(all_accents) <= len(accented):
        return "cp1252"  # a few accents say little of its siblings, and it is the usual one
    best = from_bytes(sample, cp_isolation=["cp1251", "cp1253"]).best()
    return str(best.encoding) if best is not None else "cp1251"


def _read_json(path: Path) -> Table:
    """Records: one a line, a list, a mapping by utterance, or a list inside a mapping."""
    text, notes = decode(path)
    try:
        lines = text.split("\n")
        if path.suffix.lower() == ".json":
            records = list(_records(json.loads(text)))
            index = list(range(len(records)))
        else:
            index = [number - 1 for number, line in enumerate(lines) if line.strip()]
            records = [json.loads(lines[number + 1]) for number in index]
    except (ValueError, RecursionError) as error:
        raise UndertoneError(f"{path} is not valid JSON: {error}") from None
    if odd := [i for i, record in zip(index, records, strict=True) if not isinstance(record, dict)]:
        raise UndertoneError(
            f"{path}, line {odd[0] + 2}: expected a record such as "
            '{"file": "a.wav", "speaker": "s1", "emotion": "sad"}'
        )
    if not records:
        raise UndertoneError(f"{path} holds no records")
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [[text_of(record.get(name)) for name in names] for record in records]
    return Table(pd.DataFrame(rows, pd.Index(index, dtype=int), names, dtype=object), notes)


def _records(content: Any) -> Iterable[Any]:
    if isinstance(content, list):
        return content
    if isinstance(content, dict):
        lists = [
            v for v in content.values() if isinstance(v, list) and v and isinstance(v[0], dict)
        ]
        if len(lists) == 1:  # with other facts beside it
            return lists[0]
        if content and all(isinstance(value, dict) for value in content.values()):
            return ({"utterance": key, **record} for key, record in content.items())
    raise ValueError("expected a list of records, or records by the name of the utterance")


def _read_sheet(path: Path, known: Sequence[str]) -> Table:
    """The sheet of a workbook that has the most of the known columns; the first of equal ones."""
    needs("openpyxl", extra="xlsx", what="Excel tables")
    import openpyxl

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_SHEET_BYTES:
            raise UndertoneError(f"{path} unpacks to {size:,} bytes; save the table as CSV instead")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise UndertoneError(
            f"{path} cannot be read as an Excel table: {error}; save it as CSV instead"
        ) from None
    try:
        tables = {sheet.title: _sheet_cells(sheet, path) for sheet in book}
    finally:
        book.close()
    filled = {title: cells for title, cells in tables.items() if len(cells.columns)}
    if not filled:
        raise UndertoneError(f"{path} is empty: expected a row of column names in a sheet")
    title = max(filled, key=lambda name: _n_known(filled[name], known))
    others = [name for name in filled if name != title]
    note = f"Of {path.name} the sheet {title!r} was read, and not {', '.join(map(repr, others))}."
    return Table(filled[title], (note,) if others else ())


def _sheet_cells(sheet: Any, path: Path) -> pd.DataFrame:
    """A sheet's cells below its first row that is not empty."""
    rows = (
        (i, [_sheet_text(v) for v in r]) for i, r in enumerate(sheet.iter_rows(values_only=True))
    )
    numbered = [(i, row) for i, row in rows if any(row)]
    if not numbered:
        return pd.DataFrame()
    (_, names), *body = numbered
    width = max(i + 1 for i, name in enumerate(names) if name)
    for i, row in body:
        if any(row[width:]):
            raise UndertoneError(
                f"{path}, sheet {sheet.title!r}, row {i + 1} has more cells than there are column "
                f"names ({width}); name the columns or empty those cells"
            )
    return pd.DataFrame(
        [row[:width] for _, row in body],
        pd.Index([i - 1 for i, _ in body], dtype=int),
        names[:width],
        dtype=object,
    )


def _sheet_text(value: Any) -> str:
    """A cell of a sheet: times of day count as lengths, as people type them."""
    if isinstance(value, datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return f"{value.total_seconds():g}"
    return text_of(value).strip()


def _n_known(cells: pd.DataFrame, known: Sequence[str]) -> int:
    return len({str(name).strip().lower() for name in cells} & set(known))
