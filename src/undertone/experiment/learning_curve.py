"""What ``curve`` hands back: the verdict, the table and the picture of a finished run.

In:  ``CurveResult``, the path of its report.
Out: ``LearningCurve``, which shows itself in a notebook.
"""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from undertone.evaluation.report import plots, tables
from undertone.evaluation.report.result import CurveResult, count
from undertone.evaluation.report.verdict import summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class LearningCurve:
    """A finished run.

    Attributes:
        report: path of the page; where a path is expected, the whole stands for it.
        result: everything that the page shows.
    """

    report: Path
    result: CurveResult

    @property
    def verdict(self) -> str:
        """What to take away, in a few sentences."""
        return summarise(self.result).verdict

    @property
    def findings(self) -> tuple[str, ...]:
        """What one asks next, the most important first."""
        return summarise(self.result).findings

    @property
    def recommended(self) -> str:
        """Name of the system that the run recommends; "" without one.

        ``finetune`` takes it, unless it is a row that was added by ``add_row``.
        """
        return "" if self.result.advice is None else self.result.advice.system

    def table(self, metric: str = "") -> pd.DataFrame:
        """A metric of every system at every budget, by default the headline.

        Returns:
            One row a system and budget: ``system`` (name), ``label``, ``kind``, ``budget``,
            ``metric``, ``value``, and the ends ``low`` and ``high`` of its 95 % interval, NaN
            where there is none.
        """
        result, metric = self.result, metric or self.result.task.headline
        rows = []
        for system in result.systems:
            for budget in result.curves.budgets_of(system.name):
                found = result.curves.estimate(system.name, budget, metric)
                about = (system.name, system.label, system.kind, budget, metric)
                rows.append((*about, found.value, found.low, found.high))
        columns = ["system", "label", "kind", "budget", "metric", "value", "low", "high"]
        return pd.DataFrame(rows, columns=columns)

    def plot(self, metric: str = "", *, every_system: bool = False) -> "Figure":
        """The curve of the three systems that tell most, or of all."""
        only = None if every_system else self.result.leading
        return plots.curve_figure(self.result, metric=metric or None, only=only)

    def __fspath__(self) -> str:
        return str(self.report)

    def __repr__(self) -> str:
        result, told = self.result, ""
        if self.recommended:
            score = result.curves.estimate(self.recommended, result.budgets[-1])
            budget = count(result.budgets[-1], "label")
            told = f": {self.recommended} {result.headline.label} {score} with {budget}"
        return f"<LearningCurve {result.title!r}{told}; {self.report}>"

    def _repr_html_(self) -> str:
        """For a notebook: verdict, picture, the table of three systems."""
        table = tables.leading(self.result)
        head = "".join(f"<th>{html.escape(heading)}</th>" for heading in table.headings)
        rows = "".join(
            f"<tr><th>{html.escape(row.name)}</th>"
            + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row.cells)
            + "</tr>"
            for row in table.rows
        )
        picture = plots.svg(self.plot(), f"{self.result.title}; the numbers are in the table")
        return (
            f"<p>{html.escape(self.verdict)}</p><div style='max-width:44em'>{picture}</div>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )
