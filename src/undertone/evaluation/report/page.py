"""The report of a run: one HTML file that opens anywhere, offline.

In:  ``CurveResult``, of any task.
Out: ``report.html`` (styles, pictures and sounds inside, no script, no address is fetched); beside
     it the curve as ``curve.png``, ``curve.svg`` and ``curve.pdf``, and ``report.json``, which
     holds the sentences and every table.

The numbers come from ``Curves`` by way of ``tables``; the sentences from ``verdict`` and
``claims``; the template only lays them out.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from undertone import atomic
from undertone.errors import printable
from undertone.evaluation.estimate import Difference, Estimate, decimal
from undertone.evaluation.intervals import tail_probability
from undertone.evaluation.report import plots, shift_plot, tables, voices
from undertone.evaluation.report.people import (
    about_sounds,
    address,
    tables_of_people,
    unknown,
)
from undertone.evaluation.report.picked import tables_of_picks
from undertone.evaluation.report.reliable import errors, tenths
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.shifts import sentences
from undertone.evaluation.report.shifts import tables as tables_of_shift
from undertone.evaluation.report.sure import details, sets
from undertone.evaluation.report.tables import Table
from undertone.evaluation.report.told import told
from undertone.evaluation.report.verdict import summarise
from undertone.evaluation.shift import Shift
from undertone.tasks import CHOICE


def write_report(result: CurveResult, path: Path) -> None:
    """Write the page at ``path`` and what lies beside it; each is whole or absent."""
    for name in plots.FILES:
        atomic.write_bytes(path.with_name(name), plots.file(result, name))
    content = json.dumps(told(result), indent=1, ensure_ascii=False)
    atomic.write_text(path.with_suffix(".json"), f"{content}\n")
    atomic.write_text(path, render(result))


def render(result: CurveResult) -> str:
    """The page as text."""
    return filled("report.html", _context(result))


def filled(template: str, context: Mapping[str, Any]) -> str:
    """A page of this folder, with what every page needs: styles, decimals, durations."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_package_text),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["minus"] = _minus
    environment.tests["estimate"] = lambda cell: isinstance(cell, Estimate)
    environment.tests["difference"] = lambda cell: isinstance(cell, Difference)
    always = {"css": Markup(_package_text("report.css")), "decimal": decimal, "duration": _duration}
    return environment.get_template(template).render(always | dict(context))


def of_method(result: CurveResult) -> dict[str, Any]:
    """What ``method.html`` shows: what was read, how it was measured, whom to cite."""
    return {
        "result": result,
        "unit": result.unit,
        "curves": result.curves,
        "left_out": _cells(result.left_out),
        "pretraining": _cells(result.pretraining),
        "tail_percent": f"{100 * tail_probability(max(result.curves.n_speakers, 2)):.1f}",
    }


def _context(result: CurveResult) -> dict[str, Any]:
    task = result.task
    others = [metric for metric in task.metrics if metric != task.headline]
    metrics = (task.headline, *others)
    hard = [metric for metric in others if not task.metrics[metric].a_constant_wins]
    has_gains = any(worths for _, worths in result.worths)
    return of_method(result) | {
        "summary": summarise(result),
        "looks": plots.styles(result.systems, result.leading) | {tables.CHANCE: plots.CHANCE},
        "figures": [_some_and_all(result, m) for m in (task.headline, task.beside) if m],
        "every": [system.name for system in result.systems if system.kind != "floor"],
        "published": _published(result),
        "of_the_paper": list(tables.of_the_paper(result)) if result.paper else [],
        "along": _along(result, metrics),
        "along_beside": tables.along_budgets(result, task.beside or None),
        "lead": tables.lead(result),
        "people": list(tables_of_people(result)),
        "unknown": unknown(result),
        "address": address,
        "about_sounds": about_sounds(result),
        "contrasts": tables.contrasts(result),
        "picked_tables": list(tables_of_picks(result)),
        "voices": [
            (part, voices.tables_of(result, part))
            for part in (result.adapted.curves if result.adapted else ())
        ],
        "elsewhere": [
            (part, of_part.curves, _along(of_part, metrics), tables.lead(of_part))
            for part, of_part in result.of_elsewhere()
        ],
        "shifts": [_shift(shift) for shift in result.shifts],
        "gain_figure": _gain_figure(result) if has_gains else None,
        "differences": [
            tables.differences(result, metric) for metric in (task.headline, *hard) if has_gains
        ],
        "pair_signs": list(zip(result.pairs, plots.pair_glyphs(result), strict=True)),
        "by_output": _by_output(result, hard) if len(task.outputs) > 1 else [],
        "matrices": _matrices(result) if task.kind == CHOICE else [],
        "reliability": [errors(result), *tenths(result)] if result.reliability else [],
        "sure": [sets(result), *details(result)] if result.covered else [],
    }


