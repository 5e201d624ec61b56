"""Every metric against the number of labels, for several systems on the same speakers and draws.

In:  truth (n_rows, n_outputs) and the speaker of each row; by system and budget the predictions
     (n_draws, n_rows, n_outputs), those of all systems from the same draws.
Out: ``Curves``: an ``Estimate`` of each metric, of each output and as their mean, for each system
     and budget, and of each difference.

For one draw every row is predicted by the fit whose fold kept its speaker out, so folds need no
axis. Two crossed factors are resampled, as in ``intervals``: speakers, and draws of the labels. A
metric is computed in each draw from the rows of the resampled speakers, then averaged over the
resampled draws in which it exists. All systems share the weights, so that differences are paired.

A system may have fewer draws than others: the first of theirs. What it scores is the mean of its
own, and a difference is taken over the draws that both have.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from undertone.errors import UndertoneError
from undertone.evaluation import intervals
from undertone.evaluation.estimate import Estimate
from undertone.processes import process_pool
from undertone.tasks import CHOICE, MEAN, Task
from undertone.tasks.rows import Rows, mean_of_those_that_exist

ROWS_FOR_PROCESSES = 2_000  # with fewer, a process takes longer to start than to score
Key = tuple[str, int]  # system, budget


@dataclass(frozen=True)
class Truth:
    """What all systems are measured on.

    Attributes:
        task: whose metrics are computed.
        labels: (n_rows, n_outputs)
        speaker: (n_rows,) whole numbers from 0.
        resamples: of the speakers.
        draws: numbers of draws that systems have; with more of them, scores of fewer are kept too.
    """

    task: Task
    labels: np.ndarray
    speaker: np.ndarray
    resamples: intervals.Resamples
    draws: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scored:
    """One system at one budget.

    Attributes:
        by_draw: (n_draws, n_metrics, 1 + n_outputs), the mean first.
        replicates: (n_replicates, n_metrics, 1 + n_outputs)
        confusion: (n_outputs, n_outputs) over all draws, truth in the rows; None of amounts.
        fewer: the same over the first draws alone, by their number: where others have no more.
    """

    by_draw: np.ndarray
    replicates: np.ndarray
    confusion: np.ndarray | None = None
    fewer: "Mapping[int, Scored]" = field(default_factory=dict)

    @property
    def n_draws(self) -> int:
        return len(self.by_draw)

    def over(self, n_draws: int) -> "Scored":
        """Over the first ``n_draws`` alone."""
        return self if n_draws == self.n_draws else self.fewer[n_draws]

    @cached_property
    def value(self) -> np.ndarray:
        """(n_metrics, 1 + n_outputs)."""
        return mean_of_those_that_exist(np.moveaxis(self.by_draw, 0, -1))


@dataclass(frozen=True)
class Curves:
    """Every system at every budget, with the replicates that make differences paired.

    Attributes:
        task: what is predicted.
        speakers: names, in the order of their numbers.
        budgets: ascending.
        n_utterances: that each draw predicts.
        scored: by system and budget.
        behind: (1 + n_outputs,) how many speakers stand behind the mean and behind each output.
        by_chance: (n_metrics,) what guessing without labels is expected to score; None of amounts.
    """

    task: Task
    speakers: tuple[str, ...]
    budgets: tuple[int, ...]
    n_utterances: int
    scored: Mapping[Key, Scored]
    behind: np.ndarray
    by_chance: np.ndarray | None = None

    @property
    def n_speakers(self) -> int:
        return len(self.speakers)

    def has(self, system: str, budget: int) -> bool:
        return (system, budget) in self.scored

    def budgets_of(self, *systems: str) -> tuple[int, ...]:
        """The budgets at which all of these systems were fitted, ascending."""
        return tuple(b for b in self.budgets if all(self.has(system, b) for system in systems))

    def shared_draws(self, *systems: str) -> int:
        """How many draws all of these systems were fitted to."""
        return min(scored.n_draws for (name, _), scored in self.scored.items() if name in systems)

    def estimate(
        self, system: str, budget: int, metric: str | None = None, *, output: str = MEAN
    ) -> Estimate:
        """A metric, by default the task's headline, of one output or as the mean of all."""
        value, replicates = self._of((system, budget), metric, (output,))
        n_speakers = int(self.behind[self.task.position(output)])
        return intervals.summarise(value, replicates, n_speakers=n_speakers)

    def difference(
        self,
        system: str,
        reference: str,
        *,
        budget: int,
        metric: str | None = None,
        outputs: Sequence[str] = (MEAN,),
    ) -> Estimate:
        """How much ``system`` lies above ``reference``, averaged over some outputs."""
        terms = [(1, (system, budget), outputs), (-1, (reference, budget), outputs)]
        return self.contrast(terms, metric)

    def gain(
        self,
        system: str,
        reference: str,
        *,
        budget: int,
        metric: str | None = None,
        outputs: Sequence[str] = (MEAN,),
    ) -> Estimate:
        """How much better ``system`` is over some outputs; above 0 is better in any metric."""
        lower = self.task.metrics[metric or self.task.headline].lower_is_better
        one, other = (reference, system) if lower else (system, reference)
        return self.difference(one, other, budget=budget, metric=metric, outputs=outputs)

    def mean_gain(
        self,
        system: str,
        reference: str,
        metric: str | None = None,
        *,
        outputs: Sequence[str] = (MEAN,),
    ) -> Estimate:
        """How much better ``system`` is over some outputs, as the mean of all budgets of both."""
        lower = self.task.metrics[metric or self.task.headline].lower_is_better
        one, other = (reference, system) if lower else (system, reference)
        budgets = self.budgets_of(system, reference)
        terms = [
            (sign / len(budgets), (name, budget), outputs)
            for budget in budgets
            for sign, name in ((1, one), (-1, other))
        ]
        return self.contrast(terms, metric)

    def contrast(
        self, terms: Sequence[tuple[float, Key, Sequence[str]]], metric: str | None = None
    ) -> Estimate:
        """A sum of (factor, system and budget, outputs averaged over), on the same replicates."""
        n_draws = min(self.scored[key].n_draws for _, key, _ in terms)
        parts = [
            (factor, *self._of(key, metric, outputs, n_draws)) for factor, key, outputs in terms
        ]
        positions = [self.task.position(output) for _, _, outputs in terms for output in outputs]
        return intervals.summarise(
            sum(factor * value for factor, value, _ in parts),
            np.sum([factor * replicates for factor, _, replicates in parts], axis=0),
            n_speakers=int(self.behind[positions].min()),
        )

    def height(
        self,
        system: str,
        budget: int,
        metric: str | None = None,
        *,
        output: str = MEAN,
        beside: Sequence[str] = (),
    ) -> tuple[float, np.ndarray]:
        """A metric and its replicates (n_replicates,), turned so that more is better.

        Beside other systems only the draws count that all of them have.
        """
        n_draws = self.shared_draws(system, *beside)
        value, replicates = self._of((system, budget), metric, (output,), n_draws)
        sign = -1 if self.task.metrics[metric or self.task.headline].lower_is_better else 1
        return sign * value, sign * replicates

    def best(self, systems: Sequence[str], budget: int, metric: str | None = None) -> str:
        """The best of those fitted at this budget."""
        candidates = [system for system in systems if self.has(system, budget)]
        name = metric or self.task.headline
        better = min if self.task.metrics[name].lower_is_better else max
        return better(candidates, key=lambda system: self._of((system, budget), name, (MEAN,))[0])

    def chance(self, metric: str | None = None) -> float | None:
        """What guessing without labels is expected to score; None where nothing can be guessed."""
        return None if self.by_chance is None else float(self.by_chance[self._row(metric)])

    def _row(self, metric: str | None) -> int:
        return list(self.task.metrics).index(metric or self.task.headline)

    def _of(
        self, key: Key, metric: str | None, outputs: Sequence[str], n_draws: int | None = None
    ) -> tuple[float, np.ndarray]:
        columns = [self.task.position(output) for output in outputs]
        scored, row = self.scored[key], self._row(metric)
        scored = scored if n_draws is None else scored.over(n_draws)
        return (
            float(scored.value[row, columns].mean()),
            scored.replicates[:, row, columns].mean(axis=1),
        )


