"""Fits that are as sure as they are right: a fit, then the temperature that it is cooled by.

In:  a ``Problem``, a fit whose probabilities are overconfident, its settings.
Out: ``Fitted`` with the same decisions, and in its remarks the temperature and how it was found.

Where there are labels enough, smaller fits without a fifth of the speakers are asked for these, and
the prior of ``models.temperature`` keeps what they tell in bounds. With fewer than three labels an
emotion such fits know one or two of each and say nothing of this one: what is expected of so many
labels stands in, or, where no crowd joined the fit, its own certainty about the crowd. No label
beyond the budget is used, and nobody who is tested is heard.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import softmax

from undertone.evaluation.coverage import ASKED
from undertone.models.conformal import HeldOut
from undertone.models.discriminant import DiscriminantConfig
from undertone.models.self_training import OFF, ON
from undertone.models.temperature import (
    LEAST_EACH,
    WEIGHT,
    WEIGHT_ALONE,
    held_out_higher,
    temperature_by_crowd,
    temperature_by_prior,
    temperature_expected,
    temperature_untested,
)
from undertone.systems.fitted import Fitted
from undertone.systems.held_out import Fit, off_by, smaller
from undertone.systems.problem import Problem

COLD = 1_000.0  # a temperature at which float32 holds every probability that can be
TESTED, EXPECTED, BY_CROWD, UNTESTED = HOWS = ("tested", "expected", "by crowd", "untested")
THRESHOLD = "threshold"  # among remarks: how strange the truth may look at the usual coverage
HOW = {  # sentences of a model card
    TESTED: "How sure the probabilities are was set by cross-validation on the same labels, held "
    "near to what is usual with so many labels.",
    EXPECTED: "How sure the probabilities are is what is usual with so many labels: these are too "
    "few to test it.",
    BY_CROWD: "How sure the probabilities are was set without a test: the likeliest emotion of "
    "unlabelled speech has, on average, the probability with which fits to few labels are right.",
    UNTESTED: "**How sure the probabilities may be was not tested**: the labels leave no speaker "
    "to hold out. They were cooled until the likeliest emotion of a training utterance is about "
    "twice as likely as the next; take them for an order, not for odds.",
}


@dataclass(frozen=True)
class Found:
    """A temperature, one of ``HOWS``, and what held-out speakers told of it, where they were."""

    temperature: float
    how: str
    held_out: HeldOut | None = None


def calibrated(fit: Fit) -> Fit:
    """The same fit, cooled; for a row of the table."""
    return partial(fit_calibrated, fit=fit)


def fit_calibrated(problem: Problem, settings: Any, *, fit: Fit) -> Fitted:
    """What ``fit`` gives, as sure as it may be."""
    fitted = fit(problem, settings)
    found = find_temperature(problem, fitted, fit, settings)
    remarks: dict[str, Any] = {
        "temperature": round(found.temperature, 6),
        "temperature_from": found.how,
    }
    if found.held_out is not None:
        remarks[THRESHOLD] = promised(found.held_out)
    return replace(
        fitted.cooled(found.temperature),
        remarks={**fitted.remarks, **remarks},
        held_out=found.held_out,
    )


def find_temperature(problem: Problem, fitted: Fitted, fit: Fit, settings: Any) -> Found:
    """How much to cool a fit.

    Args:
        problem: its own.
        fitted: of all its labels.
        fit: how it was fitted.
        settings: of the fit; ``calibrate``, where they have it, says whether to test.
    """
    n_labels, alone = len(problem.budget), not _joined(fitted)
    each = n_labels / len(np.unique(problem.positions(problem.budget)))
    if each >= LEAST_EACH and getattr(settings, "calibrate", True):
        left = left_out(problem, fit, _settled(settings, alone=alone))
        if left is None:
            return Found(temperature_untested(_scores(fitted, problem, problem.budget)), UNTESTED)
        tested = left.temperature(WEIGHT_ALONE if alone else WEIGHT)
        return Found(tested, TESTED, left.held_out(tested))
    seen = set(problem.budget)
    crowd = [name for name in problem.material.crowd if name not in seen]
    if alone and crowd:
        return Found(temperature_by_crowd(_scores(fitted, problem, crowd), n_labels), BY_CROWD)
    return Found(temperature_expected(n_labels), EXPECTED)


def promised(held_out: HeldOut) -> float | None:
    """The threshold of a report's coverage; None where so few speakers cannot promise it."""
    found = float(held_out.threshold(ASKED)[0])
    return round(found, 7) if np.isfinite(found) else None


@dataclass(frozen=True)
class LeftOut:
    """What smaller fits say of labelled speakers whom they did not know.

    Attributes:
        problem: that they are smaller than.
        utterances: of its budget.
        scores: (n_utterances, n_outputs) before cooling; -infinity of what cannot be.
        n_known: labels that the smaller fits held, their mean.
    """

    problem: Problem
    utterances: list[str]
    scores: np.ndarray
    n_known: float

    def temperature(self, weight: float) -> float:
        """How much to cool the fit that they are smaller than."""
        return temperature_by_prior(
            self.scores,
            self.problem.positions(self.utterances),
            n_labels=len(self.problem.budget),
            n_known=self.n_known,
            weight=weight,
        )

    def held_out(self, temperature: float) -> HeldOut:
        """How strange the truth looks to the smaller fits, cooled as that one is."""
        higher = held_out_higher(n_labels=len(self.problem.budget), n_known=self.n_known)
        values = softmax(self.scores / (temperature * higher), axis=1)
        scores = off_by(self.problem, self.utterances, values)
        return HeldOut.of(scores, self.problem.speakers(self.utterances))


def left_out(problem: Problem, fit: Fit, settings: Any) -> LeftOut | None:
    """What smaller fits say of the labels of speakers whom they did not know.

    Returns:
        None where no speaker can be held out, as of labels of one speaker.
    """
    names, scores, n_known = list[str](), [], []
    for part in smaller(problem):
        names += part.test
        scores.append(_scores(fit(part, settings), part, part.test))
        n_known += [len(part.budget)] * len(part.test)
    if not scores:
        return None
    return LeftOut(problem, names, np.concatenate(scores), float(np.mean(n_known)))


def _joined(fitted: Fitted) -> bool:
    """Whether unlabelled speech had a part in a fit beside its scale; so unless a fit denies it."""
    told = fitted.remarks.get("self_training")
    return told is None or bool(told["on"])


def _settled(settings: Any, *, alone: bool) -> Any:
    """Settings with which smaller fits do as the one that is cooled did."""
    if isinstance(settings, DiscriminantConfig):
        return replace(settings, self_training=OFF if alone else ON)
    return settings


def _scores(fitted: Fitted, problem: Problem, utterances: list[str]) -> np.ndarray:
    """(n_utterances, n_outputs) logarithms of probabilities before cooling; -infinity of never."""
    cold = fitted.cooled(COLD).predict(problem.material, utterances).astype(np.float64)
    return np.where(cold > 0, COLD * np.log(np.maximum(cold, np.finfo(float).tiny)), -np.inf)
