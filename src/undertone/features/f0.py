"""Fundamental frequency by normalised autocorrelation and the cheapest path through candidates.

In:  a waveform, shape (n_samples,), at ``audio.SAMPLE_RATE``.
Out: ``Pitch``: F0 in Hz with 0 where unvoiced, and a continuous voicing strength, on the grid.

Method: P. Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound", IFA Proceedings 17: the autocorrelation of the
windowed frame is divided by that of the window, its maxima are the candidates, and a path over all
frames weighs their strength against octave jumps and changes of voicing.
Unlike there, the spectrum is confined to ``band_hz``, and the autocorrelation is interpolated by
zero-padding it to twice the rate and then by a parabola. Every level is relative to the loudest
sample of the waveform, so that a gain changes nothing.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft

from undertone import audio
from undertone.features.framing import hann, windows

BATCH = 64  # frames that are transformed at a time, which the processor's cache can hold
BATCHES = 8  # whose candidates are picked at a time
LEAST = 1e-30  # power of a frame without any
FRAMES_A_STRETCH = 2048  # of a path: what changes cost is kept of so many


@dataclass(frozen=True)
class PitchConfig:
    """Settings of the pitch tracker; costs as in Praat's manual, but for the octave's."""

    floor_hz: float = 60.0
    ceiling_hz: float = 500.0
    periods: float = 3.0  # of the floor, in one window
    band_hz: tuple[float, float, float] = (50.0, 1500.0, 2500.0)  # from, flat up to, gone at
    n_candidates: int = 8
    voicing_threshold: float = 0.45
    silence_threshold: float = 0.03  # of the loudest sample
    octave_cost: float = 0.03  # an octave; the usual 0.01 halves the F0 of rounded pulses
    octave_jump_cost: float = 0.35
    voicing_change_cost: float = 0.14


@dataclass(frozen=True)
class Pitch:
    """What was found in each frame.

    Attributes:
        f0_hz: (n_frames,) 0 where unvoiced.
        voicing: (n_frames,) the highest maximum of the autocorrelation, from 0 to 1.
    """

    f0_hz: np.ndarray
    voicing: np.ndarray

    @property
    def voiced(self) -> np.ndarray:
        """(n_frames,) whether the vocal folds are thought to vibrate."""
        return self.f0_hz > 0


def track(waveform: np.ndarray, config: PitchConfig | None = None) -> Pitch:
    """Find the F0 of every frame."""
    config = config or PitchConfig()
    batches = list(_candidates_in_batches(waveform, config))
    f0_hz, strength, peak = (np.concatenate(column) for column in zip(*batches, strict=True))
    loudest = max(float(np.abs(waveform).max()), 1e-30)
    strength[:, 0] = _unvoiced_strength(peak / loudest, config)
    voicing = np.where(f0_hz[:, 1] > 0, strength[:, 1:].max(axis=1), 0.0)
    octaves = np.log2(np.maximum(f0_hz, 1.0) / config.floor_hz)
    path = _best_path(
        strength + config.octave_cost * octaves * (f0_hz > 0),
        octaves,
        f0_hz > 0,
        np.array([config.octave_jump_cost, config.voicing_change_cost]),
    )
    return Pitch(np.take_along_axis(f0_hz, path[:, None], axis=1)[:, 0], voicing)


def fill_gaps(f0_hz: np.ndarray, config: PitchConfig | None = None) -> np.ndarray:
    """Natural logarithm of F0, straight lines across unvoiced frames and constant at the ends.

    Args:
        f0_hz: (n_frames,) 0 where unvoiced; without any voiced frame the result is the middle of
            the range throughout.
    """
    config = config or PitchConfig()
    voiced = np.flatnonzero(f0_hz)
    if len(voiced) == 0:
        return np.full(len(f0_hz), math.log(config.floor_hz * config.ceiling_hz) / 2)
    return np.interp(np.arange(len(f0_hz)), voiced, np.log(f0_hz[voiced]))


def correlate(frames: np.ndarray, config: PitchConfig) -> np.ndarray:
    """Autocorrelation of each frame over that of the window, 1 at lag 0.

    Args:
        frames: (n, width) an odd width.

    Returns:
        (n, n_lags) at half-sample lags, beyond the longest period.
    """
    width = frames.shape[1]
    size, to_lags = _to_lags(width, config)
    spectrum = scipy.fft.rfft(frames * hann(width), size)[:, : len(to_lags)]
    power = spectrum.real**2
    power += spectrum.imag**2
    lags: np.ndarray = power @ to_lags
    lags /= np.maximum(lags[:, :1], np.float32(LEAST))
    return lags


@functools.cache
def _to_lags(width: int, config: PitchConfig) -> tuple[int, np.ndarray]:
    """The length of the transform, and (n_bins, n_lags) what takes power spectra to correlations.

    The autocorrelation at the lag of m half samples is that of a spectrum P that is real and even,

        r(m) = w_0 P_0 + 2 sum_k w_k P_k cos(pi m k / size),  k = 1, 2, ...

    with w the weights of the band, which end at a sixth of all bins: the product with a matrix of
    so few rows takes half as long as a fast transform. r(m) is divided by that of the window.
    """
    n_lags = _n_lags(config)
    size = scipy.fft.next_fast_len(width + n_lags // 2 + 1, real=True)
    size += size % 2
    weights = _band(size, config.band_hz).astype(float)
    weights[1:] *= 2
    angle = np.pi / size * np.outer(np.arange(len(weights)), np.arange(n_lags))
    of_window = _over_that_of_window(width, size, n_lags)
    return size, (weights[:, None] * np.cos(angle) * of_window).astype(np.float32)


def _over_that_of_window(width: int, size: int, n_lags: int) -> np.ndarray:
    """(n_lags,) 1 over the autocorrelation of the window, 1 at lag 0."""
    window = np.abs(scipy.fft.rfft(hann(width).astype(float), size)) ** 2
    of_window = scipy.fft.irfft(window, 2 * size)[:n_lags]
    over: np.ndarray = of_window[0] / of_window
    return over


def window_width(config: PitchConfig) -> int:
    """Samples in the analysis window, odd."""
    return 2 * round(config.periods / config.floor_hz * audio.SAMPLE_RATE / 2) + 1


def _candidates_in_batches(
    waveform: np.ndarray, config: PitchConfig
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    shortest = math.floor(2 * audio.SAMPLE_RATE / config.ceiling_hz)
    longest = math.ceil(2 * audio.SAMPLE_RATE / config.floor_hz)
    for correlation, peak in _correlations(waveform, config):
        f0_hz = np.zeros((len(correlation), config.n_candidates + 1))
        strength = np.full(f0_hz.shape, -1e9)
        _pick_candidates(correlation, (shortest, longest), f0_hz, strength)
        yield f0_hz, strength, peak


def _correlations(
    waveform: np.ndarray, config: PitchConfig
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(n, n_lags) correlations and (n,) peaks of at most ``BATCHES`` batches of frames.

    The first array is used again for the next ones.
    """
    n = min(BATCH * BATCHES, audio.n_frames(len(waveform)))
    correlation, peak, filled = np.empty((n, _n_lags(config)), np.float32), np.empty(n), 0
    for frames in windows(waveform, window_width(config), BATCH):
        if filled + len(frames) > n:
            yield correlation[:filled], peak[:filled].copy()
            filled = 0
        rows = slice(filled, filled + len(frames))
        correlation[rows] = correlate(frames, config)
        peak[rows] = np.maximum(frames.max(axis=1), -frames.min(axis=1))
        filled = rows.stop
    yield correlation[:filled], peak[:filled]


