"""Score predictions against truths, of any task.

In:  two tables, or the paths of CSV or Parquet files: the truth (utterance, speaker and labels) and
     the prediction (utterance and predictions), with columns as ``labels_given`` has them; names of
     columns may be the synonyms of ``tables_given``; without ``utterance`` it is read off ``file``.
     Or, in ``score_rows``, arrays (n_rows, n_outputs).
Out: ``Score``: the task's metrics as the mean of the outputs and by output, each with an interval
     over speakers, beside the floors.

The tables are joined on the utterance, never on the position of a row. Utterances on one side only
are refused; ``missing="drop"`` leaves them out and counts them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from undertone.evaluation import intervals
from undertone.evaluation.ceiling import Ceiling, ceiling
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.labels_given import UNKNOWN_SPEAKER, kind_told, read_labels
from undertone.evaluation.measured import ByMetric, ByOutput, estimates_of
from undertone.evaluation.ratings_given import open_truth
from undertone.evaluation.reliability import Reliability
from undertone.evaluation.tables_given import open_table
from undertone.tasks import CHOICE, Task, kind_of
from undertone.tasks.rows import Rows

CHANCE = "chance"
PREDICTION = "prediction"


@dataclass(frozen=True, kw_only=True, repr=False)
class Score:
    """How good predictions are, what needs no speech at all would score, and what was left out.

    Attributes:
        task: what is predicted.
        metrics: each as the mean of the outputs.
        by_output: each by output, where it has values by output and they exist.
        floors: the metrics of what needs no speech, by its label.
        floors_by_output: the same by output.
        confusion: (n_outputs, n_outputs) truth in the rows; None of amounts.
        n_utterances: scored.
        n_speakers: behind them.
        left_out: number of utterances by reason.
        notes: what a reader must know.
        part: the official test part that was scored, where there are several.
        others: the scores of the other parts.
        ceilings: what one rater scores, where the truth tells several raters.
        reliability: how far probabilities hold, where they were asked for.
        silence: whether sets hold and how often there is no answer, paragraphs for a card.
    """

    task: Task
    metrics: ByMetric
    by_output: ByOutput
    floors: dict[str, ByMetric]
    floors_by_output: dict[str, ByOutput]
    confusion: np.ndarray | None
    n_utterances: int
    n_speakers: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    part: str = ""
    others: tuple["Score", ...] = ()
    ceilings: tuple[Ceiling, ...] = ()
    reliability: Reliability | None = None
    silence: str = ""

    def __repr__(self) -> str:
        name = self.task.headline
        told = f"{self.task.metrics[name].label} {self.metrics[name]}"
        return f"<Score {self.task.name}: {told}, {self.n_utterances} utterances>"

    @property
    def tested(self) -> str:
        """How much was scored, part by part."""
        of_part = f" in {self.part}" if self.part else ""
        own = f"{self.n_utterances} utterances of {self.n_speakers} speakers{of_part}"
        return " and ".join((own, *(other.tested for other in self.others)))

    @property
    def about_raters(self) -> tuple[str, ...]:
        """What one rater scores, a line each, part by part."""
        of_part = f"in {self.part}, " if self.part else ""
        own = (f"{of_part}{of_rater}" for of_rater in self.ceilings)
        return (*own, *(line for other in self.others for line in other.about_raters))

    @property
    def headings(self) -> tuple[str, ...]:
        """Of the columns of ``rows`` after the first; nobody's prediction has none."""
        return (*([PREDICTION] if self.metrics else []), *self.floors)

    def rows(self) -> list[tuple[str, ...]]:
        """What, prediction, a cell a floor: the table a person reads, outputs below the means.

        Of classes the floors have no cells by output: a constant's recalls are 1 and 0. Where there
        are several test parts, one follows the other.
        """
        of_part = f", {self.part}" if self.part else ""
        columns = [*filter(None, [self.metrics]), *self.floors.values()]
        means = [
            (metric.label + of_part, *(_cell(column[name]) for column in columns))
            for name, metric in self.task.metrics.items()
        ]
        outputs = [
            (
                f"{self.task.metrics[name].of_output} {output}{of_part}",
                _cell(estimate),
                *(self._floor_cell(floor, name, output) for floor in self.floors),
            )
            for name in (self.task.headline, *self.task.also_by_output)
            for output, estimate in self.by_output.get(name, {}).items()
        ]
        return [*means, *outputs, *(row for other in self.others for row in other.rows())]

    def to_dict(self) -> dict[str, object]:
        """Plain JSON."""
        of_classes: dict[str, Any] = {}
        if self.confusion is not None:
            recalls = _plain(self.by_output[self.task.headline])
            of_classes = {"recalls": recalls, "confusion": self.confusion.tolist()}
        return {
            "task": self.task.name,
            "outputs": list(self.task.outputs),
            "n_utterances": self.n_utterances,
            "n_speakers": self.n_speakers,
            "metrics": _plain(self.metrics),
            "by_output": _plain(self.by_output),
            "floors": _plain(self.floors),
            "floors_by_output": _plain(self.floors_by_output),
            **of_classes,
            **({"part": self.part} if self.part else {}),
            **({"others": [other.to_dict() for other in self.others]} if self.others else {}),
            "ceilings": [of_rater.to_dict() for of_rater in self.ceilings],
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }

    def _floor_cell(self, floor: str, metric: str, output: str) -> str:
        if self.task.kind == CHOICE:
            return ""
        return _cell(self.floors_by_output[floor][metric].get(output))


