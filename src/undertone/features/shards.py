"""Frames on disk: flat arrays that are mapped into memory, each with an index written last.

A shard is ``<name>.npy``, (n_frames, n_features) float32 or float16, the frames of several keys one
after the other, and ``<name>.json``, which says where each key lies. Both are written beside their
place and renamed into it, the index last: a shard without an index does not exist, so that a
process may be killed at any moment, and several may write into one folder.

The index holds its own digest and the array's, which each process checks before it first uses the
array. What is damaged is set aside. What cannot be opened is not damaged: it stays as it is.
"""

import contextlib
import hashlib
import io
import json
import time
import uuid
from collections.abc import Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from undertone import atomic, seals
from undertone.errors import UndertoneError, describe_some, tell
from undertone.features import mappings
from undertone.seals import UnsoundError

ABANDONED_S = 24 * 3600.0  # a partial file this old belongs to nobody
VERSION = 2  # raise it when shards are written otherwise: others are not looked at
THREADS = 4  # that read arrays to check them

_sound: set[tuple[Any, ...]] = set()  # states of arrays whose digest this process has checked


@dataclass(frozen=True, slots=True)
class Place:
    """Where frames lie.

    Attributes:
        shard: the array.
        first: row.
        n_frames: rows; of each layer where there are several, one layer after the other.
        n_layers: layers that are read side by side.
        told: what was told of them when they were written.
    """

    shard: Path
    first: int
    n_frames: int
    n_layers: int = 1
    told: str = ""

    def layers(self, layers: range, n_layers: int) -> "Place":
        """Where some neighbouring ones of a key's ``n_layers`` layers lie."""
        size = self.n_frames // n_layers
        return Place(self.shard, self.first + layers.start * size, size, len(layers))


def write(
    folder: Path, frames: Mapping[str, np.ndarray], told: Mapping[str, str] | None = None
) -> None:
    """Add a shard.

    Args:
        folder: of shards.
        frames: key to (n_frames, n_features).
        told: by key, what its ``Place`` tells.
    """
    name = uuid.uuid4().hex
    lengths = [len(rows) for rows in frames.values()]
    firsts = np.cumsum([0, *lengths[:-1]]).tolist()
    content = io.BytesIO()
    rows = np.concatenate(list(frames.values()))
    np.save(content, rows if rows.dtype == np.float16 else rows.astype(np.float32, copy=False))
    index = {
        "bytes": content.tell(),
        "shape": rows.shape,
        "array": hashlib.sha256(content.getbuffer()).hexdigest(),
        "keys": dict(zip(frames, zip(firsts, lengths, strict=True), strict=True)),
    }
    if told:
        index["told"] = dict(told)
    sealed = json.dumps(seals.seal(index)).encode()
    atomic.write_together(
        {folder / f"{name}.npy": content.getvalue(), folder / f"{name}.json": sealed}
    )


def find(folder: Path, n_features: int, wanted: Container[str] | None = None) -> dict[str, Place]:
    """Return the place of every key; what is damaged is set aside, and told.

    Args:
        folder: of shards; one that is not there holds nothing.
        n_features: of the frames.
        wanted: keys whose arrays are read to see that they are whole; all by default.

    Raises:
        UndertoneError: something is there and cannot be opened.
    """
    names = _names(folder)
    damaged: dict[Path, str] = {}
    places: dict[Path, dict[str, Place]] = {}
    digests: dict[Path, str] = {}
    for path in (folder / name for name in sorted(names) if name.endswith(".json")):
        array = path.with_suffix(".npy")
        try:
            places[array], digests[array] = _places(path, array, n_features)
        except UnsoundError as error:
            damaged[array] = str(error)
    asked = {a for a in digests if wanted is None or any(key in wanted for key in places[a])}
    with ThreadPoolExecutor(THREADS) as threads:
        faults = dict(zip(asked, threads.map(lambda a: _fault(a, digests[a]), asked), strict=True))
    damaged |= {array: why for array, why in faults.items() if why}
    _set_aside(folder, damaged)
    _remove_abandoned(folder, names)
    return {
        key: place
        for array, of_array in places.items()
        if array not in damaged
        for key, place in of_array.items()
    }


