"""Progress that a person sees within two seconds: bars on a terminal, lines in a log.

Everything goes to standard error, so that standard output stays what the caller asked for. Between
the lines of a log lie two seconds at most, and of long work a tenth of the time that has passed,
but never more than ``LONGEST_GAP_S``: where nothing is counted, a line says that work goes on.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from undertone.errors import printable

FIRST_LINE_S = 1.0  # so that it is there within two, with other work on the machine
SHORTEST_GAP_S, LONGEST_GAP_S = 2.0, 15.0
SHARE_OF_TIME = 0.1
LOOK_S = 0.1  # how often the heart looks whether anything was said


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
    """Say in a log that ``what`` goes on, whenever nothing else is said for a while."""
    with _heart.beating(_Work(what)):
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

    @contextlib.contextmanager
    def beating(self, work: _Work) -> Iterator[None]:
        with self._lock:
            self._works.append(work)
            if len(self._works) == 1:
                self._began = self._last = time.monotonic()
                self._stop = threading.Event()
                threading.Thread(target=self._beat, args=(self._stop,), daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._works.remove(work)
                if not self._works:
                    self._stop.set()

    def say(self, text: str) -> None:
        """A line with the time since work began."""
        with self._lock:
            self._last = time.monotonic()
            line = f"[{self._last - self._began:6.0f} s] {printable(text)}"
            print(line, file=sys.stderr, flush=True)

    def is_due(self) -> bool:
        """Whether a line is to be written."""
        with self._lock:
            now = time.monotonic()
            if self._last == self._began:
                return now - self._began >= FIRST_LINE_S
            gap_s = SHARE_OF_TIME * (now - self._began)
            return now - self._last >= min(LONGEST_GAP_S, max(SHORTEST_GAP_S, gap_s))

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_S):
            with self._lock:
                if not stop.is_set() and not self._works[-1].has_bars and self.is_due():
                    self.say(self._works[-1].text)


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
        _heart.say(self._counted())

    def advance(self, name: str, count: int = 1) -> None:
        self._counts[name][0] += count
        done, total = self._counts[name]
        text = self._counted()
        if done == total or _heart.is_due():
            _heart.say(text)

    def _counted(self) -> str:
        counts = self._counts.items()
        self._work.text = ", ".join(f"{name} {done}/{total}" for name, (done, total) in counts)
        return self._work.text
