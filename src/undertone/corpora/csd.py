"""CMU computational sequences (``.csd``), read without the CMU Multimodal SDK, an entry at a time.

In:  an HDF5 file ``/<name>/data/<id>/{features,intervals}``, ``/<name>/metadata/<key>``.
Out: ``Sequence``: identifiers, and for each its rows and their times, as they stand in the file.

An identifier is a video's, or ``video[k]`` in files that were aligned to the k-th segment of each
video. Rows may overlap, leave gaps and be out of order. The name of the root differs between
releases, so the first group with entries counts, as in the SDK. A value of the metadata is JSON in
a string, or in some files the bare text; the SDK's own template lacks a comma, so files also hold
the merged key ``dimension namescomputational sequence version``.
"""

import contextlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from undertone.config import parse_json
from undertone.corpora.texts import refuse_pointer
from undertone.errors import UndertoneError, needs

if TYPE_CHECKING:
    import h5py

SEGMENT = re.compile(r"(?P<video>.+)\[(?P<index>\d+)\]")
LARGEST = 2**30  # bytes of one dataset
MOST_A_BYTE = 1032  # that a byte of a compressed dataset stands for
DIMENSIONS = ("dimension names", "dimension namescomputational sequence version")


@dataclass(frozen=True)
class Entry:
    """One identifier's rows.

    Attributes:
        features: (n_rows, n_features) of the file's type.
        intervals_s: (n_rows, 2) start and end.
    """

    features: np.ndarray
    intervals_s: np.ndarray


class Sequence:
    """An open file; what is asked for is read then, and stays when the file is closed."""

    def __init__(self, root: "h5py.Group", path: Path) -> None:
        self._root, self._data, self.path = root, root["data"], path

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._data

    @property
    def identifiers(self) -> tuple[str, ...]:
        return tuple(self._data)

    def read(self, identifier: str) -> Entry:
        """One entry.

        Raises:
            UndertoneError: it has no features or intervals, or as many of one as not of the other.
        """
        where = f"{identifier} in {self.path}"
        entry = _own(self._data, identifier, where)
        if missing := [name for name in ("features", "intervals") if name not in entry]:
            raise UndertoneError(f"{identifier} in {self.path} has no {' and no '.join(missing)}")
        try:
            features, intervals_s = (_numbers(entry, n, where) for n in ("features", "intervals"))
        except OSError as error:  # a chunk that is damaged or cut off
            raise UndertoneError(f"{identifier} in {self.path} cannot be read: {error}") from None
        if features.ndim < 2 or intervals_s.shape != (len(features), 2):
            raise UndertoneError(
                f"{identifier} in {self.path} has features of shape {features.shape} with "
                f"intervals of shape {intervals_s.shape}; expected (n, d) with (n, 2)"
            )
        return Entry(features.reshape(len(features), -1), intervals_s.astype(float))

    @property
    def metadata(self) -> dict[str, Any]:
        """Every value, parsed where it is JSON."""
        if "metadata" not in self._root:
            return {}
        where = f"the metadata of {self.path}"
        stored = _own(self._root, "metadata", where)
        return {key: _value(_checked(_own(stored, key, where), where)[()]) for key in stored}

    @property
    def dimension_names(self) -> tuple[str, ...] | None:
        """Names of the features, if the metadata tells; from the merged key too."""
        metadata = self.metadata
        for names in (metadata.get(key) for key in DIMENSIONS):
            if isinstance(names, list) and names and isinstance(names[0], list):
                names = names[0]  # merged: names, then the version
            if isinstance(names, list) and names:
                return tuple(map(str, names))
        return None


