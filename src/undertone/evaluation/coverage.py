"""Whether sets hold the truth as often as they promise, and what silence is worth.

In:  thresholds that fits found on their own labels (``models.conformal``), what they predict of
     speakers whom they did not know (n_draws, n_rows, n_outputs), truth, and the speaker of each.
Out: ``Coverage``: how often the truth is within, by speaker, and how large sets are; ``Answered``:
     of what is answered with at least some probability, how much is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.evaluation import intervals
from undertone.evaluation.estimate import Estimate
from undertone.models.conformal import in_set
from undertone.tasks import CHOICE, Task

ASKED = 0.9  # coverage that cards and reports show
LEAST = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)  # probabilities of the likeliest emotion


@dataclass(frozen=True)
class Coverage:
    """How often the truth is within, of speakers whom no fit knew.

    Attributes:
        asked: the coverage that was asked for.
        reached: share of the rows, of amounts also over the outputs.
        size: emotions in a set, or the width of an interval as a share of the scale, in the mean.
        alone: share of the sets with one emotion; NaN of amounts.
        right_alone: share of these that are right.
        by_speaker: share of each speaker's rows, ascending.
        promised: share of the fits that could promise so much; the others are left out.
    """

    asked: float
    reached: Estimate
    size: float
    alone: float
    right_alone: float
    by_speaker: tuple[float, ...]
    promised: float = 1.0


@dataclass(frozen=True)
class Answered:
    """What is left where an emotion is named only from some probability on.

    Attributes:
        least: the probability.
        share: of the rows that are answered.
        right: share of these that are right.
    """

    least: float
    share: Estimate
    right: Estimate


@dataclass(frozen=True)
class Covered:
    """A system at a budget."""

    system: str
    budget: int
    of: Coverage
    answered: tuple[Answered, ...] = ()


def coverage(
    values: np.ndarray,
    thresholds: np.ndarray,
    truth: np.ndarray,
    speakers: Sequence[str],
    *,
    task: Task,
    asked: float = ASKED,
    n_replicates: int = intervals.N_REPLICATES,
) -> Coverage | None:
    """How often the truth is within.

    Args:
        values: (n_draws, n_rows, n_outputs) probabilities, or amounts.
        thresholds: (n_draws, n_rows, n_scores) of the fit that predicted the row; NaN where it
            cannot promise so much.
        truth: (n_rows, n_outputs)
        speakers: (n_rows,)
        task: what is predicted.
        asked: coverage.
        n_replicates: of the bootstrap.

    Returns:
        None where no fit can promise so much.
    """
    told = ~np.isnan(thresholds[..., 0])
    if not told.any():
        return None
    if task.kind == CHOICE:
        within = in_set(values.astype(np.float64), thresholds[..., :1])
        hits = np.take_along_axis(within, truth.argmax(axis=1)[None, :, None], axis=2)[..., 0]
        sizes = within.sum(axis=2).astype(float)
        alone = told & (sizes == 1)
    else:
        values = values.clip(task.low, task.high)
        hits = (np.abs(values - truth) <= thresholds + 1e-6).mean(axis=2)
        ends = (values + thresholds).clip(None, task.high) - (values - thresholds).clip(task.low)
        sizes = ends.mean(axis=2) / (task.high - task.low)
        alone = np.zeros_like(told)
    names, speaker = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    count, hit = (_sums(a, speaker, len(names)) for a in (told, np.where(told, hits, 0.0)))
    each = hit.sum(axis=0)[(n := count.sum(axis=0)) > 0] / n[n > 0]
    is_choice = task.kind == CHOICE
    return Coverage(
        asked=asked,
        reached=_ratio(hit, count, n_replicates),
        size=float(sizes[told].mean()),
        alone=float(alone.sum() / told.sum()) if is_choice else float("nan"),
        right_alone=float(hits[alone].mean()) if alone.any() else float("nan"),
        by_speaker=tuple(sorted(map(float, each))),
        promised=float(told.mean()),
    )


def answered(
    probabilities: np.ndarray,
    truth: np.ndarray,
    speakers: Sequence[str],
    *,
    least: Sequence[float] = LEAST,
    n_replicates: int = intervals.N_REPLICATES,
) -> tuple[Answered, ...]:
    """How much is right of what is answered, from several probabilities on.

    Args:
        probabilities: (n_draws, n_rows, n_outputs) of speakers whom no fit knew.
        truth: (n_rows, n_outputs) 1 for the true class.
        speakers: (n_rows,)
        least: probabilities of the likeliest emotion.
        n_replicates: of the bootstrap.
    """
    names, speaker = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    right = probabilities.argmax(axis=2) == truth.argmax(axis=1)
    everyone = _sums(np.ones(right.shape), speaker, len(names))
    rows = []
    for p in least:
        given = probabilities.max(axis=2) >= p
        n_given, n_right = (_sums(a, speaker, len(names)) for a in (given, given & right))
        shares = (_ratio(n_given, everyone, n_replicates), _ratio(n_right, n_given, n_replicates))
        rows.append(Answered(p, *shares))
    return tuple(rows)


def _sums(values: np.ndarray, speaker: np.ndarray, n_speakers: int) -> np.ndarray:
    """(n_draws, n_speakers) sums of (n_draws, n_rows)."""
    of_speaker = np.eye(n_speakers)[speaker]
    sums: np.ndarray = values.astype(float) @ of_speaker
    return sums


def _ratio(part: np.ndarray, whole: np.ndarray, n_replicates: int) -> Estimate:
    """Of sums (n_draws, n_speakers), with an interval over speakers and draws."""
    resamples = intervals.resample(part.shape[1], n_replicates=n_replicates)
    draws = resamples.draws(len(part)).astype(float)
    speakers = resamples.speakers.astype(float)
    above, below = (
        np.einsum("rd,rs,ds->r", draws, speakers, a, optimize=True) for a in (part, whole)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        centre, replicates = part.sum() / whole.sum(), above / below
    return intervals.summarise(float(centre), replicates, n_speakers=part.shape[1])
