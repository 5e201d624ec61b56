"""The recipe end to end, small: .csd files in, a table beside the published numbers out."""

import dataclasses
import io
import re
import shutil
from pathlib import Path

import h5py
import mosei_fakes as fakes
import numpy as np
import pandas as pd
import pytest
import soundfile
from corpora_fakes import write_audio
from rich.console import Console
from typer.testing import CliRunner

from undertone import config
from undertone.cli import app
from undertone.corpora import mosei
from undertone.errors import UndertoneError
from undertone.evaluation.estimate import Estimate, decimal
from undertone.experiment import CurveSettings, open_run
from undertone.experiment import sweep as sweep_module
from undertone.features.name import parse
from undertone.pipeline import Resources
from undertone.recipes import RECIPES, masked_gru
from undertone.recipes.reproduction import _show_table
from undertone.synthesis import Manner, plan_phrase, synthesise
from undertone.tasks import Intensities
from undertone.tasks.intensities import INTENSITIES, fit_median, measure

TINY = {
    "budgets": [20, 40],
    "draws": 2,
    "replicates": 40,
    "encoder": {"hidden_units": 8, "layers": 1, "stride": 10},
    "pretrain": {"max_epochs": 2, "crop_steps": 20},
    "finetune": {"max_epochs": 3},
}
N_FITS = 8 * 2 * 2
FLOORS = ("always_0", "median", "mean")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    table = fakes.label_table(rng, n_videos={"train": 10, "valid": 1, "test": 6})
    return fakes.write_voiced_folder(tmp_path_factory.mktemp("mosei") / "mosei", table, rng)


@pytest.fixture(scope="module")
def resources(tmp_path_factory) -> Resources:
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


@pytest.fixture(scope="module")
def values(folder) -> dict:
    return TINY | {"corpus": f"mosei={folder}"}


@pytest.fixture(scope="module")
def run(values, resources, tmp_path_factory):
    """The folder of a finished run, and what it gave back."""
    out = tmp_path_factory.mktemp("run") / "whole"
    return out, RECIPES["masked-gru"](values, out, resources)


@pytest.fixture(scope="module")
def labels(folder) -> pd.DataFrame:
    return mosei.read(folder).table.set_index("utterance", drop=False)


def test_every_fit_predicts_the_official_test_videos_alone(run, labels):
    table = pd.read_parquet(run[0] / "predictions.parquet")
    test = labels[labels["split"] == "test"]
    assert set(table["video"]) == set(test["video"])
    fits = table.groupby(["system", "budget", "draw"], observed=True)["utterance"]
    assert fits.nunique().eq(len(test)).all()
    assert len(fits) == N_FITS
    predicted = table[list(INTENSITIES)].to_numpy()
    assert predicted.min() >= 0
    assert predicted.max() <= 3
    truth = labels.loc[table["utterance"], list(INTENSITIES)].to_numpy()
    np.testing.assert_array_equal(table[[f"truth_{e}" for e in INTENSITIES]].to_numpy(), truth)


def test_labels_and_pool_come_from_the_training_videos_alone(values, labels, resources, tmp_path):
    plan = _plan(values, resources, tmp_path)
    train = set(labels.index[labels["split"] == "train"])
    for cell in plan.cells:
        drawn = cell.labels.utterances
        assert len(set(drawn)) == len(drawn) == cell.budget
        assert set(drawn) <= train
        assert 0 < len(cell.labels.validation) <= 0.2 * cell.budget
        videos = labels["video"]
        assert not set(videos[cell.labels.train]) & set(videos[cell.labels.validation])
    assert {name for _, names in plan.folds[0].pool for name in names} == train
    assert set(plan.folds[0].test) == set(labels.index[labels["split"] == "test"])


def test_draws_are_nested(values, resources, tmp_path):
    by_draw = {}
    for cell in _plan(values, resources, tmp_path).cells:
        by_draw.setdefault(cell.draw, {})[cell.budget] = set(cell.labels.utterances)
    assert all(budgets[20] < budgets[40] for budgets in by_draw.values())
    assert by_draw[0][20] != by_draw[1][20]


def test_floors_are_those_of_the_labels_that_were_drawn(run, values, labels, resources, tmp_path):
    """Recomputed from the labels, fit by fit."""
    results = pd.read_parquet(run[0] / "results.parquet")
    plan = _plan(values, resources, tmp_path)
    truth = labels.loc[list(plan.folds[0].test), list(INTENSITIES)].to_numpy(float)
    for cell in plan.cells:
        given = labels.loc[cell.labels.utterances, list(INTENSITIES)].to_numpy(np.float32)
        constants = dict(zip(FLOORS, (0 * given[0], fit_median(given), given.mean(0)), strict=True))
        for system, constant in constants.items():
            expected = measure(truth=truth, prediction=np.tile(constant, (len(truth), 1)))
            at = (results["system"] == system) & (results["budget"] == cell.budget)
            fit = results[at & (results["draw"] == cell.draw)].set_index(["metric", "emotion"])
            for metric in ("mae", "accuracy"):
                assert fit.loc[(metric, "mean"), "value"] == pytest.approx(expected[metric].mean())
                by_emotion = [fit.loc[(metric, e), "value"] for e in INTENSITIES]
                np.testing.assert_allclose(by_emotion, expected[metric], rtol=1e-6)


