"""Short frames of a signal for creak: energy, power, zero crossings, and their placing.

In:  (n_samples,) samples.
Out: contours, and their values at 1-based sample positions.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft, ndimage

from undertone.features.covarep.matlab import hanning, interpolate, round_int

LONG_FRAME_S, LONG_HOP_S = 0.032, 0.005
SHORT_FRAME_S, SHORT_HOP_S = 0.004, 0.002
FRAMES_A_BATCH = 16  # stay in the cache
SPREAD_REACH = 16  # short frames to either side


def cut(samples: np.ndarray, length: int, hop: int) -> np.ndarray:
    """(n_frames, length) view of the frames that end before the file does."""
    if len(samples) <= length:
        return np.empty((0, length))
    return sliding_window_view(samples[:-1], length)[::hop]


def autocorrelate(frames: np.ndarray, longest: int) -> np.ndarray:
    """(n_frames, longest + 1) raw autocorrelation at lags 0, 1, … ."""
    size = fft.next_fast_len(frames.shape[1] + longest, real=True)
    spectra = fft.rfft(frames, size, axis=1)
    return fft.irfft(spectra.real**2 + spectra.imag**2, size, axis=1)[:, : longest + 1]


def stretch(values: np.ndarray, n_samples: int, positions: np.ndarray) -> np.ndarray:
    """Lay a contour over the whole file and read it at 1-based `positions`."""
    return interpolate(np.linspace(1, n_samples, len(values)), values, positions)


def log_energy(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Energy of windowed frames below the largest, natural logarithm."""
    length, hop = round_int(LONG_FRAME_S * sample_rate), round_int(LONG_HOP_S * sample_rate)
    frames = cut(samples, length, hop)
    with np.errstate(divide="ignore"):
        energy = np.log((frames**2) @ hanning(length) ** 2 / length)
    return energy - energy.max(initial=-np.inf)


def short_power_db(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Power every 2 ms, in the reference's decibels: 20 log10 of the mean square."""
    length, hop = round_int(SHORT_FRAME_S * sample_rate), round_int(SHORT_HOP_S * sample_rate)
    with np.errstate(divide="ignore"):
        power = 20 * np.log10(np.mean(cut(samples, length, hop) ** 2, axis=1))
    finite = np.isfinite(power)
    return np.where(finite, power, power[finite].min(initial=0.0)) if finite.any() else power


def power_spread(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Standard deviation of the short power over 66 ms, median-smoothed."""
    power = short_power_db(samples, sample_rate)
    spread = np.zeros(len(power))
    if len(power) > 2 * SPREAD_REACH:
        windows = sliding_window_view(power, 2 * SPREAD_REACH + 1)
        spread[SPREAD_REACH:-SPREAD_REACH] = windows.std(axis=1, ddof=1)
    return median_over(spread, 13)


def zero_crossings(samples: np.ndarray, sample_rate: int, positions: np.ndarray) -> np.ndarray:
    """Rate of sign changes a millisecond, each frame's value placed at the next frame's centre."""
    length, hop = round_int(LONG_FRAME_S * sample_rate), round_int(LONG_HOP_S * sample_rate)
    changes = np.concatenate([[0], np.cumsum(np.diff((samples >= 0).astype(np.int64)) != 0)])
    starts = np.arange(0, len(samples) - length, hop)
    rate = (changes[starts + length - 1] - changes[starts]) / length / 1000 * sample_rate
    centres = starts + hop + (length + 1) / 2
    return np.nan_to_num(interpolate(centres, rate, positions))


def median_over(values: np.ndarray, span: int) -> np.ndarray:
    """Median filter of an odd span, zeros beyond the ends."""
    return ndimage.median_filter(values, span, mode="constant", cval=0.0)


def moving_mean(values: np.ndarray, half: int) -> np.ndarray:
    """Mean over a symmetric window that shrinks at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    reach = np.minimum(half, np.minimum(index, len(values) - 1 - index))
    return (sums[index + reach + 1] - sums[index - reach]) / (2 * reach + 1)
