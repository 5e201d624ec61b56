"""Curves of intensities, and what becomes of a paper's claims, on predictions that are known."""

import numpy as np
import pandas as pd
import pytest

from undertone.corpora.tasks import INTENSITIES
from undertone.errors import UndertoneError
from undertone.evaluation.intensities import METRICS, measure
from undertone.evaluation.intensity_claims import (
    NO,
    OPEN,
    YES,
    Claims,
    Published,
    answers,
    gain,
    meet,
)
from undertone.evaluation.intensity_curves import MEAN, trace
from undertone.recipes import masked_gru

EMOTIONS = ("happy", "sad", "fear")
LABELS = {"pretrained_frozen": "frozen", "scratch": "scratch", "always_0": "always 0"}
N_VIDEOS, N_DRAWS = 20, 3


@pytest.fixture
def truth(rng):
    return np.clip(rng.normal(0.2, 0.8, size=(N_VIDEOS * 10, len(EMOTIONS))), 0, 3)


@pytest.fixture
def traced(truth, rng):
    """Curves of predictions that are so far (in SD) from the truth, by system and budget."""

    def trace_noise(noise, **settings):
        predictions = {
            key: np.clip(truth + rng.normal(size=(N_DRAWS, *truth.shape)) * sd, 0, 3)
            for key, sd in noise.items()
        }
        zeros = {("always_0", budget): np.zeros((N_DRAWS, *truth.shape)) for _, budget in noise}
        return trace(
            predictions | zeros,
            truth=truth,
            speakers=[f"v{i // 10}" for i in range(len(truth))],
            emotions=EMOTIONS,
            n_replicates=200,
            **settings,
        )

    return trace_noise


def test_a_value_is_the_mean_over_draws_and_emotions(truth, rng):
    predictions = rng.uniform(0, 3, size=(N_DRAWS, *truth.shape))
    speakers = ["v"] * 100 + ["w"] * 100
    found = trace(
        {("a", 20): predictions}, truth=truth, speakers=speakers, emotions=EMOTIONS, n_replicates=50
    )
    for metric in METRICS:
        expected = np.array([measure(truth=truth, prediction=p)[metric] for p in predictions])
        assert found.estimate("a", 20, metric).value == pytest.approx(expected.mean())
        by_emotion = found.estimate("a", 20, metric, emotion="sad").value
        assert by_emotion == pytest.approx(expected[:, 1].mean())
    assert found.estimate("a", 20).n_speakers == 2


def test_intervals_hold_the_value_and_are_paired(traced):
    curves = traced({("pretrained_frozen", 20): 0.4, ("scratch", 20): 0.4})
    for metric in ("mae", "accuracy", "presence_auc", "spearman", "ccc"):
        found = curves.estimate("scratch", 20, metric)
        assert found.low < found.value < found.high
    difference = curves.difference("scratch", "scratch", budget=20)
    assert (difference.low, difference.value, difference.high) == (0, 0, 0)


def test_a_constant_counts_as_knowing_nothing(traced):
    curves = traced({("scratch", 20): 0.4})
    for metric, expected in {"presence_auc": 0.5, "ccc": 0.0, "spearman": 0.0}.items():
        assert curves.estimate("always_0", 20, metric).value == pytest.approx(expected)


def test_a_system_that_sometimes_says_nothing_is_averaged_with_its_zeros(truth):
    predictions = np.stack([truth, np.zeros_like(truth)])
    speakers = [f"v{i // 10}" for i in range(len(truth))]
    curves = trace(
        {("a", 20): predictions}, truth=truth, speakers=speakers, emotions=EMOTIONS, n_replicates=50
    )
    assert curves.estimate("a", 20, "spearman").value == pytest.approx(0.5)


