"""How the voice sounds: voicing, noise in it, steadiness, resonances, harmonics.

In:  ``Speech``.
Out: (n_values,).

Source: the ratio of harmonics to noise is r / (1 - r), r the height of the autocorrelation
(P. Boersma, IFA Proceedings 17, 1993).
"""

import numpy as np

from undertone.features.descriptors.speech import Speech, changes, mean_and_sd, statistics

HIGHEST = 0.999  # of the autocorrelation, 30 dB


def voicing(speech: Speech) -> np.ndarray:
    """(8,) statistics of the strength of voicing in speech."""
    return statistics(speech.voicing[:, None], speech.spoken)


def steadiness(speech: Speech) -> np.ndarray:
    """(6,) harmonics to noise: mean, spread; how F0 and energy shake: mean and spread each.

    To shake is to leave the straight line through the frames before and behind.
    """
    strength = np.clip(speech.voicing, 1 - HIGHEST, HIGHEST)
    to_noise = np.log(strength / (1 - strength))[:, None]
    shaking = [
        np.array([bent.mean(), bent.std()]) if len(bent := _bends(track, speech)) else np.zeros(2)
        for track in (speech.log_f0, speech.energy)
    ]
    return np.concatenate([mean_and_sd(to_noise, speech.sounding), *shaking])


def resonances(speech: Speech) -> np.ndarray:
    """(22,) mean and spread of formants, bandwidths, levels and harmonics over voiced frames."""
    return mean_and_sd(speech.formants, speech.sounding)


def _bends(track: np.ndarray, speech: Speech) -> np.ndarray:
    """(n_bends,) |x(i+1) - 2 x(i) + x(i-1)| where all three frames are voiced."""
    if len(track) < 3:
        return np.zeros(0)
    slope = np.append(np.diff(track), 0.0)  # from i to i + 1
    together = np.append(speech.voiced[:-1] & speech.voiced[1:], False)
    return np.abs(changes(slope, together))
