"""What more labels are likely to bring, and whether more speakers would bring more.

In:  a labelled corpus with its frames, folds by speaker, a system.
Out: ``Forecast``: a learning curve with intervals, the gain that the next labels promise, and what
     the same number of labels is worth when it comes from twice as many speakers.

All three come of one cross-validation by speaker: everybody is tested by a fit that did not know
them. A fit sees a quarter of the labels, half of them, and all. The gain of ``NEXT`` more labels is
that of the last doubling, which a curve that flattens out does not keep up: it errs on the side of
more labels. Speakers are asked after with the labels of half of the training speakers, against as
many labels of the same emotions from all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from undertone.evaluation.curves import trace
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.next_labels import gain_of_next
from undertone.models.encoder import EncoderConfig
from undertone.recogniser.build import Build
from undertone.systems.plan import Cell, Draws, Plan
from undertone.systems.problem import Material
from undertone.systems.settings import bag_of
from undertone.systems.spread import FEW, SPREAD, halves, of_twice
from undertone.tasks.draws import RANDOM
from undertone.training.normalise import fit_normaliser, unchanged

N_DRAWS = 4
FEWEST_AN_EMOTION = 2  # labels, on average, of the smallest budget
ALL = "all"


@dataclass(frozen=True)
class Forecast:
    """What the labels so far say of more labels.

    Attributes:
        curve: by number of labels of the training speakers, in the task's headline metric.
        gain: of ``NEXT`` more labels; None where there are too few for a curve.
        speakers: what twice as many speakers bring with as many labels; None where there are too
            few speakers, or labels of too few.
    """

    curve: Mapping[int, Estimate]
    gain: Estimate | None
    speakers: Estimate | None


def forecast(build: Build) -> Forecast:
    """From a build whose folds test every speaker; the last fold, of everybody, is left out."""
    return _Rounds(build).forecast()


class _Rounds:
    def __init__(self, build: Build) -> None:
        self.build, self.task = build, build.data.task
        self.folds = build.folds[:-1]
        given: dict[str, Any] = {"discriminant": {"calibrate": False}}  # decisions stay the same
        bag = bag_of(self.task, (build.row.name,), given if _is_discriminant(build) else {})
        self.settings = build.row.own(bag)
        self.materials: dict[int, Material] = {}

    def forecast(self) -> Forecast:
        most = self.plan.cells[0].budget
        predictions = {(ALL, most): self.predict(self.plan.cells)}
        budgets = [b for b in (most // 4, most // 2) if b >= self.fewest]
        if budgets:
            drawn = self._plan_of(Draws(budgets, N_DRAWS, how=RANDOM))
            for budget in budgets:
                cells = [cell for cell in drawn.cells if cell.budget == budget]
                predictions[ALL, budget] = self.predict(cells)
        apart = halves(self.plan, self.plan.cells, seed=self.build.settings.seed, n_draws=N_DRAWS)
        for name, cells in apart.items():
            predictions[name, most] = self.predict(cells)
        curves = trace(
            _of_one_number_of_draws(predictions),
            task=self.task,
            truth=np.stack([self.plan.truth[name] for name in self.tested]),
            speakers=[self.plan.speaker[name] for name in self.tested],
        )
        budgets = list(curves.budgets_of(ALL))
        return Forecast(
            {budget: curves.estimate(ALL, budget) for budget in budgets},
            gain_of_next(curves, ALL, budgets, n_labels=len(self.build.data.corpus)),
            of_twice(curves.gain(SPREAD, FEW, budget=most), self.plan, apart) if apart else None,
        )

    @property
    def fewest(self) -> int:
        """Labels that a budget of the curve holds."""
        return FEWEST_AN_EMOTION * len(self.task.outputs)

    @cached_property
    def plan(self) -> Plan:
        """All labels."""
        corpus = self.build.data.corpus
        most = max(int(fold.teaches(corpus.table).sum()) for fold in self.folds)
        return self._plan_of(Draws((most,), all_labels=most))

    @cached_property
    def tested(self) -> list[str]:
        """Everybody's utterances, fold by fold."""
        return [name for fold in self.folds for name in self.plan.folds[fold.index].test]

    def _plan_of(self, draws: Draws) -> Plan:
        pools = zip(self.folds, self.build.pools, strict=False)
        return self.build.data.plan(
            [(fold, pool, []) for fold, pool in pools],
            draws,
            shape=EncoderConfig(),
            seed=self.build.settings.seed,
        )

    def predict(self, cells: Sequence[Cell]) -> np.ndarray:
        """(n_draws, n_rows, n_outputs) of the tested utterances."""
        by_draw: dict[int, dict[int, np.ndarray]] = {}
        for cell in cells:
            material = self._material(cell.fold)
            fitted = self.build.row.fit(self.plan.problem(cell, material), self.settings)
            values = fitted.predict(material, list(self.plan.folds[cell.fold].test))
            by_draw.setdefault(cell.draw, {})[cell.fold] = values
        order = [fold.index for fold in self.folds]
        return np.stack(
            [np.concatenate([of_draw[i] for i in order]) for of_draw in by_draw.values()]
        )

    def _material(self, fold: int) -> Material:
        """What a fold offers; vectors that were made for one cell serve the others."""
        if fold not in self.materials:
            plan = self.plan
            normaliser = (
                fit_normaliser(plan.folds[fold].frames(), stride=plan.shape.stride)
                if self.build.row.sees_pool
                else unchanged(len(plan.frames.columns), stride=plan.shape.stride)
            )
            self.materials[fold] = plan.material(fold, normaliser)
        return self.materials[fold]


def _is_discriminant(build: Build) -> bool:
    return build.row.settings is not None and build.row.settings.name == "discriminant"


def _of_one_number_of_draws(
    predictions: Mapping[tuple[str, int], np.ndarray],
) -> dict[tuple[str, int], np.ndarray]:
    """The same; a single draw stands as many times as others do."""
    return {
        key: np.repeat(values, N_DRAWS, axis=0) if len(values) == 1 else values
        for key, values in predictions.items()
    }
