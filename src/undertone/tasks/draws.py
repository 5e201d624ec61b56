"""Which labels a system is given: a budget of them, the same for every system.

In:  labelled utterances of a fold's training speakers, a label budget, the number of the draw.
Out: ``LabelDraw``: the utterances whose labels a system sees, its validation among them.

All depends on the names of utterances and outputs and on the seed, never on the order of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from undertone.errors import UndertoneError

if TYPE_CHECKING:
    import pandas as pd

VALIDATION_SHARE = 0.2  # of the label budget
BALANCED, RANDOM = HOWS = ("balanced", "random")  # how labels of classes are drawn
N_REDRAWS = 1_000  # of labels at random that are all of one emotion
N_SPEAKER_CHOICES = 200  # tried in search of validation speakers


@dataclass(frozen=True)
class LabelDraw:
    """The utterances whose labels a system sees."""

    train: list[str]
    validation: list[str]  # inside the budget; may be empty where the budget is tiny

    @property
    def utterances(self) -> list[str]:
        return [*self.train, *self.validation]


@dataclass(frozen=True)
class Asked:
    """How many labels, and which sample of them.

    Attributes:
        budget: how many labels, validation included.
        draw: number of the draw; each number is another sample.
        fold: number of the fold.
        seed: of the whole sweep.
        validation_share: of the budget; 0 for no validation.
        how: balanced over the emotions, for which their truth has to be known already, or at
            random, as whoever labels what comes gets them. Amounts are always drawn at random.
    """

    budget: int
    draw: int = 0
    fold: int = 0
    seed: int = 0
    validation_share: float = VALIDATION_SHARE
    how: str = BALANCED

    def rng(self, *names: int) -> np.random.Generator:
        """Random numbers of this sample, one stream a purpose."""
        return np.random.default_rng([self.seed, *names])


def draw_balanced(rows: "pd.DataFrame", outputs: Sequence[str], asked: Asked) -> LabelDraw:
    """So many labels, balanced over the classes.

    The draws of one fold and number are nested: what a small budget holds, a larger one holds too.
    An emotion whose utterances are used up leaves its share to the others. Validation is a share of
    the budget, from speakers of its own where that leaves both sides enough of every emotion, and
    otherwise by emotion; every emotion keeps a label in training. ``rows`` have the columns
    utterance, speaker and emotion.
    """
    rows = rows.sort_values("utterance", ignore_index=True)
    if asked.budget < len(outputs):
        raise UndertoneError(
            f"a budget of {asked.budget} labels is less than one for each of {len(outputs)} "
            f"emotions ({', '.join(outputs)}): raise it to {len(outputs)} or more"
        )
    _check_budget(asked, len(rows))
    _check_emotions(rows, asked)
    order = balanced_order(rows["emotion"].to_numpy(str), asked.rng(asked.fold, asked.draw, 1))
    return _with_validation(rows.iloc[order[: asked.budget]], asked)


def _check_emotions(rows: "pd.DataFrame", asked: Asked) -> None:
    if rows["emotion"].nunique() < 2:
        raise UndertoneError(
            f"the training speakers of fold {asked.fold} hold labels of {rows['emotion'].iloc[0]} "
            "alone: a classifier needs two emotions on the training side of every fold; add "
            "speakers, or take another number of folds with --folds N"
        )


def _with_validation(drawn: "pd.DataFrame", asked: Asked) -> LabelDraw:
    """Some of the labels drawn are held out, by speaker where that can be, else by emotion."""
    rng = asked.rng(asked.fold, asked.draw, 2, asked.budget)
    speakers, emotions = (drawn[name].to_numpy(str) for name in ("speaker", "emotion"))
    held_out = _validation_by_speaker(speakers, emotions, rng, share=asked.validation_share)
    if held_out is None:
        held_out = _validation_by_emotion(emotions, asked.validation_share, rng)
    return _parted(drawn, held_out)


def draw_as_it_comes(rows: "pd.DataFrame", asked: Asked) -> LabelDraw:
    """So many labels of classes, each utterance as likely as any other: an emotion may be missing.

    The draws of one fold and number are nested, but where an order was drawn anew because its first
    labels, as many as the budget, were all of one emotion, of which nothing can be learned.
    Validation is as in ``draw_balanced``. ``rows`` have the columns utterance, speaker and emotion.
    """
    rows = rows.sort_values("utterance", ignore_index=True)
    _check_budget(asked, len(rows))
    _check_emotions(rows, asked)
    orders = (
        asked.rng(asked.fold, asked.draw, 5, again).permutation(len(rows))
        for again in range(N_REDRAWS)
    )
    emotion = rows["emotion"].to_numpy(str)
    order = next((o for o in orders if len(set(emotion[o[: asked.budget]])) > 1), None)
    if order is None:
        raise UndertoneError(
            f"{N_REDRAWS} random draws of {asked.budget} labels in fold {asked.fold} held one "
            "emotion each: raise the budget, or draw them balanced with --draw balanced"
        )
    return _with_validation(rows.iloc[order[: asked.budget]], asked)


def draw_anyhow(rows: "pd.DataFrame", asked: Asked) -> LabelDraw:
    """So many labels, each utterance as likely as any other: for labels that are no classes.

    The draws of one number are nested, as those of ``draw_balanced`` are. Validation is a share of
    the budget, from speakers of its own: speakers in random order, as long as the share is not
    exceeded, so that one who gave many labels cannot take it all. ``rows`` have the columns
    utterance and speaker.
    """
    _check_budget(asked, len(rows))
    rows = rows.sort_values("utterance", ignore_index=True)
    drawn = rows.iloc[asked.rng(asked.draw, 3).permutation(len(rows))[: asked.budget]]
    rng = asked.rng(asked.draw, 4, asked.budget)
    sizes = drawn["speaker"].value_counts().sort_index()
    left, chosen = round(asked.validation_share * asked.budget), []
    for speaker in rng.permutation(sizes.index.to_numpy(str)):
        if sizes[speaker] <= left:
            chosen.append(speaker)
            left -= sizes[speaker]
    return _parted(drawn, drawn["speaker"].isin(chosen).to_numpy())


def _check_budget(asked: Asked, n_labels: int) -> None:
    if not 1 <= asked.budget <= n_labels:
        raise UndertoneError(
            f"a budget of {asked.budget} labels cannot be drawn from the {n_labels} that the "
            f"training speakers of fold {asked.fold} hold: the largest possible is {n_labels}"
        )


def _parted(drawn: "pd.DataFrame", held_out: np.ndarray) -> LabelDraw:
    utterances = drawn["utterance"].to_numpy()
    return LabelDraw(train=utterances[~held_out].tolist(), validation=utterances[held_out].tolist())


def balanced_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order whose every beginning is balanced: each round takes one utterance an emotion.

    Which emotion comes first in a round is random, so that a remainder falls on any of them.
    """
    names = np.unique(labels)
    waiting = {name: list(rng.permutation(np.flatnonzero(labels == name))) for name in names}
    order: list[int] = []
    while len(order) < len(labels):
        order += [waiting[name].pop() for name in rng.permutation(names) if waiting[name]]
    return np.array(order)


