"""Texts and sounds made to harm: one message each, in little time and memory."""

import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from undertone import audio, config
from undertone.corpora import emobox, shemo
from undertone.corpora import open as open_corpus
from undertone.corpora.msp_podcast import raters
from undertone.errors import UndertoneError
from undertone.evaluation.score import score
from undertone.evaluation.tables_given import open_table

DEEP = "[" * 200_000 + "]" * 200_000


def test_json_nested_deep_is_one_message_wherever_it_is_read(tmp_path):
    with pytest.raises(ValueError, match="nested too deep"):
        config.parse_json(DEEP)
    for name in ("deep.jsonl", "deep.json"):
        (tmp_path / name).write_text(DEEP)
    folds = tmp_path / "folds" / "fold_1"
    folds.mkdir(parents=True)
    for part in ("train", "test"):
        (folds / f"demo_{part}.jsonl").write_text(DEEP)
    readers = {
        "a table handed in": lambda: open_table(tmp_path / "deep.jsonl", "truth"),
        "a score": lambda: score(truth=tmp_path / "deep.jsonl", prediction=tmp_path / "deep.jsonl"),
        "raters": lambda: raters.read(tmp_path / "deep.json"),
        "corrected labels": lambda: shemo.read_corrections(tmp_path / "deep.json", {"F01A01"}),
        "folds": lambda: emobox.read_folds(folds.parent),
        "a corpus": lambda: open_corpus(f"csv={tmp_path / 'deep.jsonl'}"),
    }
    for what, read in readers.items():
        with pytest.raises(UndertoneError) as told:
            read()
        assert len(str(told.value)) < 600, what


RATE = 655_350  # the highest that FLAC can tell


def test_many_channels_at_a_high_rate_lie_in_memory_as_one(tmp_path):
    """A quarter of a gigabyte, were all channels decoded at once."""
    path, seconds = tmp_path / "wide.flac", 12
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 8, format="FLAC", subtype="PCM_16") as file:
        second = (rng.integers(-1, 2, (RATE, 1)) * 40).astype(np.int16)
        for _ in range(seconds):
            file.write(np.repeat(second, 8, axis=1))
    code = (
        "import resource, sys; from undertone import audio; import soxr, numpy;"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; before = used();"
        "samples = audio.read(sys.argv[1]); print(len(samples), used() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    n_samples, kilobytes = map(int, done.stdout.split())
    assert n_samples == pytest.approx(seconds * audio.SAMPLE_RATE, abs=2)
    assert kilobytes < 8 * RATE * seconds * 4 / 1024 / 2


def test_more_samples_than_half_an_hour_has_are_refused_before_they_are_decoded(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(audio, "MAX_SAMPLES", 10_000)
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.normal(size=20_000), 96_000)
    began = time.process_time()
    with pytest.raises(UndertoneError, match=r"million samples a channel at 96,000 Hz"):
        audio.read(tmp_path / "a.wav")
    assert time.process_time() - began < 2
    assert len(audio.read(tmp_path / "a.wav", end_s=0.1)) == 1600
    with pytest.raises(UndertoneError, match=r"million samples a channel"):
        audio.from_array(np.zeros(20_000, np.float32), 96_000)
