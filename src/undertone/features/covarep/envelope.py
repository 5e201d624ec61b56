"""The true envelope: a cepstrally smooth curve through the harmonics' tops.

In:  log magnitude spectra with the cepstral order of each.
Out: log envelopes of the same shape.

A transform keeps few cepstral coefficients, so both directions are products with cosine matrices;
even and odd coefficients are symmetric about the middle bin, which halves them.
Sources: Imai & Abe, 1979; Roebel & Rodet, Efficient spectral envelope estimation, DAFx 2005.
"""

from functools import lru_cache

import numpy as np
from numba import njit

from undertone.features.covarep.matlab import hamming, round_half_away, round_int

N_BINS = 2049
MIDDLE = (N_BINS - 1) // 2
HIGHEST_ORDER = N_BINS - 2
MOST_ITERATIONS = 200
TOLERANCE = 2 / 20 * np.log(10)  # 2 dB
FRAMES_A_GROUP = 32


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
    top = int(orders.max())
    cosines = _cosines(top)
    window = np.zeros((len(orders), top + 1))
    for row, order in enumerate(orders):
        window[row, : order + 1] = hamming(2 * order + 1)[order:]
    out = np.empty_like(target)
    target, active = target.copy(), np.arange(len(target))
    raised = target.copy()
    even, odd = np.zeros((len(target), top // 2 + 1)), np.zeros((len(target), (top + 1) // 2))
    folded, power = _fold(raised)
    halves = np.empty_like(folded[0]), np.empty_like(folded[1])
    for _ in range(MOST_ITERATIONS):
        n = len(active)
        cepstra = folded[0][:n] @ cosines[0], folded[1][:n] @ cosines[1]
        _update((even, odd), cepstra, power, (orders, window))
        np.matmul(even[:n], cosines[0].T, out=halves[0][:n])
        np.matmul(odd[:n], cosines[1].T, out=halves[1][:n])
        done = _raise(raised[:n], target, halves, (folded, power)) <= TOLERANCE
        if done.any():
            out[active[done]] = _unfold(halves[0][:n][done], halves[1][:n][done])
            kept = np.flatnonzero(~done)
            if len(kept) == 0:
                return out
            active, orders = active[kept], orders[kept]
            for state in (raised, target, even, odd, window, power, *folded):
                _move_up(state, kept)
    out[active] = _unfold(halves[0][: len(active)], halves[1][: len(active)])
    return out


@njit(cache=True)
def _move_up(rows, kept):
    """Close the gaps between the rows to keep, in place."""
    for to in range(len(kept)):
        if kept[to] != to:
            rows[to] = rows[kept[to]]


@lru_cache(maxsize=4)
def _all_cosines(n_coefficients: int) -> tuple[np.ndarray, np.ndarray]:
    k = np.arange(MIDDLE + 1)[:, None]
    even = np.cos(np.pi * k * np.arange(0, n_coefficients, 2) / (N_BINS - 1))
    odd = np.cos(np.pi * k * np.arange(1, n_coefficients, 2) / (N_BINS - 1))
    return even, odd


@lru_cache(maxsize=512)
def _cosines(top: int) -> tuple[np.ndarray, np.ndarray]:
    """(MIDDLE + 1, n_even) and (MIDDLE + 1, n_odd), for coefficients 0 to ``top``."""
    even, odd = _all_cosines(256 if top < 256 else N_BINS - 1)
    return even[:, : top // 2 + 1], odd[:, : (top + 1) // 2]


def _unfold(even: np.ndarray, odd: np.ndarray) -> np.ndarray:
    return np.concatenate([even + odd, (even - odd)[:, -2::-1]], axis=1)


@njit(cache=True)
def _fold(values):
    """Sums and differences about the middle bin, weighted for the transform, and the power."""
    even, odd = np.empty((len(values), MIDDLE + 1)), np.empty((len(values), MIDDLE + 1))
    power = np.empty((len(values), 2))
    for row in range(len(values)):
        _fold_row(values[row], even[row], odd[row], power[row])
    return (even, odd), power


@njit(cache=True, fastmath={"reassoc", "contract"})
def _fold_row(values, even, odd, power):
    last, scale = len(values) - 1, 1.0 / (len(values) - 1)
    total = alternating = 0.0
    for k in range(last // 2):
        low, high = values[k], values[last - k]
        even[k], odd[k] = scale * (low + high), scale * (low - high)
        total += low * low + high * high
        alternating += (1 - 2 * (k % 2)) * (low + high)
    centre = values[last // 2]
    even[last // 2], odd[last // 2] = scale * centre, 0.0
    ends = values[0] + values[last]
    power[0] = scale * (total + centre * centre) - scale / 2 * (
        values[0] * values[0] + values[last] * values[last]
    )
    power[1] = scale * (alternating + centre) - scale / 2 * ends
    even[0] /= 2
    odd[0] /= 2


@njit(cache=True)
def _update(smooth, cepstra, power, weights):
    """Move the smooth cepstrum towards the new one, faster the more lies beyond the order."""
    orders, window = weights
    for row in range(len(orders)):
        first = cepstra[0][row, 0] ** 2
        rest = 0.0
        for n in range(1, orders[row] + 1):
            rest += cepstra[n % 2][row, n // 2] ** 2
        inside = np.sqrt(first + 4 * rest)
        outside = max(2 * (power[row, 0] - power[row, 1] ** 2 - first - 2 * rest), 0.0)
        speed = (inside + np.sqrt(outside)) / inside
        for n in range(orders[row] + 1):
            new = cepstra[n % 2][row, n // 2] * (2.0 if n else 1.0)
            old = smooth[n % 2][row, n // 2]
            smooth[n % 2][row, n // 2] = old + speed * window[row, n] * (new - old)


@njit(cache=True)
def _raise(raised, target, halves, state):
    """Lift to the smooth version, fold again; return by how much the target still exceeds it."""
    even, odd = halves
    folded, power = state
    shortfall = np.empty(len(raised))
    for row in range(len(raised)):
        shortfall[row] = _raise_row(raised[row], target[row], even[row], odd[row])
        _fold_row(raised[row], folded[0][row], folded[1][row], power[row])
    return shortfall


@njit(cache=True, fastmath={"reassoc", "contract", "nnan", "nsz"})
def _raise_row(raised, target, even, odd):
    last = len(raised) - 1
    shortfall = -np.inf
    for k in range(last // 2 + 1):
        low, high = even[k] + odd[k], even[k] - odd[k]
        raised[k] = max(raised[k], low)
        shortfall = max(shortfall, target[k] - low)
        raised[last - k] = max(raised[last - k], high)
        shortfall = max(shortfall, target[last - k] - high)
    return shortfall
