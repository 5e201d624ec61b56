"""Whether two layouts of the same labels say the same.

In:  what the newer table says and what a list of the older layout says, by file.
Out: nothing, or a refusal that names the first file on which they differ.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from undertone.errors import UndertoneError

ROUNDED = 1e-3  # amounts are written with other numbers of digits


def check_same(
    column: str, newer: pd.Series, older: Mapping[Any, Any], *, paths: tuple[Path, Path]
) -> None:
    """Refuse two tables that tell different things of a file.

    Args:
        column: what is compared, for the message.
        newer: values by file.
        older: likewise; files that only one of them has are passed over.
        paths: of the two tables.

    Raises:
        UndertoneError: they differ, or have no file in common.
    """
    told = {str(file): value for file, value in newer.items()}
    pairs = [(file, value, older[file]) for file, value in told.items() if file in older]
    if not pairs:
        raise UndertoneError(
            f"{paths[0]} and {paths[1]} have no file in common: they are of different releases; "
            "keep the tables of one"
        )
    if odd := [pair for pair in pairs if not _same(*pair[1:])]:
        file, here, there = odd[0]
        raise UndertoneError(
            f"{paths[0]} and {paths[1]} disagree: {file} has the {column} {here} in one and "
            f"{there} in the other ({len(odd)} such files); they are of different releases: keep "
            "the tables of one"
        )


def _same(one: Any, other: Any) -> bool:
    if pd.isna(one) or pd.isna(other):
        return bool(pd.isna(one) and pd.isna(other))
    if isinstance(one, float):
        return abs(one - other) <= ROUNDED
    return bool(one == other)
