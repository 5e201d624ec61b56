"""Second harmonic and residual peaks of creak, from two resonators on the residual.

In:  residual (zeros in digital silence), mean F0.
Out: contours of H2-H1, creak's own F0 and the prominence of residual peaks.
Sources: Drugman, Kane & Gobl, Data-driven detection and analysis of the patterns of creaky voice,
Computer Speech & Language 28(5), 2014; the same, Resonator-based creaky voice detection,
Interspeech 2012.
"""

import numpy as np
from scipy import signal

from undertone.compiled import njit
from undertone.features.covarep.creak.frames import (
    FRAMES_A_BATCH,
    autocorrelate,
    cut,
    median_over,
    moving_mean,
)
from undertone.features.covarep.matlab import hanning, interpolate, round_int

FRAME_S, HOP_S = 0.050, 0.010
PEAK_HOP_S, NEIGHBOURHOOD_S = 0.020, 0.400
SHARP, BLUNT = 0.97, 0.8  # radii of the poles
SHORTEST_LAG = 5
FAINT = 4.0


def resonate(residual: np.ndarray, sample_rate: int, f0_hz: float, radius: float) -> np.ndarray:
    """Ring at F0."""
    feedback = [1.0, -2 * radius * np.cos(2 * np.pi * f0_hz / sample_rate), radius**2]
    return signal.lfilter([1.0], feedback, residual)


def trace_harmonics(
    residual: np.ndarray, sample_rate: int, mean_f0_hz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the contours of H2-H1 in dB and of creak's F0 in Hz, every 10 ms."""
    length, hop = round_int(FRAME_S * sample_rate), round_int(HOP_S * sample_rate)
    blunt = resonate(residual, sample_rate, mean_f0_hz, BLUNT)
    sharp = resonate(residual, sample_rate, mean_f0_hz, SHARP)
    window = hanning(length)
    frames = cut(blunt, length, hop)
    f0_bins = np.empty(len(frames), dtype=np.int64)
    for first in range(0, len(frames), FRAMES_A_BATCH):
        batch = slice(first, first + FRAMES_A_BATCH)
        lags = autocorrelate(frames[batch] * window, length - 1)
        f0_bins[batch] = _read_f0(lags[:, 1:], sample_rate)
    difference = _compare_harmonics(sharp, f0_bins, window**2, (hop, sample_rate))
    return moving_mean(difference, 4), moving_mean(median_over(f0_bins.astype(float), 7), 4)


@njit(cache=True)
def _read_f0(lags, sample_rate):
    out = np.empty(len(lags), dtype=np.int64)
    n = lags.shape[1]
    for row in range(len(lags)):
        start = 0
        while start < n and lags[row, start] > 0.0:
            start += 1
        best, height = 0, 0.0
        for k in range(start, n):
            value = lags[row, k] * n / (n - k)
            if value > height:
                best, height = k, value
        out[row] = int(sample_rate / max(best + 1, SHORTEST_LAG) + 0.5)
    return out


@njit(cache=True)
def _compare_harmonics(samples, f0_bins, window, steps):
    """Level at twice F0 over that at F0, each one bin low as in the reference.

    Of every frame, the spectrum of the autocorrelation's lags 1, 2, …; it is summed over samples,
    each times the turned sum of those after it.
    """
    hop, sample_rate = steps
    out = np.empty(len(f0_bins))
    for row in range(len(out)):
        frame = samples[row * hop : row * hop + len(window)]
        turn = 2 * np.pi / sample_rate
        level = _lagged_level(frame, window, turn * (f0_bins[row] - 1))
        double = _lagged_level(frame, window, turn * (2 * f0_bins[row] - 1))
        out[row] = 20 * np.log10(double / level) if level > 0 and double > 0 else 0.0
    return out


@njit(cache=True)
def _lagged_level(frame, window, turn):
    cosine, sine = np.cos(turn), np.sin(turn)
    real = imaginary = total_real = total_imaginary = 0.0
    for i in range(len(frame) - 1, -1, -1):
        value = frame[i] * window[i]
        total_real += value * real
        total_imaginary += value * imaginary
        real += value
        real, imaginary = real * cosine + imaginary * sine, imaginary * cosine - real * sine
    return np.hypot(total_real, total_imaginary)


def peak_prominence(
    blunt: np.ndarray,
    energy: np.ndarray,
    settings: tuple[int, float],
    positions: np.ndarray,
) -> np.ndarray:
    """How far residual peaks stand out of the rest of a period and a half, 0 to 1.

    Args:
        blunt: (n_samples,) output of the blunt resonator.
        energy: (n_samples,) log energy at every sample.
        settings: sample rate and mean F0 in Hz.
        positions: (n_positions,) 1-based.
    """
    sample_rate, mean_f0_hz = settings
    width = 2 * round_int(sample_rate / _longest_f0_hz(mean_f0_hz))
    reach = round_int(NEIGHBOURHOOD_S * sample_rate)
    centres, prominence = _stand_out(
        blunt, energy, width, (round_int(PEAK_HOP_S * sample_rate), reach)
    )
    return np.nan_to_num(interpolate(centres, median_over(prominence, 5), positions))


def _longest_f0_hz(mean_f0_hz: float) -> float:
    if mean_f0_hz > 100:
        return 90.0
    if mean_f0_hz == 100:
        return 80.0
    return 65.0 if mean_f0_hz >= 85 else 55.0


@njit(cache=True)
def _stand_out(blunt, energy, width, steps):
    hop, reach = steps
    n = len(blunt)
    count = max((n - width + hop - 1) // hop, 0)
    centres, out = np.empty(count), np.zeros(count)
    for row in range(count):
        start = row * hop
        centres[row] = start + width / 2 + 1
        peak = start + np.argmax(np.abs(blunt[start : start + width]))
        half = width // 2
        if peak - half < 0 or peak + half >= n:
            continue
        frame = blunt[peak - half : peak + half + 1]
        sign = 1.0 if np.max(frame) >= -np.min(frame) else -1.0
        top = rest = 0.0
        for i in range(len(frame)):
            top = max(top, sign * frame[i])
            if abs(i - half) > 0.2 * width:
                rest = max(rest, sign * frame[i])
        loudest = np.max(energy[max(peak - reach, 0) : peak + reach + 1])
        if top > 0.0 and energy[peak] - loudest >= -FAINT:
            out[row] = 1.0 - rest / top
    return centres, out
