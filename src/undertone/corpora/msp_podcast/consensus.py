"""The newer layout: one CSV with a row an utterance.

In:  ``labels_consensus.csv``, or ``labels_concensus.csv`` as older releases spell it, with the
     columns FileName, EmoClass, EmoAct, EmoVal, EmoDom, SpkrID, Split_Set, and Gender, in any
     order. Where labels are withheld the cells are empty.
Out: ``words.COLUMNS`` by file.
"""

from pathlib import Path

import pandas as pd

from undertone.corpora import columns
from undertone.corpora.columns import SEXES
from undertone.corpora.msp_podcast.words import (
    AMOUNTS,
    COLUMNS,
    SCALE,
    letter_of,
    speaker_of,
    split_of,
)
from undertone.corpora.scale import amounts
from undertone.errors import UndertoneError

NAMES = ("labels_consensus.csv", "labels_concensus.csv")
OF_AMOUNTS = ("EmoAct", "EmoVal", "EmoDom")  # in the order of ``AMOUNTS``


def read(path: Path) -> pd.DataFrame:
    """The labels of one table.

    Raises:
        UndertoneError: a column is missing, a file stands there twice, or a cell is none of the
            corpus's, with its line.
    """
    cells = columns.read_cells(path)  # FileName is file, EmoClass emotion, SpkrID speaker now
    columns.require(cells, ("file", "emotion", *OF_AMOUNTS, "speaker", "Split_Set"), path)
    file = cells["file"].str.strip()
    if (twice := file[file.duplicated()]).size:
        raise UndertoneError(
            f"{path}, line {twice.index[0] + 2}: {twice.iloc[0]} stands there a second time "
            f"({twice.size} such lines): keep one"
        )
    of_amounts = zip(*(cells[name] for name in OF_AMOUNTS), strict=True)
    lines = [int(row) + 2 for row in cells.index]
    rows = [
        (letter_of(letter, path, n), *amounts(values, SCALE, path, n), split_of(split, path, n))
        for letter, values, split, n in zip(
            cells["emotion"], of_amounts, cells["Split_Set"], lines, strict=True
        )
    ]
    table = pd.DataFrame(rows, columns=["letter", *AMOUNTS, "split"], index=pd.Index(file))
    sexes = cells["sex"] if "sex" in cells else cells["file"].map(lambda file: "")
    table["speaker"] = [speaker_of(cell) for cell in cells["speaker"]]
    table["sex"] = [SEXES.get(cell.strip().lower()) for cell in sexes]
    return table[list(COLUMNS)]
