"""Recognisers and recordings for what serves: quick, and one that ends its process."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from undertone.features import extractors
from undertone.models.shape import EncoderConfig
from undertone.recogniser.folder import Inputs, Recogniser
from undertone.systems.fitted import Fitted, View
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


def voice(f0_hz: float, seconds: float) -> np.ndarray:
    """(n_samples,) a steady tone with harmonics."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    return 0.05 * sum(np.cos(2 * np.pi * f0_hz * k * time_s) for k in range(1, 8))


def write_voice(path: Path, f0_hz: float = 100, seconds: float = 0.5, channels: int = 1) -> Path:
    """A recording; the n-th channel is n times as high as the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.stack([voice(f0_hz * (1 + n), seconds) for n in range(channels)], axis=1)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path
