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

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft

from undertone import audio
from undertone.compiled import njit
from undertone.features.framing import hann, windows


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
    n_lags = 2 * math.ceil(audio.SAMPLE_RATE / config.floor_hz) + 2
    size = scipy.fft.next_fast_len(width + n_lags // 2 + 1, real=True)
    size += size % 2
    weights = _band(size, config.band_hz)
    spectrum = scipy.fft.rfft(frames * hann(width), size)[:, : len(weights)]
    power = (spectrum.real**2 + spectrum.imag**2) * weights
    lags = scipy.fft.irfft(power, 2 * size)[:, :n_lags]
    window = np.abs(scipy.fft.rfft(hann(width).astype(float), size)) ** 2
    of_window = scipy.fft.irfft(window, 2 * size)[:n_lags]
    at_zero = np.maximum(lags[:, :1], np.float32(1e-30))
    return lags / at_zero * (of_window[0] / of_window).astype(np.float32)


def window_width(config: PitchConfig) -> int:
    """Samples in the analysis window, odd."""
    return 2 * round(config.periods / config.floor_hz * audio.SAMPLE_RATE / 2) + 1


def _candidates_in_batches(
    waveform: np.ndarray, config: PitchConfig
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    shortest = math.floor(2 * audio.SAMPLE_RATE / config.ceiling_hz)
    longest = math.ceil(2 * audio.SAMPLE_RATE / config.floor_hz)
    for frames in windows(waveform, window_width(config)):
        correlation = correlate(frames, config)
        f0_hz = np.zeros((len(frames), config.n_candidates + 1))
        strength = np.full(f0_hz.shape, -1e9)
        _pick_candidates(correlation, (shortest, longest), f0_hz, strength)
        yield f0_hz, strength, np.maximum(frames.max(axis=1), -frames.min(axis=1))


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


@njit(cache=True)
def _pick_candidates(correlation, lag_range, f0_hz, strength):  # type: ignore[no-untyped-def]
    """Fill columns 1 and on with the strongest maxima, in order of lag; column 0 is unvoiced."""
    shortest, longest = lag_range
    n_columns = f0_hz.shape[1]
    for i in range(len(correlation)):
        r = correlation[i]
        used = 1
        for lag in range(shortest, longest + 1):
            if not (r[lag] > 0 and r[lag] > r[lag - 1] and r[lag] >= r[lag + 1]):
                continue
            slope = 0.5 * (r[lag + 1] - r[lag - 1])
            bend = 2 * r[lag] - r[lag - 1] - r[lag + 1]
            height = r[lag] + 0.5 * slope * slope / bend
            height = 1 / height if height > 1 else height
            column = used
            if used == n_columns:
                column = 1
                for k in range(2, n_columns):
                    column = k if strength[i, k] < strength[i, column] else column
                if strength[i, column] >= height:
                    continue
            else:
                used += 1
            f0_hz[i, column] = 2 * 16_000 / (lag + slope / bend)
            strength[i, column] = height


@njit(cache=True)
def _best_path(strength, octaves, voiced, costs):  # type: ignore[no-untyped-def]
    """Return the column of each frame on the path with the greatest strength minus cost."""
    n_frames, n_columns = strength.shape
    came_from = np.zeros((n_frames, n_columns), np.int16)
    score = strength[0].copy()
    following = np.empty(n_columns)
    for i in range(1, n_frames):
        for k in range(n_columns):
            best, best_j = -np.inf, 0
            for j in range(n_columns):
                cost = 0.0
                if voiced[i, k] != voiced[i - 1, j]:
                    cost = costs[1]
                elif voiced[i, k]:
                    cost = costs[0] * abs(octaves[i, k] - octaves[i - 1, j])
                if score[j] - cost > best:
                    best, best_j = score[j] - cost, j
            following[k] = best + strength[i, k]
            came_from[i, k] = best_j
        score[:] = following
    path = np.empty(n_frames, np.int64)
    path[-1] = np.argmax(score)
    for i in range(n_frames - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path
