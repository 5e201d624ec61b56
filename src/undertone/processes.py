"""Processes that share a job: spawned, one thread each, gone when their parent is.

In:  a number of processes and what each does first.
Out: a pool to submit to. Ctrl-C, also while processes start, and any other error end the processes
     at once, without a traceback from each; a killed parent leaves none behind; a killed process is
     told as an error that says what to do.
"""

import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

from undertone.errors import UndertoneError

CONTEXT = multiprocessing.get_context("spawn")
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def available_cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # absent on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def how_many(asked: int | None) -> int:
    """Processes for a job: as many as asked for, or as ``UNDERTONE_WORKERS`` says, or one a core.

    Raises:
        UndertoneError: the environment variable is no number from 1 on.
    """
    told = os.environ.get("UNDERTONE_WORKERS", "")
    if asked or not told:
        return asked or available_cores()
    if not told.isdecimal() or not int(told):
        raise UndertoneError(
            f"the environment variable UNDERTONE_WORKERS is {told!r}, not a number of processes "
            "from 1 on; type export UNDERTONE_WORKERS=1, or unset UNDERTONE_WORKERS"
        )
    return int(told)


@contextlib.contextmanager
def process_pool(
    workers: int, begin: Callable[..., None] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes, each of which has called ``begin(*arguments)``.

    Raises:
        UndertoneError: a process died while its results were awaited.
    """
    interruptible = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    with _one_thread_each(), _main_not_run_again():  # a later job may start a process, too
        others = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(workers, CONTEXT, _begin, (interruptible, begin, arguments))
        try:
            with _signals_wait({signal.SIGINT}):  # in the processes, until ``_begin`` has run
                pool.submit(os.getpid)  # the first job starts all processes
            yield pool
        except BrokenProcessPool as error:
            raise UndertoneError(
                "a worker process died: the memory was exhausted, or it was killed; run it again "
                "(what is finished is kept), with fewer workers if it recurs"
            ) from error
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.kill()  # whatever it is at: each file is whole or absent
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def start_alone(run: Callable[..., None], *arguments: Any) -> SpawnProcess:
    """A process that runs ``run(*arguments)``; no interrupt and no SIGTERM ends it.

    Whoever starts it ends it, by ``kill``; ``end_with_parent`` is for ``run`` to call.
    """
    resource_tracker.ensure_running()  # which lets signals through again when it starts
    process = CONTEXT.Process(target=run, args=arguments, daemon=True)
    waiting = _signals_wait({signal.SIGINT, signal.SIGTERM})
    with _one_thread_each(), waiting, _main_not_run_again():
        process.start()  # which inherits what waits, and never lets it through
    return process


def one_thread() -> contextlib.AbstractContextManager[Any]:
    """BLAS on one thread: small products are quicker so, and round alike in every process."""
    return _controller().limit(limits=1, user_api="blas")


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _main_not_run_again() -> Iterator[None]:
    """Start processes that do not run the caller's script, where it would start all over in each.

    A new process runs the script of its parent for what is defined there. One that does not ask
    for its name would call Undertone again, and so on. A script that asks is run, as everywhere.
    """
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path is None or getattr(main, "__spec__", None) is not None or _asks_for_its_name(path):
        yield
        return
    main.__file__ = None
    try:
        yield
    finally:
        main.__file__ = path


def _asks_for_its_name(script: str) -> bool:
    """Whether ``if __name__ == "__main__":`` stands in it, or it cannot be read."""
    try:
        return "__main__" in Path(script).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return True


@contextlib.contextmanager
def _signals_wait(signals: set[signal.Signals]) -> Iterator[None]:
    """Start processes in which signals wait, as Ctrl-C until they can end without a word.

    Here they wait, too, and are heard as soon as the context ends: none is lost.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(
    interruptible: bool, begin: Callable[..., None] | None, arguments: tuple[Any, ...]
) -> None:
    """In a worker: end without a word on Ctrl-C, and when the parent is gone."""
    if interruptible:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    end_with_parent()
    if begin is not None:
        begin(*arguments)


def end_with_parent() -> None:
    """In a worker: end when the parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow(sentinel: int) -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=follow, args=(parent.sentinel,), daemon=True).start()
