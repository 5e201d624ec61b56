"""How sure probabilities may be: one temperature, by which all scores are divided.

In:  probabilities of utterances that a fit did not know, and what turned out to be true; or, where
     nothing was tested, how many labels there were and what the fit says of the crowd.
Out: a temperature: above 1 a fit becomes less sure of itself, and no decision changes.

With 20 labels a temperature that is only looked for runs away: in half of the fits one temperature
was as good as any, and every emotion became equally likely. So it has a prior. Its constants were
found on the inner folds of EmoDB and RAVDESS (docs/probabilities.md).
"""

import math

import numpy as np
from scipy.special import log_softmax, softmax

SMALLEST = 1e-37  # probability that float32 still holds
ODDS = 2.0  # of the likeliest emotion against the next where nothing is known at all
REFERENCE = 20  # labels
EXPECTED = 3.6  # logarithm of the temperature with so many labels
SLOPE = 0.65  # by which it falls with the logarithm of their number
WEIGHT = 20.0  # of the prior, in units of squared logarithm, where the crowd joined the fit
WEIGHT_ALONE = 10.0  # the same of a fit to labels alone: its temperatures spread more
LEAST_EACH = 3.0  # labels an emotion: a fit without a group then still holds each emotion
SKILL, SKILL_SLOPE, MOST_SKILL = 0.3, 0.15, 0.8  # expected share right between chance and all:
# with ``REFERENCE`` labels, what the logarithm of their number adds, and at most
LOWEST, HIGHEST = 0.05, 5_000.0  # bounds of any temperature


def temperature_of(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The temperature at which probabilities fit what turned out to be true best, without a prior.

    One more utterance of every emotion than was seen is counted in the place of each, so that few
    that all came true do not make certain: of n utterances and k emotions the target is not 1 but
    (n + 1) / (n + k), and 1 / (n + k) for every other (Platt, 1999).

    Args:
        probabilities: (n_utterances, n_outputs) of utterances that the fit did not know.
        truth: (n_utterances,) positions of the emotions.

    Source: Guo et al., "On calibration of modern neural networks", arXiv 1706.04599.
    """
    from scipy.optimize import minimize_scalar  # not for serving

    scores = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))
    n, n_outputs = scores.shape
    target = np.full(scores.shape, 1 / (n + n_outputs))
    target[np.arange(n), truth] = (n + 1) / (n + n_outputs)

    def cost(log_temperature: float) -> float:
        logs = log_softmax(scores / np.exp(log_temperature), axis=1)
        return -(target * logs).sum(axis=1).mean()

    return float(np.exp(minimize_scalar(cost, bounds=(-3, 7), method="bounded").x))


def temperature_expected(n_labels: float) -> float:
    """What the prior expects of a fit to so many labels: 37 with 20, 8 with 200."""
    return math.exp(EXPECTED - SLOPE * math.log(n_labels / REFERENCE))


def held_out_higher(*, n_labels: float, n_known: float) -> float:
    """How much higher the temperature of fits to fewer labels is, as a factor."""
    return temperature_expected(n_known) / temperature_expected(n_labels)


def temperature_by_prior(
    scores: np.ndarray,
    truth: np.ndarray,
    *,
    n_labels: int,
    n_known: float,
    weight: float = WEIGHT,
) -> float:
    """The most probable temperature of a fit, given what smaller fits did not know.

    log T is expected to be m(n) = 3.6 - .65 ln(n / 20) for n labels; the sum of the logarithms of
    the true emotions' probabilities, less weight / 2 (log T - m(n))², is made as large as can be
    (maximum a posteriori). The fits that were tested held fewer labels, n', than the one that is
    cooled: their temperature is higher by m(n') - m(n), which is taken off. An utterance of an
    emotion that the smaller fit was not shown is impossible at every temperature and says nothing.

    Args:
        scores: (n_utterances, n_outputs) logarithms of probabilities, but for what all have alike,
            of utterances that the smaller fits did not know; -infinity of what cannot be.
        truth: (n_utterances,) positions of the emotions.
        n_labels: of the fit that is cooled.
        n_known: of the smaller fits, their mean.
        weight: of the prior.
    """
    from scipy.optimize import minimize_scalar  # not for serving

    known = np.isfinite(scores[np.arange(len(truth)), truth])
    scores, truth = scores[known], truth[known]
    rows, expected = np.arange(len(truth)), math.log(temperature_expected(n_labels))
    higher = math.log(held_out_higher(n_labels=n_labels, n_known=n_known))

    def cost(log_temperature: float) -> float:
        logs = log_softmax(scores / np.exp(log_temperature + higher), axis=1)
        return 0.5 * weight * (log_temperature - expected) ** 2 - logs[rows, truth].sum()

    bounds = (math.log(LOWEST), math.log(HIGHEST))
    return float(np.exp(minimize_scalar(cost, bounds=bounds, method="bounded").x))


def temperature_by_crowd(scores: np.ndarray, n_labels: int = REFERENCE) -> float:
    """The temperature at which a fit is as sure of the crowd as an untested fit is right.

    Without a test the share that is right is taken to be 1 / k + s (1 - 1 / k) of k emotions, with
    s = .3 + .15 ln(n / 20) for n labels, .8 at most; the mean of the likeliest emotion's
    probability is made that.

    Args:
        scores: (n_utterances, n_outputs) as of ``temperature_by_prior``, of utterances without a
            label.
        n_labels: of the fit.
    """
    from scipy.optimize import brentq  # not for serving

    scores = scores[:, np.isfinite(scores).any(axis=0)]
    chance = 1 / scores.shape[1]
    skill = min(MOST_SKILL, max(0.0, SKILL + SKILL_SLOPE * math.log(n_labels / REFERENCE)))
    wanted = chance + skill * (1 - chance)

    def too_sure(log_temperature: float) -> float:
        sure = softmax(scores / np.exp(log_temperature), axis=1).max(axis=1)
        return float(sure.mean() - wanted)

    low, high = math.log(LOWEST), math.log(HIGHEST)
    if scores.shape[1] == 1 or too_sure(low) <= 0:
        return 1.0
    return HIGHEST if too_sure(high) >= 0 else float(np.exp(brentq(too_sure, low, high)))


def temperature_untested(scores: np.ndarray) -> float:
    """The temperature for a fit of which nobody knows how often it is right.

    The likeliest emotion of the utterances that it was fitted to becomes about ``ODDS`` times as
    likely as the next: it orders, and promises next to nothing.

    Args:
        scores: (n_utterances, n_outputs) as of ``temperature_by_prior``, of the utterances that it
            was fitted to.
    """
    second, first = np.partition(scores, -2, axis=1)[:, -2:].T
    return max(1.0, float((first - second).mean() / math.log(ODDS)))
