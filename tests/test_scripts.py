"""The scripts behind ``docs/experiments.md`` run, and see no test speaker."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from upstream_fakes import write_encoder

from undertone import atomic, audio, config
from undertone.learning_curve import CurveSettings

EMOTIONS = ("anger", "neutral", "sadness")
SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


@pytest.fixture
def run(tmp_path, rng):
    """The settings of a curve on six speakers whose emotions are noises of three colours."""
    rows = []
    for speaker in range(6):
        for number in range(12):
            width = 1 + 4 * (number % 3)
            colour = np.convolve(rng.normal(0, 0.1, 8000), np.ones(width) / width, mode="same")
            rows.append((f"s{speaker}-{number:02d}.wav", f"s{speaker}", EMOTIONS[number % 3]))
            soundfile.write(tmp_path / rows[-1][0], colour, audio.SAMPLE_RATE)
    table = pd.DataFrame(rows, columns=["file", "speaker", "emotion"])
    table.to_csv(tmp_path / "labels.csv", index=False)
    settings = CurveSettings(
        corpus=str(tmp_path / "labels.csv"),
        features=f"upstream:{write_encoder(tmp_path / 'hubert', 'hubert-layer')}@auto",
        budgets=(9,),
        folds=3,
    )
    atomic.write_text(tmp_path / "run" / "config.toml", config.to_toml(settings))
    return tmp_path / "run"


@pytest.mark.slow
def test_layers_are_chosen_by_training_speakers_alone(script, run, tmp_path, monkeypatch):
    nested, asked = script("nested_layers"), []
    score = nested._score
    monkeypatch.setattr(
        nested, "_score", lambda *given: asked.append((given[0], given[2])) or score(*given)
    )
    arguments = ["--run", run, "--out", tmp_path / "out.json", "--cache", tmp_path / "store"]
    monkeypatch.setattr(sys, "argv", ["nested_layers.py", *map(str, arguments)])
    nested.main()
    found = json.loads((tmp_path / "out.json").read_text())
    assert set(found["chosen"]) == {"0", "1", "2"}
    scores = pd.DataFrame(found["scores"]).groupby("candidate")["uar"].mean()
    assert len(scores) == 9  # four layers and five ways to put them together
    assert scores["means of all, middle most (the default)"] > 0.4  # chance is .33
    for problem, corpus in asked:
        assert corpus.table["speaker"].nunique() == 4  # of six, two are tested outside
        named = set(corpus.table["utterance"])
        assert {*problem.budget, *problem.test} <= named


def test_gains_by_emotion_are_differences_of_recalls(script, tmp_path, monkeypatch, capsys):
    fakes = importlib.import_module("evaluation_fakes")
    skill = {name: fakes.SKILL[name] for name in ("pretrained_frozen", "scratch_full")}
    predictions = fakes.predictions(skill)
    predictions.to_parquet(tmp_path / "predictions.parquet")
    (tmp_path / "config.toml").write_text('corpus = "twelve"\n')
    pair = [f"{tmp_path}:pretrained_frozen", f"{tmp_path}:scratch_full"]
    monkeypatch.setattr(sys, "argv", ["emotion_gains.py", *pair])
    script("emotion_gains").main()
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in rows] == [f"| {name}" for name in sorted(fakes.EMOTIONS)]
    of_one = predictions[(predictions["truth"] == "anger") & (predictions["budget"] == 20)]
    hit = (of_one["prediction"] == "anger").groupby([of_one["system"], of_one["draw"]]).mean()
    expected = hit["pretrained_frozen"].mean() - hit["scratch_full"].mean()
    assert float(rows[0].split(" | ")[1].split()[0]) == pytest.approx(expected, abs=6e-4)
