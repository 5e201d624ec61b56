"""Everything that ``undertone layers`` hands to its tables, sentences and page.

In:  the curves of the probes, which encoder they look into, and what was read and set.
Out: ``LayersResult``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from undertone.evaluation.layers.profiles import Probes
from undertone.evaluation.report.result import Compared, CurveResult
from undertone.tasks import Task


@dataclass(frozen=True)
class Encoder:
    """Whose layers they are.

    Attributes:
        name: of the features, all layers.
        family: the kind of model.
        digest: of its weights and configs.
        n_layers: that it holds; layer 0 is what enters the first transformer layer.
        width: values a layer.
        cut_from: the transformer layers of the encoder that it was cut from; None of a whole one.
    """

    name: str
    family: str
    digest: str
    n_layers: int
    width: int
    cut_from: int | None = None


@dataclass(frozen=True)
class LayersResult:
    """What a finished run shows.

    Attributes:
        curve: probes, learned weights and floors, with what was read, left out and set.
        names: of the probes, from layer 0 up.
        encoder: whose layers they are.
        weights: (n_fits, n_layers) that the fits learned, by budget.
        least_labels: of a budget, for weights to be learned.
    """

    curve: CurveResult
    names: tuple[str, ...]
    encoder: Encoder
    weights: Mapping[int, np.ndarray]
    least_labels: int

    @property
    def task(self) -> Task:
        return self.curve.task

    @property
    def budgets(self) -> tuple[int, ...]:
        return self.curve.budgets

    @property
    def largest(self) -> int:
        """The budget at which outputs are told apart."""
        return self.budgets[-1]

    @property
    def others(self) -> tuple[Compared, ...]:
        """The systems that are no probes: learned weights and floors."""
        return tuple(s for s in self.curve.systems if s.name not in self.names)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What layers are shown in: the headline, and the metric that the task sets beside it."""
        return tuple(name for name in (self.task.headline, self.task.beside) if name)

    def of_elsewhere(self) -> "Iterator[tuple[str, LayersResult]]":
        """The same fits on each other official test part."""
        for part, curve in self.curve.of_elsewhere():
            yield part, replace(self, curve=curve)

    @cached_property
    def probes(self) -> Probes:
        return Probes(self.curve.curves, self.names)
