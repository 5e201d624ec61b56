"""The report of a sweep: one HTML file that opens anywhere, offline.

In:  ``CurveResult``.
Out: ``report.html`` (styles and pictures inside, no script, no address is fetched) and
     ``curve.png`` beside it.

The numbers come from ``Curves``; the sentences from ``summary``; the template only lays them out.
"""

import math
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from undertone.evaluation import plots
from undertone.evaluation.classes import LABELS
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.intervals import tail_probability
from undertone.evaluation.results import CurveResult, System
from undertone.evaluation.summary import summarise

LONG_LABELS = {
    "uar": "UAR, unweighted average recall (balanced accuracy)",
    "wa": "WA, weighted accuracy (share of utterances that are right)",
    "macro_f1": "macro-F1",
}


def write_report(result: CurveResult, path: Path) -> None:
    """Write the page at ``path`` and ``curve.png`` beside it; each is whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = path.with_name("curve.png")
    partial = picture.with_name("curve.png.partial")
    plots.save_png(result, partial)
    os.replace(partial, picture)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(render(result), encoding="utf-8")
    os.replace(partial, path)


def render(result: CurveResult) -> str:
    """The page as text."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["minus"] = _minus
    template = environment.from_string(_package_text("report.html"))
    return template.render(_context(result))


def _context(result: CurveResult) -> dict[str, Any]:
    curves = result.curves
    return {
        "result": result,
        "curves": curves,
        "css": Markup(_package_text("report.css")),
        "summary": summarise(result),
        "synthetic_names": ", ".join(s.name for s in result.sources if s.synthetic),
        "looks": plots.styles(result.systems),
        "figures": _figures(result),
        "tables": {metric: _metric_rows(result, metric) for metric in LABELS},
        "labels": LABELS,
        "long_labels": LONG_LABELS,
        "pairs": result.worths,
        "leads": [(s, _leads(result, s)) for s in result.systems if s.recommended],
        "pair_glyphs": plots.pair_glyphs(result),
        "chosen": _main_systems(result),
        "recalls": _recall_rows(result),
        "matrices": _matrices(result),
        "left_out": _cells(result.left_out),
        "pretraining": _cells(result.pretraining),
        "tail_percent": f"{100 * tail_probability(max(curves.n_speakers, 2)):.1f}",
        "total_seconds": sum(result.seconds.values()),
        "decimal": decimal,
        "duration": _duration,
    }


def _figures(result: CurveResult) -> dict[str, Markup]:
    """The two pictures, each for a wide page and for a narrow one."""
    curve = (
        f"UAR against the number of labels for {len(result.systems)} systems; the numbers are in "
        "the table below"
    )
    found = {
        "curve": plots.svg(plots.curve_figure(result), curve),
        "curve_narrow": plots.svg(plots.curve_figure(result, narrow=True), curve),
    }
    if any(worths for _, worths in result.worths):
        text = "Paired difference in UAR, pre-trained minus scratch; the numbers are in the table"
        found["difference"] = plots.svg(plots.difference_figure(result), text)
        found["difference_narrow"] = plots.svg(plots.difference_figure(result, narrow=True), text)
    return {name: Markup(text) for name, text in found.items()}


def _metric_rows(result: CurveResult, metric: str) -> list[tuple[Any, list[dict[str, Any]]]]:
    """(system, one cell a budget) with the best of each column marked."""
    curves = result.curves
    names = [system.name for system in result.systems]
    best = {budget: curves.best(names, budget, metric) for budget in curves.budgets}
    return [
        (
            system,
            [
                {
                    "estimate": curves.estimate(system.name, budget, metric)
                    if curves.has(system.name, budget)
                    else None,
                    "best": best[budget] == system.name,
                }
                for budget in curves.budgets
            ],
        )
        for system in result.systems
    ]


def _leads(result: CurveResult, ours: System) -> list[tuple[System, list[Estimate | None]]]:
    """(other system, how much ``ours`` lies above it at each budget, paired)."""
    curves = result.curves
    others = [system for system in result.systems if system is not ours]
    both = {other.name: curves.budgets_of(ours.name, other.name) for other in others}
    return [
        (
            other,
            [
                curves.difference(ours.name, other.name, budget=budget)
                if budget in both[other.name]
                else None
                for budget in curves.budgets
            ],
        )
        for other in others
    ]


def _main_systems(result: CurveResult) -> tuple[str, ...]:
    """The systems whose errors are shown: the pairs and the best classic one, at the end."""
    curves, budget = result.curves, result.curves.budgets[-1]
    paired = [name for pair in result.pairs for name in (pair.pretrained, pair.scratch)]
    classic = [name for name in result.of_kind("classic") if curves.has(name, budget)]
    best = [curves.best(classic, budget)] if classic else []
    there = [name for name in [*paired, *best] if curves.has(name, budget)]
    return tuple(dict.fromkeys(there))


def _recall_rows(result: CurveResult) -> list[tuple[str, list[Estimate]]]:
    """(emotion, recall of each main system) at the largest budget."""
    budget = result.curves.budgets[-1]
    found = [result.curves.recalls(name, budget) for name in _main_systems(result)]
    emotions = [emotion for emotion in result.emotions if found and emotion in found[0]]
    return [(emotion, [recalls[emotion] for recalls in found]) for emotion in emotions]


def _matrices(result: CurveResult) -> list[tuple[str, list[tuple[str, list[float | None]]]]]:
    """(system, (true emotion, share of each predicted emotion)) at the largest budget."""
    budget = result.curves.budgets[-1]
    found = []
    for name in _main_systems(result):
        counts = result.curves.confusion(name, budget)
        support = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, support, out=np.full(counts.shape, np.nan), where=support > 0)
        rows = [
            (emotion, [None if math.isnan(share) else float(share) for share in row])
            for emotion, row in zip(result.emotions, shares, strict=True)
        ]
        found.append((name, rows))
    return found


def _cells(table: pd.DataFrame) -> tuple[list[str], list[list[tuple[str, bool]]]]:
    """Headings and cells of a table given as it is; a cell is its text and whether a number."""
    headings = [str(column).replace("_", " ") for column in table.columns]
    rows = [
        [(_cell(value), isinstance(value, int | float | np.number)) for value in row]
        for row in table.itertuples(index=False)
    ]
    return headings, rows


def _cell(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "" if math.isnan(value) else f"{value:.4g}"
    return "" if value is None else str(value)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _minus(text: object) -> str:
    """A true minus sign where a hyphen stands for one; an interval stays on one line."""
    signed = str(text).replace("-.", "−.").replace("[-", "[−")
    return re.sub(r"(\[[−+.\d]+), ", "\\1,\N{NO-BREAK SPACE}", signed)


def _package_text(name: str) -> str:
    return files("undertone.evaluation").joinpath(name).read_text(encoding="utf-8")
