"""One vector an utterance and layer: mean and standard deviation over its frames.

In:  a ``FrameTable`` of all layers of a pre-trained encoder.
Out: a ``FrameTable`` whose "frames" are (n_layers, 2 * width), a row a layer; computed once, and
     kept in the store beside the frames.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from undertone.features import shards

if TYPE_CHECKING:
    from undertone.features.store import FrameTable

VERSION = 1  # raise it when other values come out
FOLDER = f"mean_sd-v{VERSION}.{shards.VERSION}"  # below the folder of the frames
CHUNK = 256  # utterances a shard


def mean_sd(frames: np.ndarray) -> np.ndarray:
    """Mean and standard deviation over time of what is finite.

    Args:
        frames: (..., n_frames, width)

    Returns:
        (..., 2 * width) float32; 0 where nothing is finite.
    """
    frames = np.asarray(frames, dtype=np.float64)
    finite = np.isfinite(frames)
    count = np.maximum(finite.sum(axis=-2, keepdims=True), 1)
    values = np.where(finite, frames, 0.0)
    mean = values.sum(axis=-2, keepdims=True) / count
    variance = (np.where(finite, values - mean, 0.0) ** 2).sum(axis=-2) / count[..., 0, :]
    return np.concatenate([mean[..., 0, :], np.sqrt(variance)], axis=-1).astype(np.float32)


def summarise(table: "FrameTable") -> "FrameTable":
    """The vectors of every utterance of a table of all layers."""
    places = {u: place for u, place in table.source.items() if isinstance(place, shards.Place)}
    assert len(places) == len(table), "vectors are kept of frames that lie in the store"
    first = next(iter(places.values()))
    width = len(table.columns) // first.n_layers
    folder = first.shard.parent / FOLDER
    wanted = {_key(table, utterance) for utterance in places}
    known = shards.find(folder, 2 * width, wanted)
    missing = {_key(table, u): u for u in places if _key(table, u) not in known}
    for chunk in _chunks(list(missing)):
        vectors = {k: mean_sd(_layers(places[missing[k]], width)) for k in chunk}
        shards.write(folder, vectors)
    known = shards.find(folder, 2 * width, wanted) if missing else known
    return replace(table, columns=(), source={u: known[_key(table, u)] for u in places})


def _key(table: "FrameTable", utterance: str) -> str:
    return table.keys[utterance].rpartition(" ")[2]


def _layers(place: shards.Place, width: int) -> np.ndarray:
    """(n_layers, n_frames, width)."""
    side_by_side = shards.read(place)
    return side_by_side.reshape(len(side_by_side), -1, width).transpose(1, 0, 2)


def _chunks(keys: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(keys), CHUNK):
        yield keys[first : first + CHUNK]
