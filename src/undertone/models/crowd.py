"""The crowd: unlabelled utterances of the training speakers, and z-scores by it.

With twenty labels the scale of a value is better known from the crowd than from the labelled few.
"""

from dataclasses import dataclass

import numpy as np

from undertone.models.heads import check_width

FURTHEST = 5.0  # crowd's standard deviations at which a value is cut off


@dataclass(frozen=True)
class Crowd:
    """Unlabelled utterances of the training speakers, the labelled ones among them.

    Attributes:
        vectors: (n_utterances, n_values).
        speakers: (n_utterances,) who spoke; None where that is not known.
        unlabelled: (n_utterances,) whether nothing of it is known but its sound.
        voiced: (n_utterances, n_values) whose speakers differ as those who are tested may, where
            the vectors are less what is their speaker's own; None where they are not.
    """

    vectors: np.ndarray
    speakers: np.ndarray
    unlabelled: np.ndarray
    voiced: np.ndarray | None = None

    @property
    def differing(self) -> np.ndarray:
        """(n_utterances, n_values) that tell how speakers differ from each other."""
        return self.vectors if self.voiced is None else self.voiced

    def mean_and_sd(self) -> tuple[np.ndarray, np.ndarray]:
        """(n_values,) each; the sd is infinite where a value never changes."""
        return mean_and_sd(self.vectors)


def mean_and_sd(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n_values,) each of (n_utterances, n_values), as of a ``Crowd``."""
    mean, sd = vectors.mean(axis=0), vectors.std(axis=0)
    return mean, np.where(sd > 1e-6 * np.maximum(1, np.abs(mean)), sd, np.inf)


def scaled(
    vectors: np.ndarray, *, mean: np.ndarray, sd: np.ndarray, emphasis: np.ndarray
) -> np.ndarray:
    """To z-scores of the crowd, cut off at ``FURTHEST``; what is constant in it becomes 0."""
    check_width(vectors, mean)
    return np.clip((vectors - mean) / sd, -FURTHEST, FURTHEST) * emphasis
