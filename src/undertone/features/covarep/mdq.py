"""Maxima dispersion quotient: how far apart the octave bands peak around a closure.

In:  residual (NaN in digital silence), closures.
Out: (n_closures,) in periods; zero where a period does not fit into the file.
Source: Kane & Gobl, Wavelet maxima dispersion for breathy to tense voice discrimination,
IEEE TASLP 21(6), 2013.
"""

import numpy as np

from undertone.compiled import njit
from undertone.features.covarep import wavelets
from undertone.features.covarep.pulse import closure_periods

SCALES = (2, 3, 4, 5, 6)


def measure_dispersion(residual: np.ndarray, closures: np.ndarray) -> np.ndarray:
    """Mean distance of the bands' maxima from (n_closures,) 0-based `closures`, in periods."""
    silent = np.isnan(residual)
    bands = wavelets.convolve(np.where(silent, 0.0, residual), SCALES)
    if silent.any():
        _blank(bands, silent)
    return _disperse(bands, closures, closure_periods(closures))


def _blank(bands: np.ndarray, silent: np.ndarray) -> None:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(np.int8)))
    for band, scale in zip(bands, SCALES, strict=True):
        reach = wavelets.support(scale)
        for first, last in edges.reshape(-1, 2):
            band[max(first - reach, 0) : last + reach] = -np.inf


@njit(cache=True)
def _disperse(bands, closures, periods):
    out = np.zeros(len(closures))
    n = bands.shape[1]
    for k in range(len(closures)):
        centre, period = closures[k], periods[k]
        if centre + 1 - period <= 0 or centre + 1 + period > n:
            continue
        reach = int(0.2 * period + 0.5)
        total = 0.0
        for band in bands:
            peak = np.argmax(band[centre - reach : centre + reach + 1])
            total += abs(reach - (peak + 1))  # one sample off the centre, as in the reference
        out[k] = total / len(bands) / period
    return out
