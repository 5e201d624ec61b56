"""Text tables as their authors meant them: every line is a row, or is named.

In:  the text of a table: cells parted by commas, semicolons, tabs or bars; a row of column names.
Out: ``Cells``: names and rows of text, and the line of the file that each row begins on.

Before the names there may be Excel's ``sep=;`` and comments (``# …``); lines that are comments or
empty are passed over anywhere. A quotation mark that is never closed would swallow the rows up to
the next one: a cell may span lines only where none of them looks like a row of its own, and
otherwise the mark is a letter like any other.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from undertone.errors import UndertoneError

SEPARATORS = ",;\t|"
SEPARATOR_LINE = re.compile(r'"?sep=(?P<mark>.)"?\s*', re.IGNORECASE)
COMMENT = "#"
MAX_COLUMNS = 10_000
MAX_SPAN = 50  # lines of one cell


@dataclass(frozen=True)
class Cells:
    """A table of text.

    Attributes:
        names: of the columns.
        rows: as many cells as names, each.
        lines: of the file, counted from 1, on which the rows begin.
    """

    names: list[str]
    rows: list[list[str]]
    lines: list[int]


def parse(text: str, where: Path, known: Sequence[str] = ()) -> Cells:
    """Read a table's text.

    Args:
        text: of the table.
        where: it stands, for messages.
        known: names of columns by which a row of names behind a ``#`` is recognised.

    Raises:
        UndertoneError: there is no row of names, or a row has more cells than there are names.
    """
    lines = re.split("\r\n|\n|\r", text)
    at, mark = _separator(lines)
    at = _row_of_names(lines, at, known)
    if at == len(lines):
        raise UndertoneError(
            f"{where} is empty: expected a row of column names, such as file,speaker,emotion, and "
            "a row an utterance below it"
        )
    header = lines[at].removeprefix(COMMENT).strip() if _is_comment(lines[at]) else lines[at]
    mark = mark or max(SEPARATORS, key=_outside_quotes(header).count)
    if header.count(mark) >= MAX_COLUMNS:
        raise UndertoneError(
            f"{where} has {header.count(mark) + 1:,} columns where at most {MAX_COLUMNS:,} are "
            "read; keep those with file, speaker, emotion and times"
        )
    reader = _Reader(lines, mark, _alone(header, mark) or header.split(mark), where)
    return reader.read(at + 1)


class _Reader:
    """Rows from lines."""

    def __init__(self, lines: list[str], mark: str, names: list[str], where: Path) -> None:
        self.lines, self.mark, self.where = lines, mark, where
        self.names = names
        while len(self.names) > 1 and not self.names[-1].strip():  # commas at the end of each row
            self.names.pop()

    def read(self, at: int) -> Cells:
        rows, begins = [], []
        while at < len(self.lines):
            line = self.lines[at]
            if not line.strip(f" {self.mark}") or self._is_comment(line):
                at += 1
                continue
            row, n_lines = self._row(at)
            rows.append(self._fitted(row, at))
            begins.append(at + 1)
            at += n_lines
        return Cells(self.names, rows, begins)

    def _is_comment(self, line: str) -> bool:
        return _is_comment(line) and line.count(self.mark) < len(self.names) - 1

    def _row(self, at: int) -> tuple[list[str], int]:
        """The cells of the row that begins here, and its number of lines."""
        line = self.lines[at]
        if '"' not in line:
            return line.split(self.mark), 1
        if (row := _alone(line, self.mark)) is not None:
            return row, 1
        if (spanning := self._spanning(at)) is not None:
            return spanning
        row = line.split(self.mark)  # the marks are letters
        if len(row) != len(self.names):
            raise UndertoneError(
                f"{self.where}, line {at + 1}: a quotation mark is opened and never closed, and "
                f"without it there are {len(row)} cells where the column names are "
                f"{len(self.names)}; close it or remove it"
            )
        return row, 1

    def _spanning(self, at: int) -> tuple[list[str], int] | None:
        """The row whose quoted cell goes on in the next lines, none of which looks like a row."""
        lines = self.lines[at : at + MAX_SPAN]
        is_whole = lines[0].count(self.mark) >= len(self.names) - 1
        for n_lines in range(2, len(lines) + 1):
            if self._looks_like_a_row(lines[n_lines - 1], behind_a_row=is_whole):
                return None
            row = _alone("\n".join(lines[:n_lines]), self.mark)
            if row is not None and len(row) == len(self.names):
                return row, n_lines
        return None

    def _looks_like_a_row(self, line: str, *, behind_a_row: bool) -> bool:
        """Whether a line has a row's cells; behind half a row its end has an odd mark to close."""
        has_cells = line.count(self.mark) >= max(1, len(self.names) - 1)
        return has_cells and (behind_a_row or line.count('"') % 2 == 0)

    def _fitted(self, row: list[str], at: int) -> list[str]:
        """Exactly a cell a name: what lacks is empty, what is empty beyond them is dropped."""
        names = self.names
        if any(cell.strip() for cell in row[len(names) :]):
            raise UndertoneError(
                f"{self.where}, line {at + 1} has {len(row)} cells where there are {len(names)} "
                f"column names ({self.mark!r} between them): expected as many cells in every row; "
                'put a cell that holds the separator in quotation marks ("1,5")'
            )
        return [*row[: len(names)], *[""] * (len(names) - len(row))]


def _separator(lines: Sequence[str]) -> tuple[int, str]:
    """The line to go on with, and the separator that the first line names, if it does."""
    match = SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    return (1, match["mark"]) if match else (0, "")


def _row_of_names(lines: Sequence[str], at: int, known: Sequence[str]) -> int:
    """The first line that is neither empty nor a comment; a commented row of known names is one."""
    while at < len(lines):
        line = lines[at]
        if line.strip() and not _is_comment(line):
            return at
        words = {word.strip().strip('"').lower() for word in re.split("[,;\t|]", line.strip("# "))}
        if _is_comment(line) and len(words) > 1 and words & set(known):
            return at
        at += 1
    return at


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(COMMENT)


def _alone(text: str, mark: str) -> list[str] | None:
    """The cells of a text that is one row by itself; None where its quotation marks are not."""
    try:
        rows = list(csv.reader([text], delimiter=mark, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)
