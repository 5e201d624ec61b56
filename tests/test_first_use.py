"""What somebody meets first: budgets that fit, defaults, one voice, a script without a guard."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from corpora_fakes import fake_corpus, fake_table
from test_experiment import write_tones
from typer.testing import CliRunner

from undertone import config, corpora
from undertone.cli import app
from undertone.evaluation.estimate import Estimate
from undertone.experiment import CurveSettings
from undertone.experiment.picks.settings import PicksSettings
from undertone.experiment.pool_notes import untested_note
from undertone.experiment.settings import quick_values
from undertone.features.name import parse
from undertone.pipeline import FinetuneSettings, Resources, finetune
from undertone.reading import BETTER_FEATURES, tell_of_encoders
from undertone.systems.settings import bag_of_rows
from undertone.systems.table import systems_of
from undertone.tasks import task_of

DEFAULTS = {  # what is not a field of the settings' own, or is left to the corpus
    "task": "what the corpus has labels for",
    "features": "log_mel",
    "systems": "those that fit the features",
    "system": "one for the features",
    "labels": "all",
    "batch": str(PicksSettings().batch),
}
COUNTED = {"folds", "draws", "budgets", "draw", "disjoint", "seed", *DEFAULTS}


@pytest.fixture(scope="module")
def tones(tmp_path_factory) -> Path:
    """Forty labels of eight speakers."""
    folder = write_tones(tmp_path_factory.mktemp("tones"))
    header, *rows = (folder / "labels.csv").read_text().splitlines()
    named = [row.split(",") for row in rows]
    of_eight = [f"{file},s{i // 5},{emotion}" for i, (file, _, emotion) in enumerate(named)]
    (folder / "labels.csv").write_text("\n".join([header, *of_eight]) + "\n")
    of_one = [f"{file},anna,{emotion}" for file, _, emotion in named]
    (folder / "one.csv").write_text("\n".join([header, *of_one]) + "\n")
    return folder


def test_forty_labels_of_eight_speakers_give_a_quick_curve_that_ends_with_its_verdict(
    tones, tmp_path, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
    systems = "functionals_logistic,constant"
    done = CliRunner().invoke(
        app,
        [
            *("curve", "--corpus", f"tones={tones / 'labels.csv'}", "--quick"),
            *("--systems", systems, "--out", str(tmp_path / "run"), "--workers", "1"),
            *("--cache", str(tones / "cache"), "--set", "replicates=50"),
            *("--folds", "2", "--draws", "5"),
        ],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    told = json.loads((tmp_path / "run" / "report.json").read_text())
    assert told["tables"]["uar"]["headings"][1:] == ["20"]  # all there are: a fold of 100 is none
    first, *rest = done.stdout.rstrip().splitlines()
    assert first.startswith("┏")
    assert rest[-1].startswith("report: ")
    assert rest[-1 - len(told["findings"]) - 1] == told["verdict"]
    assert told["verdict"].startswith("Of two emotions, “functionals + logistic” names")
    assert any("Two more speakers, with no label more, would" in text for text in told["findings"])
    assert f"--features {BETTER_FEATURES}" in done.stderr
    assert "data:audio/mpeg" in (tmp_path / "run" / "report.html").read_text() or not any(
        "utterances that it tells worst" in line for line in rest
    )


def test_a_first_look_tests_no_probabilities_and_says_of_whom():
    task = task_of(fake_table(n_speakers=2, n_each=1), "fake")
    rows = [systems_of(task)[name] for name in ("descriptors", "constant")]
    bag = config.load(CurveSettings, quick_values() | {"corpus": "x"}).of_systems
    (said,) = untested_note(SimpleNamespace(rows=rows, settings=bag_of_rows(task, rows, bag)))
    assert said.startswith("Probabilities of descriptors alone are as they come")
    whole = bag_of_rows(task, rows, {})
    assert not list(untested_note(SimpleNamespace(rows=rows, settings=whole)))


def test_a_model_of_one_speaker_is_made_with_a_warning(tones, tmp_path, capsys):
    resources = Resources(tones / "cache", workers=1, progress=False)
    settings = FinetuneSettings(system="functionals_logistic")
    recogniser, score = finetune(
        f"one={tones / 'one.csv'}", tmp_path / "model", settings=settings, resources=resources
    )
    assert score is None
    assert recogniser.task.outputs == ("anger", "sadness")
    warning = "all labels of one are of one speaker, anna: the model is made, and how good it is"
    assert warning in capsys.readouterr().err
    assert repr(recogniser) == "<Recogniser functionals_logistic on log_mel: anger, sadness>"
    assert (tmp_path / "model" / "README.md").exists()
    assert repr(corpora.open(f"one={tones / 'one.csv'}")).startswith("<Corpus one: 40 utterances")


def test_a_better_encoder_is_named_where_none_is_used(capsys):
    corpus = fake_corpus(fake_table(n_speakers=2, n_each=1), "a", "/a")
    tell_of_encoders(corpus, parse("log_mel").settled())
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'undertone-ser[upstream]'" in line
    tell_of_encoders(corpus, parse("upstream:openai/whisper-base@all"))
    tell_of_encoders(corpus, parse("log_mel").settled(), taught=True)
    tell_of_encoders(dataclasses.replace(corpus, synthetic=True), parse("log_mel").settled())
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "settings"), [("curve", CurveSettings), ("finetune", FinetuneSettings)]
)
def test_help_shows_the_defaults_that_the_settings_have(command, settings):
    fields = {field.name: field.default for field in dataclasses.fields(settings)}
    options = {o.name: o for o in typer.main.get_command(app).commands[command].params}
    shown = COUNTED & set(options)
    assert len(shown) >= 6
    for name in shown:
        default = fields.get(name, "")
        plain = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        assert options[name].show_default == DEFAULTS.get(name, plain), name


def test_a_script_without_a_guard_is_not_run_again_in_each_process(tmp_path):
    script = tmp_path / "no_guard.py"
    script.write_text(
        "from undertone.processes import process_pool\n"
        "print('once', flush=True)\n"
        "with process_pool(2) as pool:\n"
        "    print(sum(pool.map(abs, [-1, 2])))\n"
        "print(__file__)\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["once", "3", str(script)]


def test_a_guarded_script_lends_its_functions_to_the_processes(tmp_path):
    script = tmp_path / "guarded.py"
    script.write_text(
        "from undertone.processes import process_pool\n"
        "def twice(x):\n"
        "    return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with process_pool(1) as pool:\n"
        "        print(list(pool.map(twice, [1, 2])))\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.stdout, done.stderr) == ("[2, 4]\n", "")


def test_shells_complete_names():
    done = CliRunner().invoke(app, ["--help"])
    assert "--install-completion" in done.stdout


def test_an_estimate_is_told_in_a_line():
    assert repr(Estimate(0.7834, 0.741, 0.8199, 10)) == "<Estimate .783 [.741, .820], 10 speakers>"
    assert repr(Estimate(0.5, float("nan"), float("nan"), 1)) == "<Estimate .500, 1 speaker>"