def test_the_tables_hold_published_ours_and_floors(run):
    table = run[1].tables[-1]
    assert table.headings[1:3] == ("published: pre-trained", "published: scratch")
    assert {"pre-trained, frozen", "from scratch", "always 0", "median", "mean"} <= set(
        table.headings
    )
    rows = {row.name: row.cells for row in table.rows if not row.is_part}
    happy = next(row.cells for row in table.rows if row.is_part and row.name == "happy")
    assert rows["4-class accuracy"][:2] == (".85–.87", ".81–.82")
    assert happy[:2] in ((".50–.59", ".58–.67"), ("–", "–"))
    for name in ("MAE", "AUC of presence", "balanced 4-class accuracy", "Spearman", "CCC"):
        assert all(cell.has_interval for cell in rows[name][2:])
    assert {answer.verdict for answer in run[1].answers} <= {"yes", "no", "open"}
    questions = " ".join(answer.question for answer in run[1].answers)
    for words in ("gain most", "narrow", "clear a constant", "meet", "every metric (MAE, 4-class"):
        assert words in questions
    for metric in ("MAE", "Accuracy"):
        along = next(
            t for t in run[1].tables if t.title == f"{metric} by emotion, along the labels"
        )
        assert [row.name for row in along.rows if not row.is_part] == ["all", *INTENSITIES]


def test_the_report_is_one_file_that_fetches_nothing(run):
    text = run[1].report.read_text()
    assert "arXiv 2307.12343" in text
    assert "CC BY-NC 4.0" in text
    assert "<svg" in text
    assert not re.search(r'src=|href="(?!#)|https?://|<script', text)


def test_a_second_call_computes_no_fit_and_logs_its_look(run, values, resources, monkeypatch):
    def fail(*arguments):
        raise AssertionError("a fit was computed again")

    monkeypatch.setattr(sweep_module, "_run_here", fail)
    masked_gru.reproduce(values, run[0], resources)
    assert len((run[0] / "test_looks.jsonl").read_text().splitlines()) >= 2


def test_a_run_that_was_stopped_computes_what_is_missing_to_the_same_tables(
    run, resources, tmp_path
):
    """What a stopped run leaves: some of the fits, and no table."""
    shutil.copytree(run[0], tmp_path / "run")
    fits = sorted((tmp_path / "run").glob("fits/*/*.npz"))
    lost = {fits[i] for i in (0, 5, 17, 30)} | {f for f in fits if f.parent.name == "scratch"}
    tables = [tmp_path / "run" / name for name in ("results.parquet", "predictions.parquet")]
    for path in (*lost, *tables):
        path.unlink()
    kept = {path: path.stat().st_mtime_ns for path in fits if path not in lost}
    masked_gru.reproduce(config.read_toml(run[0] / "config.toml"), tmp_path / "run", resources)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    for path in tables:
        assert path.read_bytes() == (run[0] / path.name).read_bytes()


def test_how_long_it_will_take_is_told_first_and_only_where_something_is_missing(
    run, resources, tmp_path, capsys
):
    shutil.copytree(run[0], tmp_path / "run")
    values = config.read_toml(run[0] / "config.toml")
    for path in (tmp_path / "run/fits/scratch").glob("*.npz"):
        path.unlink()
    told = dataclasses.replace(resources, progress=True)
    masked_gru.reproduce(values, tmp_path / "run", told).show()
    printed = capsys.readouterr().out
    assert printed.startswith("Estimated: ")
    assert "of one core: pre-training" in printed.splitlines()[0]
    masked_gru.reproduce(values, tmp_path / "run", told)
    assert "Estimated" not in capsys.readouterr().out


def test_other_settings_in_the_same_folder_are_refused(run, values, resources):
    with pytest.raises(UndertoneError, match="holds a run with other settings"):
        masked_gru.reproduce(values | {"seed": 5}, run[0], resources)


