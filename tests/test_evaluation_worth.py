from dataclasses import replace

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from undertone.evaluation.curves import Curves, Scored
from undertone.evaluation.estimate import decimal
from undertone.evaluation.worth import ENOUGH_DRAWS, ENOUGH_SPEAKERS, budget_reaching, rising, worth
from undertone.tasks import Classes, Intensities


def constructed(
    *,
    pretrained,
    scratch,
    budgets=(20, 40, 80, 160),
    spread=0.0,
    n_speakers=20,
    n_draws=ENOUGH_DRAWS,
    task=Classes(("a", "b")),  # noqa: B008 (frozen)
):
    """Curves of which every headline is given; ``spread`` moves the replicates."""
    rng = np.random.default_rng(0)
    shape = (len(task.metrics), 1 + len(task.outputs))
    headline = np.zeros(shape)
    headline[list(task.metrics).index(task.headline), 0] = 1
    scored = {}
    for name, heights in {"pretrained": pretrained, "scratch": scratch}.items():
        for budget, height in zip(budgets, heights, strict=True):
            replicates = height + spread * rng.normal(size=500)
            scored[name, budget] = Scored(
                by_draw=np.repeat(height * headline[None], n_draws, axis=0),
                replicates=np.multiply.outer(replicates, headline),
            )
    return Curves(
        task=task,
        speakers=tuple(map(str, range(n_speakers))),
        budgets=budgets,
        n_utterances=100,
        scored=scored,
        behind=np.full(shape[1], n_speakers),
    )


def worth_at(curves, budget):
    return worth(curves, pretrained="pretrained", scratch="scratch", budget=budget)


def test_worth_is_the_labels_that_scratch_needs_more():
    curves = constructed(
        pretrained=(0.5, 0.6, 0.65, 0.7), scratch=(0.3, 0.4, 0.5, 0.6), spread=0.004
    )
    at_20, at_40 = worth_at(curves, 20), worth_at(curves, 40)
    assert (at_20.labels, at_40.labels) == pytest.approx((60, 120))
    assert at_20.verdict == "gain"
    assert at_20.low < 60 < at_20.high
    assert at_20.phrase().startswith("60 labels [5")
    assert "more than 120]" in at_40.phrase()  # some replicates never get there
    assert at_40.high == np.inf


def test_errors_are_worth_what_their_mirror_image_is():
    heights = {"pretrained": (0.5, 0.6, 0.65, 0.7), "scratch": (0.3, 0.4, 0.5, 0.6)}
    errors = {name: tuple(1.3 - height for height in of) for name, of in heights.items()}
    scores, mae = constructed(**heights), constructed(**errors, task=Intensities())
    for budget in (20, 40, 80):
        one, other = worth_at(scores, budget), worth_at(mae, budget)
        assert other.labels == pytest.approx(one.labels)
        assert other.difference.value == pytest.approx(one.difference.value)
        assert other.verdict == one.verdict
    assert mae.best(["pretrained", "scratch"], 20) == "pretrained"


def test_between_budgets_the_curve_is_straight_over_the_logarithm():
    curves = constructed(pretrained=(0.35, 0.6, 0.65, 0.7), scratch=(0.3, 0.4, 0.5, 0.6))
    assert worth_at(curves, 20).labels == pytest.approx(20 * 2**0.5 - 20)


def test_what_scratch_never_reaches_is_worth_at_least_the_budgets_tried():
    curves = constructed(pretrained=(0.7, 0.7, 0.7, 0.7), scratch=(0.3, 0.4, 0.5, 0.6))
    at_20, at_160 = worth_at(curves, 20), worth_at(curves, 160)
    assert at_20.verdict == at_160.verdict == "beyond"
    assert at_20.phrase() == "at least 140 labels"
    assert at_160.phrase() == "a gain, but no larger budget was tried"
    assert at_20.labels == np.inf


def test_no_difference_is_no_measurable_gain_and_a_loss_is_called_one():
    same = constructed(pretrained=(0.31, 0.4, 0.5, 0.6), scratch=(0.3, 0.4, 0.5, 0.6), spread=0.02)
    high = worth_at(same, 20).difference.high
    assert high > same.task.negligible
    phrase = f"no gain measurable; at most {decimal(high, signed=True)}"
    assert worth_at(same, 20).phrase() == phrase
    told = replace(worth_at(same, 20), negligible=high + 0.001).phrase()
    assert told.startswith("worth nothing here (less than ")
    worse = constructed(pretrained=(0.3, 0.3, 0.3, 0.3), scratch=(0.4, 0.5, 0.6, 0.7))
    assert worth_at(worse, 40).verdict == "loss"
    assert worth_at(worse, 40).labels == pytest.approx(-20)  # the smallest budget suffices
    assert "harm" in worth_at(worse, 40).phrase()


def test_one_speaker_says_nothing():
    alone = constructed(pretrained=(0.5, 0.6, 0.7, 0.8), scratch=(0.3, 0.4, 0.5, 0.6), n_speakers=1)
    assert worth_at(alone, 20).verdict == "unknown"
    assert "one speaker" in worth_at(alone, 20).phrase()


def test_a_label_more_is_singular():
    curves = constructed(pretrained=(0.4, 0.5), scratch=(0.3, 0.4), budgets=(20, 21))
    assert worth_at(curves, 20).phrase() == "1 label [1, 1]"


def test_worth_grows_with_the_pretrained_score(rng):
    heights = np.sort(rng.random((50, 6)), axis=-1)
    budgets = np.array([10, 20, 40, 80, 160, 320])
    reached = [
        budget_reaching(np.full(50, t), heights=heights, budgets=budgets) for t in (0.3, 0.6)
    ]
    assert (reached[0] <= reached[1]).all()


def test_a_score_that_the_curve_has_is_reached_where_it_has_it(rng):
    heights = np.sort(rng.random((200, 6)), axis=-1)
    budgets = np.array([10, 20, 40, 80, 160, 320])
    for i, budget in enumerate(budgets):
        reached = budget_reaching(heights[:, i], heights=heights, budgets=budgets)
        np.testing.assert_allclose(reached, budget)


def test_a_curve_that_falls_is_made_to_rise_before_it_is_read():
    """From .5 to .3 it lies at .4; .45 is a quarter of the way from there to .6."""
    reached = budget_reaching(
        0.45, heights=np.array([0.5, 0.3, 0.6]), budgets=np.array([20, 40, 80])
    )
    assert float(reached) == pytest.approx(40 * 2**0.25)


def test_rising_is_isotonic_regression(rng):
    heights = rng.normal(size=(30, 7)) + np.linspace(0, 2, 7)
    expected = [IsotonicRegression().fit_transform(np.arange(7), row) for row in heights]
    np.testing.assert_allclose(rising(heights), expected)


def test_few_draws_or_speakers_give_a_first_look_and_no_verdict():
    heights = {"pretrained": (0.5, 0.6, 0.65, 0.7), "scratch": (0.3, 0.4, 0.5, 0.6)}
    for few in ({"n_draws": ENOUGH_DRAWS - 1}, {"n_speakers": ENOUGH_SPEAKERS - 1}):
        found = worth_at(constructed(**heights, **few), 20)
        assert (found.verdict, found.phrase()) == ("early", "a first look")
    assert worth_at(constructed(**heights, n_speakers=ENOUGH_SPEAKERS), 20).verdict == "gain"
