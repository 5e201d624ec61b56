"""Progress that a person sees within two seconds: bars on a terminal, lines in a log.

Everything goes to standard error, so that standard output stays what the caller asked for. Between
the lines of a log lie two seconds at most, and of long work a tenth of the time that has passed,
but never more than ``LONGEST_GAP_S``. Where nothing is counted, a line says that work goes on: on a
terminal one that is renewed in its place, in a log one every ``AGAIN_S`` at most.
"""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from undertone.errors import printable

FIRST_LINE_S = 1.0  # so that it is there within two, with other work on the machine
SHORTEST_GAP_S, LONGEST_GAP_S = 2.0, 15.0
AGAIN_S = 10.0  # between lines that say nothing new
SHARE_OF_TIME = 0.1
LOOK_S = 0.1  # how often the heart looks whether anything was said
RENEWED_S = 1.0  # how often the line of a terminal is
ERASE = "\r\x1b[K"  # the line in which a terminal's cursor stands


class Progress:
    """Counts of named kinds of work; silent, or of the kind that suits standard error.

    Use as a context: ``with Progress(shown=True) as progress``, then ``add`` and ``advance``.
    """

    def __new__(cls, *, shown: bool = True) -> "Progress":
        kind = (_Bars if sys.stderr.isatty() else _Lines) if shown else Progress
        return super().__new__(kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...

    def add(self, name: str, total: int, done: int = 0) -> None:
        """Announce ``total`` pieces of the work ``name``, ``done`` of them finished before."""

    def advance(self, name: str, count: int = 1) -> None:
        """Count ``count`` more pieces as finished."""


@contextlib.contextmanager
def alive(what: str) -> Iterator[None]:
    """Say that ``what`` goes on, whenever nothing else is said for a while."""
    with _heart.beating(_Work(what)), _heart.making_room():
        yield


@dataclass(eq=False)
class _Work:
    """What is said of work while it goes on; bars move by themselves."""

    text: str = "at work"
    has_bars: bool = False


class _Heart:
    """The one thread that speaks when nobody else does."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._works: list[_Work] = []  # the innermost last
        self._began = self._last = 0.0
        self._stop = threading.Event()
        self._has_line = False  # that stands on the terminal and is renewed

    @contextlib.contextmanager
    def making_room(self) -> Iterator[None]:
        """Erase the line of a terminal before anything else is written there."""
        if not sys.stderr.isatty():
            yield
            return
        before = sys.stdout, sys.stderr
        ours = sys.stdout, sys.stderr = _Erasing(before[0], self), _Erasing(before[1], self)
        try:
            yield
        finally:
            self.erase()
            if (sys.stdout, sys.stderr) == ours:
                sys.stdout, sys.stderr = before

    def erase(self) -> None:
        """Take the line of a terminal away."""
        with self._lock:
            if self._has_line:
                self._has_line = False
                print(ERASE, end="", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def beating(self, work: _Work) -> Iterator[None]:
        with self._lock:
            self._works.append(work)
            self.erase()
            if len(self._works) == 1:
                self._began = self._last = time.monotonic()
                self._stop = threading.Event()
                threading.Thread(target=self._beat, args=(self._stop,), daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self.erase()
                self._works.remove(work)
                if not self._works:
                    self._stop.set()

    def say(self, text: str) -> None:
        """A line with the time since work began."""
        with self._lock:
            self._last = time.monotonic()
            line = f"[{self._last - self._began:6.0f} s] {printable(text)}"
            print(line, file=sys.stderr, flush=True)

    def renew(self, text: str) -> None:
        """The one line of a terminal, anew."""
        with self._lock:
            self._last = time.monotonic()
            self.erase()
            line = f"[{self._last - self._began:6.0f} s] {printable(text)}"
            print(
                line[: shutil.get_terminal_size().columns - 1], end="", file=sys.stderr, flush=True
            )
            self._has_line = True

    def is_due(self, least_s: float | None = None) -> bool:
        """Whether a line is to be written; ``least_s`` after the last one at the earliest."""
        with self._lock:
            now = time.monotonic()
            if self._last == self._began:
                return now - self._began >= FIRST_LINE_S
            gap_s = SHARE_OF_TIME * (now - self._began)
            least_s = SHORTEST_GAP_S if least_s is None else least_s
            return now - self._last >= min(LONGEST_GAP_S, max(least_s, gap_s))

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_S):
            with self._lock:
                if stop.is_set() or self._works[-1].has_bars:
                    continue
                if sys.stderr.isatty():
                    self._look_at_terminal()
                elif self.is_due(AGAIN_S):
                    self.say(self._works[-1].text)

    def _look_at_terminal(self) -> None:
        since_s = time.monotonic() - self._last
        if since_s >= (RENEWED_S if self._has_line else FIRST_LINE_S):
            self.renew(self._works[-1].text)


class _Erasing:
    """A stream of a terminal, on which a line stands that gives way to any other."""

    def __init__(self, stream: Any, heart: _Heart) -> None:
        self._stream, self._heart = stream, heart

    def write(self, text: str) -> int:
        if text and text != ERASE and self._heart._has_line:
            self._heart.erase()
        written: int = self._stream.write(text)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_heart = _Heart()


class _Bars(Progress):
    def __init__(self, *, shown: bool = True) -> None:
        from rich import progress
        from rich.console import Console

        self._progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, progress.TaskID] = {}
        self._beating = _heart.beating(_Work(has_bars=True))

    def __enter__(self) -> Self:
        self._beating.__enter__()
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()
        self._beating.__exit__(None, None, None)

    def add(self, name: str, total: int, done: int = 0) -> None:
        self._tasks[name] = self._progress.add_task(printable(name), total=total, completed=done)

    def advance(self, name: str, count: int = 1) -> None:
        self._progress.advance(self._tasks[name], count)


class _Lines(Progress):
    def __init__(self, *, shown: bool = True) -> None:
        self._counts: dict[str, list[int]] = {}
        self._work = _Work()
        self._beating = _heart.beating(self._work)

    def __enter__(self) -> Self:
        self._beating.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._beating.__exit__(None, None, None)

    def add(self, name: str, total: int, done: int = 0) -> None:
        self._counts[name] = [done, total]
        _heart.say(self._counted(name))

    def advance(self, name: str, count: int = 1) -> None:
        before = self._counts[name][0]
        self._counts[name][0] += count
        done, total = self._counts[name]
        text = self._counted(name)
        if (done >= total > before) or _heart.is_due():
            _heart.say(text)

    def _counted(self, name: str) -> str:
        """Work that goes on, and ``name``: what is finished was told when it was."""
        counts = [
            f"{other} {done}/{total}"
            for other, (done, total) in self._counts.items()
            if other == name or done < total
        ]
        self._work.text = ", ".join(counts)
        return self._work.text
