"""The main job end to end, small: resumable, the same whatever the processes, honest folders."""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from undertone import config
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings, curve, demo_settings
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
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


@pytest.fixture(scope="module")
def run(settings, resources, tmp_path_factory) -> Path:
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("run") / "whole"
    assert curve(settings, out, resources).report == out / "report.html"
    return out


def test_the_report_holds_pretraining_against_what_takes_no_training(run):
    """Two epochs on a few tones teach little, and the report says so."""
    page = (run / "report.html").read_text()
    table = page[page.index("Pre-training, fold by fold") :]
    headings = re.findall(r"<th[^>]*>([^<]*)</th>", table[: table.index("</table>")])
    names = ["fold", "epochs", "best epoch", "held-out loss", "constant", "interpolation"]
    assert [heading.strip() for heading in headings][:6] == names
    assert "in 2 of 2 folds, pre-training has no lower loss of functionals than" in page


def test_every_fit_is_there_once_and_no_test_speaker_among_its_labels(run):
    table = pd.read_parquet(run / "predictions.parquet")
    assert len(table) == 10 * 2 * 2 * 40  # systems, budgets, draws, utterances
    assert table.groupby(["system", "budget", "draw"])["utterance"].nunique().eq(40).all()
    by_fold = table.groupby("fold")["speaker"].unique()
    assert not set(by_fold[0]) & set(by_fold[1])
    chances = table[[c for c in table if c.startswith("p_")]].to_numpy()
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-4)
    results = pd.read_parquet(run / "results.parquet")
    assert len(results) == 10 * 2 * 2 * 2 * 3  # one row a fit and metric


def test_pitch_is_learnt_and_a_constant_is_not(run):
    table = pd.read_parquet(run / "results.parquet")
    uar = table[(table["metric"] == "uar") & (table["budget"] == 12)]
    uar = uar.groupby("system")["value"].mean()
    assert uar["functionals_logistic"] > 0.9
    assert uar["constant"] == pytest.approx(0.5)


def test_the_run_repeats_from_its_settings_file_with_other_processes(run, resources, tmp_path):
    again = config.load(CurveSettings, config.read_toml(run / "config.toml"))
    curve(again, tmp_path, dataclasses.replace(resources, workers=2))
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
    process = _start(tmp_path / "settings.toml", out, resources)
    _await_fits(process, out, 5)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
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


def test_a_folder_whose_settings_cannot_be_read_is_refused(run, settings, resources, tmp_path):
    for i, text in enumerate((None, "corpus = ", "magic = 3\n")):
        out = tmp_path / str(i)
        shutil.copytree(run, out)
        (out / "config.toml").unlink()
        if text is not None:
            (out / "config.toml").write_text(text)
        with pytest.raises(UndertoneError, match="settings this Undertone cannot read"):
            curve(settings, out, resources)


