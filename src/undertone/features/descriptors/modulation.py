"""The modulation spectrum: how fast energy, bands and F0 go up and down.

In:  ``Speech``.
Out: (n_values,).

Source: the bands follow Houtgast & Steeneken (J. Acoust. Soc. Am. 77, 1985), 0.5 to 16 Hz in
speech: the rates at which syllables, stress and tremor come.
"""

import numpy as np
import scipy.fft

from undertone.audio import FRAMES_PER_SECOND
from undertone.features.descriptors.speech import Speech

BANDS_HZ = ((0.5, 1.5), (1.5, 3), (3, 5), (5, 8), (8, 12), (12, 20))
SIZE = 512
BANDS_A_GROUP = 8  # mel bands that share a modulation spectrum


def modulation(speech: Speech) -> np.ndarray:
    """(n_bands * n_signals,) log power of energy, groups of mel bands and F0 by modulation rate."""
    starts = range(0, speech.mel.shape[1], BANDS_A_GROUP)
    groups = [speech.mel[:, start : start + BANDS_A_GROUP].mean(axis=1) for start in starts]
    signals = np.stack([speech.energy, *groups, speech.log_f0])
    signals = (signals - signals.mean(axis=1, keepdims=True)) * np.hanning(signals.shape[1])
    size = max(SIZE, scipy.fft.next_fast_len(signals.shape[1], real=True))
    power = np.abs(scipy.fft.rfft(signals, size)) ** 2 * SIZE / size
    rates_hz = np.arange(power.shape[1]) * FRAMES_PER_SECOND / size
    sums = [power[:, (low <= rates_hz) & (rates_hz < high)].sum(axis=1) for low, high in BANDS_HZ]
    found: np.ndarray = np.log(np.stack(sums) / signals.shape[1] + 1e-6).ravel()
    return found
