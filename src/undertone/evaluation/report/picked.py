"""What a report shows of strategies that picked labels: is picking worth it?

In:  ``CurveResult`` whose systems are strategies, with a ``Picked``.
Out: a verdict; tables: gains over honest random, labels needed, emotions found.

The rival is whoever labels what comes. A strategy is worth something where the interval of the
paired difference lies above zero; it saves labels where it reaches what random reaches with more.
"""

import math
from collections.abc import Iterator, Mapping

from undertone.evaluation.curves import Key
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.needed import labels_needed
from undertone.evaluation.report.result import Compared, CurveResult, Picked
from undertone.evaluation.report.tables import NOTHING, Row, Table

GOAL = 100  # labels of the rival that are to be matched
N_GOALS = 4  # of the table


def goal_of(result: CurveResult) -> int:
    """The rival's number of labels that is to be matched: 100, or the largest there is."""
    return GOAL if GOAL in result.budgets else result.budgets[-1]


def verdict_on_picks(result: CurveResult, picked: Picked) -> str:
    """A sentence for every strategy: what it saves; and where it is worse than random."""
    goal = goal_of(result)
    said = [
        _saved(result, picked, one, goal)
        for one in _strategies(result, picked)
        if one.kind != "control"  # which needs the truth
    ]
    return f"{' '.join(said)} {result.where}."


def _strategies(result: CurveResult, picked: Picked) -> list[Compared]:
    return [s for s in result.systems if s.kind != "floor" and s.name != picked.rival]


def _saved(result: CurveResult, picked: Picked, one: Compared, goal: int) -> str:
    needed = labels_needed(result.curves, one.name, picked.rival, at=goal)
    name = f"{one.label[:1].upper()}{one.label[1:]}"
    worse = _budgets(result, picked, one, sign=-1)
    harm = f" It is measurably worse than random with {worse} labels." if worse else ""
    if math.isinf(needed.value):
        return f"{name} does not reach with {goal} labels what random reaches with {goal}.{harm}"
    verb = "saves labels" if needed.high < goal else "is not known to save labels"
    return (
        f"{name} {verb}: it reaches with {said_labels(needed)} what random reaches with "
        f"{goal}.{harm}"
    )


def _budgets(result: CurveResult, picked: Picked, one: Compared, *, sign: int) -> str:
    """The budgets at which a strategy is measurably better (1) or worse (-1) than random."""
    found = []
    for budget in result.curves.budgets_of(one.name, picked.rival):
        gain = result.curves.gain(one.name, picked.rival, budget=budget)
        if gain.excludes_zero and gain.value * sign > 0:
            found.append(str(budget))
    return ", ".join(found)


def said_labels(needed: Estimate) -> str:
    """A number of labels with its interval; an end beyond the largest budget has no number."""
    if math.isinf(needed.value):
        return "more than were tried"
    if math.isnan(needed.low) or math.isnan(needed.high):
        return f"{needed.value:.0f}"
    high = "more" if math.isinf(needed.high) else f"{needed.high:.0f}"
    low = "more" if math.isinf(needed.low) else f"{needed.low:.0f}"
    return f"{needed.value:.0f} [{low}, {high}]"


def tables_of_picks(result: CurveResult) -> Iterator[Table]:
    """Labels needed; gains over random; emotions found."""
    if (picked := result.picked) is None:
        return
    yield _needed(result, picked)
    yield _gains(result, picked)
    yield _found(result, picked)


def _needed(result: CurveResult, picked: Picked) -> Table:
    goals = sorted(result.budgets[::-2][:N_GOALS])
    return Table(
        title="Labels that each strategy needs to be as good as honest random",
        headings=("as good as random with …", *(str(goal) for goal in goals)),
        rows=tuple(
            Row(
                one.label,
                tuple(
                    said_labels(labels_needed(result.curves, one.name, picked.rival, at=goal))
                    for goal in goals
                ),
                system=one.name,
            )
            for one in _strategies(result, picked)
        ),
        hint="Straight between budgets, and never falling. An interval that ends below the number "
        "above it shows that labels are saved; “more” stands where a curve ends below.",
    )


def _gains(result: CurveResult, picked: Picked) -> Table:
    curves = result.curves
    return Table(
        title="Gain over honest random, paired",
        headings=(f"gain in {result.headline.label} with … labels", *map(str, curves.budgets)),
        rows=tuple(
            Row(
                one.label,
                tuple(
                    curves.gain(one.name, picked.rival, budget=b)
                    if b in curves.budgets_of(one.name, picked.rival)
                    else NOTHING
                    for b in curves.budgets
                ),
                system=one.name,
            )
            for one in _strategies(result, picked)
        ),
        hint=f"Above zero the strategy is better, on the same test {result.unit}s and the same "
        "resampling.",
        signed=True,
    )


def _found(result: CurveResult, picked: Picked) -> Table:
    n = len(result.task.outputs)
    return Table(
        title=f"Emotions that had a label, of {n}",
        headings=("with … labels", *map(str, result.budgets)),
        rows=tuple(
            Row(
                one.label,
                tuple(_share(picked.found, (one.name, b), n) for b in result.budgets),
                system=one.name,
            )
            for one in result.systems
            if one.kind != "floor"
        ),
        hint="The mean over folds and draws. An emotion without a label is never predicted, and "
        "its recall is 0.",
    )


def _share(found: Mapping[Key, float], key: Key, n: int) -> str:
    return f"{n * found[key]:.1f}" if key in found else NOTHING
