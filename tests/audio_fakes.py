"""Sound files that recorders, pipes, copies and renames leave behind."""

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16_000


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Noise whose every stretch is another."""
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE, **form: str) -> Path:
    soundfile.write(path, samples, rate, **form)
    return path


def with_data_size(path: Path, size: int, *, riff: int | None = None) -> Path:
    """The same WAV, another number of bytes announced."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"data") + 4, size)
    if riff is not None:
        struct.pack_into("<I", content, 4, riff)
    path.write_bytes(content)
    return path


def joined(out: Path, *paths: Path) -> Path:
    out.write_bytes(b"".join(path.read_bytes() for path in paths))
    return out


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg; a test that needs it skips where it is not installed."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    subprocess.run(["ffmpeg", "-y", "-v", "error", *map(str, arguments)], check=True)
