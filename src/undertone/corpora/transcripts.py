"""Transcripts from a table of their own: what a machine heard, or what somebody wrote down.

In:  a table (CSV; commas, semicolons or tabs) with the columns utterance and transcript, or their
     synonyms in ``corpora.columns``; other columns are not looked at.
Out: the corpus with these transcripts in the place of its own; None where the table has none.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from undertone.corpora import columns
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError, describe_some

COMMAND = "`undertone transcribe --corpus NAME=PATH --asr FOLDER` writes one"


def with_transcripts(corpus: Corpus, path: Path | str) -> Corpus:
    """A corpus with the transcripts of a table.

    Args:
        corpus: any.
        path: of the table; rows of utterances that the corpus does not have are passed over, for
            it may be of a larger one.

    Raises:
        UndertoneError: a column is missing, an utterance stands there twice, or none is of this
            corpus.
    """
    given = _by(_read(Path(path), ("utterance", "transcript")), "utterance", Path(path))
    names = corpus.table["utterance"]
    if not set(names) & set(given):
        raise UndertoneError(
            f"{path} has transcripts of {describe_some(given)}, and none of {corpus.name}'s "
            f"utterances, as {describe_some(names)}: is it of this corpus? {COMMAND}"
        )
    found = pd.Series([given.get(name) for name in names], index=names.index, dtype=object)
    return replace(corpus, table=corpus.table.assign(transcript=found))


def of_files(path: Path | str, files: Sequence[Path]) -> list[str | None]:
    """The transcript of each recording, by the column file, else by utterance: a file's stem.

    Raises:
        UndertoneError: as ``with_transcripts``; or two recordings of one stem want one row.
    """
    table = _read(Path(path), ("transcript",))
    by_file = _by(table, "file", Path(path)) if "file" in table else {}
    by_name = _by(table, "utterance", Path(path)) if "utterance" in table else {}
    if not by_file and not by_name:
        raise UndertoneError(
            f"{path} has neither a column file nor a column utterance: whose transcripts are these?"
        )
    stems = [file.stem for file in files]
    found = [
        by_file[str(file)]
        if str(file) in by_file
        else by_name.get(file.stem) or by_file.get(file.name)
        for file in files
    ]
    for file, stem in zip(files, stems, strict=True):
        if stem in by_name and str(file) not in by_file and stems.count(stem) > 1:
            raise UndertoneError(
                f"{path} has one transcript of {stem}, and {stems.count(stem)} recordings have "
                f"that name, {file} among them: give it a column file with their paths"
            )
    return found


def _read(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    cells = columns.read_cells(path)
    columns.require(cells, needed, path)
    kept = [name for name in ("utterance", "file", "transcript") if name in cells]
    return cells[kept].apply(lambda column: column.str.strip())


def _by(table: pd.DataFrame, column: str, path: Path) -> dict[str, str | None]:
    """Transcripts by the cells of a column; an empty one is None."""
    named = table[table[column] != ""]
    if (twice := named[column].duplicated(keep=False)).any():
        first = named[twice][column].iloc[0]
        rows = named.index[named[column] == first] + 2
        raise UndertoneError(
            f"{path} has {first} in the rows {' and '.join(map(str, rows))} (the column names are "
            "row 1): keep one of them"
        )
    cells = zip(named[column], named["transcript"], strict=True)
    return {name: text or None for name, text in cells}
