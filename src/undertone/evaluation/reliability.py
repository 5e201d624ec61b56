"""Whether probabilities hold: of what was said with .8, are four in five right?

In:  probabilities of classes (n_draws, n_rows, n_outputs), truth, and the speaker of each row.
Out: ``Reliability``: by tenths of the likeliest emotion's probability how many there are, how sure
     they are and how many are right; and the expected calibration error, with an interval.

The expected calibration error is Σ_b |Σ_{i in b} (right_i - sure_i)| / n over the tenths b (Naeini,
Cooper and Hauskrecht, AAAI 2015; Guo et al., arXiv 1706.04599), over the rows of all draws
together. It cannot be below zero, so that chance alone lifts it, and more where there is little to
test: its interval holds resampled speakers and draws as any other and lies a little high.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from undertone.evaluation import intervals
from undertone.evaluation.curves import Key
from undertone.evaluation.estimate import Estimate

N_BINS = 10


@dataclass(frozen=True)
class Bin:
    """One tenth: predictions whose likeliest emotion has a probability in it.

    Attributes:
        low: of the probability; the tenth ends .1 above.
        share: of all predictions.
        sure: mean probability of the likeliest emotion.
        right: share of these that are right.
    """

    low: float
    share: float
    sure: float
    right: float


@dataclass(frozen=True)
class Reliability:
    """How far probabilities hold.

    Attributes:
        error: expected calibration error.
        bins: tenths that hold something, ascending.
        sure: mean probability of the likeliest emotion.
        right: share of the rows that are right.
    """

    error: Estimate
    bins: tuple[Bin, ...]
    sure: float
    right: float


@dataclass(frozen=True)
class Reliable:
    """The reliability of a system at a budget."""

    system: str
    budget: int
    of: Reliability


def reliability(
    probabilities: np.ndarray,
    truth: np.ndarray,
    speakers: Sequence[str],
    *,
    n_replicates: int = intervals.N_REPLICATES,
    seed: int = 0,
) -> Reliability:
    """How far the probabilities of unheard speakers hold.

    Args:
        probabilities: (n_draws, n_rows, n_outputs)
        truth: (n_rows, n_outputs), 1 for the true class.
        speakers: (n_rows,) who spoke.
        n_replicates: of the bootstrap.
        seed: of the bootstrap.
    """
    names, speaker = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    sums = np.stack([_sums(one, truth, speaker, len(names)) for one in probabilities])
    resamples = intervals.resample(len(names), n_replicates=n_replicates, seed=seed)
    # counts of each tenth in each replicate, of resampled draws and speakers
    draws = resamples.draws(len(sums)).astype(float)
    replicates = np.einsum(
        "rd,rs,dsbk->rbk", draws, resamples.speakers.astype(float), sums, optimize=True
    )
    total = sums.sum(axis=(0, 1))
    value = float(_error(total))
    error = intervals.summarise(value, _error(replicates), n_speakers=len(names))
    n = total[:, 0].sum()
    bins = tuple(
        Bin(b / N_BINS, count / n, sure / count, right / count)
        for b, (count, sure, right) in enumerate(total.tolist())
        if count
    )
    return Reliability(error, bins, float(total[:, 1].sum() / n), float(total[:, 2].sum() / n))


def reliability_of_curves(
    predictions: Mapping[Key, np.ndarray],
    truth: np.ndarray,
    speakers: Sequence[str],
    n_replicates: int = intervals.N_REPLICATES,
) -> tuple[Reliable, ...]:
    """Of every system at every budget."""
    return tuple(
        Reliable(system, budget, reliability(v, truth, speakers, n_replicates=n_replicates))
        for (system, budget), v in predictions.items()
    )


def _sums(
    probabilities: np.ndarray, truth: np.ndarray, speaker: np.ndarray, n_speakers: int
) -> np.ndarray:
    """(n_speakers, N_BINS, 3): how many, the sum of their probabilities, how many right."""
    sure = probabilities.max(axis=1).astype(np.float64)
    right = truth[np.arange(len(truth)), probabilities.argmax(axis=1)] > 0.5
    tenth = np.minimum((sure * N_BINS).astype(int), N_BINS - 1)
    sums = np.zeros((n_speakers, N_BINS, 3))
    np.add.at(sums, (speaker, tenth), np.column_stack([np.ones(len(sure)), sure, right]))
    return sums


def _error(sums: np.ndarray) -> np.ndarray:
    """(...) expected calibration error of sums (..., N_BINS, 3)."""
    count, sure, right = np.moveaxis(sums, -1, 0)
    error: np.ndarray = np.abs(right - sure).sum(axis=-1) / count.sum(axis=-1)
    return error
