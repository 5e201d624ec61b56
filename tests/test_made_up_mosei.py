"""CMU-MOSEI's layout with made-up features: read as the real one; nothing beats a constant."""

import importlib
import sys
from pathlib import Path

import mosei_fakes as fakes
import numpy as np
import pandas as pd
import pytest

from undertone.corpora import csd, mosei
from undertone.errors import UndertoneError
from undertone.evaluation.curves import trace
from undertone.evaluation.predictions import read_predictions, task_told
from undertone.features.mosei import read
from undertone.pipeline import Resources
from undertone.recipes import RECIPES
from undertone.tasks.intensities import INTENSITIES

SCRIPTS = Path(__file__).parent.parent / "scripts"
TINY = {
    "budgets": [20, 80],
    "draws": 3,
    "encoder": {"hidden_units": 8, "layers": 1, "stride": 25},
    "pretrain": {"max_epochs": 2, "crop_steps": 20},
    "finetune": {"max_epochs": 8, "patience": 3},
    "replicates": 40,
}
HEARING = ("pretrained_frozen", "pretrained_full", "scratch", "random_frozen", "functionals_ridge")


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module("made_up_mosei")
    sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module")
def table():
    """Real labels where they are at hand; videos no longer than half a minute."""
    rng = np.random.default_rng(3)
    table = fakes.label_table(rng, n_videos={"train": 90, "valid": 2, "test": 60})
    table = table[table["end"] < 30]
    if (table["end"] - table["start"]).nunique() == 1:  # of labels that were drawn
        table = table.assign(end=table["end"] - rng.uniform(0, 2, len(table)).round(2))
    return table.sort_values(["video", "start"]).reset_index(drop=True)


@pytest.fixture(scope="module")
def folder(script, table, tmp_path_factory):
    place = tmp_path_factory.mktemp("made-up") / "mosei"
    script.write(table, place, seed=1)
    return place


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


def test_the_layout_is_read_and_what_is_wrong_is_repaired(folder, table, resources):
    corpus = mosei.read(folder)
    assert len(corpus) == len(table)
    frames, repairs = read(corpus, folder=resources.cache, progress=False)
    assert repairs.n_nan > 0
    assert repairs.n_infinite > 0
    assert repairs.n_constant_rows > 0
    assert repairs.videos_without_labels == ("video-without-labels",)
    assert repairs.hop_s == pytest.approx(0.01)
    lengths = set(frames.lengths.values())
    assert len(lengths) > 20  # ragged
    seconds = corpus.table.set_index("utterance").eval("end_s - start_s")
    for name in list(frames.source)[:20]:
        assert len(frames.frames(name)) == pytest.approx(100 * seconds[name], abs=1.5)
    if table["video"][table["split"] == "train"].nunique() > 20:
        assert list(repairs.n_other_width) == ["43"]
        assert len(repairs.videos_without_frames) == 2
        assert all("43 features" in why or "no frames" in why for why in frames.failures.values())


def test_features_know_nothing_of_labels(script, table, tmp_path):
    """The same seed gives the same features, whatever the labels are."""
    other = table.assign(happy=3 - table["happy"], fear=1.0)
    for name, of_labels in (("a", table), ("b", other)):
        script.write(of_labels, tmp_path / name, seed=5)
    video = table["video"][table["split"] == "test"].iloc[0]
    entries = []
    for name in ("a", "b"):
        with csd.open(tmp_path / name / mosei.FRAMES_FILE) as sequence:
            entries.append(sequence.read(video).features)
    np.testing.assert_array_equal(*entries)


def scores(folder, resources, out):
    """Gains of every system that hears something over the best constant, by metric and budget."""
    RECIPES["masked-gru"](TINY | {"corpus": f"mosei={folder}"}, out, resources)
    predicted = pd.read_parquet(out / "predictions.parquet")
    task = task_told(list(predicted.columns), None)
    predictions, tested = read_predictions(predicted, task)
    curves = trace(
        predictions,
        task=task,
        truth=tested.truth,
        speakers=tested.speakers,
        n_replicates=200,
    )
    return {
        (system, budget, metric): curves.gain(system, "median", budget=budget, metric=metric)
        for system in HEARING
        for budget in curves.budgets
        for metric in ("mae", "presence_auc", "ccc")
    }


def test_no_arm_beats_a_constant_on_features_that_are_made_up(folder, resources, tmp_path):
    gains = scores(folder, resources, tmp_path / "run")
    ahead = [key for key, gain in gains.items() if gain.low > 0]
    assert len(gains) == 5 * 2 * 3
    assert len(ahead) <= 1, ahead  # of thirty intervals of 95 %, one-sided
    assert max(gain.value for (*_, metric), gain in gains.items() if metric == "mae") < 0.01


def test_a_leak_would_be_seen(script, table, resources, tmp_path):
    """Features that hold the label: what the check above would meet if something leaked."""
    place = tmp_path / "mosei"
    script.write(table, place, seed=1)
    leaking = {}
    with csd.open(place / mosei.FRAMES_FILE) as sequence:
        for video, rows in table.groupby("video"):
            if video not in sequence:
                continue
            entry = sequence.read(video)
            values = entry.features.copy()
            for row in rows.to_dict("records"):
                first, last = (int(row[name] * 100) for name in ("start", "end"))
                values[first:last, : len(INTENSITIES)] += [10 * row[name] for name in INTENSITIES]
            leaking[str(video)] = csd.Entry(values, entry.intervals_s)
    csd.write(place / mosei.FRAMES_FILE, leaking.items(), root="COVAREP", metadata={})
    gains = scores(place, resources, tmp_path / "run")
    assert gains["functionals_ridge", 80, "presence_auc"].low > 0.1
    ahead = {key[1:] for key, gain in gains.items() if gain.low > 0}
    assert {(80, "mae"), (80, "presence_auc"), (80, "ccc")} <= ahead


@pytest.mark.corpora
def test_its_size_is_mosei_s(script, corpora_root):
    whole = script.read_labels(corpora_root / "mosei_labels" / "labels.csv")
    assert len(whole) == 23_259
    tenth = script.some_videos(whole, 0.1)
    assert set(tenth["split"]) == {"train", "valid", "test", "none"}
    assert tenth["video"].nunique() == pytest.approx(0.1 * whole["video"].nunique(), rel=0.01)


def test_what_cannot_be_made_is_told(script, table, tmp_path):
    table.drop(columns="fear").to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(UndertoneError, match="lacks the columns fear"):
        script.read_labels(tmp_path / "labels.csv")
    with pytest.raises(UndertoneError, match="--share must be above 0"):
        script.some_videos(table, 0.0)


def test_the_command_writes_the_folder(script, table, tmp_path, monkeypatch, capsys):
    table.to_csv(tmp_path / "labels.csv", index=False)
    places = ["--labels", str(tmp_path / "labels.csv"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["made_up_mosei.py", *places, "--share", "0.2"])
    script.main()
    corpus = mosei.read(tmp_path / "out")
    assert f"{len(corpus)} segments of {corpus.table['video'].nunique()} videos" in (
        capsys.readouterr().out
    )
