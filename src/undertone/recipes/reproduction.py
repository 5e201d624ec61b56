"""What every recipe gives back, and how a terminal shows it.

In:  tables of estimates, answers to the paper's claims, the place of the report.
Out: text on standard output; the answers last, where they are still in sight.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.intensity_claims import Answer
from undertone.evaluation.intensity_report import Cell, Table

COLUMNS_OF_A_FILE = 170  # where standard output is no terminal


@dataclass(frozen=True)
class Reproduction:
    """Where the report is, and what to print."""

    report: Path
    summary: str = ""
    tables: tuple[Table, ...] = ()
    answers: tuple[Answer, ...] = ()

    def show(self) -> None:
        """Print everything."""
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=COLUMNS_OF_A_FILE)
        if self.summary:
            console.print(self.summary)
        for table in self.tables:
            _show_table(console, table)
        answers = RichTable.grid(padding=(0, 2))
        for answer in self.answers:
            answers.add_row(answer.verdict, f"{answer.question}\n{answer.evidence}")
        console.print(answers)
        console.print(f"report: {self.report.resolve()}", soft_wrap=True)


def _show_table(console: Console, table: Table) -> None:
    shown = RichTable(title=table.title, title_justify="left", caption=table.hint or None)
    shown.caption_justify = "left"
    first, *others = table.headings
    shown.add_column(first, no_wrap=True)
    for heading in others:
        shown.add_column(heading, justify="right")
    for name, *cells in table.rows:
        shown.add_row(str(name), *(_text(cell, signed=table.signed) for cell in cells))
    console.print(shown)


def _text(cell: Cell, *, signed: bool) -> str:
    """A value above its interval, so that columns stay narrow."""
    if not isinstance(cell, Estimate):
        return cell
    value = decimal(cell.value, signed=signed)
    if not cell.has_interval:
        return value
    low, high = (decimal(end, signed=signed) for end in (cell.low, cell.high))
    return f"{value}\n{low}{' to ' if signed else '–'}{high}"
