"""The task "intensities": how strong each of six emotions is, from 0 to 3, as in CMU-MOSEI.

In:  ``Rows``: truth and prediction (n_rows, n_outputs) and the speaker of each row; and weights
     (n_replicates, n_speakers) that say how often each speaker is drawn.
Out: (n_replicates, n_outputs) for each metric, NaN where it does not exist.

A prediction that is the same for all rows has no rank correlation; a task counts it as 0, as its
AUC counts as .5, so that a fit that says nothing is not left out of an average.

* MAE: mean absolute error of the prediction as it stands.
* 4-class accuracy: prediction clipped to [0, 3] and rounded to {0, 1, 2, 3}, compared with the
  rounded label. Halves round up. Labels are means of about three raters, so thirds; the few that
  two or six raters gave are halves and sixths, and then the rule counts: with halves up, always
  saying 0 is right in 87.23 % of CMU-MOSEI's test cells, with halves to even in 87.24 %.
* 4-class accuracy, ceil: both are rounded up instead, so that class 0 is "none at all".
* Balanced 4-class accuracy: mean recall over the rounded classes that occur in the truth.
* AUC of presence: of the label above 0. Spearman's correlation. CCC as in ``agreement``.

A constant wins the first three. It has a balanced accuracy of 1 / n for n classes, an AUC of
one half, a CCC of 0 and no Spearman correlation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from undertone.errors import UndertoneError
from undertone.tasks import ranks
from undertone.tasks.agreement import ccc, mae
from undertone.tasks.draws import Asked, LabelDraw, draw_anyhow
from undertone.tasks.names import canonical_emotion
from undertone.tasks.rows import Rows, mean_of_those_that_exist, share, weigh
from undertone.tasks.task import AMOUNTS, Floor, Metric, Task

if TYPE_CHECKING:
    import pandas as pd

INTENSITIES = ("happy", "sad", "anger", "surprise", "disgust", "fear")  # as CMU-MOSEI names them
LARGEST = 3.0  # intensities are in [0, LARGEST]
N_CLASSES = 4
SLACK = 1e-4  # thirds are written with four decimals: a 1.0001 is no 2


RowsMetric = Callable[[Rows, np.ndarray], np.ndarray]


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


def accuracy(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Share of rows in the right one of four classes, both rounded."""
    return rows.mean(rounded(rows.prediction) == rounded(rows.truth), weights)


def accuracy_ceil(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Share of rows in the right one of four classes, both rounded up."""
    return rows.mean(rounded_up(rows.prediction) == rounded_up(rows.truth), weights)


def balanced_accuracy(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Mean recall over those of the four rounded classes that occur in the truth."""
    truth = rounded(rows.truth)
    is_class = truth[..., None] == np.arange(N_CLASSES)  # (n_rows, n_outputs, N_CLASSES)
    is_hit = is_class & (rounded(rows.prediction) == truth)[..., None]
    hits, support = weigh(rows.sums(is_hit), weights), weigh(rows.sums(is_class), weights)
    return mean_of_those_that_exist(share(hits, support))


def presence_auc(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Area under the curve of telling a label above 0."""
    return _by_output(rows, weights, ranks.auc)


def spearman(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Correlation of ranks."""
    return _by_output(rows, weights, ranks.spearman)


METRICS: Mapping[str, RowsMetric] = {
    "mae": mae,
    "accuracy": accuracy,
    "accuracy_ceil": accuracy_ceil,
    "balanced_accuracy": balanced_accuracy,
    "presence_auc": presence_auc,
    "spearman": spearman,
    "ccc": ccc,
}


def fit_median(labels: np.ndarray) -> np.ndarray:
    """(n_outputs,) median of labels (n_rows, n_outputs); of an even number the lower one.

    It is a value that a label had: with twenty labels a mean of two would often be a half, which
    no label is.
    """
    return np.quantile(labels, 0.5, axis=0, method="inverted_cdf")


def _by_output(rows: Rows, weights: np.ndarray, metric: Callable[..., np.ndarray]) -> np.ndarray:
    values = [
        metric(truth=truth, prediction=prediction, speaker=rows.speaker, weights=weights)
        for truth, prediction in zip(rows.truth.T, rows.prediction.T, strict=True)
    ]
    return np.stack(values, axis=1)


@dataclass(frozen=True)
class Intensities(Task):
    """Telling how strong each emotion is."""

    name = "intensities"
    kind = AMOUNTS
    label_columns = INTENSITIES
    label_names: ClassVar = {name: (name, canonical_emotion(name)) for name in INTENSITIES}
    high = LARGEST
    metrics: ClassVar = {
        "mae": Metric("MAE", "MAE, mean absolute error", lower_is_better=True, of_output="MAE"),
        "accuracy": Metric("4-class accuracy", of_output="accuracy"),
        "accuracy_ceil": Metric("4-class accuracy, ceil", of_output="accuracy, ceil"),
        "balanced_accuracy": Metric(
            "balanced 4-class accuracy", of_output="balanced accuracy", a_constant_wins=False
        ),
        "presence_auc": Metric("AUC of presence", of_output="AUC", a_constant_wins=False),
        "spearman": Metric(
            "Spearman",
            "Spearman's correlation, 0 of a prediction that never changes",
            of_output="Spearman",
            a_constant_wins=False,
        ),
        "ccc": Metric("CCC", of_output="CCC", a_constant_wins=False),
    }
    headline = "mae"
    also_by_output = ("accuracy",)
    negligible = 0.01
    beside = "presence_auc"
    n_replicates = 1_000  # rank statistics of thousands of rows are slow; intervals end at 2.5 %
    floors: ClassVar = {
        "always_0": Floor("always 0", "No emotion, ever.", lambda labels: 0 * labels[0]),
        "median": Floor("median", "The median of the labels of the budget, always.", fit_median),
        "mean": Floor(
            "mean", "The mean of the labels of the budget, always.", lambda y: y.mean(axis=0)
        ),
    }
    presets: ClassVar = {
        "finetune": {
            "batch_size": 64,
            "max_epochs": 100,
            "patience": 15,
            "head_dropout": 0.0,
            "label_smoothing": 0.0,
        }
    }

    outputs: tuple[str, ...] = INTENSITIES

    @classmethod
    def of(cls, table: "pd.DataFrame") -> Self | None:
        """Of all six, where the table has their columns."""
        return cls() if set(INTENSITIES) <= set(table) else None

    def truth(self, rows: "pd.DataFrame") -> np.ndarray:
        """As the table holds it."""
        return rows[list(self.outputs)].to_numpy(float)

    def draw(self, rows: "pd.DataFrame", asked: Asked) -> LabelDraw:
        """Each utterance as likely as any other."""
        return draw_anyhow(rows, asked)

    def measure(self, rows: Rows, weights: np.ndarray) -> np.ndarray:
        """Each metric of ``METRICS`` as the mean of the emotions, then by emotion."""
        values = {name: metric(rows, weights) for name, metric in METRICS.items()}
        says_nothing = np.isnan(values["spearman"]) & ~np.isnan(values["presence_auc"])
        values["spearman"] = np.where(says_nothing, 0, values["spearman"])
        return np.stack(
            [np.column_stack([mean_of_those_that_exist(v), v]) for v in values.values()], axis=1
        )
