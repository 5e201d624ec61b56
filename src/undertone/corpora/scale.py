"""Amounts as people rated them: numbers on the scale of a corpus, or refused where they stand.

In:  cells of a table or of a line of text.
Out: floats, NaN where a cell is empty.
"""

from collections.abc import Sequence
from pathlib import Path

from undertone.errors import UndertoneError

Scale = tuple[float, float]


def amounts(cells: Sequence[str], scale: Scale, path: Path, line: int | str) -> list[float]:
    """Numbers on a scale.

    Args:
        cells: as they are written; an empty one, or ``nan``, is not known.
        scale: smallest and largest.
        path: where they stand, for the message.
        line: counted from 1, or the name of what stands there, likewise.

    Raises:
        UndertoneError: one is no number, or lies off the scale.
    """
    return [_amount(cell.strip(), scale, path, line) for cell in cells]


def _amount(cell: str, scale: Scale, path: Path, line: int | str) -> float:
    low, high = scale
    try:
        value = float(cell or "nan")
    except ValueError:
        value = float("inf")
    if value != value or low <= value <= high:
        return value
    place = f"line {line}" if isinstance(line, int) else line
    raise UndertoneError(
        f"{path}, {place}: expected a number from {low:g} to {high:g}, found {cell!r}; is the copy "
        "damaged? Mend or empty that value"
    )
