"""What a newcomer types: every verb, and bad input, through the command line itself."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from test_experiment import TINY, write_tones
from typer.testing import CliRunner

import undertone
from undertone import cli

SMALL = [
    *("--set", "encoder.hidden_units=16", "--set", "encoder.stride=8"),
    *("--set", "pretrain.max_epochs=2"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    write_tones(folder / "tones")
    return folder


@pytest.fixture(scope="module")
def encoder(home) -> Path:
    out = home / "encoder"
    arguments = ["--unlabelled", f"more={home}/tones/more", "--out", out, "--cache", home / "cache"]
    done = run("pretrain", *arguments, *SMALL)
    assert "held-out loss" in done.stdout
    (measured,) = json.loads((out / "config.json").read_text())["notes"]["measured"]
    constant = f"{measured['references']['constant']:.4f}"
    assert f"functionals {measured['loss']:.4f}; constant {constant}, interpolation" in done.stdout
    missed = measured["loss"] > 0.99 * min(measured["references"].values())
    assert ("undertone: warning: on held-out speech functionals" in done.stderr) == missed
    card = (out / "README.md").read_text()
    assert "| | this encoder | constant | interpolation |" in card
    assert f"| {constant} |" in card
    assert ("**Warning:** on held-out speech" in card) == missed
    return out


@pytest.fixture(scope="module")
def model(home, encoder) -> Path:
    out = home / "model"
    done = run(
        *("finetune", "--corpus", f"tones={home}/tones/labels.csv", "--encoder", encoder),
        *("--out", out, "--cache", home / "cache", "--set", "folds=2"),
    )
    assert "UAR" in done.stdout
    assert "chance" in done.stdout
    return out


def test_the_card_tells_data_licence_scores_and_limits(model, encoder):
    card = (model / "README.md").read_text()
    assert "transductive" not in card
    for word in (
        "# Recogniser of anger, sadness",
        "Licence",
        "UAR",
        "averaged over emotions",
        "constant",
        "## Limits",
    ):
        assert word in card
    assert "hidden" in (encoder / "README.md").read_text()
    assert {p.name for p in model.iterdir()} == {"README.md", "config.json", "model.safetensors"}


def test_a_model_and_an_encoder_do_not_overwrite_each_other(home, encoder, model):
    held = {path: path.read_bytes() for path in [*encoder.iterdir(), *model.iterdir()]}
    labels, pool = f"tones={home}/tones/labels.csv", f"more={home}/tones/more"
    for out, message in ((encoder, "own folder"), (model, "holds a model of kind recogniser")):
        verb = ("finetune", "--corpus", labels, "--encoder", encoder)
        verb = verb if out == encoder else ("pretrain", "--unlabelled", pool)
        assert message in run(*verb, "--out", out, "--cache", home / "cache", code=2).stderr
    assert {path: path.read_bytes() for path in held} == held


def test_what_predict_prints_can_be_scored(model, home, tmp_path):
    truth, files = home / "tones/labels.csv", sorted((home / "tones").glob("u00*.wav"))
    for form in (JSONL, CSV):
        path = tmp_path / f"predictions.{form[1]}"
        path.write_text(run("predict", model, *files, ANYWAY, *form).stdout)
        printed = run("score", "--truth", truth, "--prediction", path, "--drop-missing").stdout
        assert "UAR" in printed


def test_predict_prints_a_line_a_recording(model, home):
    files = [home / "tones/u000.wav", home / "tones/u001.wav"]
    table = run("predict", model, *files, ANYWAY).stdout
    assert [line.split()[1] for line in table.splitlines()] == ["anger", "sadness"]
    lines = run("predict", model, *files, ANYWAY, *JSONL).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows[0]["p_anger"] + rows[0]["p_sadness"] == pytest.approx(1, abs=1e-5)
    printed = list(csv.DictReader(io.StringIO(run("predict", model, *files, ANYWAY, *CSV).stdout)))
    assert [row["emotion"] for row in printed] == ["anger", "sadness"]
    assert float(printed[0]["p_anger"]) == pytest.approx(rows[0]["p_anger"], abs=1e-5)


JSONL, CSV = ("--format", "jsonl"), ("--format", "csv")
ANYWAY = "--answer-anyway"  # the emotions of these tests are tones


def bad_files(folder: Path) -> dict[str, Path]:
    rate = 16_000
    noise = np.random.default_rng(0).normal(scale=0.1, size=rate)
    holding_nan = noise.copy()
    holding_nan[500] = np.nan
    soundfile.write(folder / "short.wav", noise[: rate // 20], rate)
    soundfile.write(folder / "silent.wav", np.zeros(rate), rate)
    soundfile.write(folder / "nan.wav", holding_nan, rate, subtype="FLOAT")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "corrupt.flac").write_bytes(b"fLaC but no more")
    names = ("short.wav", "silent.wav", "nan.wav", "empty.wav", "corrupt.flac")
    return {name: folder / name for name in (*names, "absent.wav")}


@pytest.mark.parametrize("form", ["table", "csv", "jsonl"])
def test_a_bad_file_is_reported_and_skipped(model, home, tmp_path, form):
    bad = bad_files(tmp_path)
    good = home / "tones/u000.wav"
    done = run("predict", model, *bad.values(), good, "--format", form, ANYWAY, code=1)
    assert "anger" in done.stdout
    said = done.stdout + done.stderr
    for name in bad:
        assert name in said
    assert "Traceback" not in said
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert [bool(row["error"]) for row in rows] == [True] * 6 + [False]


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 2), (48_000, 1)])
def test_any_rate_and_channel_count_is_predicted(model, tmp_path, rate, channels):
    seconds = np.arange(rate) / rate
    tone = sum(np.sin(2 * np.pi * 300 * k * seconds) / k for k in range(1, 9)) * 0.1
    tone = tone + np.random.default_rng(0).normal(scale=0.003, size=rate)
    soundfile.write(tmp_path / "a.wav", np.stack([tone] * channels, axis=1), rate)
    said = run("predict", model, tmp_path / "a.wav", ANYWAY).stdout
    assert said.split()[1] in {"anger", "sadness"}


def test_extract_prints_one_recording(home):
    done = run("extract", home / "tones/u000.wav", "--features", "log_mel", "--csv")
    rows = list(csv.reader(io.StringIO(done.stdout)))
    frames, times_s = undertone.extract_file(home / "tones/u000.wav", "log_mel")
    assert rows[0][0] == "time_s"
    values = np.array(rows[1:], dtype=float)
    np.testing.assert_allclose(values[:, 1:], frames, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(values[:, 0], times_s, atol=1e-6)


def test_extract_fills_the_store_and_counts_what_failed(home, tmp_path):
    (tmp_path / "a.wav").write_bytes((home / "tones/u000.wav").read_bytes())
    (tmp_path / "b.wav").write_bytes(b"")
    done = run("extract", "--corpus", f"mine={tmp_path}", "--cache", tmp_path / "cache")
    assert "mine: 1 utterances" in done.stdout
    assert "left out: b" in done.stdout


def test_finetuning_everything_and_without_an_encoder(home, encoder):
    full = ["--set", "finetune.max_epochs=2"]
    for extra in (
        ["--system", "pretrained_full", "--encoder", encoder, *full],
        ["--system", "scratch", *full],
        ["--labels", "8"],
    ):
        done = run(
            *("finetune", "--corpus", f"tones={home}/tones/labels.csv", *extra),
            *("--out", home / "other", "--cache", home / "cache"),
            *("--set", "folds=0", *SMALL[:4]),
        )
        assert f"model in {home}/other" in done.stdout
        assert "Not measured" in (home / "other/README.md").read_text()


OTHERWISE = ("--set", "folds=2", "--set")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--system", "magic"], "there is no system 'magic' for classes; there are combined"),
        (["--system", "functionals_ridge"], "there is no system 'functionals_ridge' for classes"),
        (["--system", "combined"], "`undertone pretrain` writes, with --encoder FOLDER"),
        (["--system", "descriptors", "--encoder", "ENCODER"], "leave --encoder out, or take"),
        (["--system", "image_cnn", "--set", "folds=0"], "--set picture.network=FOLDER"),
        (["--task", "intensities"], "tones has no labels for the task intensities"),
        (["--task", "weather"], "there is no task 'weather'; there are classes, intensities"),
        (["--set", "magic.x=1"], "there are no settings magic; systems have"),
        (["--set", "discriminant.x=1"], "DiscriminantConfig has no setting x"),
        (["--labels", "400", "--set", "folds=2"], "400 labels cannot be drawn"),
        (["--encoder", "ENCODER", *OTHERWISE, "features=covarep"], "leave --features out"),
        (["--encoder", "ENCODER", *OTHERWISE, "encoder.layers=3"], "names: leave them out"),
    ],
)
def test_what_cannot_be_trained_is_told(home, encoder, tmp_path, extra, message):
    extra = [str(encoder) if word == "ENCODER" else word for word in extra]
    place = ("--corpus", f"tones={home}/tones/labels.csv", "--out", tmp_path / "model")
    done = run("finetune", *place, "--cache", home / "cache", *extra, code=2)
    assert message in done.stderr
    assert not (tmp_path / "model").exists()


def test_a_pool_that_held_the_tested_voices_is_told_whatever_its_name(home):
    out, cache = home / "knowing", ("--cache", home / "cache")
    run("pretrain", "--unlabelled", f"speech={home}/tones", "--out", out, *cache, *SMALL)
    arguments = ("--corpus", f"tones={home}/tones/labels.csv", "--encoder", out, *cache)
    run("finetune", *arguments, "--out", home / "told", "--set", "folds=0")
    card = (home / "told/README.md").read_text()
    assert "held the audio of 40 of these utterances" in card
    assert "transductive" in card


def test_pretraining_by_speaker_asks_for_speakers(home):
    objective = ("--set", "pretrain.objective=speaker_contrast")
    arguments = (
        "--cache",
        home / "cache",
        *SMALL,
        *objective,
        "--set",
        "pretrain.held_out_share=.3",
    )
    voices = ("--unlabelled", f"tones={home}/tones/labels.csv", "--out", home / "by-speaker")
    assert "held-out loss" in run("pretrain", *voices, *arguments).stdout
    assert "among those of its speaker" in (home / "by-speaker/README.md").read_text()
    nobodys = ("--unlabelled", f"more={home}/tones/more", "--out", home / "nobodys")
    assert "name speakers in the corpus" in run("pretrain", *nobodys, *arguments, code=2).stderr


def test_score_prints_a_table_or_json(tmp_path):
    names = [f"u{i}" for i in range(12)]
    truth = [("anger", "sadness")[i % 2] for i in range(12)]
    rows = [f"{n},s{i % 3},{e}" for i, (n, e) in enumerate(zip(names, truth, strict=True))]
    (tmp_path / "t.csv").write_text("utterance,speaker,emotion\n" + "\n".join(rows))
    guess = [f"{n},{e}" for n, e in zip(names, truth, strict=True)]
    (tmp_path / "p.csv").write_text("utterance,prediction\n" + "\n".join(guess[::-1]))
    paths = ["--truth", tmp_path / "t.csv", "--prediction", tmp_path / "p.csv"]
    assert json.loads(run("score", *paths, "--json").stdout)["metrics"]["uar"]["value"] == 1
    table = run("score", "--task", "classes", *paths).stdout
    assert "1.000" in table
    assert "chance" in table
    (tmp_path / "p.csv").write_text("utterance,prediction\n" + "\n".join(guess[:9]))
    assert "u11" in run("score", *paths, code=2).stderr
    assert "left out" in run("score", *paths, "--drop-missing").stdout


def test_curve_and_demo_tell_where_the_report_is(home, monkeypatch):
    corpus = ["--corpus", f"tones={home}/tones/labels.csv", "--budgets", "4"]
    system = ["--set", 'systems=["functionals_svm", "constant"]', "--folds", "2", "--draws", "1"]
    done = run("curve", *corpus, *system, "--out", home / "run", "--cache", home / "cache")
    assert done.stdout.endswith(f"report: {home}/run/report.html\n")
    assert "functionals + SVM" in done.stdout  # the answer stands there, not a path alone
    monkeypatch.setattr(
        "undertone.experiment.settings.quick_values",
        lambda: TINY | {"systems": ["scratch", "constant"], "draws": 1},
    )
    place = ("--out", home / "demo", "--cache", home / "cache")
    done = run("demo", *place, "--workers", "1")
    page = (home / "demo/report.html").read_text()
    assert "synthetic" in page[page.index("<body") :][:400]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["curve"], "curve needs a labelled corpus: --corpus NAME=PATH"),
        (["curve", "--corpus", "emodb=/absent"], "there is no file or folder /absent"),
        (["curve", "--corpus", "magic"], "expected NAME=PATH"),
        (["curve", "--corpus", "x", "--budgets", "20;50"], "--budgets takes whole numbers"),
        (["curve", "--corpus", "x", "--set", "pretrain.stepz=3"], "has no setting stepz; it has"),
        (["curve", "--config", "/absent.toml"], "there is no settings file /absent.toml"),
        (["curve", "--config", "/"], "cannot be read as settings"),
        (["curve", "--corpus", "x", "--set", "folds.x=3", "--folds", "2"], "is a value, not a"),
        (["curve", "--corpus", "x", "--budgets", "8,8"], "budgets holds something twice: 8, 8"),
        (["curve", "--corpus", "x", "--set", "systems=['cnn']"], "systems must hold constant"),
        (["curve", "--corpus", "x", "--set", "encoder.stride=0"], "stride must lie from 1 to 1000"),
        (["curve", "--corpus", "x", "--set", "finetune.head_dropout=3"], "head_dropout must lie"),
        (["curve", "--corpus", "x", "--set", "pretrain.batch_size=0"], "must lie from 1 on"),
        (["curve", "--corpus", "x", "--set", "encoder.pooling=zz"], "pooling must be one of"),
        (["extract"], "either recordings, with --csv or --out FILE, or --corpus"),
        (["extract", "a.wav"], "prints the frames of one recording with --csv"),
        (["extract", "/absent.wav", "--csv"], "/absent.wav"),
        (["extract", "--corpus", "synthetic", "--features", "magic"], "no features 'magic'"),
        (["predict", "/absent", "a.wav"], "holds no config.json"),
        (["curve", "--corpus", "x", "--set", "magic.x=1"], "there are no settings magic; systems"),
        (["curve", "--corpus", "x", "--set", "cnn.x=1"], "CnnConfig has no setting x; it has"),
        (["curve", "--corpus", "x", "--systems", "magic,constant"], "there is no system magic"),
        (["curve", "--corpus", "x", "--task", "weather"], "there is no task 'weather'"),
        (["demo", "--corpora", "/absent"], "is not a folder"),
        (["score", "--truth", "/absent", "--prediction", "/absent"], "/absent"),
    ],
)
def test_what_the_caller_can_mend_is_one_message_and_status_2(arguments, message, tmp_path):
    if arguments[0] in ("curve", "demo"):
        arguments = [*arguments, "--out", str(tmp_path / "out")]
    done = run(*arguments, code=2)
    assert message in done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("[")]  # no progress
    assert said[0].startswith("undertone: ")
    assert len(said) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: ["file,who,emotion", *rows[1:]], "speaker"),
        (lambda rows: [*rows, rows[1]], "u000.wav"),
        (lambda rows: [row.replace("sadness", "anger") for row in rows], "two emotions or more"),
        (lambda rows: rows[:1], "labels.csv"),
        (lambda rows: [r.replace("wav", "mp3") for r in rows], "labels.csv"),
        (
            lambda rows: [rows[0], *(f"{r.split(',')[0]},s0,{r.split(',')[2]}" for r in rows[1:])],
            "two or more",
        ),
    ],
)
def test_a_bad_table_is_refused_with_what_to_mend(home, tmp_path, change, message):
    bad = home / "tones" / "bad.csv"
    bad.write_text("\n".join(change((home / "tones/labels.csv").read_text().splitlines())) + "\n")
    bad.rename(home / "tones" / "labels_bad.csv")
    done = run(
        *("curve", "--corpus", f"tones={home}/tones/labels_bad.csv", "--budgets", "4"),
        *("--folds", "2", "--out", tmp_path / "run", "--cache", home / "cache"),
        code=2,
    )
    assert message.replace("labels.csv", "labels_bad.csv") in done.stderr
    assert "Traceback" not in done.stderr


def test_an_emotion_with_one_utterance_is_kept_and_told(home, tmp_path):
    rows = (home / "tones/labels.csv").read_text().splitlines()
    rows[1] = rows[1].replace("anger", "fear")
    table = home / "tones" / "rare.csv"
    table.write_text("\n".join(rows) + "\n")
    run(
        *("curve", "--corpus", f"tones={table}", "--budgets", "6", "--folds", "2", "--draws", "1"),
        *("--set", 'systems=["functionals_logistic", "functionals_svm", "constant"]'),
        *("--out", tmp_path / "run", "--cache", home / "cache"),
    )
    assert "fear" in (tmp_path / "run/report.html").read_text()


def test_a_bug_shows_its_traceback_and_an_interrupt_does_not(monkeypatch, capsys):
    monkeypatch.setattr(cli, "app", _raise(KeyboardInterrupt()))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert "stopped; what is finished is kept" in capsys.readouterr().err
    monkeypatch.setattr(cli, "app", _raise(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_the_installed_command_runs():
    done = subprocess.run(
        [sys.executable, "-m", "undertone", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == undertone.__version__


class Done:
    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr


def run(*arguments: object, code: int = 0) -> Done:
    """Run a command in this process as ``main`` would, and see that it ends as it should."""
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    stderr, status = result.stderr, result.exit_code
    if isinstance(result.exception, undertone.UndertoneError):
        stderr, status = f"undertone: {result.exception}\n", 2
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert status == code, f"{status}: {result.stdout}{stderr}"
    return Done(status, result.stdout, stderr)


def _raise(error: BaseException):
    def app(**_: object) -> None:
        raise error

    return app


def test_scores_are_whole_on_a_narrow_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "70")
    rows = [(f"u{i}", f"s{i % 5}", ("anger", "happiness")[i // 5 % 2]) for i in range(40)]
    truth = pd.DataFrame(rows, columns=["utterance", "speaker", "emotion"])
    truth.to_csv(tmp_path / "truth.csv", index=False)
    truth.rename(columns={"emotion": "prediction"}).to_csv(tmp_path / "guess.csv", index=False)
    cli.evidence.score(truth=tmp_path / "truth.csv", prediction=tmp_path / "guess.csv")
    shown = capsys.readouterr().out
    assert "recall happiness" in shown
    assert "[1.000, 1.000]" in shown
    assert "…" not in shown


@pytest.mark.parametrize("columns", ["60", "80"])
def test_names_of_metrics_are_shown_where_one_speaker_has_no_interval(
    tmp_path, monkeypatch, capsys, columns
):
    monkeypatch.setenv("COLUMNS", columns)
    rows = pd.DataFrame({"utterance": list("abcd"), "speaker": "s", "emotion": ["joy", "fear"] * 2})
    rows.to_csv(tmp_path / "both.csv", index=False)
    rows.rename(columns={"emotion": "prediction"}).to_csv(tmp_path / "guess.csv", index=False)
    cli.evidence.score(truth=tmp_path / "both.csv", prediction=tmp_path / "guess.csv")
    shown = capsys.readouterr().out
    assert {"recall", "happiness"} <= set(shown.split())  # a name may take two lines
    assert "UAR" in shown
    assert "…" not in shown
