"""The picture of a shift: what labels of the tested corpus win back, beside those of others.

In:  ``Shift``.
Out: a matplotlib ``Figure`` with the numbers of labels side by side, evenly apart.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from undertone.evaluation.curves import Key
from undertone.evaluation.estimate import decimal
from undertone.evaluation.report.plots import FLOOR, SERIES, empty, label_ends
from undertone.evaluation.shift import ACROSS, INSIDE, MIXED, Shift

BESIDE, ALONE = SERIES[0], SERIES[1]


def shift_figure(shift: Shift, *, narrow: bool = False) -> Figure:
    """Beside the other corpora's labels, and alone; what inside and across give as lines."""
    figure, axes = empty((4.4, 3.6) if narrow else (9.6, 4.2))
    curves, names, ends = shift.curves, shift.names, []
    for arm, colour, marker, line in ((MIXED, BESIDE, "o", "-"), (INSIDE, ALONE, "s", "--")):
        numbers = [m for m in shift.back if curves.has(arm, m)]
        if not numbers:
            continue
        x = np.array([shift.back.index(m) for m in numbers])
        estimates = [curves.estimate(arm, m) for m in numbers]
        values = [e.value for e in estimates]
        low, high = [e.low for e in estimates], [e.high for e in estimates]
        axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)
        axes.plot(x, values, line, color=colour, linewidth=2, marker=marker, markersize=6)
        ends.append((values[-1], _names(shift)[arm], colour))
    lines: list[tuple[Key, str]] = [
        ((INSIDE, shift.at), f"{shift.at} of {names.tested}"),
        ((ACROSS, shift.at), f"{shift.at} of {names.taught}"),
    ]
    for key, text in lines:
        value = curves.estimate(*key).value
        axes.axhline(value, color=FLOOR, linewidth=1.2, linestyle=(0, (4, 2)))
        ends.append((value, text, FLOOR))
    axes.set_xlim(-0.15, len(shift.back) - 0.85)
    axes.xaxis.set_major_locator(FixedLocator(list(range(len(shift.back)))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: str(shift.back[round(x)])))
    metric = curves.task.metrics[curves.task.headline]
    lower = " (lower is better)" * metric.lower_is_better
    axes.set_xlabel(f"labels of {names.tested}, validation included", fontsize=11, parse_math=False)
    axes.set_ylabel(f"{metric.label}{lower}", fontsize=11)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: decimal(y)[:-1].replace("-", "−")))
    if not narrow:
        label_ends(axes, ends)
    return figure


def legend(shift: Shift) -> list[tuple[str, str, str]]:
    """(CSS variable, sign, text) of each line, for a narrow page."""
    names = shift.names
    return [
        ("series-0", "●", _names(shift)[MIXED]),
        ("series-1", "■", _names(shift)[INSIDE]),
        ("muted", "┄", f"{shift.at} of {names.tested} (inside), of {names.taught} (across)"),
    ]


def _names(shift: Shift) -> dict[str, str]:
    return {MIXED: f"beside {shift.at} of {shift.names.taught}", INSIDE: "alone"}
