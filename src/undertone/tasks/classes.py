"""The task "classes": one emotion an utterance.

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

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self, TypeAlias

import numpy as np

from undertone.errors import UndertoneError
from undertone.tasks.draws import RANDOM, Asked, LabelDraw, draw_as_it_comes, draw_balanced
from undertone.tasks.rows import Rows, mean_of_those_that_exist, share, weigh
from undertone.tasks.task import CHOICE, Floor, Metric, Task

if TYPE_CHECKING:
    import pandas as pd

GAIN_WORTH_NAMING = 0.02  # in UAR: what ten draws of labels can just tell from nothing
CountsMetric = Callable[[np.ndarray], np.ndarray]
Names: TypeAlias = "Sequence[str] | np.ndarray | pd.Series"  # (n_utterances,)


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
    import pandas as pd

    emotions = pd.unique(np.concatenate([np.asarray(column, dtype=object) for column in columns]))
    return tuple(sorted(name for name in emotions if not pd.isna(name)))


def codes(names: Names, *, emotions: Sequence[str], what: str) -> np.ndarray:
    """Position of each name in ``emotions``; a name that is not there is refused."""
    import pandas as pd

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
    return mean_of_those_that_exist(_f1_of_counts(counts))


METRICS: Mapping[str, CountsMetric] = {
    "uar": uar_of_counts,
    "wa": wa_of_counts,
    "macro_f1": macro_f1_of_counts,
}


def _hits(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _f1_of_counts(counts: np.ndarray) -> np.ndarray:
    """(..., n_emotions) 2 TP / (2 TP + FP + FN); NaN for one never true nor predicted."""
    return share(2 * _hits(counts), counts.sum(axis=-1) + counts.sum(axis=-2))


@dataclass(frozen=True)
class Classes(Task):
    """Telling some emotions apart, in alphabetical order.

    >>> Classes.among(["sadness", "anger", "sadness"])
    Classes(outputs=('anger', 'sadness'))
    """

    name = "classes"
    kind = CHOICE
    label_columns = ("emotion",)
    metrics: ClassVar = {
        "uar": Metric(
            "UAR", "UAR, unweighted average recall (balanced accuracy)", of_output="recall"
        ),
        "wa": Metric("WA", "WA, weighted accuracy (share of utterances that are right)"),
        "macro_f1": Metric("macro-F1", "macro-F1", of_output="F1"),
    }
    headline = "uar"
    negligible = GAIN_WORTH_NAMING
    floors: ClassVar = {
        "constant": Floor(
            "constant",
            "The most frequent emotion of the labels, always.",
            lambda labels: labels.sum(axis=0) / labels.sum(),
        )
    }

    @classmethod
    def among(cls, emotions: Iterable[str]) -> Self:
        """The task of telling these apart."""
        outputs = tuple(sorted(set(emotions)))
        if len(outputs) < 2:
            raise UndertoneError(
                f"a classifier needs two emotions or more, found {', '.join(outputs) or 'none'}"
            )
        return cls(outputs)

    @classmethod
    def of(cls, table: "pd.DataFrame") -> Self | None:
        """Of all emotions that occur."""
        if "emotion" not in table or table["emotion"].isna().all():
            return None
        return cls.among(table["emotion"].dropna())

    def truth(self, rows: "pd.DataFrame") -> np.ndarray:
        """1 for the true emotion; NaN where there is none, or one that is not among the outputs."""
        import pandas as pd

        positions = pd.Index(self.outputs).get_indexer(pd.Index(rows["emotion"]))
        return np.where(positions[:, None] < 0, np.nan, self.one_hot(positions))

    def draw(self, rows: "pd.DataFrame", asked: Asked) -> LabelDraw:
        """Balanced over the emotions, or as they come."""
        if asked.how == RANDOM:
            return draw_as_it_comes(rows, asked)
        return draw_balanced(rows, self.outputs, asked)

    def decide(self, values: np.ndarray) -> np.ndarray:
        """1 for the likeliest emotion, the first of equally likely ones."""
        return self.one_hot(values.argmax(axis=-1))

    def one_hot(self, positions: np.ndarray) -> np.ndarray:
        """(..., n_outputs) of positions (...)."""
        return np.eye(len(self.outputs))[positions]

    def measure(self, rows: Rows, weights: np.ndarray) -> np.ndarray:
        """UAR beside the recalls, WA, and macro-F1 beside the F1s."""
        counts = weigh(rows.sums(rows.truth[:, :, None] * rows.prediction[:, None, :]), weights)
        by_output = {"uar": recalls_of_counts(counts), "macro_f1": _f1_of_counts(counts)}
        nothing = np.full(counts.shape[:-1], np.nan)
        return np.stack(
            [
                np.column_stack([metric(counts), by_output.get(name, nothing)])
                for name, metric in METRICS.items()
            ],
            axis=1,
        )

    def chance(self, truth: np.ndarray) -> np.ndarray:
        """Guessing uniformly among the emotions in the truth.

        Its UAR and WA are 1 / n exactly for n emotions in the truth; its macro-F1 is that of the
        expected counts.
        """
        possible = truth.any(axis=0)
        return np.tile(possible / possible.sum(), (len(truth), 1))

    def speakers_behind(self, rows: Rows) -> np.ndarray:
        """Behind an emotion stand the speakers who have a true utterance of it."""
        by_emotion = (rows.sums(rows.truth) > 0).sum(axis=0)
        return np.append(rows.n_speakers, by_emotion)
