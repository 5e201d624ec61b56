import time

import numpy as np
import pytest
from evaluation_fakes import run
from scipy import stats

from undertone.evaluation import intervals
from undertone.evaluation.curves import Truth, score
from undertone.evaluation.estimate import Estimate
from undertone.tasks import Classes
from undertone.tasks.classes import METRICS, confusion

TASK = Classes(("a", "b"))


def uar_of(
    right: np.ndarray, speaker: np.ndarray, resamples: intervals.Resamples, metric: str = "uar"
) -> Estimate:
    """Half of the utterances hold one emotion, the others the other one.

    Args:
        right: (n_draws, 2, n_utterances) whether each is told right, by true emotion.
        speaker: (n_utterances,) of both halves.
        resamples: of the speakers.
        metric: its estimate is given back.
    """
    emotion = np.repeat([0, 1], right.shape[-1])
    hit = right.reshape(len(right), -1)
    predictions = TASK.one_hot(np.where(hit, emotion, 1 - emotion))
    scored = score(predictions, Truth(TASK, TASK.one_hot(emotion), np.tile(speaker, 2), resamples))
    row = list(TASK.metrics).index(metric)
    n_speakers = resamples.speakers.shape[1]
    return intervals.summarise(
        float(scored.value[row, 0]), scored.replicates[:, row, 0], n_speakers=n_speakers
    )


def width(right: np.ndarray, speaker: np.ndarray) -> float:
    estimate = uar_of(right, speaker, intervals.resample(speaker.max() + 1))
    return estimate.high - estimate.low


def test_speakers_who_are_all_right_or_all_wrong_make_the_interval_wide():
    right = np.tile(np.repeat([1] * 6 + [0] * 4, 20) > 0, (1, 2, 1))
    by_speaker = width(right, np.repeat(np.arange(10), 20))
    by_utterance = width(right, np.arange(200))
    assert by_speaker > 3 * by_utterance


def test_replicates_equal_the_equation_computed_speaker_by_speaker(rng):
    """The metrics that sklearn's definitions give for a table of counts, in every replicate."""
    whole = run({"a": (0.4,)}, budgets=(20,), n_speakers=5, n_utterances=17)
    truth, speaker = whole.tested.truth, np.array(whole.tested.speakers, dtype=int)
    predictions = whole.predictions["a", 20]
    task, resamples = whole.tested.task, intervals.resample(5, n_replicates=6, seed=3)
    scored = score(predictions, Truth(task, truth, speaker, resamples))
    counts = np.array(
        [
            [
                confusion(
                    truth=np.array(task.outputs)[truth[speaker == s].argmax(axis=1)],
                    prediction=np.array(task.outputs)[draw[speaker == s].argmax(axis=1)],
                    emotions=task.outputs,
                )
                for s in range(5)
            ]
            for draw in predictions
        ]
    )
    n_draws = len(predictions)
    draws = resamples.draws(n_draws)
    for row, metric in enumerate(METRICS.values()):
        for r in range(6):
            of_draw = [
                metric(sum(resamples.speakers[r, s] * counts[d, s] for s in range(5)))
                for d in range(n_draws)
            ]
            expected = np.sum(draws[r] * of_draw) / n_draws
            assert scored.replicates[r, row, 0] == pytest.approx(expected)


def test_weights_draw_as_many_speakers_as_there_are_and_depend_on_the_seed_alone():
    first, again, other = (intervals.resample(7, n_replicates=50, seed=s) for s in (1, 1, 2))
    assert (first.speakers.sum(axis=1) == 7).all()
    assert (first.draws(4).sum(axis=1) == 4).all()
    np.testing.assert_array_equal(first.speakers, again.speakers)
    np.testing.assert_array_equal(first.draws(4), again.draws(4))
    assert (first.speakers != other.speakers).any()
    assert (first.draws(1) == 1).all()
    assert (first.draws(7) != first.speakers).any()  # as many draws as speakers: another stream


def coverage(simulate, n_repetitions=250):
    """How often the interval holds .5, the UAR that the simulation is built around."""
    covered = [e.low <= 0.5 <= e.high for e in (simulate() for _ in range(n_repetitions))]
    return np.mean(covered)


@pytest.mark.parametrize("n_speakers", [10, 25])
def test_intervals_over_speakers_cover_what_they_promise(rng, n_speakers):
    """Speakers differ (Beta(3, 3)); intervals over utterances pretend that they do not."""
    by_speaker = intervals.resample(n_speakers, n_replicates=400)
    by_utterance = intervals.resample(n_speakers * 20, n_replicates=400)

    def right():
        skill = rng.beta(3, 3, n_speakers)
        told = rng.random((2, n_speakers, 20)) < skill[None, :, None]
        return told.reshape(1, 2, -1)

    def clustered():
        return uar_of(right(), np.repeat(np.arange(n_speakers), 20), by_speaker)

    def independent():
        return uar_of(right(), np.arange(n_speakers * 20), by_utterance)

    assert coverage(clustered) >= 0.9
    assert coverage(independent) < 0.7