def _published(result: CurveResult) -> Table | None:
    """Nothing where the corpus is not the paper's."""
    is_printed = result.paper is not None and result.paper.claims.published
    return tables.beside_published(result) if is_printed else None


def _along(result: CurveResult, metrics: Sequence[str]) -> list[Table]:
    return [tables.along_budgets(result, metric) for metric in metrics]


def _some_and_all(
    result: CurveResult, metric: str
) -> tuple[tuple[Markup, ...], tuple[Markup, ...]]:
    """The systems that tell most, and all; the first is empty where these are the same."""
    n_systems = sum(system.kind != "floor" for system in result.systems)
    few = n_systems <= len(result.leading)
    some = () if few else _curve(result, metric, only=result.leading)
    return some, _curve(result, metric, only=result.leading if few else None)


def _curve(result: CurveResult, metric: str, *, only: Sequence[str] | None) -> tuple[Markup, ...]:
    """A metric against the number of labels, for a wide page and for a narrow one."""
    description = (
        f"{plots.axis_label(result, metric)} against the number of labels for "
        f"{len(result.systems if only is None else only)} systems; the numbers are in a table below"
    )
    figures = (
        plots.curve_figure(result, metric=metric, narrow=narrow, only=only)
        for narrow in (False, True)
    )
    return tuple(Markup(plots.svg(figure, description)) for figure in figures)


def _gain_figure(result: CurveResult) -> tuple[Markup, ...]:
    """What pre-training gains, for a wide page and for a narrow one."""
    description = (
        f"Paired gain in {result.headline.label}, pre-trained over scratch; the numbers are in "
        "the table"
    )
    figures = (plots.difference_figure(result, narrow=n) for n in (False, True))
    return tuple(Markup(plots.svg(figure, description)) for figure in figures)


def _shift(shift: Shift) -> tuple[Any, ...]:
    """What the page shows of a tested corpus: sentences, tables, a picture and its legend."""
    description = (
        f"{shift.names.system} on {shift.names.tested} against the number of its labels, beside "
        f"labels of {shift.names.taught} and alone; the numbers are in the table below"
    )
    figures = (
        Markup(plots.svg(shift_plot.shift_figure(shift, narrow=narrow), description))
        for narrow in (False, True)
    )
    picture = tuple(figures) if len(shift.back) > 1 else ()
    return shift, sentences(shift), tables_of_shift(shift), picture, shift_plot.legend(shift)


def _by_output(result: CurveResult, hard: list[str]) -> list[Table]:
    """The headline and what no constant wins, output by output; and gains in the headline."""
    metrics, pairs = result.task.metrics, [pair for pair, worths in result.worths if worths]
    return [
        *(
            tables.by_output(result, metric)
            for metric in (result.task.headline, *hard)
            if metrics[metric].of_output
        ),
        *(tables.gains_by_output(result, pair) for pair in pairs if result.headline.of_output),
    ]


def _matrices(result: CurveResult) -> list[tuple[str, list[tuple[str, list[float | None]]]]]:
    """(system, (true output, share of each predicted output)): the pairs, the best classic one."""
    curves, budget, matrices = result.curves, result.budget, []
    names = [name for pair in result.pairs for name in (pair.pretrained, pair.scratch)]
    if classic := [name for name in result.of_kind("classic") if curves.has(name, budget)]:
        names.append(curves.best(classic, budget))
    for name in dict.fromkeys(name for name in names if curves.has(name, budget)):
        counts = curves.scored[name, budget].confusion
        assert counts is not None  # of a choice
        support = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, support, out=np.full(counts.shape, np.nan), where=support > 0)
        rows = [
            (output, [None if math.isnan(share) else float(share) for share in row])
            for output, row in zip(result.task.outputs, shares, strict=True)
        ]
        matrices.append((name, rows))
    return matrices


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
    return "" if value is None else printable(str(value))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _minus(text: object) -> str:
    """A true minus sign where a hyphen stands for one; an interval stays on one line."""
    signed = str(text).replace("-.", "−.").replace("[-", "[−")
    return re.sub(r"(\[[−+.\d]+), ", "\\1,\N{NO-BREAK SPACE}", signed)


def _package_text(name: str) -> str:
    """A file beside this one."""
    return files("undertone.evaluation.report").joinpath(name).read_text(encoding="utf-8")
