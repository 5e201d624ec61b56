"""Which labels a system is given: a budget of them, the same for every system.

In:  a labelled corpus, a fold, a label budget, the number of the draw, a seed.
Out: ``LabelDraw``: the utterances whose labels a system sees, its validation among them.

All depends on the names of utterances and emotions and on the seed, never on the order of rows.
Only utterances of the fold's training speakers are drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import Fold, usable_rows
from undertone.corpora.tasks import Task
from undertone.errors import UndertoneError

VALIDATION_SHARE = 0.2  # of the label budget
N_SPEAKER_CHOICES = 200  # tried in search of validation speakers


@dataclass(frozen=True)
class LabelDraw:
    """The utterances whose labels a system sees."""

    train: list[str]
    validation: list[str]  # inside the budget; may be empty where the budget is tiny

    @property
    def utterances(self) -> list[str]:
        return [*self.train, *self.validation]


def largest_budget(corpus: Corpus, fold: Fold, task: Task | None = None) -> int:
    """How many labelled utterances the fold's training speakers hold."""
    return len(_drawable(corpus, fold, task))


def draw_labels(
    corpus: Corpus,
    fold: Fold,
    *,
    budget: int,
    draw: int,
    seed: int = 0,
    task: Task | None = None,
    validation_share: float = VALIDATION_SHARE,
) -> LabelDraw:
    """The labels a system is given: so many, of the training speakers, balanced over emotions.

    The draws of one fold and number are nested: what a small budget holds, a larger one holds too.
    An emotion whose utterances are used up leaves its share to the others. Validation is a share of
    the budget, from speakers of its own where that leaves both sides enough of every emotion, and
    otherwise by emotion; every emotion keeps a label in training.

    Args:
        corpus: labelled.
        fold: one of ``speaker_folds``.
        budget: how many labels, validation included.
        draw: number of the draw; each number is another sample.
        seed: of the whole sweep.
        task: its outputs are the emotions to draw; all of the corpus if None.
        validation_share: of the budget; 0 for no validation.
    """
    rows = _drawable(corpus, fold, task)
    emotions = task.outputs if task is not None else corpus.emotions
    if budget < len(emotions):
        raise UndertoneError(
            f"a budget of {budget} labels is less than one for each of {len(emotions)} emotions "
            f"({', '.join(emotions)}): raise it to {len(emotions)} or more"
        )
    if budget > len(rows):
        raise UndertoneError(
            f"a budget of {budget} labels is more than the training speakers of fold {fold.index} "
            f"of {corpus.name} hold: the largest possible is {len(rows)}"
        )
    order = _balanced_order(rows["emotion"], np.random.default_rng([seed, fold.index, draw, 1]))
    drawn = rows.iloc[order[:budget]]
    rng = np.random.default_rng([seed, fold.index, draw, 2, budget])
    held_out = _validation(drawn, validation_share, rng)
    utterances = drawn["utterance"].to_numpy()
    return LabelDraw(train=utterances[~held_out].tolist(), validation=utterances[held_out].tolist())


def draw_anyhow(
    utterances: Sequence[str],
    speakers: Sequence[str],
    *,
    budget: int,
    draw: int,
    seed: int = 0,
    validation_share: float = VALIDATION_SHARE,
) -> LabelDraw:
    """So many labels, each utterance as likely as any other: for labels that are no classes.

    The draws of one number are nested, as those of ``draw_labels`` are. Validation is a share of
    the budget, from speakers of its own: speakers in random order, as long as the share is not
    exceeded, so that one who gave many labels cannot take it all.

    Args:
        utterances: that may be drawn, in any order.
        speakers: of each.
        budget: how many labels, validation included.
        draw: number of the draw; each number is another sample.
        seed: of the whole sweep.
        validation_share: of the budget; 0 for no validation.
    """
    if not 1 <= budget <= len(utterances):
        raise UndertoneError(
            f"a budget of {budget} labels cannot be drawn from {len(utterances)} utterances to "
            "train on: give budgets from 1 up to that number"
        )
    rows = pd.DataFrame({"utterance": utterances, "speaker": speakers})
    rows = rows.sort_values("utterance", ignore_index=True)
    order = np.random.default_rng([seed, draw, 3]).permutation(len(rows))
    drawn = rows.iloc[order[:budget]]
    rng = np.random.default_rng([seed, draw, 4, budget])
    sizes = drawn["speaker"].value_counts().sort_index()
    left, chosen = round(validation_share * budget), []
    for speaker in rng.permutation(sizes.index.to_numpy(str)):
        if sizes[speaker] <= left:
            chosen.append(speaker)
            left -= sizes[speaker]
    held_out = drawn["speaker"].isin(chosen)
    return LabelDraw(
        train=drawn.loc[~held_out, "utterance"].tolist(),
        validation=drawn.loc[held_out, "utterance"].tolist(),
    )


