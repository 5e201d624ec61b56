"""The waveform itself on the frame grid: for models that hear audio by an encoder of their own.

In:  a waveform, shape (n_samples,), at ``audio.SAMPLE_RATE``.
Out: (n_frames, HOP_LENGTH): frame ``i`` holds the samples from ``i * HOP_LENGTH`` on.

The last frame is filled with zeros, or up to half a hop behind it is left out: the number of frames
is that of every extractor on this grid.
"""

import numpy as np

from undertone import audio

NAME = "waveform"
COLUMNS = tuple(f"sample_{i:03d}" for i in range(audio.HOP_LENGTH))


def extract(waveform: np.ndarray) -> np.ndarray:
    """(n_frames, HOP_LENGTH) float32 of (n_samples,)."""
    n_samples = audio.n_frames(len(waveform)) * audio.HOP_LENGTH
    kept = np.asarray(waveform[:n_samples], dtype=np.float32)
    return np.pad(kept, (0, n_samples - len(kept))).reshape(-1, audio.HOP_LENGTH)


def joined(frames: np.ndarray) -> np.ndarray:
    """(n_samples,) of the frames."""
    return np.ascontiguousarray(frames, dtype=np.float32).reshape(-1)
