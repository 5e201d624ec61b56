"""Which files of a folder are sound, and what is passed over and why.

In:  a folder; links to folders are followed, each folder once.
Out: ``Found``: the files that can be decoded on this machine, in order, and a reason for each other
     file that holds, or may hold, sound.

Hidden files are passed over without a word (``._*`` is what macOS leaves behind).
"""

import filecmp
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from undertone.audio import foreign, kinds
from undertone.corpora.names import fold_file

NOT_READ = (
    *(".raw", ".pcm", ".mpg", ".mpeg", ".wmv", ".flv", ".ape", ".wv", ".dss", ".ds2"),
    *(".tta", ".mpc", ".ra", ".rm", ".qcp", ".shn", ".dsf", ".vox", ".gsm", ".ogv", ".m4v", ".m4p"),
)
NEEDS_FFMPEG = f"needs ffmpeg to be read: {foreign.INSTALL}"
LARYNX_FOLDERS = ("laryngo", "laryngogram", "laryngograms", "egg")  # as EmoDB 2.0 ships
LARYNGOGRAM = "a laryngogram, not speech: name its folder itself to read it"
DEAD_LINK = "a link to a file that is not there"
UNREADABLE_FOLDER = "a folder that cannot be opened"


@dataclass
class Found:
    """Sound below a folder.

    Attributes:
        audio: files that can be decoded.
        passed_over: files that hold, or may hold, sound, and folders; each with a reason.
        n_others: files that are no sound by their names.
        n_again: links to folders that had been entered by another way.
        n_inside: folders that were not entered.
    """

    audio: list[Path] = field(default_factory=list)
    passed_over: list[tuple[Path, str]] = field(default_factory=list)
    n_others: int = 0
    n_again: int = 0
    n_inside: int = 0


def find(root: Path, *, recursive: bool = True) -> Found:
    """All sound below a folder, and what was passed over, each in the order of the names."""
    found = Found()
    for path in _files(root, found, recursive=recursive):
        suffix = path.suffix.lower()
        is_sound = suffix in kinds.SUFFIXES + kinds.FOREIGN_SUFFIXES
        if not is_sound and suffix not in NOT_READ:
            found.n_others += 1
            continue
        if reason := _reason(path, root):
            found.passed_over.append((path, reason))
        else:
            found.audio.append(path)
    found.audio.sort()
    found.passed_over.sort()
    return found


def locate(root: Path, file: str) -> str | None:
    """The name of a file as the disk spells it, relative to a folder; None where there is none.

    A name that differs in case or Unicode form alone, in any of its parts, is the same, unless
    several are there.
    """
    if is_file(root / file):
        return file
    path = Path(file)
    place = Path(path.anchor) if path.is_absolute() else root
    found = []
    for part in path.parts[1:] if path.is_absolute() else path.parts:
        alike = (part,) if part == ".." else _entries(place).get(fold_file(part), ())
        if len(alike) != 1:
            return None
        found.append(alike[0])
        place = place / alike[0]
    if not is_file(place):
        return None
    return Path(path.anchor, *found).as_posix()


def is_file(path: Path) -> bool:
    """Whether a file is there; no name is too long or too odd to ask."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_dead_link(path: Path) -> bool:
    """Whether a link is there that leads to nothing."""
    try:
        return path.is_symlink() and not path.exists()
    except (OSError, ValueError):
        return False


def why_not(path: Path) -> str:
    """Why a file cannot be decoded on this machine; "" where it may be."""
    if is_file(path) and kinds.is_pointer(path):
        return kinds.POINTER
    return _why_not_by_name(path)


def _why_not_by_name(path: Path) -> str:
    """The same by its place and name alone."""
    suffix = path.suffix.lower()
    if not is_file(path):
        return DEAD_LINK if is_dead_link(path) else "no regular file"
    if suffix in NOT_READ:
        return f"{suffix} files are not read: convert them to WAV or FLAC"
    if suffix in kinds.FOREIGN_SUFFIXES and not foreign.is_installed():
        return NEEDS_FFMPEG
    return ""


def have_same_bytes(one: Path, other: Path) -> bool:
    """Whether two files are copies; a file that cannot be read is a copy of none."""
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _files(root: Path, found: Found, *, recursive: bool) -> Iterator[Path]:
    """Files below a folder; a folder that was entered by another way is not entered again."""
    waiting, seen = [root], set()
    while waiting:
        folder = waiting.pop()
        try:
            identity = os.stat(folder)
            if (key := (identity.st_dev, identity.st_ino)) in seen:
                found.n_again += 1
                continue
            seen.add(key)
            entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        except OSError:
            found.passed_over.append((folder, UNREADABLE_FOLDER))
            continue
        inner = [entry for entry in entries if entry.is_dir()]
        if not recursive:
            found.n_inside, inner = len(inner), []
        inner.sort(key=lambda entry: (not entry.is_symlink(), entry.name), reverse=True)
        waiting = [folder / e.name for e in inner if e.is_symlink()] + waiting
        waiting += [folder / entry.name for entry in inner if not entry.is_symlink()]
        yield from (folder / entry.name for entry in entries if not entry.is_dir())


def _reason(path: Path, root: Path) -> str:
    """Why a file found below a folder is passed over; "" where it is not."""
    if any(part.casefold() in LARYNX_FOLDERS for part in path.relative_to(root).parts[:-1]):
        return LARYNGOGRAM
    return _why_not_by_name(path)


def _entries(folder: Path) -> dict[str, tuple[str, ...]]:
    """Names in a folder by their folded form."""
    try:
        return _listed(folder, os.stat(folder).st_mtime_ns)
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=1_000)
def _listed(folder: Path, _changed: int) -> dict[str, tuple[str, ...]]:
    entries: dict[str, tuple[str, ...]] = {}
    for name in sorted(os.listdir(folder)):
        entries[fold_file(name)] = (*entries.get(fold_file(name), ()), name)
    return entries
