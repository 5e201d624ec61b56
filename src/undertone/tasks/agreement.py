"""How well amounts agree with the truth: what tasks of amounts have in common.

In:  ``Rows``: truth and prediction (n_rows, n_outputs) and the speaker of each row; and weights
     (n_weights, n_speakers) that say how often each speaker is drawn.
Out: (n_weights, n_outputs) for each metric, NaN where it does not exist.

All three are made of sums by speaker, so that a resample of speakers costs a product of matrices.
Moments are those of the population.
"""

import numpy as np

from undertone.tasks.rows import Rows, share

TINY = 1e-12  # what rounding errors add up to: amounts are of the order of 1


def mae(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Mean absolute error."""
    return rows.mean(np.abs(rows.prediction - rows.truth), weights)


def ccc(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Concordance correlation: 2 cov / (var_t + var_p + (mean_t - mean_p)²).

    It is 0 where one side never changes, and does not exist where neither does.
    Source: Lin, Biometrics 45, 1989.
    """
    moments = _Moments(rows, weights)
    whole = moments.var_t + moments.var_p + moments.apart**2
    neither = (moments.var_t < TINY) & (moments.var_p < TINY)
    return share(2 * moments.covariance, np.where(neither, 0, whole))


def pearson(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Pearson's correlation: cov / (sd_t sd_p).

    It is 0 of a prediction that never changes, so that a fit that says nothing is not left out of
    an average, and does not exist where the truth never changes.
    """
    moments = _Moments(rows, weights)
    says_nothing = moments.var_p < TINY
    sds = np.sqrt(moments.var_t) * np.sqrt(np.where(says_nothing, 1, moments.var_p))
    correlation = share(moments.covariance, np.where(moments.var_t < TINY, 0, sds))
    return np.where(says_nothing, 0 * correlation, correlation)


class _Moments:
    """Of truth and prediction, (n_weights, n_outputs) each."""

    def __init__(self, rows: Rows, weights: np.ndarray) -> None:
        centre = rows.truth.mean(axis=0)  # any shift leaves them as they are; it keeps the digits
        truth, prediction = rows.truth - centre, rows.prediction - centre
        mean_t, mean_p = rows.mean(truth, weights), rows.mean(prediction, weights)
        self.apart = mean_t - mean_p
        self.covariance = rows.mean(truth * prediction, weights) - mean_t * mean_p
        self.var_t = np.maximum(rows.mean(truth**2, weights) - mean_t**2, 0)
        self.var_p = np.maximum(rows.mean(prediction**2, weights) - mean_p**2, 0)
