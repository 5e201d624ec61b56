"""Windows around the centres of the frame grid, in batches that fit the processor's cache.

In:  a waveform, shape (n_samples,), at ``audio.SAMPLE_RATE``.
Out: (n, width) views, sample ``width // 2`` of row ``i`` the centre of frame ``i``; zeros beyond
     either end of the waveform.
"""

from collections.abc import Iterator

import numpy as np

from undertone import audio

BATCH = 128  # frames


def windows(waveform: np.ndarray, width: int, batch: int = BATCH) -> Iterator[np.ndarray]:
    """Yield views of at most ``batch`` windows, in order.

    Args:
        waveform: (n_samples,)
        width: samples a window, odd, so that a window has a centre.
        batch: windows a view.
    """
    assert width % 2 == 1
    n = audio.n_frames(len(waveform))
    before = width // 2 - audio.FIRST_CENTRE
    after = max(0, (n - 1) * audio.HOP_LENGTH + width - before - len(waveform))
    padded = np.pad(waveform, (before, after))
    every = np.lib.stride_tricks.sliding_window_view(padded, width)[:: audio.HOP_LENGTH]
    for first in range(0, n, batch):
        yield every[first : min(first + batch, n)]


def hann(width: int) -> np.ndarray:
    """Return the symmetric Hann window of ``width`` samples, none of them zero, float32."""
    phase = 2 * np.pi * np.arange(1, width + 1) / (width + 1)
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
