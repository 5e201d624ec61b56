"""How long voice, speech and pauses last, and how loudness comes and goes.

In:  ``Speech``.
Out: (n_values,).

Sources: durations and loudness are of the kind of eGeMAPS (Eyben et al., 2016); the exponent of
loudness is that of S. S. Stevens (1955).
"""

import numpy as np

from undertone.audio import FRAMES_PER_SECOND
from undertone.features.descriptors.speech import Speech, changes, runs, slopes, statistics

SHORTEST_PAUSE = 5  # frames
EXPONENT = 0.3  # of power


def durations(speech: Speech) -> np.ndarray:
    """(8,) length, voiced stretches a second and their length, shares, pauses and their length."""
    n_frames, voices, pauses = len(speech.energy), runs(speech.voiced), runs(~speech.spoken)
    pauses = pauses[pauses >= SHORTEST_PAUSE]
    return np.array(
        [
            np.log(n_frames),
            len(voices) * FRAMES_PER_SECOND / n_frames,
            np.log1p(voices.mean()) if len(voices) else 0.0,
            np.log1p(voices.std()) if len(voices) else 0.0,
            speech.voiced.mean(),
            1 - pauses.sum() / n_frames,
            np.log1p(pauses.mean()) if len(pauses) else 0.0,
            len(pauses) * FRAMES_PER_SECOND / n_frames,
        ]
    )


def energy(speech: Speech) -> np.ndarray:
    """(8,) statistics of the energy over the level of the speech."""
    return statistics(speech.energy[:, None], speech.spoken)


def loudness(speech: Speech) -> np.ndarray:
    """(11,) mean, spread, percentiles, range, peaks a second; rising and falling."""
    loud = np.exp(EXPONENT * speech.mel).mean(axis=1)
    spoken = loud[speech.spoken]
    low, middle, high = np.percentile(spoken, (20, 50, 80))
    peaks = (loud[1:-1] > loud[:-2]) & (loud[1:-1] >= loud[2:]) & speech.spoken[1:-1]
    rate = peaks.sum() * FRAMES_PER_SECOND / len(loud)
    own = [spoken.mean(), spoken.std(), low, middle, high, high - low, rate]
    return np.concatenate([own, slopes(changes(loud, speech.spoken))])
