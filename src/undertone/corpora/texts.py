"""Text files of other people's corpora, read whole or refused.

In:  a path.
Out: its text; a file that is not there, not text or only a Git LFS pointer is refused by name.
"""

from pathlib import Path

from undertone.audio import is_pointer
from undertone.errors import UndertoneError


def refuse_pointer(path: Path) -> None:
    """Refuse a file that only stands for one which Git LFS has not fetched."""
    if is_pointer(path):
        raise UndertoneError(
            f"{path} is a Git LFS pointer, not the file itself; run `git lfs pull` in its "
            "repository"
        )


def read_text(path: Path, *, otherwise: str = "") -> str:
    """The text of a file in UTF-8.

    Args:
        path: of the file.
        otherwise: encoding of a file that is not in UTF-8; refused where none is named.

    Raises:
        UndertoneError: it cannot be read as text.
    """
    refuse_pointer(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UndertoneError(f"expected a text file at {path}: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if otherwise:
            return content.decode(otherwise)
    raise UndertoneError(f"{path} is not in UTF-8; save it as UTF-8 and try again")
