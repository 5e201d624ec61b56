"""What every metric is given, and the sums that all of them are made of.

In:  ``Rows``: truth and prediction (n_rows, n_outputs) and the speaker of each row; and weights
     (n_weights, n_speakers) that say how often each speaker is drawn.
Out: sums and means (n_weights, ...), NaN where a share has no whole.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rows:
    """What is compared, row by row.

    Attributes:
        truth: (n_rows, n_outputs); of classes 1 for the true one and 0 for the others.
        prediction: (n_rows, n_outputs); of classes how much each is chosen.
        speaker: (n_rows,) whole numbers from 0.
    """

    truth: np.ndarray
    prediction: np.ndarray
    speaker: np.ndarray

    @property
    def n_speakers(self) -> int:
        return int(self.speaker.max()) + 1

    def sums(self, values: np.ndarray) -> np.ndarray:
        """(n_speakers, ...) of (n_rows, ...): added up by speaker."""
        totals = np.zeros((self.n_speakers, *values.shape[1:]))
        np.add.at(totals, self.speaker, values)
        return totals

    def mean(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(n_weights, ...) weighted mean over the rows of (n_rows, ...)."""
        counts = np.bincount(self.speaker, minlength=self.n_speakers)
        total = weigh(self.sums(values), weights)
        return total / (weights @ counts).reshape(-1, *[1] * (total.ndim - 1))


def weigh(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n_weights, ...) of (n_speakers, ...)."""
    return np.tensordot(weights.astype(float), sums, axes=1)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part over whole; NaN where the whole is nothing."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def mean_of_those_that_exist(values: np.ndarray) -> np.ndarray:
    """(...) mean over the last axis of what is not NaN."""
    exist = ~np.isnan(values)
    return share(np.where(exist, values, 0).sum(axis=-1), exist.sum(axis=-1))
