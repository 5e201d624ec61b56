"""Files that are whole or absent: written beside their place, then renamed into it."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from undertone.errors import UndertoneError


def write_bytes(path: Path, content: bytes) -> None:
    """Create or replace ``path``.

    Raises:
        UndertoneError: the disk is full; what was there before is untouched.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise _told(path, error, f"needs {len(content):,} bytes") from None


def write_text(path: Path, content: str) -> None:
    """Create or replace ``path`` with UTF-8 text."""
    write_bytes(path, content.encode())


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to be filled, which becomes ``path`` when all is written; nothing stays otherwise.

    Raises:
        UndertoneError: the path is taken, the disk is full, or it cannot be written.
    """
    check_free(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(path)
    except OSError as error:
        raise _told(path, error, "does not fit") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_free(path: Path) -> None:
    """Refuse a path that is taken.

    Raises:
        UndertoneError: something is there.
    """
    if path.exists() or path.is_symlink():
        raise UndertoneError(f"{path} is there already; choose another --out")


def _told(path: Path, error: OSError, need: str) -> UndertoneError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UndertoneError(
            f"the disk is full: {path} {need}; free some space and "
            "run the same command again, what is finished is kept"
        )
    return UndertoneError(f"{path} cannot be written: {error.strerror}")
