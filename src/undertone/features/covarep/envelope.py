"""The true envelope: a cepstrally smooth curve through the harmonics' tops.

In:  log magnitude spectra with the cepstral order of each.
Out: log envelopes of the same shape.

A transform keeps few cepstral coefficients, so both directions are small products (`folding`).
Sources: Imai & Abe, 1979; Roebel & Rodet, Efficient spectral envelope estimation, DAFx 2005.
"""

from functools import lru_cache

import numpy as np
from numba import njit

from undertone.features.covarep import folding
from undertone.features.covarep.folding import N_BINS
from undertone.features.covarep.matlab import hamming, round_half_away, round_int

HIGHEST_ORDER = N_BINS - 2
MOST_ITERATIONS = 200
TOLERANCE = 2 / 20 * np.log(10)  # 2 dB
FRAMES_A_GROUP = 16


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
    usable = np.flatnonzero(np.isfinite(log_spectra).all(axis=1))
    usable = usable[np.argsort(orders[usable], kind="stable")]
    for first in range(0, len(usable), FRAMES_A_GROUP):
        rows = usable[first : first + FRAMES_A_GROUP]
        own = _widen(orders[rows])
        rough = _iterate(log_spectra[rows], _widen(round_half_away(own / 2)))
        target = log_spectra[rows]
        for row, order in enumerate(own):
            edge = round_int(0.25 * 2 * (N_BINS - 1) / order)
            target[row, :edge] = rough[row, :edge]
            if edge > 1:
                target[row, 1 - edge :] = rough[row, 1 - edge :]
        out[rows] = _iterate(target, own)
    return out


def _widen(orders: np.ndarray) -> np.ndarray:
    return np.minimum(round_half_away(1.2 * np.minimum(orders, HIGHEST_ORDER)), HIGHEST_ORDER)


def _iterate(target: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Raise the target to its own smooth version until that covers it."""
    n_each = folding.count_each(int(orders.max()))
    window = np.zeros((len(orders), folding.STRANDS * n_each))
    for row, order in enumerate(orders):
        window[row, : order + 1] = _half_window(order)
    out = np.empty_like(target)
    target, active = folding.lay_out(target), np.arange(len(target))
    raised, smooth = target.copy(), np.zeros_like(window)
    strands, power = folding.nowhere(len(target)), np.empty(len(target))
    parts = np.empty((len(target), folding.STRANDS, n_each))
    _raise(strands, raised, target, power)
    for _ in range(MOST_ITERATIONS):
        n = len(active)
        power[:n] -= (strands[:n, 0] @ folding.TO_COEFFICIENTS[:, -1]) ** 2
        _multiply(strands[:n], folding.TO_COEFFICIENTS[:, :n_each], parts[:n])
        _update(smooth, parts[:n], power, (orders, window))
        _multiply(parts[:n], folding.TO_CURVE[:n_each], strands[:n])
        done = _raise(strands[:n], raised, target, power)
        if done.any():
            out[active[done]] = _draw(parts[:n][done])
            kept = np.flatnonzero(~done)
            if len(kept) == 0:
                return out
            active, orders = active[kept], orders[kept]
            for state in (raised, target, strands, smooth, window, power, parts):
                _move_up(state, kept)
    out[active] = _draw(parts[: len(active)])
    return out


@lru_cache(maxsize=512)
def _half_window(order: int) -> np.ndarray:
    return hamming(2 * order + 1)[order:]


def _draw(parts: np.ndarray) -> np.ndarray:
    """(n_rows, N_BINS) curves whose strands have these coefficients."""
    strands = np.empty((len(parts), folding.STRANDS, folding.LENGTH))
    _multiply(parts, folding.TO_CURVE[: parts.shape[2]], strands)
    return folding.unfold(strands)


def _multiply(values: np.ndarray, matrix: np.ndarray, out: np.ndarray) -> None:
    """One product for all strands of all rows."""
    np.matmul(values.reshape(-1, len(matrix)), matrix, out=out.reshape(-1, matrix.shape[1]))


@njit(cache=True)
def _move_up(rows, kept):
    """Close the gaps between the rows to keep, in place."""
    for to in range(len(kept)):
        if kept[to] != to:
            rows[to] = rows[kept[to]]


@njit(cache=True)
def _update(smooth, parts, power, weights):
    """Move the smooth cepstrum towards the new one, faster the more lies beyond the order.

    ``parts`` hold the strands' coefficients: the raised curve's before, the smooth one's after.
    """
    orders, window = weights
    new = np.empty(smooth.shape[1])
    for row in range(len(orders)):
        folding.gather(parts[row], new)
        first, rest = new[0] * new[0], 0.0
        for n in range(1, orders[row] + 1):
            rest += new[n] * new[n]
        inside = np.sqrt(first + 4 * rest)
        outside = max(2 * (power[row] - first - 2 * rest), 0.0)
        speed = (inside + np.sqrt(outside)) / inside
        for n in range(orders[row] + 1):
            old = smooth[row, n]
            smooth[row, n] = old + speed * window[row, n] * (new[n] * (2.0 if n else 1.0) - old)
        folding.spread(smooth[row], parts[row])


@njit(cache=True)
def _raise(strands, raised, target, power):
    """Lift to the smooth version and fold again; return which targets that version covers."""
    done = np.empty(len(strands), dtype=np.bool_)
    for row in range(len(strands)):
        above, squares = folding.lift(strands[row], raised[row], target[row], TOLERANCE)
        done[row] = above == 0
        power[row] = squares / (N_BINS - 1)
    return done
