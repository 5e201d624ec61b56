"""What is to be predicted: recordings, folders of them, lists, tables of segments, arrays.

In:  what a caller names.
Out: ``Given``: one ``Item`` a row of the result, in the order given, and what was passed over.

A name that leads to nothing is an item with an error: it becomes a row, never the end.
"""

import hashlib
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertone.errors import UndertoneError, as_path, describe_some, tell

if TYPE_CHECKING:
    import numpy as np

MIX, EACH = "mix", "each"
STANDARD_INPUT = "-"
COLUMNS = ("file", "start", "end", "channel")  # of a table of segments
LOGS = (".jsonl", ".ndjson")  # of labels, as ``undertone label`` writes them


@dataclass(frozen=True)
class Item:
    """One row of the result.

    Attributes:
        file: as the caller named it.
        start_s: of the segment.
        end_s: of the segment; None for the end of the file.
        channel: counted from 1; None for the mean of all.
        error: why it cannot be used, where that is known before it is read.
        samples: of an array, as ``audio.from_array`` takes them, in place of a file.
        rate: of the array, Hz.
    """

    file: str
    start_s: float = 0.0
    end_s: float | None = None
    channel: int | None = None
    error: str = ""
    samples: "np.ndarray | None" = None
    rate: int = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """What names the row."""
        return (self.file, self.start_s, self.end_s, self.channel)


@dataclass(frozen=True)
class Given:
    """What is to be predicted.

    Attributes:
        items: a row each.
        remarks: what was passed over, and how much of it, in sentences.
        has_segments: whether the result tells start and end.
        has_channels: whether it tells the channel.
    """

    items: tuple[Item, ...]
    remarks: tuple[str, ...] = ()
    has_segments: bool = False
    has_channels: bool = False

    @property
    def digest(self) -> str:
        """Of the rows and their order."""
        together = hashlib.sha256()
        for item in self.items:
            together.update(json.dumps(item.key).encode())
        return together.hexdigest()


