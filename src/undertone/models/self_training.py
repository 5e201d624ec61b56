"""Whether the crowd may teach: self-training where the crowd is a mix like that of the labels.

In:  what a fit to the labels alone says of the crowd, and the labels themselves.
Out: ``Verdict``: on or off, how like the two mixes are, and the reason in words.

Self-training takes the same number of surest guesses for every emotion. Where the labels were drawn
evenly and nine in ten of the crowd are neutral, most of those guesses are neutral speech under
another name, and the fit unlearns what the labels told. Where labels and crowd are lopsided alike
it still gains. So what counts is the mismatch. The mix of the crowd is read off the guesses of the
fit to the labels alone: counted, not weighed by probabilities, which are not to be trusted yet
(docs/self-training.md tells what else was tried).
"""

import math
from dataclasses import dataclass

import numpy as np

from undertone.models.heads import NEVER

AUTO, ON, OFF = MODES = ("auto", "on", "off")
LIKE_ENOUGH = 0.78  # found on the inner folds of EmoDB and RAVDESS
LIKE_ENOUGH_OF_FEW = 0.85  # with fewer than ``FEW`` labels an emotion, whose fits guess worse
FEW = 10.0
PRIOR_SHARE = 0.02  # of the crowd: guesses that are added to those of every emotion


@dataclass(frozen=True)
class Verdict:
    """Whether a fit was self-trained.

    Attributes:
        on: whether it was.
        likeness: of the mixes of crowd and labels, 1 where they are the same; None where nobody
            looked.
        why: a clause, such as "because …" is followed by.
    """

    on: bool
    likeness: float | None
    why: str

    def to_dict(self) -> dict[str, bool | float | str | None]:
        """What JSON can hold."""
        likeness = None if self.likeness is None else round(self.likeness, 4)
        return {"on": self.on, "likeness": likeness, "why": self.why}


ASKED_ON = Verdict(True, None, "it was asked for")
ASKED_OFF = Verdict(False, None, "it was switched off")
NO_CROWD = Verdict(False, None, "there is no unlabelled speech to learn from")


def judge(scores: np.ndarray, truth: np.ndarray, mode: str = AUTO) -> Verdict:
    """Whether to self-train.

    Args:
        scores: (n_unlabelled, n_outputs) of the crowd, by the fit to the labels alone.
        truth: (n_labels,) positions of the labels' emotions.
        mode: one of ``MODES``.
    """
    if mode == OFF:
        return ASKED_OFF
    if not len(scores):
        return NO_CROWD
    if mode == ON:
        return ASKED_ON
    likeness = likeness_of(scores, truth)
    if likeness >= needed(truth):
        return Verdict(True, likeness, "the crowd sounds like a mix as that of the labels")
    return Verdict(False, likeness, "the crowd sounds like another mix than that of the labels")


def needed(truth: np.ndarray) -> float:
    """The likeness from which on the crowd may teach a fit to these labels."""
    few = len(truth) < FEW * len(np.unique(truth))
    return LIKE_ENOUGH_OF_FEW if few else LIKE_ENOUGH


def likeness_of(scores: np.ndarray, truth: np.ndarray) -> float:
    """How like the mix of the crowd's guesses is to that of the labels; from 0 to 1.

    With q the shares of the guesses and p those of the labels it is exp(-KL(q, p)). Where labels
    are even over k emotions that is the effective number of emotions guessed, divided by k. Few
    guesses and few labels know their shares badly: ``PRIOR_SHARE`` of the crowd is added to the
    guesses of every emotion, and one label to those of every emotion.

    Args:
        scores: (n_unlabelled, n_outputs), ``NEVER`` of what no label held.
        truth: (n_labels,) positions of the labels' emotions.
    """
    n_outputs = scores.shape[1]
    possible = (scores > NEVER / 2).any(axis=0)
    guesses = np.bincount(scores.argmax(axis=1), minlength=n_outputs) + PRIOR_SHARE * len(scores)
    labels = np.bincount(truth, minlength=n_outputs) + 1.0
    guessed, given = (counts[possible] / counts[possible].sum() for counts in (guesses, labels))
    return math.exp(-float((guessed * np.log(guessed / given)).sum()))
