"""Scores against the number of labels, for several systems on the same speakers and draws.

In:  the predictions of a sweep, one row an utterance of a fit: the columns ``COLUMNS``.
Out: ``Curves``: an ``Estimate`` of each metric for each system and budget, and of each difference.

For one draw, every speaker is predicted by the fit whose fold kept that speaker out, so counts
are laid out (n_draws, n_speakers, n_emotions, n_emotions) and folds need no axis. All systems share
the resampled speakers and draws (``intervals``), so that differences are paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from undertone.errors import UndertoneError
from undertone.evaluation import intervals
from undertone.evaluation.classes import METRICS, codes, recalls_of_counts
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.floors import chance_counts

COLUMNS = ("system", "budget", "draw", "fold", "utterance", "speaker", "truth", "prediction")
Key = tuple[str, int]  # system, budget


@dataclass(frozen=True)
class Curves:
    """Every system at every budget, with the replicates that make differences paired."""

    emotions: tuple[str, ...]
    speakers: tuple[str, ...]
    budgets: tuple[int, ...]
    n_utterances: int
    counts: dict[Key, np.ndarray]  # (n_draws, n_speakers, n_emotions, n_emotions)
    values: dict[Key, dict[str, float]]
    replicates: dict[Key, dict[str, np.ndarray]]  # (n_replicates,) a metric
    resamples: intervals.Resamples

    @property
    def n_speakers(self) -> int:
        return len(self.speakers)

    def has(self, system: str, budget: int) -> bool:
        return (system, budget) in self.counts

    def budgets_of(self, *systems: str) -> tuple[int, ...]:
        """The budgets at which all of these systems were fitted, ascending."""
        return tuple(b for b in self.budgets if all(self.has(system, b) for system in systems))

    def estimate(self, system: str, budget: int, metric: str = "uar") -> Estimate:
        key = (system, budget)
        return intervals.summarise(
            self.values[key][metric], self.replicates[key][metric], n_speakers=self.n_speakers
        )

    def difference(
        self, system: str, reference: str, *, budget: int, metric: str = "uar"
    ) -> Estimate:
        """How much ``system`` lies above ``reference`` on the same speakers and draws."""
        ours, theirs = (system, budget), (reference, budget)
        return intervals.summarise(
            self.values[ours][metric] - self.values[theirs][metric],
            self.replicates[ours][metric] - self.replicates[theirs][metric],
            n_speakers=self.n_speakers,
        )

    def recalls(self, system: str, budget: int) -> dict[str, Estimate]:
        """Recall of each emotion in the truth."""
        found = intervals.estimate_each(
            self.counts[system, budget], recalls_of_counts, self.resamples
        )
        pairs = zip(self.emotions, found, strict=True)
        return {emotion: recall for emotion, recall in pairs if not np.isnan(recall.value)}

    def confusion(self, system: str, budget: int) -> np.ndarray:
        """(n_emotions, n_emotions) counts over all draws and speakers, truth in the rows."""
        return self.counts[system, budget].sum(axis=(0, 1))

    def chance(self, metric: str = "uar") -> float:
        """What guessing uniformly is expected to score on these utterances."""
        truth = next(iter(self.counts.values()))[0].sum(axis=0)
        return float(METRICS[metric](chance_counts(truth)))

    def best(self, systems: Sequence[str], budget: int, metric: str = "uar") -> str:
        """The system with the highest value among those fitted at this budget."""
        there = [system for system in systems if self.has(system, budget)]
        return max(there, key=lambda system: self.values[system, budget][metric])


def trace(
    predictions: pd.DataFrame,
    *,
    emotions: Sequence[str],
    n_replicates: int = intervals.N_REPLICATES,
    seed: int = 0,
) -> Curves:
    """Score a sweep.

    Args:
        predictions: one row for each utterance of each system, budget and draw.
        emotions: names of the emotions, in the order that tables and matrices should have.
        n_replicates: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The curves of all systems.
    """
    check(predictions)
    counts, speakers = _count(predictions, tuple(emotions))
    resamples = intervals.resample(len(speakers), n_replicates=n_replicates, seed=seed)
    return Curves(
        emotions=tuple(emotions),
        speakers=speakers,
        budgets=tuple(sorted({budget for _, budget in counts})),
        n_utterances=predictions["utterance"].nunique(),
        counts=counts,
        values={
            key: {name: float(intervals.value(c, metric)) for name, metric in METRICS.items()}
            for key, c in counts.items()
        },
        replicates={key: intervals.replicates(c, METRICS, resamples) for key, c in counts.items()},
        resamples=resamples,
    )


def check(predictions: pd.DataFrame) -> None:
    """Refuse a table on which systems could not be compared utterance by utterance."""
    if missing := [column for column in COLUMNS if column not in predictions]:
        raise UndertoneError(
            f"expected a predictions table with the columns {', '.join(COLUMNS)}; it lacks "
            f"{', '.join(missing)} and has {', '.join(map(str, predictions.columns))}"
        )
    if predictions.empty:
        raise UndertoneError("expected predictions of at least one fit; the table has no rows")
    empty = predictions[list(COLUMNS)].isna().sum()
    if empty.any():
        where = ", ".join(f"{n} in {column}" for column, n in empty[empty > 0].items())
        raise UndertoneError(f"expected no empty cells in the predictions table; found {where}")
    _check_utterances(predictions)
    _check_draws(predictions)


def _check_utterances(predictions: pd.DataFrame) -> None:
    """Each draw of each system predicts every utterance once, with one truth and one speaker."""
    told = predictions[["utterance", "speaker", "truth"]].drop_duplicates()
    if twice := list(told["utterance"][told["utterance"].duplicated()].unique()[:3]):
        raise UndertoneError(
            f"expected one truth and one speaker for an utterance; {', '.join(map(str, twice))} "
            "has several in the predictions table: were two corpora mixed under the same names?"
        )
    fits = predictions.groupby(["system", "budget", "draw"], sort=True, observed=True)["utterance"]
    sizes = fits.agg(["size", "nunique"])
    wrong = sizes[(sizes["size"] != len(told)) | (sizes["nunique"] != len(told))]
    if len(wrong):
        system, budget, draw = wrong.index[0]
        raise UndertoneError(
            f"expected each of {len(told)} utterances once for every system, budget and draw; "
            f"system {system} at budget {budget}, draw {draw} has {wrong['size'].iloc[0]} rows of "
            f"{wrong['nunique'].iloc[0]} utterances: fit the folds that lack, or leave the "
            "system, budget or utterances out for all"
        )


def _check_draws(predictions: pd.DataFrame) -> None:
    """At one budget all systems were given the same draws."""
    fits = predictions[["budget", "system", "draw"]].drop_duplicates().astype({"system": str})
    for budget, at_budget in fits.groupby("budget"):
        draws = {
            str(system): sorted(at_system["draw"])
            for system, at_system in at_budget.groupby("system")
        }
        if len({tuple(of_system) for of_system in draws.values()}) > 1:
            found = "; ".join(f"{system}: {', '.join(map(str, d))}" for system, d in draws.items())
            raise UndertoneError(
                f"expected the same draws for every system at budget {budget}; found {found}: "
                "a paired comparison needs the draws that all systems have in common"
            )


def _count(
    predictions: pd.DataFrame, emotions: tuple[str, ...]
) -> tuple[dict[Key, np.ndarray], tuple[str, ...]]:
    """The counts of each system and budget, and the speakers in the order of their axis."""
    speaker, speakers = pd.factorize(predictions["speaker"].astype(str), sort=True)
    truth = codes(predictions["truth"], emotions=emotions, what="the truth")
    guess = codes(predictions["prediction"], emotions=emotions, what="the prediction")
    n_speakers, n = len(speakers), len(emotions)
    cell = (speaker * n + truth) * n + guess
    counts = {}
    fits = predictions.groupby(["system", "budget"], observed=True).indices
    for key, rows in fits.items():
        system, budget = cast("tuple[str, int]", key)
        draw, draws = pd.factorize(predictions["draw"].to_numpy()[rows], sort=True)
        flat = np.bincount(
            draw * (n_speakers * n * n) + cell[rows], minlength=len(draws) * n_speakers * n * n
        )
        counts[str(system), int(budget)] = flat.reshape(len(draws), n_speakers, n, n)
    return counts, tuple(speakers)
