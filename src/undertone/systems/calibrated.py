"""Fits that are as sure as they are right: a fit, then the temperature that it is cooled by.

In:  a ``Problem``, a fit whose probabilities are overconfident, its settings.
Out: ``Fitted`` with the same decisions, and in its remarks the temperature and how it was found.

Where there are labels enough, smaller fits without a fifth of the speakers are asked for these, and
the prior of ``models.temperature`` keeps what they tell in bounds. With fewer than three labels an
emotion such fits know one or two of each and say nothing of this one: what is expected of so many
labels stands in, or, where no crowd joined the fit, its own certainty about the crowd. No label
beyond the budget is used, and nobody who is tested is heard.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from undertone.models.discriminant import DiscriminantConfig
from undertone.models.self_training import OFF, ON
from undertone.models.temperature import (
    LEAST_EACH,
    WEIGHT,
    WEIGHT_ALONE,
    temperature_by_crowd,
    temperature_by_prior,
    temperature_expected,
    temperature_untested,
)
from undertone.systems.fitted import Fitted
from undertone.systems.problem import Problem
from undertone.tasks.draws import LabelDraw
from undertone.training.seeds import generator

Fit = Callable[[Problem, Any], Fitted]
N_GROUPS = 5  # of speakers, each left out once
COLD = 1_000.0  # a temperature at which float32 holds every probability that can be
TESTED, EXPECTED, BY_CROWD, UNTESTED = HOWS = ("tested", "expected", "by crowd", "untested")
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
    """A temperature, and one of ``HOWS``."""

    temperature: float
    how: str


def calibrated(fit: Fit) -> Fit:
    """The same fit, cooled; for a row of the table."""
    return partial(fit_calibrated, fit=fit)


def fit_calibrated(problem: Problem, settings: Any, *, fit: Fit) -> Fitted:
    """What ``fit`` gives, as sure as it may be."""
    fitted = fit(problem, settings)
    found = find_temperature(problem, fitted, fit, settings)
    remarks = {"temperature": round(found.temperature, 6), "temperature_from": found.how}
    return replace(fitted.cooled(found.temperature), remarks={**fitted.remarks, **remarks})


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
        weight = WEIGHT_ALONE if alone else WEIGHT
        tested = temperature_within(problem, fit, _settled(settings, alone=alone), weight=weight)
        if tested is None:
            return Found(temperature_untested(_scores(fitted, problem, problem.budget)), UNTESTED)
        return Found(tested, TESTED)
    seen = set(problem.budget)
    crowd = [name for name in problem.material.crowd if name not in seen]
    if alone and crowd:
        return Found(temperature_by_crowd(_scores(fitted, problem, crowd), n_labels), BY_CROWD)
    return Found(temperature_expected(n_labels), EXPECTED)


def temperature_within(
    problem: Problem, fit: Fit, settings: Any, weight: float = WEIGHT
) -> float | None:
    """How much to cool what ``fit`` gives, found on the labels given, by speaker.

    Returns:
        The temperature; None where no speaker can be held out, as of labels of one speaker.
    """
    speakers = np.unique(problem.speakers(problem.budget).astype(str))
    groups = np.array_split(generator(problem.seed, "temperature").permutation(speakers), N_GROUPS)
    held_out, scores, n_known = [], [], []
    for group in (set(group) for group in groups if 0 < len(group) < len(speakers)):
        part = _without(problem, group)
        if part.test:
            held_out += part.test
            scores.append(_scores(fit(part, settings), part, part.test))
            n_known += [len(part.budget)] * len(part.test)
    if not scores:
        return None
    return temperature_by_prior(
        np.concatenate(scores),
        problem.positions(held_out),
        n_labels=len(problem.budget),
        n_known=float(np.mean(n_known)),
        weight=weight,
    )


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


def _without(problem: Problem, group: set[str]) -> Problem:
    """The same problem as if these speakers were unknown; their labelled utterances are its test.

    Of an emotion without labels among the others nothing can be said: it is not tested.
    """
    crowd = {name: who for name, who in problem.material.crowd.items() if who not in group}
    kept = [name for name in problem.budget if problem.speaker[name] not in group]
    known = set(problem.positions(kept))
    return replace(
        problem,
        material=replace(problem.material, crowd=crowd),
        labels=LabelDraw(kept, []),
        test=[
            name
            for name in problem.budget
            if problem.speaker[name] in group and problem.positions([name])[0] in known
        ],
    )
