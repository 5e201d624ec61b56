"""How far raters agree: Krippendorff's alpha, with an interval over speakers.

In:  ratings, a row each: the unit that was rated, and a value (n_ratings, n_values): 1 for the
     emotion that was named, or an amount; the speaker of each unit.
Out: ``Estimate``: 1 where raters always agree, 0 where they agree as chance would have it.

With d(x, y) = |x - y|² of two values, which is 2 for two emotions that differ, alpha is
1 - D_o / D_e: D_o the mean of d over pairs within a unit, in which each rating has the same weight,
D_e over all pairs of ratings, whatever their unit (Krippendorff, "Content Analysis", 2004, chapter
11: nominal and interval data). Units of one rating tell nothing and are left out. Units are
resampled with their speakers; a unit of whom nobody knows is a speaker of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.errors import UndertoneError
from undertone.evaluation import intervals
from undertone.evaluation.estimate import Estimate


@dataclass(frozen=True)
class Agreement:
    """How far raters agree on something.

    Attributes:
        alpha: Krippendorff's, with its interval.
        n_units: that two or more rated.
        n_ratings: of these.
    """

    alpha: Estimate
    n_units: int
    n_ratings: int


def agreement(
    values: np.ndarray,
    *,
    units: Sequence[str],
    speakers: Sequence[str | None],
    n_replicates: int = intervals.N_REPLICATES,
    seed: int = 0,
) -> Agreement | None:
    """Krippendorff's alpha of ratings; None where no unit has two.

    Args:
        values: (n_ratings, n_values).
        units: of each rating.
        speakers: of each rating; None where nobody knows.
        n_replicates: of the bootstrap.
        seed: of the bootstrap.
    """
    if not len(values) == len(units) == len(speakers):
        raise UndertoneError(
            f"expected a unit and a speaker for each rating; found {len(values)} ratings, "
            f"{len(units)} units and {len(speakers)} speakers"
        )
    if not len(values):
        return None
    names, unit = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    paired = np.bincount(unit)[unit] >= 2
    if not paired.any():
        return None
    values, kept = np.asarray(values, float)[paired], np.flatnonzero(paired).tolist()
    names, unit = np.unique(names[unit[paired]], return_inverse=True)
    of_each = zip(names[unit], (speakers[i] for i in kept), strict=True)
    who = [f"unit {name}" if speaker is None else f"voice {speaker}" for name, speaker in of_each]
    people, person = np.unique(who, return_inverse=True)
    sums = _sums(values, unit, person, len(people))
    resamples = intervals.resample(len(people), n_replicates=n_replicates, seed=seed)
    alphas = _alpha(resamples.with_once @ sums)
    estimate = intervals.summarise(float(alphas[0]), alphas[1:], n_speakers=len(people))
    return Agreement(estimate, len(names), len(values))


def _sums(values: np.ndarray, unit: np.ndarray, person: np.ndarray, n: int) -> np.ndarray:
    """(n_speakers, 3 + n_values): ratings, distances within units, squares, values."""
    in_unit = np.bincount(unit)
    squares = (values**2).sum(axis=1)
    total = np.zeros((len(in_unit), values.shape[1]))
    np.add.at(total, unit, values)
    of_unit = np.bincount(unit, squares)
    # Over pairs i, j of a unit of m: the sum of |x_i - x_j|² is 2 m sum |x|² - 2 |sum x|².
    within = (2 * in_unit * of_unit - 2 * (total**2).sum(axis=1)) / (in_unit - 1)
    share = within[unit] / in_unit[unit]
    each = np.column_stack([np.ones(len(unit)), share, squares, values])
    sums = np.zeros((n, each.shape[1]))
    np.add.at(sums, person, each)
    return sums


def _alpha(sums: np.ndarray) -> np.ndarray:
    """(n_weights,) of weighted sums; NaN where all ratings are one."""
    n, within, squares = sums[:, 0], sums[:, 1], sums[:, 2]
    among = 2 * n * squares - 2 * (sums[:, 3:] ** 2).sum(axis=1)
    possible = among > 1e-9 * np.maximum(n * squares, 1e-300)
    expected = np.where(possible, among / (n * np.maximum(n - 1, 1)), np.nan)
    return np.asarray(1 - within / n / expected)
