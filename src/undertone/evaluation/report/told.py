"""A result as plain values: what a terminal, a notebook and other programs read of a run.

In:  ``CurveResult``.
Out: JSON with the verdict, the findings, the table of three systems and every table of the report,
     each by a short name; of a table LaTeX, Markdown or CSV, with intervals.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from undertone.errors import UndertoneError
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.report import shifts, tables, voices
from undertone.evaluation.report.people import tables_of_people
from undertone.evaluation.report.picked import tables_of_picks
from undertone.evaluation.report.reliable import errors
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.sure import sets
from undertone.evaluation.report.tables import Cell, Table
from undertone.evaluation.report.verdict import summarise

Told = Mapping[str, Any]  # a table as JSON holds it
LEADING, FILE = "leading", "report.json"
OF_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "…": r"\ldots{}",
}


def told(result: CurveResult) -> dict[str, Any]:
    """Plain JSON."""
    summary = summarise(result)
    return {
        "title": result.title,
        "verdict": summary.verdict,
        "findings": list(summary.findings),
        "details": list(summary.details),
        "tables": {name: _plain(table) for name, table in named_tables(result)},
    }


def named_tables(result: CurveResult) -> Iterator[tuple[str, Table]]:
    """Every table, by a short name."""
    yield LEADING, tables.leading(result)
    for metric in result.task.metrics:
        yield metric, tables.along_budgets(result, metric)
    yield from _differences(result)
    yield from _by_output(result)
    for table in tables_of_people(result):
        yield _slug(table.title.partition(":")[0]), table
    if result.reliability:
        yield "calibration", errors(result)
    if result.covered:
        yield "sets", sets(result)
    yield from _of_elsewhere(result)


def _differences(result: CurveResult) -> Iterator[tuple[str, Table]]:
    """What is paired."""
    if (lead := tables.lead(result)) is not None:
        yield "differences", lead
    yield from zip(("needed", "gains", "found"), tables_of_picks(result), strict=False)
    for contrast in tables.contrasts(result):
        yield _slug(contrast.title), contrast
    if any(worths for _, worths in result.worths):
        yield "pretraining", tables.differences(result)


def _by_output(result: CurveResult) -> Iterator[tuple[str, Table]]:
    task = result.task
    if len(task.outputs) > 1:
        for metric in task.metrics:
            if task.metrics[metric].of_output:
                yield f"{metric}-by-{task.each}", tables.by_output(result, metric)


def _of_elsewhere(result: CurveResult) -> Iterator[tuple[str, Table]]:
    """Of other corpora, and of what was adapted to the tested voices."""
    for i, shift in enumerate(result.shifts, 1):
        for j, table in enumerate(shifts.tables(shift), 1):
            yield f"shift{i}-{j}", table
    for part in result.adapted.curves if result.adapted else ():
        for table in voices.tables_of(result, part):
            yield _slug(f"{table.title} {part}"), table


def read_told(run: Path) -> dict[str, Any]:
    """What lies beside the report of a finished run.

    Raises:
        UndertoneError: nothing does, or it cannot be read.
    """
    path = run / FILE
    if not path.is_file():
        settings = run / "config.toml"
        way = (
            f"`undertone curve --config {settings} --out {run}` finishes a run and writes it"
            if settings.is_file()
            else "name the folder that `undertone curve --out` wrote"
        )
        raise UndertoneError(f"expected {FILE} of a finished run in {run}; found none: {way}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: found[name] for name in ("title", "verdict", "findings", "tables")}
    except (ValueError, KeyError, TypeError) as error:
        raise UndertoneError(
            f"{path} cannot be read ({type(error).__name__}): run the same `undertone curve` "
            "again, which writes it anew"
        ) from None


def table_of(found: Mapping[str, Any], name: str) -> Told:
    """One of the tables of a run.

    Raises:
        UndertoneError: there is none of that name.
    """
    if name not in found["tables"]:
        raise UndertoneError(
            f"the run has no table {name}; --table takes {', '.join(found['tables'])}"
        )
    table: Told = found["tables"][name]
    return table


def exported(name: str, table: Told, form: str) -> str:
    """A table in one of ``FORMS``.

    Raises:
        UndertoneError: there is no such form.
    """
    if form not in FORMS:
        raise UndertoneError(f"--export takes {', '.join(FORMS)}; found {form}")
    return FORMS[form](name, table)


def is_export(path: Path, *, told: Mapping[str, Any]) -> bool:
    """Whether a file begins as a table of this run does in one of ``FORMS``."""
    with path.open("rb") as file:
        first = file.read(4096).decode("utf-8", errors="replace").partition("\n")[0]
    if first == "\\begin{table}":
        return True
    headings = {table["headings"][0] for table in told["tables"].values()}
    cell = next(csv.reader([first]), [""])[0]
    return cell in headings or first.partition(" | ")[0].removeprefix("| ") in headings


def spelled(cell: Any, *, signed: bool) -> str:
    """A cell as text, with its interval."""
    if isinstance(cell, str):
        return cell
    low, high = (float("nan") if cell[end] is None else cell[end] for end in ("low", "high"))
    estimate = Estimate(cell["value"], low, high, cell["n_speakers"])
    return estimate.signed() if signed or cell.get("signed") else str(estimate)


def _plain(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "headings": list(table.headings),
        "rows": [{"name": row.name, "cells": list(map(_cell, row.cells))} for row in table.rows],
        "hint": table.hint,
        "signed": table.signed,
    }


def _cell(cell: Cell) -> Any:
    return cell.to_dict() if isinstance(cell, Estimate) else cell


def _slug(title: str) -> str:
    """A title as a name: letters and hyphens.

    >>> _slug("What self-training is worth")
    'what-self-training-is-worth'
    """
    return "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())


def texts(table: Told) -> Iterator[list[str]]:
    """Rows as text, the name first."""
    for row in table["rows"]:
        cells = (spelled(cell, signed=table["signed"]) for cell in row["cells"])
        yield [row["name"], *cells]


def _markdown(name: str, table: Told) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"

    rule = "|---" * len(table["headings"]) + "|\n"
    return line(table["headings"]) + rule + "".join(map(line, texts(table)))


def _latex(name: str, table: Told) -> str:
    """A table for the package booktabs, with its title and a label."""

    def escaped(text: str) -> str:
        return "".join(OF_LATEX.get(letter, letter) for letter in text)

    def line(cells: Sequence[str]) -> str:
        return f"{' & '.join(map(escaped, cells))} \\\\\n"

    columns = "l" + "r" * (len(table["headings"]) - 1)
    rows = "".join(map(line, texts(table)))
    return (
        f"\\begin{{table}}\n\\caption{{{escaped(table['title'])}}}\\label{{tab:{name}}}\n"
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{line(table['headings'])}\\midrule\n{rows}"
        "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def _csv(name: str, table: Told) -> str:
    """A column a heading; of one that holds estimates two more, for the ends of intervals."""
    with_ends = [
        any(_has_ends(row["cells"][i]) for row in table["rows"])
        for i in range(len(table["headings"]) - 1)
    ]
    headings = [table["headings"][0]]
    for heading, has_ends in zip(table["headings"][1:], with_ends, strict=True):
        headings += [heading, *([f"{heading} low", f"{heading} high"] if has_ends else [])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    for row in table["rows"]:
        values: list[object] = [row["name"]]
        for cell, has_ends in zip(row["cells"], with_ends, strict=True):
            numbers = [cell[end] for end in ("value", "low", "high")] if _has_ends(cell) else None
            values += numbers or [cell, *([None, None] if has_ends else [])]
        writer.writerow(values)
    return text.getvalue()


def _has_ends(cell: Any) -> bool:
    return not isinstance(cell, str)


FORMS: Mapping[str, Callable[[str, Told], str]] = {
    "latex": _latex,
    "markdown": _markdown,
    "csv": _csv,
}
