"""Learning curves as pictures: for the report (SVG that follows the page's theme) and as files.

In:  ``CurveResult``.
Out: a matplotlib ``Figure``; text of an inline ``<svg>``; a PNG, a PDF, an SVG file.

The colours are told apart by readers with deuteranopia, too, and are dark enough for text; every
system also has its own marker, and every kind of system its own line. In the page's SVG each colour
becomes a CSS variable with that colour as fallback, so that one picture serves light and dark
pages. Intervals are bars, and systems stand side by side so that none hides another.
"""

import contextlib
import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from undertone.errors import printable
from undertone.evaluation.estimate import decimal
from undertone.evaluation.report.result import N_LEADING, Compared, CurveResult
from undertone.evaluation.worth import rising

INK, FAINT, PAPER = "#1b1f24", "#d5d9de", "#fcfcfb"
SERIES = ("#0068a5", "#c04f00", "#00805c", "#a53f98", "#796021", "#3954fd", "#4d0c2e", "#4c4abe")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚", "✖", "◀")
HOLLOW = ("○", "□", "△", "◇", "▽", "＋", "×", "◁")
ALL_MARKERS = (*MARKERS, ">", "*", "h", "p")  # of more systems than there are colours
ALL_GLYPHS = (*GLYPHS, "▶", "★", "⬢", "⬟")
ALL_HOLLOW = (*HOLLOW, "▷", "☆", "⬡", "⬠")
LINES = {"pretrained": "-", "scratch": "--", "control": "-.", "classic": ":", "floor": ":"}
FLOOR = "#6b7178"
LETTER_INCHES = 0.088  # of a name beside a line, on average
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


def styles(systems: Sequence[Compared], first: Sequence[str] = ()) -> dict[str, Style]:
    """A style for each system, the first colours for those named first; floors share one."""
    coloured = [system.name for system in systems if system.kind != "floor"]
    rank = {name: i for i, name in enumerate(dict.fromkeys([*first, *coloured]))}
    looks: dict[str, Style] = {}
    for system in systems:
        if system.kind == "floor":
            looks[system.name] = Style(FLOOR, "", "┄", LINES["floor"])
        else:
            i = rank[system.name]
            colour = i if i < len(SERIES) else N_LEADING + (i % (len(SERIES) - N_LEADING))
            marker, glyph = ALL_MARKERS[i % len(ALL_MARKERS)], ALL_GLYPHS[i % len(ALL_GLYPHS)]
            looks[system.name] = Style(SERIES[colour], marker, glyph, LINES[system.kind])
    return looks


def curve_figure(
    result: CurveResult,
    *,
    metric: str | None = None,
    narrow: bool = False,
    only: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """A metric against the number of labels, by default the headline, of all systems.

    Names stand beside the lines, or nowhere in a narrow figure.

    Args:
        result: of a run.
        metric: name; the headline.
        narrow: for a narrow page.
        only: names of the systems that are drawn beside the floors.
        title: above the whole.
    """
    size = (9.6, 5.2) if only is None else (7.0, 4.2)
    figure, axes = empty((4.4, 4.2) if narrow else size, layout=None)
    looks = styles(result.systems, result.leading)
    shown = [s for s in result.systems if only is None or s.kind == "floor" or s.name in only]
    barred = [system.name for system in shown if system.kind != "floor"]
    ends = [
        _draw_system(
            axes,
            result,
            system,
            style=looks[system.name],
            metric=metric,
            shift=_shift(system.name, barred),
        )
        for system in shown
    ]
    if (chance := result.curves.chance(metric)) is not None:
        axes.axhline(chance, color=FLOOR, linewidth=1, linestyle=(0, (1, 2)))
        ends.append((chance, "chance", FLOOR))
    _label_axes(axes, result.curves.budgets, axis_label(result, metric))
    if not narrow:
        label_ends(axes, [end for end in ends if math.isfinite(end[0])])
    if title:
        figure.suptitle(title, x=0.02, ha="left", fontsize=12, color=INK, parse_math=False)
    _place(figure, axes, top=0.5 if title else 0.12)
    return figure


def _place(figure: Figure, axes: Axes, *, top: float) -> None:
    """Leave room, in inches, for labels and names: quicker than to measure what is drawn."""
    width, height = figure.get_size_inches()
    longest = max((len(text.get_text()) for text in axes.texts), default=0)
    right = LETTER_INCHES * longest + 0.15
    figure.subplots_adjust(
        left=0.75 / width, right=1 - right / width, bottom=0.6 / height, top=1 - top / height
    )


def difference_figure(result: CurveResult, *, narrow: bool = False) -> Figure:
    """Paired gain of pre-trained over scratch, against the number of labels."""
    figure, axes = empty((4.4, 3.2) if narrow else (9.6, 3.4))
    looks, seen = styles(result.systems, result.leading), set()
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
    looks, names = (
        styles(result.systems, result.leading),
        [pair.pretrained for pair in result.pairs],
    )
    solid = [looks[name].glyph for name in names]
    return tuple(
        ALL_HOLLOW[ALL_GLYPHS.index(glyph)] if name in names[:i] else glyph
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


FILES: dict[
    str, dict[str, Any]
] = {  # what lies beside the report, and how it is written the same every time
    "curve.png": {"dpi": 160, "metadata": {"Software": None}},
    "curve.svg": {"metadata": {"Date": None}},
    "curve.pdf": {"metadata": {"CreationDate": None, "ModDate": None}},
}


def file(result: CurveResult, name: str) -> bytes:
    """The curve alone, with a title that says where the voices come from; a key of ``FILES``."""
    voices = " · synthetic voices" if result.synthetic else ""
    figure = curve_figure(result, title=printable(f"{result.title}{voices}"))
    buffer = io.BytesIO()
    with _drawing({"svg.hashsalt": "undertone", "pdf.compression": 1}):
        figure.savefig(buffer, format=name.rpartition(".")[2], facecolor="white", **FILES[name])
    return buffer.getvalue()


@contextlib.contextmanager
def _drawing(settings: Any) -> Iterator[None]:
    """A name in letters that the font lacks is drawn as boxes, and costs no more than that."""
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        warnings.filterwarnings("ignore", "Matplotlib currently does not support")
        yield


def _draw_system(
    axes: Axes,
    result: CurveResult,
    system: Compared,
    *,
    style: Style,
    metric: str | None,
    shift: float,
) -> tuple[float, str, str]:
    """Line, marker and bars; returns what stands at the line's end."""
    budgets = result.curves.budgets_of(system.name)
    x = np.array(budgets) * shift
    estimates = [result.curves.estimate(system.name, budget, metric) for budget in budgets]
    values, low, high = zip(*((e.value, e.low, e.high) for e in estimates), strict=True)
    is_floor = system.kind == "floor"
    if not is_floor:
        axes.vlines(x, low, high, color=style.colour, linewidth=1.6)
    axes.plot(
        x,
        values,
        color=style.colour,
        linestyle=style.line,
        linewidth=1 if is_floor else 2,
        marker=style.marker or None,
        markersize=6,
    )
    return values[-1], system.label, style.colour


def _shift(name: str, barred: Sequence[str]) -> float:
    """Systems with bars stand side by side, within a few per cent of their budget."""
    if name not in barred:
        return 1.0
    return 1.025 ** (barred.index(name) - (len(barred) - 1) / 2)


def empty(
    size_inches: tuple[float, float], layout: Literal["constrained"] | None = "constrained"
) -> tuple[Figure, Axes]:
    """A figure whose axes are drawn as on every page."""
    figure = Figure(figsize=size_inches, layout=layout)
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
