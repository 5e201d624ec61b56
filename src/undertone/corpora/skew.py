"""A lopsided pool, for studies: unlabelled speech in which one emotion has a share that was asked.

In:  ``neutral=.8``; a fold's pool, of a corpus whose labels a study knows.
Out: the pool without as many utterances as it takes; speech is dropped and never repeated.

Real unlabelled speech is mostly neutral, and a corpus with its labels hidden is not: what
unlabelled speech is worth there, and when it harms, cannot be seen on a corpus as it is.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from undertone.corpora.pool import SKEWED, Pool, PoolPart
from undertone.errors import UndertoneError
from undertone.tasks import CHOICE, Task
from undertone.tasks.names import canonical_emotion

LEAST = 2  # utterances on either side


@dataclass(frozen=True)
class Skew:
    """An emotion, and its share of the pool."""

    emotion: str
    share: float

    def __str__(self) -> str:
        return f"{self.share:.0%} {self.emotion}"

    def check(self, task: Task) -> None:
        """Refuse a task that has no such emotion.

        Raises:
            UndertoneError: names those that there are.
        """
        if task.kind != CHOICE:
            raise UndertoneError(
                f"--skew {self.emotion}={self.share:g} is of emotions, and the task {task.name} "
                "predicts amounts: leave it out, or add --task classes"
            )
        if self.emotion not in task.outputs:
            raise UndertoneError(
                f"--skew names the emotion {self.emotion}; the corpus has "
                f"{', '.join(task.outputs)}: --skew {task.outputs[0]}={self.share:g}"
            )


def parse_skew(text: str) -> Skew:
    """``EMOTION=SHARE``, the share between 0 and 1.

    >>> parse_skew("neutral=.8")
    Skew(emotion='neutral', share=0.8)
    """
    emotion, _, share = text.partition("=")
    try:
        number = float(share)
    except ValueError:
        number = float("nan")
    if not emotion.strip() or not 0 < number < 1:
        raise UndertoneError(
            f"--skew takes an emotion and a share between 0 and 1, as neutral=.8; found {text!r}"
        )
    return Skew(canonical_emotion(emotion), number)


def skewed(of_fold: Pool, skew: Skew, *, seed: int, fold: int) -> Pool:
    """The pool whose part of the labelled corpus is lopsided.

    Args:
        of_fold: as it is.
        skew: what is asked for.
        seed: of the run.
        fold: number.

    Raises:
        UndertoneError: the fold's training speakers have not enough speech for it.
    """
    first, *others = of_fold.parts
    rows = first.corpus.table
    rows = rows[rows["utterance"].isin(first.utterances)].sort_values("utterance")
    kept = _kept(rows, skew, np.random.default_rng([seed, fold, 6]), fold=fold)
    gone = dict.fromkeys((n for n in first.utterances if n not in kept), SKEWED)
    part = PoolPart(
        first.corpus, [n for n in first.utterances if n in kept], {**first.left_out, **gone}
    )
    return replace(of_fold, parts=(part, *others))


def _kept(rows: pd.DataFrame, skew: Skew, rng: np.random.Generator, *, fold: int) -> set[str]:
    """All of the emotion and some of the others, or the other way round, whichever is more."""
    is_it = (rows["emotion"] == skew.emotion).to_numpy()
    names = rows["utterance"].to_numpy()
    ours, others = rng.permutation(names[is_it]), rng.permutation(names[~is_it])
    odds = skew.share / (1 - skew.share)
    n_others = min(len(others), round(len(ours) / odds))
    n_ours = min(len(ours), round(n_others * odds))
    if min(n_ours, n_others) < LEAST:
        raise UndertoneError(
            f"{skew} cannot be made of the {len(ours)} utterances of {skew.emotion} and "
            f"{len(others)} others that the training speakers of fold {fold} have: ask for a share "
            "nearer to what there is, or for fewer folds with --folds"
        )
    return {*map(str, ours[:n_ours]), *map(str, others[:n_others])}
