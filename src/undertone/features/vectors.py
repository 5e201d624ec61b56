"""One vector an utterance and layer: mean and standard deviation over its frames.

In:  all layers of recordings, as they leave a pre-trained encoder, or as a store holds them.
Out: shards of (n_layers, 2 * width) a recording, a row a layer; beside each how many frames there
     were, and a digest that tells the recording from others: what is read of frames that are not
     kept.
"""

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from undertone.features import shards

if TYPE_CHECKING:
    from undertone.features.store import FrameTable

VERSION = 1  # raise it when other values come out
FOLDER = f"means-v{VERSION}.{shards.VERSION}"  # below the folder of the frames
LOOKED_AT = 64  # frames of an utterance that tell it from others


@dataclass(frozen=True, slots=True)
class Unkept:
    """Frames that were computed, described, and not kept.

    Attributes:
        n_frames: how many there were.
        content: what tells the recording from others; empty where the frames tell nothing.
    """

    n_frames: int
    content: str


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


def looked_at(frames: np.ndarray) -> str:
    """The digest of frames that lie evenly in a recording; empty where they tell nothing.

    Args:
        frames: (n_frames, width), as they are stored.
    """
    if len(frames) == 0:
        return ""
    some = frames[np.linspace(0, len(frames) - 1, LOOKED_AT).astype(int)]
    if (some == some[0]).all():
        return ""
    return f"{len(frames)} {hashlib.sha256(some.tobytes()).hexdigest()}"


def write(home: Path, layers: Mapping[str, np.ndarray]) -> None:
    """Keep the vectors of recordings.

    Args:
        home: folder of an encoder's frames.
        layers: by key (n_layers, n_frames, width), as they are stored.
    """
    described = {
        key: np.stack([mean_sd(of_one) for of_one in of_key]) for key, of_key in layers.items()
    }
    told = {key: f"{of_key.shape[1]} {looked_at(of_key[0])}" for key, of_key in layers.items()}
    shards.write(home / FOLDER, described, told)


def find(home: Path, width: int, keys: Container[str]) -> dict[str, shards.Place]:
    """Where the vectors of recordings lie.

    Args:
        home: folder of an encoder's frames.
        width: of a layer.
        keys: of recordings.
    """
    return shards.find(home / FOLDER, 2 * width, keys)


def unkept(place: shards.Place) -> Unkept:
    """What is told of the frames that vectors are of."""
    n_frames, _, content = place.told.partition(" ")
    return Unkept(int(n_frames), content)


def summarise(table: "FrameTable") -> "FrameTable":
    """The vectors of every utterance of a table of an encoder's frames, in their place."""
    assert table.means.keys() == table.source.keys(), "vectors are kept of an encoder's layers"
    return replace(table, columns=(), source=dict(table.means), means={})
