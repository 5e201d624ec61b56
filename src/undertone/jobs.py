"""Jobs that are shared out: to processes of this machine, or to a cluster where one is joined.

In:  what a worker does first, and jobs: functions of modules, with what can be pickled. A job may
     be done twice, on any machine: it looks whether its file is there, and leaves the same one.
Out: a pool to submit to, whose futures raise a job's own error; what jobs report as they go on.

Whoever shares jobs out does not know who does them: ``elsewhere`` is set for a command as a whole.
"""

import contextlib
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from pathlib import Path
from typing import Any, Protocol, TypeVar

from undertone.errors import UndertoneError
from undertone.processes import CONTEXT, process_pool

Result = TypeVar("Result")
News = tuple[str, int]  # which work, how many pieces more
Begin = Callable[..., None]
LISTEN_S = 0.5  # between looks at what was reported


class DiedError(UndertoneError):
    """A job ended the process that did it, as often as it was tried."""


class Pool(Protocol):
    """Where jobs are submitted."""

    def submit(self, do: Callable[..., Result], /, *arguments: Any) -> "Future[Result]":
        """Do a job, sooner or later, perhaps more than once."""

    def news(self) -> list[News]:
        """What jobs have reported since this was last asked; all of it once the pool has ended."""


class Engine(Protocol):
    """What does jobs elsewhere."""

    n_cores: int

    def pool(
        self, begin: Begin | None, arguments: tuple[Any, ...], folder: Path | None
    ) -> contextlib.AbstractContextManager[Pool]:
        """A pool, as ``shared_out`` gives it."""


_engines: list[Engine] = []  # that this process has joined, the latest last
_again = [False]
_reports: list[Callable[[str, int], None]] = []  # where a worker's reports go


@contextlib.contextmanager
def elsewhere(engine: Engine) -> Iterator[None]:
    """Jobs that are shared out in this context are done by ``engine``."""
    _engines.append(engine)
    try:
        yield
    finally:
        _engines.remove(engine)


def cores_elsewhere() -> int:
    """Of the cluster that was joined; 0 where none was."""
    return _engines[-1].n_cores if _engines else 0


@contextlib.contextmanager
def shared_out(
    workers: int, begin: Begin | None = None, *arguments: Any, folder: Path | None = None
) -> Iterator[Pool]:
    """A pool whose workers have each called ``begin(*arguments)``.

    Args:
        workers: processes of this machine; a cluster has as many as it has cores.
        begin: a function of a module.
        arguments: of it.
        folder: that jobs write to, and that every worker must see.

    Raises:
        UndertoneError: a process died, or a worker does not see the folder.
    """
    if _engines:
        with _engines[-1].pool(begin, arguments, folder) as pool:
            yield pool
        return
    told = CONTEXT.Queue()
    with process_pool(workers, begin_worker, told.put, begin, arguments) as executor:
        yield _Here(executor, told)


def one(
    do: Callable[..., Result],
    *arguments: Any,
    advance: Callable[[str, int], None],
    folder: Path | None = None,
) -> Result:
    """The result of a single job, done by whoever jobs are shared out to.

    Args:
        do: a function of a module.
        arguments: of it.
        advance: called with what the job reports.
        folder: that it writes to.
    """
    with shared_out(1, folder=folder) as pool:
        future = pool.submit(do, *arguments)
        while not wait([future], timeout=LISTEN_S).done:
            _pass_on(pool, advance)
        _pass_on(pool, advance)
        return future.result()


def _pass_on(pool: Pool, advance: Callable[[str, int], None]) -> None:
    for what, n in pool.news():
        advance(what, n)


def report(what: str, n: int = 1) -> None:
    """Within a job: ``n`` more pieces of ``what`` are done."""
    _reports[-1](what, n)


def is_again() -> bool:
    """Within a job: whether a worker that did it has died, perhaps after it had finished."""
    return _again[0]


@contextlib.contextmanager
def again(is_so: bool) -> Iterator[None]:
    """In a worker: a job, which another may have finished."""
    _again[0] = is_so
    try:
        yield
    finally:
        _again[0] = False


def begin_worker(
    put: Callable[[News], None], begin: Begin | None, arguments: tuple[Any, ...]
) -> None:
    """In a worker: know where reports go, and begin."""
    _reports[:] = [lambda what, n: put((what, n))]
    if begin is not None:
        begin(*arguments)


class _Here:
    """Processes of this machine."""

    def __init__(self, executor: Executor, told: Any) -> None:
        self._executor, self._told = executor, told

    def submit(self, do: Callable[..., Result], /, *arguments: Any) -> "Future[Result]":
        return self._executor.submit(do, *arguments)

    def news(self) -> list[News]:
        found = []
        while True:
            try:
                found.append(self._told.get_nowait())
            except queue.Empty:
                return found
