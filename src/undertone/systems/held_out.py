"""What fits that did not know a speaker say of that speaker's labels.

In:  a ``Problem``, a fit, its settings.
Out: smaller problems, each without a fifth of the labelled speakers; what their fits get wrong; how
     far speech of an unheard speaker may be from what a fit was fitted on.

No label beyond the budget is used, and nobody who is tested is heard.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from undertone.models.conformal import HeldOut, strangeness
from undertone.models.crowd import mean_and_sd
from undertone.models.familiar import Familiar, distance, distance_from
from undertone.systems.fitted import Fitted, OnVectors, has_scale
from undertone.systems.problem import Problem
from undertone.tasks import CHOICE
from undertone.tasks.draws import LabelDraw
from undertone.training.seeds import generator

Fit = Callable[[Problem, Any], Fitted]
N_GROUPS = 5  # of speakers, each left out once
MANY = 2_000  # labels, of which one fifth tells enough
MOST_SCALES = 10  # groups of speakers that are left out of the scale in turn


def smaller(problem: Problem) -> Iterator[Problem]:
    """The problem without each group of speakers in turn, whose labels are its test."""
    speakers = np.unique(problem.speakers(problem.budget).astype(str))
    groups = np.array_split(generator(problem.seed, "temperature").permutation(speakers), N_GROUPS)
    for group in (set(group) for group in groups if 0 < len(group) < len(speakers)):
        part = _without(problem, group)
        if part.test:
            yield part


def held_out(problem: Problem, fit: Fit, settings: Any) -> HeldOut | None:
    """How far the fit is off on labelled speakers that it did not know.

    Every fifth of the speakers is left out in turn; of many labels one fifth is.

    Returns:
        None where no speaker can be held out, as of labels of one speaker.
    """
    scores, names = [], list[str]()
    n_parts = 1 if len(problem.budget) > MANY else None
    for part in islice(smaller(problem), n_parts):
        values = fit(part, settings).predict(part.material, part.test).astype(np.float64)
        scores.append(off_by(problem, part.test, values))
        names += part.test
    return HeldOut.of(np.concatenate(scores), problem.speakers(names)) if names else None


def off_by(problem: Problem, utterances: list[str], values: np.ndarray) -> np.ndarray:
    """(n_utterances, n_scores) how strange the truth looks beside (n_utterances, n_outputs)."""
    task = problem.task
    if task.kind == CHOICE:
        return strangeness(values, problem.positions(utterances))
    distance: np.ndarray = np.abs(values.clip(task.low, task.high) - problem.truths(utterances))
    return distance


def familiar_of(problem: Problem, fitted: Fitted) -> Familiar | None:
    """How far from the training speech of a fit a recording may be.

    Returns:
        None of a fit that reads no vectors, or of fewer than two known speakers.
    """
    material = problem.material
    known = {n: voice for n in material.crowd if (voice := material.voice(n)) is not None}
    if not has_scale(fitted) or len(set(known.values())) < 2:
        return None
    assert isinstance(fitted, OnVectors), "it has a scale"
    view, spoken = (
        fitted.view,
        replace(fitted.view, centring=0.0),
    )  # as of a voice that is not known
    names, who = list(known), np.array(list(known.values()), dtype=str)
    apart, heard = view.vectors(material, names), spoken.vectors(material, names)
    left_out = np.empty(len(names))
    speakers = np.unique(who)
    for group in np.array_split(speakers, min(MOST_SCALES, len(speakers))):
        out = np.isin(who, group)
        mean, sd = mean_and_sd(apart[~out].astype(np.float64))
        left_out[out] = distance_from(heard[out].astype(np.float64), mean=mean, sd=sd)
    copies = [copy for name in names for copy in material.copies.get(name, ())]
    away = distance(fitted.head, spoken.vectors(material, copies)) if copies else np.zeros(0)
    return Familiar.of(left_out, who, away)


def _without(problem: Problem, group: set[str]) -> Problem:
    """The same problem as if these speakers were unknown; their labelled utterances are its test.

    Of an emotion without labels among the others nothing can be said: it is not tested.
    """
    crowd = {name: who for name, who in problem.material.crowd.items() if who not in group}
    kept = [name for name in problem.budget if problem.speaker[name] not in group]
    tested = [name for name in problem.budget if problem.speaker[name] in group]
    if problem.task.kind == CHOICE:
        known = set(problem.positions(kept))
        tested = [name for name in tested if problem.positions([name])[0] in known]
    return replace(
        problem,
        material=replace(problem.material, crowd=crowd),
        labels=LabelDraw(kept, []),
        test=tested,
    )
