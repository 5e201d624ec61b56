"""Pitch and voicing from the summation of residual harmonics.

In:  (n_samples,) samples, polarity irrelevant.
Out: ``Pitch``: one F0 estimate, strength and voicing decision every 10 ms.

Bins are 1 Hz apart, and harmonic k of f is read one bin low, as in the reference.
Source: Drugman & Alwan, Joint robust voicing detection and pitch estimation based on residual
harmonics, Interspeech 2011.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import signal

from undertone.compiled import njit
from undertone.features.covarep import zoom
from undertone.features.covarep.matlab import blackman, round_half_away, round_int
from undertone.features.covarep.residual import compute_residual

ANALYSIS_RATE = 16_000  # higher rates are resampled to it
LOWEST_HZ, HIGHEST_HZ = 50, 500
LOWEST_CREAK_HZ = 20
N_BINS = 5 * HIGHEST_HZ  # of 1 Hz, that the criterion reads
FRAME_S, HOP_S = 0.100, 0.010
FRAMES_A_BATCH = 16


@dataclass(frozen=True)
class Pitch:
    """F0 estimates; every array is (n_pitch_frames,)."""

    positions: np.ndarray  # 1-based sample positions at the recording's own rate
    f0_hz: np.ndarray  # 1 in digital silence; an estimate also where unvoiced
    strength: np.ndarray
    voiced: np.ndarray  # bool
    median_f0_hz: float  # of the voiced frames, NaN without any


@dataclass(frozen=True)
class HarmonicSums:
    """The criterion of every candidate, computed once for both pitch trackers."""

    positions: np.ndarray  # (n_pitch_frames,)
    sums: np.ndarray  # (n_pitch_frames, n_candidates) for LOWEST_CREAK_HZ … HIGHEST_HZ


def sum_harmonics(samples: np.ndarray, sample_rate: int) -> HarmonicSums:
    """Score every candidate F0 in every frame."""
    rate = min(sample_rate, ANALYSIS_RATE)
    slow = resample(samples, sample_rate, rate) if sample_rate != rate else samples
    residual = compute_residual(slow, rate, round_int(0.75 * rate / 1000))
    length = 2 * round_int((round_int(FRAME_S * rate) - 2) / 2)
    centres = np.arange(length // 2 + 1, len(slow) - length // 2 + 1, round_int(HOP_S * rate))
    starts = centres - length // 2 - 1
    candidates = np.arange(LOWEST_CREAK_HZ, HIGHEST_HZ + 1)
    plus = (np.arange(1, 6)[:, None] * candidates - 1).astype(np.int32)
    minus = round_half_away(np.arange(1.5, 5)[:, None] * candidates) - 1
    sums = np.empty((len(centres), len(candidates)))
    for first in range(0, len(starts), FRAMES_A_BATCH):
        batch = slice(first, first + FRAMES_A_BATCH)
        frames = residual[starts[batch, None] + np.arange(length)] * blackman(length)
        frames -= frames.mean(axis=1, keepdims=True)
        power = zoom.measure_power(frames, rate, N_BINS)
        _score(power, _norms(frames, rate), (plus, minus.astype(np.int32)), sums[batch])
    return HarmonicSums(round_half_away(centres / rate * sample_rate), sums)


def track_pitch(harmonics: HarmonicSums, lowest_hz: int = LOWEST_HZ) -> Pitch:
    """Pick F0 twice: over the full range, then around the first pass's median."""
    low, high = lowest_hz, HIGHEST_HZ
    f0_hz, strength = _pick(harmonics.sums, low, high)
    if np.any(strength > 0.1):
        median = float(np.median(f0_hz[strength > 0.1]))
        narrower = max(low, round_int(median / 2)), min(high, round_int(2 * median))
        if narrower != (low, high):
            f0_hz, strength = _pick(harmonics.sums, *narrower)
    spread = np.std(strength, ddof=1) if len(strength) > 1 else 0.0
    voiced = strength > (0.085 if spread > 0.05 else 0.07)
    heard = f0_hz[voiced & (f0_hz > lowest_hz) & (f0_hz < HIGHEST_HZ)]
    median_f0_hz = float(np.median(heard)) if len(heard) else np.nan
    return Pitch(harmonics.positions, f0_hz, strength, voiced, median_f0_hz)


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Polyphase resampling with a truncated ideal low-pass under a Kaiser window (beta 5)."""
    ratio = Fraction(to_rate, from_rate)
    up, down = ratio.numerator, ratio.denominator
    half = 10 * max(up, down)
    lowpass = np.sinc(np.arange(-half, half + 1) / max(up, down)) * np.kaiser(2 * half + 1, 5.0)
    return signal.resample_poly(samples, up, down, window=lowpass / lowpass.sum())


def _norms(frames: np.ndarray, n_bins: int) -> np.ndarray:
    """(n_frames,) norm of the magnitudes of a full transform below Nyquist (Parseval)."""
    # N sum x^2 = |X_0|^2 + |X_{N/2}|^2 + 2 sum_{0<k<N/2} |X_k|^2, of N points padded with zeros.
    # X_0 is the sum of the samples, X_{N/2} their sum with signs in turn. Wanted are 0 <= k < N/2.
    circle = n_bins * np.einsum("ij,ij->i", frames, frames)
    lowest, highest = frames.sum(axis=1), frames[:, ::2].sum(axis=1) - frames[:, 1::2].sum(axis=1)
    return np.sqrt((circle + lowest**2 - highest**2) / 2)


def _pick(sums: np.ndarray, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    scores = sums[:, low - LOWEST_CREAK_HZ : high - LOWEST_CREAK_HZ + 1]
    scores = np.where(np.isnan(scores), -1.0, scores)
    best = np.argmax(scores, axis=1)
    strength = scores[np.arange(len(scores)), best]
    heard = strength > 0
    return np.where(heard, best + low, 1).astype(float), np.where(heard, strength, 0.0)


@njit(cache=True)
def _score(power, norms, bins, sums):
    plus, minus = bins
    for frame in range(len(power)):
        # Drugman & Alwan 2011, eq. 1, with E the residual's magnitude spectrum of unit norm:
        # SRH(f) = E(f) + sum_{k=2..5} (E(k f) - E((k - 1/2) f)).
        magnitude = np.sqrt(power[frame])
        for candidate in range(plus.shape[1]):
            total = 0.0
            for k in range(len(plus)):
                total += magnitude[plus[k, candidate]]
            for k in range(len(minus)):
                total -= magnitude[minus[k, candidate]]
            sums[frame, candidate] = total / norms[frame] if norms[frame] > 0.0 else np.nan
