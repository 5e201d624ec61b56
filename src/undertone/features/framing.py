"""Windows around the centres of the frame grid, in batches that fit the processor's cache.

In:  a waveform, shape (n_samples,), at ``audio.SAMPLE_RATE``.
Out: (n, width) arrays, sample ``width // 2`` of row ``i`` the centre of frame ``i``; zeros beyond
     either end of the waveform.
"""

import functools
from collections.abc import Iterator

import numpy as np

from undertone import audio

BATCH = 128  # frames


def windows(
    waveform: np.ndarray, width: int, batch: int = BATCH, *, frames: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield at most ``batch`` windows at a time, in order.

    Args:
        waveform: (n_samples,)
        width: samples a window, odd, so that a window has a centre.
        batch: windows a view.
        frames: (n,) which ones, as copies; by default all, as views.
    """
    every = np.lib.stride_tricks.sliding_window_view(_padded(waveform, width), width)
    every = every[:: audio.HOP_LENGTH][: audio.n_frames(len(waveform))]
    for first in range(0, len(every) if frames is None else len(frames), batch):
        part = slice(first, first + batch)
        yield every[part if frames is None else frames[part]]


def peaks(waveform: np.ndarray, width: int) -> np.ndarray:
    """(n_frames,) the greatest magnitude in each window, from that in each hop."""
    hop, n = audio.HOP_LENGTH, audio.n_frames(len(waveform))
    whole, rest = divmod(width, hop)
    size = np.abs(_padded(waveform, width))
    size = np.pad(size, (0, max(0, (n + whole) * hop - len(size))))[: (n + whole) * hop]
    of_hop = size.reshape(-1, hop)
    found = of_hop[whole:, :rest].max(axis=1, initial=0)
    loudest = of_hop.max(axis=1)
    for k in range(whole):
        np.maximum(found, loudest[k : n + k], out=found)
    return found


def _padded(waveform: np.ndarray, width: int) -> np.ndarray:
    """The waveform between as many zeros as the first and the last window need."""
    assert width % 2 == 1
    n = audio.n_frames(len(waveform))
    before = width // 2 - audio.FIRST_CENTRE
    after = max(0, (n - 1) * audio.HOP_LENGTH + width - before - len(waveform))
    return np.pad(waveform, (before, after))


@functools.cache
def hann(width: int) -> np.ndarray:
    """Return the symmetric Hann window of ``width`` samples, none of them zero, float32."""
    phase = 2 * np.pi * np.arange(1, width + 1) / (width + 1)
    window: np.ndarray = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
    window.flags.writeable = False  # it is everybody's
    return window
