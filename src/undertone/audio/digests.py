"""Which bytes an audio file holds: read once, and remembered while nothing speaks of a change.

In:  paths of files, the folder of what is remembered.
Out: SHA-256 of each, and the reasons where a file cannot be read.

A digest is remembered by path, size, inode, and the times of the last change of content and of
status, in nanoseconds. A change that leaves all of these alone can only happen within one tick of
the file system's clock: what was changed less than ``SETTLED_S`` before it was read may change
again unseen, and is not remembered.

    folder/3f.digests    the files of all folders whose path has a digest that begins so

Each file of ours is whole or absent and holds its own digest. Two processes that remember at once
may forget what the other one learned; never is one file's digest taken for another's.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from undertone import atomic, seals
from undertone.errors import UndertoneError, describe_some, raise_if_exhausted, tell
from undertone.seals import UnsoundError

FOLDER = "digests"  # in the folder of a store
FORMAT = 1
SETTLED_S = 10.0  # of a file's last change: beyond the tick of any file system and clocks apart
State: TypeAlias = tuple[int, int, int, int]  # size, inode, change of content, of status
Known: TypeAlias = tuple[State, str]

_known: dict[str, Known] = {}  # what this process has read or was reminded of


@dataclass
class Read:
    """What became of some files.

    Attributes:
        digests: by path.
        reasons: by path of a file that cannot be read.
        n_remembered: files that were not opened, or, verified, were what was remembered.
        differing: files that were remembered with other bytes, though nothing speaks of a change.
    """

    digests: dict[Path, str] = field(default_factory=dict)
    reasons: dict[Path, str] = field(default_factory=dict)
    n_remembered: int = 0
    differing: list[Path] = field(default_factory=list)


def read(
    paths: Collection[Path],
    folder: Path | None = None,
    *,
    verify: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> Read:
    """The digests of files; only those that are not remembered are opened.

    Args:
        paths: of the files.
        folder: of what is remembered; without it every file is read.
        verify: read every file, and see whether it is what was remembered.
        advance: called behind each file.

    Raises:
        ExhaustedError: no file can be opened any more.
    """
    done, learned = Read(), dict[str, Known]()
    memory = {} if folder is None else _remembered(folder, paths)
    with ThreadPoolExecutor() as threads:
        for path, (known, reason, settled) in zip(
            paths, threads.map(lambda p: _look(p, memory, verify=verify), paths), strict=True
        ):
            advance()
            if known is None:
                done.reasons[path] = reason
                continue
            name, before = os.path.abspath(path), memory.get(os.path.abspath(path))
            done.digests[path] = known[1]
            done.n_remembered += known == before
            if before is not None and before[0] == known[0] and before[1] != known[1]:
                done.differing.append(path)
            _known[name] = known
            if settled and known != before:
                learned[name] = known
    if folder is not None and learned:
        _remember(folder, learned)
    return done


def of_file(path: Path) -> str:
    """The digest of one file, which is not opened again where this process knows it.

    Raises:
        OSError: it cannot be read.
    """
    name = os.path.abspath(path)
    known = _known.get(name)
    if known is None or known[0] != _state(path.stat()):
        known = _known[name] = _read(path)[0]
    return known[1]


def told(done: Read, what: str) -> str:
    """A sentence on what a verification found."""
    n, new = len(done.digests), len(done.digests) - done.n_remembered - len(done.differing)
    found = f"{n} audio files of {what} were read: {done.n_remembered} are what was remembered"
    if new:
        found += f", {new} were not remembered"
    if not done.differing:
        return f"{found}, none differs"
    names = describe_some(str(path) for path in done.differing)
    return (
        f"{found}, {len(done.differing)} differ, though their size, times and inode are the same "
        f"({names}): what depends on them is computed anew"
    )


def _look(
    path: Path, memory: Mapping[str, Known], *, verify: bool
) -> tuple[Known | None, str, bool]:
    """State and digest of a file, the reason where there is none, whether it may be remembered."""
    try:
        known = memory.get(os.path.abspath(path))
        if not verify and known is not None and known[0] == _state(path.stat()):
            return known, "", True
        found, settled = _read(path)
    except OSError as error:
        raise_if_exhausted(error)
        return None, f"{path} cannot be read: {error.strerror}; is the corpus complete?", False
    return found, "", settled


def _read(path: Path) -> tuple[Known, bool]:
    """State and digest of a file, and whether a later change would show in its state."""
    with path.open("rb") as file:
        began_ns = time.time_ns()
        before = _state(os.fstat(file.fileno()))
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = _state(os.fstat(file.fileno()))
    settled = before == after and began_ns - max(before[2:]) >= SETTLED_S * 1e9
    return (before, digest), settled


def _state(stat: os.stat_result) -> State:
    return stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns


def _remembered(folder: Path, paths: Iterable[Path]) -> dict[str, Known]:
    """What is remembered of files in the folders of these."""
    known: dict[str, Known] = {}
    for bucket in {_bucket(os.path.abspath(path)) for path in paths}:
        known |= _open(folder / bucket) or {}
    return known


def _remember(folder: Path, learned: Mapping[str, Known]) -> None:
    """Add to what is remembered; what is not there any more is forgotten."""
    buckets: dict[str, dict[str, Known]] = {}
    for name, known in learned.items():
        buckets.setdefault(_bucket(name), {})[name] = known
    with _or_told(folder):
        for bucket, of_bucket in buckets.items():
            if (before := _open(folder / bucket)) is None:  # it cannot be read: it stays
                continue
            there = {name: known for name, known in before.items() if os.path.lexists(name)}
            files = {
                name: [*state, digest] for name, (state, digest) in (there | of_bucket).items()
            }
            sealed = seals.seal({"format": FORMAT, "files": files})
            atomic.write_text(folder / bucket, json.dumps(sealed))


@contextlib.contextmanager
def _or_told(folder: Path) -> Iterator[None]:
    """Nothing depends on what is remembered: where it cannot be written, that is said."""
    try:
        yield
    except UndertoneError as error:
        tell(f"what was read is not remembered in {folder}: {error}")


def _open(path: Path) -> dict[str, Known] | None:
    """What one of our files holds; None where it is there and cannot be read."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError:
        return None
    try:
        values = seals.unseal(content)
        if values["format"] != FORMAT:
            raise UnsoundError(f"it is of format {values['format']}")
        return {
            name: ((int(size), int(inode), int(content_ns), int(status_ns)), str(digest))
            for name, (size, inode, content_ns, status_ns, digest) in values["files"].items()
        }
    except (UnsoundError, KeyError, TypeError, ValueError, AttributeError) as error:
        atomic.set_aside(path, str(error), "the audio that it told of is read again")
        return {}


def _bucket(name: str) -> str:
    """Which file of ours tells of a file: all of one folder are told of together."""
    parent = os.fsencode(os.path.dirname(name))
    return f"{hashlib.sha256(parent).hexdigest()[:2]}.digests"
