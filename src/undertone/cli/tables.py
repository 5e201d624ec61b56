"""Tables on a terminal that lose no digit, however narrow it is.

In:  headings, rows of text; intervals as ``Estimate`` spells them.
Out: printed: intervals behind their values, or below them; on a still narrower terminal words are
     wrapped between columns of fixed width; and where no width will do, the columns stand below
     each other in several tables.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from undertone.errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

INTERVAL = re.compile(r"(?P<value>[^\s\[]+) \[(?P<low>[^\s,]+), (?P<high>[^\s\]]+)\]")
BORDERS = 3  # letters that a column takes beside its text
Spell = Callable[[str], str]
Rows = Sequence[Sequence[str]]


def console() -> "Console":
    """Of standard output; what it prints is text, whatever brackets and colons are in it."""
    from rich.console import Console

    return Console(markup=False, emoji=False)


def print_table(title: str, headings: Sequence[str], rows: Rows) -> None:
    """One table, or several with the same names of rows where the terminal is too narrow."""
    shown, title = console(), printable(title)
    heads = [printable(heading) for heading in headings]
    cells = [[printable(cell) for cell in row] for row in rows]
    for spell in (str, _in_two_lines, _without_brackets):
        spelled = _spelled(cells, spell)
        widths = _widest(heads, spelled)
        if _taken(widths) <= shown.width:
            shown.print(_table(title, heads, spelled, widths))
            return
    spelled = _spelled(cells, _in_two_lines)
    for columns in _parts(shown.width, heads, spelled):
        of_part = [[row[i] for i in columns] for row in spelled]
        names = [heads[i] for i in columns]
        shown.print(_table(title, names, of_part, _shared(shown.width, names, of_part)))
        title = ""


def _spelled(rows: Rows, spell: Spell) -> list[list[str]]:
    return [[name, *map(spell, cells)] for name, *cells in rows]


def _in_two_lines(cell: str) -> str:
    """An interval below its value, or the reason why there is none; other text as it is."""
    if match := INTERVAL.fullmatch(cell):
        return f"{match['value']}\n[{match['low']}, {match['high']}]"
    return cell.replace(" (no interval", "\n(no interval", 1)


def _without_brackets(cell: str) -> str:
    if match := INTERVAL.fullmatch(cell):
        return f"{match['value']}\n{match['low']} {match['high']}"
    return _in_two_lines(cell)


def _parts(width: int, headings: Sequence[str], rows: Rows) -> Iterator[list[int]]:
    """Numbers of columns that fit together, the first among them; at least one beside it."""
    part = [0]
    for i in range(1, len(headings)):
        tried = [*part, i]
        names, cells = [headings[k] for k in tried], [[row[k] for k in tried] for row in rows]
        if len(part) > 1 and _taken(_narrowest(names, cells)) > width:
            yield part
            part = [0]
        part.append(i)
    yield part


def _shared(width: int, headings: Sequence[str], rows: Rows) -> list[int]:
    """Widths of columns: what none can do without, and the rest to those that want most."""
    widths, wanted = _narrowest(headings, rows), _widest(headings, rows)
    for _ in range(max(0, width - _taken(widths))):
        lacking = [want - has for want, has in zip(wanted, widths, strict=True)]
        if max(lacking) <= 0:
            break
        widths[lacking.index(max(lacking))] += 1
    return widths


def _taken(widths: Sequence[int]) -> int:
    """By a table whose columns are so wide."""
    return sum(widths) + BORDERS * len(widths) + 1


def _widest(headings: Sequence[str], rows: Rows) -> list[int]:
    """The longest line of each column."""
    return [max(map(len, _lines(column))) for column in zip(headings, *rows, strict=True)]


def _narrowest(headings: Sequence[str], rows: Rows) -> list[int]:
    """What each column needs that no number and no word is broken."""
    return [max(map(len, _atoms(column))) for column in zip(headings, *rows, strict=True)]


def _lines(column: Sequence[str]) -> list[str]:
    return [line for cell in column for line in cell.split("\n")]


def _atoms(column: Sequence[str]) -> Iterator[str]:
    """Words, and intervals as wholes."""
    for line in _lines(column):
        yield from [line] if line.startswith("[") and line.endswith("]") else line.split() or [""]


def _table(title: str, headings: Sequence[str], rows: Rows, widths: Sequence[int]) -> "Table":
    from rich.table import Table

    table = Table(title=title or None)
    for heading, width in zip(headings, widths, strict=True):
        table.add_column(heading, width=width)
    for row in rows:
        table.add_row(*row)
    return table
