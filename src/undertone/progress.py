"""Progress that a person sees within two seconds: bars on a terminal, lines in a log.

Everything goes to standard error, so that standard output stays what the caller asked for.
"""

import sys
import time
from types import TracebackType
from typing import Self

SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Counts of named kinds of work.

    Use as a context: ``with Progress(shown=True) as progress``, then ``add`` and ``advance``.
    """

    def __init__(self, *, shown: bool = True) -> None:
        self._view = _Silent() if not shown else _Bars() if sys.stderr.isatty() else _Lines()

    def __enter__(self) -> Self:
        self._view.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._view.stop()

    def add(self, name: str, total: int, done: int = 0) -> None:
        """Announce ``total`` pieces of the work ``name``, ``done`` of them finished before."""
        self._view.add(name, total, done)

    def advance(self, name: str, count: int = 1) -> None:
        """Count ``count`` more pieces as finished."""
        self._view.advance(name, count)


class _Silent:
    def start(self) -> None: ...

    def stop(self) -> None: ...

    def add(self, name: str, total: int, done: int) -> None: ...

    def advance(self, name: str, count: int) -> None: ...


class _Bars(_Silent):
    def __init__(self) -> None:
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

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def add(self, name: str, total: int, done: int) -> None:
        self._tasks[name] = self._progress.add_task(name, total=total, completed=done)

    def advance(self, name: str, count: int) -> None:
        self._progress.advance(self._tasks[name], count)


class _Lines(_Silent):
    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._began = self._last = time.monotonic()

    def add(self, name: str, total: int, done: int) -> None:
        self._counts[name] = [done, total]
        self._say()

    def advance(self, name: str, count: int) -> None:
        self._counts[name][0] += count
        done, total = self._counts[name]
        if done == total or time.monotonic() - self._last > SECONDS_BETWEEN_LINES:
            self._say()

    def _say(self) -> None:
        self._last = time.monotonic()
        counts = ", ".join(f"{name} {done}/{total}" for name, (done, total) in self._counts.items())
        print(f"[{self._last - self._began:6.0f} s] {counts}", file=sys.stderr, flush=True)
