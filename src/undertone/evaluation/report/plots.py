"""Learning curves as pictures: for the report (SVG that follows the page's theme) and as PNG.

In:  ``CurveResult``.
Out: a matplotlib ``Figure``; text of an inline ``<svg>``; a PNG file.

Colours are those of Okabe & Ito (2008), which colour-blind readers tell apart; every system also
has its own marker, and every kind of system its own line. In the SVG each colour becomes a CSS
variable with that colour as fallback, so that one picture serves light and dark pages.
"""

import contextlib
import io
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from undertone.errors import printable
from undertone.evaluation.estimate import decimal
from undertone.evaluation.report.result import Compared, CurveResult
from undertone.evaluation.worth import rising

INK, FAINT, PAPER = "#1b1f24", "#d5d9de", "#fcfcfb"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#7a5fb5")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚", "✖", "◀")
HOLLOW = ("○", "□", "△", "◇", "▽", "＋", "×", "◁")
LINES = {"pretrained": "-", "scratch": "--", "control": "-.", "classic": ":", "floor": ":"}
FLOOR = "#6b7178"
VARIABLES = {INK: "ink", FAINT: "faint", FLOOR: "muted", PAPER: "paper"} | {
    colour: f"series-{i}" for i, colour in enumerate(SERIES)
}


@dataclass(frozen=True)
class Style:
    """How a system looks everywhere: line, marker, the same sign in text, CSS variable."""

    colour: str
    marker: str
    glyph: str
    line: str

    @property
    def variable(self) -> str:
        return VARIABLES[self.colour]


CHANCE = Style(FLOOR, "", "┈", ":")


def styles(systems: tuple[Compared, ...]) -> dict[str, Style]:
    """A style for each system; floors share one."""
    looks: dict[str, Style] = {}
    for system in systems:
        if system.kind == "floor":
            looks[system.name] = Style(FLOOR, "", "┄", LINES["floor"])
        else:
            i = sum(style.marker != "" for style in looks.values()) % len(SERIES)
            looks[system.name] = Style(SERIES[i], MARKERS[i], GLYPHS[i], LINES[system.kind])
    return looks


def curve_figure(result: CurveResult, *, metric: str | None = None, narrow: bool = False) -> Figure:
    """A metric of every system, by default the headline, against the number of labels.

    Pre-trained systems and their twins from scratch have bands; the others bars, so that the
    picture stays legible. Names stand beside the lines, or nowhere in a narrow figure.
    """
    figure, axes = empty((4.4, 4.2) if narrow else (9.6, 5.2))
    looks = styles(result.systems)
    ends = [
        _draw_system(axes, result, system, style=looks[system.name], metric=metric)
        for system in result.systems
    ]
    if (chance := result.curves.chance(metric)) is not None:
        axes.axhline(chance, color=FLOOR, linewidth=1, linestyle=(0, (1, 2)))
        ends.append((chance, "chance", FLOOR))
    _label_axes(axes, result.curves.budgets, axis_label(result, metric))
    if not narrow:
        label_ends(axes, [end for end in ends if math.isfinite(end[0])])
    return figure


def difference_figure(result: CurveResult, *, narrow: bool = False) -> Figure:
    """Paired gain of pre-trained over scratch, against the number of labels."""
    figure, axes = empty((4.4, 3.2) if narrow else (9.6, 3.4))
    looks, seen = styles(result.systems), set()
    ends = []
    for i, (pair, worths) in enumerate(result.worths):
        shift = 1.02 ** (i - (len(result.worths) - 1) / 2)  # side by side, not on top
        look = looks[pair.pretrained]
        x = [worth.budget * shift for worth in worths]
        gains = [worth.difference for worth in worths]
        axes.vlines(
            x, [e.low for e in gains], [e.high for e in gains], color=look.colour, linewidth=2
        )
        values = [e.value for e in gains]
        fill = PAPER if pair.pretrained in seen else look.colour  # hollow: against another
        seen.add(pair.pretrained)
        axes.plot(x, values, look.marker, color=look.colour, markersize=7, markerfacecolor=fill)
        label = pair.label or result.label(pair.pretrained)
        ends.extend([(values[-1], label, look.colour)] if values else [])
    axes.axhline(0, color=INK, linewidth=1)
    _label_axes(axes, result.curves.budgets, f"gain in {result.headline.label}", signed=True)
    if not narrow:
        label_ends(axes, ends)
    return figure


def axis_label(result: CurveResult, metric: str | None = None) -> str:
    """The metric's, and which way is better where more is not."""
    shown = result.task.metrics[metric or result.task.headline]
    return f"{shown.label} (lower is better)" if shown.lower_is_better else shown.label


def pair_glyphs(result: CurveResult) -> tuple[str, ...]:
    """The sign of each pair: its pre-trained system's, hollow where that one occurs again."""
    looks, names = styles(result.systems), [pair.pretrained for pair in result.pairs]
    solid = [looks[name].glyph for name in names]
    return tuple(
        HOLLOW[GLYPHS.index(glyph)] if name in names[:i] else glyph
        for i, (name, glyph) in enumerate(zip(names, solid, strict=True))
    )


