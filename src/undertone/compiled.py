"""Numba's compiler for our kernels: its work is kept on disk where that is possible.

In:  a function, options of ``numba.njit``.
Out: the function, compiled when it is first called.

A container or a service account may have no place that can be written, a disk may be full, and a
file of the cache damaged: then kernels are compiled anew in each process, which is said once.
"""

import multiprocessing
from collections.abc import Callable
from typing import Any

import numba

from undertone.errors import tell

_told = False


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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, *arguments: Any) -> Any:
        """What is kept; None where nothing can be read."""
        try:
            return self._cache.load_overload(*arguments)
        except MemoryError:  # compiling needs far more, and LLVM aborts the process or hangs
            raise
        except Exception as error:  # its files are pickles, which may fail anywhere
            _tell_once(f"{type(error).__name__}: {error}")
            return None

    def save_overload(self, *arguments: Any) -> None:
        """Keep it, if there is a place."""
        try:
            self._cache.save_overload(*arguments)
        except Exception as error:  # likewise: it reads what is there first
            _tell_once(f"{type(error).__name__}: {error}")


def _tell_once(why: str) -> None:
    global _told
    if not _told and multiprocessing.parent_process() is None:  # and not each of its processes
        tell(
            f"Numba cannot keep compiled kernels ({why}): they are compiled anew in each process. "
            "The environment variable NUMBA_CACHE_DIR names another folder for them"
        )
    _told = True
