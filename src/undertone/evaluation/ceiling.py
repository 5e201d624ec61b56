"""How well one human rater does: against the other raters, or against what was acted.

In:  the ratings of a corpus, the speaker of each utterance, a task.
Out: ``Ceiling``: the task's metrics of a rater in the place of a system, with an interval over
     speakers, and how many ratings stand behind them.

The truth that a rating is held against is what all other raters of the utterance come to without
it: the emotion that most of them heard, or the mean of their amounts. Where two emotions are ahead
together among the others there is no truth, and where nobody else rated there is none either: such
ratings are left out and counted. An utterance counts once, however many rated it: each round takes
one rating of every utterance, and the metrics are means over rounds that take each in turn.

It is no bound. The truth of a corpus is made of all its raters and steadier than that of the
others, and a system can agree better with a mean of many than one person does.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from undertone.corpora import ratings as of_ratings
from undertone.corpora.corpus import Corpus, knows
from undertone.evaluation import intervals
from undertone.evaluation.measured import ByMetric, ByOutput, estimates_of
from undertone.tasks import CHOICE, Task
from undertone.tasks.rows import Rows, share

OTHERS, ACTED = "one rater against the others", "one rater against what was acted"
MOST_ROUNDS = 60  # the least number that 1 to 6 ratings divide
ANOTHER = "another emotion"  # that a rater heard and the task does not tell
NOBODY_ELSE, TIE = "nobody else rated", "the others are of two minds"
OUTSIDE = "the others heard an emotion that is not told apart"
UNKNOWN = "of unknown speakers"


@dataclass(frozen=True)
class Ceiling:
    """What one rater in the place of a system scores.

    Attributes:
        what: ``OTHERS`` or ``ACTED``.
        task: what is rated.
        metrics: each as the mean of the outputs.
        by_output: each by output, where it has values by output and they exist.
        n_ratings: that were held against a truth.
        n_utterances: that they are of.
        n_speakers: behind them.
        left_out: number of ratings by reason.
        comparable: whether systems of the corpus are held against a truth of this kind.
    """

    what: str
    task: Task
    metrics: ByMetric
    by_output: ByOutput
    n_ratings: int
    n_utterances: int
    n_speakers: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    comparable: bool = True

    def __str__(self) -> str:
        headline = self.task.metrics[self.task.headline].label
        left_out = "".join(f"; {n:,} left out: {why}" for why, n in self.left_out.items())
        return (
            f"{self.what}: {headline} {self.metrics[self.task.headline]} ({self.n_ratings:,} "
            f"ratings of {self.n_utterances:,} utterances of {self.n_speakers:,} speakers"
            f"{left_out})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "what": self.what,
            "metrics": {name: estimate.to_dict() for name, estimate in self.metrics.items()},
            "by_output": {
                name: {output: estimate.to_dict() for output, estimate in of_each.items()}
                for name, of_each in self.by_output.items()
            },
            "n_ratings": self.n_ratings,
            "n_utterances": self.n_utterances,
            "n_speakers": self.n_speakers,
            "left_out": dict(self.left_out),
            "comparable": self.comparable,
        }


def ceilings_of(
    corpus: Corpus,
    task: Task | None = None,
    utterances: Iterable[str] | None = None,
    *,
    n_replicates: int | None = None,
    seed: int = 0,
) -> tuple[Ceiling, ...]:
    """What one rater of a corpus scores; nothing where nobody's ratings are told.

    Args:
        corpus: with ratings.
        task: what is rated; by default what the corpus has labels for.
        utterances: that are scored; all by default.
        n_replicates: of the bootstrap; the task's own by default.
        seed: of the bootstrap, and of which rating comes first.
    """
    task, table = task or corpus.task(), corpus.table
    if corpus.ratings is None:
        return ()
    if utterances is not None:
        table = table[table["utterance"].isin(list(utterances))]
    speakers = table.set_index("utterance")["speaker"]
    of = partial(ceiling, corpus.ratings, task, speakers, n_replicates=n_replicates, seed=seed)
    if not (corpus.acted and task.kind == CHOICE):
        return tuple(filter(None, [of()]))
    beside = of()
    against_acted = of(acted=table.set_index("utterance")["emotion"])
    among_others = None if beside is None else replace(beside, comparable=False)
    return tuple(filter(None, [against_acted, among_others]))


def ceiling(
    ratings: pd.DataFrame,
    task: Task,
    speakers: pd.Series,
    *,
    acted: pd.Series | None = None,
    n_replicates: int | None = None,
    seed: int = 0,
) -> Ceiling | None:
    """What one rater scores in the place of a system.

    Args:
        ratings: as a corpus holds them.
        task: what is rated; its outputs are the emotions told apart, or columns of the ratings.
        speakers: of the utterances that count, by utterance; None where unknown.
        acted: what is true of each utterance, in place of what the others heard.
        n_replicates: of the bootstrap; the task's own by default.
        seed: of the bootstrap, and of which rating comes first.

    Returns:
        None where no rating of the task can be held against anything.
    """
    labels = ["emotion"] if task.kind == CHOICE else list(task.outputs)
    if not set(labels) <= set(ratings.columns):
        return None
    rated = ratings["utterance"].isin(speakers.index) & ratings[labels].notna().all(axis=1)
    rows = ratings[rated.to_numpy()].sort_values([*of_ratings.KEYS, *labels], kind="stable")
    speaker = rows["utterance"].astype(object).map(speakers)
    known = np.array([isinstance(who, str) and knows(who) for who in speaker], dtype=bool)
    left_out = Counter({UNKNOWN: int((~known).sum())})
    said = _said(rows[known], task)
    if acted is None:
        truth, reasons = _of_the_others(rows[known], said, task)
    else:
        truth, reasons = _as_acted(rows[known], acted, said.shape[1], task)
    holds = reasons == ""
    left_out.update(reasons[~holds].tolist())
    if not holds.any():
        return None
    names, of_row = np.unique(speaker[known][holds].to_numpy(str), return_inverse=True)
    utterance = pd.factorize(rows["utterance"][known][holds])[0]
    widened = _widened(task, said.shape[1])
    every = Rows(truth[holds], said[holds], of_row)
    resamples = intervals.resample(
        len(names), n_replicates=n_replicates or task.n_replicates, seed=seed
    )
    measured = _over_rounds(widened, every, utterance, resamples=resamples, seed=seed)
    n_own = 1 + len(task.outputs)
    behind = widened.speakers_behind(every)[:n_own]
    metrics, by_output = estimates_of(task, measured[..., :n_own], behind)
    return Ceiling(
        what=OTHERS if acted is None else ACTED,
        task=task,
        metrics=metrics,
        by_output=by_output,
        n_ratings=int(holds.sum()),
        n_utterances=int(utterance.max()) + 1,
        n_speakers=len(names),
        left_out={reason: n for reason, n in left_out.items() if n},
    )


def _said(rows: pd.DataFrame, task: Task) -> np.ndarray:
    """(n_ratings, n_outputs) of each rating; of emotions outside the task in one more column."""
    if task.kind != CHOICE:
        return rows[list(task.outputs)].to_numpy(float)
    positions = pd.Index(task.outputs).get_indexer(pd.Index(rows["emotion"].astype(object)))
    n_columns = len(task.outputs) + bool((positions < 0).any())
    return np.eye(n_columns)[positions]  # -1 is the last column


def _widened(task: Task, n_columns: int) -> Task:
    """The task with an output that is never true, where raters heard emotions outside of it."""
    extra = n_columns - len(task.outputs)
    return replace(task, outputs=(*task.outputs, *[ANOTHER] * extra))


def _of_the_others(
    rows: pd.DataFrame, said: np.ndarray, task: Task
) -> tuple[np.ndarray, np.ndarray]:
    """(n_ratings, n_columns) what the other raters come to, and why they come to nothing."""
    weight = of_ratings.votes(rows)[:, None]
    utterance = pd.factorize(rows["utterance"])[0]
    rater = rows["rater"].cat.codes.to_numpy().astype(np.int64)
    nameless = -2 - np.arange(len(rows))  # each of them somebody else
    own = pd.factorize(pd.MultiIndex.from_arrays([utterance, np.where(rater < 0, nameless, rater)]))
    votes = np.concatenate([weight * said, weight], axis=1)
    others = _summed(votes, utterance) - _summed(votes, own[0])
    sums, n_others = others[:, :-1], others[:, -1]
    reasons = np.where(n_others > of_ratings.TIE, "", NOBODY_ELSE).astype(object)
    if task.kind != CHOICE:
        return sums / np.maximum(n_others, of_ratings.TIE)[:, None], reasons
    most = sums.max(axis=1, keepdims=True, initial=0)
    ahead = sums >= most - of_ratings.TIE
    reasons[(reasons == "") & (ahead.sum(axis=1) > 1)] = TIE
    first = ahead.argmax(axis=1)
    reasons[(reasons == "") & (first >= len(task.outputs))] = OUTSIDE
    return np.eye(said.shape[1])[first], reasons


def _as_acted(
    rows: pd.DataFrame, acted: pd.Series, n_columns: int, task: Task
) -> tuple[np.ndarray, np.ndarray]:
    """(n_ratings, n_columns) what is true of each utterance, and why nothing is."""
    emotions = rows["utterance"].astype(object).map(acted)
    positions = pd.Index(task.outputs).get_indexer(pd.Index(emotions))
    reasons = np.where(positions >= 0, "", "nothing that is told apart was acted").astype(object)
    return np.eye(n_columns)[positions], reasons


def _summed(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(n_rows, n_columns) the sum over the group of each row."""
    sums = np.zeros((group.max(initial=-1) + 1, values.shape[1]))
    np.add.at(sums, group, values)
    return sums[group]


def _over_rounds(
    task: Task, rows: Rows, utterance: np.ndarray, *, resamples: intervals.Resamples, seed: int
) -> np.ndarray:
    """(1 + n_replicates, n_metrics, 1 + n_outputs) means over rounds of a rating an utterance.

    Each mean is over the rounds in which the metric exists.
    """
    order = np.random.default_rng([seed, 5]).permutation(len(utterance))
    order = order[np.argsort(utterance[order], kind="stable")]
    n_of = np.bincount(utterance)
    begins = np.cumsum(n_of) - n_of
    n_rounds = min(math.lcm(*set(n_of.tolist())), MOST_ROUNDS)
    shape = (len(resamples.with_once), len(task.metrics), 1 + len(task.outputs))
    total, n_exist = np.zeros(shape), np.zeros(shape)
    for turn in range(n_rounds):
        taken = order[begins + turn % n_of]
        of_round = Rows(rows.truth[taken], rows.prediction[taken], rows.speaker[taken])
        measured = task.measure(of_round, resamples.with_once)
        total += np.where(np.isnan(measured), 0, measured)
        n_exist += ~np.isnan(measured)
    return share(total, n_exist)
