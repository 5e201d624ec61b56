"""Log-mel bands, energy, F0, voicing and formants of speech: 55 columns that need no model.

In:  a waveform, shape (n_samples,), at ``audio.SAMPLE_RATE``.
Out: (n_frames, 55) float32 on the frame grid, finite everywhere; names in ``COLUMNS``.

The columns tell of the speech and not of the file. Before all else the waveform loses its mean and
what lies below 60 Hz. A mel column is ln(p / P + q), p the mean square of the signal within a
triangular band, P the level of the speech (``levels.level``) and q the band's own level over P,
less ``FLOOR_DB``: 0 is a band as powerful as the speech is, and what lies 30 dB below what a band
usually holds is silence, digital or not. ``log_energy`` is ln(p / P + ``ENERGY_FLOOR_DB``) of all
bands; where it is more than ``SPEECH_DB`` below nobody speaks, and there is no voice. A gain
changes nothing, nor does silence before, within or behind the speech change the
frames of the speech.
Mel scale: S. S. Stevens and J. Volkmann (1940) in the form 2595 log10(1 + f / 700) of
D. O'Shaughnessy, "Speech communication" (1987). F0: see ``features.f0``. Formants and harmonics:
see ``features.formants``.
"""

import dataclasses
import functools

import numpy as np
import scipy.fft

from undertone import audio
from undertone.features import f0, formants, levels
from undertone.features.framing import hann, windows

N_BANDS = 40
BAND_RANGE_HZ = (50.0, 7600.0)
WINDOW_LENGTH = 401  # samples, 25 ms
SPECTRUM_SIZE = 512
BATCH = 64  # frames that are transformed at a time
FLOOR_DB = 30.0  # below a band's own level
ENERGY_FLOOR_DB = 40.0  # below the level of the speech
LOWEST_DB = (
    55.0  # below the level of the speech no floor lies: a band that a line cuts off is silent
)
SPEECH_DB = 30.0  # below the level of the speech nobody speaks

COLUMNS = (
    *(f"mel_{band:02d}" for band in range(N_BANDS)),
    "log_energy",
    "log_f0",
    "voicing",
    "voiced",
    *formants.COLUMNS,
)
N_OF_VOICE = len(COLUMNS) - len(formants.COLUMNS)  # columns before the formants
SETTINGS = {
    "n_bands": N_BANDS,
    "band_range_hz": list(BAND_RANGE_HZ),
    "window_length": WINDOW_LENGTH,
    "spectrum_size": SPECTRUM_SIZE,
    "floor_db": FLOOR_DB,
    "energy_floor_db": ENERGY_FLOOR_DB,
    "lowest_db": LOWEST_DB,
    "corner_hz": levels.CORNER_HZ,
    "click": levels.CLICK,
    "pitch": dataclasses.asdict(f0.PitchConfig()),
    "formants": formants.SETTINGS,
}


def extract(waveform: np.ndarray) -> np.ndarray:
    """Compute the frames of a waveform."""
    waveform = levels.high_pass(waveform)
    voice, f0_hz = _voice(waveform)
    frames = np.empty((len(voice), len(COLUMNS)), np.float32)
    frames[:, :N_OF_VOICE] = voice
    frames[:, N_OF_VOICE:] = formants.extract(waveform, f0_hz)
    return frames


def of_voice(waveform: np.ndarray) -> np.ndarray:
    """(n_frames, N_OF_VOICE) the same columns up to the formants, in half the time."""
    return _voice(levels.high_pass(waveform))[0]


def _voice(waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The columns up to the formants, and (n_frames,) F0 in Hz, 0 where there is none."""
    frames = np.empty((audio.n_frames(len(waveform)), N_OF_VOICE), np.float32)
    frames[:, : N_BANDS + 1] = log_powers(waveform)
    spoken = is_spoken(frames[:, N_BANDS])
    pitch = f0.track(waveform, asked=spoken)
    f0_hz = np.where(spoken, pitch.f0_hz, 0)
    frames[:, N_BANDS + 1] = f0.fill_gaps(f0_hz)
    frames[:, N_BANDS + 2] = np.where(spoken, pitch.voicing, 0)
    frames[:, N_BANDS + 3] = f0_hz > 0
    return frames, f0_hz


def is_spoken(energy: np.ndarray) -> np.ndarray:
    """(n_frames,) whether the column ``log_energy`` lies within ``SPEECH_DB`` of the speech."""
    spoken: np.ndarray = energy > -nepers(SPEECH_DB)
    return spoken


def log_powers(waveform: np.ndarray) -> np.ndarray:
    """Return the mel columns and ``log_energy``, shape (n_frames, N_BANDS + 1)."""
    power = powers(waveform)
    of_band = levels.level(power)
    of_speech = of_band[-1]
    of_mel = np.maximum(of_band[:-1] - of_speech - nepers(FLOOR_DB), -nepers(LOWEST_DB))
    floor = np.append(of_mel, -nepers(ENERGY_FLOOR_DB))
    relative: np.ndarray = np.log(power * np.exp(-of_speech) + np.exp(floor))
    return relative


def powers(waveform: np.ndarray) -> np.ndarray:
    """(n_frames, N_BANDS + 1) mean squares within the bands, and within all of their range."""
    window, weights = _scaled_window(), _band_weights()
    found = []
    for frames in windows(waveform.astype(np.float32, copy=False), WINDOW_LENGTH, BATCH):
        spectrum = scipy.fft.rfft(frames * window, SPECTRUM_SIZE)
        found.append((spectrum.real**2 + spectrum.imag**2) @ weights)
    return np.concatenate(found)


def nepers(decibels: float) -> float:
    """Decibels as a natural logarithm of power.

    >>> round(float(nepers(30.0)), 3)
    6.908
    """
    return decibels * np.log(10) / 10


def centres_hz() -> np.ndarray:
    """(N_BANDS,) the middle of each mel band."""
    low, high = (_mel(np.array(hz)) for hz in BAND_RANGE_HZ)
    mel = low + (high - low) / (N_BANDS + 1) * np.arange(1, N_BANDS + 1)
    hz: np.ndarray = 700 * (10 ** (mel / 2595) - 1)
    return hz


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
