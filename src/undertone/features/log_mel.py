"""Log-mel bands, energy, F0 and voicing: 44 columns that need no model.

In:  a waveform, shape (n_samples,), at ``audio.SAMPLE_RATE``.
Out: (n_frames, 44) float32 on the frame grid, finite everywhere; names in ``COLUMNS``.

A mel column is ln(mean square of the signal within a triangular band + ``POWER_FLOOR``), so that
0 is a square wave at full scale and -23 is silence. A gain g adds 2 ln g to the mel columns and to
``log_energy``, as far as they lie above the floor, and leaves the other three as they are.
Mel scale: S. S. Stevens and J. Volkmann (1940) in the form 2595 log10(1 + f / 700) of
D. O'Shaughnessy, "Speech communication" (1987). F0: see ``features.f0``.
"""

import dataclasses
import functools

import numpy as np
import scipy.fft

from undertone import audio
from undertone.features import f0
from undertone.features.framing import hann, windows

N_BANDS = 40
BAND_RANGE_HZ = (50.0, 7600.0)
WINDOW_LENGTH = 401  # samples, 25 ms
SPECTRUM_SIZE = 512
POWER_FLOOR = 1e-10  # -100 dB of full scale, about the noise of 16 bits

COLUMNS = (
    *(f"mel_{band:02d}" for band in range(N_BANDS)),
    "log_energy",
    "log_f0",
    "voicing",
    "voiced",
)
SETTINGS = {
    "n_bands": N_BANDS,
    "band_range_hz": list(BAND_RANGE_HZ),
    "window_length": WINDOW_LENGTH,
    "spectrum_size": SPECTRUM_SIZE,
    "power_floor": POWER_FLOOR,
    "pitch": dataclasses.asdict(f0.PitchConfig()),
}


def extract(waveform: np.ndarray) -> np.ndarray:
    """Compute the frames of a waveform."""
    pitch = f0.track(waveform)
    frames = np.empty((len(pitch.f0_hz), len(COLUMNS)), np.float32)
    frames[:, : N_BANDS + 1] = log_powers(waveform)
    frames[:, N_BANDS + 1] = f0.fill_gaps(pitch.f0_hz)
    frames[:, N_BANDS + 2] = pitch.voicing
    frames[:, N_BANDS + 3] = pitch.voiced
    return frames


def log_powers(waveform: np.ndarray) -> np.ndarray:
    """Return the mel columns and ``log_energy``, shape (n_frames, N_BANDS + 1)."""
    window, weights = _scaled_window(), _band_weights()
    powers = []
    for frames in windows(waveform.astype(np.float32, copy=False), WINDOW_LENGTH):
        spectrum = scipy.fft.rfft(frames * window, SPECTRUM_SIZE)
        powers.append((spectrum.real**2 + spectrum.imag**2) @ weights)
    return np.log(np.concatenate(powers) + np.float32(POWER_FLOOR))


@functools.cache
def _scaled_window() -> np.ndarray:
    """The window that makes the squares of both halves of the spectrum sum to the mean square."""
    window = hann(WINDOW_LENGTH)
    return window * np.float32(np.sqrt(2 / SPECTRUM_SIZE / np.sum(window**2)))


@functools.cache
def _band_weights() -> np.ndarray:
    """(SPECTRUM_SIZE // 2 + 1, N_BANDS + 1): triangles equally spaced in mel, then their range."""
    low, high = (_mel(np.array(hz)) for hz in BAND_RANGE_HZ)
    step = (high - low) / (N_BANDS + 1)
    hz = np.arange(SPECTRUM_SIZE // 2 + 1) * audio.SAMPLE_RATE / SPECTRUM_SIZE
    distance = np.abs(_mel(hz)[:, None] - (low + step * np.arange(1, N_BANDS + 1))) / step
    within = (hz >= BAND_RANGE_HZ[0]) & (hz <= BAND_RANGE_HZ[1])
    return np.column_stack([np.maximum(0, 1 - distance), within]).astype(np.float32)


def _mel(hz: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + hz / 700)