def test_a_damaged_fit_is_computed_again(run, settings, resources, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    short, other = sorted((tmp_path / "run" / "fits").glob("*/*.npz"))[:2]
    short.write_bytes(short.read_bytes()[:50])
    np.savez(other, utterance=np.array(["u000"]), values=np.zeros((1, 2)), notes="{}")
    curve(settings, tmp_path / "run", resources)
    for name in ("results.parquet", "predictions.parquet"):
        assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes()


def test_a_run_whose_audio_was_replaced_is_refused(settings, resources, tmp_path):
    folder = write_tones(tmp_path / "tones")
    small = dataclasses.replace(
        settings,
        corpus=f"tones={folder / 'labels.csv'}",
        unlabelled=(),
        systems=("functionals_svm", "constant"),
        budgets=(4,),
    )
    curve(small, tmp_path / "run", resources)
    samples, rate = soundfile.read(folder / "u003.wav")
    soundfile.write(folder / "u003.wav", 0.5 * samples, rate)
    with pytest.raises(UndertoneError, match="holds a run on other data"):
        curve(small, tmp_path / "run", resources)


def test_a_mistake_does_not_take_the_folder(settings, resources, tmp_path):
    with pytest.raises(UndertoneError):
        curve(dataclasses.replace(settings, budgets=(400,)), tmp_path / "run", resources)
    small = dataclasses.replace(
        settings, unlabelled=(), systems=("functionals_svm", "constant"), budgets=(4,)
    )
    assert curve(small, tmp_path / "run", resources).report.exists()


def test_the_settings_file_repeats_the_run_from_any_folder(
    run, resources, tmp_path, monkeypatch, corpus
):
    monkeypatch.chdir(corpus)
    settings = config.load(CurveSettings, config.read_toml(run / "config.toml"))
    small = {"systems": ("functionals_svm", "constant"), "budgets": (4,), "unlabelled": ()}
    relative = dataclasses.replace(settings, corpus="tones=labels.csv", **small)
    curve(relative, tmp_path / "run", resources)
    monkeypatch.chdir(tmp_path)
    again = config.load(CurveSettings, config.read_toml(tmp_path / "run" / "config.toml"))
    curve(again, tmp_path / "again", resources)
    for name in ("results.parquet", "config.toml"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_parent_that_ends_leaves_no_process_and_no_traceback(settings, resources, tmp_path, how):
    (tmp_path / "settings.toml").write_text(config.to_toml(settings))
    process = _start(tmp_path / "settings.toml", tmp_path / "run", resources)
    _await_fits(process, tmp_path / "run", 1)
    (os.killpg if how is signal.SIGINT else os.kill)(process.pid, how)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    deadline = time.monotonic() + 20
    while _members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _members(process.pid)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budgets": (400,)}, "the largest possible is 20"),
        ({"budgets": (1,)}, "budgets are numbers of labels from 2 on"),
        ({"budgets": ()}, "budgets are numbers of labels"),
        ({"folds": 9}, "9 folds need 9 speakers with labels; tones has 4"),
        ({"systems": ("magic",)}, "there is no system magic; there are combined"),
        ({"features": "magic"}, "magic"),
        ({"draws": 0}, "draws must lie from 1 on"),
        ({"task": "weather"}, "there is no task 'weather'"),
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
        unlabelled=(),
        systems=("functionals_logistic", "constant"),
        budgets=(4,),
    )
    report = curve(small, tmp_path / "run", resources).report.read_text()
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
        settings,
        unlabelled=(),
        systems=("functionals_logistic", "constant"),
        budgets=(4,),
        draws=1,
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
    report = curve(config.load(CurveSettings, values), tmp_path / "run", resources).report
    table = pd.read_parquet(tmp_path / "run" / "results.parquet")
    uar = table[table["metric"] == "uar"].groupby("system")["value"].mean()
    assert uar["functionals_logistic"] > 0.6
    assert uar["pretrained_frozen"] > 0.5
    assert uar["constant"] == pytest.approx(0.25)
    assert "The voices in this report are synthetic" not in report.read_text()


def _start(settings: Path, out: Path, resources: Resources) -> subprocess.Popen:
    """A curve in a process group of its own, which Ctrl-C reaches as on a terminal."""
    arguments = ["--config", settings, "--out", out, "--cache", resources.cache, "--quiet"]
    return subprocess.Popen(
        [sys.executable, "-m", "undertone", "curve", "--workers", "2", *map(str, arguments)],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def _await_fits(process: subprocess.Popen, out: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(list(out.glob("fits/*/*.npz"))) < count and time.monotonic() < deadline:
        assert process.poll() is None, f"the run ended: {process.stderr.read()}"
        time.sleep(0.02)


def _members(group: int) -> list[str]:
    """Processes of a group that still run; what only waits to be collected does not count."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, rest = stat.read_text().rsplit(") ", 1)
            state, _, pgrp = rest.split()[:3]
            if pgrp == str(group) and state != "Z":
                found.append(name)
    return found


def write_tones(folder: Path, n_a_speaker: int = 10) -> Path:
    """Two emotions, four speakers: a high tone is anger, a low one is sadness."""
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


def test_a_training_that_ends_in_no_number_ends_the_run_and_keeps_what_is_finished(
    settings, resources, tmp_path, monkeypatch
):
    from undertone.systems import fits

    def broken(problem, settings):
        outputs = real(problem, settings)
        return dataclasses.replace(outputs, loss=lambda *given: outputs.loss(*given) * np.nan)

    real, out = fits.outputs_for, tmp_path / "run"
    small = dataclasses.replace(settings, systems=("functionals_logistic", "scratch", "constant"))
    monkeypatch.setattr(fits, "outputs_for", broken)
    with pytest.raises(UndertoneError, match="not finite in epoch 1 of") as told:
        curve(small, out, resources)
    assert "--set finetune.learning_rate=0.0001" in str(told.value)
    assert list(out.rglob("*functionals_logistic*")), "what is finished is kept"
    assert not list(out.rglob("*scratch*"))
    monkeypatch.undo()
    assert curve(small, out, resources).report.exists()
