"""The frames in which somebody speaks, and what is known of them by the names of their columns.

In:  frames of ``log_mel`` (n_frames, n_features).
Out: ``Speech``; None where the columns are others.

Nothing is described but speech: frames whose energy is at most ``log_mel.SPEECH_DB`` below the
level of the speech, between the first and the last of them. Where there are too few of them, all
frames are taken, and too few voiced ones leave all that is spoken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from undertone.features import formants, log_mel

FEWEST = 5  # frames that can be described as speech
FEWEST_VOICED = 3
NEEDED = ("log_energy", "log_f0", "voicing", "voiced", *formants.COLUMNS)
PERCENTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class Speech:
    """Frames from the first to the last that is spoken.

    Attributes:
        mel: (n_frames, n_bands) log powers over the level of the speech.
        energy: (n_frames,) likewise.
        log_f0: (n_frames,) natural logarithm of F0 in Hz.
        voicing: (n_frames,) strength, 0 to 1.
        formants: (n_frames, 11) as ``formants.COLUMNS``.
        spoken: (n_frames,) whether somebody speaks.
        voiced: (n_frames,) whether the voice sounds, in speech.
    """

    mel: np.ndarray
    energy: np.ndarray
    log_f0: np.ndarray
    voicing: np.ndarray
    formants: np.ndarray
    spoken: np.ndarray
    voiced: np.ndarray

    @cached_property
    def enough_voiced(self) -> bool:
        return bool(self.voiced.sum() >= FEWEST_VOICED)

    @cached_property
    def sounding(self) -> np.ndarray:
        """(n_frames,) voiced frames; all that is spoken where they are too few."""
        return self.voiced if self.enough_voiced else self.spoken

    @cached_property
    def unvoiced(self) -> np.ndarray:
        """(n_frames,) spoken without voice; all that is spoken where that is too little."""
        hissing = self.spoken & ~self.voiced
        return hissing if hissing.sum() >= FEWEST_VOICED else self.spoken


def speech_in(frames: np.ndarray, columns: Sequence[str]) -> Speech | None:
    """What of the frames is speech.

    Args:
        frames: (n_frames, n_features), perhaps with NaN.
        columns: their names.
    """
    bands = [i for i, name in enumerate(columns) if name.startswith("mel_")]
    if not bands or not set(NEEDED) <= set(columns):
        return None
    values = np.nan_to_num(np.asarray(frames, dtype=np.float64), posinf=0.0, neginf=0.0)
    at = {name: list(columns).index(name) for name in NEEDED}
    spoken = log_mel.is_spoken(values[:, at["log_energy"]])
    if spoken.sum() < FEWEST:
        spoken = np.ones(len(values), dtype=bool)
    first, last = np.flatnonzero(spoken)[[0, -1]]
    within = slice(first, last + 1)
    values, spoken = values[within], spoken[within]
    return Speech(
        mel=values[:, bands],
        energy=values[:, at["log_energy"]],
        log_f0=values[:, at["log_f0"]],
        voicing=values[:, at["voicing"]],
        formants=values[:, [at[name] for name in formants.COLUMNS]],
        spoken=spoken,
        voiced=spoken & (values[:, at["voiced"]] > 0.5),
    )


def statistics(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(8 * n_columns,) mean, sd, five percentiles, mean absolute change from frame to frame.

    Args:
        values: (n_frames, n_columns)
        where: (n_frames,) frames that count; a change counts where both its frames do.
    """
    chosen, change = values[where], np.abs(changes(values, where))
    rows = [chosen.mean(axis=0), chosen.std(axis=0), *np.percentile(chosen, PERCENTILES, axis=0)]
    rows.append(change.mean(axis=0) if len(change) else np.zeros(values.shape[1]))
    return np.stack(rows, axis=1).ravel()


def mean_and_sd(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(2 * n_columns,) over the frames that count.

    Args:
        values: (n_frames, n_columns)
        where: (n_frames,) frames that count.
    """
    chosen = values[where]
    return np.concatenate([chosen.mean(axis=0), chosen.std(axis=0)])


def changes(values: np.ndarray, where: np.ndarray, span: int = 1) -> np.ndarray:
    """(n_changes, ...) over ``span`` frames, where all frames from one to the other count.

    A jump over a pause is no change.

    Args:
        values: (n_frames, ...)
        where: (n_frames,) frames that count.
        span: frames.
    """
    if len(values) <= span:
        return np.zeros((0, *values.shape[1:]))
    together = np.lib.stride_tricks.sliding_window_view(where, span + 1).all(axis=1)
    found: np.ndarray = (values[span:] - values[:-span])[together]
    return found


def slopes(change: np.ndarray) -> np.ndarray:
    """(4,) mean and standard deviation of what rises, and of what falls; 0 where nothing does."""
    return np.concatenate([_moments(change[change > 0]), _moments(-change[change < 0])])


def runs(where: np.ndarray) -> np.ndarray:
    """Lengths of the stretches of True."""
    edges = np.diff(np.concatenate([[0], where.astype(int), [0]]))
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)


def _moments(values: np.ndarray) -> np.ndarray:
    return np.array([values.mean(), values.std()]) if len(values) else np.zeros(2)
