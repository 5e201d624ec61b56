import json

import numpy as np
import pandas as pd
import pytest
from evaluation_fakes import BUDGETS, EMOTIONS, predictions
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import balanced_accuracy_score

from undertone.errors import UndertoneError
from undertone.evaluation.curve import Curves, trace
from undertone.evaluation.intervals import resample
from undertone.evaluation.worth import budget_reaching, rising, worth

PRETRAINED, SCRATCH = "pretrained_full", "scratch_full"


@pytest.fixture(scope="module")
def table():
    return predictions()


@pytest.fixture(scope="module")
def curves(table):
    return trace(table, emotions=EMOTIONS, n_replicates=300)


def test_a_value_is_the_mean_over_draws_of_the_score_over_all_speakers(table, curves):
    chosen = table[(table["system"] == PRETRAINED) & (table["budget"] == 40)]
    of_draw = [
        balanced_accuracy_score(draw["truth"].tolist(), draw["prediction"].tolist())
        for _, draw in chosen.groupby("draw")
    ]
    assert curves.estimate(PRETRAINED, 40).value == pytest.approx(np.mean(of_draw))
    assert (curves.n_speakers, curves.n_utterances, curves.budgets) == (12, 336, BUDGETS)


def test_the_order_of_rows_does_not_matter(table, curves):
    shuffled = trace(table.sample(frac=1, random_state=1), emotions=EMOTIONS, n_replicates=300)
    assert shuffled.estimate(SCRATCH, 20) == curves.estimate(SCRATCH, 20)
    assert shuffled.difference(PRETRAINED, SCRATCH, budget=20) == curves.difference(
        PRETRAINED, SCRATCH, budget=20
    )


def test_a_system_does_not_differ_from_itself(curves):
    found = curves.difference(SCRATCH, SCRATCH, budget=20)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_differences_change_sign_with_their_order_and_are_paired(curves):
    ours = curves.difference(PRETRAINED, SCRATCH, budget=20)
    theirs = curves.difference(SCRATCH, PRETRAINED, budget=20)
    assert (theirs.value, theirs.low, theirs.high) == pytest.approx(
        (-ours.value, -ours.high, -ours.low)
    )
    apart = [curves.estimate(system, 20) for system in (PRETRAINED, SCRATCH)]
    unpaired = np.hypot(*(e.high - e.low for e in apart))
    assert ours.high - ours.low < unpaired  # shared speakers cancel


def test_chance_and_constant_are_one_over_the_number_of_emotions(curves):
    assert curves.chance() == pytest.approx(1 / 7)
    assert curves.estimate("constant", 20).value == pytest.approx(1 / 7)


def test_recalls_average_to_uar_and_agree_with_the_confusion(curves):
    recalls = curves.recalls(PRETRAINED, 160)
    assert list(recalls) == list(EMOTIONS)
    found = np.mean([recall.value for recall in recalls.values()])
    assert found == pytest.approx(curves.estimate(PRETRAINED, 160).value)
    confusion = curves.confusion(PRETRAINED, 160)
    assert confusion.sum() == 3 * 336
    assert np.diagonal(confusion)[0] / confusion[0].sum() == pytest.approx(recalls["anger"].value)


def test_one_draw_at_the_largest_budget_is_enough(table):
    thin = table[(table["budget"] < 160) | (table["draw"] == 0)]
    curves = trace(thin, emotions=EMOTIONS, n_replicates=50)
    assert len(curves.counts[SCRATCH, 160]) == 1
    assert curves.difference(PRETRAINED, SCRATCH, budget=160).has_interval


def test_a_system_may_lack_a_budget(table):
    gap = table[(table["system"] != "svm") | (table["budget"] > 20)]
    curves = trace(gap, emotions=EMOTIONS, n_replicates=50)
    assert curves.budgets_of("svm", SCRATCH) == BUDGETS[1:]
    assert curves.best(["svm", "constant"], 20) == "constant"


def test_tables_that_cannot_be_compared_are_refused(table):
    other_speaker = table.assign(speaker=table["speaker"].where(table.index > 0, "zz"))
    fewer_draws = table[(table["system"] != "svm") | (table["draw"] > 0)]
    cases = {
        "lacks fold, truth": table.drop(columns=["truth", "fold"]),
        "no rows": table.iloc[:0],
        "1 in prediction": table.assign(prediction=table["prediction"].where(table.index > 0)),
        "one truth and one speaker": other_speaker,
        "system pretrained_frozen at budget 20, draw 0 has 335": table.iloc[1:],
        "337 rows of 336": pd.concat([table, table.iloc[:1]]),
        "same draws for every system at budget 20": fewer_draws,
    }
    for message, broken in cases.items():
        with pytest.raises(UndertoneError, match=message):
            trace(broken, emotions=EMOTIONS)
    with pytest.raises(UndertoneError, match="the truth to hold only anger"):
        trace(table, emotions=EMOTIONS[:-1])