def svg(figure: Figure, description: str) -> str:
    """An inline ``<svg>`` without links, ids or fonts of its own; the same bytes every time."""
    buffer = io.StringIO()
    with _drawing({"svg.fonttype": "none", "svg.hashsalt": "undertone"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"font: ((?:\w+ )*)([\d.]+)px [^;\"]*", r"font-size: \2px", text)
    text = re.sub(r"font-family: [^;\"]*;?", "", text)  # the page's own
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable}, {colour})")
    label = description.replace("&", "and").replace('"', "'").replace("<", "less than ")
    text = re.sub(r'(<svg) width="[^"]*" height="[^"]*"', r"\1", text, count=1)
    return re.sub(r"<svg", f'<svg role="img" aria-label="{label}"', text, count=1)


def png(result: CurveResult) -> bytes:
    """The curve alone, with a title that says where the voices come from."""
    figure, buffer = curve_figure(result), io.BytesIO()
    voices = " · synthetic voices" if result.synthetic else ""
    title = printable(f"{result.title}{voices}")
    figure.suptitle(title, x=0.02, ha="left", fontsize=12, color=INK, parse_math=False)
    with _drawing({}):
        figure.savefig(
            buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None}
        )
    return buffer.getvalue()


@contextlib.contextmanager
def _drawing(settings: Any) -> Iterator[None]:
    """A name in letters that the font lacks is drawn as boxes, and costs no more than that."""
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        warnings.filterwarnings("ignore", "Matplotlib currently does not support")
        yield


def _draw_system(
    axes: Axes, result: CurveResult, system: Compared, *, style: Style, metric: str | None
) -> tuple[float, str, str]:
    """Line, marker and interval; returns what stands at the line's end."""
    budgets = result.curves.budgets_of(system.name)
    x = np.array(budgets) * _shift(result, system)
    estimates = [result.curves.estimate(system.name, budget, metric) for budget in budgets]
    values, low, high = zip(*((e.value, e.low, e.high) for e in estimates), strict=True)
    if system.kind in _banded(result):
        axes.fill_between(x, low, high, color=style.colour, alpha=0.14, linewidth=0)
    elif system.kind != "floor":
        axes.vlines(x, low, high, color=style.colour, linewidth=1.2, alpha=0.75)
    axes.plot(
        x,
        values,
        color=style.colour,
        linestyle=style.line,
        linewidth=1 if system.kind == "floor" else 2,
        marker=style.marker or None,
        markersize=6,
    )
    return values[-1], system.label, style.colour


def _shift(result: CurveResult, system: Compared) -> float:
    """Systems with bars stand side by side, within a few per cent of their budget."""
    banded = {*_banded(result), "floor"}
    barred = [other.name for other in result.systems if other.kind not in banded]
    if system.name not in barred:
        return 1.0
    return 1.03 ** (barred.index(system.name) - (len(barred) - 1) / 2)


def _banded(result: CurveResult) -> tuple[str, ...]:
    """Kinds of systems that are drawn with a band; one budget has none."""
    return ("pretrained", "scratch") if len(result.curves.budgets) > 1 else ()


def empty(size_inches: tuple[float, float]) -> tuple[Figure, Axes]:
    """A figure whose axes are drawn as on every page."""
    figure = Figure(figsize=size_inches, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, length=0, labelsize=11)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.yaxis.label.set_color(INK)
    axes.xaxis.label.set_color(INK)
    return figure, axes


def _label_axes(axes: Axes, budgets: tuple[int, ...], ylabel: str, *, signed: bool = False) -> None:
    axes.set_xscale("log")
    axes.set_xlim(budgets[0] / 1.15, budgets[-1] * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(list(budgets)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.set_xlabel("labels, validation included", fontsize=11)
    axes.set_ylabel(ylabel, fontsize=11)
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda y, _: decimal(y, signed=signed)[:-1].replace("-", "−"))
    )


def label_ends(axes: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Names at the right of the lines, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    height_inches = axes.bbox.height / axes.figure.dpi
    gap = (high - low) * 0.2 / height_inches
    together = _merge(ends, closer_than=(high - low) * 0.005)
    steps = gap * np.arange(len(together))
    places = rising(np.array([y for y, _, _ in together]) - steps) + steps
    for at, (_, label, colour) in zip(places, together, strict=True):
        axes.annotate(
            label,
            xy=(1, at),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=11,
            parse_math=False,
        )


def _merge(
    ends: list[tuple[float, str, str]], *, closer_than: float
) -> list[tuple[float, str, str]]:
    """Floors that meet share one name; sorted from low to high."""
    floors = sorted(end for end in ends if end[2] == FLOOR)
    others = [end for end in ends if end[2] != FLOOR]
    if floors and floors[-1][0] - floors[0][0] < closer_than:
        floors = [(floors[0][0], ", ".join(label for _, label, _ in floors), FLOOR)]
    return sorted(others + floors)
