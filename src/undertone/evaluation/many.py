"""Many systems against one: p-values that take all comparisons together.

In:  ``Curves``; one system and those that it is held against.
Out: by name a p-value, corrected after Holm; the sentence that says what stands.

The difference is that of the interval beside it: over the draws that both systems have. The spread
of a paired difference is that of its replicates, widened by √(n / (n - 1)) as intervals are, and
its size is judged by Student's distribution with n - 1 degrees, n being the number of speakers.
Holm (Scand. J. Statistics 6, 1979): the k-th smallest of m p-values is multiplied by m - k + 1 and
is never smaller than the one before; what stays below .05 differs, and the chance that any one of
these is a mistake is at most 5 %.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtr

from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import decimal
from undertone.evaluation.report.paper import series
from undertone.tasks import MEAN

LEVEL = 0.05  # of comparisons that are taken together
Height = tuple[float, np.ndarray]  # a metric and its replicates
SAME = 1e-12  # spread of the difference of two systems that are one


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The same, taken together.

    >>> {name: round(p, 3) for name, p in holm({"a": 0.01, "b": 0.04, "c": 0.03}).items()}
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    ordered = sorted(p_values, key=lambda name: p_values[name])
    so_far, found = 0.0, {}
    for i, name in enumerate(ordered):
        so_far = max(so_far, min(1.0, (len(ordered) - i) * p_values[name]))
        found[name] = so_far
    return {name: found[name] for name in p_values}


def p_values_against(
    curves: Curves,
    system: str,
    others: Sequence[str],
    *,
    budget: int,
    metric: str | None = None,
    output: str = MEAN,
) -> dict[str, float]:
    """Of every other system that was fitted, that it is as good as ``system``; Holm-corrected.

    In a metric, by default the task's headline, of one output or as the mean of all. Empty where
    one speaker tells no spread.
    """
    n_speakers = int(curves.behind[curves.task.position(output)])
    if n_speakers < 2 or not curves.has(system, budget):
        return {}
    there = [name for name in others if curves.has(name, budget)]

    def height(one: str, other: str) -> Height:
        return curves.height(one, budget, metric, output=output, beside=(other,))

    return holm(
        {name: _p_value(height(system, name), height(name, system), n_speakers) for name in there}
    )


def say_p(p_value: float) -> str:
    """For a table.

    >>> say_p(0.0004), say_p(0.032)
    ('below .001', '.032')
    """
    return "below .001" if p_value < 0.001 else decimal(p_value)


def taken_together(p_values: Mapping[str, float], *, budget: int) -> str:
    """What stands when all comparisons at one budget are taken together.

    Args:
        p_values: Holm's, by the name that a reader knows.
        budget: number of labels.
    """
    apart = [name for name, p in p_values.items() if p < LEVEL]
    told = f"{len(apart)} of {len(p_values)} differ" if apart else "none differs"
    named = f": {series(apart)}" if apart else ""
    return (
        f"The intervals are of one comparison each; the p-values take all {len(p_values)} with "
        f"{budget} labels together (Holm), and by them {told} at {100 * LEVEL:.0f} %{named}."
    )


def _p_value(one: Height, other: Height, n_speakers: int) -> float:
    """Two-sided, of the paired difference."""
    (ours, of_ours), (theirs, of_theirs) = one, other
    n, off = n_speakers, of_ours - of_theirs
    spread = float(np.nanstd(off)) * np.sqrt(n / (n - 1))
    if spread < SAME:
        return 1.0 if abs(ours - theirs) < SAME else 0.0
    return float(2 * stdtr(n - 1, -abs(ours - theirs) / spread))
