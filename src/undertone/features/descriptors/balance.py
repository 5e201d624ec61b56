"""How power is shared between low and high, in voiced and in unvoiced speech, and how it moves.

In:  ``Speech``.
Out: (n_values,).

Source: the measures are those of eGeMAPS (Eyben et al., 2016), taken of mel bands.
"""

import numpy as np

from undertone.features import log_mel
from undertone.features.descriptors.speech import Speech, mean_and_sd

SPLIT_HZ = 1000.0  # of the alpha ratio
HIGHEST_HZ = 5000.0
HAMMARBERG_HZ = 2000.0
SLOPES_HZ = ((0.0, 500.0), (500.0, 1500.0))


def balance(speech: Speech) -> np.ndarray:
    """(15,) mean and spread over voiced frames, mean over unvoiced ones."""
    values = measures(speech.mel)
    return np.concatenate(
        [mean_and_sd(values, speech.sounding), values[speech.unvoiced].mean(axis=0)]
    )


def flux(speech: Speech) -> np.ndarray:
    """(3,) how the spectrum changes, whatever its level: mean, spread, mean in voiced speech."""
    shape = speech.mel - speech.mel.mean(axis=1, keepdims=True)
    moved = np.sqrt((np.diff(shape, axis=0) ** 2).mean(axis=1))
    return np.concatenate([_moments(moved, speech.spoken), _moments(moved, speech.voiced)[:1]])


def measures(mel: np.ndarray) -> np.ndarray:
    """(n_frames, 5) alpha ratio, Hammarberg index, two slopes, centroid; natural logarithms.

    Args:
        mel: (n_frames, n_bands) log powers.
    """
    hz = log_mel.centres_hz()
    power = np.exp(mel)
    low, high = hz < SPLIT_HZ, (hz >= SPLIT_HZ) & (hz < HIGHEST_HZ)
    beyond = (hz >= HAMMARBERG_HZ) & (hz < HIGHEST_HZ)
    return np.column_stack(
        [
            np.log(power[:, low].sum(axis=1) / power[:, high].sum(axis=1)),
            mel[:, hz < HAMMARBERG_HZ].max(axis=1) - mel[:, beyond].max(axis=1),
            *(_slope(mel, hz, low_hz, high_hz) for low_hz, high_hz in SLOPES_HZ),
            np.log(power @ hz / power.sum(axis=1)),
        ]
    )


def _slope(mel: np.ndarray, hz: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """(n_frames,) of a straight line through the bands, a kilohertz."""
    within = (hz >= low_hz) & (hz < high_hz)
    centred = (hz[within] - hz[within].mean()) / 1000
    slope: np.ndarray = mel[:, within] @ centred / (centred**2).sum()
    return slope


def _moments(moved: np.ndarray, where: np.ndarray) -> np.ndarray:
    chosen = moved[where[1:] & where[:-1]]
    return np.array([chosen.mean(), chosen.std()]) if len(chosen) else np.zeros(2)
