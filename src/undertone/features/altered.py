"""Alterations under which frames are computed and kept, by name.

In:  a waveform (n_samples,) at ``audio.SAMPLE_RATE``.
Out: another waveform, float32.

The chance in an alteration follows from the samples themselves: the same recording is altered in
the same way everywhere. ``VERSION`` enters the keys of frames; raise it when others come out.
"""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from undertone.audio import alterations

VERSION = 1
TILT = (0.0, 1.0)  # of the noise: white to brown
SNR_DB = (5.0, 25.0)
LOW_HZ, HIGH_HZ = (150.0, 400.0), (3000.0, 3700.0)  # between which the edges of a band lie


def noisy(waveform: np.ndarray) -> np.ndarray:
    """With noise of any slope, loud or faint."""
    rng = _rng(waveform, "noisy")
    tilt, snr_db = rng.uniform(*TILT), rng.uniform(*SNR_DB)
    return alterations.with_noise(waveform, rng, snr_db=snr_db, tilt=tilt)


def narrow(waveform: np.ndarray) -> np.ndarray:
    """In a band about that of a telephone, one time in two in its eight bits."""
    rng = _rng(waveform, "narrow")
    low_hz, high_hz = rng.uniform(*LOW_HZ), rng.uniform(*HIGH_HZ)
    quantised = bool(rng.random() < 0.5)
    return alterations.telephoned(waveform, low_hz=low_hz, high_hz=high_hz, quantised=quantised)


ALTERED: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"noisy": noisy, "narrow": narrow}


def _rng(waveform: np.ndarray, name: str) -> np.random.Generator:
    content = np.ascontiguousarray(waveform, dtype=np.float32).tobytes() + name.encode()
    return np.random.default_rng(list(hashlib.sha256(content).digest()[:16]))
