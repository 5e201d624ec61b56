"""Where the recogniser listens: windows of one length, a hop apart, inside speech only.

In:  stretches of speech; the length of a window and the hop, in seconds.
Out: ``Window``; and the recording cut into steps of the hop, each with the mean of what the windows
     around it say.

A stretch that is shorter than a window is a window of its own, if it is long enough to be judged.
The last window of a stretch ends with it, so that no speech is passed over.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.config import check_ranges
from undertone.errors import UndertoneError
from undertone.features.speech import Stretch

SHORTEST_S = 0.5  # speech that says something of an emotion


@dataclass(frozen=True)
class WindowConfig:
    """How the windows lie."""

    window_s: float = 4.0  # that one answer hears
    hop_s: float = 1.0  # from answer to answer

    def __post_init__(self) -> None:
        check_ranges(self, window_s=(SHORTEST_S, 600), hop_s=(0.1, 600))
        if self.hop_s > self.window_s:
            raise UndertoneError(
                f"a hop of {self.hop_s:g} s passes over speech between windows of "
                f"{self.window_s:g} s: --hop {self.window_s:g} or less"
            )


@dataclass(frozen=True)
class Window:
    """From and to in seconds, and the place of its stretch among the others."""

    start_s: float
    end_s: float
    stretch: int


def windows_of(stretches: Sequence[Stretch], settings: WindowConfig) -> list[Window]:
    """The windows of all stretches, in the order of their beginnings."""
    windows = [
        Window(start, end, i)
        for i, stretch in enumerate(stretches)
        for start, end in _within(stretch, settings)
    ]
    return sorted(windows, key=lambda window: (window.start_s, window.end_s))


def too_short(stretches: Sequence[Stretch]) -> int:
    """How many stretches are too short to be judged."""
    return sum(s.end_s - s.start_s < SHORTEST_S for s in stretches)


def _within(stretch: Stretch, settings: WindowConfig) -> list[tuple[float, float]]:
    start, end, length = stretch.start_s, stretch.end_s, settings.window_s
    if end - start < SHORTEST_S:
        return []
    if end - start <= length:
        return [(start, end)]
    n = int((end - start - length) / settings.hop_s + 1e-9)
    spans = [
        (start + k * settings.hop_s, start + k * settings.hop_s + length) for k in range(n + 1)
    ]
    if end - spans[-1][1] > 0.5 * settings.hop_s:
        spans.append((end - length, end))
    return [(round(a, 3), round(b, 3)) for a, b in spans]


@dataclass(frozen=True)
class Step:
    """A piece of a stretch of speech that lasts a hop at most.

    Attributes:
        start_s: in the recording.
        end_s: in the recording.
        stretch: its place among the stretches.
        values: (n_outputs,) mean over the windows that cover its middle; NaN if none is judged.
    """

    start_s: float
    end_s: float
    stretch: int
    values: np.ndarray


def steps_of(windows: Sequence[Window], values: np.ndarray, settings: WindowConfig) -> list[Step]:
    """What is said of each moment: the mean of the windows that hear it.

    Args:
        windows: of one recording, in order.
        values: (n_windows, n_outputs).
        settings: how they lie.
    """
    by_stretch: dict[int, list[int]] = {}
    for place, window in enumerate(windows):
        by_stretch.setdefault(window.stretch, []).append(place)
    steps = []
    for stretch, places in by_stretch.items():
        starts = np.array([windows[i].start_s for i in places])
        ends = np.array([windows[i].end_s for i in places])
        edges = _edges(starts.min(), ends.max(), settings.hop_s)
        for a, b in itertools.pairwise(edges):
            middle = (a + b) / 2
            heard = np.flatnonzero((starts <= middle) & (middle < ends))
            steps.append(
                Step(float(a), float(b), stretch, _mean(values[[places[i] for i in heard]]))
            )
    return sorted(steps, key=lambda step: step.start_s)


def _mean(values: np.ndarray) -> np.ndarray:
    """(n_outputs,) of (n_windows, n_outputs), of those that are judged; NaN where none is."""
    judged = values[~np.isnan(values).any(axis=1)]
    return judged.mean(axis=0) if len(judged) else np.full(values.shape[1], np.nan)


def _edges(start_s: float, end_s: float, hop_s: float) -> np.ndarray:
    """Equal steps of about a hop."""
    n = max(1, round((end_s - start_s) / hop_s))
    return np.round(np.linspace(start_s, end_s, n + 1), 3)
