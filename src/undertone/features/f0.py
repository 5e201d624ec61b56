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
from undertone.features.framing import hann, peaks, windows

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


def track(
    waveform: np.ndarray, config: PitchConfig | None = None, *, asked: np.ndarray | None = None
) -> Pitch:
    """Find the F0 of every frame.

    Args:
        waveform: (n_samples,)
        config: settings.
        asked: (n_frames,) where the voicing is asked for, by default everywhere; elsewhere it may
            be 0, and nothing is looked for where it is too silent for a voice.
    """
    config = config or PitchConfig()
    peak, loudest = peaks(waveform, window_width(config)), max(float(np.abs(waveform).max()), 1e-30)
    unvoiced = _unvoiced_strength(peak / loudest, config)
    may_be_voiced = unvoiced <= _strongest(config) + 2 * config.voicing_change_cost
    needed = np.ones(len(peak), bool) if asked is None else asked | may_be_voiced
    f0_hz, strength = _candidates(waveform, needed, config)
    strength[:, 0] = unvoiced
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


def _strongest(config: PitchConfig) -> float:
    """No voiced column is stronger, with what high pitches are given."""
    return 1 + config.octave_cost * math.log2(2 * config.ceiling_hz / config.floor_hz)


def _candidates(
    waveform: np.ndarray, needed: np.ndarray, config: PitchConfig
) -> tuple[np.ndarray, np.ndarray]:
    """(n_frames, n_candidates + 1) F0 and strength of the needed frames; column 0 is unvoiced."""
    shortest = math.floor(2 * audio.SAMPLE_RATE / config.ceiling_hz)
    longest = math.ceil(2 * audio.SAMPLE_RATE / config.floor_hz)
    all_f0_hz = np.zeros((len(needed), config.n_candidates + 1))
    all_strength = np.full(all_f0_hz.shape, -1e9)
    for frames, correlation in _correlations(waveform, np.flatnonzero(needed), config):
        f0_hz = np.zeros((len(frames), config.n_candidates + 1))
        strength = np.full(f0_hz.shape, -1e9)
        _pick_candidates(correlation, (shortest, longest), f0_hz, strength)
        all_f0_hz[frames], all_strength[frames] = f0_hz, strength
    return all_f0_hz, all_strength


def _correlations(
    waveform: np.ndarray, frames: np.ndarray, config: PitchConfig
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(n,) frames and their (n, n_lags) correlations, at most ``BATCHES`` batches at a time.

    The second array is used again for the next ones.
    """
    at_once = BATCH * BATCHES
    correlation = np.empty((min(at_once, len(frames)), _n_lags(config)), np.float32)
    for first in range(0, len(frames), at_once):
        some, filled = frames[first : first + at_once], 0
        for batch in windows(waveform, window_width(config), BATCH, frames=some):
            correlation[filled : filled + len(batch)] = correlate(batch, config)
            filled += len(batch)
        yield some, correlation[:filled]


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
    top = np.flatnonzero((r > 0) & (r > left) & (r >= right))
    frame, place = np.divmod(top, last - first)
    at = frame * correlation.shape[1] + place + first
    left, r, right = (correlation.ravel().take(at + k).astype(np.float64) for k in (-1, 0, 1))
    slope = 0.5 * (right - left)
    bend = 2 * r - left - right
    height = r + 0.5 * slope * slope / bend  # the top of the parabola through three points
    height = np.where(height > 1, 1 / height, height)
    hz = 2 * audio.SAMPLE_RATE / (place + first + slope / bend)
    order = np.argsort(4.0 * frame - height)  # frame by frame, the highest first: it is at most 1
    n_of_frame = np.bincount(frame, minlength=len(correlation))
    rank = np.arange(len(frame)) - (np.cumsum(n_of_frame) - n_of_frame)[frame]
    kept = np.flatnonzero(rank < f0_hz.shape[1] - 1)
    f0_hz[frame[kept], 1 + rank[kept]] = hz[order[kept]]
    strength[frame[kept], 1 + rank[kept]] = height[order[kept]]


def _best_path(
    strength: np.ndarray, octaves: np.ndarray, voiced: np.ndarray, costs: np.ndarray
) -> np.ndarray:
    """(n_frames,) the column of each frame on the path with the greatest strength minus cost.

    S_i(k) = strength_i(k) + max_j (S_{i-1}(j) - cost_i(k, j)), by dynamic programming (Viterbi):
    forward for all S, then backward along the j that gave each maximum. The costs are those of an
    octave's jump and of a change of voicing. Frames between two that are surely unvoiced are a lane
    of their own, and all lanes are gone along side by side.
    """
    behind_silence = np.append(True, _surely_unvoiced(strength, voiced, costs)[:-1])
    order, n_at = _side_by_side(behind_silence)
    score, came_from = strength - costs[1] * voiced, np.zeros(strength.shape, np.int8)
    score[0], place = strength[0], n_at[0]
    before = score[order[:place]]
    for counts in _stretches(n_at[1:]):
        frames = order[place : place + sum(counts)]
        gain = strength[frames][:, :, None] - _costs(octaves, voiced, frames, costs)
        reached, first = np.empty((len(frames), strength.shape[1])), 0
        for count in counts:
            now = reached[first : first + count]
            through = gain[first : first + count] + before[:count, None]
            before = np.maximum.reduce(through, axis=2, out=now)
            first += count
        score[frames] = reached
        came_from[frames] = (gain + score[frames - 1][:, None]).argmax(axis=2)
        place += len(frames)
    path = [int(score[-1].argmax())]
    for row in came_from[:0:-1].tolist():
        path.append(row[path[-1]])
    return np.array(path[::-1])


def _surely_unvoiced(strength: np.ndarray, voiced: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """(n_frames,) where every other column loses more than both changes to column 0 cost."""
    lead = strength[:, 0] - strength[:, 1:].max(axis=1)
    sure: np.ndarray = (lead > 2 * costs[1]) & ~voiced[:, 0]
    return sure


def _side_by_side(first_of_lane: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """(n_frames,) frames by their place in their lane, the longest lanes first; lanes a place."""
    starts = np.flatnonzero(first_of_lane)
    lane = np.cumsum(first_of_lane) - 1
    place = np.arange(len(lane)) - starts[lane]
    longest_first = np.argsort(-np.bincount(lane), kind="stable")
    rank = np.empty(len(starts), int)
    rank[longest_first] = np.arange(len(starts))
    return np.lexsort((rank[lane], place)), np.bincount(place).tolist()


def _stretches(counts: list[int]) -> Iterator[list[int]]:
    """The counts in lists whose sums reach ``FRAMES_A_STRETCH``."""
    stretch, total = list[int](), 0
    for count in counts:
        stretch.append(count)
        total += count
        if total >= FRAMES_A_STRETCH:
            yield stretch
            stretch, total = [], 0
    if stretch:
        yield stretch


def _costs(
    octaves: np.ndarray, voiced: np.ndarray, frames: np.ndarray, costs: np.ndarray
) -> np.ndarray:
    """(n, n_columns, n_columns) of each column of frames behind each of the frame before."""
    jump = costs[0] * np.abs(octaves[frames][:, :, None] - octaves[frames - 1][:, None])
    now, before = voiced[frames][:, :, None], voiced[frames - 1][:, None]
    return np.where(now != before, costs[1], np.where(now & before, jump, 0.0))
