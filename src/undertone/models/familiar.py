"""Whether a recording is like anything that a model was fitted on.

In:  distances of utterances from the training speech, of speakers who were left out of it, and of
     copies of them in noise and over lines.
Out: ``Familiar``: how far speech may be away.

The distance is the mean square of the z-scores, each cut off at five: Mahalanobis's with the
covariance shrunk to its diagonal, since hundreds of values and ten speakers tell no other. Unheard
speakers are further away than those of the scale, so that each speaker's are measured on the scale
of the others. Speech of another corpus, over a telephone or in noise is further still and must be
answered: the bound is ``SPREADS`` standard deviations of the logarithm above its mean, between and
within speakers, and at least what the copies reach that the fit was taught to hear through.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from undertone.models.crowd import FURTHEST
from undertone.models.heads import Head

UNLIKE = "unlike training"  # the doubt, in a word for tables
FARTHEST = "farthest"  # the name of the array
SPREADS = 6.5  # standard deviations of the logarithm of the distance
LEAST_SPREAD = 0.3  # of that logarithm: few speakers know theirs badly
OF_COPIES = 99  # per cent of the copies that are to be answered


@dataclass(frozen=True)
class Familiar:
    """How far from training speech a recording may be.

    Attributes:
        farthest: the distance that still is.
    """

    farthest: float

    def away(self, distances: np.ndarray) -> np.ndarray:
        """(n_utterances,) distances in units of the farthest: above 1 is unlike training."""
        found: np.ndarray = distances / self.farthest
        return found

    @classmethod
    def of(cls, left_out: np.ndarray, speakers: np.ndarray, copies: np.ndarray) -> Self:
        """By distances of what was left out.

        Args:
            left_out: (n_utterances,) distances from the speech of the other speakers.
            speakers: (n_utterances,) who spoke.
            copies: (n_copies,) distances of copies in noise and over lines; perhaps none.
        """
        logs = np.log(np.maximum(left_out, 1e-9))
        of_each = [logs[speakers == who] for who in np.unique(speakers)]
        means = np.array([one.mean() for one in of_each])
        within = np.mean([one.var() for one in of_each])
        spread = max(LEAST_SPREAD, math.sqrt(means.var() + within))
        farthest = math.exp(means.mean() + SPREADS * spread)
        if len(copies):
            farthest = max(farthest, float(np.percentile(copies, OF_COPIES)))
        return cls(farthest)

    def tensors(self) -> dict[str, np.ndarray]:
        """Its arrays by name; ``restore`` takes them back."""
        return {FARTHEST: np.array([self.farthest])}

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray]) -> Self | None:
        """The one whose array this is; None where there is none.

        Raises:
            ValueError: it is no distance.
        """
        if not tensors:
            return None
        array = tensors[FARTHEST]
        if array.shape != (1,) or array.dtype != np.float64 or not array[0] > 0:
            raise ValueError("how far from training speech a recording may be is no distance")
        return cls(float(array[0]))


def distance(head: Head, vectors: np.ndarray) -> np.ndarray:
    """(n_utterances,) how far (n_utterances, n_values) are from what a head was fitted on."""
    return distance_from(vectors, mean=head.mean, sd=head.sd)  # type: ignore[attr-defined]


def distance_from(vectors: np.ndarray, *, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """(n_utterances,) mean square of z-scores, of what is not constant."""
    varies = np.isfinite(sd)
    scores = (vectors[:, varies] - mean[varies]) / sd[varies]
    found: np.ndarray = (np.clip(scores, -FURTHEST, FURTHEST) ** 2).mean(axis=1)
    return found