def trace(
    predictions: Mapping[Key, np.ndarray],
    *,
    task: Task,
    truth: np.ndarray,
    speakers: Sequence[str],
    n_replicates: int | None = None,
    seed: int = 0,
    workers: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> Curves:
    """Score all systems at all budgets.

    Args:
        predictions: (n_draws, n_rows, n_outputs) by system and budget; of classes probabilities. A
            system with fewer draws has the first of the others'.
        task: what is predicted.
        truth: (n_rows, n_outputs)
        speakers: of each row.
        n_replicates: of the bootstrap; the task's own by default.
        seed: of the bootstrap.
        workers: processes; they change no number.
        advance: called for each system and budget.
    """
    _check(predictions, truth)
    names, speaker = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    resamples = intervals.resample(
        len(names), n_replicates=n_replicates or task.n_replicates, seed=seed
    )
    counts = tuple(sorted({len(values) for values in predictions.values()}))
    measured = Truth(task, truth, speaker, resamples, counts)
    scored = {}
    for key, of_key in _score_all(predictions, measured, workers):
        scored[key] = of_key
        advance()
    by_chance, guesses = None, task.chance(truth)
    if guesses is not None:
        rows = Rows(truth, guesses, speaker)
        by_chance = task.measure(rows, np.ones((1, len(names))))[0, :, 0]
    return Curves(
        task=task,
        speakers=tuple(map(str, names)),
        budgets=tuple(sorted({budget for _, budget in scored})),
        n_utterances=len(truth),
        scored={key: scored[key] for key in predictions},
        behind=task.speakers_behind(Rows(truth, truth, speaker)),
        by_chance=by_chance,
    )


def score(predictions: np.ndarray, truth: Truth) -> Scored:
    """Every metric of one system at one budget, in each draw and each replicate.

    Args:
        predictions: (n_draws, n_rows, n_outputs)
        truth: of the same rows.
    """
    task, weights = truth.task, truth.resamples.with_once
    decided = task.decide(predictions)
    distinct = decided[:1] if (decided == decided[0]).all() else decided
    measured = np.stack(
        [task.measure(Rows(truth.labels, d, truth.speaker), weights) for d in distinct]
    )
    measured = np.broadcast_to(measured, (len(decided), *measured.shape[1:]))
    confusion = np.einsum("rt,drp->tp", truth.labels, decided) if task.kind == CHOICE else None
    whole, *others = (
        Scored(
            by_draw=measured[:n, 0].copy(),
            replicates=_over_draws(measured[:n, 1:], truth.resamples.draws(n)),
            confusion=confusion,
        )
        for n in (len(decided), *(n for n in truth.draws if n < len(decided)))
    )
    return replace(whole, fewer={one.n_draws: one for one in others})


def _over_draws(measured: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Means over the draws in which a metric exists.

    Args:
        measured: (n_draws, n_replicates, n_metrics, 1 + n_outputs)
        times: (n_replicates, n_draws) how often each draw occurs.

    Returns:
        (n_replicates, n_metrics, 1 + n_outputs)
    """
    exists = ~np.isnan(measured)
    share = times.astype(float)
    total = np.einsum("rd,dr...->r...", share, np.where(exists, measured, 0))
    weight = np.einsum("rd,dr...->r...", share, exists.astype(float))
    return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)


def _check(predictions: Mapping[Key, np.ndarray], truth: np.ndarray) -> None:
    for (system, budget), values in predictions.items():
        if values.ndim != 3 or not len(values) or values.shape[1:] != truth.shape:
            raise UndertoneError(
                f"expected predictions (n_draws, {truth.shape[0]}, {truth.shape[1]}) of every "
                f"system at budget {budget}; {system} has {values.shape}: a paired comparison "
                "needs the same utterances for all"
            )


def _score_all(
    predictions: Mapping[Key, np.ndarray], truth: Truth, workers: int
) -> Iterator[tuple[Key, Scored]]:
    workers = min(workers, len(predictions)) if len(truth.labels) >= ROWS_FOR_PROCESSES else 1
    if workers == 1:
        for key, values in predictions.items():
            yield key, score(values, truth)
        return
    with process_pool(workers, _begin, truth) as executor:
        keys = {executor.submit(_score, values): key for key, values in predictions.items()}
        for future in as_completed(keys):
            yield keys[future], future.result()


_truth: Truth


def _begin(truth: Truth) -> None:
    global _truth
    _truth = truth


def _score(predictions: np.ndarray) -> Scored:
    return score(predictions, _truth)
