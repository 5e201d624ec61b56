"""MATLAB's rounding, windows, peaks and filters, where they differ from NumPy's and SciPy's.

In / Out: arrays of samples, frames or positions; no audio semantics.
Source: the reference runs in MATLAB; these are the conventions its numbers depend on.
"""

from functools import lru_cache

import numpy as np
from scipy import signal


def round_half_away(value: np.ndarray | float) -> np.ndarray:
    """Round to the nearest integer, halves away from zero (NumPy rounds them to even)."""
    return np.trunc(value + np.copysign(0.5, value)).astype(np.int64)


def round_int(value: float) -> int:
    """`round_half_away` of one number."""
    return int(value + 0.5) if value >= 0 else -int(0.5 - value)


@lru_cache(maxsize=64)
def hanning(length: int) -> np.ndarray:
    """(length,) raised cosine without zero end points."""
    return 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, length + 1) / (length + 1)))


@lru_cache(maxsize=64)
def hann(length: int) -> np.ndarray:
    """(length,) raised cosine with zero end points."""
    return 0.5 * (1 - np.cos(2 * np.pi * np.arange(length) / (length - 1)))


@lru_cache(maxsize=64)
def hamming(length: int) -> np.ndarray:
    return 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(length) / (length - 1))


@lru_cache(maxsize=64)
def blackman(length: int) -> np.ndarray:
    turns = 2 * np.pi * np.arange(length) / (length - 1)
    return 0.42 - 0.5 * np.cos(turns) + 0.08 * np.cos(2 * turns)


def interpolate(nodes: np.ndarray, values: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Linear interpolation along the first axis, NaN outside the nodes and where there are none.

    Args:
        nodes: (n_nodes,) ascending.
        values: (n_nodes,) or (n_nodes, n_columns).
        query: (n_queries,) positions.
    """
    out = np.full((len(query), *values.shape[1:]), np.nan)
    if len(nodes) == 0:
        return out
    inside = (query >= nodes[0]) & (query <= nodes[-1])
    inner = query[inside]
    if len(nodes) == 1:
        out[inside] = values[0]
        return out
    left = np.clip(np.searchsorted(nodes, inner, side="right") - 1, 0, len(nodes) - 2)
    share = (inner - nodes[left]) / (nodes[left + 1] - nodes[left])
    share = share.reshape(-1, *(1,) * (values.ndim - 1))
    with np.errstate(invalid="ignore"):  # between two infinities
        out[inside] = values[left] + share * (values[left + 1] - values[left])
    return out


def wrap(phase: np.ndarray) -> np.ndarray:
    """The same angles in (-pi, pi]."""
    return phase - 2 * np.pi * np.trunc(phase / (2 * np.pi) + np.copysign(0.5, phase))


def local_maxima(values: np.ndarray) -> np.ndarray:
    """(n_peaks,) indices of strict local maxima; of a plateau its first sample; never an end."""
    with np.errstate(invalid="ignore"):  # between two infinities, which are no maximum
        steps = np.flatnonzero(np.diff(values))
    if len(steps) < 2:
        return np.empty(0, dtype=np.int64)
    rising = values[steps + 1] > values[steps]
    return steps[:-1][rising[:-1] & ~rising[1:]] + 1


def filter_both_ways(b: np.ndarray, a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Zero-phase filtering along the first axis with MATLAB's shorter reflection at the ends."""
    return signal.filtfilt(b, a, x, axis=0, padlen=3 * (max(len(a), len(b)) - 1))


@lru_cache(maxsize=16)
def elliptic_highpass(
    pass_hz: float, stop_hz: float, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Numerator and denominator of the smallest filter with 3 dB ripple and 60 dB rejection."""
    order, edge = signal.ellipord(pass_hz / (sample_rate / 2), stop_hz / (sample_rate / 2), 3, 60)
    return signal.ellip(order, 3, 60, edge, "highpass")
