"""Progress that a person sees within two seconds: bars on a terminal, lines in a log.

Everything goes to standard error, so that standard output stays what the caller asked for.
"""

import sys
import time
from typing import Self

SECONDS_BETWEEN_LINES = 15.0


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


class _Bars(Progress):
    def __init__(self, *, shown: bool = True) -> None:
        from rich import progress
        from rich.console import Console

        self._progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, progress.TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def add(self, name: str, total: int, done: int = 0) -> None:
        self._tasks[name] = self._progress.add_task(name, total=total, completed=done)

    def advance(self, name: str, count: int = 1) -> None:
        self._progress.advance(self._tasks[name], count)


class _Lines(Progress):
    def __init__(self, *, shown: bool = True) -> None:
        self._counts: dict[str, list[int]] = {}
        self._began = self._last = time.monotonic()

    def add(self, name: str, total: int, done: int = 0) -> None:
        self._counts[name] = [done, total]
        self._say()

    def advance(self, name: str, count: int = 1) -> None:
        self._counts[name][0] += count
        done, total = self._counts[name]
        if done == total or time.monotonic() - self._last > SECONDS_BETWEEN_LINES:
            self._say()

    def _say(self) -> None:
        self._last = time.monotonic()
        counts = ", ".join(f"{name} {done}/{total}" for name, (done, total) in self._counts.items())
        print(f"[{self._last - self._began:6.0f} s] {counts}", file=sys.stderr, flush=True)
