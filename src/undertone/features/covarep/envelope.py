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
    top = int(orders.max())
    cosines = _cosines(top)
    window = np.zeros((len(orders), top + 1))
    for row, order in enumerate(orders):
        window[row, : order + 1] = hamming(2 * order + 1)[order:]
    out = np.empty_like(target)
    raised, active = target.copy(), np.arange(len(target))
    smooth = np.zeros((len(target), top + 1))
    folded, power = _fold(raised)
    for _ in range(MOST_ITERATIONS):
        _update(smooth, _analyse(folded, cosines), (power, orders, window))
        even, odd = smooth[:, ::2] @ cosines[0].T, smooth[:, 1::2] @ cosines[1].T
        shortfall = _raise(raised, target, (even, odd), (folded, power))
        done = shortfall <= TOLERANCE
        if done.any():
            out[active[done]] = _unfold(even[done], odd[done])
            if done.all():
                return out
            left = ~done
            active, raised, target, smooth = active[left], raised[left], target[left], smooth[left]
            folded, power = (folded[0][left], folded[1][left]), power[left]
            orders, window = orders[left], window[left]
    out[active] = _unfold(even[~done], odd[~done])
    return out


@lru_cache(maxsize=4)
def _all_cosines(n_coefficients: int) -> tuple[np.ndarray, np.ndarray]:
    k = np.arange(MIDDLE + 1)[:, None]
    even = np.cos(np.pi * k * np.arange(0, n_coefficients, 2) / (N_BINS - 1))
    odd = np.cos(np.pi * k * np.arange(1, n_coefficients, 2) / (N_BINS - 1))
    return even, odd


def _cosines(top: int) -> tuple[np.ndarray, np.ndarray]:
    """(MIDDLE + 1, n_even) and (MIDDLE + 1, n_odd), for coefficients 0 to ``top``."""
    even, odd = _all_cosines(256 if top < 256 else N_BINS - 1)
    return even[:, : top // 2 + 1], odd[:, : (top + 1) // 2]


def _analyse(folded: tuple[np.ndarray, np.ndarray], cosines: tuple) -> np.ndarray:
    """(n_frames, n_coefficients) real cepstrum."""
    cepstrum = np.empty((len(folded[0]), cosines[0].shape[1] + cosines[1].shape[1]))
    cepstrum[:, ::2] = folded[0] @ cosines[0]
    cepstrum[:, 1::2] = folded[1] @ cosines[1]
    return cepstrum


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
def _update(smooth, cepstrum, weights):
    """Move the smooth cepstrum towards the new one, faster the more lies beyond the order."""
    power, orders, window = weights
    for row in range(len(smooth)):
        order = orders[row]
        inside = total = cepstrum[row, 0] ** 2
        for n in range(1, order + 1):
            inside += 4 * cepstrum[row, n] ** 2
            total += 2 * cepstrum[row, n] ** 2
        outside = max(2 * (power[row, 0] - power[row, 1] ** 2 - total), 0.0)
        speed = (np.sqrt(inside) + np.sqrt(outside)) / np.sqrt(inside)
        for n in range(order + 1):
            new = cepstrum[row, n] * (2.0 if n else 1.0)
            smooth[row, n] += speed * window[row, n] * (new - smooth[row, n])


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