def _n_lags(config: PitchConfig) -> int:
    """Half-sample lags up to the longest period, and two more."""
    return 2 * math.ceil(audio.SAMPLE_RATE / config.floor_hz) + 2


def _band(size: int, band_hz: tuple[float, float, float]) -> np.ndarray:
    """Weights of the power spectrum up to the highest bin that counts, float32."""
    low, flat, high = band_hz
    hz = np.arange(math.ceil(high * size / audio.SAMPLE_RATE)) * audio.SAMPLE_RATE / size
    fading = 0.5 + 0.5 * np.cos(np.pi * np.clip((hz - flat) / (high - flat), 0, 1))
    return (fading * (hz >= low)).astype(np.float32)


def _unvoiced_strength(relative_peak: np.ndarray, config: PitchConfig) -> np.ndarray:
    """Boersma (1993): the unvoiced candidate gains where the frame is nearly silent."""
    loudness = relative_peak * (1 + config.voicing_threshold) / config.silence_threshold
    return config.voicing_threshold + np.maximum(0, 2 - loudness)


def _pick_candidates(
    correlation: np.ndarray, lag_range: tuple[int, int], f0_hz: np.ndarray, strength: np.ndarray
) -> None:
    """Fill columns 1 and on with the strongest maxima, the strongest first; 0 is unvoiced."""
    first, last = lag_range[0], lag_range[1] + 1
    left, r, right = (correlation[:, first + k : last + k] for k in (-1, 0, 1))
    frame, place = np.nonzero((r > 0) & (r > left) & (r >= right))
    slope = 0.5 * (right[frame, place] - left[frame, place]).astype(np.float64)
    r, left, right = (part[frame, place].astype(np.float64) for part in (r, left, right))
    bend = 2 * r - left - right
    height = r + 0.5 * slope * slope / bend  # the top of the parabola through three points
    height = np.where(height > 1, 1 / height, height)
    hz = 2 * audio.SAMPLE_RATE / (place + first + slope / bend)
    order = np.argsort(4.0 * frame - height)  # frame by frame, the highest first: it is at most 1
    rank = np.arange(len(frame)) - np.searchsorted(frame, frame)
    kept = np.flatnonzero(rank < f0_hz.shape[1] - 1)
    f0_hz[frame[kept], 1 + rank[kept]] = hz[order[kept]]
    strength[frame[kept], 1 + rank[kept]] = height[order[kept]]


