"""Metrics of the task "intensities": how strong each of several emotions is, from 0 to 3.

In:  ``Rows``: truth and prediction (n_rows, n_outputs) and the speaker of each row; and weights
     (n_replicates, n_speakers) that say how often each speaker is drawn.
Out: (n_replicates, n_outputs) for each metric, NaN where it does not exist.

* MAE: mean absolute error of the prediction as it stands.
* 4-class accuracy: prediction clipped to [0, 3] and rounded to {0, 1, 2, 3}, compared with the
  rounded label. Halves round up. Labels are means of about three raters, so thirds; the few that
  two or six raters gave are halves and sixths, and then the rule counts: with halves up, always
  saying 0 is right in 87.23 % of CMU-MOSEI's test cells, with halves to even in 87.24 %.
* 4-class accuracy, ceil: both are rounded up instead, so that class 0 is "none at all".
* Balanced 4-class accuracy: mean recall over the rounded classes that occur in the truth.
* AUC of presence: of the label above 0. Spearman's correlation. CCC, with population variances.

A constant wins the first three. It has a balanced accuracy of 1 / n for n classes, an AUC of
one half, a CCC of 0 and no Spearman correlation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from undertone.errors import UndertoneError
from undertone.evaluation import ranks
from undertone.evaluation.classes import mean_of_those_that_exist, share

LARGEST = 3.0  # intensities are in [0, LARGEST]
N_CLASSES = 4
SLACK = 1e-4  # thirds are written with four decimals: a 1.0001 is no 2


@dataclass(frozen=True)
class Rows:
    """What is compared, row by row.

    Attributes:
        truth: (n_rows, n_outputs)
        prediction: (n_rows, n_outputs)
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


Metric = Callable[[Rows, np.ndarray], np.ndarray]


def measure(*, truth: np.ndarray, prediction: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of each output, without intervals.

    Args:
        truth: (n_rows, n_outputs) in [0, 3].
        prediction: (n_rows, n_outputs)

    Returns:
        (n_outputs,) for each of ``METRICS``.
    """
    truth, prediction = np.asarray(truth, float), np.asarray(prediction, float)
    if truth.shape != prediction.shape or truth.ndim != 2 or len(truth) == 0:
        raise UndertoneError(
            f"expected truth and prediction of one shape (n_rows, n_outputs); found "
            f"{truth.shape} and {prediction.shape}: join the two on the utterance first"
        )
    rows = Rows(truth, prediction, np.zeros(len(truth), dtype=int))
    return {name: metric(rows, np.ones((1, 1)))[0] for name, metric in METRICS.items()}


def rounded(values: np.ndarray) -> np.ndarray:
    """Classes 0 to 3 of intensities, the nearest, halves up.

    >>> rounded(np.array([-1, 0.3333, 0.5, 1.5, 2.6667, 7])).tolist()
    [0, 0, 1, 2, 3, 3]
    """
    return np.floor(np.clip(values, 0, LARGEST) + 0.5).astype(int)


def rounded_up(values: np.ndarray) -> np.ndarray:
    """Classes 0 to 3 of intensities, the next above.

    >>> rounded_up(np.array([-1, 0, 0.3333, 1.0, 1.3333, 7])).tolist()
    [0, 0, 1, 1, 2, 3]
    """
    return np.ceil(np.clip(values, 0, LARGEST) - SLACK).astype(int)


def mae(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Mean absolute error."""
    return _mean(rows, np.abs(rows.prediction - rows.truth), weights)


def accuracy(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Share of rows in the right one of four classes, both rounded."""
    return _mean(rows, rounded(rows.prediction) == rounded(rows.truth), weights)


def accuracy_ceil(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Share of rows in the right one of four classes, both rounded up."""
    return _mean(rows, rounded_up(rows.prediction) == rounded_up(rows.truth), weights)


def balanced_accuracy(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Mean recall over those of the four rounded classes that occur in the truth."""
    truth = rounded(rows.truth)
    is_class = truth[..., None] == np.arange(N_CLASSES)  # (n_rows, n_outputs, N_CLASSES)
    is_hit = is_class & (rounded(rows.prediction) == truth)[..., None]
    hits, support = _weigh(rows.sums(is_hit), weights), _weigh(rows.sums(is_class), weights)
    return mean_of_those_that_exist(share(hits, support))


def presence_auc(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Area under the curve of telling a label above 0."""
    return _by_output(rows, weights, ranks.auc)


def spearman(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Correlation of ranks."""
    return _by_output(rows, weights, ranks.spearman)


def ccc(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Concordance correlation: 2 cov / (var_t + var_p + (mean_t - mean_p)²), population moments."""
    truth, prediction = rows.truth, rows.prediction
    centre = truth.mean(axis=0)  # any shift leaves it as it is; this one keeps the digits
    truth, prediction = truth - centre, prediction - centre
    mean_t, mean_p = _mean(rows, truth, weights), _mean(rows, prediction, weights)
    covariance = _mean(rows, truth * prediction, weights) - mean_t * mean_p
    mean_square = _mean(rows, (truth - prediction) ** 2, weights)
    return share(2 * covariance, mean_square + 2 * covariance)  # the same denominator


METRICS: dict[str, Metric] = {
    "mae": mae,
    "accuracy": accuracy,
    "accuracy_ceil": accuracy_ceil,
    "balanced_accuracy": balanced_accuracy,
    "presence_auc": presence_auc,
    "spearman": spearman,
    "ccc": ccc,
}
LABELS = {
    "mae": "MAE",
    "accuracy": "4-class accuracy",
    "accuracy_ceil": "4-class accuracy, ceil",
    "balanced_accuracy": "balanced 4-class accuracy",
    "presence_auc": "AUC of presence",
    "spearman": "Spearman",
    "ccc": "CCC",
}


def fit_median(labels: np.ndarray) -> np.ndarray:
    """(n_outputs,) median of labels (n_rows, n_outputs); of an even number the lower one.

    It is a value that a label had: with twenty labels a mean of two would often be a half, which
    no label is.
    """
    return np.quantile(labels, 0.5, axis=0, method="inverted_cdf")


def _mean(rows: Rows, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n_replicates, n_outputs) weighted mean over the rows."""
    counts = np.bincount(rows.speaker, minlength=rows.n_speakers)
    return _weigh(rows.sums(values), weights) / (weights @ counts)[:, None]


def _weigh(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n_replicates, ...) of (n_speakers, ...)."""
    return np.tensordot(weights.astype(float), sums, axes=1)


def _by_output(rows: Rows, weights: np.ndarray, metric: Callable[..., np.ndarray]) -> np.ndarray:
    found = [
        metric(truth=truth, prediction=prediction, speaker=rows.speaker, weights=weights)
        for truth, prediction in zip(rows.truth.T, rows.prediction.T, strict=True)
    ]
    return np.stack(found, axis=1)
