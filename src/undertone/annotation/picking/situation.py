"""What a strategy knows when it picks: the space, the labels, and what a model makes of them.

In:  a ``Space``, labels.
Out: ``Situation``; probabilities of each utterance by a model of the labels alone.

The model that is asked is never self-trained: one that taught itself is sure of what it taught
itself, and what it is unsure of is no longer what the labels leave open.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import softmax

from undertone.annotation.picking.geometry import Space
from undertone.models.crowd import Crowd
from undertone.models.discriminant import DiscriminantConfig, fit_discriminant
from undertone.models.self_training import OFF
from undertone.models.temperature import temperature_expected

MODEL = DiscriminantConfig(self_training=OFF, nuisance_weight=0.0)
HOTTEST, COLDEST = 22.0, 4.0  # bounds of the temperature


@dataclass(frozen=True)
class Situation:
    """All that a strategy may look at.

    Attributes:
        space: of all utterances.
        known: emotion by position.
        emotions: that may be met, sorted.
        candidates: positions that may be picked, ascending.
        rng: random numbers of this pick.
    """

    space: Space
    known: Mapping[int, str]
    emotions: tuple[str, ...]
    candidates: np.ndarray
    rng: np.random.Generator

    @cached_property
    def labelled(self) -> np.ndarray:
        """(n_labels,) positions with a label."""
        return np.array(list(self.known), dtype=int)

    @cached_property
    def truth(self) -> np.ndarray:
        """(n_labels,) positions of the labels' emotions."""
        return np.array([self.emotions.index(name) for name in self.known.values()], dtype=int)

    @property
    def n_emotions(self) -> int:
        """How many different emotions have a label."""
        return len(set(self.known.values()))

    def heard_least(self, among: np.ndarray, *, by_speaker: bool = False) -> int:
        """Which of some positions is of the recording, or speaker, with the fewest labels.

        The first of several; nobody knows how often an unknown speaker was heard.
        """
        of = self.space.speakers if by_speaker else self.space.recordings
        heard = Counter(of[i] for i in self.known if of[i] is not None)
        return int(np.argmin([heard[of[i]] for i in among]))

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(n_candidates, n_emotions) by a discriminant analysis of the labels alone, cooled.

        An emotion without a label has probability 0.
        """
        points, n = self.space.points.astype(np.float64), len(self.space)
        free = np.ones(n, dtype=bool)
        free[self.labelled] = False
        sd = points.std(axis=0)  # what is scaled by it is left as it is
        model = fit_discriminant(
            points[self.labelled],
            self.truth,
            crowd=Crowd(points, self.space.speakers, free),
            n_outputs=len(self.emotions),
            settings=MODEL,
            emphasis=np.where(sd > 0, sd, 1),
        )
        scores = model.scores(points[self.candidates])
        temperature = np.clip(temperature_expected(len(self.known)), COLDEST, HOTTEST)
        possible = np.unique(self.truth)
        found = np.zeros(scores.shape)
        found[:, possible] = softmax(scores[:, possible] / temperature, axis=1)
        return found
