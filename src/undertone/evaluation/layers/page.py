"""The page of a layer analysis: one HTML file that opens anywhere, offline.

In:  ``LayersResult``.
Out: the page as text; its styles, macros and method section are those of a curve's report.
"""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from undertone.evaluation.layers import plots, sentences, tables
from undertone.evaluation.layers.plots import Line
from undertone.evaluation.layers.result import LayersResult
from undertone.evaluation.report import plots as report_plots
from undertone.evaluation.report.page import filled, of_method
from undertone.evaluation.report.tables import Table


def render(result: LayersResult) -> str:
    """The page as text."""
    return filled("layers.html", of_method(result.curve) | _context(result))


@dataclass(frozen=True)
class _Picture:
    """For a wide page and for a narrow one, its legend and its caption."""

    pictures: tuple[Markup, Markup]
    legend: list[tuple[str, str, str]]
    caption: str


def _context(result: LayersResult) -> dict[str, Any]:
    has_outputs = len(result.task.outputs) > 1
    return {
        "sentences": sentences.everything(result),
        "figures": [_along_budgets(result, metric) for metric in result.metrics],
        "outputs_figure": _along_outputs(result) if has_outputs else None,
        "scores": [tables.scores(result, metric) for metric in _metrics(result)],
        "behind": tables.behind(result),
        "by_output": _of_outputs(result),
        "weights": tables.weights(result) if result.weights else None,
        "elsewhere": [
            (
                *(part, sentences.everything(of_part)),
                [tables.scores(of_part, of_part.task.headline), *_of_outputs(of_part)],
            )
            for part, of_part in result.of_elsewhere()
        ],
        "encoder": sentences.of_encoder(result.encoder),
        "probes": _probes(result),
        "looks": {},
        "differences": [],
    }


def _of_outputs(result: LayersResult) -> list[Table]:
    if len(result.task.outputs) < 2:
        return []
    return [tables.by_output(result), tables.from_depth(result)]


def _metrics(result: LayersResult) -> list[str]:
    """All of the task, those that are drawn first."""
    return list(dict.fromkeys((*result.metrics, *result.task.metrics)))


def _along_budgets(result: LayersResult, metric: str) -> _Picture:
    unit = result.curve.unit
    return _picture(
        result,
        plots.along_budgets(result, metric),
        metric,
        caption=f"{_lower(result, metric)}One line a number of labels; filled: its best layer. "
        f"Bars are 95 % intervals over {unit}s and draws of the labels, of one layer alone: "
        "whether two layers differ is told by the paired differences below.",
    )


def _along_outputs(result: LayersResult) -> _Picture:
    each = result.task.each
    return _picture(
        result,
        plots.along_outputs(result),
        result.task.headline,
        caption=f"{_lower(result, result.task.headline)}One line {_a(each)} {each}, with "
        f"{result.largest} labels; filled: its best layer.",
        what=result.curve.headline.of_output,
    )


def _lower(result: LayersResult, metric: str) -> str:
    return "Lower is better. " if result.task.metrics[metric].lower_is_better else ""


def _a(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _picture(
    result: LayersResult, lines: list[Line], metric: str, *, caption: str, what: str = ""
) -> _Picture:
    what = what or report_plots.axis_label(result.curve, metric)
    description = f"{what} of {len(result.names)} layers; the numbers are in a table below"
    wide, narrow = (
        Markup(
            report_plots.svg(
                plots.figure(result, lines, metric=metric, what=what, narrow=is_narrow),
                description,
            )
        )
        for is_narrow in (False, True)
    )
    return _Picture((wide, narrow), plots.glyphs(result, lines, metric), caption)


def _probes(result: LayersResult) -> list[tuple[str, str]]:
    """One description for all probes, and those of the others."""
    first = result.curve.system(result.names[0])
    alike = first.description.replace("layer 0", "one layer")
    return [("each layer", alike), *((s.label, s.description) for s in result.others)]
