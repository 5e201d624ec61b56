"""Whether the gap between a pre-trained system and scratch narrows as labels grow, and closes.

In:  ``Measured`` and the name of a pre-trained system.
Out: ``Answer``s; *open* where there never was a gap.
"""

from collections.abc import Iterator, Sequence

from undertone.evaluation.curves import Curves
from undertone.evaluation.report.measured import Measured
from undertone.evaluation.report.paper import NO, OPEN, YES, Answer, verdict_on


def meet(curves: Curves, system: str, reference: str, metric: str | None = None) -> int | None:
    """The budget from which on no interval of the difference excludes 0; None if there is none."""
    meeting = None
    for budget in reversed(curves.budgets_of(system, reference)):
        if curves.difference(system, reference, budget=budget, metric=metric).excludes_zero:
            break
        meeting = budget
    return meeting


def say_meet(budget: int | None, budgets: Sequence[int]) -> str:
    """What ``meet`` gives, in words."""
    if budget is None:
        return f"not within {budgets[-1]} labels"
    if budget == budgets[0]:
        return f"cannot be told apart at any budget from {budget} labels on"
    return f"from {budget} labels on"


def narrows(measured: Measured, system: str) -> Iterator[Answer]:
    """From the smallest budget to the largest."""
    first, last = measured.curves.budgets[0], measured.curves.budgets[-1]
    if first == last:
        return
    fall = measured.fall(system, first, last)
    gains = {budget: measured.gain(system, budget) for budget in (first, last)}
    is_gap = verdict_on(gains[first]) == YES
    yield Answer(
        f"Does the gap narrow from {first} to {last} labels ({measured.headline}, "
        f"“{measured.labels[system]}”)?",
        verdict_on(fall) if is_gap else OPEN,
        f"The gain is {gains[first].signed()} with {first} labels and {gains[last].signed()} "
        f"with {last}; "
        + (f"it falls by {fall.signed()}." if is_gap else "there is no gap to narrow."),
        "the gap narrows as labels grow",
    )


def closes(measured: Measured, system: str) -> Answer:
    """Whether the curves meet after a gap, and where; its fall must be measurable too."""
    budgets, curves, scratch = measured.budgets_of(system), measured.curves, measured.claims.scratch
    meetings = {m: meet(curves, system, scratch, m) for m in measured.metrics}
    where = "; ".join(f"{measured.label(m)}: {say_meet(at, budgets)}" for m, at in meetings.items())
    verdict, why = _closing(measured, system, budgets)
    return Answer(
        f"Do “{measured.labels[system]}” and “{measured.scratch}” meet in {measured.headline}?",
        verdict,
        f"{where}. {why}",
        f"the gap between {measured.labels[system]} and {measured.scratch} closes",
    )


def _closing(measured: Measured, system: str, budgets: Sequence[int]) -> tuple[str, str]:
    """A verdict, and the sentence that it rests on."""
    gains = {budget: measured.gain(system, budget) for budget in budgets}
    gaps = [budget for budget, gain in gains.items() if verdict_on(gain) == YES]
    last = budgets[-1]
    if not gaps:
        return OPEN, "There never was a gap: no interval of the gain lies above zero."
    if gaps[-1] == last:
        return NO, f"With {last} labels the gain is still {gains[last].signed()}."
    fall = measured.fall(system, gaps[0], last)
    return verdict_on(fall), f"From {gaps[0]} to {last} labels the gain falls by {fall.signed()}."
