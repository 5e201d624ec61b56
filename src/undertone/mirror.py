"""Folders that stand for an address of an object store: what is written there is published.

In:  an address that fsspec knows, as ``s3://BUCKET/FOLDER``, and a folder of copies.
Out: a folder to use as any other. A file is published whole, and has its name there before it has
     it here, so that nothing is here that is not there; what is read is fetched where it is missing
     or older here. The address is the truth, the folder may be deleted at any time.

A copy is as old as what it is a copy of: the time of change tells whether it is the same.
"""

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from undertone.errors import UndertoneError, needs, tell, without_secrets

SEPARATOR = "://"
EXTRAS = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gs"), "gcs": ("gcsfs", "gs")}
WHOLE_OBJECTS = ("s3", "s3a", "gs", "gcs", "abfs", "az", "memory")  # appear when all is written
SHOWN = 40  # characters of an address in the name of its folder

_known: dict[Path, str] = {}  # addresses by folder
_systems: dict[str, tuple[Any, str]] = {}  # by address: its file system, and the path in it


def is_address(text: str) -> bool:
    """Whether a text is an address and no path."""
    return bool(re.match(r"[a-z][a-z0-9+.-]*://", text))


def place(address: str, copies: Callable[[], Path]) -> Path:
    """The folder that stands for an address, with the files that lie right in it.

    Args:
        address: of a folder.
        copies: the folder in which such folders lie.

    Raises:
        UndertoneError: the address names no folder, cannot be used, or its package is missing.
    """
    if not address.partition(SEPARATOR)[2].strip("/. "):
        raise UndertoneError(
            f"the address {address} names no folder: name one behind it, such as "
            f"{_protocol(address)}{SEPARATOR}{'/' * (_protocol(address) == 'file')}BUCKET/FOLDER"
        )
    address = address.rstrip("/")
    name = re.sub(r"\W+", "-", without_secrets(address))[-SHOWN:].strip("-")
    folder = copies() / f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"
    if folder not in _known:
        _system(address)
        folder.mkdir(parents=True, exist_ok=True)
        know({folder: address})
        tell(f"{address} is worked on in {folder}: see that one command at a time writes there")
    there = names(folder)
    for path in [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]:
        if path.name not in there:
            path.unlink(missing_ok=True)
    for one in there:
        refresh(folder / one)
    return folder


def know(addresses: Mapping[Path, str]) -> None:
    """Let folders stand for addresses in this process, as they do in another."""
    _known.update(addresses)


def known() -> dict[Path, str]:
    """Addresses by the folders that stand for them."""
    return dict(_known)


def stands_for(path: Path) -> str:
    """The address of a file or folder; empty where it is one of this machine."""
    if not _known:
        return ""
    for folder, address in _known.items():
        if path == folder or folder in path.parents:
            return "/".join([address, *path.relative_to(folder).parts])
    return ""


def publish(content: Path, path: Path) -> None:
    """Make what ``content`` holds the file that ``path`` stands for, whole or not at all.

    Raises:
        UndertoneError: it cannot be written there.
    """
    if not (address := stands_for(path)):
        return
    with _told(address, "written"):
        system, there = _of(path)
        if _protocol(address) in WHOLE_OBJECTS:
            system.put_file(str(content), there)
        else:
            parent, _, name = there.rpartition("/")
            partial = f"{parent}/.{name}.{secrets.token_hex(8)}.partial"
            system.makedirs(parent, exist_ok=True)
            system.put_file(str(content), partial)
            system.mv(partial, there)
        _date(content, _version(system, there))


def refresh(path: Path) -> None:
    """See that a file is the one that its address holds now; it is gone where that is.

    Raises:
        UndertoneError: the address cannot be read.
    """
    if not (address := stands_for(path)):
        return
    with _told(address, "read"):
        system, there = _of(path)
        try:
            version = _version(system, there)
        except FileNotFoundError:
            path.unlink(missing_ok=True)
            return
        if _version_here(path) == version:
            return
        partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            system.get_file(there, str(partial))
            _date(partial, version)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def fetch(path: Path) -> None:
    """As ``refresh``, of a file that never changes: nothing is asked where it is here."""
    if stands_for(path) and not path.exists():
        refresh(path)


def names(folder: Path) -> set[str]:
    """Names of the files right in a folder; of one that stands for an address, of those there."""
    if not (address := stands_for(folder)):
        return {path.name for path in folder.iterdir()}
    with _told(address, "read"):
        system, there = _of(folder)
        try:
            found = system.ls(there, detail=True)
        except FileNotFoundError:
            return set()
        files = [str(one["name"]) for one in found if one["type"] == "file"]
        return {name.rstrip("/").rpartition("/")[2] for name in files}


def size(path: Path) -> int:
    """Bytes of a file, which need not be fetched.

    Raises:
        FileNotFoundError: there is none.
    """
    if not (address := stands_for(path)):
        return path.stat().st_size
    with _told(address, "read"):
        system, there = _of(path)
        return int(system.size(there))


def rename(path: Path, target: Path) -> None:
    """Give a file of this machine, and what it stands for, another name.

    Raises:
        OSError: it is not there.
    """
    if address := stands_for(path):
        with _told(address, "renamed"), contextlib.suppress(FileNotFoundError):
            (system, there), (_, then) = _of(path), _of(target)
            system.mv(there, then)
        path.unlink(missing_ok=True)
        return
    path.replace(target)


@contextlib.contextmanager
def _told(address: str, what: str) -> Iterator[None]:
    """Every file system has errors of its own."""
    try:
        yield
    except (UndertoneError, FileNotFoundError, MemoryError):
        raise
    except Exception as error:
        raise UndertoneError(
            f"{address} cannot be {what}: {type(error).__name__}: {error}; mend that and run the "
            "same command again, what is finished is kept"
        ) from None


def _of(path: Path) -> tuple[Any, str]:
    """The file system of a path, and the path in it."""
    for folder, address in _known.items():
        if path == folder or folder in path.parents:
            system, root = _system(address)
            return system, "/".join([root.rstrip("/"), *path.relative_to(folder).parts])
    raise AssertionError(f"{path} stands for no address")


def _system(address: str) -> tuple[Any, str]:
    if address not in _systems:
        protocol = _protocol(address)
        if protocol in EXTRAS:
            package, extra = EXTRAS[protocol]
            _need(package, extra, f"addresses {protocol}{SEPARATOR}…")
        import fsspec

        try:
            options = {"use_listings_cache": False} if protocol in WHOLE_OBJECTS else {}
            system, path = fsspec.url_to_fs(address, **options)
        except Exception as error:
            raise UndertoneError(
                f"{address} cannot be used: {error}; name a folder, or an address such as "
                "s3://BUCKET/FOLDER"
            ) from None
        _systems[address] = system, str(path)
    return _systems[address]


def _need(package: str, extra: str, what: str) -> None:
    if extra == "s3":
        needs(package, extra="s3", what=what)
    else:
        needs(package, extra="gs", what=what)


def _protocol(address: str) -> str:
    return address.partition(SEPARATOR)[0]


def _version(system: Any, there: str) -> int:
    """When a file was changed last, in milliseconds."""
    return round(system.modified(there).timestamp() * 1000)


def _version_here(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns // 1_000_000
    except OSError:
        return None


def _date(path: Path, version: int) -> None:
    os.utime(path, ns=(version * 1_000_000,) * 2)
