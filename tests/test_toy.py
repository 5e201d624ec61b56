"""The proof that one path serves every task: a toy task and a toy system, a file and a row each."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import toy_system
import toy_task

import undertone
from undertone import config, tasks
from undertone.evaluation.compare import compare, parse
from undertone.experiment import CurveSettings, curve
from undertone.pipeline import Resources
from undertone.recogniser.settings import FinetuneSettings
from undertone.systems import fitted, table

SYSTEMS = ("nearest", "pretrained_frozen", "scratch", "functionals_ridge", "cnn", "mean")


@pytest.fixture(scope="module", autouse=True)
def _rows():
    """One row in the table of tasks, one in that of systems, one in that of heads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tasks.TASKS, "pleasantness", toy_task.Pleasantness)
        patch.setattr(table, "ROWS", (toy_system.ROW, *table.ROWS))
        patch.setitem(fitted.HEADS, "nearest", toy_system.Nearest)
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Tones of six speakers: the higher, the more pleasant; no column of emotions."""
    folder, rng, rows = tmp_path_factory.mktemp("toy"), np.random.default_rng(5), []
    for number in range(48):
        pleasant = 1 + 4 * rng.random()
        time_s = np.arange(6400 + 160 * (number % 7)) / 16_000
        tone = 0.2 * np.sin(2 * np.pi * (100 + 60 * pleasant) * time_s)
        noise = 0.003 * rng.normal(size=len(time_s))
        soundfile.write(folder / f"u{number:02d}.wav", tone + noise, 16_000)
        rows.append({"file": f"u{number:02d}.wav", "speaker": f"s{number % 6}"})
        rows[-1]["pleasant"] = f"{pleasant:.3f}"
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


@pytest.fixture(scope="module")
def runs(corpus, resources, tmp_path_factory):
    values = {
        "corpus": f"toy={corpus / 'labels.csv'}",
        "budgets": [12, 24],
        "draws": 2,
        "folds": 3,
        "systems": list(SYSTEMS),
        "encoder": {"hidden_units": 8, "layers": 1, "stride": 4},
        "pretrain": {"max_epochs": 1},
        "finetune": {"max_epochs": 3},
        "cnn": {"max_epochs": 2, "channels": 8, "blocks": 1},
    }
    places = [tmp_path_factory.mktemp("run") / name for name in ("one", "other")]
    for place, of_toy in zip(places, ({"scale": 1.0}, {"scale": 0.5}), strict=True):
        settings = config.load(CurveSettings, values | {"nearest": of_toy})
        assert curve(settings, place, resources).report == place / "report.html"
    return places


def test_a_curve_of_the_toy_task_holds_the_toy_system(runs):
    predictions = pd.read_parquet(runs[0] / "predictions.parquet")
    assert set(predictions["system"]) == set(SYSTEMS)
    assert predictions["pleasant"].between(1, 5).all()
    fits = predictions.groupby(["system", "budget", "draw"], observed=True)["utterance"]
    assert (fits.nunique() == 48).all()
    settings = config.read_toml(runs[0] / "config.toml")
    assert settings["task"] == "pleasantness"
    assert settings["nearest"] == {"scale": 1.0}


def test_the_toy_system_learns(runs):
    results = pd.read_parquet(runs[0] / "results.parquet")
    ccc = results[(results["metric"] == "ccc") & (results["budget"] == 24)]
    ccc = ccc[ccc["emotion"] == "mean"].groupby("system")["value"].mean()
    assert ccc["nearest"] > 0.8
    assert ccc["functionals_ridge"] > 0.8
    assert ccc["mean"] == pytest.approx(0, abs=1e-6)


def test_the_settings_of_a_system_reach_it(runs):
    one, other = (pd.read_parquet(run / "predictions.parquet") for run in runs)
    changed = (one["pleasant"] != other["pleasant"]).groupby(one["system"], observed=True).any()
    assert list(changed[changed].index) == ["nearest"]


def test_the_report_tells_of_both(runs):
    page = (runs[0] / "report.html").read_text()
    for text in ("nearest neighbour", "CCC", "The mean of the labels.", "pleasant"):
        assert text in page
    assert "UAR" not in page


def test_runs_of_the_toy_task_are_compared(runs):
    comparison = compare([parse(f"{run.name}={run}:nearest") for run in runs])
    assert comparison.metric_label == "CCC"
    assert [row[0] for row in comparison.differences()] == ["one − other"]


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name != "pretrained_frozen"])
def test_a_model_of_it_is_saved_served_and_scored(corpus, resources, tmp_path, system):
    values = {
        "system": system,
        "folds": 3,
        "labels": 24,
        "encoder": {"hidden_units": 8, "layers": 1, "stride": 4},
        "finetune": {"max_epochs": 3},
        "cnn": {"max_epochs": 2, "channels": 8, "blocks": 1},
    }
    model, score = undertone.finetune(
        f"toy={corpus / 'labels.csv'}",
        tmp_path / "model",
        settings=config.load(FinetuneSettings, values),
        resources=resources,
    )
    assert score.task.name == "pleasantness"
    assert f"`{system}`" in (tmp_path / "model" / "README.md").read_text()
    assert json.loads((tmp_path / "model" / "config.json").read_text())["system"] == system
    files = sorted(corpus.glob("*.wav"))
    served = list(undertone.predict(tmp_path / "model", files, answer_anyway=True))
    assert [p.emotion for p in served] == [None] * 48
    direct = [p.values for p in undertone.predict(model, files, answer_anyway=True)]
    assert [p.values for p in served] == direct
    pd.DataFrame([p.to_dict() for p in served]).to_csv(tmp_path / "served.csv", index=False)
    again = undertone.score(
        truth=corpus / "labels.csv", prediction=tmp_path / "served.csv", n_replicates=20
    )
    assert again.task.name == "pleasantness"
    assert again.n_utterances == 48
