"""The tables of a layer analysis, for the page and for a terminal.

In:  ``LayersResult``.
Out: ``Table``s whose rows are layers, from 0 up, and then what needs no single layer.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from undertone.evaluation.estimate import decimal
from undertone.evaluation.layers.profiles import Profile
from undertone.evaluation.layers.result import LayersResult
from undertone.evaluation.report.tables import NOTHING, Cell, Row, Table

BEST, NEAR = "*", "~"  # where type cannot be underlined


def scores(result: LayersResult, metric: str) -> Table:
    """A metric of every layer at every budget, of learned weights, floors and chance."""
    curves, budgets = result.curve.curves, result.budgets
    profiles = [result.probes.profile(budget, metric) for budget in budgets]
    others = (
        Row(
            system.label,
            tuple(
                curves.estimate(system.name, b, metric) if curves.has(system.name, b) else NOTHING
                for b in budgets
            ),
            is_floor=system.kind == "floor",
        )
        for system in result.others
        if curves.budgets_of(system.name)
    )
    shown = result.task.metrics[metric]
    return Table(
        title=shown.description or shown.label,
        headings=(f"{shown.label} with … labels", *map(str, budgets)),
        rows=(*_layers(result, profiles), *others, *_chance(result, metric)),
    )


def behind(result: LayersResult) -> Table:
    """How far each layer lies behind the best, paired, at every budget."""
    profiles = [result.probes.profile(budget) for budget in result.budgets]
    label = result.curve.headline.label
    return Table(
        title=f"Each layer less the best one, {label}, paired",
        headings=(f"{label} behind the best", *map(str, result.budgets)),
        rows=tuple(
            Row(
                f"layer {layer}",
                tuple(
                    "the best" if layer == profile.best else profile.behind[layer]
                    for profile in profiles
                ),
            )
            for layer in range(len(result.names))
        ),
        hint="Below zero a layer is worse. Same labels, same test "
        f"{result.curve.unit}s, same resampling. The intervals of a column hold together for all "
        "pairs of layers, since the best is picked after looking; an interval that holds zero "
        "leaves the comparison open.",
        signed=True,
    )


def by_output(result: LayersResult) -> Table:
    """The headline of every layer, output by output, with the most labels."""
    task, budget = result.task, result.largest
    profiles = [result.probes.profile(budget, output=output) for output in task.outputs]
    what = task.metrics[task.headline].of_output
    others = (
        Row(
            system.label,
            tuple(
                result.curve.curves.estimate(system.name, budget, output=o) for o in task.outputs
            ),
            is_floor=system.kind == "floor",
        )
        for system in result.others
        if result.curve.curves.has(system.name, budget)
    )
    return Table(
        title=f"{what[:1].upper()}{what[1:]} by {task.each}, with {budget} labels",
        headings=(what, *task.outputs),
        rows=(*_layers(result, profiles), *others),
    )


def from_depth(result: LayersResult) -> Table:
    """What each output gains from layer 0 to the layer that is best for it, at every budget."""
    task = result.task
    gains = {budget: result.probes.gains(budget) for budget in result.budgets}
    what = task.metrics[task.headline].of_output
    rows = []
    for position, output in enumerate(task.outputs):
        of_output = [gains[budget][position] for budget in result.budgets]
        rows.append(Row(output, tuple(gain.estimate for gain in of_output)))
        best = tuple(f"layer {gain.layer}" for gain in of_output)
        rows.append(Row("best layer", best, is_part=True))
    return Table(
        title=f"Gain in {what} from layer 0 to the best layer",
        headings=(f"{task.each}, with … labels", *map(str, result.budgets)),
        rows=tuple(rows),
        hint="Above zero the deeper layer is better. The best layer was picked after looking, so a "
        "gain is a little optimistic.",
        signed=True,
    )


def weights(result: LayersResult) -> Table:
    """The mean of the learned weights over fits, and the least and the largest."""
    budgets = sorted(result.weights)
    return Table(
        title="Learned weights over layers",
        headings=("weight with … labels", *map(str, budgets)),
        rows=tuple(
            Row(
                f"layer {layer}",
                tuple(_spread(result.weights[budget][:, layer]) for budget in budgets),
            )
            for layer in range(len(result.names))
        ),
        hint="Mean over the fits of all draws and folds (least to largest). A layer of weight 0 "
        "may still carry what the others repeat; differences between probes say more.",
    )


def for_terminal(table: Table) -> list[tuple[str, ...]]:
    """Rows of text; the best of a column has a star, what cannot be told from it a tilde."""
    return [
        (row.name, *(_text(row, column) for column in range(len(row.cells)))) for row in table.rows
    ]


def _layers(result: LayersResult, profiles: Sequence[Profile]) -> Iterator[Row]:
    for layer in range(len(result.names)):
        yield Row(
            f"layer {layer}",
            tuple(profile.scores[layer] for profile in profiles),
            best=tuple(i for i, profile in enumerate(profiles) if profile.best == layer),
            near=tuple(i for i, profile in enumerate(profiles) if layer in profile.near),
        )


def _chance(result: LayersResult, metric: str) -> Iterator[Row]:
    if (chance := result.curve.curves.chance(metric)) is not None:
        cells: tuple[Cell, ...] = (decimal(chance),) * len(result.budgets)
        yield Row("chance", cells, is_floor=True)


def _spread(values: np.ndarray) -> str:
    mean, least, largest = (decimal(float(f(values))) for f in (np.mean, np.min, np.max))
    return f"{mean} ({least} to {largest})"


def _text(row: Row, column: int) -> str:
    cell = row.cells[column]
    if isinstance(cell, str):
        return cell
    value, _, interval = str(cell).partition(" ")
    mark = BEST if column in row.best else NEAR if column in row.near else ""
    return f"{value}{mark} {interval}"
