"""Band-pass wavelets an octave apart, from Nyquist downwards.

In:  (n_samples,) samples or residual.
Out: (n_scales, n_samples) centred convolutions with the wavelets of scale 2**i.
Source: d'Alessandro & Sturmel; Kane & Gobl, IEEE TASLP 21(6), 2013.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import fft

REACH = 1000  # samples to either side
BLOCK = 16_384


@lru_cache(maxsize=8)
def wavelet(scale: int) -> np.ndarray:
    """(2 * REACH + 1,) the wavelet of scale 2**scale; symmetric, and underflows to zero far out."""
    stretched = np.arange(-REACH, REACH + 1) / 2**scale
    with np.errstate(under="ignore"):
        return -np.cos(np.pi * stretched) * np.exp(-(stretched**2) / 2)


@lru_cache(maxsize=8)
def support(scale: int) -> int:
    """Samples to either side of the centre where the wavelet is not exactly zero."""
    return REACH - int(np.flatnonzero(wavelet(scale))[0])


def convolve(samples: np.ndarray, scales: Sequence[int]) -> np.ndarray:
    """(len(scales), n_samples), by overlapping blocks of FFTs; zeros beyond the ends."""
    n = len(samples)
    step = BLOCK - 2 * REACH
    padded = np.concatenate([np.zeros(REACH), samples, np.zeros(REACH + step)])
    out = np.empty((len(scales), n))
    for first in range(0, n, step):
        spectrum = fft.rfft(padded[first : first + BLOCK])
        bands = fft.irfft(spectrum * _spectra(tuple(scales)), BLOCK, axis=1)
        last = min(first + step, n)
        out[:, first:last] = bands[:, 2 * REACH : 2 * REACH + last - first]
    return out


@lru_cache(maxsize=4)
def _spectra(scales: tuple[int, ...]) -> np.ndarray:
    return fft.rfft(np.stack([wavelet(scale) for scale in scales]), BLOCK, axis=1)
