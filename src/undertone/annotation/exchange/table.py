"""A CSV table of labels, a row an utterance; and any table of labels back.

In:  utterances with their labels; or a table with the columns file and emotion (or columns
     ``share_<emotion>``), perhaps start, end, utterance, rater, arousal, valence.
Out: the one or the other. What is written is read by ``--corpus`` as it is.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from undertone import atomic
from undertone.annotation.exchange.rows import Exported, Row, emotions_of, is_speech
from undertone.corpora import columns
from undertone.corpora.label_log.log import DIMENSIONS, EMOTION, NOT_SPEECH, SCALE
from undertone.corpora.label_log.reader import file_as_seen_from
from undertone.corpora.ratings import SHARE
from undertone.corpora.times import seconds
from undertone.errors import UndertoneError, as_path, describe_some
from undertone.tasks.names import canonical_emotion, names_no_emotion

OTHER_NAMES = {"audio": "file", "choice": "emotion", "sentiment": "emotion"}  # of Label Studio
FACTS = ("utterance", "file", "start_s", "end_s", "speaker", "sex", "language")


def write(rows: Sequence[Exported], out: Path) -> str:
    """Write the table; return what is to be said."""
    named, content = cells(rows, out.parent), io.StringIO()
    if named:
        writer = csv.DictWriter(content, named[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(named)
    else:
        raise UndertoneError("every clip that was answered holds no speech: nothing to export")
    atomic.write_text(out, content.getvalue())
    return f"{len(named)} utterances in {out}"


def cells(rows: Sequence[Exported], folder: Path) -> list[dict[str, str]]:
    """A row an utterance that holds speech, as text; paths as seen from a folder."""
    emotions = emotions_of(rows)
    amounts = [name for name in DIMENSIONS if any(name in row.amounts for row in rows)]
    return [
        {
            **{name: _text(row.clip.facts.get(name)) for name in FACTS},
            "file": file_as_seen_from(folder, row.clip.file),
            "emotion": row.emotion,
            **{
                f"{SHARE}{name}": f"{row.shares.get(name, 0.0):.6g}" if row.shares else ""
                for name in emotions
            },
            **{name: _text(row.amounts.get(name)) for name in amounts},
            "raters": str(len({label.rater for label in row.labels})),
        }
        for row in rows
        if is_speech(row)
    ]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def read(path: Path) -> list[Row]:
    """The rows of a table, those without an answer among them.

    Raises:
        UndertoneError: it names no file or no emotion.
    """
    table = columns.read_table(path).cells
    renames = {c: OTHER_NAMES.get(str(c).strip().lower(), c) for c in table.columns}
    if len(set(renames.values())) == len(renames):
        table = table.rename(columns=renames)
    shares = [str(name) for name in table.columns if str(name).startswith(SHARE)]
    needed = [n for n in ("file", "emotion") if n not in table and not (n == "emotion" and shares)]
    if needed:
        raise UndertoneError(
            f"{path} has no column {', '.join(needed)}; it has "
            f"{describe_some(table.columns, 8)}: labels are imported from a table with the columns "
            "file and emotion, perhaps start, end, rater"
        )
    records = ({str(k): str(v) for k, v in row.items()} for row in table.to_dict("records"))
    return [_row(record, shares, path) for record in records]


def _row(record: Mapping[str, str], names: Sequence[str], path: Path) -> Row:
    shares = shares_in(record, names)
    answer = EMOTION if shares else NOT_SPEECH if record.get("answer") == NOT_SPEECH else ""
    file = record["file"].strip()
    return Row(
        file,
        path.parent / as_path(file),
        _seconds(record.get("start_s", "")),
        _seconds(record.get("end_s", "")),
        record.get("utterance", ""),
        record.get("rater", ""),
        shares,
        amounts_in(record),
        answer,
    )


def shares_in(record: Mapping[str, str], names: Sequence[str]) -> dict[str, float]:
    """By emotion: of columns of shares, else of the one emotion."""
    told = {canonical_emotion(n.removeprefix(SHARE)): _number(record.get(n, "")) for n in names}
    positive = {name: value for name, value in told.items() if value is not None and value > 0}
    if whole := sum(positive.values()):
        return {name: value / whole for name, value in positive.items()}
    emotion = record.get("emotion", "")
    return {} if names_no_emotion(emotion) else {canonical_emotion(emotion): 1.0}


def amounts_in(record: Mapping[str, str]) -> dict[str, float]:
    """Arousal and valence, where they are numbers on the scale of the log."""
    told = {name: _number(record.get(name, "")) for name in DIMENSIONS}
    low, high = SCALE
    return {name: v for name, v in told.items() if v is not None and low <= v <= high}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value and abs(value) < 1e9 else None


def _seconds(text: str) -> float | None:
    return None if text.strip().lower() in ("", "nan", "nat", "none") else seconds(text)
