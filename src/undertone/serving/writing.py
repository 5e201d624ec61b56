"""A table of predictions that is written as they are made, and gone on with where it was stopped.

In:  rows in order, of a list and a model whose identity is known.
Out: ``FILE.csv`` or ``FILE.jsonl``, a line a row; ``FILE.parquet``, joined at the end from lines.

While it is unfinished, a folder ``FILE.unfinished`` beside it says what it is a table of, and holds
the lines of a Parquet table. A line that was torn by a kill is cut off; what the table begins with
must be rows of the same list.
"""

import contextlib
import csv
import errno
import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from undertone import atomic, seals
from undertone.errors import UndertoneError, printable
from undertone.seals import UnsoundError

CSV, JSONL, PARQUET = ".csv", ".jsonl", ".parquet"
SUFFIXES = (CSV, JSONL, PARQUET)
UNFINISHED = ".unfinished"
IDENTITY, LINES = "identity.json", "rows.jsonl"
FLUSH_S = 5.0  # what a power cut may cost
ROWS_A_GROUP = 50_000  # of a Parquet file
NUMBERS = ("start", "end")  # beside the outputs; the rest is text
TEXTS = ("file", "channel", "emotion", "set", "doubt", "error", "note")


@dataclass(frozen=True)
class Table:
    """What is written where.

    Attributes:
        out: the file.
        columns: its names, in order.
        files: what the rows are called, in order.
        identity: of model, settings and list, what JSON can hold.
    """

    out: Path
    columns: Sequence[str]
    files: Sequence[str]
    identity: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Of what is unfinished."""
        return self.out.with_name(self.out.name + UNFINISHED)

    @property
    def lines(self) -> Path:
        """The file that lines are added to."""
        return self.folder / LINES if self._suffix == PARQUET else self.out

    @property
    def _suffix(self) -> str:
        return self.out.suffix.lower()

    @property
    def is_csv(self) -> bool:
        """Whether the lines are of a CSV table."""
        return self._suffix == CSV


@dataclass
class Written:
    """How much was written.

    Attributes:
        n_rows: in all.
        n_failed: of them, which could not be used.
        n_before: of them, which were there already.
    """

    n_rows: int = 0
    n_failed: int = 0
    n_before: int = 0


def check_out(out: Path) -> None:
    """Refuse a place that no table can be written to.

    Raises:
        UndertoneError: its name ends in something else, or it is a folder.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UndertoneError(
            f"--out {out} must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, which says how "
            f"it is written; try --out {out.with_suffix(CSV)}"
        )
    if out.is_dir():
        raise UndertoneError(f"--out {out} is a folder; name a file in it, as {out / 'out.csv'}")


def write(
    table: Table,
    rows_from: Callable[[int], Iterator[Mapping[str, Any]]],
    advance: Callable[[int], None] = lambda count: None,
) -> Written:
    """Write what is missing of a table.

    Args:
        table: what, and where.
        rows_from: gives the rows from one on, as ``Prediction.to_dict`` has them.
        advance: called with the number of rows that are there now and were not before.

    Raises:
        UndertoneError: something else is there, another process writes it, or the disk is full.
    """
    check_out(table.out)
    with atomic.held(table.folder):
        _check_same(table)
        try:
            written = _go_on(table, rows_from, advance)
            if table.lines != table.out:
                _join(table)
        except OSError as error:
            raise _not_written(table.out, error) from None
        for name in (IDENTITY, LINES):
            with contextlib.suppress(FileNotFoundError):
                (table.folder / name).unlink()
    with contextlib.suppress(OSError):
        table.folder.rmdir()
    return written


def _check_same(table: Table) -> None:
    """Refuse to go on with a table of something else; say what this one is of."""
    path = table.folder / IDENTITY
    content = seals.read(path)
    if content is None:
        if table.out.exists() or table.out.is_symlink():
            raise UndertoneError(
                f"{table.out} is there already, and it is finished or of something else; choose "
                "another --out, or delete it"
            )
        atomic.write_text(path, json.dumps(seals.seal(table.identity)))
        return
    again = f"choose another --out, or delete {table.out} and {table.folder} to begin anew"
    try:
        held = seals.unseal(content)
    except UnsoundError as error:
        raise UndertoneError(f"{path} is damaged ({error}); {again}") from None
    asked = json.loads(json.dumps(table.identity))
    if others := [name for name in {**held, **asked} if held.get(name) != asked.get(name)]:
        raise UndertoneError(
            f"{table.out} was begun with another {' and another '.join(others)}; {again}"
        )


