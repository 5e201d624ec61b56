"""What the store keeps of an encoder's layers: vectors of all, frames of those that are asked for.

In:  the folder of everything that one encoder has computed, and which layers are wanted.
Out: where their frames and vectors lie.

    home/                   frames of all layers, float16, one layer after the other
    home/layers_03-05/      frames of layers 3 to 5
    home/means-v…/          vectors of all layers (``vectors``)

One pass of the encoder gives all layers. Their vectors are kept always, because they are small;
frames only of the layers that somebody reads frame by frame. Where frames of all layers lie, as
every cache held them before there were vectors, both are read from there.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertone.features import shards, vectors

NOTHING = range(0)  # of layers: no frames are kept
OF_LAYERS = re.compile(r"layers_(\d+)-(\d+)")
CHUNK = 64  # recordings whose vectors are made of stored frames at a time


@dataclass(frozen=True)
class Shape:
    """Of what an encoder computes.

    Attributes:
        n_layers: of the encoder.
        width: features a layer.
    """

    n_layers: int
    width: int


@dataclass(frozen=True)
class Lacking:
    """What is to be kept of some recordings.

    Attributes:
        wanted: layers whose frames are kept.
        means: keys whose vectors are not there.
        frames: keys whose frames are not there.
    """

    wanted: range
    means: frozenset[str]
    frames: frozenset[str]


@dataclass(frozen=True)
class Stored:
    """What lies in the store of some recordings.

    Attributes:
        means: by key, where the vectors of all layers lie.
        frames: by key, where the frames of the wanted layers lie; empty where none are wanted.
        wanted: layers.
    """

    means: Mapping[str, shards.Place]
    frames: Mapping[str, shards.Place]
    wanted: range

    @property
    def whole(self) -> dict[str, shards.Place | vectors.Unkept]:
        """By key of which nothing has to be computed: its frames, or what is told of them."""
        if not self.wanted:
            return {key: vectors.unkept(place) for key, place in self.means.items()}
        return {key: place for key, place in self.frames.items() if key in self.means}

    def lacking(self, keys: Iterable[str]) -> Lacking:
        """What is to be kept of recordings that are computed."""
        asked = frozenset(keys)
        return Lacking(self.wanted, asked - self.means.keys(), asked - self.frames.keys())


def find(home: Path, shape: Shape, keys: Collection[str], *, wanted: range) -> Stored:
    """What there is; vectors of frames that lie there without them are made.

    Args:
        home: folder of the encoder.
        shape: of what it computes.
        keys: of recordings.
        wanted: layers whose frames are to be read; ``NOTHING`` for vectors alone.
    """
    means = vectors.find(home, shape.width, keys)
    lacking = [key for key in keys if key not in means]
    if lacking and (whole := shards.find(home, shape.width, set(lacking))):
        for first in range(0, len(lacking), CHUNK):
            some = (key for key in lacking[first : first + CHUNK] if key in whole)
            if read := {key: _layers(whole[key], shape) for key in some}:
                vectors.write(home, read)
        means = vectors.find(home, shape.width, keys)
    frames = _frames(home, shape, keys, wanted)
    return Stored({key: means[key] for key in keys if key in means}, frames, wanted)


def write(home: Path, layers: Mapping[str, np.ndarray], lacking: Lacking) -> None:
    """Keep what is lacking of recordings; the vectors first.

    Args:
        home: folder of the encoder.
        layers: by key (n_layers, n_frames, width) float16.
        lacking: what is not there.
    """
    wanted = lacking.wanted
    if described := {key: of_key for key, of_key in layers.items() if key in lacking.means}:
        vectors.write(home, described)
    kept = {
        key: of_key[wanted.start : wanted.stop].reshape(-1, of_key.shape[2])
        for key, of_key in layers.items()
        if wanted and key in lacking.frames
    }
    if kept:
        n_layers = len(next(iter(layers.values())))
        shards.write(_folder(home, wanted, n_layers), kept)


def n_bytes(layers: Mapping[str, np.ndarray], lacking: Lacking) -> int:
    """How much is kept of recordings, about."""
    rows = lacking.wanted
    frames = sum(layers[key][rows.start : rows.stop].nbytes for key in lacking.frames & set(layers))
    means = sum(8 * layers[key][:, 0].size for key in lacking.means & set(layers))
    return frames + means


def _frames(
    home: Path, shape: Shape, keys: Collection[str], wanted: range
) -> dict[str, shards.Place]:
    """Where the frames of the wanted layers lie, in whichever folder holds them."""
    found: dict[str, shards.Place] = {}
    if not wanted:
        return found
    for folder, kept in _folders(home, shape.n_layers):
        if wanted.start < kept.start or wanted.stop > kept.stop:
            continue
        inside = range(wanted.start - kept.start, wanted.stop - kept.start)
        lacking = {key for key in keys if key not in found}
        if not lacking:
            break
        places = shards.find(folder, shape.width, lacking)
        found |= {
            key: place.layers(inside, len(kept)) for key, place in places.items() if key in lacking
        }
    return found


def _folders(home: Path, n_layers: int) -> Iterator[tuple[Path, range]]:
    """Those that hold frames, and of which layers; that of all layers first."""
    yield home, range(n_layers)
    if home.is_dir():
        for path in sorted(home.glob("layers_*")):
            if match := OF_LAYERS.fullmatch(path.name):
                yield path, range(int(match[1]), int(match[2]) + 1)


def _folder(home: Path, wanted: range, n_layers: int) -> Path:
    if wanted == range(n_layers):
        return home
    return home / f"layers_{wanted.start:02d}-{wanted.stop - 1:02d}"


def _layers(place: shards.Place, shape: Shape) -> np.ndarray:
    """(n_layers, n_frames, width) of all layers of a recording."""
    rows = shards.read(place)
    return rows.reshape(shape.n_layers, -1, shape.width)