def score(
    *,
    truth: pd.DataFrame | str | Path,
    prediction: pd.DataFrame | str | Path | None = None,
    task: str = "",
    missing: Literal["error", "drop"] = "error",
    n_replicates: int | None = None,
    seed: int = 0,
) -> Score:
    """Score a table of predictions.

    Args:
        truth: a table, or the path of one; with several raters, also what one of them scores.
        prediction: a table, or the path of one; without it floors and raters alone are scored.
        task: a key of ``TASKS``; by default the one that the truth has columns for.
        missing: what to do with utterances that only one of the two tables has.
        n_replicates: of the bootstrap; the task's own by default.
        seed: of the bootstrap.

    Returns:
        Metrics with intervals, floors and counts.
    """
    kind = kind_of(task) if task else None
    told = open_truth(truth)
    of_prediction = None if prediction is None else open_table(prediction, "the prediction")
    kind = kind or kind_told(told.table)
    labels = read_labels(kind, told.table, of_prediction, drop=missing == "drop")
    scored = score_rows(**vars(labels), n_replicates=n_replicates, seed=seed)
    if told.ratings is None:
        return replace(scored, notes=(*told.notes, *scored.notes))
    speakers = labels.speakers.where(labels.speakers != UNKNOWN_SPEAKER, None)
    of_rater = ceiling(told.ratings, labels.task, speakers, n_replicates=n_replicates, seed=seed)
    return replace(
        scored,
        notes=(*told.notes, *scored.notes),
        ceilings=() if of_rater is None else (of_rater,),
    )


def score_rows(
    task: Task,
    *,
    truth: np.ndarray,
    values: np.ndarray | None,
    speakers: Sequence[str] | np.ndarray | pd.Series,
    n_replicates: int | None = None,
    seed: int = 0,
    left_out: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
) -> Score:
    """Score predictions row by row.

    Args:
        task: what is predicted.
        truth: (n_rows, n_outputs)
        values: (n_rows, n_outputs) probabilities or amounts; None where nothing is predicted.
        speakers: (n_rows,)
        n_replicates: of the bootstrap; the task's own by default.
        seed: of the bootstrap.
        left_out: number of utterances by reason.
        notes: what a reader must know; those on the speakers are added.
    """
    names, speaker = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    resamples = intervals.resample(
        len(names), n_replicates=n_replicates or task.n_replicates, seed=seed
    )
    rows = None if values is None else Rows(truth, task.decide(values), speaker)
    metrics, by_output = _estimates(task, rows, resamples)
    floors = {
        label: _estimates(task, Rows(truth, floor, speaker), resamples)
        for label, floor in _floors(task, truth)
    }
    return Score(
        task=task,
        metrics=metrics,
        by_output=by_output,
        floors={label: of_floor[0] for label, of_floor in floors.items()},
        floors_by_output={label: of_floor[1] for label, of_floor in floors.items()},
        confusion=None
        if rows is None or task.kind != CHOICE
        else (truth.T @ rows.prediction).astype(int),
        n_utterances=len(truth),
        n_speakers=len(names),
        left_out=dict(left_out or {}),
        notes=(
            *filter(None, [task.caveat]),
            *notes,
            *(() if values is None else task.remarks(truth=truth, prediction=values)),
            *_notes_on_speakers(np.asarray(speakers, dtype=str)),
        ),
    )


def _estimates(
    task: Task, rows: Rows | None, resamples: intervals.Resamples
) -> tuple[ByMetric, ByOutput]:
    """Every metric as the mean of the outputs, and by output; nothing of nothing."""
    if rows is None:
        return {}, {}
    measured = task.measure(rows, resamples.with_once)
    return estimates_of(task, measured, task.speakers_behind(rows))


def _floors(task: Task, truth: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Label and prediction (n_rows, n_outputs) of what needs no speech, fitted on the truth."""
    for floor in task.floors.values():
        yield floor.label, task.decide(np.broadcast_to(floor.fit(truth), truth.shape))
    if (guesses := task.chance(truth)) is not None:
        yield CHANCE, guesses


def _notes_on_speakers(speakers: np.ndarray) -> list[str]:
    """What a reader of the intervals must know about the speakers."""
    notes = []
    if n_unknown := int((speakers == UNKNOWN_SPEAKER).sum()):
        notes.append(f"{n_unknown} utterances name no speaker: they count as one speaker together")
    if len(set(speakers)) == 1:
        notes.append("one speaker: no interval, because one speaker says nothing of the next")
    return notes


def _cell(estimate: Estimate | None) -> str:
    return "n/a" if estimate is None or np.isnan(estimate.value) else str(estimate)


def _plain(estimates: Estimate | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(estimates, Estimate):
        return estimates.to_dict()
    return {name: _plain(of_name) for name, of_name in estimates.items()}
