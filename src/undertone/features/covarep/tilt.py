"""H1H2: how much the first harmonic of the glottal derivative exceeds the second, in dB.

In:  glottal derivative, closures with their periods.
Out: (n_closures,) dB; 0 where the spectrum has fewer than five peaks.
Source: Hanson, Glottal characteristics of female speakers, JASA 101, 1997.
"""

import numpy as np

from undertone.compiled import njit
from undertone.features.covarep import zoom
from undertone.features.covarep.matlab import hamming, round_half_away

FEWEST_PEAKS = 5
SCALE = 2.0**15
BAND = 8  # times F0: enough bins to decide almost always
ROUND_BINS = 128
FRAMES_A_BATCH = 8


def measure_tilt(
    derivative: np.ndarray, closures: np.ndarray, periods: np.ndarray, sample_rate: int
) -> np.ndarray:
    """Compare the spectral peaks nearest to F0 and 2 F0 in three periods around each closure."""
    reach = round_half_away(1.5 * periods)
    out = np.zeros(len(closures))
    order = np.argsort(periods, kind="stable")
    for first in range(0, len(order), FRAMES_A_BATCH):
        batch = order[first : first + FRAMES_A_BATCH]
        frames = np.zeros((len(batch), 2 * int(reach[batch[-1]]) + 1))
        for row, k in enumerate(batch):
            frame = derivative[max(closures[k] - reach[k], 0) : closures[k] + reach[k] + 1]
            frames[row, : len(frame)] = SCALE * frame * hamming(len(frame))
        f0_hz = sample_rate / periods[batch]
        n_bins = min(ROUND_BINS * int(np.ceil(BAND * f0_hz[0] / ROUND_BINS)), sample_rate // 2)
        level = _compare_harmonics(zoom.measure_power(frames, sample_rate, n_bins), f0_hz)
        for open_row in np.flatnonzero(np.isnan(level)):
            level[open_row] = _compare_on_the_circle(frames[open_row], sample_rate, f0_hz[open_row])
        out[batch] = level
    return out


@njit(cache=True)
def _compare_harmonics(powers, f0_hz):
    """Level difference of the peaks nearest to F0 and 2 F0; NaN where these bins do not decide it.

    Peaks further apart than half of F0 never meet in the thinning, so such a gap far enough from
    2 F0 makes everything above it irrelevant.
    """
    out = np.full(len(f0_hz), np.nan)
    for row in range(len(f0_hz)):
        f0, power = f0_hz[row], powers[row]
        peaks = peak_bins(power)
        p = len(peaks) - 1
        while p > 0 and peaks[p] - peaks[p - 1] <= f0 / 2:
            p -= 1
        if p <= 0:
            continue
        thinned = thin_peaks(power, peaks[:p], f0 / 2)
        second = _nearest(thinned, 2 * f0)
        is_settled = peaks[p] + 1 - 2 * f0 > abs(second + 1 - 2 * f0)
        if len(thinned) >= FEWEST_PEAKS and is_settled:
            out[row] = 10 * np.log10(power[_nearest(thinned, f0)] / power[second])
    return out


def _compare_on_the_circle(frame: np.ndarray, sample_rate: int, f0_hz: float) -> float:
    """The same from the full transform, negative frequencies included; 0 with too few peaks."""
    power = np.abs(np.fft.fft(frame, sample_rate)) ** 2
    peaks = thin_peaks(power, peak_bins(power), f0_hz / 2)
    if len(peaks) < FEWEST_PEAKS:
        return 0.0
    ratio = power[_nearest(peaks, f0_hz)] / power[_nearest(peaks, 2 * f0_hz)]
    return 10 * float(np.log10(ratio))


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
