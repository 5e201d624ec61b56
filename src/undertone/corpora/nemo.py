"""nEMO: Polish, acted, nine speakers, ninety sentences, six emotions.

In:  the user's copy: ``samples/SB0_anger_01.wav``, 4,481 files anywhere below a folder, in any
     audio format; ``data.tsv`` in that folder or beside it tells sex and transcript.
Out: ``Corpus`` with the label columns emotion and sentence, and age where the table tells it.

The grammar of a file name: speaker, emotion, number of the sentence. Where the table says another
emotion or speaker than a name, it is not of the same release, and that is refused. The corpus comes
without folds.
Source: Christop (2024), nEMO: Dataset of Emotional Speech in Polish, LREC-COLING.
"""

import re
from pathlib import Path

import pandas as pd

from undertone.corpora import grammar, tables
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.tasks.names import canonical_emotion

GRAMMAR = re.compile(
    r"(?P<speaker>[A-Za-z]+\d+)_(?P<emotion>anger|fear|happiness|neutral|sadness|surprised?)_"
    r"(?P<sentence>\d+)",
    re.IGNORECASE,
)
TABLE, NEEDED = "data.tsv", ("file_id", "emotion", "speaker_id", "gender", "raw_text")


def read(path: Path) -> Corpus:
    """The corpus in a folder, or as much of it as is there.

    Raises:
        UndertoneError: as of ``grammar.read``, or the table is not of these files.
    """
    root = Path(path)
    named = grammar.read(
        *(root, read_name),
        example="SB0_anger_01.wav",
        corpus="nEMO",
        apart_by=("speaker", "emotion", "sentence"),
    )
    table = named.table
    if (beside := grammar.find_beside(root, TABLE)) is not None:
        table = _with_facts(table, beside)
    return Corpus(
        name="nemo",
        root=root,
        table=table,
        licence="CC BY-NC-SA 4.0",
        citation="Christop (2024), nEMO: Dataset of Emotional Speech in Polish, LREC-COLING.",
        left_out=named.left_out,
    )


def read_name(stem: str) -> dict[str, str | None] | None:
    """What a file name without ending tells; None where it is no name of nEMO.

    >>> read_name("SB0_surprised_07")["emotion"], read_name("SB0_surprised_07")["sentence"]
    ('surprise', '07')
    """
    match = GRAMMAR.fullmatch(stem)
    if match is None:
        return None
    return {
        "speaker": match["speaker"].upper(),
        "language": "pol",
        "emotion": canonical_emotion(match["emotion"]),
        "sentence": match["sentence"],
    }


def _with_facts(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Sex, transcript and age of the table's rows, by the name of the file."""
    cells = tables.read(path).cells
    if missing := [column for column in NEEDED if column not in cells]:
        raise UndertoneError(
            f"{path} has no column {' and no column '.join(missing)}; nEMO's has "
            f"{', '.join(NEEDED)}: fetch it again, or move it away to do without it"
        )
    cells = cells.set_index(cells["file_id"].map(lambda name: Path(name).stem))
    _check_is_of(cells[cells.index.isin(table["utterance"])], table.set_index("utterance"), path)
    cells = cells[~cells.index.duplicated()]
    told = cells.reindex(table["utterance"]).reset_index(drop=True)
    sexes = told["gender"].str.lower()
    return table.assign(
        sex=sexes.where(sexes.isin(["female", "male"])),
        transcript=told["raw_text"].replace("", None),
        **({"age": told["age"]} if "age" in told else {}),
    )


def _check_is_of(told: pd.DataFrame, table: pd.DataFrame, path: Path) -> None:
    """Refuse a table, any row of which says something else than the name of its file.

    Args:
        told: rows of the table at ``path``, by utterance; a cell may be empty.
        table: what the names say, by utterance.
        path: for the message.
    """
    for ours, theirs in (("emotion", told["emotion"].map(canonical_emotion)),
                         ("speaker", told["speaker_id"].str.upper())):  # fmt: skip
        other = (theirs != "") & (theirs != table[ours].reindex(told.index))
        if other.any():
            raise UndertoneError(
                f"{path} says {theirs[other].iloc[0]} of {theirs[other].index[0]} ({other.sum()} "
                "rows so): table and recordings are not of one release; move the table away to go "
                "by the names alone"
            )
