"""Curves of emotions and of amounts, on predictions that are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation_fakes import BUDGETS, EMOTIONS, Valence, amounts_run, correlation, run
from sklearn.metrics import balanced_accuracy_score, recall_score

from undertone.errors import UndertoneError
from undertone.evaluation.curves import trace
from undertone.evaluation.intervals import interval, resample
from undertone.evaluation.many import p_values_against
from undertone.evaluation.needed import labels_needed
from undertone.evaluation.worth import worth
from undertone.tasks import MEAN, Intensities
from undertone.tasks.intensities import METRICS, measure
from undertone.tasks.rows import Rows

PRETRAINED, SCRATCH = "pretrained_full", "scratch_full"


@pytest.fixture(scope="module")
def whole():
    return run()


@pytest.fixture(scope="module")
def curves(whole):
    return whole.traced(n_replicates=300)


# --- emotions


def test_a_value_is_the_mean_over_draws_of_the_score_over_all_speakers(whole, curves):
    truth = whole.tested.truth.argmax(axis=1)
    of_draw = [
        balanced_accuracy_score(truth, draw.argmax(axis=1))
        for draw in whole.predictions[PRETRAINED, 40]
    ]
    assert curves.estimate(PRETRAINED, 40).value == pytest.approx(np.mean(of_draw))
    assert (curves.n_speakers, curves.n_utterances, curves.budgets) == (12, 336, BUDGETS)


def test_the_order_of_rows_does_not_matter(whole, curves):
    order = np.random.default_rng(1).permutation(len(whole.tested.truth))
    shuffled = trace(
        {key: values[:, order] for key, values in whole.predictions.items()},
        task=whole.tested.task,
        truth=whole.tested.truth[order],
        speakers=np.array(whole.tested.speakers)[order],
        n_replicates=300,
    )
    assert shuffled.estimate(SCRATCH, 20) == curves.estimate(SCRATCH, 20)
    assert shuffled.difference(PRETRAINED, SCRATCH, budget=20) == curves.difference(
        PRETRAINED, SCRATCH, budget=20
    )


def test_only_the_likeliest_emotion_counts(whole, rng):
    unsure = {
        key: 0.5 * values + rng.uniform(0, 0.4, values.shape)
        for key, values in whole.predictions.items()
    }
    sure, unsure = (replace(whole, predictions=p) for p in (whole.predictions, unsure))
    for metric in ("uar", "wa", "macro_f1"):
        expected = sure.traced(n_replicates=20).estimate("svm", 40, metric)
        assert unsure.traced(n_replicates=20).estimate("svm", 40, metric) == expected


def test_a_system_does_not_differ_from_itself(curves):
    none = curves.difference(SCRATCH, SCRATCH, budget=20)
    assert (none.value, none.low, none.high) == (0, 0, 0)


def test_differences_change_sign_with_their_order_and_are_paired(curves):
    ours = curves.difference(PRETRAINED, SCRATCH, budget=20)
    theirs = curves.difference(SCRATCH, PRETRAINED, budget=20)
    assert (theirs.value, theirs.low, theirs.high) == pytest.approx(
        (-ours.value, -ours.high, -ours.low)
    )
    apart = [curves.estimate(system, 20) for system in (PRETRAINED, SCRATCH)]
    unpaired = np.hypot(*(e.high - e.low for e in apart))
    assert ours.high - ours.low < unpaired  # shared speakers cancel


def test_a_contrast_is_the_sum_of_its_terms(curves):
    """Of values and of replicates: here of two systems and of several emotions."""
    terms = [(2, (PRETRAINED, 40), ("anger", "fear")), (-0.5, (SCRATCH, 160), (MEAN,))]
    found = curves.contrast(terms, "macro_f1")
    ours, theirs = (curves.scored[key] for _, key, _ in terms)
    columns = [1 + EMOTIONS.index(name) for name in ("anger", "fear")]

    def total(of_ours, of_theirs):
        return 2 * of_ours[..., 2, columns].mean(axis=-1) - 0.5 * of_theirs[..., 2, 0]

    replicates = total(ours.replicates, theirs.replicates)
    assert found.value == pytest.approx(total(ours.by_draw, theirs.by_draw).mean())
    assert (found.low, found.high) == pytest.approx(interval(replicates, n_speakers=12))


def test_chance_and_constant_are_one_over_the_number_of_emotions(curves):
    assert curves.chance() == pytest.approx(1 / 7)
    assert curves.estimate("constant", 20).value == pytest.approx(1 / 7)


def test_recalls_average_to_uar_and_agree_with_the_confusion(whole, curves):
    recalls = {e: curves.estimate(PRETRAINED, 160, output=e).value for e in EMOTIONS}
    assert np.mean(list(recalls.values())) == pytest.approx(curves.estimate(PRETRAINED, 160).value)
    truth = whole.tested.truth.argmax(axis=1)
    of_draw = [
        recall_score(truth, draw.argmax(axis=1), average=None)
        for draw in whole.predictions[PRETRAINED, 160]
    ]
    assert list(recalls.values()) == pytest.approx(np.mean(of_draw, axis=0))
    confusion = curves.scored[PRETRAINED, 160].confusion
    assert confusion.sum() == 5 * 336
    assert np.diagonal(confusion)[0] / confusion[0].sum() == pytest.approx(recalls["anger"])


def test_behind_a_recall_stand_the_speakers_who_show_the_emotion(whole):
    """Anger is shown by three speakers, boredom by none: no number, no interval."""
    speaker = np.array(whole.tested.speakers).astype(int)
    kept = (whole.tested.truth[:, 1] == 0) & ((whole.tested.truth[:, 0] == 0) | (speaker < 3))
    curves = trace(
        {key: values[:, kept] for key, values in whole.predictions.items()},
        task=whole.tested.task,
        truth=whole.tested.truth[kept],
        speakers=np.array(whole.tested.speakers)[kept],
        n_replicates=100,
    )
    anger, never = (curves.estimate("svm", 20, output=e) for e in ("anger", "boredom"))
    assert (anger.n_speakers, curves.estimate("svm", 20).n_speakers) == (3, 12)
    assert np.isnan(never.value)
    assert not never.has_interval
    assert curves.chance() == pytest.approx(1 / 6)  # whatever is predicted
    gain = curves.gain("svm", SCRATCH, budget=20, outputs=("anger", "fear"))
    assert gain.n_speakers == 3
    assert curves.gain("svm", SCRATCH, budget=20).n_speakers == 12


def test_one_draw_at_the_largest_budget_is_enough(whole):
    thin = {k: v[:1] if k[1] == 160 else v for k, v in whole.predictions.items()}
    curves = replace(whole, predictions=thin).traced(n_replicates=50)
    assert len(curves.scored[SCRATCH, 160].by_draw) == 1
    assert curves.difference(PRETRAINED, SCRATCH, budget=160).has_interval


def test_a_system_may_lack_a_budget(whole):
    gap = {key: values for key, values in whole.predictions.items() if key != ("svm", 20)}
    curves = replace(whole, predictions=gap).traced(n_replicates=50)
    assert curves.budgets_of("svm", SCRATCH) == BUDGETS[1:]
    assert curves.best(["svm", "constant"], 20) == "constant"


# --- amounts


def test_a_value_is_the_mean_over_draws_and_outputs(rng):
    truth = np.clip(rng.normal(0.2, 0.8, size=(200, 3)), 0, 3)
    predictions = rng.uniform(0, 3, size=(3, *truth.shape))
    curves = trace(
        {("a", 20): predictions},
        task=Intensities(("happy", "sad", "fear")),
        truth=truth,
        speakers=["v"] * 100 + ["w"] * 100,
        n_replicates=50,
    )
    for metric in METRICS:
        expected = np.array([measure(truth=truth, prediction=p)[metric] for p in predictions])
        assert curves.estimate("a", 20, metric).value == pytest.approx(expected.mean())
        of_one = curves.estimate("a", 20, metric, output="sad").value
        assert of_one == pytest.approx(expected[:, 1].mean())
    assert curves.estimate("a", 20).n_speakers == 2
    assert curves.chance() is None


def test_intervals_hold_the_value_and_are_paired():
    curves = amounts_run(n_videos=20).traced(n_replicates=200)
    for metric in ("mae", "accuracy", "presence_auc", "spearman", "ccc"):
        estimate = curves.estimate("scratch", 20, metric)
        assert estimate.low < estimate.value < estimate.high
    none = curves.difference("scratch", "scratch", budget=20)
    assert (none.low, none.value, none.high) == (0, 0, 0)


def test_a_constant_counts_as_knowing_nothing():
    curves = amounts_run(n_videos=20).traced(n_replicates=20)
    for metric, expected in {"presence_auc": 0.5, "ccc": 0.0, "spearman": 0.0}.items():
        assert curves.estimate("always_0", 20, metric).value == pytest.approx(expected)


def test_a_system_that_sometimes_says_nothing_is_averaged_with_its_zeros():
    whole = amounts_run(n_videos=20)
    truth = whole.tested.truth
    sometimes = replace(whole, predictions={("a", 20): np.stack([truth, np.zeros_like(truth)])})
    curves = sometimes.traced(n_replicates=50)
    assert curves.estimate("a", 20, "spearman").value == pytest.approx(0.5)


def test_a_gain_is_above_zero_when_better_whatever_the_metric():
    curves = amounts_run(noise={"pretrained_frozen": (0.1,), "scratch": (0.9,)}, n_videos=20)
    curves = curves.traced(n_replicates=50)
    for metric, of in curves.task.metrics.items():
        gain = curves.gain("pretrained_frozen", "scratch", budget=20, metric=metric)
        assert gain.value > 0, metric
        higher = curves.difference("pretrained_frozen", "scratch", budget=20, metric=metric)
        assert (higher.value < 0) == of.lower_is_better
        assert curves.best(["scratch", "pretrained_frozen"], 20, metric) == "pretrained_frozen"


def test_draws_in_which_a_metric_does_not_exist_are_left_out_of_the_mean(rng):
    """The third of four draws never changes and has no correlation: it counts as nothing, not 0."""
    whole = amounts_run(Valence(("valence", "arousal")), {"a": (0.6,)}, n_draws=4, n_videos=7)
    predictions = whole.predictions["a", 20].copy()
    predictions[0] = np.clip(predictions[0] + rng.normal(0, 0.3, predictions[0].shape), 0, 1)
    predictions[2] = 0.37
    curves = replace(whole, predictions={("a", 20): predictions}).traced(n_replicates=60)
    resamples = resample(7, n_replicates=60)
    speaker = np.arange(70) // 10

    def mean_correlation(draw, times):
        rows = Rows(whole.tested.truth, draw, speaker)
        return correlation(rows, times[None].astype(float))[0].mean()

    once = [mean_correlation(draw, np.ones(7)) for draw in predictions]
    assert np.isnan(once[2])
    assert max(np.diff(sorted(once[:2] + once[3:]))) > 0.05  # each draw pulls elsewhere
    value = curves.estimate("a", 20, "correlation", output=MEAN).value
    assert value == pytest.approx(np.mean([once[0], once[1], once[3]]))
    replicates = curves.scored["a", 20].replicates[:, 1, 0]
    for r, (speakers, draws) in enumerate(zip(resamples.speakers, resamples.draws(4), strict=True)):
        total = weight = 0.0
        for d, times in enumerate(draws):
            if d != 2:
                total += times * mean_correlation(predictions[d], speakers)
                weight += times
        expected = total / weight if weight else np.nan
        assert replicates[r] == pytest.approx(expected, nan_ok=True)


def test_the_number_of_processes_changes_no_number(rng):
    truth = np.clip(rng.normal(0.2, 0.8, size=(2_000, 2)), 0, 3)
    predictions = {
        ("a", 20): rng.uniform(0, 3, size=(2, *truth.shape)),
        ("b", 20): truth[None][[0, 0]],
    }
    one, two = (
        trace(
            predictions,
            task=Intensities(("happy", "fear")),
            truth=truth,
            speakers=["v", "w"] * (len(truth) // 2),
            n_replicates=10,
            workers=workers,
        )
        for workers in (1, 2)
    )
    for key in predictions:
        np.testing.assert_array_equal(one.scored[key].replicates, two.scored[key].replicates)


def test_predictions_that_cannot_be_paired_are_refused():
    whole = amounts_run()
    truth = whole.tested.truth[None]
    with pytest.raises(UndertoneError, match="the same utterances for all"):
        replace(whole, predictions={("a", 20): truth, ("b", 20): truth[:, 1:]}).traced()


def test_a_system_with_fewer_draws_is_paired_over_those_that_both_have(whole, curves):
    """Beside all draws the difference of the shared ones is that of a run that never had more."""
    few = {key: values[:2] for key, values in whole.predictions.items()}
    mixed = replace(
        whole,
        predictions={k: few[k] if k[0] == SCRATCH else v for k, v in whole.predictions.items()},
    ).traced(n_replicates=300)
    short = replace(whole, predictions=few).traced(n_replicates=300)
    assert len(whole.predictions[SCRATCH, 20]) > 2
    assert mixed.estimate(PRETRAINED, 20) == curves.estimate(PRETRAINED, 20)
    assert (
        mixed.estimate(SCRATCH, 20) == short.estimate(SCRATCH, 20) != curves.estimate(SCRATCH, 20)
    )
    for budget in mixed.budgets_of(PRETRAINED, SCRATCH):
        paired = mixed.gain(PRETRAINED, SCRATCH, budget=budget)
        assert paired == short.gain(PRETRAINED, SCRATCH, budget=budget)
        assert worth(mixed, pretrained=PRETRAINED, scratch=SCRATCH, budget=budget) == worth(
            short, pretrained=PRETRAINED, scratch=SCRATCH, budget=budget
        )
    assert mixed.mean_gain(PRETRAINED, SCRATCH) == short.mean_gain(PRETRAINED, SCRATCH)
    needed = [labels_needed(c, PRETRAINED, SCRATCH, at=BUDGETS[-1]) for c in (mixed, short)]
    assert needed[0] == needed[1]
    apart, together = (
        [p_values_against(c, PRETRAINED, [SCRATCH], budget=b) for b in BUDGETS]
        for c in (mixed, short)
    )
    assert apart == together != [{SCRATCH: 1.0}] * len(BUDGETS)


@pytest.mark.corpora
def test_a_constant_on_the_official_test_fold_scores_what_is_documented(corpora_root):
    table = pd.read_csv(corpora_root / "mosei_labels" / "labels.csv", dtype={"video": str})
    test = table[table["split"] == "test"]
    task = Intensities()
    truth = task.truth(test)
    curves = trace(
        {("always_0", 200): np.zeros((2, *truth.shape))},
        task=task,
        truth=truth,
        speakers=test["video"].tolist(),
        n_replicates=20,
    )
    assert curves.n_speakers == 676
    assert curves.estimate("always_0", 200).value == pytest.approx(0.1635, abs=5e-5)
    accuracy = curves.estimate("always_0", 200, "accuracy")
    assert accuracy.value == pytest.approx(0.8723, abs=5e-5)
