"""The transforms of ``scipy.fft`` that the features need, by NumPy alone.

In:  arrays, transformed along their last axis.
Out: as ``scipy.fft`` gives them.
"""

import numpy as np

rfft, irfft = np.fft.rfft, np.fft.irfft


def next_fast_len(n: int, real: bool = False) -> int:
    """The smallest number from ``n`` on without prime factors above 5."""
    while _without(n, (2, 3, 5)) > 1:
        n += 1
    return n


def dct(
    x: np.ndarray,
    type: int = 2,
    *,
    axis: int = -1,
    norm: str | None = None,
    overwrite_x: bool = False,
) -> np.ndarray:
    """A cosine transform: of type 1, or of type 2 with ``norm="ortho"``."""
    assert axis in (-1, x.ndim - 1)
    n = x.shape[-1]
    if type == 1:
        even = np.concatenate([x, x[..., -2:0:-1]], axis=-1)
        return np.ascontiguousarray(rfft(even).real)
    assert norm == "ortho"
    phase = np.pi / n * (np.arange(n) + 0.5)[:, None] * np.arange(n)
    scale = np.where(np.arange(n) == 0, np.sqrt(1 / n), np.sqrt(2 / n))
    transformed: np.ndarray = x @ (np.cos(phase) * scale)
    return transformed


def _without(n: int, factors: tuple[int, ...]) -> int:
    for factor in factors:
        while n % factor == 0:
            n //= factor
    return n
