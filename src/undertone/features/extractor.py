"""What turns a waveform into frames, and what its frames are.

In:  (n_samples,) at ``audio.SAMPLE_RATE``.
Out: ``Extractor``, a value: the function, its columns, rate, version and settings. ``extractors``
     has the table of those that there are. Frames that somebody else made are checked here, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from undertone import audio
from undertone.errors import UndertoneError


@dataclass(frozen=True)
class Stack:
    """Layers that are computed together, from several waveforms at once, and stored together.

    Attributes:
        compute: waveforms to (n_layers, n_frames, width) each, in half precision.
        name: of the folder in the store, whatever the extractor is called.
        n_layers: how many are stored.
        width: features a layer.
        layers: those that are the extractor's frames, side by side.
    """

    compute: Callable[[Sequence[np.ndarray]], list[np.ndarray]]
    name: str
    n_layers: int
    width: int
    layers: range

    def of_one(self, waveform: np.ndarray) -> np.ndarray:
        """(n_frames, n_features) of one waveform."""
        return self.frames(self.compute([waveform])[0])

    def frames(self, layers: np.ndarray) -> np.ndarray:
        """(n_frames, n_features) of (n_layers, n_frames, width)."""
        chosen = layers[self.layers.start : self.layers.stop]
        return chosen.transpose(1, 0, 2).reshape(chosen.shape[1], -1)


@dataclass(frozen=True)
class Extractor:
    """How frames are made of a waveform.

    Attributes:
        compute: (n_samples,) at ``audio.SAMPLE_RATE`` to (n_frames, n_features).
        columns: names of the features.
        version: enters the cache key, as do the settings.
        frames_per_second: of the frames.
        settings: what JSON can hold.
        first_centre: the sample in the middle of the first frame; by default that of the frame
            grid.
        stack: where one pass gives the frames of several extractors.
        in_this_process: whether it cannot be sent to another.
    """

    compute: Callable[[np.ndarray], np.ndarray]
    columns: tuple[str, ...]
    version: int
    frames_per_second: float = audio.FRAMES_PER_SECOND
    settings: Mapping[str, Any] = field(default_factory=dict)
    first_centre: float = audio.FIRST_CENTRE
    stack: Stack | None = None
    in_this_process: bool = False

    @property
    def stored_width(self) -> int:
        """Columns of the arrays in the store."""
        return len(self.columns) if self.stack is None else self.stack.width

    def times_s(self, n: int) -> np.ndarray:
        """(n,) the centres of the first ``n`` frames in seconds."""
        return self.first_centre / audio.SAMPLE_RATE + np.arange(n) / self.frames_per_second


def as_frames(found: Any, whose: str, *, width: int | None = None, hint: str = "") -> np.ndarray:
    """(n_frames, n_features) float32 of what should be frames.

    Args:
        found: an array.
        whose: names it in an error, as "the file a.npy".
        width: features expected; any number by default.
        hint: on what else could be given, behind the shape that is expected.

    Raises:
        UndertoneError: it has another shape, holds no numbers, or some that are not finite.
    """
    try:
        array = np.asarray(found)
    except ValueError:  # rows of several lengths
        array = np.zeros(0, dtype=object)
    fits = array.ndim == 2 and 0 not in array.shape and width in (None, array.shape[1])
    if not fits or array.dtype.kind not in "fiu":
        raise UndertoneError(
            f"{whose} has the shape {array.shape} and the type {array.dtype}; expected numbers "
            f"(n_frames, {width or 'n_features'}){hint}"
        )
    with np.errstate(over="ignore"):  # what is no float32 is not finite then
        frames = array.astype(np.float32)
    if n_bad := int((~np.isfinite(frames)).sum()):
        raise UndertoneError(
            f"{whose} holds {n_bad} values that are not finite (NaN, or infinite as float32)"
        )
    return frames
