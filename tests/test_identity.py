"""Nothing that is stored passes for something else: resume points, fits, encoders, tables."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from test_experiment import TINY, write_tones

from undertone import config, pipeline
from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.experiment import CurveSettings, curve, open_run
from undertone.models.encoder import EncoderConfig
from undertone.pipeline import PretrainSettings, Resources
from undertone.training.pretrain import PretrainConfig

SMALL = PretrainSettings(
    encoder=EncoderConfig(hidden_units=16, stride=8), pretrain=PretrainConfig(max_epochs=2)
)


@pytest.fixture(scope="module")
def resources(tmp_path_factory) -> Resources:
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_tones(tmp_path_factory.mktemp("tones") / "tones")


@pytest.fixture(scope="module")
def settings(corpus) -> CurveSettings:
    systems = ["pretrained_frozen", "functionals_logistic", "constant"]
    names = {"corpus": f"tones={corpus / 'labels.csv'}", "systems": systems}
    return config.load(CurveSettings, TINY | {"budgets": [4, 8], "draws": 1} | names)


@pytest.fixture(scope="module")
def run(settings, resources, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    curve(settings, out, resources)
    return out


@pytest.fixture
def copy(run, tmp_path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def tables(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in ("results.parquet", "predictions.parquet")]


# --- an encoder is of the audio that it says


def test_an_old_encoder_is_not_passed_off_as_trained_on_new_audio(corpus, resources, tmp_path):
    pool, out = Path(shutil.copytree(corpus / "more", tmp_path / "pool")), tmp_path / "encoder"
    pipeline.pretrain([f"pool={pool}"], out, SMALL, resources)
    held = {path.name: path.read_bytes() for path in out.iterdir()}
    for path in pool.glob("*.wav"):  # other audio of the same lengths
        samples, rate = soundfile.read(path)
        soundfile.write(path, samples[::-1], rate)
    with pytest.raises(UndertoneError, match="a pre-training with another speech; choose another"):
        pipeline.pretrain([f"pool={pool}"], out, SMALL, resources)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == held


@pytest.mark.parametrize("change", ["order", "features", "seed", "settings"])
def test_an_encoder_is_of_its_order_features_seed_and_settings(corpus, resources, tmp_path, change):
    pool, out = Path(shutil.copytree(corpus / "more", tmp_path / "pool")), tmp_path / "encoder"
    pipeline.pretrain([f"pool={pool}"], out, SMALL, resources)
    other = SMALL
    if change == "order":
        (pool / "u040.wav").rename(pool / "u099.wav")
    elif change == "features":
        other = dataclasses.replace(SMALL, features="covarep")
    elif change == "seed":
        other = dataclasses.replace(SMALL, seed=1)
    else:
        other = dataclasses.replace(SMALL, pretrain=PretrainConfig(max_epochs=3))
    with pytest.raises(UndertoneError, match="holds a pre-training with another"):
        pipeline.pretrain([f"pool={pool}"], out, other, resources)


def test_renamed_recordings_of_the_same_order_are_the_same_pool(corpus, resources, tmp_path):
    pool, out = Path(shutil.copytree(corpus / "more", tmp_path / "pool")), tmp_path / "encoder"
    first = pipeline.pretrain([f"pool={pool}"], out, SMALL, resources)
    for path in pool.glob("*.wav"):
        path.rename(path.with_name(f"x{path.name}"))
    again = pipeline.pretrain([f"pool={pool}"], out, SMALL, resources)
    assert again.notes["history"] == first.notes["history"]


# --- a run is of its settings


def test_two_runs_with_other_settings_do_not_mix_in_one_folder(settings, resources, tmp_path):
    """The second one finds the folder held, however early it comes."""
    hold = (
        "import sys, time, pathlib; from undertone import atomic\n"
        "with atomic.held(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        for step in (
            lambda: curve(settings, tmp_path / "run", resources),
            lambda: pipeline.pretrain(["synthetic"], tmp_path / "run", SMALL, resources),
            lambda: pipeline.finetune(settings.corpus, tmp_path / "run", resources=resources),
        ):
            with pytest.raises(UndertoneError, match="another process of Undertone is at work"):
                step()
    finally:
        process.kill()
        process.communicate()
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    curve(settings, tmp_path / "run", resources)  # a killed process holds nothing
    assert not (tmp_path / "run" / ".lock").exists()


def test_each_fit_says_what_it_is_of(run, settings, resources):
    opened = open_run(settings, run, resources)
    sweep = opened.sweep(opened.plan())
    said = {str(sweep.identity(row, cell)) for cell in sweep.plan.cells for row in sweep.rows}
    assert len(said) == len(list(run.glob("fits/*/*.npz"))) == 12
    for path in run.glob("fits/*/*.npz"):
        inside = json.loads(str(np.load(path)["identity"]))
        assert (inside["system"], inside["cell"]) == (path.parent.name, path.stem)


@pytest.mark.parametrize("what", ["cell", "system", "settings", "run"])
def test_a_fit_is_not_believed_under_another_name(
    copy, settings, resources, tmp_path, capsys, what
):
    before = tables(copy)
    system = "pretrained_frozen" if what == "settings" else "functionals_logistic"
    here = copy / "fits" / system / "budget00004-draw000-fold00.npz"
    others = {
        "cell": here.with_name("budget00008-draw000-fold00.npz"),
        "system": copy / "fits" / "constant" / here.name,
        "settings": tmp_path / "other" / "fits" / system / here.name,
        "run": tmp_path / "other" / "fits" / system / here.name,
    }
    if what == "settings":
        longer = dataclasses.replace(settings, pretrain=PretrainConfig(max_epochs=1))
        curve(longer, tmp_path / "other", resources)
    elif what == "run":
        curve(dataclasses.replace(settings, seed=3), tmp_path / "other", resources)
    here.write_bytes(others[what].read_bytes())
    curve(settings, copy, resources)
    assert tables(copy) == before
    said = capsys.readouterr().err
    assert "1 fits in" in said
    assert "it is the record of something else" in said
    assert here.with_name(f"{here.name}.damaged").exists()


def test_another_folds_encoder_is_not_used(copy, settings, resources, capsys):
    before = tables(copy)
    folds = [copy / "encoders" / f"fold{i:02d}" for i in (0, 1)]
    for name in ("checkpoint.safetensors", "normaliser.npz"):
        shutil.copy(folds[1] / name, folds[0] / name)
    shutil.rmtree(copy / "fits")
    curve(settings, copy, resources)
    assert tables(copy) == before
    said = capsys.readouterr().err
    assert "checkpoint.safetensors is damaged (it is of another " in said
    assert "another speech" in said
    assert "normaliser.npz is damaged (it is the record of something else)" in said


def test_a_run_of_another_version_is_not_gone_on_with(copy, settings, resources, monkeypatch):
    monkeypatch.setattr("undertone.__version__", "9.9")
    with pytest.raises(UndertoneError, match="holds a run of another version of Undertone than"):
        curve(settings, copy, resources)


def test_settings_that_were_changed_in_the_folder_are_seen(copy, settings, resources):
    path = copy / "config.toml"
    path.write_text(path.read_text().replace("max_epochs = 2", "max_epochs = 1"))
    with pytest.raises(UndertoneError, match="holds a run with other settings"):
        curve(settings, copy, resources)
    changed = config.load(CurveSettings, config.read_toml(path))
    with pytest.raises(UndertoneError, match=r"other settings than its config\.toml tells"):
        curve(changed, copy, resources)


@pytest.mark.parametrize("name", ["config.toml", "predictions.parquet", "SHA256SUMS"])
def test_tables_that_were_changed_are_not_compared(copy, run, name):
    labels = [f"a={copy}:functionals_logistic", f"b={run}:constant"]
    compare([parse(text) for text in labels])
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(UndertoneError, match="repeat the run's command, which writes it again"):
        compare([parse(text) for text in labels])


def test_the_sums_are_those_of_the_usual_tool(run):
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=run, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(": OK") == 3


def test_a_report_that_cannot_be_drawn_costs_neither_fits_nor_tables(
    copy, settings, resources, monkeypatch
):
    before = tables(copy)

    def fail(result, path):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("undertone.experiment.complete.write_report", fail)
    (copy / "results.parquet").unlink()
    with pytest.raises(UndertoneError, match=r"could not be drawn \(ZeroDivisionError: .* stay"):
        curve(settings, copy, resources)
    assert tables(copy) == before


def test_tables_hold_every_fit_of_their_names(run):
    table = pd.read_parquet(run / "predictions.parquet")
    assert table.groupby(["system", "budget"])["utterance"].nunique().eq(40).all()
