"""The numbers that claims are put to: gains over the network without pre-training, and floors.

In:  ``Curves``, a paper's ``Claims``, labels of the systems.
Out: ``Measured``, of which claims ask what they need; every gain is written so that more is better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.report.paper import Claims
from undertone.tasks import MEAN, Task

Term = tuple[float, str, int, Sequence[str]]  # factor, system, budget, outputs averaged over


@dataclass(frozen=True)
class Measured:
    """Curves that a paper's claims are put to.

    Attributes:
        curves: of all systems.
        claims: of the paper.
        labels: of the systems, for people.
    """

    curves: Curves
    claims: Claims
    labels: Mapping[str, str]

    @property
    def task(self) -> Task:
        return self.curves.task

    @property
    def headline(self) -> str:
        """The label of the metric that verdicts rest on."""
        return self.label(self.task.headline)

    @property
    def metrics(self) -> list[str]:
        """The headline, and the metric that the task sets beside it."""
        return [name for name in (self.task.headline, self.task.beside) if name]

    @property
    def scratch(self) -> str:
        """For people."""
        return self.labels[self.claims.scratch]

    def budgets_of(self, system: str) -> tuple[int, ...]:
        """At which the system and the network without pre-training were fitted."""
        return self.curves.budgets_of(system, self.claims.scratch)

    def label(self, metric: str) -> str:
        """For people."""
        return self.task.metrics[metric].label

    def gain(
        self,
        system: str,
        budget: int,
        metric: str | None = None,
        *,
        outputs: Sequence[str] = (MEAN,),
    ) -> Estimate:
        """Over the network without pre-training, by default in the headline."""
        return self.curves.gain(
            system, self.claims.scratch, budget=budget, metric=metric, outputs=outputs
        )

    def fall(self, system: str, first: int, last: int) -> Estimate:
        """The gain at one budget less that at a larger one, paired."""
        return self.sum_of_gains([(1, system, first, (MEAN,)), (-1, system, last, (MEAN,))])

    def sum_of_gains(self, terms: Sequence[Term]) -> Estimate:
        """Of (factor, system, budget, outputs averaged over), each gain over scratch, paired."""
        turn = -1 if self.task.metrics[self.task.headline].lower_is_better else 1
        return self.curves.contrast(
            [
                (side * turn * factor, (name, budget), outputs)
                for factor, system, budget, outputs in terms
                for side, name in ((1, system), (-1, self.claims.scratch))
            ]
        )

    def listed(self, gains: Mapping[str, Estimate]) -> str:
        """Gains by metric, in a sentence."""
        return ", in ".join(f"{self.label(m)} {gain.signed()}" for m, gain in gains.items())

    def along(self, system: str, reference: str) -> str:
        """Gains in the headline by budget, in a sentence."""
        budgets = self.curves.budgets_of(system, reference)
        gains = {b: self.curves.gain(system, reference, budget=b) for b in budgets}
        return ", ".join(f"{gain.signed()} with {budget}" for budget, gain in gains.items())

    def floors(self, budget: int) -> list[str]:
        """Names of the task's floors that were fitted at a budget."""
        return [floor for floor in self.task.floors if self.curves.has(floor, budget)]

    def best_floor(self, budget: int, metric: str, output: str = MEAN) -> tuple[str, float]:
        """The best of the floors in a metric, and its value."""
        values = {
            floor: self.curves.estimate(floor, budget, metric, output=output).value
            for floor in self.floors(budget)
        }
        better = min if self.task.metrics[metric].lower_is_better else max
        best = better(values, key=lambda name: values[name])
        return best, values[best]
