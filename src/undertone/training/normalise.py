"""From stored frames to what a network sees: z-scores, finite, at the stride of the encoder.

In:  frames (n_frames, n_features), perhaps with NaN or infinities, as an extractor gave them.
Out: steps (n_steps, n_features) float32, finite; n_steps = ceil(n_frames / stride).

Statistics come from the training pool alone. What is not finite becomes 0, the pool's mean, after
z-scoring. A step is the mean of ``stride`` consecutive frames; the last one may hold fewer.

Steps of much speech are ``LazySteps``: made of the mapped frames each time that a part of them is
read, so that memory does not grow with the pool.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.features.store import FrameTable

Parts: TypeAlias = "Sequence[tuple[FrameTable, Sequence[str]]]"
HELD_BYTES = 2**30  # of steps that a process keeps in memory

SMALLEST_SD = 1e-6  # a column flatter than this is constant: it carries nothing and becomes 0
LARGEST_Z = 10.0  # a value further out is a fault of the recording, not of the voice


@dataclass(frozen=True)
class Normaliser:
    """Z-scoring and striding with the statistics of one pool.

    Attributes:
        mean: (n_features,) of the finite values.
        sd: (n_features,) of the finite values; infinity where a column is constant.
        stride: frames a step.
    """

    mean: np.ndarray
    sd: np.ndarray
    stride: int = 1

    def apply(self, frames: np.ndarray) -> np.ndarray:
        """Steps of one utterance: (n_frames, n_features) in, (n_steps, n_features) out."""
        with np.errstate(invalid="ignore"):
            scored = (frames - self.mean) / self.sd
        scored = np.nan_to_num(scored, nan=0.0, posinf=0.0, neginf=0.0)
        scored = np.clip(scored, -LARGEST_Z, LARGEST_Z)
        return _mean_of_consecutive(scored.astype(np.float32), self.stride)


@dataclass(frozen=True)
class LazySteps:
    """Some of an utterance's steps, read as an array would be; equal to ``Normaliser.apply``'s.

    Attributes:
        frames: gives the utterance's (n_frames, n_features).
        normaliser: makes steps of them.
        first: of the steps.
        n_steps: how many.
    """

    frames: Callable[[], np.ndarray]
    normaliser: Normaliser
    first: int
    n_steps: int

    def __len__(self) -> int:
        return self.n_steps

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_steps, len(self.normaliser.mean)

    def __getitem__(self, part: slice) -> "LazySteps":
        start, stop, step = part.indices(self.n_steps)
        assert step == 1, "steps are read in order"
        return replace(self, first=self.first + start, n_steps=max(0, stop - start))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        stride = self.normaliser.stride
        frames = self.frames()[self.first * stride : (self.first + self.n_steps) * stride]
        return np.asarray(self.normaliser.apply(frames), dtype=dtype)


def lazily(frames: Callable[[], np.ndarray], normaliser: Normaliser) -> np.ndarray:
    """All ``LazySteps`` of an utterance; what reads arrays may read them."""
    n_steps = -(-len(frames()) // normaliser.stride)
    return cast(np.ndarray, LazySteps(frames, normaliser, 0, n_steps))


def fill_memory(parts: Parts, normaliser: Normaliser) -> bool:
    """Whether the steps of all these utterances are better not held in memory together."""
    n_frames = sum(table.lengths[name] for table, names in parts for name in names)
    return 4 * len(normaliser.mean) * n_frames > HELD_BYTES * normaliser.stride


def normalise(parts: Parts, normaliser: Normaliser) -> list[np.ndarray]:
    """Steps of each utterance; lazily where they would fill the memory."""
    frames = [partial(table.frames, name) for table, names in parts for name in names]
    if fill_memory(parts, normaliser):
        return [lazily(of_one, normaliser) for of_one in frames]
    return [normaliser.apply(np.asarray(of_one())) for of_one in frames]


def frames_of(parts: Parts) -> Iterator[np.ndarray]:
    """The frames of utterances, one at a time."""
    for table, names in parts:
        for name in names:
            yield np.asarray(table.frames(name))


def fit_normaliser(utterances: Iterable[np.ndarray], *, stride: int = 1) -> Normaliser:
    """Statistics of a pool, one utterance in memory at a time.

    Args:
        utterances: each (n_frames, n_features).
        stride: frames a step of the result.

    Raises:
        UndertoneError: the pool is empty.
    """
    count = total = squares = np.float64(0)
    for frames in utterances:
        finite = np.isfinite(frames)
        values = np.where(finite, frames, 0).astype(np.float64)
        count = count + finite.sum(axis=0)
        total = total + values.sum(axis=0)
        squares = squares + (values**2).sum(axis=0)
    if np.ndim(count) == 0:
        raise UndertoneError("normalisation needs at least one utterance, found none in the pool")
    mean = total / np.maximum(count, 1)
    sd = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0))
    sd = np.where(sd < SMALLEST_SD * np.maximum(1, np.abs(mean)), np.inf, sd)
    return Normaliser(mean.astype(np.float32), sd.astype(np.float32), stride)


def unchanged(n_features: int, *, stride: int = 1) -> Normaliser:
    """What leaves frames as they are, for models that read no steps."""
    return Normaliser(
        np.zeros(n_features, dtype=np.float32), np.ones(n_features, dtype=np.float32), stride
    )


def _mean_of_consecutive(steps: np.ndarray, stride: int) -> np.ndarray:
    if stride == 1:
        return steps
    starts = np.arange(0, len(steps), stride)
    sizes = np.diff(np.append(starts, len(steps)))
    return (np.add.reduceat(steps, starts, axis=0) / sizes[:, None]).astype(np.float32)
