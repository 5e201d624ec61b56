"""Systems of several runs side by side: tables, and answers from their paired differences.

In:  ``Curves`` of a comparison, whose systems go by the labels that people read.
Out: ``Table``s; ``Answer``s, yes or no where a 95 % interval of the difference says so.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.report.paper import Answer, verdict_on, verdict_on_all
from undertone.evaluation.report.tables import NOTHING, Cell, Row, Table
from undertone.tasks import MEAN

AVERAGE = "mean of all"  # budgets


def scores(curves: Curves, labels: Sequence[str], metric: str) -> Table:
    """One metric of each at every budget, the best marked, and chance."""
    of = curves.task.metrics[metric]
    best = [curves.best(labels, budget, metric) for budget in curves.budgets]
    rows = [
        Row(
            label,
            tuple(score(curves, label, budget, metric) for budget in curves.budgets),
            best=tuple(i for i, name in enumerate(best) if name == label),
        )
        for label in labels
    ]
    return Table(
        title=of.description or of.label,
        headings=(f"{of.label} with … labels", *map(str, curves.budgets)),
        rows=(*rows, *_chance(curves, metric)),
    )


def gains(curves: Curves, ours: str, others: Sequence[str], metric: str) -> Table:
    """How much better one is than each of the others, paired, at every budget and on the whole."""
    label, budgets = curves.task.metrics[metric].label, curves.budgets
    average = (AVERAGE,) if len(budgets) > 1 else ()
    rows = [
        Row(
            other,
            (
                *(gain(curves, ours, other, budget=b, metric=metric) for b in budgets),
                *(curves.mean_gain(ours, other, metric) for _ in average),
            ),
        )
        for other in others
    ]
    return Table(
        title=f"{ours} over …, {label}, paired",
        headings=(f"gain in {label} over …", *map(str, budgets), *average),
        rows=tuple(rows),
        hint=f"Above zero {ours} is better: same labels, same test speakers, same resampling.",
        signed=True,
    )


def all_in_one(
    curves: Curves, labels: Sequence[str], *, over: Sequence[str], title: str, metric: str = ""
) -> Table:
    """A metric of each at every budget, and its paired gain over some, mean of all budgets."""
    metric = metric or curves.task.headline
    of_scores = scores(curves, labels, metric)
    rows = []
    for row in of_scores.rows:
        cells = [_gain_in_words(curves, row.name, other, metric) for other in over]
        rows.append(replace(row, cells=(*row.cells, *cells)))
    return Table(
        title=title,
        headings=(*of_scores.headings, *(f"gain over {other}" for other in over)),
        rows=tuple(rows),
        hint="Gains are paired, and means of all budgets; above zero is better.",
    )


def scores_by_output(curves: Curves, labels: Sequence[str], metric: str) -> Table:
    """One metric output by output, of each at every budget."""
    task, what = curves.task, curves.task.metrics[metric].of_output
    rows = []
    for output in task.outputs:
        rows.append(Row(output, ("",) * len(curves.budgets)))
        for label in labels:
            cells = (score(curves, label, b, metric, output=output) for b in curves.budgets)
            rows.append(Row(label, tuple(cells), is_part=True))
    return Table(
        title=f"{what[:1].upper()}{what[1:]} by {task.each}, along the labels",
        headings=(f"{what} with … labels", *map(str, curves.budgets)),
        rows=tuple(rows),
    )


def gains_by_output(curves: Curves, ours: str, other: str, metric: str) -> Table:
    """How much better one is than the other, output by output, along the budgets."""
    task, what = curves.task, curves.task.metrics[metric].of_output
    return Table(
        title=f"Gain in {what} by {task.each}: {ours} over {other}",
        headings=("labels", *task.outputs),
        rows=tuple(
            Row(
                str(budget),
                tuple(
                    gain(curves, ours, other, budget=budget, metric=metric, output=output)
                    for output in task.outputs
                ),
            )
            for budget in curves.budgets_of(ours, other)
        ),
        signed=True,
    )


def is_better(
    curves: Curves, ours: str, other: str, *, claim: str = "", metric: str | None = None
) -> Answer:
    """Whether one is better than the other, as the mean of all budgets that both have."""
    metric = metric or curves.task.headline
    whole = curves.mean_gain(ours, other, metric)
    budgets = curves.budgets_of(ours, other)
    each = [
        f"{curves.gain(ours, other, budget=b, metric=metric).signed()} with {b}" for b in budgets
    ]
    mean = f" (mean of {len(budgets)} budgets)" if len(budgets) > 1 else ""
    return Answer(
        f"Is “{ours}” better than “{other}” ({curves.task.metrics[metric].label})?",
        verdict_on(whole),
        f"Gain {whole.signed()}{mean}: {', '.join(each)} labels.",
        claim or f"{ours} is better than {other}",
    )


def leads(
    curves: Curves,
    ours: Sequence[str],
    others: Sequence[str],
    *,
    question: str,
    claim: str,
    summed: bool = False,
) -> Answer:
    """Whether several together are better than several others, as the mean of all budgets.

    They are averaged, or added where ``summed``: the first's lead and the second's lag.
    """
    whole = mean_lead(curves, ours, others, factor=len(ours) if summed else 1)
    return Answer(question, verdict_on(whole), f"Gain {whole.signed()}.", claim)


def mean_lead(
    curves: Curves, ours: Sequence[str], others: Sequence[str], *, factor: float = 1
) -> Estimate:
    """The mean of some less the mean of others, over their budgets, so that more is better."""
    turn = -1 if curves.task.metrics[curves.task.headline].lower_is_better else 1
    budgets = curves.budgets_of(*ours, *others)
    return curves.contrast(
        [
            (factor * turn * sign / len(names) / len(budgets), (name, budget), (MEAN,))
            for sign, names in ((1, ours), (-1, others))
            for name in names
            for budget in budgets
        ]
    )


def is_better_in_every_metric(curves: Curves, ours: str, other: str, *, claim: str) -> Answer:
    """Whether the mean gain over all budgets is there in each metric of the task."""
    metrics = curves.task.metrics
    wholes = {name: curves.mean_gain(ours, other, name) for name in metrics}
    text = ", in ".join(f"{metrics[name].label} {gain.signed()}" for name, gain in wholes.items())
    return Answer(
        f"Is “{ours}” better than “{other}” in every metric?",
        verdict_on_all(list(wholes.values())),
        f"Gain in {text}.",
        claim,
    )


def score(curves: Curves, label: str, budget: int, metric: str, *, output: str = MEAN) -> Cell:
    """A metric of one system; a dash where it was not fitted, or the metric does not exist."""
    if not curves.has(label, budget):
        return NOTHING
    return _or_nothing(curves.estimate(label, budget, metric, output=output))


def gain(
    curves: Curves, ours: str, other: str, *, budget: int, metric: str, output: str = MEAN
) -> Cell:
    """How much better one is; a dash where one of them was not fitted."""
    if not (curves.has(ours, budget) and curves.has(other, budget)):
        return NOTHING
    found = curves.gain(ours, other, budget=budget, metric=metric, outputs=(output,))
    return _or_nothing(found)


def _gain_in_words(curves: Curves, ours: str, other: str, metric: str) -> str:
    if ours == other or not curves.budgets_of(ours, other):
        return NOTHING
    return curves.mean_gain(ours, other, metric).signed()


def _or_nothing(estimate: Estimate) -> Cell:
    return NOTHING if math.isnan(estimate.value) else estimate


def _chance(curves: Curves, metric: str) -> list[Row]:
    if (chance := curves.chance(metric)) is None:
        return []
    cells = (decimal(chance),) * len(curves.budgets)
    return [Row("chance (uniform guesses)", cells, is_floor=True)]
