"""A plan of a large curve: lines through small ones, and what it says of a run that can be made."""

import json
import re
from dataclasses import replace

import pytest
from corpora_fakes import fake_table
from label_fakes import recordings
from test_cli import run as undertone
from typer.testing import CliRunner

from undertone import corpora
from undertone.cli import app
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings, open_run
from undertone.experiment.planning import Wanted
from undertone.experiment.planning.costs import Line, costs_of
from undertone.experiment.planning.measured import Measured, Timed, measure
from undertone.experiment.planning.outlook import outlook
from undertone.reading import Resources
from undertone.tasks import task_of

SETTINGS = {
    "budgets": (12, 16),
    "draws": 2,
    "folds": 4,
    "systems": ("functionals_logistic", "constant"),
}


def small_curve(n: int) -> Measured:
    """Of a machine on which everything is known exactly."""
    fits = tuple(
        Timed("constant", labels, n // 2, 1 + 0.5 * labels + 0.01 * (n // 2), 0.002, 100 + n, n)
        for labels in (10, 20)
    )
    return Measured(n, 2.0 * n, 0.04 * n, 800 * n, 3 + 0.1 * n, 1e-6, 0.2 * n, fits, 10**8 + n, 100)


@pytest.fixture(scope="module")
def costs():
    return costs_of(small_curve(100), small_curve(200))


def test_lines_go_through_what_was_measured(costs):
    assert costs.planning == pytest.approx(Line(3, 0.1))
    assert costs.peak == pytest.approx(Line(10**8, 1))
    assert (costs.extracting, costs.cached) == pytest.approx((0.02, 400))
    fit = costs.fits["constant"]
    assert fit[:4] == pytest.approx((1, 0.5, 0.01, 0.002))
    assert fit.seconds(labels=40, crowd=1000, tested=50) == pytest.approx(1 + 20 + 10 + 0.1)


def test_steps_grow_with_what_they_depend_on(costs):
    settings = CurveSettings("x", systems=("constant",), budgets=(20, "all"), draws=3)
    task = task_of(fake_table(), "fake")
    wanted = Wanted(hours=10, speakers=50, labelled=500, pool_hours=5, clip_s=3.6, cores=8)
    seen = outlook(wanted, settings, costs, task=task, calibrated=small_curve(200))
    assert (seen.utterances, seen.n_fits) == (10_000, 5 * 3 * 2)
    steps = {step.name: step for step in seen.steps}
    assert steps["reading and features"].core_s == pytest.approx(0.02 * 15 * 3600)
    assert steps["reading and features"].disk == pytest.approx(400 * 15 * 3600)
    # every fold hears four fifths of the corpus and the whole pool, 60 epochs, 100 frames a second
    assert steps["pre-training"].core_s == pytest.approx(5 * 60 * 1e-6 * 100 * 13 * 3600)
    assert steps["pre-training"].wall_s(8) == pytest.approx(steps["pre-training"].core_s / 5)
    one = [1 + 0.5 * labels + 0.01 * 8000 + 0.002 * 100 for labels in (20, 400)]
    assert steps["fits: constant"].core_s == pytest.approx(15 * sum(one))
    assert seen.rows()[-1][0] == "all of it"
    assert "50 times as far" in " ".join(seen.sentences()).replace("50.0", "50")


def test_copies_of_recordings_are_counted_up_to_the_most_that_are_made():
    """Two of each utterance in a small corpus, of 400 utterances in a large one."""
    small, large = (
        replace(small_curve(n), copies=2 * n, copying=0.6 * n, copied=900 * n, vectors=0.6 * n)
        for n in (100, 200)
    )
    costs = costs_of(small, large)
    assert costs.with_copies(100) == 300
    assert costs.with_copies(10_000) == 10_000 + 2 * 400
    assert costs.vectors.at(300) == pytest.approx(60)
    settings = CurveSettings("x", systems=("constant",), budgets=(20,), draws=3)
    task = task_of(fake_table(), "fake")
    wanted = Wanted(hours=10, speakers=50, labelled=500, clip_s=3.6, cores=1)
    seen = outlook(wanted, settings, costs, task=task, calibrated=large)
    (step,) = (step for step in seen.steps if step.name.startswith("copies"))
    assert step.core_s == pytest.approx(0.3 * 400 * 3.6)
    assert step.disk == pytest.approx(450 * 400 * 3.6)


def test_a_calibration_makes_the_copies_that_its_run_makes(tmp_path):
    corpus = corpora.open(f"csv={recordings(tmp_path, n_speakers=4, each=14, labelled=True)}")
    settings = CurveSettings(
        "x", systems=("descriptors", "constant"), budgets=(12,), folds=2, draws=1
    )
    measured = measure(corpus, settings, tmp_path / "measured")
    assert measured.copies == 2 * len(corpus)
    assert min(measured.copying, measured.copied) > 0
    plain = replace(settings, of_systems={"discriminant": {"nuisance_weight": 0.0}})
    measured = measure(corpus, plain, tmp_path / "plain")
    assert (measured.copies, measured.copied) == (0, 0)


def test_it_counts_the_fits_that_a_run_of_the_corpus_has(tmp_path):
    folder = recordings(tmp_path, n_speakers=8, each=8, labelled=True)
    corpus = f"csv={folder}"
    options = ["--hours", ".05", "--speakers", "8", "--labelled", "64", "--draws", "2"]
    options += ["--folds", "4", "--budgets", "12,16", "--systems", "functionals_logistic,constant"]
    done = undertone("plan", "--corpus", corpus, *options, "--json", "--quiet")
    told = json.loads(done.stdout)
    run = open_run(
        CurveSettings(corpus, **SETTINGS), tmp_path / "run", Resources(tmp_path / "c", 1, False)
    )
    assert told["fits"] == run.sweep(run.plan()).n_fits == 32
    names = [step["name"] for step in told["steps"]]
    assert names[0] == "reading and features"
    assert {"fits: constant", "fits: functionals + logistic"} <= set(names)
    assert all(step["core_seconds"] >= 0 for step in told["steps"])
    assert told["core_seconds"] > 0
    assert told["peak_bytes_a_process"] > 10**8


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--hours", "0", "--speakers", "9"], "--hours must be 0.01 or more, found 0"),
        (["--hours", "nan", "--speakers", "9"], "--hours"),
        (["--hours", "9", "--speakers", "3"], "--speakers must be 5 or more.*--folds 3"),
        (["--hours", "9", "--speakers", "1"], "--speakers must be 5 or more.*--speakers 5"),
        (["--hours", "9", "--speakers", "9", "--labelled", "100"], "--labelled 400"),
        (["--hours", "9", "--speakers", "9", "--systems", "oracle"], "no system oracle"),
        (["--hours", "9", "--speakers", "9", "--corpus", "csv=/nowhere"], "/nowhere"),
        (["--hours", "9", "--speakers", "9", "--budgets", "20,x"], "whole numbers"),
    ],
)
def test_what_cannot_be_planned_is_told_before_anything_is_measured(options, told):
    assert re.search(told, undertone("plan", *options, code=2).stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", 'picks.strategies=["random"]'], "none with picks: leave it out"),
        (["--set", "vault=x"], "none with vault: leave it out"),
        (["--set", "fold_files=x", "--set", "adapt=[3]"], "none with adapt and fold_files: leave"),
        (["--set", "across.test=['a']"], r"none with other corpora \(across\): leave it out"),
        (["--hours", "1e300"], r"--hours must be 1e\+07 or less, found 1e\+300"),
        (["--hours", "nan"], "--hours must be 0.01 or more, found nan"),
        (["--clip-seconds", "99999"], "--clip-seconds must be 1800 or less"),
        (["--labelled", "9999"], "more than the 720 utterances of 5 s .*: --labelled 720"),
        (["--hours", "0.2"], r"and 144 with a label leave them 115: --hours 0\.35, or smaller"),
        (["--labelled", "210"], "and 210 with a label leave them 168: --labelled 400"),
        (["--speakers", "1", "--folds", "2"], "--speakers must be 2 or more.*--speakers 2"),
    ],
)
def test_what_cannot_be_foreseen_is_refused_before_anything_is_measured(arguments, message):
    given = {"--hours": "1", "--speakers": "9"}
    usual = [part for option in given.items() if option[0] not in arguments for part in option]
    done = CliRunner().invoke(app, ["plan", *usual, *arguments, "--quiet"])
    assert isinstance(done.exception, UndertoneError), done.output
    assert re.search(message, str(done.exception)), done.exception
