"""Where a timeline is written: never over what it is made from, nor over a table of somebody else.

In:  paths of page and table, of the recording and of the turns.
Out: nothing, or a refusal before anything is heard.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from undertone import atomic
from undertone.errors import UndertoneError

OUT, TABLE = "--out", "--table"
HEAD = b"file,start,end,channel,"  # of a table of ours


def table_beside(page: Path) -> Path:
    """The table of a page where nobody names one.

    Raises:
        UndertoneError: a file is there that is no table of a timeline.
    """
    table = page.with_suffix(".csv")
    if table.is_file() and not _begins(table, HEAD):
        raise UndertoneError(
            f"{table} is there already, and no table of a timeline: it would be replaced; name "
            f"another, as --table {table.stem}-timeline.csv"
        )
    return table


def check_places(page: Path, table: Path, sources: Sequence[Path]) -> None:
    """Refuse places that hold what is read, or where nothing can be written.

    Args:
        page: to be written.
        table: to be written.
        sources: the recording, and the turns where there are some.

    Raises:
        UndertoneError: one of the two cannot be written, or would replace a source.
    """
    for option, path in ((OUT, page), (TABLE, table)):
        for source in sources:
            if _are_one(path, source):
                raise UndertoneError(
                    f"{option} {path} would replace {source}, which the timeline is made from; "
                    f"name another, as {option} {path.stem}-timeline{path.suffix}"
                )
        if path.is_dir():
            raise UndertoneError(
                f"{option} {path} is a folder; name a file in it, as {option} {path / path.name}"
            )
        atomic.check_writable(path, option)


def _are_one(path: Path, source: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return os.path.samefile(path, source)
    return False


def _begins(path: Path, head: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(head)) == head
    except OSError:  # what nobody may read is not ours to replace
        return False
