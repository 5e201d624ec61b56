import time

import numpy as np
import pytest
from scipy import stats

from undertone.evaluation import intervals
from undertone.evaluation.classes import METRICS, recalls_of_counts, uar_of_counts, wa_of_counts


def counts_of(right: np.ndarray, n_utterances: np.ndarray | int) -> np.ndarray:
    """(..., 2, 2) one true emotion in each half of the utterances, ``right`` of each right."""
    right = np.asarray(right)
    counts = np.zeros((*right.shape, 2, 2))
    for emotion in range(2):
        counts[..., emotion, emotion] = right
        counts[..., emotion, 1 - emotion] = n_utterances - right
    return counts


def width(counts: np.ndarray) -> float:
    found = intervals.estimate(counts, uar_of_counts, intervals.resample(counts.shape[1]))
    return found.high - found.low


def test_speakers_who_are_all_right_or_all_wrong_make_the_interval_wide():
    by_speaker = counts_of(np.array([[20, 20, 20, 20, 20, 20, 0, 0, 0, 0]]), 20)
    utterances = np.concatenate([np.eye(4)[[0, 3]]] * 120 + [np.eye(4)[[1, 2]]] * 80)
    by_utterance = utterances.reshape(1, 400, 2, 2)
    assert by_utterance.sum() == by_speaker.sum()
    assert width(by_speaker) > 3 * width(by_utterance)


def test_replicates_equal_the_equation_computed_speaker_by_speaker(rng):
    counts = rng.integers(0, 4, (3, 5, 4, 4))
    resamples = intervals.resample(5, n_replicates=6, seed=3)
    found = intervals.replicates(counts, METRICS, resamples)
    draws = resamples.draws(3)
    for name, metric in METRICS.items():
        for r in range(6):
            of_draw = [
                metric(sum(resamples.speakers[r, s] * counts[d, s] for s in range(5)))
                for d in range(3)
            ]
            assert found[name][r] == pytest.approx(np.sum(draws[r] * of_draw) / 3)


def test_weights_draw_as_many_speakers_as_there_are_and_depend_on_the_seed_alone():
    first, again, other = (intervals.resample(7, n_replicates=50, seed=s) for s in (1, 1, 2))
    assert (first.speakers.sum(axis=1) == 7).all()
    assert (first.draws(4).sum(axis=1) == 4).all()
    np.testing.assert_array_equal(first.speakers, again.speakers)
    np.testing.assert_array_equal(first.draws(4), again.draws(4))
    assert (first.speakers != other.speakers).any()
    assert (first.draws(1) == 1).all()


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
        return rng.random((2, n_speakers, 20)) < skill[None, :, None]

    def clustered():
        return intervals.estimate(
            counts_of(right().sum(axis=(0, 2))[None] / 2, 20), uar_of_counts, by_speaker
        )

    def independent():
        hits = right().mean(axis=0).reshape(1, -1)
        return intervals.estimate(counts_of(hits, 1), uar_of_counts, by_utterance)

    assert coverage(clustered) >= 0.9
    assert coverage(independent) < 0.7


def test_draws_of_the_labels_are_covered_too(rng):
    resamples = intervals.resample(20, n_replicates=400)

    def simulate():
        skill = 0.5 + rng.normal(0, 0.1, (1, 20)) + rng.normal(0, 0.08, (8, 1))
        return intervals.estimate(
            counts_of(rng.binomial(30, skill.clip(0, 1)), 30), uar_of_counts, resamples
        )

    assert coverage(simulate) >= 0.9


def test_few_speakers_widen_the_tails_as_students_distribution_asks():
    for n in (2, 5, 30):
        expected = stats.norm.cdf(stats.t.ppf(0.025, n - 1) * np.sqrt(n / (n - 1)))
        assert intervals.tail_probability(n) == pytest.approx(expected)


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
    counts = counts_of(np.array([[15], [10]]), 20)
    found = intervals.estimate(counts, wa_of_counts, intervals.resample(1))
    assert found.value == pytest.approx(0.625)
    assert np.isnan([found.low, found.high]).all()
    assert found.n_speakers == 1


def test_recalls_count_only_the_speakers_who_show_the_emotion():
    counts = np.zeros((2, 3, 3, 3))
    counts[:, :, 0, 0] = 4
    counts[:, 0, 1, 1] = counts[:, 1, 1, 0] = 2
    first, second, never = intervals.estimate_each(counts, recalls_of_counts, intervals.resample(3))
    assert (first.value, first.n_speakers) == (1, 3)
    assert (second.value, second.n_speakers) == (0.5, 2)
    assert np.isnan(never.value)
    assert not never.has_interval


def test_two_thousand_replicates_take_well_below_a_second(rng):
    counts = rng.integers(0, 4, (10, 24, 8, 8))
    resamples = intervals.resample(24, n_replicates=2_000)
    started = time.process_time()
    intervals.replicates(counts, {"uar": uar_of_counts}, resamples)
    assert time.process_time() - started < 1
