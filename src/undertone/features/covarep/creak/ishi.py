"""Ishi's pulses: intra-frame periodicity, inter-pulse similarity, and power rise and fall.

In:  (n_samples,) samples.
Out: (n_rows, 4) at evenly spread rows.
Source: Ishi, Sakakibara, Ishiguro & Hagita, A method for automatic detection of vocal fry, IEEE
TASLP 16(1), 2008.
"""

from functools import lru_cache

import numpy as np
from scipy import signal

from undertone.compiled import njit
from undertone.features.covarep.creak.frames import (
    FRAMES_A_BATCH,
    autocorrelate,
    cut,
    short_power_db,
)
from undertone.features.covarep.matlab import interpolate, round_int
from undertone.features.covarep.tilt import peak_bins

PASS_HZ, STOP_HZ = (100.0, 1500.0), (50.0, 3000.0)
FRAME_S, HOP_S = 0.032, 0.010
LONGEST_LAG_S, SHORTEST_LAG_S = 0.015, 0.001
FARTHEST_PULSE_S, FARTHEST_PEAK_S = 0.100, 0.035


def measure_pulses(samples: np.ndarray, sample_rate: int, rows: np.ndarray) -> np.ndarray:
    """(n_rows, 4) periodicity, similarity, power fall and power rise at 1-based `rows`."""
    band = signal.sosfiltfilt(bandpass(sample_rate), samples, padlen=3 * 14)
    periodicity = _place_periodicity(band, sample_rate, rows)
    peaks, rise, fall = _find_power_peaks(short_power_db(band, sample_rate))
    hop = round_int(0.002 * sample_rate)
    places = peaks * hop + round_int(0.002 * sample_rate) + 1
    similarity = _compare_pulses(band, places, sample_rate)
    index = _choose_peak(places, rows, round_int(FARTHEST_PEAK_S * sample_rate))
    out = np.zeros((len(rows), 4))
    out[:, 0] = periodicity
    near = index >= 0
    out[near, 1] = similarity[index[near]]
    out[near, 2] = fall[index[near]]
    out[near, 3] = rise[index[near]]
    return out


@lru_cache(maxsize=8)
def bandpass(sample_rate: int) -> np.ndarray:
    """Second-order sections of the smallest Butterworth filter, matched in the stop band."""
    low, high = np.tan(np.pi * np.array(PASS_HZ) / sample_rate)
    stop = np.tan(np.pi * np.array(STOP_HZ) / sample_rate)
    distance = np.abs((stop**2 - low * high) / (stop * (high - low))).min()
    rejection, ripple = 10**4.0 - 1, 10**0.3 - 1
    order = int(np.ceil(np.log10(rejection / ripple) / (2 * np.log10(distance))))
    width = distance / rejection ** (1 / (2 * order)) * (high - low) / 2
    middle = np.sqrt(width**2 + low * high)
    edges = np.arctan([middle - width, middle + width]) * 2 / np.pi
    return signal.butter(order, edges, "bandpass", output="sos")


def _find_power_peaks(power: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the peaks' frames, and how far power rises before and falls after each."""
    peaks = peak_bins(power)
    peaks = peaks[(peaks >= 3) & (peaks + 3 < len(power))]
    top = power[peaks]
    kept = (top - power[peaks - 3] >= 2) & (top - power[peaks + 3] >= 2)
    kept &= top >= power.max(initial=-np.inf) - 30
    peaks = peaks[kept]
    rise, fall = np.zeros(len(peaks)), np.zeros(len(peaks))
    for k, peak in enumerate(peaks):
        rise[k] = power[peak] - power[max(peak - 5, 0) : peak + 1].min()
        fall[k] = power[peak] - power[peak : peak + 6].min()
    return peaks, rise, fall


def _place_periodicity(band: np.ndarray, sample_rate: int, rows: np.ndarray) -> np.ndarray:
    length, hop = round_int(FRAME_S * sample_rate), round_int(HOP_S * sample_rate)
    shortest, longest = (round_int(t * sample_rate) for t in (SHORTEST_LAG_S, LONGEST_LAG_S))
    frames = cut(band, length, hop)
    value = np.empty(len(frames))
    for first in range(0, len(frames), FRAMES_A_BATCH):
        batch = slice(first, first + FRAMES_A_BATCH)
        value[batch] = _periodicity(autocorrelate(frames[batch], longest), length, shortest)
    weak = value < 0.5
    value[:-1][weak[1:]] = 0
    value[:-2][weak[2:]] = 0
    centres = np.arange(len(value)) * hop + length / 2 + 1
    return np.nan_to_num(interpolate(centres, np.clip(value, 0, 1), rows))


@njit(cache=True)
def _periodicity(lags, length, shortest):
    """The smallest of the autocorrelation's maxima near the multiples of its first one."""
    out = np.zeros(len(lags))
    longest = lags.shape[1] - 1
    for row in range(len(lags)):
        if lags[row, 0] <= 0.0:
            continue
        scaled = np.zeros(longest + 1)
        for lag in range(shortest, longest + 1):
            scaled[lag] = lags[row, lag] / lags[row, 0] * length / (length - lag - 1)
        first = np.argmax(scaled)
        value = scaled[first]
        multiple = 2 * first
        while first > 0 and multiple <= longest:
            low, high = max(multiple - shortest, 0), min(multiple + shortest, longest)
            value = min(value, np.max(scaled[low : high + 1]))
            multiple += first
        out[row] = value
    return out


@njit(cache=True)
def _compare_pulses(band, places, sample_rate):
    """Largest normalised cross-correlation of the pieces around a peak and the one before."""
    out = np.zeros(len(places))
    half = int(0.0075 * sample_rate + 0.5)
    farthest = int(FARTHEST_PULSE_S * sample_rate + 0.5)
    n = len(band)
    for k in range(1, len(places)):
        here, before = places[k] - 1, places[k - 1] - 1
        if here + half >= n:
            break
        if here - before > farthest or before - half < 0:
            continue
        a = band[before - half : before + half + 1]
        b = band[here - half : here + half + 1]
        norm = np.sqrt(np.sum(a * a) * np.sum(b * b))
        if norm == 0.0:
            continue
        best = -np.inf
        for lag in range(-(len(a) - 1), len(a)):
            total = 0.0
            for i in range(max(0, lag), min(len(a), len(a) + lag)):
                total += a[i] * b[i - lag]
            best = max(best, total)
        out[k] = best / norm
    return out


@njit(cache=True)
def _choose_peak(places, rows, farthest):
    """The next peak; near the file's start, where past peaks count as at 0, the first may win."""
    out = np.full(len(rows), -1, dtype=np.int64)
    following = 0
    for row in range(len(rows)):
        while following < len(places) and places[following] < rows[row]:
            following += 1
        nearest = farthest
        if following > 0 and rows[row] < nearest:
            nearest, out[row] = rows[row], 0
        if following < len(places) and places[following] - rows[row] < nearest:
            out[row] = following
    return out
