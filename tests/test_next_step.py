"""What trains the system that a run recommends: commands that work when pasted."""

import html
import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
import tones
from evaluation_fakes import result
from typer.testing import CliRunner

import undertone
from undertone.cli import app
from undertone.evaluation.report.advice import Advice
from undertone.evaluation.report.verdict import summarise
from undertone.experiment.next_step import commands
from undertone.experiment.settings import CurveSettings
from undertone.systems.own_rows import add_row
from undertone.systems.system import own_rows
from undertone.systems.table import ROWS
from undertone.training.pretrain import PretrainConfig

ROW = {row.name: row for row in ROWS}


@pytest.mark.parametrize("name", ["functionals_logistic", "pretrained_frozen"])
def test_the_command_of_the_report_trains_the_recommended_system(name, tmp_path, monkeypatch):
    """With the encoder, where it starts from one, and on a path with a space in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    (folder := tmp_path / "my labels").mkdir()
    quick = ["--set", "pretrain.max_epochs=1", "--set", "finetune.max_epochs=1"]
    settings = CurveSettings(
        str(tones.write(folder)),
        systems=(name, "constant"),
        budgets=(8,),
        draws=1,
        folds=2,
        replicates=20,
        pretrain=PretrainConfig(max_epochs=1),
        of_systems={"finetune": {"max_epochs": 1}} if name == "pretrained_frozen" else {},
    )
    found = undertone.curve(settings, "run", undertone.Resources(workers=1, progress=False))
    assert found is not None
    told = json.loads((tmp_path / "run" / "report.json").read_text())["findings"]
    (said,) = [text.partition("This trains it: ")[2] for text in told if "This trains it" in text]
    page = html.unescape((tmp_path / "run" / "report.html").read_text())
    assert f"<code>{said}</code>" in page, "to be copied as it is"
    for command in said.split(" && "):
        program, verb, *options = shlex.split(command)
        assert program == "undertone"
        given = quick[:2] if verb == "pretrain" else quick[2:] if "pretrained" in name else []
        done = CliRunner().invoke(app, [verb, *options, *given, "--quiet"])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "models" / "mine" / "config.json").is_file()


def test_a_command_says_what_the_run_was_asked_for():
    asked = {
        "corpus": "a=x y",
        "across": {"test": ["b=z"]},
        "unlabelled": ("more",),
        "features": "upstream:m@all",
        "text": {"model": "t"},
        "task": "dimensions",
    }
    settings = undertone.config.load(CurveSettings, asked)
    told = commands(settings, [ROW["layers"], ROW["audio_text"]])
    assert told["layers"] == (
        "undertone finetune --corpus 'a=x y' --test-corpus b=z --unlabelled more "
        "--task dimensions --system layers --features upstream:m@all --out models/mine"
    )
    assert "--text t" in told["audio_text"]
    each = undertone.config.load(
        CurveSettings, {"corpus": "a=x", "across": {"beside": ["b=y"], "each": True}}
    )
    assert commands(each, [ROW["descriptors"]]) == {}


def test_a_row_of_ones_own_is_not_said_to_be_trained():
    add_row("mine", {"u": np.ones((3, 2))})
    (choice, _) = own_rows()
    told = commands(CurveSettings("x", features="log_mel"), [choice, ROW["descriptors"]])
    assert set(told) == {"descriptors"}
    whole = replace(result(), advised=Advice("svm", "svm", 0))
    by_itself = [replace(s, stands_alone=s.name == "svm") for s in whole.systems]

    def recommended(training, systems=whole.systems):
        findings = summarise(replace(whole, training=training, systems=systems)).findings
        return next(text for text in findings if text.startswith("Recommended"))

    assert recommended({}).endswith("undertone finetune --system svm trains it.")
    assert recommended({"svm": "undertone it"}).endswith("This trains it: undertone it")
    assert recommended(told, by_itself).endswith("give its frames as --features.")
