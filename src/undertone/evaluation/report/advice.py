"""Which system a run recommends, decided on the run itself.

In:  ``Curves``; the names of the systems that may be recommended, simplest first.
Out: ``Advice``: the simplest one that is not measurably worse than the best.

Not measurably worse are systems whose paired difference to the best of the largest budget has an
interval that holds zero, both with the most labels and as the mean of all budgets that both have:
where labels abound most systems meet. The choice is made on the scores of the test speakers, since
no system keeps scores of its own that could be compared; whoever shows it says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from undertone.evaluation.curves import Curves


@dataclass(frozen=True)
class Advice:
    """What one would train.

    Attributes:
        system: name.
        best: name of the best at the largest budget.
        n_simpler: how many simpler ones are measurably worse.
    """

    system: str
    best: str
    n_simpler: int


def advise(curves: Curves, candidates: Sequence[str]) -> Advice | None:
    """The simplest of these, simplest first, that holds its own; None where there are none."""
    budget = curves.budgets[-1]
    there = [name for name in candidates if curves.has(name, budget)]
    if not there:
        return None
    best = curves.best(there, budget)
    for n_simpler, name in enumerate(there):
        if name == best or not _is_worse(curves, name, best, budget):
            return Advice(name, best, n_simpler)
    raise AssertionError("the best is among those that were asked")


def _is_worse(curves: Curves, name: str, best: str, budget: int) -> bool:
    """With the most labels, or over all budgets."""
    lost = (curves.gain(best, name, budget=budget), curves.mean_gain(best, name))
    return any(one.excludes_zero and one.value > 0 for one in lost)
