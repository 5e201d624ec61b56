"""Whisper's log-mel input in a graph; the equations are those of ``features.upstream.mel``.

In:  waveforms (batch, n_samples), zeros behind each, and how many columns each has, (batch,).
Out: (batch, n_columns, n_bands).

The Fourier transform of a window is a product with cosines and sines, in double precision: levels
near the floor are differences of large numbers, and whatever they are off by goes through the whole
encoder.
"""

import numpy as np

from undertone.features.upstream import mel
from undertone.serving.onnx.nodes import DOUBLE, FLOAT, Value

HALF = mel.WINDOW_LENGTH // 2


def log_mel(waveforms: Value, n_columns: Value, n_bands: int) -> Value:
    """The columns of all waveforms; whatever stands behind a waveform's own is not to be read."""
    graph = waveforms.graph
    most = n_columns.max(0)
    mirror = waveforms.rows(np.arange(HALF, 0, -1).tolist(), axis=1)
    signal = graph.stacked([mirror, waveforms], 1)
    wanted = (most - 1) * mel.HOP_LENGTH + mel.WINDOW_LENGTH
    signal = signal.padded([0, 0], [0, (wanted - signal.size(1)).at_least(0)])
    starts = (graph.count(most) * mel.HOP_LENGTH).with_axes(1)
    windows = signal.rows(starts + np.arange(mel.WINDOW_LENGTH)[None], axis=1).to(DOUBLE)
    parts = windows @ _waves().T
    powers = (parts * parts) @ np.tile(mel._bands(n_bands), (2, 1))  # of cosines, then of sines
    levels = powers.at_least(mel.POWER_FLOOR).called("Log").to(FLOAT) * (1 / np.log(10))
    places = graph.count(levels.size(1)).with_axes(0)
    own = (places < n_columns.with_axes(1)).with_axes(2)
    loudest = levels.where(own, -np.inf).max(1, 2, keep=True)
    return (levels.at_least(loudest - mel.RANGE) + 4) / 4


def _waves() -> np.ndarray:
    """(2 * n_bins, WINDOW_LENGTH) windowed cosines, then sines."""
    bins = np.arange(HALF + 1)[:, None]
    phase = 2 * np.pi * bins * np.arange(mel.WINDOW_LENGTH) / mel.WINDOW_LENGTH
    return np.concatenate([np.cos(phase), np.sin(phase)]) * mel._window()
