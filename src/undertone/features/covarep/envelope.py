"""The true envelope: a cepstrally smooth curve through the harmonics' tops.

In:  log magnitude spectra with the cepstral order of each.
Out: log envelopes of the same shape.

A transform keeps few cepstral coefficients, so both directions are small sums (`folding`).
Sources: Imai & Abe, 1979; Roebel & Rodet, Efficient spectral envelope estimation, DAFx 2005.
"""

from functools import lru_cache

import numpy as np

from undertone.compiled import njit
from undertone.features.covarep.folding import (
    N_BINS,
    STRANDS,
    gather,
    lay_out,
    lift,
    nowhere,
    spread,
    transform,
    transform_back,
    unfold,
)
from undertone.features.covarep.kernels import REASSOCIATE
from undertone.features.covarep.matlab import hamming, round_half_away, round_int

HIGHEST_ORDER = N_BINS - 2
MOST_ITERATIONS = 200
TOLERANCE = 2 / 20 * np.log(10)  # 2 dB


def orders_for(f0_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """(n_frames,) the highest cepstral order that F0 supports."""
    return round_half_away(0.5 * sample_rate / f0_hz)


def estimate_envelopes(log_spectra: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """(n_frames, N_BINS) log envelopes; NaN where a spectrum has zeros.

    Args:
        log_spectra: (n_frames, N_BINS) natural logarithms.
        orders: (n_frames,) as from `orders_for`.
    """
    out = np.full(log_spectra.shape, np.nan)
    for row in np.flatnonzero(np.isfinite(log_spectra).all(axis=1)):
        order = _widen(int(orders[row]))
        target = log_spectra[row].copy()
        rough = _raise_to_version(target, _half_window(_widen(round_int(order / 2))))
        edge = round_int(0.25 * 2 * (N_BINS - 1) / order)
        target[:edge] = rough[:edge]
        if edge > 1:
            target[1 - edge :] = rough[1 - edge :]
        out[row] = _raise_to_version(target, _half_window(order))
    return out


def _widen(order: int) -> int:
    return min(round_int(1.2 * min(order, HIGHEST_ORDER)), HIGHEST_ORDER)


@lru_cache(maxsize=512)
def _half_window(order: int) -> np.ndarray:
    """(order + 1,) from 1 downwards."""
    return hamming(2 * order + 1)[order:].copy()


@njit(cache=True)
def _raise_to_version(target, window):
    """Raise the target to its own smooth version until that covers it; return the version."""
    n_each = (len(window) - 1) // STRANDS + 1
    parts, smooth = np.empty((STRANDS, n_each)), np.zeros(STRANDS * n_each)
    new = np.empty_like(smooth)
    strands, aim = nowhere(), lay_out(target)
    raised = aim.copy()
    above, power = lift(strands, raised, aim, TOLERANCE)
    for _ in range(MOST_ITERATIONS):
        highest = transform(strands, parts)
        gather(parts, new)
        _approach(smooth, new, window, power / (N_BINS - 1) - highest * highest)
        spread(smooth, parts)
        transform_back(parts, strands)
        above, power = lift(strands, raised, aim, TOLERANCE)
        if above == 0:
            break
    transform_back(parts, strands)
    return unfold(strands)


@njit(cache=True, fastmath=REASSOCIATE)
def _approach(smooth, new, window, power):
    """Move the smooth cepstrum towards the new one, faster the more lies beyond the order."""
    first, rest = new[0] * new[0], 0.0
    for n in range(1, len(window)):
        rest += new[n] * new[n]
    inside = np.sqrt(first + 4 * rest)
    outside = max(2 * (power - first - 2 * rest), 0.0)
    speed = (inside + np.sqrt(outside)) / inside
    smooth[0] += speed * window[0] * (new[0] - smooth[0])
    for n in range(1, len(window)):
        smooth[n] += speed * window[n] * (2 * new[n] - smooth[n])
