"""Many systems against one: p-values that take all comparisons together.

In:  ``Curves``; one system and those that it is held against.
Out: by name a p-value, corrected after Holm.

The spread of a paired difference is that of its replicates, widened by √(n / (n - 1)) as intervals
are, and its size is judged by Student's distribution with n - 1 degrees, n being the number of
speakers. Holm (Scand. J. Statistics 6, 1979): the k-th smallest of m p-values is multiplied by
m - k + 1 and is never smaller than the one before; what stays below .05 differs, and the chance
that any one of these is a mistake is at most 5 %.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtr

from undertone.evaluation.curves import Curves

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
    curves: Curves, system: str, others: Sequence[str], *, budget: int
) -> dict[str, float]:
    """Of every other system that was fitted, that it is as good as ``system``; Holm-corrected.

    Empty where one speaker tells no spread.
    """
    if curves.n_speakers < 2 or not curves.has(system, budget):
        return {}
    there = [name for name in others if curves.has(name, budget)]
    return holm({name: _p_value(curves, system, name, budget) for name in there})


def _p_value(curves: Curves, system: str, other: str, budget: int) -> float:
    """Two-sided, of the paired difference."""
    (ours, of_ours), (theirs, of_theirs) = (curves.height(s, budget) for s in (system, other))
    n, off = curves.n_speakers, of_ours - of_theirs
    spread = float(np.nanstd(off)) * np.sqrt(n / (n - 1))
    if spread < SAME:
        return 1.0 if abs(ours - theirs) < SAME else 0.0
    return float(2 * stdtr(n - 1, -abs(ours - theirs) / spread))
