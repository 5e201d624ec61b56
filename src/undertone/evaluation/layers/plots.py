"""Layers as pictures: a score against the layer, one line a budget, or one an output.

In:  ``LayersResult``.
Out: a matplotlib ``Figure``; PNG and SVG files.

Every line has its own colour, marker and dashes, so that one of the three will do. The best layer
of a line is filled, the others are hollow.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from undertone.evaluation.estimate import decimal
from undertone.evaluation.layers.profiles import Profile
from undertone.evaluation.layers.result import LayersResult
from undertone.evaluation.report import plots
from undertone.evaluation.report.plots import FLOOR, INK, PAPER, SERIES

MARKERS, GLYPHS = plots.MARKERS, plots.GLYPHS
DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    (0, ()),
    (0, (5, 2)),
    (0, (1, 1.5)),
    (0, (5, 2, 1, 2)),
    (0, (8, 3)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (2, 2)),
    (0, (8, 2, 2, 2)),
)
MOST_BARS = 5  # lines that may have intervals: more of them hide each other
LINES_ASIDE = 0.09  # layers between the bars of neighbouring lines


@dataclass(frozen=True)
class Line:
    """One line of a picture: what it is called, and the layers' scores."""

    label: str
    profile: Profile


def along_budgets(result: LayersResult, metric: str | None = None) -> list[Line]:
    """A line a budget, the most labels first, as they stand in the picture."""
    return [
        Line(f"{budget} labels", result.probes.profile(budget, metric))
        for budget in reversed(result.budgets)
    ]


def along_outputs(result: LayersResult) -> list[Line]:
    """A line an output, with the most labels."""
    return [
        Line(output, result.probes.profile(result.largest, output=output))
        for output in result.task.outputs
    ]


def figure(
    result: LayersResult,
    lines: Sequence[Line],
    *,
    metric: str | None = None,
    what: str = "",
    narrow: bool = False,
) -> Figure:
    """A score against the layer; ``what`` is the name of the score where it is not the metric's."""
    drawn, axes = plots.empty((4.4, 4.2) if narrow else (9.6, 5.0))
    ends = []
    for i, line in enumerate(lines):
        aside = LINES_ASIDE * (i - (len(lines) - 1) / 2)
        _draw(axes, line, number=i, aside=aside, barred=len(lines) <= MOST_BARS)
        ends.append((line.profile.scores[-1].value, line.label, SERIES[i % len(SERIES)]))
    if (chance := result.curve.curves.chance(metric)) is not None:
        axes.axhline(chance, color=FLOOR, linewidth=1, linestyle=(0, (1, 2)))
        ends.append((chance, "chance", FLOOR))
    axes.set_xlabel("layer (0: what enters the first one)", fontsize=11)
    axes.set_ylabel(what or plots.axis_label(result.curve, metric), fontsize=11)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8 if narrow else 26))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: decimal(y)[:-1].replace("-", "−")))
    if not narrow:
        plots.label_ends(axes, [end for end in ends if end[0] == end[0]])
    return drawn


def files(result: LayersResult) -> dict[str, bytes]:
    """The main picture by the name of its file, with a title that says whose layers they are."""
    drawn = figure(result, along_budgets(result))
    title = f"{result.curve.title}{' · synthetic voices' if result.curve.synthetic else ''}"
    drawn.suptitle(title, x=0.02, ha="left", fontsize=12, color=INK)
    contents = {}
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        buffer = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "undertone"}):
            drawn.savefig(buffer, format=kind, dpi=160, facecolor="white", metadata=metadata)
        contents[f"layers.{kind}"] = buffer.getvalue()
    return contents


def glyphs(
    result: LayersResult, lines: Sequence[Line], metric: str | None = None
) -> list[tuple[str, str, str]]:
    """(sign, CSS variable, label) of each line and of chance, for a legend."""
    chance = (plots.CHANCE.glyph, plots.CHANCE.variable, "chance")
    return [
        *(
            (GLYPHS[i % len(GLYPHS)], plots.VARIABLES[SERIES[i % len(SERIES)]], line.label)
            for i, line in enumerate(lines)
        ),
        *([] if result.curve.curves.chance(metric) is None else [chance]),
    ]


def _draw(axes: Axes, line: Line, *, number: int, aside: float, barred: bool) -> None:
    colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
    scores, best = line.profile.scores, line.profile.best
    x = [layer + aside for layer in range(len(scores))]
    y = [score.value for score in scores]
    if barred:
        low, high = [score.low for score in scores], [score.high for score in scores]
        axes.vlines(x, low, high, color=colour, linewidth=1.2, alpha=0.7)
    axes.plot(x, y, color=colour, linewidth=1.8, linestyle=DASHES[number % len(DASHES)])
    axes.plot(x, y, marker, color=colour, markersize=7, markerfacecolor=PAPER)
    axes.plot(x[best : best + 1], y[best : best + 1], marker, color=colour, markersize=8)
