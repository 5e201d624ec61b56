"""Metrics of intensities against the number of labels, for several systems on the same test.

In:  truth (n_rows, n_emotions) and the speaker (or video) of each row; by system and budget the
     predictions (n_draws, n_rows, n_emotions), those of all systems from the same draws.
Out: ``IntensityCurves``: an ``Estimate`` of each metric, by emotion and as their mean, for each
     system and budget, and of each difference.

Two crossed factors are resampled, as in ``intervals``: speakers, and draws of the labels. A metric
is computed in each draw from the rows of the resampled speakers, then averaged over the resampled
draws in which it exists. All systems share the weights, so that differences are paired. A
prediction that is the same for all rows has no rank correlation; here it counts as 0, as its AUC
counts as .5, so that a fit that says nothing is not left out of an average.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass

import numpy as np

from undertone.errors import UndertoneError
from undertone.evaluation import intervals
from undertone.evaluation.classes import mean_of_those_that_exist
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.intensities import METRICS, Rows
from undertone.processes import process_pool

MEAN = "mean"  # of the emotions, in the place of an emotion's name
POSITION = {name: i for i, name in enumerate(METRICS)}
N_REPLICATES = 1_000  # rank statistics of thousands of rows are slow; intervals end at 2.5 %
Key = tuple[str, int]  # system, budget


@dataclass(frozen=True)
class Truth:
    """What all systems are measured on; ``once`` and the replicates in one array of weights."""

    intensities: np.ndarray  # (n_rows, n_emotions)
    speaker: np.ndarray  # (n_rows,) whole numbers from 0
    resamples: intervals.Resamples

    @property
    def weights(self) -> np.ndarray:
        """(1 + n_replicates, n_speakers), the first row for the value itself."""
        speakers = self.resamples.speakers
        return np.concatenate([np.ones((1, speakers.shape[1]), speakers.dtype), speakers])


@dataclass(frozen=True)
class Found:
    """One system at one budget.

    Attributes:
        by_draw: (n_draws, n_metrics, n_emotions + 1), the mean of the emotions last.
        replicates: (n_replicates, n_metrics, n_emotions + 1)
    """

    by_draw: np.ndarray
    replicates: np.ndarray

    @property
    def value(self) -> np.ndarray:
        """(n_metrics, n_emotions + 1)."""
        return mean_of_those_that_exist(np.moveaxis(self.by_draw, 0, -1))


@dataclass(frozen=True)
class IntensityCurves:
    """Every system at every budget, with the replicates that make differences paired."""

    emotions: tuple[str, ...]
    budgets: tuple[int, ...]
    n_utterances: int
    n_speakers: int
    found: Mapping[Key, Found]

    def has(self, system: str, budget: int) -> bool:
        return (system, budget) in self.found

    def budgets_of(self, *systems: str) -> tuple[int, ...]:
        """The budgets at which all of these systems were fitted, ascending."""
        return tuple(b for b in self.budgets if all(self.has(system, b) for system in systems))

    def estimate(
        self, system: str, budget: int, metric: str = "mae", *, emotion: str = MEAN
    ) -> Estimate:
        value, replicates = self._of((system, budget), metric, (emotion,))
        return intervals.summarise(value, replicates, n_speakers=self.n_speakers)

    def difference(
        self,
        system: str,
        reference: str,
        *,
        budget: int,
        metric: str = "mae",
        emotions: Sequence[str] = (MEAN,),
    ) -> Estimate:
        """How much ``system`` lies above ``reference``, averaged over some emotions."""
        return self.contrast(
            [(1, (system, budget), emotions), (-1, (reference, budget), emotions)], metric
        )

    def contrast(
        self, terms: Sequence[tuple[float, Key, Sequence[str]]], metric: str = "mae"
    ) -> Estimate:
        """A sum of (factor, system and budget, emotions averaged over), on the same replicates."""
        parts = [(factor, *self._of(key, metric, emotions)) for factor, key, emotions in terms]
        return intervals.summarise(
            sum(factor * value for factor, value, _ in parts),
            np.sum([factor * replicates for factor, _, replicates in parts], axis=0),
            n_speakers=self.n_speakers,
        )

    def by_draw(self, system: str, budget: int) -> np.ndarray:
        """(n_draws, n_metrics, n_emotions + 1)."""
        return self.found[system, budget].by_draw

    def _of(self, key: Key, metric: str, emotions: Sequence[str]) -> tuple[float, np.ndarray]:
        columns = [(*self.emotions, MEAN).index(emotion) for emotion in emotions]
        found, row = self.found[key], POSITION[metric]
        return (
            float(found.value[row, columns].mean()),
            found.replicates[:, row, columns].mean(axis=1),
        )


def trace(
    predictions: Mapping[Key, np.ndarray],
    *,
    truth: np.ndarray,
    speakers: Sequence[str],
    emotions: Sequence[str],
    n_replicates: int = N_REPLICATES,
    seed: int = 0,
    workers: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> IntensityCurves:
    """Score all systems at all budgets.

    Args:
        predictions: (n_draws, n_rows, n_emotions) by system and budget.
        truth: (n_rows, n_emotions)
        speakers: of each row.
        emotions: names of the columns.
        n_replicates: of the bootstrap.
        seed: of the bootstrap.
        workers: processes; they change no number.
        advance: called for each system and budget.
    """
    _check(predictions, truth)
    names, speaker = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    resamples = intervals.resample(len(names), n_replicates=n_replicates, seed=seed)
    found = {}
    for key, of_key in _score_all(predictions, Truth(truth, speaker, resamples), workers):
        found[key] = of_key
        advance()
    return IntensityCurves(
        emotions=tuple(emotions),
        budgets=tuple(sorted({budget for _, budget in found})),
        n_utterances=len(truth),
        n_speakers=len(names),
        found=found,
    )


def score(predictions: np.ndarray, truth: Truth) -> Found:
    """Every metric of one system at one budget, in each draw and each replicate."""
    distinct = predictions[:1] if (predictions == predictions[0]).all() else predictions
    measured = np.stack(
        [_measure(Rows(truth.intensities, p, truth.speaker), truth) for p in distinct]
    )
    measured = np.broadcast_to(measured, (len(predictions), *measured.shape[1:]))
    share = truth.resamples.draws(len(predictions)).astype(float)  # (n_replicates, n_draws)
    exists = ~np.isnan(measured[:, 1:])
    total = np.einsum("rd,dr...->r...", share, np.where(exists, measured[:, 1:], 0))
    weight = np.einsum("rd,dr...->r...", share, exists.astype(float))
    replicates = np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
    return Found(by_draw=measured[:, 0].copy(), replicates=replicates)


def _measure(rows: Rows, truth: Truth) -> np.ndarray:
    """(1 + n_replicates, n_metrics, n_emotions + 1)."""
    found = {name: metric(rows, truth.weights) for name, metric in METRICS.items()}
    says_nothing = np.isnan(found["spearman"]) & ~np.isnan(found["presence_auc"])
    found["spearman"] = np.where(says_nothing, 0, found["spearman"])
    with_mean = [
        np.column_stack([values, mean_of_those_that_exist(values)]) for values in found.values()
    ]
    return np.stack(with_mean, axis=1)


def _check(predictions: Mapping[Key, np.ndarray], truth: np.ndarray) -> None:
    n_draws: dict[int, int] = {}
    for (system, budget), found in predictions.items():
        if found.shape[1:] != truth.shape or n_draws.setdefault(budget, len(found)) != len(found):
            raise UndertoneError(
                f"expected predictions ({n_draws.get(budget, 'n_draws')}, {len(truth)}, "
                f"{truth.shape[1]}) of every system at budget {budget}; {system} has "
                f"{found.shape}: "
                "a paired comparison needs the same draws and utterances for all"
            )


def _score_all(
    predictions: Mapping[Key, np.ndarray], truth: Truth, workers: int
) -> Iterator[tuple[Key, Found]]:
    if workers == 1:
        for key, found in predictions.items():
            yield key, score(found, truth)
        return
    with process_pool(min(workers, len(predictions)), _begin, truth) as pool:
        keys = {pool.submit(_score, found): key for key, found in predictions.items()}
        for future in as_completed(keys):
            yield keys[future], future.result()


class _Worker:
    truth: Truth


def _begin(truth: Truth) -> None:
    _Worker.truth = truth


def _score(predictions: np.ndarray) -> Found:
    return score(predictions, _Worker.truth)
