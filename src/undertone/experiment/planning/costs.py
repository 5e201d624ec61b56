"""From two small curves to any size: lines through what was measured.

In:  ``Measured`` at two sizes.
Out: ``Costs``: every cost as a line, whose slope and start are 0 at least.

A cost ``c`` that grows with ``n`` is taken to be ``c = a + b n``; that of a fit to be
``c = a + b labels + d crowd``, found by non-negative least squares (Lawson and Hanson, 1974). What
grows faster than that is not foreseen: the outlook says how far it was carried.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from undertone.experiment.planning.measured import Measured, Timed
from undertone.features.copies import MOST as MOST_COPIED


class Line(NamedTuple):
    """``start + slope * n``."""

    start: float
    slope: float

    def at(self, n: float) -> float:
        """Its value."""
        return self.start + self.slope * n


class OfFit(NamedTuple):
    """Processor seconds of a fit: what it takes anyhow, a label, an utterance of the crowd."""

    anyhow: float
    label: float
    heard: float
    predicting: float  # a tested utterance
    size: Line  # bytes on disk, by tested utterances

    def seconds(self, *, labels: int, crowd: int, tested: float) -> float:
        """With its predictions."""
        return self.anyhow + self.label * labels + self.heard * crowd + self.predicting * tested


@dataclass(frozen=True)
class Costs:
    """What every step costs.

    Attributes:
        extracting: processor seconds a second of audio.
        cached: bytes a second of audio.
        planning: processor seconds, by utterances.
        epoch: processor seconds of an epoch of pre-training, a frame.
        vectors: processor seconds, by utterances and their copies.
        fits: by system.
        peak: bytes of memory of a process, by utterances and their copies.
        frames_a_second: of audio.
        copies: of an utterance that has some.
        copying: processor seconds a second of audio of these utterances.
        copied: bytes a second of it.
    """

    extracting: float
    cached: float
    planning: Line
    epoch: float
    vectors: Line
    fits: Mapping[str, OfFit]
    peak: Line
    frames_a_second: float
    copies: float = 0.0
    copying: float = 0.0
    copied: float = 0.0

    def with_copies(self, utterances: int) -> float:
        """How many they are with their copies."""
        return utterances + self.copies * min(utterances, MOST_COPIED)


def costs_of(small: Measured, large: Measured) -> Costs:
    """Lines through two sizes."""
    by_system: dict[str, list[Timed]] = {}
    for one in (*small.fits, *large.fits):
        by_system.setdefault(one.system, []).append(one)
    with_some = min(large.utterances, MOST_COPIED)
    return Costs(
        extracting=large.extracting / large.audio_s,
        cached=large.cached / large.audio_s,
        planning=_line((m.utterances, m.planning) for m in (small, large)),
        epoch=large.epoch,
        vectors=_line((m.utterances + m.copies, m.vectors) for m in (small, large)),
        fits={system: _of_fit(timed) for system, timed in by_system.items()},
        peak=_line((m.utterances + m.copies, m.peak) for m in (small, large)),
        frames_a_second=large.frames_a_second,
        copies=large.copies / with_some,
        copying=large.copying / large.audio_s * large.utterances / with_some,
        copied=large.copied / large.audio_s * large.utterances / with_some,
    )


def _of_fit(timed: list[Timed]) -> OfFit:
    design = np.array([[1.0, one.labels, one.crowd] for one in timed])
    scale = design.max(axis=0)
    anyhow, label, heard = nnls(design / scale, np.array([t.fitting for t in timed]))[0] / scale
    predicting = float(np.median([one.predicting for one in timed]))
    size = _line((one.tested, one.size) for one in timed)
    return OfFit(anyhow, label, heard, predicting, size)


def _line(points: Iterable[tuple[float, float]]) -> Line:
    x, y = np.array(list(points), float).T
    design = np.stack([np.ones(len(x)), x / x.max()], axis=1)
    start, slope = nnls(design, y)[0]
    return Line(float(start), float(slope / x.max()))
