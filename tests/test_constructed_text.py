"""The script that constructs speech in which words and voice tell different things."""

import importlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from text_fakes import WORDS, write_text_encoder
from upstream_fakes import write_encoder

from undertone import audio
from undertone.corpora.sentences import fold
from undertone.features.asr import Heard

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("constructed_text")


@pytest.fixture
def emobank(tmp_path):
    """Four hundred sentences of six words; of ten of them nothing is left without case."""
    rng = np.random.default_rng(0)
    numbers = [f"n{i}" for i in range(400)]
    rows = [
        (f"{' '.join(rng.permutation(WORDS)[:5])} {n}", 2.0 + i % 3) for i, n in enumerate(numbers)
    ]
    rows += [(f"{rows[0][0].upper()}{'!' * i}", 2.0) for i in range(1, 10)]
    rows += [("too short", 2.0), (" ".join(["long"] * 20), 4.0)]
    table = pd.DataFrame(rows, columns=["text", "V"]).assign(id=range(len(rows)), A=3.0, D=3.0)
    table.to_csv(tmp_path / "emobank.csv", index=False)
    return tmp_path / "emobank.csv"


def sung(file, text, speaker, knobs):
    """A tone as high and loud as the knobs say, in place of a voice."""
    pitch, _, amplitude = knobs
    tone = np.sin(2 * np.pi * (100 + 5 * pitch) * np.arange(6400) / audio.SAMPLE_RATE)
    soundfile.write(file, amplitude.clip(5, 200) / 250 * tone, audio.SAMPLE_RATE)


class Listener:
    """Hears something else each time: the same in all would be one sentence of everybody."""

    digest, languages, n = "toy", ("en",), 0

    def hear(self, waveform, language):
        self.n += 1
        return Heard(f"i am n{self.n}", language, -0.5)


def test_no_sentence_is_said_twice_and_arousal_is_in_the_knobs(
    script, emobank, tmp_path, monkeypatch
):
    heard = {}

    def note(file, text, speaker, knobs):
        heard[file.name] = (text, speaker, knobs)

    monkeypatch.setattr(script, "read_aloud", note)
    table = pd.read_csv(script.build(tmp_path / "corpus", emobank, share=0.5))
    assert len(table) == len(heard) == 65 + 65 + 50
    assert table["transcript"].map(fold).is_unique
    assert table["transcript"].str.split().str.len().between(4, 11).all()
    assert table.groupby("speaker").size().tolist() == [15] * 12
    assert np.abs(table[["arousal", "valence"]].corr().iloc[0, 1]) < 0.25
    knobs = np.stack([heard[file][2] for file in table["file"]])
    noise = (knobs - (50, 170, 100)) - np.outer(table["arousal"], (22, 35, 40))
    np.testing.assert_allclose(noise.std(axis=0), (4, 8, 10), rtol=0.15)
    again = pd.read_csv(script.build(tmp_path / "again", emobank, share=0.5))
    pd.testing.assert_frame_equal(table, again)


@pytest.mark.slow
def test_every_way_to_read_the_words_is_a_line_of_the_table(
    script, emobank, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(script, "read_aloud", sung)
    monkeypatch.setattr(script, "BUDGETS", (8,))
    monkeypatch.setattr(script, "what_is_missing", lambda path: "")
    monkeypatch.setattr("undertone.features.asr.load", lambda name: Listener())
    words = (*WORDS, *(f"n{i}" for i in range(400)))
    options = {
        "--emobank": emobank,
        "--features": f"upstream:{write_encoder(tmp_path / 'voice', 'hubert-layer')}@all",
        "--text": write_text_encoder(tmp_path / "text", window=64, words=words),
        "--asr": "toy",
        "--out": tmp_path / "out",
        "--cache": tmp_path / "cache",
        "--sentences": 0.1,
        "--draws": 1,
        "--workers": 1,
    }
    flat = [str(part) for option in options.items() for part in option]
    monkeypatch.setattr(sys, "argv", ["constructed_text", *flat])
    script.main()
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert table["words"].unique().tolist() == ["encoder", "random network", "rated sentences"]
    assert set(table["system"][table["words"] == "encoder"]) == set(script.SYSTEMS)
    assert table["valence"].str.contains("[", regex=False).all()
    assert "36 sentences: word error rate of the speech recogniser" in capsys.readouterr().out


def test_the_random_network_is_the_same_network(script, tmp_path):
    from undertone.features.text import source

    text = write_text_encoder(tmp_path / "text")
    random = source.find(str(script.random_encoder(tmp_path / "random", str(text))))
    real = source.find(str(text))
    assert (random.width, random.family) == (real.width, real.family)
    assert random.digest != real.digest


def test_word_errors_are_edits(script):
    said = pd.DataFrame({"utterance": list("abc"), "transcript": ["So, good day!", "Yes", "No"]})
    heard = pd.DataFrame({"utterance": list("cba"), "transcript": [None, "yes oh", "so day"]})
    assert script.word_errors(said, heard) == 3 / 5


def test_what_is_missing_is_said_and_nothing_else_happens(
    script, emobank, tmp_path, monkeypatch, capsys
):
    arguments = ["--emobank", "absent.csv", "--features", "x", "--text", "y", "--out", "z"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["constructed_text", *arguments])
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/espeak-ng")
    script.main()
    assert capsys.readouterr().out.startswith("skipped: there is no absent.csv: EmoBank is at")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "espeak-ng is not installed" in script.what_is_missing(emobank)
    assert not (tmp_path / "z").exists()
