"""Fixtures every test may use: seeded randomness, and real material where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("UNDERTONE_WORKERS", "1")  # starting processes costs more than most tests

from undertone.systems import system


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_own_rows_stay():
    """Rows of one's own are of a process, in which many tests run."""
    yield
    system._own.clear()


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """Real speech; tests on it skip where it is not announced and fail where it is missing."""
    return _announced_folder("UNDERTONE_CORPORA")


@pytest.fixture(scope="session")
def golden_root() -> Path:
    """The folder of the reference's outputs."""
    return _announced_folder("UNDERTONE_GOLDEN")


@pytest.fixture(scope="session")
def weights_root() -> Path:
    """The folder of real pre-trained encoders."""
    return _announced_folder("UNDERTONE_WEIGHTS")


@pytest.fixture(scope="session")
def sentence_encoder() -> Path:
    """The folder of a real encoder of text, such as all-MiniLM-L6-v2."""
    return _announced_folder("UNDERTONE_TEXT_ENCODER")


@pytest.fixture(scope="session")
def asr_model() -> Path:
    """The folder of a real speech recogniser that faster-whisper reads."""
    pytest.importorskip("faster_whisper")
    return _announced_folder("UNDERTONE_ASR")


def _announced_folder(variable: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: it names a folder that is not part of the project")
    folder = Path(os.environ[variable]).resolve()
    assert folder.is_dir(), f"{variable} is {folder}, which is not a folder"
    return folder
