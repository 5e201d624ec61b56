"""Rank statistics under weights: the AUC of presence, and Spearman's correlation.

In:  truth and prediction (n_rows,), the speaker of each row, and weights (n_replicates, n_speakers)
     that say how often each speaker is drawn.
Out: (n_replicates,): in each replicate exactly what the statistic is on its repeated rows; NaN
     where it does not exist (one class only, or nothing but ties).

Ties share the mean of their ranks; a tied pair counts half in the AUC (Mann and Whitney, 1947). The
rows are sorted once; a replicate is then a matter of cumulated weights.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from undertone.tasks.rows import share

REPLICATES_AT_A_TIME = 128  # bounds the memory: 128 x n_rows weights


def auc(
    *, truth: np.ndarray, prediction: np.ndarray, speaker: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Chance that a row where the emotion is present is predicted above one where it is not.

    Args:
        truth: (n_rows,) intensities; present is above 0.
        prediction: (n_rows,)
        speaker: (n_rows,) positions in the columns of ``weights``.
        weights: (n_replicates, n_speakers)
    """
    groups = _group(prediction)
    present = (truth > 0)[groups.order]

    def of_chunk(rows: np.ndarray) -> np.ndarray:
        positive = groups.sums(rows * present)
        negative = groups.sums(rows) - positive
        below = negative.cumsum(axis=1) - negative / 2
        return share((positive * below).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))

    return _in_chunks(weights, speaker[groups.order], of_chunk)


def spearman(
    *, truth: np.ndarray, prediction: np.ndarray, speaker: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Correlation of the ranks; arguments as of ``auc``."""
    groups, of_truth = _group(prediction), _group(truth)
    truth_first = np.argsort(groups.order)[of_truth.order]  # among the rows by prediction
    truth_group = of_truth.group[groups.order]

    def of_chunk(rows: np.ndarray) -> np.ndarray:
        weight, rank = _centred_ranks(groups.sums(rows))
        truth_weight, truth_rank = _centred_ranks(of_truth.sums(rows[:, truth_first]))
        together = groups.sums(rows * truth_rank[:, truth_group])
        covariance = (together * rank).sum(axis=1)
        squares = (weight * rank**2).sum(axis=1) * (truth_weight * truth_rank**2).sum(axis=1)
        return share(covariance, np.sqrt(squares))

    return _in_chunks(weights, speaker[groups.order], of_chunk)


@dataclass(frozen=True)
class _Groups:
    """Rows sorted by value, those of one value next to each other."""

    order: np.ndarray  # (n_rows,) sorts the rows
    starts: np.ndarray  # (n_groups,) where each value begins in the sorted rows
    group: np.ndarray  # (n_rows,) group of each row, unsorted

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """(n_replicates, n_groups) from (n_replicates, n_rows) sorted."""
        if len(self.starts) == rows.shape[1]:
            return rows
        return np.add.reduceat(rows, self.starts, axis=1)


def _group(values: np.ndarray) -> _Groups:
    order = np.argsort(values, kind="stable")
    _, starts, group = np.unique(values, return_index=True, return_inverse=True)
    starts = np.searchsorted(values[order], values[starts])
    return _Groups(order, starts, group)


def _centred_ranks(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the groups, and their mean ranks less the mean of all ranks."""
    ends = weights.cumsum(axis=1)
    return weights, ends - weights / 2 - ends[:, -1:] / 2


def _in_chunks(
    weights: np.ndarray, speaker: np.ndarray, of_chunk: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    firsts = range(0, len(weights), REPLICATES_AT_A_TIME)
    chunks = (weights[first : first + REPLICATES_AT_A_TIME].astype(float) for first in firsts)
    return np.concatenate([of_chunk(chunk[:, speaker]) for chunk in chunks])
