"""Intervals from a bootstrap that resamples speakers and label draws, never utterances.

In:  counts (n_draws, n_speakers, n_emotions, n_emotions) of one system at one budget.
Out: replicates of a metric, and an ``Estimate`` with a 95 % interval.

The utterances of one speaker rise and fall together, so a speaker is what is drawn with
replacement; draws of the labels are drawn too, independently of the speakers (two crossed
factors: Owen, "The pigeonhole bootstrap", 2007). A metric is computed for each draw from the
counts of all resampled speakers, then averaged over the resampled draws. The weights depend on
the seed and the shape alone: every system meets the same speakers and draws in replicate r, which
makes differences paired.

Ends are percentiles. With few speakers plain percentiles are too narrow; theirs are widened as
Hesterberg does ("What teachers should know about the bootstrap", 2015, section 4.3): the tail
is Φ(-√(n / (n - 1)) t) with t the quantile of Student's distribution with n - 1 degrees, and n the
number of speakers. At 30 speakers a tail is 1.9 % rather than 2.5 %, at 10 speakers 0.9 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from undertone.evaluation.classes import Metric
from undertone.evaluation.estimate import Estimate

LEVEL = 0.95
N_REPLICATES = 2_000


@dataclass(frozen=True)
class Resamples:
    """How often each speaker and each draw occurs in each replicate."""

    speakers: np.ndarray  # (n_replicates, n_speakers), rows sum to n_speakers
    seed: int

    def draws(self, n_draws: int) -> np.ndarray:
        """(n_replicates, n_draws) rows sum to ``n_draws``; the same for every system."""
        rng = np.random.default_rng([self.seed, 1, n_draws])
        return _multinomial(rng, n_draws, len(self.speakers))


def resample(n_speakers: int, *, n_replicates: int = N_REPLICATES, seed: int = 0) -> Resamples:
    """The weights every system of a comparison shares."""
    rng = np.random.default_rng([seed, 0, n_speakers])
    return Resamples(_multinomial(rng, n_speakers, n_replicates), seed)


def replicates(
    counts: np.ndarray, metrics: Mapping[str, Metric], resamples: Resamples
) -> dict[str, np.ndarray]:
    """Each metric in each replicate.

    Args:
        counts: (n_draws, n_speakers, n_emotions, n_emotions).
        metrics: functions of (..., n_emotions, n_emotions).
        resamples: weights for ``n_speakers``.

    Returns:
        (n_replicates, ...) for each metric, where ... is what the metric gives for one matrix.
    """
    n_draws, n_speakers, n_emotions, _ = counts.shape
    by_speaker = np.moveaxis(counts, 1, 0).reshape(n_speakers, -1).astype(float)
    resampled = (resamples.speakers @ by_speaker).reshape(-1, n_draws, n_emotions, n_emotions)
    share = resamples.draws(n_draws) / n_draws
    return {
        name: np.einsum("rd,rd...->r...", share, metric(resampled))
        for name, metric in metrics.items()
    }


def value(counts: np.ndarray, metric: Metric) -> np.ndarray:
    """The metric of each draw over all speakers, averaged over the draws."""
    return metric(counts.sum(axis=1)).mean(axis=0)


def estimate(counts: np.ndarray, metric: Metric, resamples: Resamples) -> Estimate:
    """One number with its interval, for a metric that gives one number for a matrix."""
    found = replicates(counts, {"metric": metric}, resamples)["metric"]
    return summarise(float(value(counts, metric)), found, n_speakers=counts.shape[1])


def estimate_each(counts: np.ndarray, metric: Metric, resamples: Resamples) -> list[Estimate]:
    """The same for a metric that gives one number an emotion, such as recall.

    Behind each stand the speakers who have a true utterance of that emotion.
    """
    found = replicates(counts, {"metric": metric}, resamples)["metric"]
    n_speakers = (counts.sum(axis=-1) > 0).any(axis=0).sum(axis=0)
    return [
        summarise(float(centre), found[:, i], n_speakers=int(n_speakers[i]))
        for i, centre in enumerate(value(counts, metric))
    ]


def summarise(centre: float, found: np.ndarray, *, n_speakers: int) -> Estimate:
    """An estimate from the value and its replicates; one speaker gives no interval."""
    low, high = interval(found, n_speakers=n_speakers)
    return Estimate(centre, low, high, n_speakers)


def interval(found: np.ndarray, *, n_speakers: int, level: float = LEVEL) -> tuple[float, float]:
    """Ends of the interval at ``level``.

    Args:
        found: (n_replicates,) values; NaN where the metric does not exist, ±inf where censored.
        n_speakers: how many units were resampled.
        level: share of repetitions that should cover the truth.

    Returns:
        The two ends, NaN for fewer than two speakers.
    """
    exist = found[~np.isnan(found)]
    if n_speakers < 2 or len(exist) == 0:
        return float("nan"), float("nan")
    tail = tail_probability(n_speakers, level=level)
    low = np.quantile(exist, tail, method="inverted_cdf")
    high = -np.quantile(-exist, tail, method="inverted_cdf")
    return float(low), float(high)


def tail_probability(n_speakers: int, *, level: float = LEVEL) -> float:
    """The share of replicates beyond one end.

    >>> round(tail_probability(10), 4), round(tail_probability(10_000), 4)
    (0.0086, 0.025)
    """
    student = stdtrit(n_speakers - 1, (1 - level) / 2)
    return float(ndtr(np.sqrt(n_speakers / (n_speakers - 1)) * student))


def _multinomial(rng: np.random.Generator, n: int, n_replicates: int) -> np.ndarray:
    return rng.multinomial(n, np.full(n, 1 / n), size=n_replicates)
