"""Numba's compiler for our kernels: its work is kept on disk where that is possible.

In:  a function, options of ``numba.njit``.
Out: the function, compiled when it is first called.

A container or a service account may have no place that can be written, a disk may be full, and a
file of the cache damaged: then kernels are compiled anew in each process, which is said once.

What is compiled fits one kind of processor, so that it cannot be shipped: compiling is done once a
machine, and said before it begins. While one process compiles a kernel, others that want it wait
for what it leaves, and nothing is compiled twice.
"""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from undertone.errors import tell

try:
    import fcntl
except ImportError:  # Windows, where two processes may compile the same
    fcntl = None  # type: ignore[assignment]

_told = False
LONGEST_WAIT_S = 120.0  # for another process's kernel; then it is compiled here, too
LOOK_S = 0.05
AGAIN_S = 5.0  # between lines that tell how far it is


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """As ``numba.njit``, with a cache that is never an error."""

    def compiled(function: Callable[..., Any]) -> Any:
        options.pop("cache", None)
        try:
            dispatcher = numba.njit(cache=True, **options)(function)
        except RuntimeError as error:  # nowhere to be found
            _tell_once(str(error))
            return numba.njit(**options)(function)
        if hasattr(dispatcher, "_cache"):  # not where compiling is switched off
            dispatcher._cache = _Forgiving(dispatcher._cache)
        return dispatcher

    return compiled


class _Forgiving:
    """Numba's cache of one function; what fails in it costs time and nothing else."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache
        self._lock = _Lock(_place(cache))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, *arguments: Any) -> Any:
        """What is kept; None where it is to be compiled, here and now, by nobody else."""
        found = self._load(*arguments)
        if found is not None:
            return found
        self._lock.take()
        if (found := self._load(*arguments)) is not None:  # left by whom we waited for
            self._lock.leave()
            return found
        _compiling.begins()
        return None

    def save_overload(self, *arguments: Any) -> None:
        """Keep it, if there is a place."""
        try:
            self._cache.save_overload(*arguments)
        except Exception as error:  # its files are pickles: it reads what is there first
            _tell_once(f"{type(error).__name__}: {error}")
        finally:
            self._lock.leave()
            _compiling.ends()

    def _load(self, *arguments: Any) -> Any:
        try:
            return self._cache.load_overload(*arguments)
        except MemoryError:  # compiling needs far more, and LLVM aborts the process or hangs
            raise
        except Exception as error:  # its files are pickles, which may fail anywhere
            _tell_once(f"{type(error).__name__}: {error}")
            return None


class _Lock:
    """One process at a time; gone with the process that holds it, never an error.

    A kernel that calls another holds its lock while it asks for that of the other, and no call goes
    round in a circle: neither do the locks.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._held, self._depth = path, -1, 0

    def take(self) -> None:
        """Wait until nobody else has it, but not for ever."""
        self._depth += 1  # a kernel may be compiled for other types while it is compiled
        if fcntl is None or self._depth > 1:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._held = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o666)
            until = time.monotonic() + LONGEST_WAIT_S
            while not self._tried() and time.monotonic() < until:
                time.sleep(LOOK_S)

    def leave(self) -> None:
        """Let others have it."""
        self._depth = max(0, self._depth - 1)
        if self._held >= 0 and not self._depth:
            os.close(self._held)
            self._held = -1

    def _tried(self) -> bool:
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class _Compiling:
    """Tells that kernels are compiled, before the first, and how far it is."""

    def __init__(self) -> None:
        self._running, self._done, self._last = 0, 0, 0.0

    def begins(self) -> None:
        if not self._running and not self._done:
            self._last = time.monotonic()
            tell(
                "compiling kernels for this processor, once a machine: half a minute for the "
                "features covarep, which begin in a second from then on"
            )
        self._running += 1

    def ends(self) -> None:
        self._running = max(0, self._running - 1)
        self._done += 1
        if time.monotonic() - self._last >= AGAIN_S:
            self._last = time.monotonic()
            tell(f"compiling kernels: {self._done} are there")


_compiling = _Compiling()


def _place(cache: Any) -> Path:
    """The file of a cache's lock, beside what it keeps."""
    base = getattr(getattr(cache, "_impl", None), "filename_base", "kernel")
    return Path(getattr(cache, "cache_path", ".")) / f"{base}.lock"


def _tell_once(why: str) -> None:
    global _told
    if not _told and multiprocessing.parent_process() is None:  # and not each of its processes
        tell(
            f"Numba cannot keep compiled kernels ({why}): they are compiled anew in each process. "
            "The environment variable NUMBA_CACHE_DIR names another folder for them"
        )
    _told = True
