"""A corpus of tones for recipes: small enough to train on, with emotions that can be heard."""

from pathlib import Path

import numpy as np
import soundfile

F0_HZ = {"anger": 300.0, "happiness": 210.0, "sadness": 110.0, "fear": 160.0}


def write_tones(
    folder: Path, emotions: tuple[str, ...], *, n_speakers: int = 4, n_each: int = 4, seed: int = 0
) -> Path:
    """``n_each`` tones of each speaker and emotion; the pitch is the emotion. The table's path."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = ["file,speaker,emotion"]
    for number in range(n_speakers * n_each * len(emotions)):
        emotion = emotions[number % len(emotions)]
        seconds = np.arange(int(16_000 * rng.uniform(0.4, 0.8))) / 16_000
        f0_hz = F0_HZ[emotion] * rng.uniform(0.85, 1.15)
        tone = sum(np.sin(2 * np.pi * f0_hz * k * seconds) / k for k in range(1, 9))
        tone = 0.1 * tone + rng.normal(scale=0.01, size=len(seconds))
        soundfile.write(folder / f"u{number:03d}.wav", tone, 16_000)
        rows.append(f"u{number:03d}.wav,s{number // (n_each * len(emotions))},{emotion}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder / "labels.csv"
