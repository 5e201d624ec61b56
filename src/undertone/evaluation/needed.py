"""How many labels one way needs to reach what another reaches with more.

In:  ``Curves``.
Out: a number of labels with its interval; infinity where the curve ends below.

Between two budgets the curve is a line, and it never falls: whoever was as good with fewer labels
needs no more. The interval is found on the replicates of the curves, which both ways share, so that
an easy set of speakers is easy for both.
"""

from collections.abc import Sequence

import numpy as np

from undertone.evaluation import intervals
from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import Estimate
from undertone.tasks import MEAN


def labels_needed(
    curves: Curves, system: str, reference: str, *, at: int, metric: str | None = None
) -> Estimate:
    """Labels with which ``system`` is as good as ``reference`` with ``at`` of them."""
    budgets = curves.budgets_of(system)
    goal, goals = curves.height(reference, at, metric, beside=(system,))
    heights = [curves.height(system, b, metric, beside=(reference,)) for b in budgets]
    value = first_reaching(budgets, np.array([[height for height, _ in heights]]), np.array([goal]))
    replicates = first_reaching(budgets, np.stack([of for _, of in heights], axis=1), goals)
    n_speakers = int(curves.behind[curves.task.position(MEAN)])
    return intervals.summarise(float(value[0]), replicates, n_speakers=n_speakers)


def first_reaching(budgets: Sequence[int], heights: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """(n,) labels at which lines through (n, n_budgets) heights first reach (n,) goals.

    Infinity where they never do, NaN where a goal does not exist; the first budget where they are
    there already.
    """
    rising = np.fmax.accumulate(heights, axis=1)
    reached = rising >= goals[:, None]
    x = np.asarray(budgets, dtype=float)
    found = np.full(len(goals), np.inf)
    rows = np.flatnonzero(reached.any(axis=1))
    after = reached[rows].argmax(axis=1)
    before = np.maximum(after - 1, 0)
    low, high = rising[rows, before], rising[rows, after]
    rise = high - low
    share = np.divide(goals[rows] - low, rise, out=np.ones(len(rows)), where=rise > 0)
    found[rows] = np.where(after == 0, x[0], x[before] + share * (x[after] - x[before]))
    return np.where(np.isnan(goals), np.nan, found)
