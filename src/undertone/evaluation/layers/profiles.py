"""The layers of an encoder compared with each other, on the same speakers and draws.

In:  ``Curves`` that hold one probe a layer.
Out: ``Profile``: of one budget, metric and output the score of each layer, the best, and the layers
     that cannot be told from it; ``Cut``: the layer at which the encoder may be cut.

What is claimed has the interval that makes the claim harder. A layer is called worse than the best
by intervals that hold together (``intervals.all_differences``): the best is picked after looking,
and of a dozen layers that carry the same, one would else be called worse in most runs. Truncation
is called free where not even the plain interval of one paired difference speaks against it, and the
most that a layer above may add is said with it. Gains and differences are written so that above 0
is better, in any metric.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.evaluation import intervals
from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import Estimate
from undertone.tasks import MEAN, Task


@dataclass(frozen=True)
class Profile:
    """Every layer at one budget, in one metric, of one output or of their mean.

    Attributes:
        budget: number of labels.
        scores: of each layer.
        best: the layer of the best score.
        behind: of each layer less the best; of the best itself 0.
    """

    budget: int
    scores: tuple[Estimate, ...]
    best: int
    behind: tuple[Estimate, ...]

    @property
    def is_known(self) -> bool:
        """Whether there are intervals: one speaker gives none."""
        return all(difference.has_interval for difference in self.behind)

    @property
    def near(self) -> tuple[int, ...]:
        """The layers beside the best that cannot be told from it."""
        return tuple(
            layer
            for layer, difference in enumerate(self.behind)
            if layer != self.best and not difference.excludes_zero
        )

    @property
    def top(self) -> int:
        """The last layer."""
        return len(self.scores) - 1


@dataclass(frozen=True)
class Cut:
    """Where an encoder may be cut.

    Attributes:
        layer: the lowest such that none above it is measurably better.
        hopeful: the layer above that may add most; None where there is none above.
        gain: of the hopeful layer over the one at which it is cut.
    """

    layer: int
    hopeful: int | None = None
    gain: Estimate | None = None


@dataclass(frozen=True)
class Gain:
    """What an output gains from depth: from layer 0 to the layer that is best for it."""

    output: str
    layer: int
    estimate: Estimate


@dataclass(frozen=True)
class Probes:
    """The probes among the systems of a curve.

    Attributes:
        curves: of all systems.
        names: of the probes, from layer 0 up.
    """

    curves: Curves
    names: tuple[str, ...]

    @property
    def task(self) -> Task:
        return self.curves.task

    def profile(self, budget: int, metric: str | None = None, *, output: str = MEAN) -> Profile:
        """All layers at one budget, by default in the task's headline."""
        heights = [self.curves.height(n, budget, metric, output=output) for n in self.names]
        values = np.array([value for value, _ in heights])
        n_speakers = int(self.curves.behind[self.task.position(output)])
        low, high = intervals.all_differences(
            values, np.stack([replicates for _, replicates in heights], 1), n_speakers=n_speakers
        )

        def difference(one: int, other: int) -> Estimate:
            ends = float(low[one, other]), float(high[one, other])
            return Estimate(float(values[one] - values[other]), *ends, n_speakers)

        best = best_of(values)
        return Profile(
            budget=budget,
            scores=tuple(
                self.curves.estimate(name, budget, metric, output=output) for name in self.names
            ),
            best=best,
            behind=tuple(difference(layer, best) for layer in range(len(values))),
        )

    def cut(self, budget: int) -> Cut:
        """The lowest layer K such that no layer above K is measurably better, in the headline.

        Of the layers from 0 to K, K itself is then the best: a better one below would do as well.
        """
        top = len(self.names) - 1
        for layer in range(top):
            gains = {
                above: self.curves.gain(self.names[above], self.names[layer], budget=budget)
                for above in range(layer + 1, top + 1)
            }
            if not any(gain.excludes_zero and gain.value > 0 for gain in gains.values()):
                hopeful = max(gains, key=lambda above: gains[above].high)
                return Cut(layer, hopeful, gains[hopeful])
        return Cut(top)

    def clears_floors(self, budget: int) -> bool:
        """Whether the best layer is measurably better than the best floor, in the headline."""
        floors = [name for name in self.task.floors if self.curves.has(name, budget)]
        best = self.names[self.profile(budget).best]
        gain = self.curves.gain(best, self.curves.best(floors, budget), budget=budget)
        return gain.excludes_zero and gain.value > 0

    def gains(self, budget: int) -> tuple[Gain, ...]:
        """Of each output from layer 0 to its best layer, in the headline."""
        return tuple(
            Gain(
                output,
                layer,
                self.curves.gain(
                    self.names[layer], self.names[0], budget=budget, outputs=(output,)
                ),
            )
            for output in self.task.outputs
            for layer in [self.profile(budget, output=output).best]
        )

    def lead(self, budget: int, one: str, others: Sequence[str]) -> Estimate:
        """How much more an output gains from depth than some others on average, paired."""
        turn = -1 if self.task.metrics[self.task.headline].lower_is_better else 1
        shares = {one: 1.0} | dict.fromkeys(others, -1 / len(others))
        return self.curves.contrast(
            [
                (turn * side * shares[gain.output], (self.names[layer], budget), (gain.output,))
                for gain in self.gains(budget)
                if gain.output in shares
                for side, layer in ((1, gain.layer), (-1, 0))
            ]
        )


def best_of(values: np.ndarray) -> int:
    """The layer of the highest value, the lowest of equal ones; 0 where none exists."""
    return int(np.argmax(np.where(np.isnan(values), -np.inf, values)))
