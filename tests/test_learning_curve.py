"""The main job end to end, small: resumable, the same whatever the processes, honest folders."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from undertone import config
from undertone.errors import UndertoneError
from undertone.learning_curve import CurveSettings, curve, demo_settings
from undertone.pipeline import Resources

TINY = {
    "budgets": [4, 12],
    "draws": 2,
    "folds": 2,
    "encoder": {"hidden_units": 16, "stride": 8},
    "pretrain": {"max_epochs": 2},
    "finetune": {"max_epochs": 2, "epochs_without_validation": 1},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Forty tones of four speakers, whose pitch is their emotion; half of one more unlabelled."""
    return write_tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def settings(corpus) -> CurveSettings:
    names = {"corpus": f"tones={corpus / 'labels.csv'}", "unlabelled": [f"more={corpus / 'more'}"]}
    return config.load(CurveSettings, TINY | names)


@pytest.fixture(scope="module")
def resources(tmp_path_factory) -> Resources:
    return Resources(tmp_path_factory.mktemp("cache"), workers=2, progress=False)


@pytest.fixture(scope="module")
def run(settings, resources, tmp_path_factory) -> Path:
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("run") / "whole"
    assert curve(settings, out, resources) == out / "report.html"
    return out


def test_every_fit_is_there_once_and_no_test_speaker_among_its_labels(run):
    table = pd.read_parquet(run / "predictions.parquet")
    assert len(table) == 7 * 2 * 2 * 40  # systems, budgets, draws, utterances
    assert table.groupby(["system", "budget", "draw"])["utterance"].nunique().eq(40).all()
    by_fold = table.groupby("fold")["speaker"].unique()
    assert not set(by_fold[0]) & set(by_fold[1])
    chances = table[[c for c in table if c.startswith("p_")]].to_numpy()
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-4)
    results = pd.read_parquet(run / "results.parquet")
    assert len(results) == 7 * 2 * 2 * 2 * 3  # one row a fit and metric


def test_pitch_is_learnt_and_a_constant_is_not(run):
    table = pd.read_parquet(run / "results.parquet")
    uar = table[(table["metric"] == "uar") & (table["budget"] == 12)]
    uar = uar.groupby("system")["value"].mean()
    assert uar["functionals_logistic"] > 0.9
    assert uar["constant"] == pytest.approx(0.5)


def test_the_run_repeats_from_its_settings_file_with_other_processes(run, resources, tmp_path):
    again = config.load(CurveSettings, config.read_toml(run / "config.toml"))
    curve(again, tmp_path, dataclasses.replace(resources, workers=1))
    for name in ("results.parquet", "predictions.parquet"):
        assert (tmp_path / name).read_bytes() == (run / name).read_bytes()


def test_a_second_run_in_the_same_folder_computes_nothing_and_logs_its_look(
    run, settings, resources
):
    before = {p: p.stat().st_mtime_ns for p in (run / "fits").rglob("*.npz")}
    looks = (run / "test_looks.jsonl").read_text().splitlines()
    curve(settings, run, resources)
    assert {p: p.stat().st_mtime_ns for p in (run / "fits").rglob("*.npz")} == before
    assert len((run / "test_looks.jsonl").read_text().splitlines()) == len(looks) + 1
    assert json.loads(looks[0])["undertone"]


def test_a_killed_run_goes_on_and_gives_the_same_tables(run, settings, resources, tmp_path):
    out = tmp_path / "killed"
    (tmp_path / "settings.toml").write_text(config.to_toml(settings))
    arguments = ["--config", str(tmp_path / "settings.toml"), "--out", str(out), "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "undertone", "curve", *arguments, "--cache", str(resources.cache)],
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while len(list(out.glob("fits/*/*.npz"))) < 5 and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = {p: p.stat().st_mtime_ns for p in out.glob("fits/*/*.npz")}
    assert 5 <= len(finished) < 56
    assert not (out / "report.html").exists()
    curve(settings, out, resources)
    assert all(p.stat().st_mtime_ns == when for p, when in finished.items())
    for name in ("results.parquet", "predictions.parquet"):
        assert (out / name).read_bytes() == (run / name).read_bytes()


def test_a_folder_of_another_run_is_refused(run, settings, resources):
    with pytest.raises(UndertoneError, match="holds a run with other settings"):
        curve(dataclasses.replace(settings, seed=9), run, resources)


def test_a_folder_of_the_same_settings_but_other_data_is_refused(
    run, settings, resources, tmp_path
):
    other = write_tones(tmp_path / "other", n_a_speaker=8)
    toml = config.to_toml(dataclasses.replace(settings, corpus=f"tones={other / 'labels.csv'}"))
    (run / "config.toml").rename(run / "config.kept")
    try:
        (run / "config.toml").write_text(toml)
        with pytest.raises(UndertoneError, match="holds a run on other data"):
            curve(config.load(CurveSettings, config.read_toml(run / "config.toml")), run, resources)
    finally:
        (run / "config.kept").rename(run / "config.toml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budgets": (400,)}, "the largest possible is 20"),
        ({"budgets": (1,)}, "budgets are numbers of labels from 2 on"),
        ({"budgets": ()}, "budgets are numbers of labels"),
        ({"folds": 9}, "9 folds need 9 speakers with labels; tones has 4"),
        ({"systems": ("magic",)}, "there is no system magic; there are pretrained_frozen"),
        ({"features": "magic"}, "magic"),
        ({"draws": 0}, "at least 1 draw"),
    ],
)
def test_what_cannot_be_met_is_said_before_anything_is_trained(
    settings, resources, tmp_path, change, message
):
    with pytest.raises(UndertoneError, match=message):
        curve(dataclasses.replace(settings, **change), tmp_path / "new", resources)
    assert not (tmp_path / "new" / "fits").exists()


