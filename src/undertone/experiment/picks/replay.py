"""Labelling replayed: utterances are picked, their truth is uncovered, a system learns, is tested.

In:  a fold of a plan: what may be picked, with its truth hidden; a strategy; the number of a draw.
Out: ``Replayed``: the order in which utterances were labelled, and at each budget what the system
     that learned so many of them predicts of speakers who were never heard.

A loop starts without a label and goes on in batches. The strategy sees the sound of the training
speakers' utterances and the labels that it asked for; it never sees the truth of another, nor a
test speaker. The system is the recommended one of the features; where all labels so far are of one
emotion, that one is predicted.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from undertone.annotation.picking.geometry import Space
from undertone.annotation.picking.heard import Heard
from undertone.annotation.picking.pick import pick
from undertone.experiment.picks.settings import BALANCED, RANDOM
from undertone.models.discriminant import DiscriminantConfig
from undertone.models.in_crowd import InCrowd
from undertone.systems.fits import copies_of, crowd_of, vectors_of
from undertone.systems.plan import Plan
from undertone.systems.problem import DESCRIPTORS, Material, Problem
from undertone.systems.view import View
from undertone.tasks.draws import Asked, LabelDraw, balanced_order
from undertone.training.normalise import unchanged
from undertone.training.seeds import seed_of


class Job(NamedTuple):
    """One loop."""

    strategy: str
    fold: int
    draw: int

    @property
    def name(self) -> str:
        return f"draw{self.draw:03d}-fold{self.fold:02d}"


class Replayed(NamedTuple):
    """What is kept of a loop.

    Attributes:
        order: utterances as they were labelled.
        values: (n_budgets, n_test, n_outputs) predictions: 1 for the emotion that is predicted.
        taught: (n_budgets,) whether the crowd taught.
    """

    order: tuple[str, ...]
    values: np.ndarray
    taught: np.ndarray


@dataclass(frozen=True)
class Replays:
    """What all loops of a run share.

    Attributes:
        plan: who is in which pool; its draws of labels are not used.
        heard: what the strategies see.
        settings: of the system that is measured.
        budgets: numbers of labels, ascending.
        batch: labels between two picks.
        eyes: name of the features that the strategies hear.
    """

    plan: Plan
    heard: Heard
    settings: DiscriminantConfig
    budgets: tuple[int, ...]
    batch: int
    eyes: str

    def of_fold(self, fold: int) -> "OfFold":
        """What the loops of a fold share; make it once."""
        return OfFold(self, fold)


class OfFold:
    """A fold's utterances as strategy and system hear them."""

    def __init__(self, replays: Replays, fold: int) -> None:
        self.replays, self.fold = replays, fold
        plan = replays.plan
        normaliser = unchanged(len(plan.frames.columns), stride=plan.shape.stride)
        material = plan.material(fold, normaliser)
        known = plan.truth.keys() & replays.heard.vectors.keys()
        self.names = sorted(known & material.crowd.keys())  # what may be picked
        in_order = [*self.names, *sorted(material.crowd.keys() - known)]
        crowd = {name: material.crowd[name] for name in in_order}
        self.material: Material = replace(material, crowd=crowd)

    def replay(self, job: Job) -> Replayed:
        """Go through a loop, and test at every budget."""
        n_outputs = len(self.replays.plan.task.outputs)
        order = self.order(job)
        values, taught = [], []
        for budget in self.replays.budgets:
            labelled = order[:budget]
            scores, on = self._learned(labelled, self.truth[labelled])
            values.append(np.eye(n_outputs)[scores.argmax(axis=1)])
            taught.append(on)
        names = tuple(self.names[i] for i in order)
        return Replayed(names, np.stack(values).astype(np.float32), np.array(taught))

    def order(self, job: Job) -> np.ndarray:
        """(n_labels,) positions in the order in which they are labelled."""
        most = self.replays.budgets[-1]
        if job.strategy in (RANDOM, BALANCED):
            return self._drawn(job)[:most]
        outputs, seed = self.replays.plan.task.outputs, self.seed_of(job)
        labels: dict[int, str] = {}
        most = min(most, len(self.names))
        while len(labels) < most:
            n = min(self.replays.batch, most - len(labels))
            picks = pick(
                self.space,
                labels=labels,
                emotions=outputs,
                n=n,
                strategy=job.strategy,
                seed=seed,
            )
            labels |= {one.index: outputs[self.truth[one.index]] for one in picks}
        return np.array(list(labels))

    def seed_of(self, job: Job) -> int:
        """The same for every strategy: those that begin alike differ in what they do later."""
        return seed_of(self.replays.plan.seed, "picks", job.fold, job.draw)

    def _drawn(self, job: Job) -> np.ndarray:
        """An order at random as labels come, or balanced over the emotions by their truth."""
        asked = Asked(0, job.draw, job.fold, self.replays.plan.seed)
        if job.strategy == RANDOM:
            return asked.rng(job.fold, job.draw, 5, 0).permutation(len(self.names))
        return balanced_order(self.truth, asked.rng(job.fold, job.draw, 1))

    @cached_property
    def truth(self) -> np.ndarray:
        """(n_utterances,) positions of the emotions, of which a loop knows what it asked for."""
        return np.array([np.argmax(self.replays.plan.truth[name]) for name in self.names])

    @cached_property
    def space(self) -> Space:
        """Where the strategies see the utterances."""
        return self.replays.heard.space(self.names)

    def _learned(self, labelled: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, bool]:
        """(n_test, n_outputs) scores of the test utterances, and whether the crowd taught."""
        n_outputs = len(self.replays.plan.task.outputs)
        if len(np.unique(truth)) < 2:
            return np.tile(np.eye(n_outputs)[truth[0]], (len(self.problem.test), 1)), False
        scores, verdict = self.learner.fit(labelled, truth, n_outputs=n_outputs)
        return scores, verdict.on

    @cached_property
    def problem(self) -> Problem:
        """Of no labels at all: who is in the crowd and who is tested."""
        plan = self.replays.plan
        test = list(plan.folds[self.fold].test)
        return Problem(self.material, plan.task, LabelDraw([], []), test, {}, {}, 0)

    @cached_property
    def learner(self) -> InCrowd:
        """The recommended system, for any labels of this crowd."""
        problem, settings = self.problem, self.replays.settings
        view = View((DESCRIPTORS,), centring=settings.centring)
        others = vectors_of(problem, view, problem.test)
        return InCrowd.of(
            crowd_of(problem, view, other_speech=settings.other_speech),
            others,
            settings=settings,
            emphasis=self.material.emphasis(others.shape[1]),
            copies=copies_of(problem, view),
        )