def _validation_by_speaker(
    speakers: np.ndarray, emotions: np.ndarray, rng: np.random.Generator, *, share: float
) -> np.ndarray | None:
    """The set of speakers whose labels come nearest to the share of each emotion; None if none.

    A set will do if training keeps half of every emotion or more, validation holds every emotion
    that is due a label there, and its size is within half of the share.
    """
    names, speaker = np.unique(speakers, return_inverse=True)
    each, emotion = np.unique(emotions, return_inverse=True)
    per_speaker = np.zeros((len(names), len(each)), dtype=int)
    np.add.at(per_speaker, (speaker, emotion), 1)
    drawn = per_speaker.sum(axis=0)
    due = share * drawn
    orders = np.stack([rng.permutation(len(names)) for _ in range(N_SPEAKER_CHOICES)])
    held_out = per_speaker[orders].cumsum(axis=1)  # of the first speaker, the first two, …
    fits = ((held_out <= drawn / 2) & (held_out >= np.minimum(due // 1, 1))).all(axis=2)
    fits &= np.abs(held_out.sum(axis=2) - due.sum()) <= due.sum() / 2
    distance = np.where(fits, np.abs(held_out - due).sum(axis=2), np.inf)
    best, last = np.unravel_index(distance.argmin(), distance.shape)
    return np.isin(speaker, orders[best, : last + 1]) if fits[best, last] else None


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
