"""Metrics of the task "classes": one emotion an utterance.

In:  truth and prediction as two sequences of emotion names, or counts (..., n_emotions,
     n_emotions) with the truth in the rows and the prediction in the columns.
Out: a float, or an array (...) for counts.

The emotions are those found in either sequence, sorted. An average runs over what it can see:

* UAR (unweighted average recall, balanced accuracy): emotions with at least one true utterance;
* WA (weighted accuracy): the share of utterances that are right;
* macro-F1: emotions found in the truth or in the prediction, F1 = 2 TP / (2 TP + FP + FN).

An emotion that is predicted but never true therefore costs UAR what it takes from the others,
and macro-F1 one zero more. All three agree with scikit-learn's ``balanced_accuracy_score``,
``accuracy_score`` and ``f1_score(average="macro")``.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from undertone.errors import UndertoneError

Metric = Callable[[np.ndarray], np.ndarray]
Names = Sequence[str] | np.ndarray | pd.Series  # (n_utterances,)


def uar(*, truth: Names, prediction: Names) -> float:
    """Mean recall over the emotions in the truth.

    >>> uar(truth=["anger", "anger", "anger", "fear"], prediction=["anger"] * 4)
    0.5
    """
    return float(uar_of_counts(confusion(truth=truth, prediction=prediction)))


def wa(*, truth: Names, prediction: Names) -> float:
    """Share of utterances whose emotion is right."""
    return float(wa_of_counts(confusion(truth=truth, prediction=prediction)))


def macro_f1(*, truth: Names, prediction: Names) -> float:
    """Mean F1 over the emotions in the truth or the prediction."""
    return float(macro_f1_of_counts(confusion(truth=truth, prediction=prediction)))


def recalls(*, truth: Names, prediction: Names) -> dict[str, float]:
    """Recall of each emotion in the truth, sorted by name."""
    emotions = emotions_of(truth, prediction)
    values = recalls_of_counts(confusion(truth=truth, prediction=prediction, emotions=emotions))
    return {
        name: float(value)
        for name, value in zip(emotions, values, strict=True)
        if not np.isnan(value)
    }


def confusion(
    *, truth: Names, prediction: Names, emotions: Sequence[str] | None = None
) -> np.ndarray:
    """How often each emotion was taken for each other.

    Args:
        truth: (n_utterances,) emotion names.
        prediction: (n_utterances,) emotion names, in the order of ``truth``.
        emotions: (n_emotions,) rows and columns of the result; all that occur, sorted, if None.

    Returns:
        (n_emotions, n_emotions) counts, truth in the rows.
    """
    if len(truth) != len(prediction) or len(truth) == 0:
        raise UndertoneError(
            f"expected as many predictions as truths and at least one; found {len(truth)} truths "
            f"and {len(prediction)} predictions: join the two on the utterance first"
        )
    names = emotions_of(truth, prediction) if emotions is None else tuple(emotions)
    rows = codes(truth, emotions=names, what="the truth")
    columns = codes(prediction, emotions=names, what="the prediction")
    n = len(names)
    return np.bincount(rows * n + columns, minlength=n * n).reshape(n, n)


def emotions_of(*columns: Names) -> tuple[str, ...]:
    """All emotions that occur in any of the columns, sorted."""
    found = pd.unique(np.concatenate([np.asarray(column, dtype=object) for column in columns]))
    return tuple(sorted(name for name in found if not pd.isna(name)))


def codes(names: Names, *, emotions: Sequence[str], what: str) -> np.ndarray:
    """Position of each name in ``emotions``; a name that is not there is refused."""
    positions = pd.Index(emotions).get_indexer(pd.Index(np.asarray(names, dtype=object)))
    if (positions < 0).any():
        strange = sorted({repr(name) for name in np.asarray(names, object)[positions < 0]})
        raise UndertoneError(
            f"expected {what} to hold only {', '.join(emotions)}; found {', '.join(strange[:5])} "
            f"in {int((positions < 0).sum())} of {len(positions)} rows: mend or drop those rows"
        )
    return positions


def recalls_of_counts(counts: np.ndarray) -> np.ndarray:
    """(..., n_emotions) recall; NaN for an emotion without a true utterance."""
    return share(_hits(counts), counts.sum(axis=-1))


def uar_of_counts(counts: np.ndarray) -> np.ndarray:
    """(...) mean of the recalls that exist."""
    return mean_of_those_that_exist(recalls_of_counts(counts))


def wa_of_counts(counts: np.ndarray) -> np.ndarray:
    """(...) share of the diagonal."""
    return share(_hits(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def macro_f1_of_counts(counts: np.ndarray) -> np.ndarray:
    """(...) mean F1 of the emotions with a true or a predicted utterance."""
    true_or_predicted = counts.sum(axis=-1) + counts.sum(axis=-2)  # = 2 TP + FP + FN
    return mean_of_those_that_exist(share(2 * _hits(counts), true_or_predicted))


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part over whole; NaN where the whole is nothing."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def mean_of_those_that_exist(values: np.ndarray) -> np.ndarray:
    """(...) mean over the last axis of what is not NaN."""
    exist = ~np.isnan(values)
    return share(np.where(exist, values, 0).sum(axis=-1), exist.sum(axis=-1))


METRICS: dict[str, Metric] = {
    "uar": uar_of_counts,
    "wa": wa_of_counts,
    "macro_f1": macro_f1_of_counts,
}
LABELS = {"uar": "UAR", "wa": "WA", "macro_f1": "macro-F1"}


def _hits(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)
