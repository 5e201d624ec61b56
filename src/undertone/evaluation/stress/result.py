"""What a condition costs: the score under it, what is lost, and how many predictions changed.

In:  truth and predictions (n_rows, n_outputs) of the same utterances, clean and altered.
Out: ``Measured``, each number with its interval over speakers, paired with the clean recordings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from undertone.evaluation import intervals
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.stress.conditions import Condition
from undertone.tasks import CHOICE, Task
from undertone.tasks.rows import Rows


@dataclass(frozen=True)
class Measured:
    """One condition.

    Attributes:
        condition: what was done.
        score: the task's headline metric.
        change: of it, against the clean recordings.
        moved: share of predictions that changed; of amounts, how far they moved on average.
    """

    condition: Condition
    score: Estimate
    change: Estimate
    moved: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "condition": self.condition.name,
            "group": self.condition.group,
            "label": self.condition.label,
            "score": self.score.to_dict(),
            "change": self.change.to_dict(),
            "moved": self.moved.to_dict(),
        }


@dataclass(frozen=True)
class Stress:
    """All conditions of one model on one corpus.

    Attributes:
        model: its folder, as people call it.
        corpus: its name.
        task: what is predicted.
        clean: the headline on the recordings as they are.
        rows: the conditions.
        n_utterances: tested.
        notes: sentences on how it was measured, and what was left out.
        synthetic: whether the voices are.
    """

    model: str
    corpus: str
    task: Task
    clean: Estimate
    rows: tuple[Measured, ...]
    n_utterances: int
    notes: tuple[str, ...] = ()
    synthetic: bool = False

    @property
    def metric(self) -> str:
        return self.task.metrics[self.task.headline].label

    @property
    def moved(self) -> str:
        """What the last column holds."""
        return "predictions changed" if self.task.kind == CHOICE else "predictions moved by"

    @property
    def headings(self) -> tuple[str, ...]:
        return ("condition", self.metric, "change", self.moved)

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The table that a person reads, the clean recordings first."""
        first = ("as recorded", str(self.clean), "", "")
        return [
            first,
            *(
                (row.condition.label, str(row.score), row.change.signed(), str(row.moved))
                for row in self.rows
            ),
        ]

    def verdict(self) -> str:
        """What costs most, in a sentence."""
        sign = -1 if self.task.metrics[self.task.headline].lower_is_better else 1
        worst = min(self.rows, key=lambda row: sign * row.change.value)
        return (
            f"{self.metric} on clean recordings {self.clean}; worst under {worst.condition.label}: "
            f"{worst.score}, a change of {worst.change.signed()}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "model": self.model,
            "corpus": self.corpus,
            "task": self.task.name,
            "metric": self.task.headline,
            "n_utterances": self.n_utterances,
            "clean": self.clean.to_dict(),
            "conditions": [row.to_dict() for row in self.rows],
            "notes": list(self.notes),
            "synthetic": self.synthetic,
        }


def measure(
    task: Task,
    *,
    truth: np.ndarray,
    speakers: np.ndarray,
    clean: np.ndarray,
    altered: Mapping[Condition, np.ndarray],
    n_replicates: int | None = None,
) -> tuple[Estimate, tuple[Measured, ...]]:
    """The clean score, and every condition against it.

    Args:
        task: what is predicted.
        truth: (n_rows, n_outputs)
        speakers: (n_rows,) names.
        clean: (n_rows, n_outputs) predictions of the recordings as they are.
        altered: likewise under each condition.
        n_replicates: of the bootstrap; the task's own by default.
    """
    names, speaker = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    resamples = intervals.resample(len(names), n_replicates=n_replicates or task.n_replicates)
    weights, n_speakers = resamples.with_once, len(names)
    at = list(task.metrics).index(task.headline)

    def scores(values: np.ndarray) -> np.ndarray:
        rows = Rows(truth, task.decide(values), speaker)
        found: np.ndarray = task.measure(rows, weights)[:, at, 0]
        return found

    def estimate(values: np.ndarray) -> Estimate:
        return intervals.summarise(float(values[0]), values[1:], n_speakers=n_speakers)

    of_clean = scores(clean)
    measured = []
    for condition, values in altered.items():
        under = scores(values)
        how_far = Rows(truth, values, speaker).mean(_moved(task, clean, values), weights)
        measured.append(
            Measured(condition, estimate(under), estimate(under - of_clean), estimate(how_far))
        )
    return estimate(of_clean), tuple(measured)


def _moved(task: Task, clean: np.ndarray, altered: np.ndarray) -> np.ndarray:
    """(n_rows,) whether another class was chosen; of amounts the mean distance."""
    before, after = task.decide(clean), task.decide(altered)
    if task.kind == CHOICE:
        found: np.ndarray = (before.argmax(axis=1) != after.argmax(axis=1)).astype(float)
        return found
    distance: np.ndarray = np.abs(after - before).mean(axis=1)
    return distance
