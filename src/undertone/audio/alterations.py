"""What rooms, lines and recorders do to speech, as functions of a waveform.

In:  a waveform (n_samples,) at ``audio.SAMPLE_RATE``; a random generator where chance is in it.
Out: another waveform, float32. Levels are relative to the speech, of which silence is no part: its
     power is the mean over stretches of 10 ms that are active, at most ``ACTIVE_DB`` below
     sum p^2 / sum p (after the active speech level of ITU-T P.56, which is 15.9 dB below itself).
"""

import numpy as np
import scipy.fft
import soxr

from undertone.audio import SAMPLE_RATE

STRETCH = 160  # samples, 10 ms
LINE_RATE = 8_000  # Hz, of a telephone
LOWEST_TILT_HZ = 50.0  # below, noise of a slope is flat
LEAST = 1e-12  # power
ACTIVE_DB = 20.0
MU = 255.0  # ITU-T G.711
GATE_DB = 35.0  # below the speech, a gate closes


def speech_power(waveform: np.ndarray) -> float:
    """Mean square of the speech; that of all samples where there are few."""
    powers = _powers(waveform)
    if (total := float(powers.sum())) <= 0:
        return LEAST
    weighted = float((powers**2).sum()) / total
    return float(powers[powers >= weighted / 10 ** (ACTIVE_DB / 10)].mean())


def with_noise(
    waveform: np.ndarray, rng: np.random.Generator, *, snr_db: float, tilt: float = 0.0
) -> np.ndarray:
    """With noise whose power falls as f^-(2 tilt): 0 is white, 1 is brown."""
    return mixed(waveform, coloured(len(waveform), rng, tilt=tilt), snr_db=snr_db)


def mixed(waveform: np.ndarray, other: np.ndarray, *, snr_db: float) -> np.ndarray:
    """With another sound, as much weaker than the speech.

    Args:
        waveform: (n_samples,)
        other: (n_samples,) at any level.
        snr_db: power of the speech over the mean square of the other.
    """
    wanted = speech_power(waveform) / 10 ** (snr_db / 10)
    scale = np.sqrt(wanted / max(float(np.mean(other.astype(float) ** 2)), LEAST))
    return (waveform + scale * other).astype(np.float32)


def coloured(n_samples: int, rng: np.random.Generator, *, tilt: float) -> np.ndarray:
    """(n_samples,) noise whose power falls as f^-(2 tilt)."""
    size = scipy.fft.next_fast_len(n_samples, real=True)
    spectrum = scipy.fft.rfft(rng.normal(size=size))
    spectrum /= np.maximum(_hz(size), LOWEST_TILT_HZ) ** tilt
    found: np.ndarray = scipy.fft.irfft(spectrum, size)[:n_samples]
    return found


def band_limited(waveform: np.ndarray, *, low_hz: float, high_hz: float) -> np.ndarray:
    """As a line that lets through what lies between: 24 dB an octave below, 72 dB above."""
    size = scipy.fft.next_fast_len(len(waveform) + SAMPLE_RATE // 5, real=True)
    hz = np.maximum(_hz(size), 1e-3)
    gain = 1 / np.sqrt(1 + (low_hz / hz) ** 8) / np.sqrt(1 + (hz / high_hz) ** 24)
    filtered = scipy.fft.irfft(scipy.fft.rfft(waveform.astype(float), size) * gain, size)
    return filtered[: len(waveform)].astype(np.float32)


def telephoned(
    waveform: np.ndarray, *, low_hz: float = 300.0, high_hz: float = 3400.0, quantised: bool = True
) -> np.ndarray:
    """Over a line of 8 kHz, in eight bits a sample or unquantised, and back."""
    limited = band_limited(waveform, low_hz=low_hz, high_hz=high_hz)
    line = soxr.resample(limited, SAMPLE_RATE, LINE_RATE)
    heard = soxr.resample(mu_law(line) if quantised else line, LINE_RATE, SAMPLE_RATE)
    return as_long_as(waveform, heard)


def as_long_as(waveform: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The other, cut or with silence at its end."""
    missing = max(0, len(waveform) - len(other))
    return np.pad(other, (0, missing))[: len(waveform)].astype(np.float32)


def mu_law(waveform: np.ndarray) -> np.ndarray:
    """Through eight bits of ITU-T G.711, full scale at the loudest sample."""
    peak = max(float(np.abs(waveform).max()), LEAST)
    pressed = np.log1p(MU * np.abs(waveform) / peak) / np.log1p(MU)
    rounded = np.round(pressed * 127) / 127
    return (peak * np.sign(waveform) * ((1 + MU) ** rounded - 1) / MU).astype(np.float32)


def gated(waveform: np.ndarray) -> np.ndarray:
    """With zeros in every stretch that lies ``GATE_DB`` below the speech."""
    closed = _powers(waveform) < speech_power(waveform) / 10 ** (GATE_DB / 10)
    shut = np.repeat(closed, STRETCH)
    rest = np.zeros(len(waveform) - len(shut), dtype=bool)
    return np.where(np.append(shut, rest), 0, waveform).astype(np.float32)


def _powers(waveform: np.ndarray) -> np.ndarray:
    """Mean squares of whole stretches; of all samples where there is none."""
    n = len(waveform) // STRETCH
    if n == 0:
        return np.array([np.mean(waveform.astype(float) ** 2)])
    found: np.ndarray = (waveform[: n * STRETCH].astype(float).reshape(n, -1) ** 2).mean(axis=1)
    return found


def _hz(size: int) -> np.ndarray:
    return np.arange(size // 2 + 1) * (SAMPLE_RATE / size)
