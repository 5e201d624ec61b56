"""The starter model, and what serving a classic head needs: neither torch nor pandas nor Numba."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from serving_fakes import write_voice
from typer.testing import CliRunner

from undertone import cli
from undertone.errors import UndertoneError
from undertone.features import extractors
from undertone.features.descriptors import describe
from undertone.models.discriminant import Discriminant
from undertone.models.heads import Constant, Logistic, Ridge, SupportVectors
from undertone.models.shape import EncoderConfig
from undertone.recogniser.folder import Inputs, Recogniser, load
from undertone.recogniser.starter import STARTER, starter_folder
from undertone.serving.predict import predict
from undertone.systems.fitted import OnVectors, View
from undertone.tasks import Classes, Intensities
from undertone.training.normalise import unchanged

HEAVY = ("torch", "pandas", "numba", "sklearn", "matplotlib", "pyarrow", "transformers", "rich")
COLUMNS = extractors.get("log_mel").columns


def test_the_starter_is_of_the_features_of_today():
    model, now = load(starter_folder()), extractors.get("log_mel")
    assert (model.inputs.features, model.inputs.version) == ("log_mel", now.version), (
        "run scripts/make_starter.py again"
    )
    assert model.inputs.columns == now.columns
    noise = np.random.default_rng(0).normal(size=(300, len(now.columns))).astype(np.float32)
    assert model.fitted.head.weight.shape[1] == len(describe(noise, now.columns))
    assert sum(path.stat().st_size for path in starter_folder().glob("*.*")) < 200_000


def test_its_card_tells_both_scores_beside_chance():
    notes, card = load(STARTER).notes, (starter_folder() / "README.md").read_text()
    assert 0.25 == notes["chance"] < notes["elsewhere"]["low"] < notes["unheard"]["low"]
    for words in ("## On another corpus", "RAVDESS", "CC0", "chance", "nothing of your recordings"):
        assert words in card


def test_it_answers_where_no_model_is_named_and_says_how_little_it_knows(tmp_path):
    path = write_voice(tmp_path / "a.wav")
    done = CliRunner().invoke(cli.app, ["predict", str(path)])
    assert done.exit_code == 0
    assert done.stdout.startswith(str(path))
    assert "of recordings like yours nobody knows. `undertone models`" in done.stderr
    (told,) = predict(files=path)
    assert list(predict(str(path))) == [told] == list(predict(STARTER, path))
    assert told.emotion in load(STARTER).task.outputs


def test_models_lists_it_and_those_in_folders(tmp_path, monkeypatch):
    saved(tmp_path / "mine", "constant")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, ["models", "."])
    assert done.exit_code == 0
    for words in (
        "starter",
        "anger",
        "mine",
        "RAVDESS",
        "UAR of chance: 0.25",
        "finetune --corpus",
    ):
        assert words in done.stdout
    for odd in (tmp_path / "absent", write_voice(tmp_path / "empty/a.wav").parent):
        done = CliRunner().invoke(cli.app, ["models", str(odd)])
        assert isinstance(done.exception, UndertoneError)


def test_a_model_of_older_features_says_so_and_not_that_it_is_damaged(tmp_path):
    folder = saved(tmp_path / "model", "discriminant", version=0, n_values=5)
    with pytest.raises(UndertoneError, match="trained on version 0 of log_mel, this Undertone"):
        predict(folder, write_voice(tmp_path / "a.wav"))


def head_of(name, n):
    rng = np.random.default_rng(0)
    mean, sd = rng.normal(size=n), rng.uniform(1, 2, n)
    present = np.ones(3, dtype=bool)
    heads = {
        "discriminant": lambda: Discriminant(
            mean, sd, np.ones(n), rng.normal(size=(3, n)) / n, np.zeros(3)
        ),
        "logistic": lambda: Logistic(mean, sd, rng.normal(size=(n, 3)), np.zeros(3), present),
        "support_vectors": lambda: SupportVectors(
            *(mean, sd, rng.normal(size=(5, n)), rng.normal(size=(5, 3)), np.zeros(3)),
            *(np.array(1 / n), present),
        ),
        "ridge": lambda: Ridge(mean, sd, rng.normal(size=(n, 6)), np.ones(6), np.array([0.0, 3.0])),
        "constant": lambda: Constant(np.array([0.2, 0.3, 0.5])),
    }
    return heads[name]()


def saved(folder, name, version=None, n_values=None):
    frames = np.random.default_rng(0).normal(size=(200, len(COLUMNS))).astype(np.float32)
    head = head_of(name, n_values or len(describe(frames, COLUMNS)))
    view = View(() if name == "constant" else ("descriptors",))
    task = Intensities() if name == "ridge" else Classes(("anger", "fear", "joy"))
    inputs = Inputs.of("log_mel", unchanged(len(COLUMNS), stride=EncoderConfig().stride))
    if version is not None:
        inputs = replace(inputs, version=version)
    Recogniser(inputs, EncoderConfig(), task, name, OnVectors(view, head)).save(folder, "card")
    return folder


@pytest.mark.parametrize(
    "name", ["discriminant", "logistic", "support_vectors", "ridge", "constant"]
)
def test_a_classic_head_is_served_without_what_trains_it(tmp_path, name):
    model, path = saved(tmp_path / "model", name), write_voice(tmp_path / "a.wav")
    code = (
        "import sys, json; from undertone.cli import app;"
        f"app(['predict', {str(model)!r}, {str(path)!r}, '--format', 'jsonl'], "
        "standalone_mode=False);"
        f"print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    row, heavy = done.stdout.splitlines()
    assert heavy == "[]"
    assert json.loads(row)["error"] is None
    (here,) = predict(model, path)
    assert json.loads(row) == here.to_dict()
