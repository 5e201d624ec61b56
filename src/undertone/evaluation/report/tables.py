"""The tables of a result, for the page and for a terminal.

In:  ``CurveResult``.
Out: ``Table``s of ``Estimate``s and words.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from undertone.evaluation.curves import Key
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.many import p_values_against, say_p, taken_together
from undertone.evaluation.report.gaps import meet, say_meet
from undertone.evaluation.report.paper import Published, say_range, series
from undertone.evaluation.report.result import Compared, CurveResult, Pair
from undertone.tasks import AMOUNTS, MEAN

Cell = Estimate | str
NOTHING = "–"
CHANCE = "chance"  # in the place of a system's name

WORTHS = {  # what a contrast is about, and how its table is read
    "a teacher": "Above zero the taught student is better, on the same labels, draws and test "
    "{unit}s. Part of what teaching gains is one more round of self-training: what a student keeps "
    "of its teacher is to be read against the better of the teacher and the teacher taught by "
    "itself.",
    "self-training": "Above zero the crowd's guesses help, on the same labels, draws and test "
    "{unit}s. Fits that were not self-trained, because their crowd sounds like another mix of "
    "emotions than the labels, are in it with a difference of about 0.",
    "training the encoder": "Above zero an encoder that was trained on the labels is better than "
    "means of its layers as they are, on the same labels, draws and test {unit}s; where an "
    "interval holds 0, training it is not shown to be worth its time.",
    "words": "Above zero words help, on the same labels, draws and test {unit}s. What is gained "
    "over the voice alone and not over somebody else's words is none of the words'.",
}


@dataclass(frozen=True)
class Row:
    """Cells behind a name.

    Attributes:
        name: what people read.
        cells: as many as the table has headings after the first.
        system: whose row it is; ``CHANCE``, or empty where it is nobody's.
        is_floor: whether it needs no speech.
        is_part: whether it is a part of the row above.
        best: columns, counted from 0, of which this row holds the best cell.
        near: columns whose best cell this row's cannot be told from.
    """

    name: str
    cells: tuple[Cell, ...]
    system: str = ""
    is_floor: bool = False
    is_part: bool = False
    best: tuple[int, ...] = ()
    near: tuple[int, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows under headings; the first heading stands above the names of the rows.

    Attributes:
        title: of the whole.
        headings: of the columns.
        rows: from top to bottom.
        hint: a sentence or two on how to read it.
        signed: whether a plus is written.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    hint: str = ""
    signed: bool = False


def along_budgets(result: CurveResult, metric: str | None = None) -> Table:
    """One metric of every system at every budget, the best of each marked, and chance."""
    curves, metric = result.curves, metric or result.task.headline
    names = [system.name for system in result.systems]
    best = [curves.best(names, budget, metric) for budget in curves.budgets]
    rows = [
        _row(
            system,
            [_estimate(result, (system.name, budget), metric) for budget in curves.budgets],
            best=tuple(i for i, name in enumerate(best) if name == system.name),
        )
        for system in result.systems
    ]
    if (chance := curves.chance(metric)) is not None:
        cells = (decimal(chance),) * len(curves.budgets)
        rows.append(Row("chance (uniform guesses)", cells, system=CHANCE, is_floor=True))
    if (rater := result.ceiling) is not None and not math.isnan(rater.metrics[metric].value):
        rows.append(Row(rater.what, (rater.metrics[metric],) * len(curves.budgets), is_floor=True))
    label = result.task.metrics[metric].label
    return Table(
        title=result.task.metrics[metric].description or label,
        headings=(f"{label} with … labels", *map(str, curves.budgets)),
        rows=tuple(rows),
    )


def leading(result: CurveResult) -> Table:
    """The three systems that tell most, what needs no speech, and chance, along the budgets."""
    whole, shown = along_budgets(result), result.leading
    rows = [row for row in whole.rows if row.system in shown or row.is_floor]
    rows.sort(key=lambda row: shown.index(row.system) if row.system in shown else len(shown))
    return replace(whole, rows=tuple(rows))


def lead(result: CurveResult) -> Table | None:
    """How much better the recommended system is than every other, paired; None without one."""
    curves, budget = result.curves, result.budgets[-1]
    if (advice := result.advice) is None:
        return None
    others = [system for system in result.systems if system.name != advice.system]
    p_values = p_values_against(curves, advice.system, [s.name for s in others], budget=budget)
    by_label = {result.label(name): p for name, p in p_values.items()}
    together = taken_together(by_label, budget=budget) if p_values else ""
    return Table(
        title=f"{result.label(advice.system)} against every other system",
        headings=(
            f"{result.label(advice.system)} over …, {result.headline.label}",
            *map(str, curves.budgets),
            f"p with {budget}, Holm",
        ),
        rows=tuple(
            _row(
                other,
                [
                    *(_gain(result, (advice.system, other.name), b) for b in curves.budgets),
                    say_p(p_values[other.name]) if other.name in p_values else NOTHING,
                ],
            )
            for other in others
        ),
        hint="Above zero the recommended system is better. The differences are paired: same "
        f"labels, same test {result.unit}s, same resampling. {together}",
        signed=True,
    )


def contrasts(result: CurveResult) -> tuple[Table, ...]:
    """What teachers and words are worth, paired; a table of each that systems are compared on."""
    subjects = dict.fromkeys(contrast.about for contrast in result.contrasts)
    return tuple(_contrasts(result, about) for about in subjects)


def _contrasts(result: CurveResult, about: str) -> Table:
    """The mean of the outputs; of amounts that words tell also each of them."""
    curves, hint = result.curves, WORTHS[about].format(unit=result.unit)
    by_output = result.task.outputs if about == "words" and result.task.kind == AMOUNTS else ()
    return Table(
        title=f"What {about} {'are' if about == 'words' else 'is'} worth",
        headings=(f"gain in {result.headline.label} over …", *map(str, curves.budgets)),
        rows=tuple(
            Row(
                f"{result.label(c.ours)} over {c.label}{f', {output}' * (output != MEAN)}",
                tuple(_gain(result, (c.ours, c.other), b, output=output) for b in curves.budgets),
                system=c.other,
            )
            for c in result.contrasts
            if c.about == about
            for output in (MEAN, *by_output)
        ),
        hint=hint,
        signed=True,
    )


def differences(result: CurveResult, metric: str | None = None) -> Table:
    """How much better the pre-trained systems are than from scratch, and what that is worth."""
    curves, metric = result.curves, metric or result.task.headline
    label, is_headline = result.task.metrics[metric].label, metric == result.task.headline
    headings, columns = [], []
    for pair, worths in result.worths:
        both = (pair.pretrained, pair.scratch)
        meeting = say_meet(meet(curves, *both, metric), curves.budgets_of(*both)) if worths else ""
        headings.append(_over(result, pair))
        columns.append([*(_gain(result, both, b, metric) for b in curves.budgets), meeting])
        if is_headline:
            phrases = {worth.budget: worth.phrase() for worth in worths}
            headings.append("worth, in labels")
            columns.append([*(phrases.get(b, NOTHING) for b in curves.budgets), ""])
    names = [*map(str, curves.budgets), "the curves meet"]
    return Table(
        title=f"Gain in {label} over the network without pre-training, paired",
        headings=("labels", *headings),
        rows=tuple(Row(n, tuple(cells)) for n, *cells in zip(names, *columns, strict=True)),
        hint="Above zero the pre-trained system is better. Curves meet from the budget on from "
        "which no interval excludes zero."
        if is_headline
        else "",
        signed=True,
    )


def by_output(result: CurveResult, metric: str | None = None) -> Table:
    """One metric of every system, output by output."""
    task, metric, budget = result.task, metric or result.task.headline, result.budget
    what = task.metrics[metric].of_output
    return Table(
        title=f"{what[:1].upper()}{what[1:]} by {task.each}, with {budget} labels",
        headings=(what, *task.outputs),
        rows=tuple(
            _row(s, [_estimate(result, (s.name, budget), metric, o) for o in task.outputs])
            for s in result.systems
            if result.curves.has(s.name, budget)
        ),
    )


def by_output_along(result: CurveResult, metric: str) -> Table:
    """One metric of every system at every budget, of the mean and then output by output."""
    task, curves = result.task, result.curves
    what = task.metrics[metric].of_output
    of_mean = along_budgets(result, metric)
    nothing = ("",) * len(curves.budgets)
    rows = [Row("all", nothing)]
    rows += [replace(row, is_part=True, best=()) for row in of_mean.rows]
    for output in task.outputs:
        rows.append(Row(output, nothing))
        for system in result.systems:
            cells = [_estimate(result, (system.name, b), metric, output) for b in curves.budgets]
            rows.append(replace(_row(system, cells), is_part=True))
    return Table(
        title=f"{what[:1].upper()}{what[1:]} by {task.each}, along the labels",
        headings=(f"{what} with … labels", *map(str, curves.budgets)),
        rows=tuple(rows),
    )


def gains_by_output(result: CurveResult, pair: Pair, metric: str | None = None) -> Table:
    """The gain of a pre-trained system over scratch, output by output, along the budgets."""
    both, outputs = (pair.pretrained, pair.scratch), result.task.outputs
    asked = result.task.metrics[metric or result.task.headline]
    what = asked.of_output or asked.label
    return Table(
        title=f"Gain in {what} by {result.task.each}: {_over(result, pair)}",
        headings=("labels", *outputs),
        rows=tuple(
            Row(str(b), tuple(_gain(result, both, b, metric, output=output) for output in outputs))
            for b in result.curves.budgets_of(*both)
        ),
        signed=True,
    )


def of_the_paper(result: CurveResult) -> Iterator[Table]:
    """Every metric of the paper by output along the budgets, and what its system gains in it.

    The gains are over the network without pre-training, and over the control that decides whether
    it is pre-training that helps: the same network, kept as it is, with random weights.
    """
    assert result.paper is not None
    claims = result.paper.claims
    ours = [pair for pair in result.pairs if pair.pretrained == claims.pretrained[0]]
    pairs = [pair for pair in ours if pair.scratch in (claims.scratch, claims.control)]
    metrics = result.task.metrics
    for metric in claims.metrics_of(result.task):
        if metrics[metric].of_output and len(result.task.outputs) > 1:
            yield by_output_along(result, metric)
            yield from (gains_by_output(result, pair, metric) for pair in pairs)


def beside_published(result: CurveResult) -> Table:
    """Published, ours, floors: what the paper reports by output, then what no constant wins."""
    published, budget = result.paper.claims.published if result.paper else (), result.budget
    shown = [s for s in result.systems if s.kind != "control"]
    won = [metric.label for metric in result.task.metrics.values() if metric.a_constant_wins]
    floors = f"A constant can win in {series(won)}." if won else ""
    task, reported = result.task, {result.task.headline, *(p.metric for p in published)}
    parts = [
        (metric, output)
        for metric, of in task.metrics.items()
        if metric in reported or not of.a_constant_wins
        for output in (MEAN, *(task.outputs if metric in reported else ()))
    ]
    return Table(
        title=f"Published, ours and floors, with {budget} labels",
        headings=("", "published: pre-trained", "published: scratch", *(s.label for s in shown)),
        rows=tuple(
            Row(
                task.metrics[metric].label if output == MEAN else output,
                (
                    *_published(published, metric, output),
                    *(_estimate(result, (s.name, budget), metric, output) for s in shown),
                ),
                is_part=output != MEAN,
            )
            for metric, output in parts
        ),
        hint=f"Means of all, then {task.each} by {task.each}. {floors}",
    )


def _published(numbers: Sequence[Published], metric: str, output: str) -> tuple[str, str]:
    """What the paper gives for its two systems; a range over outputs stands beside each."""
    for published in numbers:
        if published.metric == metric and published.each_output == (output != MEAN):
            return say_range(published.pretrained), say_range(published.scratch)
    return NOTHING, NOTHING


def _row(system: Compared, cells: Sequence[Cell], best: tuple[int, ...] = ()) -> Row:
    is_floor = system.kind == "floor"
    return Row(system.label, tuple(cells), system.name, is_floor=is_floor, best=best)


def _over(result: CurveResult, pair: Pair) -> str:
    return f"{result.label(pair.pretrained)} over {result.label(pair.scratch)}"


def _estimate(result: CurveResult, key: Key, metric: str, output: str = MEAN) -> Cell:
    if not result.curves.has(*key):
        return NOTHING
    estimate = result.curves.estimate(*key, metric, output=output)
    return NOTHING if math.isnan(estimate.value) else estimate


def _gain(
    result: CurveResult,
    both: tuple[str, str],
    budget: int,
    metric: str | None = None,
    *,
    output: str = MEAN,
) -> Cell:
    """Of the first over the second, where both were fitted."""
    if budget not in result.curves.budgets_of(*both):
        return NOTHING
    gain = result.curves.gain(*both, budget=budget, metric=metric, outputs=(output,))
    return NOTHING if math.isnan(gain.value) else gain