def test_the_report_counts_what_was_left_out(settings, resources, tmp_path, corpus):
    folder = write_tones(tmp_path / "tones")
    (folder / "bad.wav").write_bytes(b"RIFF no audio")
    table = pd.read_csv(folder / "labels.csv", dtype=str)
    table.loc[len(table)] = ["bad.wav", "s0", "anger"]
    table.loc[0, "speaker"] = "unknown"
    table.loc[1, "emotion"] = ""
    table.to_csv(folder / "labels.csv", index=False)
    small = dataclasses.replace(
        settings,
        corpus=f"tones={folder / 'labels.csv'}",
        systems=("functionals_logistic", "constant"),
        budgets=(4,),
    )
    report = curve(small, tmp_path / "run", resources).read_text()
    assert "unknown speaker" in report
    assert "no emotion label" in report
    assert "bad.wav" in report
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert table["utterance"].nunique() == 38


def test_a_full_disk_is_said_and_what_is_finished_is_kept(
    settings, resources, tmp_path, monkeypatch
):
    from undertone import atomic

    def full(path, content):
        if path.suffix == ".parquet":
            raise UndertoneError("the disk is full")
        return write(path, content)

    write = atomic.write_bytes
    small = dataclasses.replace(
        settings, systems=("functionals_logistic", "constant"), budgets=(4,), draws=1
    )
    monkeypatch.setattr(atomic, "write_bytes", full)
    with pytest.raises(UndertoneError, match="the disk is full"):
        curve(small, tmp_path / "run", resources)
    assert len(list((tmp_path / "run").glob("fits/*/*.npz"))) == 4
    monkeypatch.undo()
    curve(small, tmp_path / "run", resources)


def test_the_demo_takes_emodb_where_it_is_and_synthetic_voices_elsewhere(tmp_path):
    assert demo_settings(None).corpus == "synthetic"
    assert demo_settings(tmp_path).corpus == "synthetic"
    (tmp_path / "emodb").mkdir()
    assert demo_settings(tmp_path).corpus == f"emodb={tmp_path / 'emodb'}"
    with pytest.raises(UndertoneError, match="is not a folder"):
        demo_settings(tmp_path / "absent")


@pytest.mark.corpora
@pytest.mark.slow
def test_real_emotions_are_recognised_well_above_the_floors(corpora_root, resources, tmp_path):
    values = {
        "corpus": f"emodb={corpora_root / 'emodb'}",
        "unlabelled": [f"librispeech={corpora_root / 'librispeech'}"],
        "budgets": [100],
        "draws": 1,
        "folds": 2,
        "systems": ["pretrained_frozen", "functionals_logistic", "constant"],
        "encoder": {"hidden_units": 64, "stride": 4},
        "pretrain": {"max_epochs": 3},
    }
    report = curve(config.load(CurveSettings, values), tmp_path / "run", resources)
    table = pd.read_parquet(tmp_path / "run" / "results.parquet")
    uar = table[table["metric"] == "uar"].groupby("system")["value"].mean()
    assert uar["functionals_logistic"] > 0.6
    assert uar["pretrained_frozen"] > 0.5
    assert uar["constant"] == pytest.approx(0.25)
    assert "The voices in this report are synthetic" not in report.read_text()


def write_tones(folder: Path, n_a_speaker: int = 10) -> Path:
    """Two emotions, four speakers: a high tone is anger, a low one is sadness."""
    import soundfile

    rng = np.random.default_rng(0)
    (folder / "more").mkdir(parents=True)
    rows = ["file,speaker,emotion"]
    for number in range(4 * n_a_speaker + 6):
        emotion = ("anger", "sadness")[number % 2]
        seconds = np.arange(int(16_000 * rng.uniform(0.4, 0.8))) / 16_000
        f0_hz = {"anger": 300, "sadness": 110}[emotion] * rng.uniform(0.9, 1.1)
        tone = sum(np.sin(2 * np.pi * f0_hz * k * seconds) / k for k in range(1, 9))
        tone = 0.1 * tone + rng.normal(scale=0.003, size=len(seconds))
        labelled = number < 4 * n_a_speaker
        name = f"u{number:03d}.wav" if labelled else f"more/u{number:03d}.wav"
        soundfile.write(folder / name, tone, 16_000)
        if labelled:
            rows.append(f"{name},s{number // n_a_speaker},{emotion}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder
