"""What is lost on another corpus, and how many of its labels win it back.

In:  truth of a tested corpus; predictions (n_draws, n_rows, n_outputs) of one system by arm and
     number of labels, those of all arms on the same utterances and draws.
Out: ``Shift``: what is lost against training inside the tested corpus, paired, as a whole, by
     output, sex and speaker; and the number of its labels that wins it back, with its interval.

Arms. ``INSIDE`` learns from labels of the tested corpus's other speakers. ``ACROSS`` learns from
as many labels of other corpora and hears nothing of the tested one. ``MIXED`` learns from ``at``
labels of the other corpora beside some of the tested one's other speakers, whom it hears.

The number of labels is read off a curve made to rise, as in ``worth``: of ``MIXED`` the first m at
which it reaches ``INSIDE`` with ``at`` labels, straight over the logarithm of at + m. The same is
done in every replicate of the bootstrap, which gives the interval.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from undertone.evaluation.curves import Curves, Key, trace
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.intervals import interval
from undertone.evaluation.worth import budget_reaching
from undertone.tasks import MEAN, Task

INSIDE, ACROSS, MIXED = "inside", "across", "mixed"
FEW_REPLICATES = 2  # of one speaker, who gives no interval


@dataclass(frozen=True)
class Asked:
    """What is predicted in a shift.

    Attributes:
        task: what is predicted.
        truth: (n_rows, n_outputs) of the tested corpus's utterances.
        speakers: (n_rows,)
        sexes: (n_rows,) None where it is not known.
        n_replicates: of the bootstrap.
    """

    task: Task
    truth: np.ndarray
    speakers: tuple[str, ...]
    sexes: tuple[str | None, ...]
    n_replicates: int


@dataclass(frozen=True)
class Names:
    """Who is who.

    Attributes:
        taught: the corpora that are learned from.
        tested: the corpus that is tested.
        system: what people read for the system.
    """

    taught: str
    tested: str
    system: str


@dataclass(frozen=True)
class Needed:
    """A number of labels that is needed to reach a score.

    Attributes:
        labels: +inf where no number that was tried is enough.
        low: end of the interval.
        high: end of the interval; +inf likewise.
        most: the largest number that was tried.
    """

    labels: float
    low: float
    high: float
    most: int

    def phrase(self) -> str:
        """For a sentence.

        >>> Needed(34.6, 12.2, math.inf, 200).phrase(), Needed(math.inf, 90, math.inf, 200).phrase()
        ('35 labels [12, more than 200]', 'not within 200 labels [90, more than 200]')
        """
        ends = f" [{self._number(self.low)}, {self._number(self.high)}]"
        bracket = ends if math.isfinite(self.low) else ""
        if not math.isfinite(self.labels):
            return f"not within {self.most} labels{bracket}"
        return f"{round(self.labels)} label{'' if round(self.labels) == 1 else 's'}{bracket}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; what no number tried reaches is null."""
        ends = {"labels": self.labels, "low": self.low, "high": self.high}
        return {n: x if math.isfinite(x) else None for n, x in ends.items()} | {"most": self.most}

    def _number(self, n: float) -> str:
        return str(round(n)) if math.isfinite(n) else f"more than {self.most}"


@dataclass(frozen=True)
class OfSpeaker:
    """One tested speaker, by the headline; one speaker gives no interval."""

    speaker: str
    sex: str | None
    n_utterances: int
    inside: float
    across: float
    lost: float


