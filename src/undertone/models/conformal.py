"""Sets of emotions, and intervals of amounts, that hold the truth as often as was asked for.

In:  how strange the truth looked to fits that did not know the speaker: ``HeldOut``.
Out: a threshold for a coverage; the emotions, or the interval, within it.

With n exchangeable scores the threshold is their ceil((n + 1) c)-th smallest for a coverage c
(split conformal prediction; Papadopoulos et al., ECML 2002; Vovk et al., 2005). Recordings of one
voice are not exchangeable with those of others: they are right or wrong together, by an intraclass
correlation rho. n is therefore the *effective* number of recordings (Kish, "Survey sampling", 1965)

    n = N / (1 + (m - 1) rho),  m = sum over k of n_k^2 / N,

of N recordings, n_k of speaker k. With rho = 0 all recordings count, with rho = 1 speakers do.
Whether the truth is within correlates by .02 to .06 in a speaker; ``ALIKE`` is above that, so that
few speakers ask for larger sets. docs/probabilities.md tells what was measured, and of hierarchical
sets (Lee, Barber and Willett, arXiv 2306.06342): they are proven, and need nine speakers for .9.
The + 1 bounds what can be promised, n / (n + 1) at most. The fits that are held out know a little
less than the one that is served, so that sets err on the safe side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from undertone.errors import UndertoneError

SCORES, SPEAKER = "scores", "speaker"  # names of the arrays
LEAST_COVERAGE = 0.5  # below, a set is no answer
ALIKE = 0.1  # intraclass correlation of recordings of a speaker
ROUNDING = 1e-9


@dataclass(frozen=True)
class HeldOut:
    """How strange the truth of utterances looked to fits that did not know their speakers.

    Attributes:
        scores: (n_utterances, n_scores) float32; of classes 1 - p of the true one, one column; of
            amounts how far each output is off.
        speaker: (n_utterances,) int32, a number a speaker, from 0 on; no names.
    """

    scores: np.ndarray
    speaker: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, speakers: np.ndarray) -> Self:
        """Of (n_utterances,) names of speakers, which are forgotten."""
        _, speaker = np.unique(speakers.astype(str), return_inverse=True)
        return cls(scores.astype(np.float32), speaker.astype(np.int32))

    @property
    def n_speakers(self) -> int:
        return int(self.speaker.max()) + 1

    @property
    def n_effective(self) -> float:
        """As how many independent recordings these count."""
        return effective(self.speaker)

    @property
    def most(self) -> float:
        """The highest coverage that so many can promise."""
        return self.n_effective / (self.n_effective + 1)

    def threshold(self, coverage: float) -> np.ndarray:
        """(n_scores,) within which the truth lies; infinite above ``most``."""
        n = self.n_effective
        return np.array([threshold(one, coverage, n_effective=n) for one in self.scores.T])

    def check(self, coverage: float) -> None:
        """Refuse a coverage that cannot be promised.

        Raises:
            UndertoneError: it is no share from a half to 1, or asks for more speakers than these.
        """
        if not LEAST_COVERAGE <= coverage < 1:
            raise UndertoneError(
                f"--coverage is the share of answers that hold the truth, from {LEAST_COVERAGE:g} "
                f"to below 1, found {coverage:g}: try --coverage .9"
            )
        if coverage > self.most + ROUNDING:
            highest = np.floor(100 * self.most) / 100
            instead = (
                f"--coverage {highest:g} or less, or label more speakers"
                if highest >= LEAST_COVERAGE
                else "label more speakers"
            )
            raise UndertoneError(
                f"--coverage {coverage:g} asks for more than this model can promise: it was held "
                f"against {len(self.scores)} recordings of {self.n_speakers} speakers, which count "
                f"as {self.n_effective:.0f} independent ones and promise {self.most:.3f} at most: "
                f"{instead}"
            )

    def tensors(self) -> dict[str, np.ndarray]:
        """Its arrays by name; ``restore`` takes them back."""
        return {SCORES: self.scores, SPEAKER: self.speaker}

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], n_scores: int) -> Self | None:
        """Those whose arrays these are; None where there are none.

        Raises:
            ValueError: they do not fit together, or to so many scores an utterance.
        """
        if not tensors:
            return None
        scores, speaker = tensors[SCORES], tensors[SPEAKER]
        fit = scores.ndim == 2 and scores.shape[1] == n_scores and len(scores) > 0
        if not fit or scores.dtype != np.float32 or speaker.dtype != np.int32:
            raise ValueError(f"its held-out scores are {scores.dtype} of shape {scores.shape}")
        numbers = np.unique(speaker)
        if speaker.shape != scores.shape[:1] or (numbers != np.arange(len(numbers))).any():
            raise ValueError("its held-out scores and their speakers do not fit together")
        return cls(scores, speaker)


def effective(speaker: np.ndarray, alike: float = ALIKE) -> float:
    """As how many independent recordings some count.

    Args:
        speaker: (n_utterances,) a number a speaker, from 0 on.
        alike: intraclass correlation of recordings of a speaker.
    """
    counts = np.bincount(speaker)
    each = (counts**2).sum() / counts.sum()
    return float(counts.sum() / (1 + (each - 1) * alike))


def threshold(scores: np.ndarray, coverage: float, *, n_effective: float) -> float:
    """The smallest score within which the next truth lies with this probability.

    Args:
        scores: (n_utterances,)
        coverage: from 0 to 1.
        n_effective: as how many independent scores these count.
    """
    level = coverage * (n_effective + 1) / n_effective
    if level > 1 + ROUNDING:
        return float("inf")
    at = int(np.ceil(level * len(scores) - ROUNDING)) - 1
    return float(np.partition(scores, at := min(at, len(scores) - 1))[at])


def strangeness(probabilities: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(n_utterances, 1) 1 - p of the true emotions.

    Args:
        probabilities: (n_utterances, n_outputs)
        positions: (n_utterances,) of the true emotions.
    """
    found: np.ndarray = 1.0 - probabilities[np.arange(len(positions)), positions][:, None]
    return found


def in_set(probabilities: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """(..., n_outputs) which emotions are within a threshold; the likeliest always is."""
    likeliest = probabilities >= probabilities.max(axis=-1, keepdims=True)
    within: np.ndarray = (1.0 - probabilities <= threshold) | likeliest
    return within
