"""What 8 bits cost: measured on speakers that nobody who predicts them knows, and written down."""

import json
from dataclasses import replace

import numpy as np
import onnx_fakes  # noqa: F401  skips where the extra is missing
import pandas as pd
import pytest
import soundfile
from test_cli import run
from upstream_fakes import write_whisper

from undertone import corpora
from undertone.errors import UndertoneError
from undertone.evaluation.score import score_rows
from undertone.experiment import rounding
from undertone.experiment.rounding import cost_of_rounding
from undertone.models.heads import Constant
from undertone.pipeline import Resources
from undertone.recogniser.folder import load
from undertone.serving.onnx import parity
from undertone.systems.fitted import OnVectors
from undertone.systems.view import View
from undertone.tasks import Classes

EMOTIONS = ("anger", "neutral")
QUIET = Resources(None, 1, progress=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Six speakers; anger is a bright noise, neutral a dull one. The first four are ``known``."""
    folder, rng, rows = tmp_path_factory.mktemp("rounding"), np.random.default_rng(0), []
    for speaker in range(6):
        for number in range(4):
            white = rng.normal(0, 0.05, 5000)
            dull = np.convolve(white, np.ones(9) / 3, mode="same")
            file = f"s{speaker}_{number}.wav"
            soundfile.write(folder / file, (white, dull)[number % 2], 16_000)
            rows.append((file, f"s{speaker}", EMOTIONS[number % 2]))
    table = pd.DataFrame(rows, columns=["file", "speaker", "emotion"])
    table.to_csv(folder / "all.csv", index=False)
    table[table["speaker"] < "s4"].to_csv(folder / "known.csv", index=False)
    write_whisper(folder / "whisper")
    return folder


@pytest.fixture(scope="module")
def model(home):
    run(
        *("finetune", "--corpus", f"known={home / 'known.csv'}", "--out", home / "model"),
        *("--features", f"upstream:{home / 'whisper'}@all", "--system", "layers"),
        *("--cache", home / "cache", "--set", "folds=0", "--quiet", "--workers", "1"),
        *("--set", "discriminant.calibrate=false"),
    )
    return home / "model"


def test_strangers_are_predicted_by_the_model_itself(home, model):
    recogniser = load(model)
    cost = cost_of_rounding(recogniser, f"all={home / 'all.csv'}", folds=2, resources=QUIET)
    assert (cost.n_utterances, cost.whole.n_speakers) == (8, 2)
    assert "it knows none of the speakers" in cost.how[0]
    assert "Of 4 speakers the model was trained on speech: they are left out" in cost.how[0]
    assert cost.size_mb[1] < cost.size_mb[0]
    assert cost.metric == "UAR"


def test_whose_speech_is_known_is_predicted_by_others(home, model, tmp_path, monkeypatch):
    """And the cost stands in the folder."""
    monkeypatch.setattr(parity, "N_RANDOM", 2)
    monkeypatch.setattr(parity, "IN_PIECES_S", 0.3)
    monkeypatch.setattr(parity, "LONGEST_S", 0.4)
    done = run(
        *("export", model, "--onnx", tmp_path / "made", "--int8", "--folds", "2", "--quiet"),
        *("--corpus", f"known={home / 'known.csv'}", "--cache", home / "cache", "--workers", "1"),
    )
    assert "difference" in done.stdout
    assert "16 utterances of 4 speakers of known" in done.stdout
    assert "fitted again with all labels in 2 folds" in done.stdout
    assert "2 recordings of random length and 16 real clips" in done.stdout
    config = json.loads((tmp_path / "made" / "config.json").read_text())
    assert config["int8"]
    assert config["inputs"] == ["waveforms", "lengths"]
    assert config["rounding"]["largest"] > config["parity"]["largest"]
    said = (tmp_path / "made" / "README.md").read_text()
    for sentence in config["cost"]:
        assert sentence in said
    assert "16 utterances of 4 speakers" in said
    assert not (tmp_path / "made" / "features").exists()


def test_the_difference_is_paired_and_by_speaker(home, monkeypatch):
    """As of ``score`` by itself; of two graphs that say the same it is 0, without an interval."""
    corpus = corpora.open(f"all={home / 'all.csv'}")
    task, rng = Classes(EMOTIONS), np.random.default_rng(1)
    heard = rounding._Heard(corpus)
    heard.names = list(corpus.table["utterance"])
    whole, rounded = rng.dirichlet([1, 1], (2, len(heard.names)))
    heard.values = (list(whole), list(rounded))
    cost = heard.told(task, ["how"])
    truth, speakers = task.truth(corpus.table), corpus.table["speaker"]
    for estimate, values in ((cost.whole, whole), (cost.rounded, rounded)):
        expected = score_rows(task, truth=truth, values=values, speakers=speakers).metrics["uar"]
        assert estimate == expected
    assert cost.difference.value == pytest.approx(cost.rounded.value - cost.whole.value)
    assert cost.same == np.mean(whole.argmax(1) == rounded.argmax(1))
    heard.values = (list(whole), list(whole))
    same = heard.told(task, ["how"])
    assert (same.difference.low, same.difference.high, same.same) == (0, 0, 1)


def test_a_model_without_weights_to_round_is_refused(home, model):
    fitted = OnVectors(View(), Constant(np.array([0.5, 0.5])))
    constant = replace(load(model), system="constant", fitted=fitted)
    with pytest.raises(UndertoneError, match="no encoder whose weights could be rounded"):
        cost_of_rounding(constant, f"all={home / 'all.csv'}", folds=2, resources=QUIET)
