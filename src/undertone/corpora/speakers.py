"""Whose voice recordings are, from a table of their own.

In:  a table of any kind that ``tables`` reads, with a column file or utterance, and one of voices.
Out: a name a recording; None where the table leaves it open.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from undertone.corpora import columns
from undertone.errors import UndertoneError, describe_some


def of_files(path: Path, files: Sequence[Path], column: str) -> list[str | None]:
    """The cell of each recording in a column, by the column file, else by utterance: its stem.

    Raises:
        UndertoneError: the table lacks a column or knows none of the recordings, or two rows of one
            recording name two voices.
    """
    cells = columns.read_cells(path).apply(lambda of_one: of_one.str.strip())
    name = _under_our_name(column, cells)
    if name not in cells:
        there = ", ".join(cells.columns[: columns.MOST_NAMED])
        raise UndertoneError(
            f"{path} has no column {column}; it has {there}: name the one that says whose voice it "
            "is, as --by-speaker speaker"
        )
    if "file" not in cells and "utterance" not in cells:
        raise UndertoneError(
            f"{path} has neither a column file nor a column utterance: whose voices are these?"
        )
    by_file, by_name = (_by(cells, key, name, path) for key in ("file", "utterance"))
    stems = [file.stem for file in files]
    found = [
        by_file.get(str(file)) or by_file.get(file.name) or by_name.get(file.stem) for file in files
    ]
    if not any(found):
        raise UndertoneError(
            f"{path} names the voice of none of the recordings, {describe_some(files)}: its column "
            "file holds paths or names of files, its column utterance names without their ending"
        )
    for file, stem, voice in zip(files, stems, found, strict=True):
        alone = str(file) in by_file or stems.count(stem) == 1
        if voice is not None and not alone:
            raise UndertoneError(
                f"{path} has one row of {stem}, and {stems.count(stem)} recordings have that name, "
                f"{file} among them: give it a column file with their paths"
            )
    return found


def _under_our_name(column: str, cells: pd.DataFrame) -> str:
    """What a column is called in ``columns.read_cells``, where it goes by our name of it."""
    if column in cells:
        return column
    for ours, synonyms in columns.SYNONYMS.items():
        if column.strip().lower() in synonyms and ours in cells:
            return ours
    return column


def _by(cells: pd.DataFrame, key: str, column: str, path: Path) -> dict[str, str | None]:
    """Voices by the cells of a key; an empty or unknown one is None."""
    if key not in cells:
        return {}
    voices: dict[str, str | None] = {}
    for row, (name, voice) in enumerate(zip(cells[key], cells[column], strict=True)):
        known = None if voice.lower() in columns.UNKNOWN else voice
        if name and voices.setdefault(name, known) != known:
            raise UndertoneError(
                f"{path} gives {name} the {column} {voices[name]} and, in row "
                f"{cells.index[row] + 2}, {known}: keep one of them"
            )
    voices.pop("", None)
    return voices
