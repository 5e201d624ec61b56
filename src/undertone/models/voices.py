"""Speaker centring: what sets one speaker apart from the others is taken off their vectors.

In:  vectors (n_utterances, n_values), and who spoke; None where that is not known.
Out: the same vectors less what is their speaker's own.

With n recordings of speaker s, whose mean is m_s, and the mean m of all training speakers:

    x - n / (n + count) * (m_s - m)

Few recordings tell little of a mean: with ``count`` of them half of the difference is taken off.
(The factor is the best linear guess of a speaker's true mean where, in variance, recordings of one
speaker scatter ``count`` times as much as speakers do.) How somebody speaks in these recordings
moves m_s, too. Where a model hears one emotion in most recordings of a voice, they are compared not
with all training speakers' utterances but mostly with those of this emotion (``Expected``).

Training speakers, of whom all recordings are known, are left with next to no difference. A tested
voice is not: of one with n recordings count / (n + count) of the variance between speakers is left,
of one that is heard for the first time all of it. The discriminant analysis is to reckon with that:
it is given what ``TYPICAL`` recordings leave, whoever is tested.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

FEWEST_RECORDINGS = 3  # of a voice, to adapt to it
TYPICAL = 10  # recordings of a tested voice
LOPSIDED = 0.7  # of a voice's recordings, heard as one emotion
BELIEVED = 2 / 3  # of what a model hears in lopsided recordings; the rest is as in training


@dataclass(frozen=True)
class Voices:
    """What is each speaker's own.

    Attributes:
        mean: (n_values,) of all utterances whose speaker is known; of all where none is.
        of_each: (n_values,) what is taken off, by speaker.
    """

    mean: np.ndarray
    of_each: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, vectors: np.ndarray, speakers: Sequence[str | None], *, count: float) -> Self:
        """Of (n_utterances, n_values) vectors, about their own mean."""
        rows: dict[str, list[int]] = {}
        for row, speaker in enumerate(speakers):
            if speaker is not None:
                rows.setdefault(speaker, []).append(row)
        known = sorted(row for of_one in rows.values() for row in of_one)
        mean = (vectors[known] if known else vectors).mean(axis=0, dtype=np.float64)
        return cls(
            mean,
            {who: own(vectors[of_one], mean=mean, count=count) for who, of_one in rows.items()},
        )

    def apart(self, vectors: np.ndarray, speakers: Sequence[str | None]) -> np.ndarray:
        """(n_utterances, n_values) vectors less what is their speaker's; of nobody known as is."""
        left = vectors.astype(np.float64)
        for row, speaker in enumerate(speakers):
            if speaker is not None and speaker in self.of_each:
                left[row] -= self.of_each[speaker]
        return left


@dataclass(frozen=True)
class Expected:
    """What recordings of a voice would be if the voice were the training speakers' mean.

    Attributes:
        mean: (n_values,) of the training speakers' utterances.
        by_emotion: (n_outputs, n_values) of those that are heard as each emotion, speakers centred;
            (0, n_values) where there are no emotions.
        share: (n_outputs,) of the training speakers' utterances.
    """

    mean: np.ndarray
    by_emotion: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, mean: np.ndarray, vectors: np.ndarray, heard: np.ndarray) -> Self:
        """Of (n_utterances, n_values) centred vectors, and the (n_utterances, n_outputs) of each.

        Args:
            mean: (n_values,) of the training speakers' utterances.
            vectors: of these utterances.
            heard: 1 for the emotion of each, 0 for the others.
        """
        n = heard.sum(axis=0)
        means = (heard.T @ vectors) / np.maximum(n, 1)[:, None]
        by_emotion = np.where((n > 0)[:, None], means, mean)
        return cls(mean, by_emotion.astype(np.float64), (n / len(heard)).astype(np.float64))

    def given(self, heard: np.ndarray | None) -> np.ndarray:
        """(n_values,) of recordings of which (n_outputs,) are heard as each emotion."""
        if heard is None or not len(self.by_emotion) or not is_lopsided(heard):
            return self.mean
        shares = BELIEVED * heard / heard.sum() + (1 - BELIEVED) * self.share
        expected: np.ndarray = shares @ self.by_emotion
        return expected


def is_lopsided(heard: np.ndarray) -> bool:
    """Whether (n_outputs,) counts of recordings are mostly of one emotion."""
    return bool(heard.max() >= LOPSIDED * heard.sum())


def left_by(spoken: np.ndarray, apart: np.ndarray, *, count: float) -> np.ndarray:
    """(n_utterances, n_values) whose speakers differ by as much as ``TYPICAL`` recordings leave.

    Args:
        spoken: (n_utterances, n_values) as they are.
        apart: the same less what is their speaker's own.
        count: of recordings at which half of the difference is taken off.
    """
    share = np.sqrt(count / (TYPICAL + count))  # of a difference, where that is of its square
    left: np.ndarray = apart + share * (spoken - apart)
    return left


def own(vectors: np.ndarray, *, mean: np.ndarray, count: float) -> np.ndarray:
    """(n_values,) what is taken off the vectors of a speaker.

    Args:
        vectors: (n_recordings, n_values) of that speaker.
        mean: (n_values,) that their mean is compared with.
        count: of recordings at which half of the difference is taken off.
    """
    n = len(vectors)
    taken: np.ndarray = n / (n + count) * (vectors.mean(axis=0, dtype=np.float64) - mean)
    return taken
