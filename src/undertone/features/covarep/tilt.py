"""H1H2: how much the first harmonic of the glottal derivative exceeds the second, in dB.

In:  glottal derivative, closures with their periods.
Out: (n_closures,) dB; 0 where the spectrum has fewer than five peaks.
Source: Hanson, Glottal characteristics of female speakers, JASA 101, 1997.
"""

import numpy as np
from numba import njit

from undertone.features.covarep.matlab import hamming, round_half_away

FEWEST_PEAKS = 5
SCALE = 2.0**15
BAND = 12  # times F0: enough bins to decide almost always
FRAMES_A_BATCH = 32


def measure_tilt(
    derivative: np.ndarray, closures: np.ndarray, periods: np.ndarray, sample_rate: int
) -> np.ndarray:
    """Compare the spectral peaks nearest to F0 and 2 F0 in three periods around each closure."""
    reach = round_half_away(1.5 * periods)
    out = np.zeros(len(closures))
    for first in range(0, len(closures), FRAMES_A_BATCH):
        batch = range(first, min(first + FRAMES_A_BATCH, len(closures)))
        frames = np.zeros((len(batch), 2 * int(reach[batch].max()) + 1))
        for row, k in enumerate(batch):
            frame = derivative[max(closures[k] - reach[k], 0) : closures[k] + reach[k] + 1]
            frames[row, : len(frame)] = SCALE * frame * hamming(len(frame))
        spectra = np.fft.rfft(frames, sample_rate, axis=1)
        for row, k in enumerate(batch):
            out[k] = _compare_harmonics(spectra[row], sample_rate, sample_rate / periods[k])
    return out


@njit(cache=True)
def _compare_harmonics(spectrum, sample_rate, f0_hz):
    """Level difference of the peaks nearest to F0 and 2 F0, from as few bins as decide it.

    Peaks further apart than half of F0 never meet in the thinning, so the first such gap that lies
    far enough from 2 F0 makes everything above it irrelevant.
    """
    n_bins = min(int(BAND * f0_hz), len(spectrum))
    power = np.empty(n_bins)
    for k in range(n_bins):
        power[k] = spectrum[k].real ** 2 + spectrum[k].imag ** 2
    peaks = peak_bins(power)
    for p in range(len(peaks) - 1, 0, -1):
        if peaks[p] - peaks[p - 1] > f0_hz / 2:
            thinned = thin_peaks(power, peaks[:p], f0_hz / 2)
            second = _nearest(thinned, 2 * f0_hz)
            is_settled = peaks[p] + 1 - 2 * f0_hz > abs(second + 1 - 2 * f0_hz)
            if len(thinned) >= FEWEST_PEAKS and is_settled:
                return 10 * np.log10(power[_nearest(thinned, f0_hz)] / power[second])
            break
    power = np.empty(sample_rate)
    for k in range(sample_rate):
        value = spectrum[k if k < len(spectrum) else sample_rate - k]
        power[k] = value.real**2 + value.imag**2
    peaks = thin_peaks(power, peak_bins(power), f0_hz / 2)
    if len(peaks) < FEWEST_PEAKS:
        return 0.0
    return 10 * np.log10(power[_nearest(peaks, f0_hz)] / power[_nearest(peaks, 2 * f0_hz)])


@njit(cache=True)
def _nearest(peaks, hertz):
    """The peak whose bin, counted from 1, is nearest: one bin low, as in the reference."""
    return peaks[np.argmin(np.abs(peaks + 1 - hertz))]


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
