"""Descriptors that were computed beforehand, in the place of those of the frames.

In:  a plan, vectors by utterance, what each of their values counts.
Out: the ``Material`` of one of its folds: what reads descriptors is fitted on it as on any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from undertone.systems.plan import Plan
from undertone.systems.problem import DESCRIPTORS, Material
from undertone.training.normalise import unchanged


@dataclass
class Described(Material):
    """A fold with descriptors of its own.

    Attributes:
        vectors: (n_values,) of each utterance.
        counts: (n_values,) what each value counts.
    """

    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)
    counts: np.ndarray = field(default_factory=lambda: np.ones(0))

    def descriptors(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_values) of the vectors given."""
        return np.stack([self.vectors[name] for name in utterances]).astype(np.float64)

    def emphasis(self, n_values: int, block: str = DESCRIPTORS) -> np.ndarray:
        """(n_values,) as given; of another block than the descriptors, what it counts anyway."""
        return self.counts if block == DESCRIPTORS else super().emphasis(n_values, block)


def describe(
    plan: Plan, fold: int, vectors: Mapping[str, np.ndarray], counts: np.ndarray
) -> Described:
    """A fold of the plan with these descriptors; of copies nobody has any."""
    material = plan.material(fold, unchanged(len(plan.frames.columns)))
    held = {f.name: getattr(material, f.name) for f in fields(material) if f.init}
    return Described(**held | {"copies": {}}, vectors=vectors, counts=counts)


def materials_at_once(plan: Plan) -> dict[int, Material]:
    """The material of each fold, for systems on descriptors alone; vectors are made once for all.

    Copies of recordings are among them where the plan has any.
    """
    normaliser = unchanged(len(plan.frames.columns), stride=plan.shape.stride)
    found = {number: plan.material(number, normaliser) for number in plan.folds}
    first = next(iter(found.values()))
    if first.layers is None:
        return {number: replace(m, _vectors=first._vectors) for number, m in found.items()}
    names = list(plan.truth)
    values = first.descriptors(names)
    vectors, counts = dict(zip(names, values, strict=True)), first.emphasis(values.shape[1])
    return {number: describe(plan, number, vectors, counts) for number in plan.folds}
