"""Tones of a few speakers, whose pitch is their emotion: a corpus that is made in no time."""

from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

RATE = 16_000
PITCH_HZ = {"anger": 300.0, "sadness": 150.0}


def tone(emotion: str, number: int, speaker: int) -> np.ndarray:
    """(n_samples,) of an utterance; no two are alike."""
    rng = np.random.default_rng([number, speaker])
    time_s = np.arange(5600 + 160 * (number % 5)) / RATE
    pitch_hz = PITCH_HZ[emotion] * (1 + 0.05 * speaker)
    return (
        0.2 * np.sin(2 * np.pi * pitch_hz * time_s) + 0.003 * rng.normal(size=len(time_s))
    ).astype(np.float32)


def rows(n_speakers: int = 4, n_each: int = 4) -> list[tuple[str, str, str, np.ndarray]]:
    """Name, speaker, emotion and samples of each."""
    return [
        (f"s{speaker}-{emotion}-{number}", f"s{speaker}", emotion, tone(emotion, number, speaker))
        for speaker in range(n_speakers)
        for emotion in PITCH_HZ
        for number in range(n_each)
    ]


def write(folder: Path, n_speakers: int = 4, n_each: int = 4) -> Path:
    """Recordings, and the table of them."""
    cells = []
    for name, speaker, emotion, samples in rows(n_speakers, n_each):
        soundfile.write(folder / f"{name}.wav", samples, RATE)
        cells.append({"file": f"{name}.wav", "speaker": speaker, "emotion": emotion})
    pd.DataFrame(cells).to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"
