"""Score a table of predictions against a table of truths.

In:  truth (utterance, speaker, emotion) and prediction (utterance, and prediction or one column
     ``p_<emotion>`` an emotion), as tables or as paths of CSV or Parquet files. Names of columns
     may be the synonyms in ``COLUMN_NAMES``; without ``utterance`` it is read off ``file``. For the
     task "intensities" see ``score_intensities``.
Out: ``Score``: UAR, WA, macro-F1 and recalls, each with an interval over speakers, with the floors.

The tables are joined on the utterance, never on the position of a row. Utterances on one side only
are refused; ``missing="drop"`` leaves them out and counts them. A truth that names no speaker is
refused, because the interval would have to pretend that utterances are independent; where only
some utterances lack a speaker, those count together as one speaker.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from undertone.corpora.tasks import EMOTIONS, canonical_emotion, names_no_emotion
from undertone.errors import UndertoneError
from undertone.evaluation import intervals
from undertone.evaluation.classes import LABELS, METRICS, codes, emotions_of, recalls_of_counts
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.floors import chance_counts, constant_counts
from undertone.evaluation.score_intensities import score_intensities
from undertone.evaluation.scoring import Request, Score, notes_on_speakers, plain, speakers
from undertone.evaluation.tables import Table, describe_some, join, open_table


@dataclass(frozen=True, kw_only=True)
class ClassScore(Score):
    """The score of the task "classes"; metrics are "uar", "wa", "macro_f1"."""

    emotions: tuple[str, ...]
    recalls: dict[str, Estimate]  # an emotion of the truth
    confusion: np.ndarray  # (n_emotions, n_emotions), truth in the rows

    def rows(self) -> list[tuple[str, ...]]:
        """What, prediction, constant, chance: the table a person reads, recalls below metrics."""
        table = [
            (LABELS[name], str(found), *(str(floor[name]) for floor in self.floors.values()))
            for name, found in self.metrics.items()
        ]
        recalls = [(f"recall {name}", str(found), "", "") for name, found in self.recalls.items()]
        return [*table, *recalls]

    def details(self) -> dict[str, object]:
        """What this task adds to the JSON."""
        return {
            "recalls": plain(self.recalls),
            "emotions": list(self.emotions),
            "confusion": self.confusion.tolist(),
        }


def score(
    *,
    truth: pd.DataFrame | str | Path,
    prediction: pd.DataFrame | str | Path,
    task: str = "classes",
    missing: Literal["error", "drop"] = "error",
    n_replicates: int = intervals.N_REPLICATES,
    seed: int = 0,
) -> Score:
    """Score predictions.

    Args:
        truth: a table, or the path of one.
        prediction: a table, or the path of one.
        task: a key of ``TASKS``.
        missing: what to do with utterances that only one of the two tables has.
        n_replicates: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        Metrics with intervals, floors and counts.
    """
    if task not in TASKS:
        raise UndertoneError(f"no task {task!r} to score; there is {', '.join(TASKS)}")
    return TASKS[task](
        Request(
            truth=open_table(truth, "the truth"),
            prediction=open_table(prediction, "the prediction"),
            drop=missing == "drop",
            n_replicates=n_replicates,
            seed=seed,
        )
    )


def _score_classes(request: Request) -> ClassScore:
    joined, left_out = _joined(request)
    notes = _check_labels(joined, request.prediction.where)
    emotions = emotions_of(joined["truth"], joined["prediction"])
    counts = _counts_by_speaker(joined, emotions)
    notes += notes_on_speakers(joined["speaker"])
    resamples = intervals.resample(
        counts.shape[1], n_replicates=request.n_replicates, seed=request.seed
    )
    most_frequent = int(counts.sum(axis=(0, 1, 3)).argmax())
    floors = {
        "constant": constant_counts(counts, most_frequent),
        "chance": chance_counts(counts),
    }
    recalls = intervals.estimate_each(counts, recalls_of_counts, resamples)
    return ClassScore(
        task="classes",
        emotions=emotions,
        metrics=_estimates(counts, resamples),
        recalls={
            emotion: recall
            for emotion, recall in zip(emotions, recalls, strict=True)
            if recall.n_speakers > 0
        },
        floors={name: _estimates(floor, resamples) for name, floor in floors.items()},
        confusion=counts.sum(axis=(0, 1)),
        n_utterances=len(joined),
        n_speakers=counts.shape[1],
        left_out=left_out,
        notes=tuple(notes),
    )


TASKS: dict[str, Callable[[Request], Score]] = {
    "classes": _score_classes,
    "intensities": score_intensities,
}


def _joined(request: Request) -> tuple[pd.DataFrame, dict[str, int]]:
    """Columns truth, speaker, prediction; and what was left out."""
    truth, prediction = request.truth, request.prediction
    truths = pd.DataFrame({"truth": _emotions(truth, "emotion"), "speaker": speakers(truth)})
    guesses = pd.DataFrame({"prediction": _predictions(prediction)})
    return join(truth, truths, other=prediction, other_columns=guesses, drop=request.drop)


def _estimates(counts: np.ndarray, resamples: intervals.Resamples) -> dict[str, Estimate]:
    return {name: intervals.estimate(counts, metric, resamples) for name, metric in METRICS.items()}


def _counts_by_speaker(joined: pd.DataFrame, emotions: tuple[str, ...]) -> np.ndarray:
    """(1, n_speakers, n_emotions, n_emotions): one draw."""
    speaker, speakers = pd.factorize(joined["speaker"], sort=True)
    truth = codes(joined["truth"], emotions=emotions, what="the truth")
    guess = codes(joined["prediction"], emotions=emotions, what="the prediction")
    n = len(emotions)
    flat = np.bincount((speaker * n + truth) * n + guess, minlength=len(speakers) * n * n)
    return flat.reshape(1, len(speakers), n, n)


def _emotions(table: Table, name: str) -> pd.Series:
    """The column's emotions under their canonical names; "no agreement" and the like are empty."""
    return table.column(name).map(_emotion, na_action="ignore")


