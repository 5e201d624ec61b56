"""Intervals from a bootstrap that resamples speakers and label draws, never utterances.

In:  the number of speakers and of draws; replicates of a metric.
Out: the weights of every replicate, and an ``Estimate`` with a 95 % interval; of several metrics
     the intervals of all their differences, which hold together.

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

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from undertone.evaluation.estimate import Estimate

LEVEL = 0.95
N_REPLICATES = 2_000
SMALLEST = 1e-300  # probability whose quantile is finite
SAME = 1e-12  # spread of the difference of two metrics that are one


@dataclass(frozen=True)
class Resamples:
    """How often each speaker and each draw occurs in each replicate."""

    speakers: np.ndarray  # (n_replicates, n_speakers), rows sum to n_speakers
    seed: int

    @property
    def with_once(self) -> np.ndarray:
        """(1 + n_replicates, n_speakers), the first row for the value itself."""
        once = np.ones((1, self.speakers.shape[1]), self.speakers.dtype)
        return np.concatenate([once, self.speakers])

    def draws(self, n_draws: int) -> np.ndarray:
        """(n_replicates, n_draws) rows sum to ``n_draws``; the same for every system."""
        rng = np.random.default_rng([self.seed, 1, n_draws])
        return _multinomial(rng, n_draws, len(self.speakers))


def resample(n_speakers: int, *, n_replicates: int = N_REPLICATES, seed: int = 0) -> Resamples:
    """The weights every system of a comparison shares."""
    rng = np.random.default_rng([seed, 0, n_speakers])
    return Resamples(_multinomial(rng, n_speakers, n_replicates), seed)


def summarise(centre: float, replicates: np.ndarray, *, n_speakers: int) -> Estimate:
    """An estimate from the value and its replicates; one speaker gives no interval."""
    low, high = interval(replicates, n_speakers=n_speakers)
    return Estimate(centre, low, high, n_speakers)


def interval(
    replicates: np.ndarray, *, n_speakers: int, level: float = LEVEL
) -> tuple[float, float]:
    """Ends of the interval at ``level``.

    Args:
        replicates: (n_replicates,); NaN where the metric does not exist, ±inf where censored.
        n_speakers: how many units were resampled.
        level: share of repetitions that should cover the truth.

    Returns:
        The two ends, NaN for fewer than two speakers.
    """
    exist = replicates[~np.isnan(replicates)]
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


def all_differences(
    values: np.ndarray, replicates: np.ndarray, *, n_speakers: int, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of every difference between several values, all of which hold together.

    Whoever looks for the best of many and then asks which others fall behind it has compared all
    with all. So all differences are to lie in their intervals at once in ``level`` of repetitions
    (sup-t bands: Montiel Olea & Plagborg-Møller, J. Appl. Econometrics 34, 2019). With the
    difference d of two values and e its standard deviation over the replicates d*, each interval is
    d ± c e, where c is the quantile of max |d* - d| / e over all pairs, widened for few speakers as
    a single interval is: c becomes √(n / (n - 1)) times Student's quantile at Φ(-c).

    Args:
        values: (n_values,)
        replicates: (n_replicates, n_values); those in which a value does not exist are left out.
        n_speakers: how many units were resampled.
        level: share of repetitions that should cover all differences.

    Returns:
        The lower and the upper ends (n_values, n_values) of i less j; NaN for fewer than two
        speakers.
    """
    exist = replicates[~np.isnan(replicates).any(axis=1)]
    difference = values[:, None] - values[None, :]
    if n_speakers < 2 or len(exist) == 0:
        return np.full(difference.shape, np.nan), np.full(difference.shape, np.nan)
    off = exist - values  # what the pairs' (d* - d) are differences of
    first, second = np.triu_indices(len(values), 1)
    apart = off[:, first] - off[:, second]
    spread = apart.std(axis=0)
    largest = np.abs(apart / np.where(spread > SAME, spread, np.inf)).max(axis=1, initial=0)
    half = np.zeros(difference.shape)
    half[first, second] = spread * _widened(float(np.quantile(largest, level)), n_speakers)
    half += half.T
    return difference - half, difference + half


def _widened(factor: float, n_speakers: int) -> float:
    """How many standard deviations an interval reaches, where so few speakers tell their size."""
    student = stdtrit(n_speakers - 1, max(ndtr(-factor), SMALLEST))
    return float(-np.sqrt(n_speakers / (n_speakers - 1)) * student)


def _multinomial(rng: np.random.Generator, n: int, n_replicates: int) -> np.ndarray:
    return rng.multinomial(n, np.full(n, 1 / n), size=n_replicates)
