"""Recognisers and recordings for what serves: quick, and one that ends its process."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from undertone.features import extractors
from undertone.models.shape import EncoderConfig
from undertone.recogniser.folder import Inputs, Recogniser
from undertone.systems.fitted import Fitted
from undertone.systems.view import View
from undertone.tasks import Classes
from undertone.training.normalise import unchanged

RATE = 16_000
EMOTIONS = ("anger", "fear", "joy")
COLUMNS = extractors.get("log_mel").columns


@dataclass(frozen=True)
class Height(Fitted):
    """The higher a voice the surer of the first output; beyond ``deadly_hz`` its process ends."""

    kind = "height"
    deadly_hz: float = np.inf

    def predict(self, material, utterances):
        log_f0 = np.asarray(material.frames(utterances[0]))[:, COLUMNS.index("log_f0")].mean()
        if log_f0 > np.log(self.deadly_hz):
            os._exit(3)
        first = 1 / (1 + np.exp(np.log(200) - log_f0))
        return np.array([[first, 0.6 * (1 - first), 0.4 * (1 - first)]], np.float32)

    def config(self):
        return {}

    def tensors(self):
        return {}

    @classmethod
    def restore(cls, config, tensors, parts):
        return cls(parts.view)


def listener(deadly_hz: float = np.inf) -> Recogniser:
    """A model of the height of a voice."""
    inputs = Inputs.of("log_mel", unchanged(len(COLUMNS)))
    fitted = Height(View(), deadly_hz=deadly_hz)
    return Recogniser(inputs, EncoderConfig(), Classes(EMOTIONS), "height", fitted)


def voice(f0_hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    """(n_samples,) what moves as speech does: a gliding voice, two resonances, four syllables a s.

    The mean of its F0, as a logarithm, is that of ``f0_hz``.
    """
    time_s = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * f0_hz * np.cumsum(2 ** (np.sin(2 * np.pi * 3 * time_s) / 6)) / rate
    low_hz = 500 + 300 * np.sin(2 * np.pi * 4 * time_s)
    high_hz = 1700 + 800 * np.sin(2 * np.pi * 5 * time_s + 1)
    sound = np.zeros(len(time_s))
    for k in range(1, int(3300 / f0_hz) + 1):
        resonance = np.exp(-(((k * f0_hz - low_hz) / 150) ** 2))
        resonance += 0.5 * np.exp(-(((k * f0_hz - high_hz) / 250) ** 2)) + 0.01
        sound += resonance * np.cos(k * phase)
    return 0.05 * sound * (0.1 + 0.9 * np.sin(np.pi * 4 * time_s) ** 2)


def tone(hz: float, seconds: float) -> np.ndarray:
    """(n_samples,) a steady sine, which nobody speaks."""
    return 0.1 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


def write_voice(path: Path, f0_hz: float = 100, seconds: float = 0.5, channels: int = 1) -> Path:
    """A recording; the n-th channel is n times as high as the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.stack([voice(f0_hz * (1 + n), seconds) for n in range(channels)], axis=1)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path