def _go_on(
    table: Table,
    rows_from: Callable[[int], Iterator[Mapping[str, Any]]],
    advance: Callable[[int], None],
) -> Written:
    with _opened(table.lines) as file:
        written = _kept(table, file)
        advance(written.n_before)
        if table.is_csv and file.tell() == 0:
            file.write(_csv_line(table.columns))
        flushed = time.monotonic()
        for row in rows_from(written.n_rows):
            file.write(_line(table, row))
            file.flush()
            if time.monotonic() - flushed > FLUSH_S:
                os.fsync(file.fileno())
                flushed = time.monotonic()
            written.n_rows += 1
            written.n_failed += row["error"] is not None
            advance(1)
        file.flush()
        os.fsync(file.fileno())
    return written


def _opened(path: Path) -> BinaryIO:
    path.touch()
    return path.open("r+b")


def _kept(table: Table, file: BinaryIO) -> Written:
    """The rows that are there; the file is cut behind the last whole one and stands at its end."""
    written, end, is_names = Written(), 0, table.is_csv
    for line in file:
        if not line.endswith(b"\n"):
            break
        row = None if is_names else _parsed(table, line)
        if is_names and line != _csv_line(table.columns):
            raise _strange(table, 1)
        if not is_names:
            if row is None and not file.read(1):  # the last line, of which a power cut made noughts
                break
            n = written.n_rows
            if row is None or n >= len(table.files) or row.get("file") != table.files[n]:
                raise _strange(table, n + 1 + table.is_csv)
            written.n_rows += 1
            written.n_failed += row["error"] not in (None, "")
        is_names, end = False, end + len(line)
    file.seek(end)
    file.truncate()
    written.n_before = written.n_rows
    return written


def _parsed(table: Table, line: bytes) -> Mapping[str, Any] | None:
    """The row of a line; None where it is none."""
    try:
        text = line.decode()
        if table.is_csv:
            (cells,) = csv.reader(io.StringIO(text))
            return dict(zip(table.columns, cells, strict=True))
        row = json.loads(text)
        return row if isinstance(row, dict) and {"file", "error"} <= row.keys() else None
    except (ValueError, csv.Error, RecursionError):
        return None


def _strange(table: Table, n: int) -> UndertoneError:
    return UndertoneError(
        f"line {n} of {table.lines} is not what was written there: it was changed; choose another "
        f"--out, or delete {table.out} and {table.folder} to begin anew"
    )


def _line(table: Table, row: Mapping[str, Any]) -> bytes:
    named = plain(row)
    if table.is_csv:
        return _csv_line([named.get(name) for name in table.columns])
    if table.lines != table.out:
        named = {name: named.get(name) for name in table.columns}
    return f"{json.dumps(named, ensure_ascii=False)}\n".encode()


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Names of files, and what is said of them, on one line each, as they can be printed."""
    return {name: printable(v) if isinstance(v, str) else v for name, v in row.items()}


def _csv_line(cells: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _join(table: Table) -> None:
    """The lines as a Parquet file, which is whole or absent."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {name for name in table.columns if name.startswith("p_")} | set(NUMBERS)
    numbers |= set(table.columns) - set(TEXTS)
    kinds = {name: pa.float64() if name in numbers else pa.string() for name in table.columns}
    schema = pa.schema({**kinds, **({"channel": pa.int32()} if "channel" in kinds else {})})
    partial = table.folder / "joined.parquet"
    with pq.ParquetWriter(partial, schema) as writer, table.lines.open("rb") as lines:
        for group in _groups(lines):
            writer.write_table(pa.Table.from_pylist(group, schema))
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(table.out)


def _groups(lines: BinaryIO) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for line in lines:
        group.append(json.loads(line))
        if len(group) == ROWS_A_GROUP:
            yield group
            group = []
    if group:
        yield group


def _not_written(out: Path, error: OSError) -> UndertoneError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UndertoneError(
            f"the disk is full: {out} is not finished; free some space and run the same command "
            "again, what is finished is kept"
        )
    return UndertoneError(
        f"{out} cannot be written: {error.strerror or error}; choose another --out"
    )