@contextlib.contextmanager
def open(path: Path | str) -> Iterator[Sequence]:
    """A computational sequence, until the context ends.

    Raises:
        UndertoneError: the extra is not installed, or the file is no computational sequence.
    """
    h5py = _h5py()
    path = Path(path)
    refuse_pointer(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UndertoneError(
            f"expected a computational sequence (HDF5) at {path}; it cannot be opened: {error}. "
            "Is the download complete?"
        ) from None
    with file:
        groups = (_own(file, name, f"{name} in {path}") for name in file)
        roots = [group for group in groups if isinstance(group, h5py.Group) and "data" in group]
        if not roots:
            raise UndertoneError(
                f"expected a group with the group data in {path}; found "
                f"{', '.join(file) or 'an empty file'}: is it a computational sequence?"
            )
        _own(roots[0], "data", f"data in {path}")
        yield Sequence(roots[0], path)


def write(
    path: Path, entries: Iterable[tuple[str, Entry]], *, root: str, metadata: Mapping[str, Any]
) -> None:
    """A file of entries, one in memory at a time; whole or absent.

    Raises:
        UndertoneError: the extra is not installed, or the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        _fill(partial, entries, root=root, metadata=metadata)
        partial.replace(path)
    except OSError as error:
        raise UndertoneError(f"{path} cannot be written: {error}") from None
    finally:
        partial.unlink(missing_ok=True)


def _fill(
    path: Path, entries: Iterable[tuple[str, Entry]], *, root: str, metadata: Mapping[str, Any]
) -> None:
    h5py = _h5py()
    with h5py.File(path, "w") as file:
        for identifier, entry in entries:
            group = file.create_group(f"{root}/data/{identifier}")
            group.create_dataset("features", data=entry.features, compression="gzip")
            group.create_dataset("intervals", data=entry.intervals_s)
        for key, value in {"root name": root, **metadata}.items():
            file.create_dataset(
                f"{root}/metadata/{key}",
                (1,),
                dtype=h5py.string_dtype("utf-8"),
                data=[json.dumps(value)],
            )


def _h5py() -> ModuleType:
    needs("h5py", extra="mosei", what="computational sequences")
    import h5py

    return h5py


def _own(group: "h5py.Group", name: str, where: str) -> Any:
    """A part of the file itself: what another file holds is not read in its name.

    Raises:
        UndertoneError: it is a link to somewhere else.
    """
    if not isinstance(group.get(name, getlink=True), _h5py().HardLink):
        raise UndertoneError(f"{where} is a link to somewhere else; write it into the file itself")
    return group[name]


def _numbers(entry: "h5py.Group", name: str, where: str) -> np.ndarray:
    """A dataset of plain numbers."""
    dataset = _checked(_own(entry, name, where), where)
    if dataset.dtype.kind not in "fiu":
        raise UndertoneError(f"{where} has {name} of type {dataset.dtype}; expected numbers")
    found: np.ndarray = dataset[()]
    return found


def _checked(dataset: Any, where: str) -> Any:
    """A dataset that lies in the file, of a size that it can have.

    Its shape is what the file says; nothing need lie behind it. Compressed, a byte stands for
    ``MOST_A_BYTE`` at most (of deflate's longest matches; RFC 1951).
    """
    if not isinstance(dataset, _h5py().Dataset):
        raise UndertoneError(f"{where} is no array of numbers")
    if dataset.is_virtual or dataset.external:
        raise UndertoneError(f"{where} lies in another file; write it into the file itself")
    n_bytes = dataset.size * dataset.dtype.itemsize
    of_chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    held = dataset.id.get_storage_size()
    if max(n_bytes, of_chunk) > LARGEST or n_bytes > MOST_A_BYTE * max(held, 1024):
        raise UndertoneError(
            f"{where} says that it is of shape {dataset.shape}, {n_bytes / 2**20:,.0f} MiB, and "
            f"holds {held:,} bytes; at most {LARGEST / 2**20:,.0f} MiB are read at once: is the "
            "file what it should be?"
        )
    return dataset


def parted(identifier: str) -> tuple[str, int | None]:
    """Video and number of the segment.

    >>> parted("--qXJuDtHPw[3]"), parted("--qXJuDtHPw")
    (('--qXJuDtHPw', 3), ('--qXJuDtHPw', None))
    """
    match = SEGMENT.fullmatch(identifier)
    return (match["video"], int(match["index"])) if match else (identifier, None)


def _value(stored: Any) -> Any:
    value = np.ravel(stored)[0] if np.size(stored) else ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    try:
        return parse_json(text)
    except ValueError:
        return text
