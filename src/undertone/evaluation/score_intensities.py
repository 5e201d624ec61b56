"""Score a table of intensities against a table of truths.

In:  truth (utterance, speaker or video, and happy, sad, anger, surprise, disgust, fear) and
     prediction (utterance and the same six), every intensity a number, true ones in [0, 3].
Out: ``IntensityScore``: the metrics of ``intensities``, each as the mean of the six emotions and
     by emotion, with intervals over speakers, and the floors: always 0, and the median and the mean
     of each emotion in the truth. No constant has a smaller MAE than that median.

CMU-MOSEI does not say who speaks. With the column ``video`` in the place of ``speaker`` the videos
are resampled, and a note says so: one person may be in several.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from undertone.corpora.tasks import INTENSITIES
from undertone.errors import UndertoneError
from undertone.evaluation import intervals
from undertone.evaluation.classes import mean_of_those_that_exist
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.intensities import LABELS, LARGEST, METRICS, Rows, fit_median
from undertone.evaluation.scoring import Request, Score, notes_on_speakers, plain, speakers
from undertone.evaluation.tables import Table, describe_some, join

# the other metrics by emotion are in the JSON
IN_THE_TABLE_BY_EMOTION: Mapping[str, str] = {"mae": "MAE", "accuracy": "accuracy"}
BY_VIDEO = (
    "speakers are not given: videos are resampled in their place, and counted as speakers; one "
    "person in several videos would make the intervals too narrow"
)

ByEmotion = dict[str, dict[str, Estimate]]  # metric -> emotion -> estimate


@dataclass(frozen=True, kw_only=True)
class IntensityScore(Score):
    """The score of the task "intensities"; a metric is the mean over the emotions."""

    by_emotion: ByEmotion
    floors_by_emotion: Mapping[str, ByEmotion]  # of each floor

    def rows(self) -> list[tuple[str, ...]]:
        """What, prediction, a cell a floor; first the means, then MAE and accuracy by emotion."""
        means = [
            (LABELS[name], _cell(found), *(_cell(floor[name]) for floor in self.floors.values()))
            for name, found in self.metrics.items()
        ]
        emotions = [
            (f"{what} {emotion}", *(_cell(part[name][emotion]) for part in self._parts()))
            for name, what in IN_THE_TABLE_BY_EMOTION.items()
            for emotion in INTENSITIES
        ]
        return [*means, *emotions]

    def details(self) -> dict[str, object]:
        """Every metric by emotion, for the prediction and the floors."""
        return {
            "by_emotion": _plain(self.by_emotion),
            "floors_by_emotion": {
                name: _plain(floor) for name, floor in self.floors_by_emotion.items()
            },
        }

    def _parts(self) -> tuple[ByEmotion, ...]:
        return self.by_emotion, *self.floors_by_emotion.values()


def score_intensities(request: Request) -> IntensityScore:
    """Metrics with intervals, floors and counts."""
    joined, left_out = _joined(request)
    truth = joined[[f"truth {name}" for name in INTENSITIES]].to_numpy(float)
    prediction = joined[[f"prediction {name}" for name in INTENSITIES]].to_numpy(float)
    speaker, names = pd.factorize(joined["speaker"], sort=True)
    resamples = intervals.resample(len(names), n_replicates=request.n_replicates, seed=request.seed)
    predictions = {"prediction": prediction, **_constants(truth)}
    by_emotion, means = {}, {}
    for what, values in predictions.items():
        by_emotion[what], means[what] = estimates(Rows(truth, values, speaker), resamples)
    return IntensityScore(
        task="intensities",
        metrics=means.pop("prediction"),
        by_emotion=by_emotion.pop("prediction"),
        floors=means,
        floors_by_emotion=by_emotion,
        n_utterances=len(joined),
        n_speakers=len(names),
        left_out=left_out,
        notes=_notes(request, joined["speaker"], prediction),
    )


def estimates(rows: Rows, resamples: intervals.Resamples) -> tuple[ByEmotion, dict[str, Estimate]]:
    """Every metric by emotion, and its mean over the emotions for which it exists."""
    once = np.ones((1, rows.n_speakers))
    weights = np.concatenate([once, resamples.speakers])  # the first row is the value itself
    by_emotion, means = {}, {}
    for name, metric in METRICS.items():
        found = metric(rows, weights)
        by_emotion[name] = {
            emotion: _estimate(found[:, i], rows.n_speakers)
            for i, emotion in enumerate(INTENSITIES)
        }
        means[name] = _estimate(mean_of_those_that_exist(found), rows.n_speakers)
    return by_emotion, means


def _estimate(found: np.ndarray, n_speakers: int) -> Estimate:
    return intervals.summarise(float(found[0]), found[1:], n_speakers=n_speakers)


def _constants(truth: np.ndarray) -> dict[str, np.ndarray]:
    """Floors: predictions (n_rows, n_outputs) that need no speech."""
    constants = {
        "always 0": np.zeros(truth.shape[1]),
        "median": fit_median(truth),
        "mean": truth.mean(axis=0),
    }
    return {name: np.broadcast_to(values, truth.shape) for name, values in constants.items()}


def _joined(request: Request) -> tuple[pd.DataFrame, dict[str, int]]:
    """Columns speaker, "truth <emotion>" and "prediction <emotion>"; and what was left out."""
    truth, prediction = request.truth, request.prediction
    truths = _intensities(truth, "truth").assign(speaker=speakers(truth, _unit(truth)))
    guesses = _intensities(prediction, "prediction")
    _check_range(truths.drop(columns="speaker"), truth.where)
    return join(truth, truths, other=prediction, other_columns=guesses, drop=request.drop)


def _unit(truth: Table) -> str:
    return "video" if truth.has("video") and not truth.has("speaker") else "speaker"


def _intensities(table: Table, prefix: str) -> pd.DataFrame:
    """The six columns as numbers; a blank cell is missing, any other that is no number refused."""
    cells = {f"{prefix} {name}": table.column(name) for name in INTENSITIES}
    numbers = {name: pd.to_numeric(column, errors="coerce") for name, column in cells.items()}
    for name, column in numbers.items():
        odd = (column.isna() & cells[name].notna()) | np.isinf(column.astype(float))
        if odd.any():
            raise UndertoneError(
                f"expected finite numbers in the column {name.split()[1]} of {table.where}; found "
                f"{describe_some(map(repr, cells[name][odd]))}, for "
                f"{describe_some(column.index[odd])}: mend those cells, or leave them empty"
            )
    return pd.DataFrame(numbers).astype(float)


def _check_range(truths: pd.DataFrame, where: str) -> None:
    outside = ((truths < 0) | (truths > LARGEST)).any(axis=1)
    if outside.any():
        raise UndertoneError(
            f"expected true intensities from 0 to 3 in {where}; "
            f"{describe_some(truths.index[outside])} lie outside: is it another scale?"
        )


def _notes(request: Request, speaker: pd.Series, prediction: np.ndarray) -> tuple[str, ...]:
    notes = [BY_VIDEO] if _unit(request.truth) == "video" else []
    if outside := int(((prediction < 0) | (prediction > LARGEST)).sum()):
        notes.append(
            f"{outside} predictions lie outside 0 to 3: clipped for the accuracies, as they are "
            "for the rest"
        )
    return (*notes, *notes_on_speakers(speaker))


def _cell(found: Estimate) -> str:
    return "n/a" if np.isnan(found.value) else str(found)


def _plain(found: ByEmotion) -> dict[str, object]:
    return {name: plain(emotions) for name, emotions in found.items()}