def read(place: Place) -> np.ndarray:
    """Return frames, (n_frames, n_features), read-only; of one layer mapped where that is possible.

    Raises:
        UndertoneError: the array was changed since it was found, or cannot be opened.
    """
    _check(place.shard)
    rows = mappings.rows(place.shard, place.first, place.n_frames * place.n_layers)
    if place.n_layers == 1:
        return rows
    layers = rows.reshape(place.n_layers, place.n_frames, -1)
    return layers.transpose(1, 0, 2).reshape(place.n_frames, -1)


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise UndertoneError(
            f"{folder} cannot be read: {error.strerror}; nothing was changed"
        ) from None


def _places(path: Path, array: Path, n_features: int) -> tuple[dict[str, Place], str]:
    """What an index tells, and the digest of its array.

    Raises:
        UnsoundError: it is damaged, or its array is.
    """
    if (content := seals.read(path)) is None:  # another process has set it aside
        return {}, ""
    index = seals.unseal(content)
    told = index.get("told", {})
    keys = {
        key: Place(array, int(first), int(n), told=told.get(key, ""))
        for key, (first, n) in index["keys"].items()
    }
    if index["shape"] != [sum(place.n_frames for place in keys.values()), n_features]:
        raise UnsoundError(f"it is of the shape {index['shape']}")
    try:
        n_bytes = array.stat().st_size
    except FileNotFoundError:
        raise UnsoundError("its array is gone") from None
    except OSError as error:
        raise UndertoneError(f"{array} cannot be read: {error.strerror}") from None
    if n_bytes != index["bytes"]:
        raise UnsoundError(f"it has {n_bytes} bytes instead of {index['bytes']}")
    return keys, index["array"]


def _fault(array: Path, digest: str) -> str:
    """Why an array is not the one whose digest that is; empty where it is. Once a process."""
    if not digest or (state := _state(array)) in _sound:
        return ""
    if seals.digest_of_file(array) != digest:
        return "it does not have the digest that its index tells"
    _sound.add(state)
    return ""


def _check(array: Path) -> None:
    """The same in a process that was handed a place."""
    if _state(array) in _sound:
        return
    try:
        content = seals.read(array.with_suffix(".json"))
        why = (
            "its index is gone"
            if content is None
            else _fault(array, seals.unseal(content)["array"])
        )
    except UnsoundError as error:
        why = str(error)
    if why:
        raise UndertoneError(
            f"{array} was changed while it was in use ({why}); run the same command again, which "
            "computes it anew"
        )


def _state(array: Path) -> tuple[Any, ...]:
    """What tells that a file was not changed since."""
    try:
        stat = array.stat()
    except OSError as error:
        raise UndertoneError(f"{array} cannot be read: {error.strerror}") from None
    return array, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _set_aside(folder: Path, damaged: Mapping[Path, str]) -> None:
    for array in damaged:
        for path in (array.with_suffix(".json"), array):
            with contextlib.suppress(FileNotFoundError):
                path.replace(path.with_name(path.name + atomic.DAMAGED))
    if damaged:
        reasons = describe_some(f"{array.name}: {why}" for array, why in damaged.items())
        tell(
            f"{len(damaged)} stored pieces of frames in {folder} are damaged ({reasons}): they "
            f"were set aside as *{atomic.DAMAGED}, and are computed again"
        )


def _remove_abandoned(folder: Path, names: set[str]) -> None:
    """What killed processes left: nothing that an index tells of."""
    for path in _abandoned(folder, names):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink()


def _abandoned(folder: Path, names: set[str]) -> Iterator[Path]:
    for name in names:
        is_partial = name.startswith(".") and name.endswith(".partial")
        if is_partial or (name.endswith(".npy") and f"{name[:-4]}.json" not in names):
            yield folder / name
