"""Where F0 lies and how it moves.

In:  ``Speech``.
Out: (n_values,).
"""

import numpy as np

from undertone.audio import FRAMES_PER_SECOND
from undertone.features.descriptors.speech import Speech, changes, slopes, statistics


def f0(speech: Speech) -> np.ndarray:
    """(8,) statistics over voiced frames."""
    return statistics(speech.log_f0[:, None], speech.sounding)


def f0_in_motion(speech: Speech) -> np.ndarray:
    """(10,) range; size, spread, percentiles of the change; slope a second; rising, falling."""
    change = changes(speech.log_f0, speech.voiced)
    if not speech.enough_voiced or len(change) < 2:
        return np.zeros(10)
    where = np.flatnonzero(speech.voiced)
    rise, fall = np.percentile(change, (90, 10))
    low, high = np.percentile(speech.log_f0[where], (2, 98))
    slope = np.polyfit(where / FRAMES_PER_SECOND, speech.log_f0[where], 1)[0]
    own = [high - low, np.abs(change).mean(), change.std(), rise, fall, slope]
    return np.concatenate([own, slopes(change)])
