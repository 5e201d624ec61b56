"""What more labels are likely to bring.

In:  ``Curves``, one system's last two budgets, how many labels there are.
Out: an ``Estimate`` of the gain, in the metric turned so that more is better.

A learning curve is close to straight over the logarithm of the number of labels, and flattens out:
the slope between the last two budgets, carried on, errs on the side of more labels. Both ends are
of the same replicates, so that an easy set of speakers is easy for both.
"""

from collections.abc import Sequence

import numpy as np

from undertone.evaluation import intervals
from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import Estimate

NEXT = 20  # labels that are looked ahead


def gain_of_next(
    curves: Curves, system: str, budgets: Sequence[int], *, n_labels: int, more: int = NEXT
) -> Estimate | None:
    """Of ``more`` labels beside the ``n_labels`` there are; None where there is no curve."""
    if len(budgets) < 2:
        return None
    doublings = np.log2((n_labels + more) / n_labels) / np.log2(budgets[-1] / budgets[-2])
    (low, of_low), (high, of_high) = (curves.height(system, b) for b in budgets[-2:])
    return intervals.summarise(
        float(doublings * (high - low)),
        doublings * (of_high - of_low),
        n_speakers=curves.n_speakers,
    )
