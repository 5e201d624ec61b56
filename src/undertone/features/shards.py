"""Frames on disk: flat arrays that are mapped into memory, each with an index written last.

A shard is ``<name>.npy``, (n_frames, n_features) float32 or float16, the frames of several keys one
after the other, and ``<name>.json``, which says where each key lies. Both are written beside their
place and renamed into it, the index last: a shard without an index does not exist, so that a
process may be killed at any moment, and several may write into one folder.
"""

import contextlib
import functools
import io
import json
import mmap
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertone import atomic

ABANDONED_S = 24 * 3600.0  # a partial file this old belongs to nobody


@dataclass(frozen=True)
class Place:
    """Where frames lie.

    Attributes:
        shard: the array.
        first: row.
        n_frames: rows; of each layer where there are several, one layer after the other.
        n_layers: layers that are read side by side.
    """

    shard: Path
    first: int
    n_frames: int
    n_layers: int = 1

    def layers(self, layers: range, n_layers: int) -> "Place":
        """Where some neighbouring ones of a key's ``n_layers`` layers lie."""
        size = self.n_frames // n_layers
        return Place(self.shard, self.first + layers.start * size, size, len(layers))


def write(folder: Path, frames: Mapping[str, np.ndarray]) -> None:
    """Add a shard.

    Args:
        folder: of shards.
        frames: key to (n_frames, n_features).
    """
    name = uuid.uuid4().hex
    lengths = [len(rows) for rows in frames.values()]
    firsts = np.cumsum([0, *lengths[:-1]]).tolist()
    content = io.BytesIO()
    rows = np.concatenate(list(frames.values()))
    np.save(content, rows if rows.dtype == np.float16 else rows.astype(np.float32, copy=False))
    index = {
        "bytes": content.tell(),
        "keys": dict(zip(frames, zip(firsts, lengths, strict=True), strict=True)),
    }
    array = folder / f"{name}.npy"
    atomic.write_bytes(array, content.getvalue())
    try:
        atomic.write_text(folder / f"{name}.json", json.dumps(index))
    except BaseException:
        array.unlink(missing_ok=True)
        raise


def find(folder: Path, n_features: int) -> dict[str, Place]:
    """Return the place of every key; what is damaged is removed, as if it had never been."""
    places: dict[str, Place] = {}
    for path in sorted(folder.glob("*.json")):
        array = path.with_suffix(".npy")
        try:
            index = json.loads(path.read_text())
            keys = {key: Place(array, int(a), int(n)) for key, (a, n) in index["keys"].items()}
            expected = (sum(place.n_frames for place in keys.values()), n_features)
            whole = array.stat().st_size == index["bytes"]
            whole = whole and np.load(array, mmap_mode="r").shape == expected
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            whole = False
        if whole:
            places |= keys
        else:
            _remove(path, array)
    unindexed = [path for path in folder.glob("*.npy") if not path.with_suffix(".json").exists()]
    for path in (*folder.glob(".*.partial"), *unindexed):  # what killed processes left
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink()
    return places


def read(place: Place) -> np.ndarray:
    """Return frames, (n_frames, n_features), mapped and read-only where they are one layer."""
    rows = _map(place.shard)[place.first : place.first + place.n_frames * place.n_layers]
    if place.n_layers == 1:
        return rows
    layers = rows.reshape(place.n_layers, place.n_frames, -1)
    return layers.transpose(1, 0, 2).reshape(place.n_frames, -1)


@functools.cache
def _map(path: Path) -> np.ndarray:
    mapped = np.load(path, mmap_mode="r")
    with contextlib.suppress(AttributeError, OSError, ValueError):  # a hint, where there is one
        mapped._mmap.madvise(mmap.MADV_WILLNEED)
    return np.asarray(mapped)


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()
