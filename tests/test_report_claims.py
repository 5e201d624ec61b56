"""What becomes of a paper's claims, on predictions that are known."""

import importlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation_fakes import Valence, amounts_run

from undertone.evaluation.curves import trace
from undertone.evaluation.report.claims import answers
from undertone.evaluation.report.gaps import meet
from undertone.evaluation.report.paper import NO, OPEN, YES, Claims, Published
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


def answer_to(curves, asked, word):
    (found,) = [a for a in answers(curves, asked, LABELS) if word in a.question]
    return found


@pytest.mark.parametrize(
    ("frozen", "scratch", "verdict", "why"),
    [
        ((0.3, 0.3, 0.3), (0.9, 0.7, 0.3), YES, "From 20 to 200 labels the gain falls by +."),
        ((0.3, 0.3, 0.3), (0.9, 0.7, 0.9), NO, "With 200 labels the gain is still +."),
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), OPEN, "There never was a gap"),
        ((0.9, 0.5, 0.5), (0.5, 0.5, 0.5), OPEN, "There never was a gap"),
        ((0.3, 0.3, 0.3), (0.9, 0.3, 0.2), YES, "the gain falls by +."),
    ],
)
def test_a_gap_closes_only_where_there_was_one(frozen, scratch, verdict, why):
    curves = traced({"pretrained_frozen": frozen, "scratch": scratch}, (20, 100, 200))
    found = answer_to(curves, claims(), "meet")
    assert (found.verdict, why in found.evidence) == (verdict, True), found


def test_a_gap_whose_fall_is_not_measurable_stays_open():
    """At 20 labels the interval just clears zero, at 200 it just does not."""
    curves = traced({"pretrained_frozen": (0.3, 0.3), "scratch": (0.9, 0.9)})
    steady = replace(curves, scored=dict(curves.scored))
    values = {20: (0.2, 0.05, 0.35), 200: (0.15, -0.02, 0.3)}
    for budget, (value, low, high) in values.items():
        scored = curves.scored["pretrained_frozen", budget]
        better = curves.scored["scratch", budget]
        spread = np.linspace(low, high, len(better.replicates))
        if budget == 200:
            spread = spread[::-1]
        moved = replace(
            scored,
            by_draw=better.by_draw - value,
            replicates=better.replicates - spread[:, None, None],
        )
        steady.scored["pretrained_frozen", budget] = moved
    found = answer_to(steady, claims(), "meet")
    assert found.verdict == OPEN
    assert "the gain falls by +.050 [-." in found.evidence


def test_a_gain_in_every_metric_needs_every_interval(rng):
    """A constant shift costs errors, and no correlation."""
    curves = traced({"pretrained_frozen": (0.2, 0.2), "scratch": (0.9, 0.9)})
    assert verdicts(curves, claims(), "every metric") == [YES, YES]
    whole = amounts_run(TASK, {"scratch": (0.9,)}, budgets=(200,), n_draws=3, n_videos=20)
    shifted = whole.tested.truth[None].repeat(3, axis=0) * 0.5 + 1.5
    worse = replace(whole, predictions={("pretrained_frozen", 200): shifted, **whole.predictions})
    curves = worse.traced(n_replicates=200)
    assert verdicts(curves, claims(metrics=("mae", "ccc", "spearman")), "every metric") == [NO]
    assert verdicts(curves, claims(metrics=("spearman", "presence_auc")), "every metric") == [YES]
    level = traced({"pretrained_frozen": (0.5, 0.5), "scratch": (0.5, 0.5)})
    assert verdicts(level, claims(), "every metric") == [OPEN, OPEN]


@pytest.mark.parametrize(
    ("frozen", "verdict"),
    [((0.1, 0.8, 0.8), YES), ((0.7, 0.1, 0.1), NO), ((0.9, 0.1, 0.1), OPEN)],
)
def test_the_gain_is_largest_with_few_labels_where_the_interval_says_so(frozen, verdict):
    noise = {"pretrained_frozen": frozen, "scratch": (0.9, 0.9, 0.9)}
    found = answer_to(traced(noise, (20, 100, 200)), claims(), "largest with the fewest")
    assert found.verdict == verdict, found.evidence


def test_no_gain_is_claimed_only_where_a_gain_is_excluded():
    whole = amounts_run(TASK, {"scratch": (0.8,)}, budgets=(200,), n_draws=3, n_videos=20)
    better = whole.predictions["scratch", 200].copy()
    better[..., 0] = whole.tested.truth[..., 0]
    predictions = {("pretrained_frozen", 200): better, **whole.predictions}
    curves = replace(whole, predictions=predictions).traced(n_replicates=200)
    for named, expected in {("fear",): YES, ("happy",): NO, ("fear", "happy"): NO}.items():
        assert verdicts(curves, claims(gain_none=named), "no gain for") == [expected]
    level = traced({"pretrained_frozen": (0.5, 0.5), "scratch": (0.5, 0.5)})
    assert verdicts(level, claims(gain_none=("fear",)), "no gain for") == [OPEN]


def test_emotions_that_a_corpus_lacks_leave_the_claim_open():
    curves = traced({"pretrained_frozen": (0.1, 0.1), "scratch": (0.9, 0.9)})
    found = answer_to(curves, claims(gain_none=("disgust",)), "disgust do not gain")
    assert (found.verdict, found.evidence) == (OPEN, "There are happy, sad and fear alone.")
    found = answer_to(curves, claims(gain_most=("sadness", "joy")), "gain most")
    assert "Do sad and happy gain most" in found.question


@pytest.mark.parametrize(
    ("frozen", "random", "pretraining", "enough"),
    [(0.3, 0.9, YES, YES), (0.3, 0.3, OPEN, OPEN), (0.9, 0.3, NO, NO)],
)
def test_the_control_decides_whether_pretraining_helps(frozen, random, pretraining, enough):
    """All are ahead of scratch, which is what the paper compares with."""
    systems = {"pretrained_frozen": frozen, "random_frozen": random, "scratch": 1.5}
    labels = LABELS | {"random_frozen": "random"}
    curves = traced({name: (noise, noise) for name, noise in systems.items()})
    told = {a.claim: a.verdict for a in answers(curves, claims(), labels)}
    assert told["it is pre-training that helps, not keeping a network as it is"] == pretraining
    assert told["encoded features are enough"] == enough


def test_a_mean_gain_is_that_of_the_budgets():
    noise = {"pretrained_frozen": (0.1, 0.4), "scratch": (0.9, 0.5)}
    curves = traced(noise)
    for metric in ("mae", "ccc"):
        both = ("pretrained_frozen", "scratch")
        gains = [curves.gain(*both, budget=b, metric=metric).value for b in (20, 200)]
        found = curves.mean_gain(*both, metric)
        assert found.value == pytest.approx(np.mean(gains))
        assert found.low < found.value < found.high


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
