"""Files that are whole or absent: written beside their place, then renamed into it."""

import contextlib
import errno
import os
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
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UndertoneError(
                f"the disk is full: {path} needs {len(content):,} bytes; free some space and "
                "run the same command again, what is finished is kept"
            ) from None
        raise UndertoneError(f"{path} cannot be written: {error.strerror}") from None


def write_text(path: Path, content: str) -> None:
    """Create or replace ``path`` with UTF-8 text."""
    write_bytes(path, content.encode())
