"""H1H2: how much the first harmonic of the glottal derivative exceeds the second, in dB.

In:  glottal derivative, closures with their periods.
Out: (n_closures,) dB; 0 where the spectrum has fewer than five peaks.
Source: Hanson, Glottal characteristics of female speakers, JASA 101, 1997.
"""

import numpy as np
from numba import njit
from scipy import fft

from undertone.features.covarep.matlab import hamming, round_half_away

FEWEST_PEAKS = 5
SCALE = 2.0**15


def measure_tilt(
    derivative: np.ndarray, closures: np.ndarray, periods: np.ndarray, sample_rate: int
) -> np.ndarray:
    """Compare the spectral peaks nearest to F0 and 2 F0 in three periods around each closure."""
    reach = round_half_away(1.5 * periods)
    out = np.zeros(len(closures))
    for k in range(len(closures)):
        first = max(closures[k] - reach[k], 0)
        frame = SCALE * derivative[first : closures[k] + reach[k] + 1]
        power = np.abs(fft.fft(frame * hamming(len(frame)), sample_rate)) ** 2
        peaks = thin_peaks(power, peak_bins(power), sample_rate / periods[k] / 2)
        if len(peaks) >= FEWEST_PEAKS:
            f0_hz = sample_rate / periods[k]
            first_peak = peaks[np.argmin(np.abs(peaks + 1 - f0_hz))]
            second_peak = peaks[np.argmin(np.abs(peaks + 1 - 2 * f0_hz))]
            out[k] = 10 * np.log10(power[first_peak] / power[second_peak])
    return out


@njit(cache=True)
def peak_bins(values):
    """Interior local maxima; of a plateau its centre, the left one of two."""
    peaks = np.empty(len(values), dtype=np.int64)
    count, start = 0, -1
    for i in range(1, len(values)):
        if values[i] > values[i - 1]:
            start = i
        elif values[i] < values[i - 1]:
            if start > 0:
                peaks[count] = (start + i - 1) // 2
                count += 1
            start = -1
    return peaks[:count]


@njit(cache=True)
def thin_peaks(values, peaks, nearest):
    """Of neighbouring peaks closer than ``nearest`` delete the lower ones, until none are."""
    while len(peaks) > 1:
        keep = np.ones(len(peaks), dtype=np.bool_)
        for i in range(len(peaks) - 1):
            if peaks[i + 1] - peaks[i] <= nearest:
                keep[i + 1 if values[peaks[i]] >= values[peaks[i + 1]] else i] = False
        if keep.all():
            break
        peaks = peaks[keep]
    return peaks