@dataclass
class _PassedOver:
    """How much was passed over, and why."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, why: str, n: int = 1) -> None:
        if n:
            self.counts[why] = self.counts.get(why, 0) + n

    def remarks(self) -> tuple[str, ...]:
        return tuple(f"{why}: {n}" for why, n in self.counts.items())


def gather(
    names: Iterable[Path | str] = (),
    *,
    recursive: bool = False,
    files_from: str | None = None,
    segments: Path | None = None,
    channel: str = MIX,
    keep_copies: bool = False,
) -> Given:
    """All that is to be predicted.

    Args:
        names: of recordings and folders.
        recursive: whether folders inside of folders are looked into.
        files_from: a file of names, one a line or parted by NUL; ``-`` is standard input.
        segments: a table with the columns ``file``, ``start``, ``end`` and perhaps ``channel``.
        channel: ``MIX``, ``EACH``, or the number of one, counted from 1; a table's own comes first.
        keep_copies: whether what is named twice is predicted twice.

    Raises:
        UndertoneError: there is nothing to predict, or a list or table cannot be read.
    """
    channel_number = _channel_of(channel)
    passed_over = _PassedOver()
    named = [*names, *(_listed(files_from) if files_from is not None else ())]
    items = [item for name in named for item in _of_name(Path(name), recursive, passed_over)]
    has_channels = channel != MIX
    items = [item if item.channel else replace(item, channel=channel_number) for item in items]
    if segments is not None:
        rows, own_channels = _of_table(segments, channel_number)
        items, has_channels = items + rows, has_channels or own_channels
    if channel == EACH:
        items = [one for item in items for one in _each_channel(item)]
    if not keep_copies:
        items = _without_copies(items, passed_over)
    if not items:
        raise UndertoneError(_nothing(passed_over.remarks(), files_from))
    has_segments = segments is not None or any(one.start_s or one.end_s for one in items)
    return Given(tuple(items), passed_over.remarks(), has_segments, has_channels)


def of_arrays(arrays: "Sequence[Any]", rate: int | None) -> Given:
    """Waveforms in memory; they are called ``array 0`` and so on.

    Args:
        arrays: each (n_samples,) or (n_samples, n_channels).
        rate: Hz.
    """
    import numpy as np

    if rate is None or not rate > 0:
        raise UndertoneError(
            f"arrays are predicted at their sample rate, in Hz: expected rate=16000, found {rate}"
        )
    if strange := [type(one).__name__ for one in arrays if not isinstance(one, np.ndarray)]:
        raise UndertoneError(
            f"with rate the recordings are arrays (n_samples,), found {describe_some(strange)}: "
            "leave rate out for files, or give arrays alone"
        )
    if not len(arrays):
        raise UndertoneError("there is no array to predict: give at least one")
    return Given(tuple(Item(f"array {i}", samples=a, rate=rate) for i, a in enumerate(arrays)))


def _channel_of(text: str) -> int | None:
    if text in (MIX, EACH):
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UndertoneError(
            f"--channel takes {MIX} (the mean of all), {EACH}, or the number of one, counted from "
            f"1; found {text!r}"
        )
    return int(text)


def _listed(files_from: str) -> list[str]:
    """The names in a list."""
    if files_from == STANDARD_INPUT:
        content = sys.stdin.buffer.read()
    else:
        try:
            content = Path(files_from).read_bytes()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UndertoneError(
                f"--files-from {files_from} cannot be read: {why}; it is a text file with the name "
                "of a recording or folder on each line, or - for standard input"
            ) from None
    content = content.removeprefix(b"\xef\xbb\xbf")
    ending = b"\0" if b"\0" in content else b"\n"
    lines = (line.removesuffix(b"\r") for line in content.split(ending))
    return [os.fsdecode(line) for line in lines if line.strip()]


def _of_name(path: Path, recursive: bool, passed_over: _PassedOver) -> Iterator[Item]:
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:  # a name that the system cannot even ask for
        yield Item(str(path), error=f"{path} is no name of a file: {error}")
        return
    if not is_folder:
        yield from _of_log(path) if path.suffix.lower() in LOGS else (Item(str(path)),)
        return
    from undertone.corpora import media

    found = media.find(path, recursive=recursive)
    passed_over.add("files passed over, which are no recordings by their names", found.n_others)
    passed_over.add("links passed over, to folders that were looked into already", found.n_again)
    passed_over.add("folders inside passed over (--recursive looks into them)", found.n_inside)
    rows = [(file, "") for file in found.audio]
    rows += [(file, f"{file}: {why}") for file, why in found.passed_over]
    for file, why in sorted(rows):
        yield Item(str(file), error=why)
    if not rows:
        inside = "; --recursive looks into the folders inside" if found.n_inside else ""
        yield Item(str(path), error=f"{path} is a folder without a recording{inside}")


def _of_log(path: Path) -> Iterator[Item]:
    """What can be heard of a log of labels; any other file is a recording by its name."""
    from undertone.corpora import label_log

    if not label_log.is_log(path):
        yield Item(str(path))
        return
    corpus = label_log.read(path)
    for line in corpus.told():
        tell(line)
    columns = (corpus.table[name] for name in ("file", "start_s", "end_s"))
    for file, start_s, end_s in zip(*columns, strict=True):
        end = None if math.isnan(end_s) else float(end_s)
        start = 0.0 if math.isnan(start_s) else float(start_s)
        yield Item(str(corpus.root / as_path(file)), start, end)


def _of_table(path: Path, channel: int | None) -> tuple[list[Item], bool]:
    """Its rows, and whether it names channels."""
    from undertone.corpora import tables

    cells = tables.read(path, COLUMNS).cells
    cells.columns = [str(name).strip().casefold() for name in cells.columns]
    for odd in ("start_s", "end_s"):
        if odd in cells and odd.removesuffix("_s") not in cells:
            cells = cells.rename(columns={odd: odd.removesuffix("_s")})
    if missing := [name for name in COLUMNS[:3] if name not in cells]:
        raise UndertoneError(
            f"--segments {path} has no column {', '.join(missing)}: it "
            "is a table with file, start, end (seconds) and perhaps channel; it has "
            f"{describe_some(cells.columns, 8)}"
        )
    has_channels = "channel" in cells
    columns = [name for name in COLUMNS if name in cells]
    rows = (dict(zip(columns, row, strict=True)) for row in cells[columns].itertuples(index=False))
    return [_of_row(row, path, channel) for row in rows], has_channels


def _of_row(row: Mapping[str, str], table: Path, channel: int | None) -> Item:
    """A row of a table; its file is relative to the table's folder."""
    file = row["file"].strip()
    path = str(table.parent / file) if file else ""
    if not file:
        return Item("", error=f"a row of {table} names no file")
    try:
        start_s, end_s = _seconds(row["start"], 0.0), _seconds(row["end"], None)
        own = _own_channel(row.get("channel", ""))
    except UndertoneError as error:
        return Item(path, error=f"{path}: {error}")
    assert start_s is not None, "an empty start is 0"
    return Item(path, start_s, end_s, own or channel)


def _seconds(cell: str, otherwise: float | None) -> float | None:
    from undertone.corpora.times import seconds

    if cell.strip().casefold() in ("", "nan", "nat", "none"):
        return otherwise
    value = seconds(cell)
    if not 0 <= value < math.inf:
        raise UndertoneError(f"expected seconds from the beginning, found {cell!r}")
    return value


def _own_channel(cell: str) -> int | None:
    text = cell.strip().casefold().removesuffix(".0")
    return None if text in ("", MIX, "nan") else _channel_of(text)


def _each_channel(item: Item) -> Iterator[Item]:
    """An item for each channel of a file; itself where it names one, or cannot be read."""
    from undertone.audio.streaming import n_channels

    if item.channel is not None or item.error:
        yield item
        return
    try:
        n = n_channels(item.file)
    except UndertoneError as error:
        yield replace(item, error=str(error))
        return
    yield from (replace(item, channel=number) for number in range(1, n + 1))


def _without_copies(items: Sequence[Item], passed_over: _PassedOver) -> list[Item]:
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for item in items:
        key = (os.path.abspath(item.file), *item.key[1:], item.error)
        if key not in seen:
            kept.append(item)
        seen.add(key)
    passed_over.add("rows named twice, which are predicted once", len(items) - len(kept))
    return kept


def _nothing(remarks: Sequence[str], files_from: str | None) -> str:
    where = (
        f"--files-from {files_from} names no recording" if files_from else "no recording is named"
    )
    more = f" ({'; '.join(remarks)})" if remarks else ""
    return f"{where}{more}: expected recordings, folders, or a list or table that names some"
