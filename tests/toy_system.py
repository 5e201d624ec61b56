"""A system that the package does not know: the label of the nearest neighbour."""

from dataclasses import dataclass

import numpy as np

from undertone.models.heads import Head
from undertone.systems.fitted import OnVectors
from undertone.systems.table import Section, System
from undertone.systems.view import View


@dataclass(frozen=True)
class NearestConfig:
    scale: float = 1.0


@dataclass(frozen=True)
class Nearest(Head):
    seen: np.ndarray
    labels: np.ndarray

    def predict(self, vectors):
        apart = np.linalg.norm(vectors[:, None, :] - self.seen[None], axis=2)
        return self.labels[apart.argmin(axis=1)].astype(np.float32)


def fit_nearest(problem, settings):
    view = View(("functionals",))
    seen = settings.scale * view.vectors(problem.material, problem.budget)
    return OnVectors(view, Nearest(seen, problem.truths(problem.budget)))


ROW = System(
    "nearest",
    "nearest neighbour",
    "classic",
    "The label of the utterance that sounds most alike.",
    fit_nearest,
    Section("nearest", NearestConfig),
)