@pytest.mark.parametrize("what", ["labels", "frames"])
def test_other_data_in_the_same_folder_are_refused(run, folder, resources, tmp_path, what):
    shutil.copytree(run[0], tmp_path / "run")
    shutil.copytree(folder, tmp_path / "mosei")
    table = pd.read_csv(tmp_path / "mosei/labels.csv", dtype={"video": str})
    if what == "labels":
        table.assign(happy=3 - table["happy"]).to_csv(tmp_path / "mosei/labels.csv", index=False)
    else:
        with h5py.File(tmp_path / "mosei/CMU_MOSEI_COVAREP.csd", "r+") as file:
            file[f"COVAREP/data/{table['video'].iloc[0]}/features"][0, 0] = 7
    moved = TINY | {"corpus": f"mosei={tmp_path / 'mosei'}"}
    text = (tmp_path / "run/config.toml").read_text()
    (tmp_path / "run/config.toml").write_text(text.replace(str(folder), str(tmp_path / "mosei")))
    with pytest.raises(UndertoneError, match="holds a run on other data"):
        masked_gru.reproduce(moved, tmp_path / "run", resources)


def test_the_command_hands_its_options_on_and_prints_tables_and_answers(run, monkeypatch):
    seen = {}

    def recipe(values, out, resources, *, quick):
        seen.update(values=values, out=out, resources=resources, quick=quick)
        return run[1]

    monkeypatch.setattr("undertone.recipes.RECIPES", {"masked-gru": recipe})
    options = "--corpus mosei=x --budgets 20,40 --draws 3 --seed 1 --set encoder.stride=4 --quick"
    more = "--workers 2 --cache c --quiet"
    done = CliRunner().invoke(app, ["reproduce", "masked-gru", *options.split(), *more.split()])
    assert done.exit_code == 0, done.output
    assert seen == {
        "values": {
            "corpus": "mosei=x",
            "budgets": [20, 40],
            "draws": 3,
            "seed": 1,
            "encoder": {"stride": 4},
        },
        "out": Path("runs/masked-gru"),
        "resources": Resources(Path("c"), 2, False),
        "quick": True,
    }
    tested = "mosei (labelled) · 6 intensities"
    for words in ("published:", ".85–.87", "always 0", tested, "report:"):
        assert words in done.stdout
    assert done.stdout.index("MAE, mean absolute error") < done.stdout.index("clear a constant")


def test_classes_have_the_recipe_s_settings(tmp_path):
    write_audio(tmp_path, "a.wav", "c.wav")
    (tmp_path / "labels.csv").write_text("file,speaker,emotion\na.wav,b,anger\nc.wav,d,fear\n")
    corpus = f"some={tmp_path / 'labels.csv'}"
    values = {"corpus": corpus, "unlabelled": ["more=there"], "encoder": {"stride": 3}}
    settings = masked_gru.settings_of(values)
    assert (settings.corpus, settings.unlabelled) == (corpus, ("more=there",))
    assert settings.features == "covarep"
    assert settings.systems == tuple(masked_gru.CLASSES["systems"])
    assert (settings.encoder.stride, settings.encoder.hidden_units) == (3, 256)
    assert settings.pretrain.crop_steps == 300


@pytest.mark.parametrize(
    ("task", "columns"),
    [("intensities", INTENSITIES), ("dimensions", ("arousal", "valence", "dominance"))],
)
def test_amounts_of_another_corpus_have_the_settings_of_amounts(tmp_path, task, columns):
    write_audio(tmp_path, "a.wav", "c.wav")
    rows = [f"{name}.wav,{name}{',1' * len(columns)}" for name in "ac"]
    head = ",".join(("file", "speaker", *columns))
    (tmp_path / "labels.csv").write_text("\n".join([head, *rows]) + "\n")
    settings = masked_gru.settings_of({"corpus": f"some={tmp_path / 'labels.csv'}"})
    assert (settings.task, settings.features, settings.systems) == (task, "covarep", ())