def test_draws_of_the_labels_are_covered_too(rng):
    resamples = intervals.resample(20, n_replicates=400)

    def simulate():
        skill = 0.5 + rng.normal(0, 0.1, (1, 20)) + rng.normal(0, 0.08, (8, 1))
        n_right = rng.binomial(30, skill.clip(0, 1))
        right = (np.arange(30) < n_right[:, :, None]).reshape(8, 1, -1)
        return uar_of(np.tile(right, (1, 2, 1)), np.repeat(np.arange(20), 30), resamples)

    assert coverage(simulate) >= 0.9


def test_few_speakers_widen_the_tails_as_students_distribution_asks():
    for n in (2, 5, 30):
        expected = stats.norm.cdf(stats.t.ppf(0.025, n - 1) * np.sqrt(n / (n - 1)))
        assert intervals.tail_probability(n) == pytest.approx(expected)


def of_equal_values(rng, n_speakers, n_values=5, n_replicates=300):
    """Means over speakers of values that are the same but for chance, and their replicates."""
    by_speaker = rng.normal(size=(n_speakers, 1)) + rng.normal(size=(n_speakers, n_values))
    share = intervals.resample(n_speakers, n_replicates=n_replicates).speakers / n_speakers
    return by_speaker.mean(axis=0), share @ by_speaker


@pytest.mark.parametrize("n_speakers", [6, 20])
def test_of_values_that_are_equal_none_is_called_worse_than_the_best(rng, n_speakers):
    """The best is picked after looking: single intervals call another one worse in most runs."""
    together, single = [], []
    for _ in range(150):
        values, replicates = of_equal_values(rng, n_speakers)
        best = int(values.argmax())
        low, _ = intervals.all_differences(values, replicates, n_speakers=n_speakers)
        together.append((low[best] > 0).any())
        apart = replicates[:, [best]] - replicates
        ends = [intervals.interval(column, n_speakers=n_speakers) for column in apart.T]
        single.append(any(end[0] > 0 for end in ends))
    assert np.mean(together) <= 0.1
    assert np.mean(single) >= 0.25


def test_differences_that_hold_together_equal_their_equation(rng):
    values, replicates = of_equal_values(rng, 12, n_values=4)
    replicates[7] = np.nan  # a metric does not exist in one of them
    low, high = intervals.all_differences(values, replicates, n_speakers=12)
    exist = np.delete(replicates, 7, axis=0)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    off = {(i, j): exist[:, i] - exist[:, j] - (values[i] - values[j]) for i, j in pairs}
    factor = np.quantile(np.max([abs(off[p]) / off[p].std() for p in pairs], axis=0), 0.95)
    widened = -np.sqrt(12 / 11) * stats.t.ppf(stats.norm.cdf(-factor), 11)
    for i, j in pairs:
        expected = values[i] - values[j] + widened * off[i, j].std() * np.array([-1, 1])
        np.testing.assert_allclose((low[i, j], high[i, j]), expected)
        np.testing.assert_allclose((low[j, i], high[j, i]), -expected[::-1])
    np.testing.assert_array_equal(np.diag(low), 0)


def test_values_that_are_one_do_not_differ_and_one_speaker_tells_nothing(rng):
    values, replicates = of_equal_values(rng, 9, n_values=3)
    twins = [0, 0, 1]
    low, high = intervals.all_differences(values[twins], replicates[:, twins], n_speakers=9)
    assert (low[0, 1], high[0, 1]) == (0, 0)
    assert low[0, 2] < high[0, 2]
    low, high = intervals.all_differences(values, replicates, n_speakers=1)
    assert np.isnan([low, high]).all()
    low, high = intervals.all_differences(values[:1], replicates[:, :1], n_speakers=9)
    assert (low, high) == (0, 0)


def test_the_ends_are_percentiles(rng):
    found = rng.normal(size=5_000)
    low, high = intervals.interval(found, n_speakers=40)
    tail = intervals.tail_probability(40)
    assert np.mean(found < low) == pytest.approx(tail, abs=0.001)
    assert np.mean(found > high) == pytest.approx(tail, abs=0.001)
    assert intervals.interval(-found, n_speakers=40) == (-high, -low)


def test_infinite_replicates_make_an_infinite_end_not_a_missing_one():
    found = np.array([1.0] * 80 + [np.inf] * 20)
    assert intervals.interval(found, n_speakers=50) == (1.0, np.inf)


def test_one_speaker_gives_a_value_and_no_interval():
    n_right = np.array([15, 10])
    right = np.tile((np.arange(20) < n_right[:, None])[:, None], (1, 2, 1))
    estimate = uar_of(right, np.zeros(20, dtype=int), intervals.resample(1), metric="wa")
    assert estimate.value == pytest.approx(0.625)
    assert np.isnan([estimate.low, estimate.high]).all()
    assert estimate.n_speakers == 1


def test_two_thousand_replicates_take_well_below_a_second():
    whole = run({"a": (0.4,)}, budgets=(20,), n_draws=10, n_speakers=24, n_utterances=96)
    assert whole.tested.task.n_replicates == 2_000
    started = time.process_time()
    whole.traced()
    assert time.process_time() - started < 1
