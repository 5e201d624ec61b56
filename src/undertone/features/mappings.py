"""Rows of arrays on disk, mapped into memory as long as there are descriptors for it.

In:  the path of an ``.npy`` file of two axes, the first row and their number.
Out: the rows, read-only.

A mapping holds a descriptor until the last array on it is gone. A process may have few, and a
caller may keep as many arrays as there are recordings: beyond ``most()`` mappings that are alive,
rows are read into memory instead.
"""

import contextlib
import functools
import mmap
import weakref
from collections import OrderedDict
from pathlib import Path

import numpy as np

from undertone.errors import UndertoneError

MOST = 256  # mappings that are alive
SHARE = 4  # one in so many descriptors of the process at most

_recent: OrderedDict[Path, np.ndarray] = OrderedDict()  # the latest last
_n_alive = 0


def rows(path: Path, first: int, n: int) -> np.ndarray:
    """(n, n_features) rows from ``first`` on.

    Raises:
        UndertoneError: the file cannot be opened.
    """
    try:
        if (whole := _mapped(path)) is not None:
            return whole[first : first + n]
        return _read(path, first, n)
    except OSError as error:
        raise UndertoneError(f"{path} cannot be read: {error.strerror}") from None


@functools.cache
def most() -> int:
    """How many mappings may be alive in this process."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # absent on Windows

        return max(1, min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // SHARE))
    return MOST


def forget() -> None:
    """Let go of all mappings that nobody else holds."""
    _recent.clear()


def _mapped(path: Path) -> np.ndarray | None:
    """The whole array; None where too many mappings are alive."""
    global _n_alive
    if path in _recent:
        _recent.move_to_end(path)
        return _recent[path]
    while _recent and _n_alive >= most():
        _recent.popitem(last=False)
    if _n_alive >= most():  # others hold them
        return None
    mapped = np.load(path, mmap_mode="r")
    _n_alive += 1
    weakref.finalize(mapped._mmap, _count_down)
    with contextlib.suppress(AttributeError, OSError, ValueError):  # a hint, where there is one
        mapped._mmap.madvise(mmap.MADV_WILLNEED)
    _recent[path] = np.asarray(mapped)
    return _recent[path]


def _count_down() -> None:
    global _n_alive
    _n_alive -= 1


def _read(path: Path, first: int, n: int) -> np.ndarray:
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        (_, n_features), _, kind = np.lib.format.read_array_header_1_0(file)
        file.seek(first * n_features * kind.itemsize, 1)
        found = np.fromfile(file, dtype=kind, count=n * n_features).reshape(-1, n_features)
    found.flags.writeable = False
    return found