@dataclass(frozen=True)
class Shift:
    """What a tested corpus costs one system.

    Attributes:
        names: who is who.
        at: the number of labels at which it is looked at closely.
        curves: of all arms.
        by_sex: curves of ``INSIDE`` and ``ACROSS`` at ``at``, of the speakers of each sex.
        of_speakers: those who lose most first.
    """

    names: Names
    at: int
    curves: Curves
    by_sex: Mapping[str, Curves]
    of_speakers: tuple[OfSpeaker, ...]

    @property
    def back(self) -> tuple[int, ...]:
        """The numbers of the tested corpus's labels that were added; 0 is its speech alone."""
        return self.curves.budgets_of(MIXED)

    def lost(self, budget: int, output: str = MEAN) -> Estimate:
        """How much better training inside is with as many labels; above 0 something is lost."""
        return self.curves.gain(INSIDE, ACROSS, budget=budget, outputs=(output,))

    def short(self, m: int) -> Estimate:
        """How much ``MIXED`` with m labels lacks of ``INSIDE`` with ``at``; below 0 it is ahead."""
        return self._better((INSIDE, self.at), (MIXED, m))

    def beside(self, m: int) -> Estimate:
        """What the other corpora's labels add to m of the tested one's; above 0 they help."""
        return self._better((MIXED, m), (INSIDE, m))

    @property
    def hearing(self) -> Estimate:
        """What hearing the tested corpus's other speakers is worth, without a label of theirs."""
        return self._better((MIXED, 0), (ACROSS, self.at))

    @property
    def won_back(self) -> Needed:
        """How many labels of the tested corpus bring ``MIXED`` to ``INSIDE`` with ``at``."""
        return self._needed((INSIDE, self.at), MIXED, offset=self.at)

    @property
    def alone(self) -> Needed:
        """How many labels of the tested corpus are worth as much as ``at`` of the others."""
        return self._needed((ACROSS, self.at), INSIDE, offset=0)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        curves, outputs = self.curves, (MEAN, *self.curves.task.outputs)
        return {
            "learned_from": self.names.taught,
            "tested": self.names.tested,
            "system": self.names.system,
            "metric": curves.task.headline,
            "labels": self.at,
            "by_labels": {b: self._both(curves, b) for b in curves.budgets_of(INSIDE, ACROSS)},
            "by_output": {o: self._both(curves, self.at, o) for o in outputs},
            "by_sex": {sex: self._both(of, self.at) for sex, of in self.by_sex.items()},
            "by_speaker": [vars(one) for one in self.of_speakers],
            "hearing_without_labels": self.hearing.to_dict(),
            "beside": {
                m: {
                    "mixed": curves.estimate(MIXED, m).to_dict(),
                    "short": self.short(m).to_dict(),
                    "alone": curves.estimate(INSIDE, m).to_dict() if self._has(m) else None,
                    "gain_over_alone": self.beside(m).to_dict() if self._has(m) else None,
                }
                for m in self.back
            },
            "won_back": self.won_back.to_dict(),
            "alone": self.alone.to_dict(),
        }

    def _has(self, m: int) -> bool:
        return self.curves.has(INSIDE, m)

    def _both(self, curves: Curves, budget: int, output: str = MEAN) -> dict[str, Any]:
        lost = curves.gain(INSIDE, ACROSS, budget=budget, outputs=(output,))
        return {
            INSIDE: curves.estimate(INSIDE, budget, output=output).to_dict(),
            ACROSS: curves.estimate(ACROSS, budget, output=output).to_dict(),
            "lost": lost.to_dict(),
        }

    def _better(self, one: Key, other: Key) -> Estimate:
        """How much better one arm is than another, with other numbers of labels perhaps."""
        sign = -1 if self.curves.task.metrics[self.curves.task.headline].lower_is_better else 1
        return self.curves.contrast([(sign, one, (MEAN,)), (-sign, other, (MEAN,))])

    def _needed(self, target: Key, arm: str, *, offset: int) -> Needed:
        """The first number of labels at which an arm reaches the score of another."""
        curves, numbers = self.curves, self.curves.budgets_of(arm)
        heights = [curves.height(arm, n) for n in numbers]
        totals, (goal, goals) = np.array(numbers) + offset, curves.height(*target)
        reached = budget_reaching(goal, heights=np.array([h for h, _ in heights]), budgets=totals)
        resampled = budget_reaching(
            goals, heights=np.stack([h for _, h in heights], axis=-1), budgets=totals
        )
        low, high = interval(resampled - offset, n_speakers=curves.n_speakers)
        return Needed(float(reached) - offset, low, high, numbers[-1])


def measure(predictions: Mapping[Key, np.ndarray], asked: Asked, names: Names, *, at: int) -> Shift:
    """What is lost, and what wins it back.

    Args:
        predictions: (n_draws, n_rows, n_outputs) by arm and number of labels.
        asked: what they are of.
        names: who is who.
        at: a number of labels that ``INSIDE`` and ``ACROSS`` both had.
    """
    closely = {key: predictions[key] for key in ((INSIDE, at), (ACROSS, at))}
    sexes = np.array(asked.sexes, dtype=object)
    return Shift(
        names,
        at,
        _trace(predictions, asked, np.ones(len(sexes), dtype=bool)),
        {
            str(sex): _trace(closely, asked, sexes == sex)
            for sex in sorted({sex for sex in sexes if sex is not None})
        },
        tuple(sorted(_of_speakers(closely, asked, at), key=lambda one: -one.lost)),
    )


def _of_speakers(closely: Mapping[Key, np.ndarray], asked: Asked, at: int) -> Sequence[OfSpeaker]:
    speakers, found = np.array(asked.speakers), []
    lower = asked.task.metrics[asked.task.headline].lower_is_better
    for who in np.unique(speakers):
        rows = speakers == who
        curves = _trace(closely, asked, rows, n_replicates=FEW_REPLICATES)
        inside, across = (curves.estimate(arm, at).value for arm in (INSIDE, ACROSS))
        lost = across - inside if lower else inside - across
        sex = asked.sexes[int(rows.argmax())]
        found.append(OfSpeaker(str(who), sex, int(rows.sum()), inside, across, lost))
    return found


def _trace(
    predictions: Mapping[Key, np.ndarray],
    asked: Asked,
    rows: np.ndarray,
    *,
    n_replicates: int | None = None,
) -> Curves:
    return trace(
        {key: values[:, rows] for key, values in predictions.items()},
        task=asked.task,
        truth=asked.truth[rows],
        speakers=np.array(asked.speakers)[rows].tolist(),
        n_replicates=n_replicates or asked.n_replicates,
    )
