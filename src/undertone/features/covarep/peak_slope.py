"""Peak slope: how fast the octave bands' maxima fall towards high frequencies.

In:  (n_samples,) upright samples.
Out: (n_windows,) slope in log10 an octave, every 10 ms; 0 in digital silence, and -Inf near it,
     where the highest bands alone underflow to exact zeros.
Source: Kane & Gobl, Identifying regions of non-modal phonation using features of the wavelet
transform, Interspeech 2011.
"""

import numpy as np

from undertone.compiled import njit
from undertone.features.covarep import wavelets
from undertone.features.covarep.matlab import round_int

SCALES = (6, 5, 4, 3, 2, 1, 0)  # low to high band
WINDOW_S, HOP_S = 0.040, 0.010
TRUSTED = 1e-9  # of the signal's peak: below it FFTs leave noise where the sum is smaller
WEIGHTS = np.arange(-3, 4) / 28  # of a straight line through seven values


def measure_peak_slope(samples: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows' centres (1-based) and the slope in each."""
    length, hop = round_int(WINDOW_S * sample_rate), round_int(HOP_S * sample_rate)
    starts = np.arange(0, len(samples) - length + 1, hop)
    bands = wavelets.convolve(samples, SCALES)
    peaks = _window_peaks(bands, starts, length)
    doubtful = np.flatnonzero(peaks.min(axis=1, initial=np.inf) < TRUSTED * np.abs(samples).max())
    if len(doubtful):
        kernels = np.stack([wavelets.wavelet(scale) for scale in SCALES])
        reaches = np.array([wavelets.support(scale) for scale in SCALES])
        peaks[doubtful] = _sum_directly(samples, starts[doubtful], kernels, (reaches, length))
    centres = (2 * starts + length + 2) // 2 - 1 if length % 2 else starts + length // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.log10(peaks) @ WEIGHTS
    return centres, np.where(np.isnan(slope), 0.0, slope)


@njit(cache=True)
def _window_peaks(bands, starts, length):
    peaks = np.zeros((len(starts), len(bands)))
    for window in range(len(starts)):
        for band in range(len(bands)):
            top = 0.0
            for i in range(starts[window], starts[window] + length):
                top = max(top, abs(bands[band, i]))
            peaks[window, band] = top
    return peaks


@njit(cache=True)
def _sum_directly(samples, starts, kernels, shape):
    reaches, length = shape
    peaks = np.zeros((len(starts), len(kernels)))
    n, centre = len(samples), kernels.shape[1] // 2
    sums = np.empty(length)
    for window in range(len(starts)):
        for band in range(len(kernels)):
            reach, start = reaches[band], starts[window]
            sums[:] = 0.0
            for j in range(max(start - reach, 0), min(start + length + reach, n)):
                if samples[j] != 0.0:
                    for i in range(max(start, j - reach), min(start + length, j + reach + 1)):
                        sums[i - start] += samples[j] * kernels[band, centre + i - j]
            peaks[window, band] = np.max(np.abs(sums))
    return peaks