def _best_path(
    strength: np.ndarray, octaves: np.ndarray, voiced: np.ndarray, costs: np.ndarray
) -> np.ndarray:
    """(n_frames,) the column of each frame on the path with the greatest strength minus cost.

    S_i(k) = strength_i(k) + max_j (S_{i-1}(j) - cost_i(k, j)), by dynamic programming (Viterbi):
    forward for all S, then backward along the j that gave each maximum. The costs are those of an
    octave's jump and of a change of voicing.
    """
    n_frames, n_columns = strength.shape
    score, reached = strength.copy(), np.empty((n_columns, n_columns))
    came_from = np.zeros((n_frames, n_columns), np.int8)
    for first in range(1, n_frames, FRAMES_A_STRETCH):
        stretch = slice(first - 1, first + FRAMES_A_STRETCH)
        gain = -_costs(octaves[stretch], voiced[stretch], costs)
        gain += strength[stretch][1:, :, None]
        of_stretch = score[stretch]
        for before, now, of_change in zip(of_stretch[:-1], of_stretch[1:], gain, strict=True):
            np.add(before, of_change, out=reached)
            np.maximum.reduce(reached, axis=1, out=now)
        came_from[first : first + len(gain)] = (of_stretch[:-1, None, :] + gain).argmax(axis=2)
    path = [int(score[-1].argmax())]
    for row in came_from[:0:-1].tolist():
        path.append(row[path[-1]])
    return np.array(path[::-1])


def _costs(octaves: np.ndarray, voiced: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """(n - 1, n_columns, n_columns) of each column of a frame behind each of the frame before."""
    jump = costs[0] * np.abs(octaves[1:, :, None] - octaves[:-1, None, :])
    both = voiced[1:, :, None] & voiced[:-1, None, :]
    changes = voiced[1:, :, None] != voiced[:-1, None, :]
    return np.where(changes, costs[1], np.where(both, jump, 0.0))
