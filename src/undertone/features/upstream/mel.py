"""The log-mel input of Whisper.

In:  a waveform, shape (n_samples,), at ``audio.SAMPLE_RATE``.
Out: (n_bands, n) float32; column ``i`` is centred on sample 160 ``i``. Before the waveform lies its
     mirror image, behind it silence.

Source: Radford et al. (2022), arXiv 2212.04356, section 2.2: 80 bands (128 in later models),
windows of 25 ms, log10, at most 8 below the recording's maximum, shifted and scaled to about -1 to
1. Bands: M. Slaney, "Auditory Toolbox" (1998): linear to 1 kHz, then logarithmic, of equal area.
"""

import functools

import numpy as np
import scipy.fft

from undertone import audio

WINDOW_LENGTH = 400  # samples, 25 ms
HOP_LENGTH = 160  # samples, 10 ms
POWER_FLOOR = 1e-10
RANGE = 8.0  # decades kept below the maximum
BREAK_HZ, BREAK_MEL = 1000.0, 15.0  # from here on the scale is logarithmic
HZ_A_MEL = BREAK_HZ / BREAK_MEL
MELS_A_NEPER = 27 / np.log(6.4)
BLOCK = 2048  # columns computed at once


def log_mel(waveform: np.ndarray, n_columns: int, n_bands: int = 80) -> np.ndarray:
    """The columns of a waveform and of the silence behind it.

    Args:
        waveform: (n_samples,)
        n_columns: how many; at least as many as are centred within the waveform.
        n_bands: of the model.
    """
    half = WINDOW_LENGTH // 2
    signal = np.pad(waveform.astype(np.float32, copy=False), (half, 0), mode="reflect")
    missing = (n_columns - 1) * HOP_LENGTH + WINDOW_LENGTH - len(signal)
    signal = np.pad(signal, (0, max(missing, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(signal, WINDOW_LENGTH)[::HOP_LENGTH]
    shape, weights = _window(), _bands(n_bands)
    powers = np.empty((n_columns, n_bands), np.float32)
    for first in range(0, n_columns, BLOCK):
        spectrum = scipy.fft.rfft(windows[first : min(first + BLOCK, n_columns)] * shape)
        powers[first : first + BLOCK] = (spectrum.real**2 + spectrum.imag**2) @ weights
    levels = np.log10(np.maximum(powers, POWER_FLOOR))
    return ((np.maximum(levels, levels.max() - RANGE) + 4) / 4).T


@functools.cache
def _window() -> np.ndarray:
    phase = 2 * np.pi * np.arange(WINDOW_LENGTH) / WINDOW_LENGTH
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


@functools.cache
def _bands(n_bands: int) -> np.ndarray:
    """(WINDOW_LENGTH // 2 + 1, n_bands): triangles of equal area, equally spaced in mel."""
    hz = np.linspace(0, audio.SAMPLE_RATE / 2, WINDOW_LENGTH // 2 + 1)[:, None]
    corners = _to_hz(np.linspace(0, _to_mel(audio.SAMPLE_RATE / 2), n_bands + 2))
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (hz - low) / (centre - low), (high - hz) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * 2 / (high - low)).astype(np.float32)


def _to_mel(hz: float) -> float:
    return float(BREAK_MEL + MELS_A_NEPER * np.log(hz / BREAK_HZ))  # for the upper end only


def _to_hz(mel: np.ndarray) -> np.ndarray:
    logarithmic = BREAK_HZ * np.exp((mel - BREAK_MEL) / MELS_A_NEPER)
    return np.where(mel < BREAK_MEL, HZ_A_MEL * mel, logarithmic)