def test_the_number_of_processes_changes_no_number(traced, truth, rng):
    predictions = {
        ("a", 20): rng.uniform(0, 3, size=(2, *truth.shape)),
        ("b", 20): truth[None][[0, 0]],
    }
    one, two = (
        trace(
            predictions,
            truth=truth,
            speakers=["v", "w"] * (len(truth) // 2),
            emotions=EMOTIONS,
            n_replicates=30,
            workers=workers,
        )
        for workers in (1, 2)
    )
    for key in predictions:
        np.testing.assert_array_equal(one.found[key].replicates, two.found[key].replicates)


def test_predictions_that_cannot_be_paired_are_refused(truth):
    with pytest.raises(UndertoneError, match="the same draws and utterances for all"):
        trace(
            {("a", 20): truth[None], ("b", 20): truth[None][[0, 0]]},
            truth=truth,
            speakers=["v"] * len(truth),
            emotions=EMOTIONS,
        )


def test_a_gain_is_above_zero_when_better_whatever_the_metric(traced):
    curves = traced({("pretrained_frozen", 20): 0.1, ("scratch", 20): 0.9})
    for metric in METRICS:
        found = gain(curves, "pretrained_frozen", "scratch", budget=20, metric=metric)
        assert found.value > 0, metric


def test_curves_meet_where_no_later_interval_excludes_zero(traced):
    noise = {("pretrained_frozen", b): 0.3 for b in (20, 50, 100)}
    noise |= {("scratch", 20): 0.9, ("scratch", 50): 0.7, ("scratch", 100): 0.3}
    curves = traced(noise)
    assert meet(curves, "pretrained_frozen", "scratch") == 100
    apart = traced(noise | {("scratch", 100): 0.9})
    assert meet(apart, "pretrained_frozen", "scratch") is None


@pytest.mark.parametrize(
    ("few", "many", "narrows", "helps"),
    [((0.1, 0.9), (0.3, 0.35), YES, YES), ((0.1, 0.3), (0.1, 0.9), NO, YES),
     ((0.9, 0.1), (0.5, 0.5), OPEN, NO)],
)  # fmt: skip
def test_claims_are_answered_by_the_numbers(traced, few, many, narrows, helps):
    curves = traced(
        {
            ("pretrained_frozen", 20): few[0],
            ("scratch", 20): few[1],
            ("pretrained_frozen", 200): many[0],
            ("scratch", 200): many[1],
        }
    )
    found = {answer.question: answer.verdict for answer in answers(curves, _claims(), LABELS)}
    assert found["Is “frozen” better than “scratch” with 20 labels?"] == helps
    assert found["Does the gap narrow from 20 to 200 labels (MAE, “frozen”)?"] == narrows


def test_who_gains_most_is_told_by_emotion(truth, rng):
    """Only happy gains: sad and fear are the same in both."""
    base = np.clip(truth + 0.8 * rng.normal(size=(N_DRAWS, *truth.shape)), 0, 3)
    better = base.copy()
    better[..., 0] = truth[..., 0]
    curves = trace(
        {("pretrained_frozen", 200): better, ("scratch", 200): base},
        truth=truth,
        speakers=[f"v{i // 10}" for i in range(len(truth))],
        emotions=EMOTIONS,
        n_replicates=200,
    )
    for named, expected in {("happy",): YES, ("sad", "fear"): NO}.items():
        found = answers(curves, _claims(gain_most=named), LABELS)
        verdicts = [a.verdict for a in found if "gain most" in a.question]
        assert verdicts == [expected]


@pytest.mark.parametrize(
    ("published", "expected"), [((0.1, 0.3), NO), ((0.98, 0.99), YES), ((0.3, 0.98), OPEN)]
)
def test_published_numbers_are_held_against_the_constant(traced, published, expected):
    curves = traced({("pretrained_frozen", 200): 0.3, ("scratch", 200): 0.3})
    numbers = (Published("accuracy", published, (0.1, 0.2), False, "somewhere"),)
    found = [
        a for a in answers(curves, _claims(published=numbers), LABELS) if "published" in a.question
    ]
    assert [answer.verdict for answer in found] == [expected]
    constant = curves.estimate("always_0", 200, "accuracy", emotion=MEAN).value
    assert f"{constant:.3f}".removeprefix("0") in found[0].evidence


def _claims(**changes):
    values = {"published": (), "gain_most": ("happy",), "budget": 200, "floors": ("always_0",)}
    return Claims(**(values | changes))


@pytest.mark.corpora
def test_the_published_accuracies_do_not_clear_a_constant_on_the_official_test_fold(corpora_root):
    table = pd.read_csv(corpora_root / "mosei_labels" / "labels.csv", dtype={"video": str})
    test = table[table["split"] == "test"]
    truth = test[list(INTENSITIES)].to_numpy()
    curves = trace(
        {("always_0", 200): np.zeros((2, *truth.shape))},
        truth=truth,
        speakers=test["video"].tolist(),
        emotions=INTENSITIES,
        n_replicates=20,
    )
    assert curves.n_speakers == 676
    assert curves.estimate("always_0", 200).value == pytest.approx(0.1635, abs=5e-5)
    accuracy = curves.estimate("always_0", 200, "accuracy")
    assert accuracy.value == pytest.approx(0.8723, abs=5e-5)
    found = answers(curves, masked_gru.PAPER.claims, LABELS)
    verdicts = [answer.verdict for answer in found if "published" in answer.question]
    assert verdicts == [NO, NO]