def test_the_published_settings_are_the_defaults():
    settings = _settings({"corpus": "mosei=x"})
    assert (settings.encoder.hidden_units, settings.encoder.layers) == (256, 2)
    assert (settings.encoder.stride, settings.encoder.pooling) == (1, "mean")
    training = settings.pretrain
    assert round(training.mask_share * training.crop_steps) == 30
    assert (training.mask_spans, training.distance) == (1, "l1")
    task = Intensities()
    resolved = settings.resolved(task, parse("covarep"))
    finetuning = resolved.bag(task, resolved.systems)["finetune"]
    assert (finetuning.learning_rate, finetuning.batch_size) == (1e-3, 64)
    assert finetuning.label_smoothing == 0
    assert resolved.budgets == (20, 50, 100, 200, 500, 1000, 2000)
    assert resolved.replicates == 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["masked-gru"], r"it found no --corpus\.\nPut into one folder.*\n  CMU_MOSEI_COVAREP"),
        (["masked-gru", "--corpus", "mosei"], "it found --corpus mosei"),
        (["masked-gru", "--corpus", "mosei=EMPTY/none"], "it found no folder"),
        (["masked-gru", "--corpus", "mosei=EMPTY"], "it found no features and no labels in"),
        (["masked-gru", "--corpus", "mosei=LABELS"], "it found no features in"),
        (["wav2vec"], "there is no recipe 'wav2vec'; there are masked-gru"),
        (["masked-gru", "--corpus", "mosei=FULL", "--budgets", "a"], "takes whole numbers"),
        (["masked-gru", "--corpus", "mosei=FULL", "--budgets", "1"], "labels from 2 on"),
        (["masked-gru", "--corpus", "mosei=FULL", "--budgets", "20,20"], "something twice"),
        (["masked-gru", "--corpus", "mosei=FULL", "--budgets", "9999"], "cannot be drawn"),
        (["masked-gru", "--corpus", "mosei=FULL", "--unlabelled", "x=y"], "is for classes"),
        (["masked-gru", "--corpus", "mosei=FULL", "--set", "systems=['median']"], "must hold"),
        (["masked-gru", "--corpus", "mosei=FULL", "--set", "finetune.x=1"], "no setting x"),
        (["masked-gru", "--corpus", "nothing=EMPTY/none"], "there is no file or folder"),
    ],
)
def test_bad_input_is_told_with_the_next_step(folder, resources, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "labels").mkdir()
    shutil.copy(folder / "labels.csv", tmp_path / "labels")
    places = {"EMPTY": tmp_path / "empty", "LABELS": tmp_path / "labels", "FULL": folder}
    for word, place in places.items():
        arguments = [argument.replace(word, str(place)) for argument in arguments]
    out = ["--out", str(tmp_path / "out"), "--cache", str(resources.cache), "--quiet"]
    done = CliRunner().invoke(app, ["reproduce", *arguments, *out])
    assert isinstance(done.exception, UndertoneError)
    assert re.search(message, str(done.exception), re.S)
    assert not (tmp_path / "out/fits").exists()


def _settings(values) -> CurveSettings:
    return config.load(CurveSettings, config.merge(masked_gru.AMOUNTS, values))


def _plan(values, resources, out):
    return open_run(_settings(values), out, resources).plan()


@pytest.mark.parametrize("width", [60, 80, 110, 170])
def test_a_wide_table_is_shown_in_parts_that_fit(run, width):
    for table in run[1].tables:
        console = Console(record=True, width=width, file=io.StringIO())
        _show_table(console, table)
        text = console.export_text()
        assert "…" not in text.replace("with …", "")  # as a heading says; elsewhere it cuts off
        assert max(map(len, text.splitlines())) <= width
        values = [
            decimal(c.value) for row in table.rows for c in row.cells if isinstance(c, Estimate)
        ]
        assert (
            all(text.count(value) >= values.count(value) for value in set(values)) or table.signed
        )


@pytest.mark.parametrize("system", ["functionals_ridge", "random_frozen", "median"])
def test_a_model_of_intensities_is_trained_saved_and_served(folder, resources, tmp_path, system):
    options = f"--system {system} --labels 40 --set finetune.max_epochs=2 --set encoder.layers=1"
    if system != "random_frozen":
        options = f"--system {system} --labels 40"
    place = ["--corpus", f"mosei={folder}", "--out", str(tmp_path / "model"), "--quiet"]
    cache = ["--cache", str(resources.cache)]
    done = CliRunner().invoke(app, ["finetune", *place, *cache, *options.split()])
    assert done.exit_code == 0, done.output
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Task: intensities" in card
    assert "| | this model | always 0 | median | mean |" in card
    assert "official folds" in card
    voice = synthesise(plan_phrase(Manner(), np.random.default_rng(1)), seed=1).waveform
    soundfile.write(tmp_path / "voice.wav", voice, 16_000)
    recordings = [str(tmp_path / "voice.wav"), "missing.wav"]
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "model"), *recordings])
    assert done.exit_code == 1
    assert re.search(r"voice.wav  happy \d\.\d{3}  sad \d\.\d{3}  anger", done.stdout)
    lines = CliRunner().invoke(
        app, ["predict", str(tmp_path / "model"), recordings[0], "--format", "csv"]
    )
    assert lines.stdout.splitlines()[0] == (
        "file,happy,sad,anger,surprise,disgust,fear,doubt,error,note"
    )


def test_two_runs_on_intensities_are_compared(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "again")
    places = {"a": run[0], "b": tmp_path / "again"}
    systems = [f"{name}={place}:scratch" for name, place in places.items()]
    done = CliRunner().invoke(app, ["compare", *systems, "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "MAE" in done.stdout
    assert ".000 [.000, .000]" in done.stdout
