"""Glottal closure instants from the residual and a mean-based signal.

In:  upright samples, their residual, the pitch track.
Out: 0-based sample numbers of the closures in voiced speech.
Source: Drugman, Thomas, Gudnason, Naylor & Dutoit, Detection of glottal closure instants from
speech signals, IEEE TASLP 20(3), 2012.
"""

import numpy as np

from undertone.compiled import njit
from undertone.features.covarep.matlab import (
    blackman,
    elliptic_highpass,
    filter_both_ways,
    interpolate,
    local_maxima,
    round_int,
)
from undertone.features.covarep.srh import Pitch

STRONG_RESIDUAL = 0.4
SEARCH_SHARE = 0.35  # of the rise from a minimum to its maximum, either side


def find_closures(
    residual: np.ndarray, mean_based: np.ndarray, pitch: Pitch
) -> tuple[np.ndarray, np.ndarray]:
    """Return every closure, and those in voiced speech; both 0-based sample numbers.

    Args:
        residual: (n_samples,) of the upright signal, NaN in digital silence.
        mean_based: (n_samples,) from `smooth_by_period`.
        pitch: for voicing.
    """
    residual = np.nan_to_num(residual)
    peak = np.abs(residual).max(initial=0.0)
    minima, maxima = _pair_extrema(mean_based)
    if peak == 0 or len(minima) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    residual = residual / peak
    ratio = _typical_position(residual, minima, maxima)
    closures = _search(residual, minima, maxima, ratio)
    voicing = interpolate(pitch.positions, pitch.voiced.astype(float), closures.astype(float))
    return closures, np.unique(closures[(closures >= 1) & (voicing >= 0.5)])


def smooth_by_period(samples: np.ndarray, sample_rate: int, median_f0_hz: float) -> np.ndarray:
    """(n_samples,) signal that oscillates once a period, peak 1."""
    half = round_int(1.7 * round_int(sample_rate / median_f0_hz) / 2)
    window = blackman(2 * half + 1) / (2 * half + 1)
    if len(samples) <= len(window):
        return np.zeros(len(samples))
    smooth = np.zeros(len(samples))
    smooth[half:-half] = np.correlate(samples, window, mode="valid")
    smooth = filter_both_ways(*elliptic_highpass(50.0, 30.0, sample_rate), smooth)
    peak = np.abs(smooth).max()
    return smooth / peak if peak > 0 else smooth


def _pair_extrema(mean_based: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    minima, maxima = local_maxima(-mean_based), local_maxima(mean_based)
    if len(minima) == 0 or len(maxima) == 0:
        return minima[:0], maxima[:0]
    maxima = maxima[maxima > minima[0]]
    if len(maxima) == 0:
        return minima[:0], maxima
    minima = minima[minima < maxima[-1]]
    n = min(len(minima), len(maxima))
    return minima[:n], maxima[:n]


def _typical_position(residual: np.ndarray, minima: np.ndarray, maxima: np.ndarray) -> float:
    """Where between a minimum and its maximum the strong residual lies: 0 to 1, in the median."""
    strong = np.flatnonzero(residual > STRONG_RESIDUAL)
    if len(strong) == 0:
        return 0.0
    right = np.clip(np.searchsorted(minima, strong), 1, max(len(minima) - 1, 1))
    right = np.minimum(right, len(minima) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(strong - minima[left] <= minima[right] - strong, left, right)
    return float(np.median((strong - minima[nearest]) / (maxima - minima)[nearest]))


@njit(cache=True)
def _search(residual, minima, maxima, ratio):
    closures = np.empty(len(minima), dtype=np.int64)
    count = 0
    for k in range(len(minima)):
        rise = maxima[k] - minima[k]
        low = (ratio - SEARCH_SHARE) * rise
        high = (ratio + SEARCH_SHARE) * rise
        first = minima[k] + int(np.floor(low + 0.5) if low >= 0 else np.ceil(low - 0.5))
        last = minima[k] + int(np.floor(high + 0.5) if high >= 0 else np.ceil(high - 0.5))
        first, last = max(first, 0), min(last, len(residual) - 1)
        if last >= first:
            closures[count] = first + np.argmax(residual[first : last + 1])
            count += 1
    return closures[:count]