def constructed(*, pretrained, scratch, budgets=(20, 40, 80, 160), spread=0.0, n_speakers=20):
    """Curves of which every value is given; ``spread`` moves the replicates."""
    rng = np.random.default_rng(0)
    found = {"pretrained": pretrained, "scratch": scratch}
    values = {
        (name, b): {"uar": v}
        for name, heights in found.items()
        for b, v in zip(budgets, heights, strict=True)
    }
    replicates = {
        key: {"uar": of["uar"] + spread * rng.normal(size=500)} for key, of in values.items()
    }
    return Curves(
        emotions=("a", "b"),
        speakers=tuple(map(str, range(n_speakers))),
        budgets=budgets,
        n_utterances=100,
        counts=dict.fromkeys(values, np.ones((1, n_speakers, 2, 2))),
        values=values,
        replicates=replicates,
        resamples=resample(n_speakers, n_replicates=500),
    )


def found_worth(curves, budget):
    return worth(curves, pretrained="pretrained", scratch="scratch", budget=budget)


def test_worth_is_the_labels_that_scratch_needs_more():
    curves = constructed(
        pretrained=(0.5, 0.6, 0.65, 0.7), scratch=(0.3, 0.4, 0.5, 0.6), spread=0.004
    )
    at_20, at_40 = found_worth(curves, 20), found_worth(curves, 40)
    assert (at_20.labels, at_40.labels) == pytest.approx((60, 120))
    assert at_20.verdict == "gain"
    assert at_20.low < 60 < at_20.high
    assert at_20.phrase().startswith("60 labels [5")
    assert "more than 120]" in at_40.phrase()  # some replicates never get there
    assert json.loads(json.dumps(at_40.to_dict()))["high"] is None


def test_between_budgets_the_curve_is_straight_over_the_logarithm():
    curves = constructed(pretrained=(0.35, 0.6, 0.65, 0.7), scratch=(0.3, 0.4, 0.5, 0.6))
    assert found_worth(curves, 20).labels == pytest.approx(20 * 2**0.5 - 20)


def test_what_scratch_never_reaches_is_worth_at_least_the_budgets_tried():
    curves = constructed(pretrained=(0.7, 0.7, 0.7, 0.7), scratch=(0.3, 0.4, 0.5, 0.6))
    at_20, at_160 = found_worth(curves, 20), found_worth(curves, 160)
    assert at_20.verdict == at_160.verdict == "beyond"
    assert at_20.phrase() == "at least 140 labels"
    assert at_160.phrase() == "a gain, but no larger budget was tried"
    assert at_20.to_dict()["labels"] is None


def test_no_difference_is_no_measurable_gain_and_a_loss_is_called_one():
    same = constructed(pretrained=(0.31, 0.4, 0.5, 0.6), scratch=(0.3, 0.4, 0.5, 0.6), spread=0.02)
    assert found_worth(same, 20).phrase() == "no gain is measurable"
    worse = constructed(pretrained=(0.3, 0.3, 0.3, 0.3), scratch=(0.4, 0.5, 0.6, 0.7))
    assert found_worth(worse, 40).verdict == "loss"
    assert found_worth(worse, 40).labels == pytest.approx(-20)  # the smallest budget suffices
    assert "harm" in found_worth(worse, 40).phrase()


def test_one_speaker_says_nothing():
    alone = constructed(pretrained=(0.5, 0.6, 0.7, 0.8), scratch=(0.3, 0.4, 0.5, 0.6), n_speakers=1)
    assert found_worth(alone, 20).verdict == "unknown"
    assert "one speaker" in found_worth(alone, 20).phrase()


def test_a_label_more_is_singular():
    curves = constructed(pretrained=(0.4, 0.5), scratch=(0.3, 0.4), budgets=(20, 21))
    assert found_worth(curves, 20).phrase() == "1 label [1, 1]"


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
        found = budget_reaching(heights[:, i], heights=heights, budgets=budgets)
        np.testing.assert_allclose(found, budget)


def test_rising_is_isotonic_regression(rng):
    heights = rng.normal(size=(30, 7)) + np.linspace(0, 2, 7)
    expected = [IsotonicRegression().fit_transform(np.arange(7), row) for row in heights]
    np.testing.assert_allclose(rising(heights), expected)