def _emotion(label: object) -> str | None:
    return None if names_no_emotion(str(label)) else canonical_emotion(str(label))


def _predictions(table: Table) -> pd.Series:
    """The predicted emotions: named, or the most probable one."""
    if table.has("prediction"):
        return _emotions(table, "prediction")
    probabilities = table.frame.filter(regex="^p_.")
    if probabilities.empty:
        return _emotions(table, "emotion" if table.has("emotion") else "prediction")
    values = probabilities.apply(pd.to_numeric, errors="coerce")
    if odd := int((probabilities.notna() & (probabilities != "") & values.isna()).sum().sum()):
        raise UndertoneError(
            f"expected numbers in the columns {', '.join(probabilities.columns)} of {table.where}; "
            f"found {odd} cells that are none"
        )
    names = [canonical_emotion(column.removeprefix("p_")) for column in values]
    best = values.to_numpy(dtype=float, na_value=-np.inf).argmax(axis=1)
    named = pd.Series(np.asarray(names, dtype=object)[best], index=values.index, dtype=object)
    return named.where(values.notna().all(axis=1))


def _check_labels(joined: pd.DataFrame, where: str) -> list[str]:
    """Refuse names that are no emotion; note emotions that are never true."""
    never_true = sorted(set(joined["prediction"]) - set(joined["truth"]))
    if unknown := [name for name in never_true if name not in EMOTIONS]:
        raise UndertoneError(
            f"expected the emotions {', '.join(emotions_of(joined['truth']))} in "
            f"{where}; found {describe_some(unknown)}, which is neither among them nor the name "
            "of an emotion known here: map it to one of them"
        )
    return [f"{name} is predicted but never true: counted as wrong" for name in never_true]
