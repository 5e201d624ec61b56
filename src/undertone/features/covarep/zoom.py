"""The low end of a long discrete Fourier transform's power, from a short one.

In:  short frames that count as padded with zeros to a long period.
Out: the power of the first bins, as the transform of the padded frames would give it.

A spectrum of few samples is smooth: bins between those of a transform twice as long as the frame
are sums over 14 of its bins, weighted by a Kaiser-Bessel kernel, once the frame is divided by the
kernel's own transform. What the sums lack is below 1e-12 of the largest bin.
Sources: Jackson, Meyer, Nishimura & Macovski, IEEE Transactions on Medical Imaging 10(3), 1991;
Fessler & Sutton, IEEE Transactions on Signal Processing 51(2), 2003.
"""

from functools import lru_cache

import numpy as np
from scipy import fft

from undertone.compiled import njit
from undertone.features.covarep.kernels import REASSOCIATE

TAPS = 14
BEFORE = TAPS // 2 - 1  # taps below the bin's place
SHAPE = 0.75 * np.pi * TAPS  # of the kernel, for a transform twice as long as the frame


def measure_power(frames: np.ndarray, period: int, n_bins: int) -> np.ndarray:
    """(n_frames, n_bins) squared magnitudes.

    Args:
        frames: (n_frames, n_samples) real, not longer than half of the period.
        period: length of the full transform.
        n_bins: bins 0, 1, …
    """
    n_samples = frames.shape[1]
    between = _bins_between(n_samples, period)
    size, half = period // between, n_samples // 2
    divided = frames / _kernel_transform(n_samples, size)
    centred = np.zeros((len(frames), size))
    centred[:, : n_samples - half] = divided[:, half:]
    centred[:, size - half :] = divided[:, :half]
    out = np.empty((len(frames), n_bins))
    _interpolate(fft.rfft(centred, axis=1), size, _weights(between), out)
    return out


@lru_cache(maxsize=1024)
def _bins_between(n_samples: int, period: int) -> int:
    """The largest divisor of the period that leaves a transform of twice the samples."""
    return next(d for d in range(period // (2 * n_samples), 0, -1) if period % d == 0)


@lru_cache(maxsize=64)
def _kernel_transform(n_samples: int, size: int) -> np.ndarray:
    """(n_samples,) transform of the kernel at the samples' distance from the centre."""
    turns = np.pi * TAPS * (np.arange(n_samples) - n_samples // 2) / size
    root = np.sqrt(SHAPE**2 - turns**2)
    return TAPS * np.sinh(root) / root


@lru_cache(maxsize=64)
def _weights(between: int) -> np.ndarray:
    """(between, TAPS) the kernel around each place between two bins."""
    place = np.arange(between)[:, None] / between - (np.arange(TAPS) - BEFORE)
    return np.i0(SHAPE * np.sqrt(1 - np.minimum((2 * place / TAPS) ** 2, 1)))


@njit(cache=True)
def _interpolate(spectra, size, weights, out):
    between, n_bins = len(weights), out.shape[1]
    n_places = (n_bins - 1) // between + 1
    around = np.empty(2 * (n_places + TAPS))
    sums = np.empty(2 * n_places)
    for row in range(len(spectra)):
        for i in range(n_places + TAPS):
            k = (i - BEFORE) % size
            is_mirrored = k > size // 2
            value = spectra[row, size - k if is_mirrored else k]
            around[2 * i] = value.real
            around[2 * i + 1] = -value.imag if is_mirrored else value.imag
        for step in range(between):
            _weigh(around, weights[step], sums)
            for place in range((n_bins - 1 - step) // between + 1):
                real, imaginary = sums[2 * place], sums[2 * place + 1]
                out[row, place * between + step] = real * real + imaginary * imaginary


@njit(cache=True, fastmath=REASSOCIATE)
def _weigh(around, weights, sums):
    """Real and imaginary parts alternate, so the next bin stands two places further."""
    for i in range(len(sums)):
        total = 0.0
        for tap in range(TAPS):
            total += weights[tap] * around[i + 2 * tap]
        sums[i] = total
