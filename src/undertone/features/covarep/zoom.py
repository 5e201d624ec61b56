"""A stretch of a long discrete Fourier transform, by the chirp-z transform.

In:  short frames that count as padded with zeros to a long period.
Out: the bins asked for, as the transform of the padded frames would give them.
Source: Rabiner, Schafer & Rader, The chirp z-transform algorithm, 1969.
"""

from functools import lru_cache

import numpy as np
from scipy import fft


def transform(frames: np.ndarray, period: int, bins: range) -> np.ndarray:
    """(n_frames, n_bins) complex.

    Args:
        frames: (n_frames, n_samples) real, not longer than the period.
        period: length of the full transform.
        bins: consecutive bins.
    """
    before, kernel, after = _chirps(frames.shape[1], period, bins)
    spectra = fft.fft(frames * before, len(kernel), axis=1, overwrite_x=True)
    spectra *= kernel
    return fft.ifft(spectra, axis=1, overwrite_x=True)[:, : len(bins)] * after


@lru_cache(maxsize=64)
def _chirps(n_samples: int, period: int, bins: range) -> tuple[np.ndarray, ...]:
    """Factors of the frames, of their spectra and of the result: 2 n k = n² + k² - (k - n)²."""
    n, k = np.arange(n_samples), np.arange(len(bins))
    size = fft.next_fast_len(n_samples + len(bins) - 1)
    kernel = np.zeros(size, dtype=complex)
    kernel[: len(bins)] = _chirp(k, period).conj()
    kernel[size - n_samples + 1 :] = _chirp(n[:0:-1], period).conj()
    shift = np.exp(-2j * np.pi * (n * bins.start % period) / period)
    return shift * _chirp(n, period), fft.fft(kernel), _chirp(k, period)


def _chirp(n: np.ndarray, period: int) -> np.ndarray:
    return np.exp(-1j * np.pi * (n * n % (2 * period)) / period)
