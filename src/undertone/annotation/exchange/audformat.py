"""audformat's databases: the labels of all raters in one, and back.

In:  utterances with their labels; or the folder of a database (extra ``audformat``).
Out: the one or the other. The table ``emotion`` holds what most raters heard, with arousal and
     valence; each rater has a column of their own beside it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from undertone import atomic
from undertone.annotation.exchange.rows import Exported, Row, emotions_of, is_speech
from undertone.corpora import audformat as corpora
from undertone.corpora.label_log.log import DIMENSIONS, SCALE
from undertone.corpora.label_log.reader import file_as_seen_from
from undertone.corpora.out import save
from undertone.errors import as_path, needs


def write(rows: Sequence[Exported], out: Path) -> str:
    """Write the database, which is whole or absent; return what is to be said."""
    needs("audformat", extra="audformat", what="audformat databases")
    atomic.check_free(out)
    speech = [row for row in rows if is_speech(row)]
    save(_database(speech, out), out)
    return f"{len(speech)} utterances in {out}"


def _database(rows: Sequence[Exported], out: Path) -> Any:
    import audformat

    database = audformat.Database(
        out.name, source="undertone label", usage="unrestricted", languages=[]
    )
    database.schemes["emotion"] = audformat.Scheme(labels=emotions_of(rows) or ["neutral"])
    database.schemes["speaker"] = audformat.Scheme("str")
    table = database["emotion"] = audformat.Table(_index(rows, out))
    table["emotion"] = audformat.Column(scheme_id="emotion")
    table["emotion"].set([row.emotion or None for row in rows])
    table["speaker"] = audformat.Column(scheme_id="speaker")
    table["speaker"].set([row.clip.speaker for row in rows])
    for name in DIMENSIONS:
        if any(name in row.amounts for row in rows):
            database.schemes[name] = audformat.Scheme("float", minimum=SCALE[0], maximum=SCALE[1])
            table[name] = audformat.Column(scheme_id=name)
            table[name].set([row.amounts.get(name) for row in rows])
    for number, rater in enumerate(_raters(rows)):
        identity = f"rater{number}"
        database.raters[identity] = audformat.Rater("human", description=rater)
        column = f"{identity}.emotion"
        table[column] = audformat.Column(scheme_id="emotion", rater_id=identity)
        table[column].set([_of_rater(row, rater) for row in rows])
    return database


def _index(rows: Sequence[Exported], out: Path) -> pd.MultiIndex:
    import audformat

    return audformat.segmented_index(
        [file_as_seen_from(out, row.clip.file) for row in rows],
        [pd.Timedelta(seconds=row.clip.start_s or 0.0) for row in rows],
        [pd.NaT if (end := row.clip.end_s) is None else pd.Timedelta(seconds=end) for row in rows],
    )


def _raters(rows: Sequence[Exported]) -> list[str]:
    return sorted({label.rater for row in rows for label in row.labels})


def _of_rater(row: Exported, rater: str) -> str | None:
    return next((label.emotion for label in row.labels if label.rater == rater), None)


def read(path: Path) -> list[Row]:
    """The emotions of a database, as ``corpora.audformat`` reads it."""
    corpus = corpora.read(path)
    rows = []
    for row in corpus.labelled.table.to_dict("records"):
        start_s, end_s = (None if row[n] != row[n] else float(row[n]) for n in ("start_s", "end_s"))
        rows.append(
            Row(
                row["file"],
                corpus.root / as_path(row["file"]),
                start_s or None,
                end_s,
                shares={row["emotion"]: 1.0},
                amounts={n: row[n] for n in DIMENSIONS if row.get(n) == row.get(n) and n in row},
            )
        )
    return rows
