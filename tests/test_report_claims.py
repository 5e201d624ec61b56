"""What becomes of a paper's claims, on predictions that are known."""

import importlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation_fakes import Valence, amounts_run

from undertone.evaluation.curves import trace
from undertone.evaluation.report.claims import NO, OPEN, YES, Claims, Published, answers, meet
from undertone.tasks import Intensities

TASK = Intensities(("happy", "sad", "fear"))
LABELS = {"pretrained_frozen": "frozen", "scratch": "scratch", "always_0": "always 0"}


def traced(noise, budgets=(20, 200), task=TASK):
    """Curves of predictions that are so far (in SD) from the truth, by system and budget."""
    whole = amounts_run(task, {**noise, "always_0": (0.0,) * 3}, budgets=budgets, n_videos=20)
    return whole.traced(n_replicates=200)


def claims(**changes):
    values = {"published": (), "gain_most": ("happy",), "budget": 200}
    return Claims(**(values | changes))


def verdicts(curves, asked, word):
    return [a.verdict for a in answers(curves, asked, LABELS) if word in a.question]


def test_curves_meet_where_no_later_interval_excludes_zero():
    budgets, frozen = (20, 50, 100), {"pretrained_frozen": (0.3, 0.3, 0.3)}
    curves = traced({**frozen, "scratch": (0.9, 0.7, 0.3)}, budgets)
    assert meet(curves, "pretrained_frozen", "scratch") == 100
    apart = traced({**frozen, "scratch": (0.9, 0.7, 0.9)}, budgets)
    assert meet(apart, "pretrained_frozen", "scratch") is None


@pytest.mark.parametrize("task", [TASK, Valence(("valence", "arousal"))])
@pytest.mark.parametrize(
    ("few", "many", "narrows", "helps"),
    [((0.1, 0.9), (0.3, 0.35), YES, YES), ((0.1, 0.3), (0.1, 0.9), NO, YES),
     ((0.9, 0.1), (0.5, 0.5), OPEN, NO)],
)  # fmt: skip
def test_claims_are_answered_by_the_numbers(few, many, narrows, helps, task):
    noise = {"pretrained_frozen": (few[0], many[0]), "scratch": (few[1], many[1])}
    curves = traced(noise, task=task)
    asked = claims(gain_most=task.outputs[:1])
    told = {answer.question: answer.verdict for answer in answers(curves, asked, LABELS)}
    metric = task.metrics[task.headline].label
    assert told["Is “frozen” better than “scratch” with 20 labels?"] == helps
    assert told[f"Does the gap narrow from 20 to 200 labels ({metric}, “frozen”)?"] == narrows


def test_both_metrics_of_a_task_are_told_where_it_has_two():
    noise = {"pretrained_frozen": (0.1, 0.1), "scratch": (0.9, 0.9)}
    of_mae, of_ccc = (
        answers(traced(noise, task=task), claims(gain_most=()), LABELS)[0].evidence
        for task in (TASK, Valence(("valence",)))
    )
    assert of_mae.startswith("Gain in MAE +.")
    assert ", in AUC of presence +." in of_mae
    assert of_ccc.startswith("Gain in CCC +.")
    assert of_ccc.count("+.") == 3  # a value and the ends of its interval


def test_who_gains_most_is_told_by_output(rng):
    """Only happy gains: sad and fear are the same in both."""
    whole = amounts_run(TASK, {"scratch": (0.8,)}, budgets=(200,), n_draws=3, n_videos=20)
    better = whole.predictions["scratch", 200].copy()
    better[..., 0] = whole.tested.truth[..., 0]
    predictions = {("pretrained_frozen", 200): better, **whole.predictions}
    curves = replace(whole, predictions=predictions).traced(n_replicates=200)
    for named, expected in {("happy",): [YES], ("sad", "fear"): [NO], (): []}.items():
        assert verdicts(curves, claims(gain_most=named), "gain most") == expected


@pytest.mark.parametrize(
    ("published", "expected"), [((0.1, 0.3), NO), ((0.98, 0.99), YES), ((0.3, 0.98), OPEN)]
)
def test_published_numbers_are_held_against_the_constant(published, expected):
    curves = traced({"pretrained_frozen": (0.3, 0.3), "scratch": (0.3, 0.3)})
    numbers = (Published("accuracy", published, (0.1, 0.2), False, "somewhere"),)
    told = [
        a for a in answers(curves, claims(published=numbers), LABELS) if "published" in a.question
    ]
    assert [answer.verdict for answer in told] == [expected]
    constant = curves.estimate("always_0", 200, "accuracy").value
    assert f"{constant:.3f}".removeprefix("0") in told[0].evidence


def test_a_published_error_clears_a_constant_where_it_is_lower():
    curves = traced({"pretrained_frozen": (0.3, 0.3), "scratch": (0.3, 0.3)})
    for published, expected in {(0.01, 0.02): YES, (0.9, 1.0): NO, (0.01, 1.0): OPEN}.items():
        numbers = (Published("mae", published, (0.1, 0.2), True, "somewhere"),)
        assert verdicts(curves, claims(published=numbers), "published") == [expected]


@pytest.mark.corpora
def test_the_published_accuracies_do_not_clear_a_constant_on_the_official_test_fold(corpora_root):
    masked_gru = importlib.import_module("undertone.recipes.masked_gru")
    table = pd.read_csv(corpora_root / "mosei_labels" / "labels.csv", dtype={"video": str})
    test = table[table["split"] == "test"]
    truth = Intensities().truth(test)
    curves = trace(
        {("always_0", 200): np.zeros((2, *truth.shape))},
        task=Intensities(),
        truth=truth,
        speakers=test["video"].tolist(),
        n_replicates=20,
    )
    assert verdicts(curves, masked_gru.PAPER.claims, "published") == [NO, NO]
