"""What recordings do to a voice: how vectors change between clean speech and its altered copies.

In:  vectors of utterances and of their copies, in which nothing but the recording differs.
Out: rows whose product with themselves is the covariance of what a classifier should not look at.

A direction in which copies differ from what they are copies of tells of rooms and lines and not of
emotions. The mean of (z(copy) - z(clean)) (z(copy) - z(clean))^T, not centred, since what every
copy shares is a nuisance too, is added to the covariance within an emotion, as the covariance of
speakers is. Copies are no labels, they change no scale, and nothing of them is needed to predict.
It is within-class covariance normalisation (Hatch et al., Interspeech 2006) with the recording in
the place of the session.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Copies:
    """Utterances of the crowd, and copies of them that differ by the recording alone.

    Attributes:
        clean: (n_copies, n_values), an utterance as often as it has copies.
        altered: (n_copies, n_values).
    """

    clean: np.ndarray
    altered: np.ndarray


def nuisance_rows(
    copies: Copies | None, scale: Callable[[np.ndarray], np.ndarray], *, weight: float
) -> np.ndarray:
    """(n_rows, n_values) whose product with themselves is ``weight`` times the covariance.

    Args:
        copies: None where there are none.
        scale: to z-scores.
        weight: of the covariance.
    """
    if copies is None or not len(copies.clean) or not weight:
        return np.zeros((0, 0))
    moved = scale(copies.altered) - scale(copies.clean)
    rows: np.ndarray = np.sqrt(weight / len(moved)) * moved
    return rows
