"""What every recipe gives back, and how a terminal shows it.

In:  tables of estimates, answers to the paper's claims, the place of the report.
Out: text on standard output; the answers last, where they are still in sight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable

from undertone.errors import printable
from undertone.evaluation.estimate import Difference, Estimate, decimal
from undertone.evaluation.report.paper import Answer
from undertone.evaluation.report.result import Source
from undertone.evaluation.report.study import Study, write_study
from undertone.evaluation.report.tables import Cell, Table

INDENT = "  "  # of a part of the row above
BORDER = 3  # characters between two columns
LEAST_NAME = 24  # letters of a row's name beside all columns
COLUMNS_OF_A_FILE = 170  # where standard output is no terminal


@dataclass(frozen=True)
class Reproduction:
    """Where the report is, and what to print."""

    report: Path
    summary: str = ""
    tables: tuple[Table, ...] = ()
    answers: tuple[Answer, ...] = ()
    sources: tuple[Source, ...] = ()
    citation: str = ""

    def show(self) -> None:
        """Print everything."""
        console = _console()
        if not console.is_terminal:
            console = _console(width=COLUMNS_OF_A_FILE)
        if self.summary:
            console.print("\n".join(map(printable, self.summary.split("\n"))))
        for table in self.tables:
            _show_table(console, table)
        answers = RichTable.grid(padding=(0, 2))
        for answer in self.answers:
            lines = map(printable, (answer.question, answer.evidence))
            answers.add_row(answer.verdict, "\n".join(lines))
        console.print(answers)
        console.print(printable(f"report: {self.report.resolve()}"), soft_wrap=True)


def _console(width: int | None = None) -> Console:
    """What it prints is text, whatever brackets and colons are in it."""
    return Console(highlight=False, markup=False, emoji=False, width=width)


def announce(sentence: str) -> None:
    """Print at once, before the tables."""
    print(printable(sentence), flush=True)


def publish(study: Study, report: Path, *, summary: str) -> Reproduction:
    """Write the page of several runs; what a terminal shows of it."""
    write_study(study, report)
    return Reproduction(
        report=report,
        summary=f"{study.title}: {summary}\n{study.verdict}",
        tables=study.tables,
        answers=study.answers,
        sources=study.sources,
        citation=study.citation,
    )


def _show_table(console: Console, table: Table) -> None:
    """A table, in parts side by side that each repeat the first column if it is too wide.

    Names of rows are broken only where no other column would fit beside them.
    """
    cells = [
        (f"{INDENT * row.is_part}{row.name}", *(_text(cell, table.signed) for cell in row.cells))
        for row in table.rows
    ]
    name, parts = _parts(table.headings, cells, console.width)
    is_broken = name < max(len(row[0]) for row in cells)
    for part in parts:
        shown = RichTable(
            title=table.title, title_justify="left", caption_justify="left", show_lines=is_broken
        )
        shown.caption = table.hint if table.hint and part == parts[-1] else None
        for column in (0, *part):
            justify: JustifyMethod = "right" if column else "left"
            shown.add_column(
                table.headings[column],
                justify=justify,
                no_wrap=not column and not is_broken,
                max_width=name if is_broken and not column else None,
            )
        for row in cells:
            shown.add_row(*(row[column] for column in (0, *part)))
        console.print(shown)


def _parts(
    headings: Sequence[str], cells: Sequence[Sequence[str]], width: int
) -> tuple[int, list[list[int]]]:
    """Letters of the first column, and those after it, as many together as fit beside it."""
    needed = [
        BORDER + max(map(len, [*heading.split(), *(w for row in cells for w in _words(row[i]))]))
        for i, heading in enumerate(headings)
    ]
    whole = BORDER + max(len(row[0]) for row in cells)
    if whole + max(needed[1:]) < width:
        needed[0] = whole
    else:  # it is broken: beside all others, or else beside the widest
        beside_all, beside_one = width - 1 - sum(needed[1:]), width - 1 - max(needed[1:])
        room = beside_all if beside_all >= BORDER + LEAST_NAME else beside_one
        needed[0] = min(whole, max(room, needed[0]))
    parts: list[list[int]] = [[]]
    left = width - needed[0] - 1
    for column in range(1, len(headings)):
        if parts[-1] and needed[column] > left:
            parts.append([])
            left = width - needed[0] - 1
        parts[-1].append(column)
        left -= needed[column]
    return needed[0] - BORDER, parts


def _words(cell: str) -> list[str]:
    """What is better not broken: the lines of a number, the words of a sentence."""
    return cell.split("\n") if "\n" in cell else cell.split()


def _text(cell: Cell, signed: bool) -> str:
    """A value above its interval, so that columns stay narrow."""
    if not isinstance(cell, Estimate):
        return cell
    signed = signed or isinstance(cell, Difference)
    value = decimal(cell.value, signed=signed)
    if not cell.has_interval:
        return value
    low, high = (decimal(end, signed=signed) for end in (cell.low, cell.high))
    return f"{value}\n{low}{' to ' if signed else '–'}{high}"
