"""What needs no speech at all: the constant predictor and chance.

In:  the labels a system was given, or the truth.
Out: an emotion to say every time, or the counts that uniform guessing is expected to give.

Every table and plot carries both: a score that does not clear them says nothing about emotion.
"""

import numpy as np

from undertone.errors import UndertoneError
from undertone.evaluation.classes import Names


def fit_constant(labels: Names) -> str:
    """The most frequent emotion of the labels; of equally frequent ones the first by name.

    >>> fit_constant(["sadness", "anger", "sadness"])
    'sadness'
    """
    if len(labels) == 0:
        raise UndertoneError("expected at least one label to fit the constant on; found none")
    names, counts = np.unique(np.asarray(labels, dtype=str), return_counts=True)
    return str(names[counts.argmax()])


def constant_counts(counts: np.ndarray, emotion: int) -> np.ndarray:
    """(..., n_emotions, n_emotions) counts of saying emotion number ``emotion`` every time."""
    constant = np.zeros_like(counts)
    constant[..., emotion] = counts.sum(axis=-1)
    return constant


def chance_counts(counts: np.ndarray) -> np.ndarray:
    """Counts that guessing uniformly among the emotions in the truth is expected to give.

    Its UAR and WA are 1 / n exactly for n emotions in the truth; its macro-F1 is that of the
    expected counts.

    Args:
        counts: (..., n_emotions, n_emotions) of which only the truth (rows) is used.

    Returns:
        (..., n_emotions, n_emotions) fractional counts.
    """
    support = counts.sum(axis=-1)
    possible = support.reshape(-1, support.shape[-1]).sum(axis=0) > 0
    return support[..., None] * (possible / possible.sum())
