"""Is the score the same for everybody: each speaker, and groups of speakers against the others.

In:  predictions of one system at one budget (n_draws, n_rows, n_outputs), ``Truth``, the group of
     each speaker, where it is known.
Out: a score a speaker; ``Group``s: a score, and the paired difference to all other speakers.

Groups are measured in the replicates of the whole: a speaker that is drawn twice counts twice in
the group, and the draws of the labels are shared. Fewer speakers stand behind a group than behind
the whole, and intervals are widened for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from undertone.evaluation import intervals
from undertone.evaluation.curves import Truth
from undertone.evaluation.estimate import Estimate
from undertone.tasks.rows import Rows, mean_of_those_that_exist

FEWEST = 2  # speakers of a group and of the others, that there is an interval
WIDER = 1.43  # (1.96 + 0.84) / 1.96: what is seen in four of five repetitions, in half-widths


@dataclass(frozen=True)
class Group:
    """Speakers who have something in common.

    Attributes:
        name: as "female".
        n_speakers: of the group.
        n_utterances: of the group.
        score: in the task's headline metric.
        gain: how much better than for all other speakers.
    """

    name: str
    n_speakers: int
    n_utterances: int
    score: Estimate
    gain: Estimate

    @property
    def visible(self) -> float:
        """A difference that would have been seen in four of five repetitions of the test."""
        return WIDER * (self.gain.high - self.gain.low) / 2


@dataclass(frozen=True)
class People:
    """How a system does on whom.

    Attributes:
        system: name.
        budget: number of labels.
        speakers: (score, number of utterances) by speaker, the mean over draws.
        groups: by what they share: "sex", "language".
    """

    system: str
    budget: int
    speakers: Mapping[str, tuple[float, int]]
    groups: Mapping[str, tuple[Group, ...]]


def by_speaker(predictions: np.ndarray, truth: Truth) -> np.ndarray:
    """(n_speakers,) the headline metric of each, mean over the draws in which it exists."""
    n = int(truth.speaker.max()) + 1
    return mean_of_those_that_exist(_measured(predictions, truth, np.eye(n)).T)


def by_group(
    predictions: np.ndarray, truth: Truth, groups: Sequence[str | None]
) -> tuple[Group, ...]:
    """Every group that has, as its others have, enough speakers; empty where there is none.

    Args:
        predictions: (n_draws, n_rows, n_outputs)
        truth: of the same rows.
        groups: (n_speakers,) of each speaker; None where it is unknown.
    """
    of, found = np.array([name or "" for name in groups], dtype=object), list[Group]()
    for name in sorted(set(of) - {""}):
        ours, others = of == name, (of != name) & (of != "")
        if min(ours.sum(), others.sum()) < FEWEST:
            continue
        (value, replicates), (theirs, of_theirs) = (
            _replicated(predictions, truth, who) for who in (ours, others)
        )
        turn = -1 if truth.task.metrics[truth.task.headline].lower_is_better else 1
        few = int(min(ours.sum(), others.sum()))
        found.append(
            Group(
                name,
                int(ours.sum()),
                int(ours[truth.speaker].sum()),
                intervals.summarise(value, replicates, n_speakers=int(ours.sum())),
                intervals.summarise(
                    turn * (value - theirs), turn * (replicates - of_theirs), n_speakers=few
                ),
            )
        )
    return tuple(found)


def _replicated(predictions: np.ndarray, truth: Truth, who: np.ndarray) -> tuple[float, np.ndarray]:
    """The headline metric of some speakers, and its replicates, over draws as curves have them."""
    measured = _measured(predictions, truth, truth.resamples.with_once * who)
    times = truth.resamples.draws(len(measured)).T.astype(float)
    exists = ~np.isnan(measured[:, 1:])
    total = (times * np.where(exists, measured[:, 1:], 0)).sum(axis=0)
    weight = (times * exists).sum(axis=0)
    replicates = np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
    return float(mean_of_those_that_exist(measured[:, :1].T)[0]), replicates


def _measured(predictions: np.ndarray, truth: Truth, weights: np.ndarray) -> np.ndarray:
    """(n_draws, n_weights) the headline metric."""
    task = truth.task
    row = list(task.metrics).index(task.headline)
    decided = task.decide(predictions)
    with np.errstate(divide="ignore", invalid="ignore"):  # a replicate may hold none of a group
        return np.stack(
            [
                task.measure(Rows(truth.labels, values, truth.speaker), weights)[:, row, 0]
                for values in decided
            ]
        )
