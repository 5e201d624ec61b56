"""Files that are whole or absent, and folders that one process at a time writes to.

Content is written beside its place and flushed to the disk, then renamed into it, and the folder
is flushed: what has been renamed is there after a power cut too.
"""

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from undertone import mirror
from undertone.errors import UndertoneError, tell

LOCK = ".lock"
DAMAGED = ".damaged"  # behind the name of what was set aside
OWN = secrets.token_hex(4)  # of this process, where another machine has one of its number
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of a file system


def write_bytes(path: Path, content: bytes) -> None:
    """Create or replace ``path``.

    Raises:
        UndertoneError: the disk is full; what was there before is untouched.
    """
    write_together({path: content})


def write_text(path: Path, content: str) -> None:
    """Create or replace ``path`` with UTF-8 text; what is no text is written as an escape."""
    write_bytes(path, content.encode("utf-8", "backslashreplace"))


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Create or replace several files, in this order; none before all are on the disk.

    Raises:
        UndertoneError: the disk is full; what was there before is untouched.
    """
    own = f"{os.getpid()}-{OWN}.partial"
    partials = {path: path.with_name(f".{path.name}.{own}") for path in contents}
    path = next(iter(contents))
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            partials[path].write_bytes(content)
            _flush(partials[path], os.O_RDWR)
        for path in contents:
            mirror.publish(partials[path], path)
        for path in contents:
            partials[path].replace(path)
        for folder in dict.fromkeys(path.parent for path in contents):
            _flush_folder(folder)
    except OSError as error:
        raise _not_written(path, f"needs {len(contents[path]):,} bytes", error) from None
    finally:
        for partial in partials.values():
            with contextlib.suppress(OSError):
                partial.unlink()


@contextlib.contextmanager
def new_folder(path: Path, option: str = "--out", *, replaces: bool = False) -> Iterator[Path]:
    """A folder to be filled, which becomes ``path`` when all is written; nothing stays otherwise.

    Args:
        path: of the folder.
        option: that names it.
        replaces: whether it takes the place of a folder that is there.

    Raises:
        UndertoneError: the path is taken, the disk is full, or it cannot be written.
    """
    if not replaces:
        check_free(path, option)
    check_writable(path, option)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    made = _make(path.parent, option)
    try:
        partial.mkdir()
        yield partial
        for written in partial.rglob("*"):
            _flush(written, os.O_RDONLY)
        _put(partial, path)
        _flush_folder(path.parent)
        made = []
    except OSError as error:
        raise _not_written(path, "does not fit", error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        _unmake(made)


def _put(folder: Path, path: Path) -> None:
    """Rename a folder to a path; what is there is deleted behind it."""
    if not os.path.lexists(path):
        folder.rename(path)
        return
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    path.rename(old)
    try:
        folder.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def check_free(path: Path, option: str = "--out") -> None:
    """Refuse a path that is taken, or where nothing can be written, before anything is computed.

    Args:
        path: to be created.
        option: that names it.

    Raises:
        UndertoneError: something is there, or its folder cannot be made or written.
    """
    if os.path.lexists(path):
        raise UndertoneError(f"{path} is there already; choose another {option}")
    check_writable(path, option)


def check_replaceable(path: Path, is_ours: Callable[[Path], bool], what: str) -> None:
    """Refuse to write over anything but an older file of the same kind.

    Args:
        path: to be created or replaced.
        is_ours: whether a file is of the kind that is to be written.
        what: that kind, for the message.

    Raises:
        UndertoneError: something else is there, such as the table that was read.
    """
    if path.is_dir():
        raise UndertoneError(f"{path} is a folder; choose another --out")
    if os.path.lexists(path) and not is_ours(path):
        raise UndertoneError(
            f"{path} is there already and is not {what}, which alone is replaced: choose another "
            "--out, or move it away"
        )


def check_writable(path: Path, option: str = "--out") -> None:
    """Refuse a path where nothing can be written, before anything is computed.

    Args:
        path: to be created or replaced.
        option: that names it.

    Raises:
        UndertoneError: its folder cannot be made or written.
    """
    parent = next(p for p in path.absolute().parents if os.path.lexists(p))
    try:
        os.rmdir(tempfile.mkdtemp(dir=parent))
    except OSError as error:
        raise UndertoneError(
            f"{path} cannot be written: {error.strerror}; choose another {option}"
        ) from None


def set_aside(path: Path, why: str, then: str = "it is computed again") -> None:
    """Give what was read and found damaged another name, so that nobody uses it; say so.

    Args:
        path: of a file, or of a folder that is whole or absent.
        why: it cannot be used.
        then: what happens in its place.
    """
    aside = path.with_name(path.name + DAMAGED)
    number = 1
    while path.is_dir() and aside.exists():  # a file there is replaced
        aside = path.with_name(f"{path.name}{DAMAGED}{(number := number + 1)}")
    try:
        mirror.rename(path, aside)
    except FileNotFoundError:  # another process was faster
        return
    except OSError as error:
        raise UndertoneError(
            f"{path} is damaged ({why}) and cannot be renamed: {error.strerror}; delete it"
        ) from None
    tell(f"{path} is damaged ({why}): it was set aside as {aside.name}, and {then}")


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """A folder that no other process of ours writes to until the context ends.

    The folder is made where it is not there, and taken away again where nothing came of it.

    Raises:
        UndertoneError: another process is at work there, or nothing can be written there.
    """
    made = _make(folder)
    try:
        with _locked(folder / LOCK, folder):
            yield
    finally:
        _unmake(made)


@contextlib.contextmanager
def held_file(path: Path) -> Iterator[None]:
    """A file that no other process of ours writes until the context ends; its folder is made.

    Raises:
        UndertoneError: another process writes it, or nothing can be written there.
    """
    _make(path.parent)
    with _locked(path.with_name(f".{path.name}{LOCK}"), path):
        yield


@contextlib.contextmanager
def _locked(file: Path, what: Path) -> Iterator[None]:
    import filelock

    lock = filelock.FileLock(file)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UndertoneError(
            f"another process of Undertone is at work in {what}: wait until it has ended, or "
            "choose another --out"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise UndertoneError(
                f"nothing can be written to {what}: {error.strerror}; choose another --out"
            ) from None
        tell(f"{what} lies where files cannot be locked: see that one process at a time uses it")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.unlink()  # while it is held, so that nobody else's is taken away
        lock.release()


def _unmake(made: list[Path]) -> None:
    """Take away what ``_make`` made, where nothing came of it."""
    for path in made:
        with contextlib.suppress(OSError):  # it holds something
            path.rmdir()


def _make(folder: Path, option: str = "--out") -> list[Path]:
    """Make a folder; return those that were not there, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UndertoneError(
            f"the folder {folder} cannot be made: {error.strerror}; choose another {option}"
        ) from None
    return missing


def _not_written(path: Path, need: str, error: OSError) -> UndertoneError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UndertoneError(
            f"the disk is full: {path} {need}; free some space and "
            "run the same command again, what is finished is kept"
        )
    return UndertoneError(f"{path} cannot be written: {error.strerror}; choose another place")


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Where the system can: some cannot open a folder, or not flush it."""
    with contextlib.suppress(OSError):
        _flush(folder, os.O_RDONLY)
