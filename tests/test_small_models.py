"""From a large encoder to a small model that is served: every verb, on tiny encoders and tones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_experiment import write_tones
from test_model_files import rewrite
from typer.testing import CliRunner
from upstream_fakes import write_encoder, write_whisper

from undertone import cli, config
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings, curve
from undertone.experiment.keep import KeepSettings, choose_layers
from undertone.features.upstream.cut import Chosen
from undertone.features.upstream.shrink import shrink
from undertone.features.upstream.source import find
from undertone.pipeline import Resources
from undertone.recogniser.folder import load
from undertone.recogniser.teaching import teaching_warnings


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Tones, a whole encoder that teaches, and a smaller one of another family."""
    folder = tmp_path_factory.mktemp("small")
    write_tones(folder / "tones")
    write_encoder(folder / "big", "wav2vec2-layer")
    write_whisper(folder / "whisper", seconds=2)
    shrink(str(folder / "whisper"), folder / "cut", layers=1, int8=True)
    return folder


def run(*arguments: object, home: Path, message: str = "") -> str:
    given = [*map(str, arguments), "--cache", str(home / "cache"), "--quiet", "--workers", "1"]
    if message:
        with pytest.raises(UndertoneError, match=message):
            CliRunner().invoke(cli.app, given, catch_exceptions=False)
        return ""
    done = CliRunner().invoke(cli.app, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def teach(home: Path, student: str, out: str, *more: object) -> Path:
    labelled = ("--corpus", f"tones={home}/tones/labels.csv", "--labels", "12", "--set", "folds=2")
    by = ("--teacher", f"upstream:{home}/big@all", "--student", student, "--out", home / out)
    assert "UAR" in run("teach", *labelled, *by, *more, home=home)
    return home / out


def test_a_taught_model_is_served_by_its_student_alone(home):
    model = teach(home, f"upstream:{home}/cut@all", "model")
    recogniser = load(model)
    assert recogniser.system == "taught"
    assert recogniser.inputs.features == f"upstream:{home}/cut@all"
    card = (model / "README.md").read_text()
    digest = find(f"upstream:{home}/big@all").digest
    assert f"The teacher was upstream:{home}/big@all (digest {digest})" in card
    assert recogniser.notes["teacher_digest"] == digest
    assert recogniser.notes["taught"] > 0
    moved = (home / "big").rename(home / "elsewhere")
    try:
        served = CliRunner().invoke(
            cli.app,
            [
                "predict",
                str(model),
                str(home / "tones/u000.wav"),
                "--format",
                "jsonl",
                "--answer-anyway",
            ],
        )
    finally:
        moved.rename(home / "big")
    row = json.loads(served.stdout)
    assert row["error"] is None
    assert row["p_anger"] + row["p_sadness"] == pytest.approx(1, abs=1e-5)


def test_a_model_on_a_cut_encoder_refuses_the_whole_one(home):
    model = teach(home, f"upstream:{home}/cut@all", "refusing")
    rewrite(model, lambda config: config.update(features=f"upstream:{home}/whisper@0-1"))
    with pytest.raises(UndertoneError, match="trained on other columns than"):
        CliRunner().invoke(
            cli.app,
            ["predict", str(model), str(home / "tones/u000.wav")],
            catch_exceptions=False,
        )


def test_descriptors_are_taught_and_more_speech_is_guessed(home):
    more = shutil.copytree(home / "tones" / "more", home / "more")
    shutil.copy(home / "tones" / "u000.wav", more / "again.wav")
    alone = load(teach(home, "log_mel", "alone"))
    model = teach(home, "log_mel", "beside", "--unlabelled", f"more={more}")
    beside = load(model)
    assert alone.notes["guessed_corpora"] == []
    assert beside.notes["guessed_corpora"] == ["more"]
    assert sum(beside.notes["guesses"].values()) == 6
    assert beside.notes["taught"] > alone.notes["taught"]
    card = (model / "README.md").read_text()
    assert "of the corpus and of more that this model learned from" in card
    assert "was guessed: 1, a recording of tones, which is tested" in card
    assert "**more**" in card


def test_speech_of_nobody_knows_whom_in_the_labelled_folder_is_refused(home):
    labelled = ("--corpus", f"tones={home}/tones/labels.csv", "--labels", "12")
    by = ("--teacher", home / "big", "--student", "log_mel", "--out", home / "none")
    by += ("--set", "folds=2")
    pool = ("--unlabelled", f"more={home}/tones/more")
    message = "no utterance of more can be used beside tones: 6, unknown speaker"
    run("teach", *labelled, *by, *pool, home=home, message=message)
    assert not (home / "none").exists()


def test_a_lopsided_teacher_is_told():
    lopsided = {"guesses": {"anger": 1, "neutral": 3}}
    assert "takes 75% of the unlabelled speech for neutral" in next(teaching_warnings(lopsided))
    assert not list(teaching_warnings({"guesses": {"anger": 2, "neutral": 2}}))
    assert not list(teaching_warnings({}))


def test_a_curve_holds_student_control_and_teacher_paired(home):
    out = home / "curve"
    arguments = ["--corpus", f"tones={home}/tones/labels.csv", "--folds", "2", "--draws", "2"]
    arguments += ["--features", f"upstream:{home}/cut@all", "--budgets", "8,16"]
    systems = ("--systems", "layers,taught,teacher,constant")
    by = ("--teacher", home / "big", "--out", out, *systems)
    run("curve", *arguments, *by, "--set", "replicates=200", home=home)
    page = (out / "report.html").read_text()
    for told in (
        "What a teacher is worth",
        "taught over the same student untaught",
        "taught over the teacher taught by itself",
        "taught over the teacher",
        "Taught against the teacher taught by itself: gain in UAR",
        f"The teacher is upstream:{home}/big@all",
    ):
        assert told in page, told
    table = pd.read_parquet(out / "results.parquet")
    assert set(table["system"]) == {
        *("layers", "labels_alone", "taught", "taught_by_itself", "teacher", "constant")
    }
    settings = config.load(CurveSettings, config.read_toml(out / "config.toml"))
    assert str(settings.teacher) == f"upstream:{home}/big@all"


def test_a_curve_tells_that_the_size_was_chosen_on_those_it_tests(home):
    speakers = ("s0", "s1")
    chosen = Chosen("tones", speakers, (20,), 0.02)
    made = shrink(str(home / "whisper"), home / "chosen", layers=1, chosen=chosen)
    assert made.cut.chosen == chosen
    values = {
        "corpus": f"tones={home}/tones/labels.csv",
        "features": f"upstream:{made.folder}@all",
        "systems": ["layers", "constant"],
        "budgets": [8],
        "draws": 1,
        "folds": 2,
        "replicates": 100,
    }
    resources = Resources(home / "cache", workers=1, progress=False)
    warning = "was chosen on labels of tested speakers (s0, s1)"
    assert (
        warning
        in curve(config.load(CurveSettings, values), home / "c1", resources).report.read_text()
    )
    values["features"] = f"upstream:{home}/cut@all"
    page = curve(config.load(CurveSettings, values), home / "c2", resources).report.read_text()
    assert "was chosen on labels" not in page


def test_auto_keeps_the_smallest_that_loses_less_than_the_margin(home):
    out = home / "auto"
    corpus = ("--corpus", f"tones={home}/tones/labels.csv", "--budgets", "8,16", "--draws", "2")
    corpus += ("--folds", "2")
    shrinking = ("shrink", home / "big", "--layers", "auto", "--out", out, *corpus)
    said = run(*shrinking, "--margin", "1", home=home)
    assert "kept: 1, chosen on labels of 4 speakers" in said
    made = find(f"upstream:{out}@all")
    assert made.n_layers == 2
    assert made.cut.chosen == Chosen("tones", ("s0", "s1", "s2", "s3"), (8, 16), 1.0)
    assert "speakers s0, s1, s2, s3" in (out / "README.md").read_text()
    run(*shrinking, home=home, message="is there already")


def test_no_choice_is_made_where_too_much_may_be_lost(home, monkeypatch):
    settings = KeepSettings(budgets=(8,), draws=1, folds=2, margin=0.0, speakers=("s0", "s1"))
    resources = Resources(home / "cache", workers=1, progress=False)
    given = (str(home / "big"), f"tones={home}/tones/labels.csv", settings, resources)
    with pytest.raises(UndertoneError, match=r"known to lose less than 0 of UAR on 2 speakers"):
        choose_layers(*given)


def test_only_training_speakers_choose(home, monkeypatch):
    """Nobody outside of those named is read, fitted or tested."""
    from undertone.experiment import keep

    plans = []
    monkeypatch.setattr(
        keep.Trial, "predict", lambda self, layers, tell: plans.append(self) or 1 / 0
    )
    settings = KeepSettings(budgets=(8,), draws=1, folds=2, speakers=("s1", "s3"))
    resources = Resources(home / "cache", workers=1, progress=False)
    with pytest.raises(ZeroDivisionError):
        choose_layers(str(home / "big"), f"tones={home}/tones/labels.csv", settings, resources)
    plan, data = plans[0].plan, plans[0].data
    assert set(plan.speaker.values()) == {"s1", "s3"}
    assert set(data.frames.source) == set(plan.truth)


def test_official_test_speakers_do_not_choose(tmp_path):
    from undertone.experiment.keep import _training_part

    names = [f"u{i}" for i in range(6)]
    table = pd.DataFrame(
        {
            "utterance": names,
            "file": [f"{n}.wav" for n in names],
            "start_s": np.nan,
            "end_s": np.nan,
            "speaker": ["a", "b", "c", "d", None, "a"],
            "sex": None,
            "language": None,
            "transcript": None,
            "emotion": "anger",
            "split": ["train", "train", "test", "valid", "train", "train"],
        }
    )
    corpus = Corpus("x", tmp_path, table, licence="", citation="", official_folds=True)
    assert list(_training_part(corpus, ()).table["utterance"]) == ["u0", "u1", "u5"]
    assert list(_training_part(corpus, ("b",)).table["utterance"]) == ["u1"]
    with pytest.raises(UndertoneError, match="x has no speaker z; it has a, b, c, d"):
        _training_part(corpus, ("z",))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layers", "auto"), "name them with --corpus NAME=PATH"),
        (("--layers", "2", "--corpus", "emodb=x"), "for --layers auto; leave them out"),
        (("--layers", "2", "--budgets", "20"), "for --layers auto"),
        (("--layers", "auto", "--corpus", "a=b", "--budgets", "1"), "from 2 on, found"),
    ],
)
def test_options_of_the_choice_need_it(home, tmp_path, arguments, message):
    shrinking = ("shrink", home / "big", "--out", tmp_path / "out", *arguments)
    run(*shrinking, home=home, message=message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--labels", "12", "--teacher", "/nowhere"), "no folder /nowhere of an encoder"),
        (("--labels", "12", "--teacher", "big@9"), "has the layers 0 to 3"),
        (("--teacher", "big"), "nothing for a teacher to guess: give --labels N"),
    ],
)
def test_what_cannot_teach_is_told(home, tmp_path, monkeypatch, more, message):
    monkeypatch.chdir(home)
    labelled = ("--corpus", f"tones={home}/tones/labels.csv", "--student", "log_mel")
    run("teach", *labelled, "--out", tmp_path / "out", *more, home=home, message=message)
    assert not (tmp_path / "out").exists()