def _drawable(corpus: Corpus, fold: Fold, task: Task | None) -> pd.DataFrame:
    rows = usable_rows(corpus)
    rows = rows[rows["speaker"].isin(fold.train_speakers)]
    return rows if task is None else rows[rows["emotion"].isin(task.outputs)]


def _balanced_order(emotions: pd.Series, rng: np.random.Generator) -> np.ndarray:
    """An order whose every beginning is balanced: each round takes one utterance an emotion.

    Which emotion comes first in a round is random, so that a remainder falls on any of them.
    """
    labels = emotions.to_numpy(str)
    names = np.unique(labels)
    waiting = {name: list(rng.permutation(np.flatnonzero(labels == name))) for name in names}
    order: list[int] = []
    while len(order) < len(labels):
        order += [waiting[name].pop() for name in rng.permutation(names) if waiting[name]]
    return np.array(order)


def _validation(drawn: pd.DataFrame, share: float, rng: np.random.Generator) -> np.ndarray:
    """(n_drawn,) whether an utterance validates: whole speakers if possible, else by emotion."""
    speakers = drawn["speaker"].to_numpy(str)
    emotions = drawn["emotion"].to_numpy(str)
    by_speaker = _validation_by_speaker(speakers, emotions, rng, share=share)
    return _validation_by_emotion(emotions, share, rng) if by_speaker is None else by_speaker


def _validation_by_speaker(
    speakers: np.ndarray, emotions: np.ndarray, rng: np.random.Generator, *, share: float
) -> np.ndarray | None:
    """The set of speakers whose labels come nearest to the share of each emotion; None if none.

    A set will do if training keeps half of every emotion or more, validation holds every emotion
    that is due a label there, and its size is within half of the share.
    """
    counts = pd.crosstab(speakers, emotions)
    names, per_speaker = counts.index.to_numpy(str), counts.to_numpy()
    drawn = per_speaker.sum(axis=0)
    due = share * drawn
    best, best_distance = None, np.inf
    for _ in range(N_SPEAKER_CHOICES):
        order = rng.permutation(len(names))
        held_out = per_speaker[order].cumsum(axis=0)  # of the first speaker, the first two, …
        fits = (held_out <= drawn / 2).all(axis=1) & (held_out >= np.minimum(due // 1, 1)).all(
            axis=1
        )
        fits &= np.abs(held_out.sum(axis=1) - due.sum()) <= due.sum() / 2
        distance = np.where(fits, np.abs(held_out - due).sum(axis=1), np.inf)
        if distance.min() < best_distance:
            best, best_distance = names[order[: distance.argmin() + 1]], distance.min()
    return None if best is None else np.isin(speakers, best)


def _validation_by_emotion(
    emotions: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    """A rounded share of each emotion, one label at least staying in training."""
    held_out = np.zeros(len(emotions), dtype=bool)
    for emotion in np.unique(emotions):
        members = rng.permutation(np.flatnonzero(emotions == emotion))
        n_held_out = min(round(share * len(members)), len(members) - 1)
        held_out[members[:n_held_out]] = True
    return held_out
