"""Corpora that exist as tables only, of as many speakers, emotions and utterances as asked for."""

from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from undertone.corpora import COLUMNS, Corpus

EMOTIONS = ("anger", "happiness", "neutral", "sadness")


def fake_table(n_speakers: int = 8, n_each: int = 5, emotions: tuple = EMOTIONS) -> pd.DataFrame:
    """``n_each`` utterances of each speaker and emotion; every other speaker is a woman."""
    rows = [
        {
            "utterance": f"s{speaker:02d}-{emotion}-{number}",
            "file": f"s{speaker:02d}/{emotion}-{number}.wav",
            "speaker": f"s{speaker:02d}",
            "sex": ("female", "male")[speaker % 2],
            "language": "deu",
            "emotion": emotion,
        }
        for speaker in range(n_speakers)
        for emotion in emotions
        for number in range(n_each)
    ]
    return pd.DataFrame(rows).reindex(columns=[*COLUMNS, "emotion"])


def fake_corpus(table: pd.DataFrame | None = None, name: str = "fake", root: str = "/x") -> Corpus:
    table = fake_table() if table is None else table
    return Corpus(name, Path(root), table, licence="none", citation="none")


def write_audio(folder: Path, *files: str) -> None:
    """Short files, no two of them alike."""
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(list(file.encode())).normal(0, 0.1, 3200)
        soundfile.write(path, samples, 16_000)
