"""Writing to a log of labels: a line is on the disk before anybody is told that it is.

In:  labels, undoings and notes, from any number of threads and processes.
Out: lines at the end of one file; what others wrote there meanwhile.

A line is appended under a lock and flushed (fsync) before ``append`` returns. Its id is made by
whoever asks: what is sent twice, because an answer was lost on its way, stands there once. Where
the file does not end with a line, as after a cut of the power, a line is begun first, so that the
torn one never joins the next. Nothing that stands there is ever changed.
"""

import contextlib
import json
import math
import os
import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from undertone import atomic
from undertone.corpora.label_log.log import (
    FORMAT,
    HEAD_BYTES,
    MARK,
    Label,
    Log,
    check_head,
    is_torn_head,
)
from undertone.errors import UndertoneError, printable, tell

PATIENCE_S = 20.0  # that a line waits for another process's
LOOK_S = 0.005  # how often it looks whether that is done
SAME = 1e-9  # within which two shares are one, as sums are rounded
OF_THE_PAGE = ("plays", "seconds", "speed", "width")  # what a page tells of itself


class TakenError(UndertoneError):
    """What was sent contradicts what stands there already; nothing was written."""


class LabelLog:
    """A log that is open for more lines.

    Attributes:
        path: of the file.
        log: all that was read of it so far.
    """

    def __init__(self, path: Path, *, about: Mapping[str, Any]) -> None:
        """Open a log; the first line is written where there is none.

        Args:
            path: of the file; its folder is made.
            about: the corpus, as the first line tells it.

        Raises:
            UndertoneError: it is another file, or cannot be written.
        """
        self.path, self.log = path, Log()
        self._about = dict(about)
        self._read_to, self._inode = 0, 0
        self._thread = threading.RLock()
        with _errors_of(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(path.with_name(f".{path.name}{atomic.LOCK}"))
        with self._alone() as file:
            if not is_torn_head(_read(file, 0, min(self._read_to, HEAD_BYTES))):
                check_head(self.log, path)
            self._begin(file)
            _flush_folder(path.parent)

    def refresh(self) -> Log:
        """Read what other processes wrote meanwhile; a line under way waits until it is whole."""
        with self._thread, contextlib.suppress(FileNotFoundError):
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                self._catch_up(descriptor, whole=False)
            finally:
                os.close(descriptor)
        return self.log

    def append(self, line: Mapping[str, Any]) -> bool:
        """Add a line, unless its id is there; return whether it was new.

        Raises:
            UndertoneError: it is not on the disk; nothing of it stands in the log.
        """
        with self._alone() as file:
            self._begin(file)
            if line["id"] in self.log.ids:
                return False
            self._write(file, line)
            return True

    def label(self, label: Label) -> bool:
        """Add a label, unless it is there; return whether it was new.

        Raises:
            UndertoneError: it is not on the disk.
            TakenError: its id is that of another label, or of another line.
        """
        was_new = self.append(label.to_dict())
        if not was_new and not _says_the_same(self.log.labels.get(label.id), label):
            raise TakenError(
                f"the id {printable(label.id)} is that of another line of {self.path.name}: "
                "nothing was saved. A new answer needs an id of its own; an answer that is sent "
                "again has to be the same to the letter"
            )
        return was_new

    def undo(self, of: str, *, rater: str, identity: str) -> bool:
        """Take a label back; return whether that was new.

        Raises:
            UndertoneError: it is not on the disk.
            TakenError: the id is that of another line.
        """
        line = {"kind": "undo", "id": identity, "rater": rater, "at": now(), "of": of}
        was_new = self.append(line)
        if not was_new and self.log.undone.get(of) != identity:
            raise TakenError(
                f"the id {printable(identity)} is that of another line of {self.path.name}: "
                "nothing was taken back. A new request needs an id of its own"
            )
        return was_new

    def unplayed(self, utterance: str, why: str) -> bool:
        """Note that an utterance cannot be played; once for each."""
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"unplayed {utterance}"))
        return self.append(
            {"kind": "unplayed", "id": identity, "at": now(), "utterance": utterance, "why": why}
        )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[int]:
        """The file, all its lines read, while no other process and no other thread writes."""
        with self._thread, _errors_of(self.path), self._locked():
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
            file = os.open(self.path, flags, 0o644)
            try:
                self._catch_up(file, whole=True)
                yield file
            finally:
                os.close(file)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._lock.acquire(timeout=PATIENCE_S, poll_interval=LOOK_S)
        except filelock.Timeout:
            raise UndertoneError(
                f"another process has held {self.path} for {PATIENCE_S:.0f} s; the label was not "
                "saved: try again"
            ) from None
        except OSError as error:
            if error.errno not in atomic.NO_LOCKS:
                raise
            yield
            return
        try:
            yield
        finally:
            self._lock.release()

    def _catch_up(self, file: int, *, whole: bool) -> None:
        """Read on from where reading ended.

        Args:
            file: open.
            whole: whether nobody is writing, so that a last line without an end is torn.
        """
        status = os.fstat(file)
        if status.st_ino != self._inode or status.st_size < self._read_to:
            if self._read_to:
                tell(f"{self.path} was replaced or became shorter: it is read again from its start")
            self.log, self._read_to, self._inode = Log(), 0, status.st_ino
        content = _read(file, self._read_to, status.st_size)
        end = len(content) if whole else content.rfind(b"\n") + 1
        content = content[:end]
        self._read_to += len(content)
        self.log.add(content + b"\n" if content and not content.endswith(b"\n") else content)

    def _begin(self, file: int) -> None:
        """The first line where there is none, and an end to a line that has none."""
        if self._read_to and _read(file, self._read_to - 1, self._read_to) != b"\n":
            self._put(file, b"\n")
        if not self.log.head:
            head = {"kind": "log", "what": MARK, "format": FORMAT, "at": now(), **self._about}
            self._write(file, head)

    def _write(self, file: int, line: Mapping[str, Any]) -> None:
        content = json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        whole = content.encode("utf-8", "backslashreplace") + b"\n"
        self._put(file, whole)
        self.log.add(whole)

    def _put(self, file: int, content: bytes) -> None:
        """Write and flush; of what did not fit nothing stays."""
        try:
            written = 0
            while written < len(content):
                written += os.write(file, content[written:])
            os.fsync(file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file, self._read_to)
            raise
        self._read_to += len(content)


def _says_the_same(known: Label | None, label: Label) -> bool:
    """Whether a label that stands there is the one that was sent again.

    When it was written, and why its clip had been chosen, may differ: whoever sends it tells
    neither.
    """
    if known is None or _facts(known) != _facts(label):
        return False
    return known.shares.keys() == label.shares.keys() and all(
        math.isclose(share, label.shares[name], abs_tol=SAME)
        for name, share in known.shares.items()
    )


def _facts(label: Label) -> tuple[object, ...]:
    page = [label.shown.get(name) for name in OF_THE_PAGE]
    return label.rater, label.utterance, label.answer, dict(label.amounts), page


def now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _flush_folder(folder: Path) -> None:
    """A new file is there after a power cut, too, where the system can flush a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(file: int, start: int, stop: int) -> bytes:
    os.lseek(file, start, os.SEEK_SET)
    pieces, left = [], stop - start
    while left > 0 and (piece := os.read(file, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


@contextlib.contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UndertoneError(
            f"the log {path} cannot be written: {error.strerror or error}; the label was not "
            "saved. Free some space or name another --log, and try again"
        ) from None
