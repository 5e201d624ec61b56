"""The columns of other people's tables under this package's names.

In:  a table of any kind that ``tables`` reads, with one row of column names.
Out: a frame of text whose columns have this package's names, what is unknown as None.

Synonyms follow nkululeko, audformat, Hugging Face's AudioFolder and MSP-Podcast; case and spaces
at the ends do not matter. Where a table has two synonyms of one column the first listed counts.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath

import pandas as pd

from undertone.corpora import tables
from undertone.corpora.tables import Table
from undertone.corpora.texts import refuse_pointer
from undertone.corpora.times import seconds
from undertone.errors import UndertoneError

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "file": ("file", "path", "filename", "file_name", "wav"),
    "speaker": ("speaker", "spk", "speaker_id", "spkrid"),
    "emotion": ("emotion", "emo", "label", "emoclass"),
    "start_s": (
        *("start_s", "start", "start_time", "begin", "onset", "begin_time", "start_sec"),
        *("start_seconds", "start (s)", "tmin", "xmin"),
    ),
    "end_s": (
        *("end_s", "end", "end_time", "stop", "stop_time", "end_sec", "end_seconds", "end (s)"),
        *("tmax", "xmax"),
    ),
    "duration_s": (
        *("duration_s", "duration", "dur", "duration_sec", "duration_seconds", "duration (s)"),
        *("length", "length_s"),
    ),
    "sex": ("sex", "gender"),
    "language": ("language", "lang"),
    "transcript": ("transcript", "transcription", "text"),
    "utterance": ("utterance", "utterance_id", "utt", "key"),
    "rater": ("rater", "rater_id", "annotator", "annotator_id", "worker", "workerid"),
}
IN_MS: Mapping[str, tuple[str, ...]] = {  # columns of milliseconds
    "start_s": ("start_ms", "start_time_ms", "begin_ms", "onset_ms", "start (ms)"),
    "end_s": ("end_ms", "end_time_ms", "stop_ms", "end (ms)"),
    "duration_s": ("duration_ms", "dur_ms", "length_ms", "duration (ms)"),
}
OTHER_TIMES = re.compile(  # of a segment, in no unit that is known here
    r"(start|begin|end|stop|onset|offset|duration)[_ ]?(sample|frame|index|idx|byte|tick)s?"
    r"|t0|t1|from|to"
)
MOST_NAMED, LONGEST_NAME = 30, 40  # columns that a message names, letters of each
UNKNOWN = ("", "nan", "na", "n/a", "none", "null", "nat", "<na>", "unknown")
SEXES: Mapping[str, str] = {
    **dict.fromkeys(("f", "female", "woman", "w", "weiblich"), "female"),
    **dict.fromkeys(("m", "male", "man", "männlich"), "male"),
}
LANGUAGES: Mapping[str, str] = {  # ISO 639-1 and English names to ISO 639-3
    **dict.fromkeys(("ar", "arabic"), "ara"),
    **dict.fromkeys(("de", "german", "ger", "deutsch"), "deu"),
    **dict.fromkeys(("en", "english"), "eng"),
    **dict.fromkeys(("es", "spanish"), "spa"),
    **dict.fromkeys(("fa", "persian"), "fas"),
    **dict.fromkeys(("fr", "french", "fre"), "fra"),
    **dict.fromkeys(("hi", "hindi"), "hin"),
    **dict.fromkeys(("it", "italian"), "ita"),
    **dict.fromkeys(("ja", "japanese"), "jpn"),
    **dict.fromkeys(("ko", "korean"), "kor"),
    **dict.fromkeys(("nl", "dutch"), "nld"),
    **dict.fromkeys(("pl", "polish"), "pol"),
    **dict.fromkeys(("pt", "portuguese"), "por"),
    **dict.fromkeys(("ru", "russian"), "rus"),
    **dict.fromkeys(("tr", "turkish"), "tur"),
    **dict.fromkeys(("zh", "mandarin", "chinese"), "cmn"),
}


KNOWN = tuple(synonym for synonyms in SYNONYMS.values() for synonym in synonyms)


def read_cells(path: Path) -> pd.DataFrame:
    """As ``read_table``, the cells alone."""
    return read_table(path).cells


def read_table(path: Path) -> Table:
    """A table's cells as they stand, its columns under this package's names where they have one.

    The index counts the lines of the file from 0 below the first; empty rows are gone.
    """
    refuse_pointer(path)
    table = tables.read(path, KNOWN)
    return Table(under_our_names(table.cells, path), table.notes)


def under_our_names(cells: pd.DataFrame, where: Path) -> pd.DataFrame:
    """Cells with columns renamed, without empty rows; ``offset`` is where a segment starts."""
    cells = cells.rename(columns=_names(cells)).fillna("")
    cells = _with_milliseconds(cells)
    if (twice := cells.columns[cells.columns.duplicated()]).size:
        raise UndertoneError(f"{where} has two columns called {twice[0]}; rename or remove one")
    return cells[(cells != "").any(axis=1)]


def _with_milliseconds(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells of milliseconds as such under the names of seconds, where nothing else has them."""
    by_lower = {str(column).strip().lower(): column for column in cells.columns}
    for name, in_ms in IN_MS.items():
        found = next((by_lower[synonym] for synonym in in_ms if synonym in by_lower), None)
        if found is not None and name not in cells:
            cells = cells.rename(columns={found: name})
            cells[name] = cells[name].map(lambda text: f"{text} ms" if str(text).strip() else "")
    return cells


def require(cells: pd.DataFrame, needed: tuple[str, ...], where: Path) -> None:
    """Refuse a table of ``read_cells`` that lacks a column, by this package's names."""
    missing = [name for name in needed if name not in cells]
    if not missing:
        return
    present = ", ".join(_shortened(str(name)) for name in cells.columns[:MOST_NAMED])
    if (more := len(cells.columns) - MOST_NAMED) > 0:
        present += f" and {more:,} more"
    accepted = "; ".join(
        f"{name} may be called {', '.join(SYNONYMS.get(name, (name,)))}" for name in missing
    )
    raise UndertoneError(
        f"{where} has no column {' and no column '.join(missing)}; it has {present} "
        f"({accepted}). {_where_unknown(missing)}"
    )


def _where_unknown(missing: list[str]) -> str:
    """What to write into a column that says nothing; without speakers nothing can be fitted."""
    if missing == ["speaker"]:
        return (
            "Where each recording is another person, copy the column file into a column speaker; "
            "with empty cells there it is enough to pre-train on and to predict, and not to learn "
            "labels from."
        )
    return "Where it is not known, add the column and leave its cells empty."


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"


def standardise(cells: pd.DataFrame, where: Path | str = "the table") -> pd.DataFrame:
    """The cells of fixed columns in this package's terms; None where a cell is empty or unknown.

    Raises:
        UndertoneError: a time is none; it names the row.
    """
    table = cells.map(str.strip)
    table = table.astype(object).mask(table.map(str.lower).isin(UNKNOWN), None)
    in_terms = {
        "file": lambda text: PureWindowsPath(text).as_posix(),
        "sex": lambda text: SEXES.get(text.lower()),
        "language": lambda text: LANGUAGES.get(text.lower(), text.lower()),
    }
    for name in in_terms.keys() & set(table):
        table[name] = table[name].map(in_terms[name], na_action="ignore")
    table = _with_times(table, where)
    return table.astype(object).where(table.notna(), None)


def _with_times(table: pd.DataFrame, where: Path | str) -> pd.DataFrame:
    """Times in seconds; a segment with a duration and no end ends so much after its start."""
    _refuse_other_times(table, where)
    for name in [name for name in ("start_s", "end_s") if name in table]:
        table[name] = _times(table[name], where)
    if "duration_s" not in table or "start_s" not in table:
        return table.drop(columns="duration_s", errors="ignore")
    start, duration = table["start_s"].astype(float), table.pop("duration_s")
    end = table["end_s"].astype(float) if "end_s" in table else start * float("nan")
    lasts = _times(duration.where(start.notna() & end.isna(), None), where).astype(float)
    return table.assign(end_s=end.fillna(start + lasts))


def _refuse_other_times(table: pd.DataFrame, where: Path | str) -> None:
    """Segments that would be passed over: their recordings would be taken whole."""
    if {"start_s", "end_s"} & set(table):
        return
    others = [name for name in map(str, table) if OTHER_TIMES.fullmatch(name.strip().lower())]
    if others:
        raise UndertoneError(
            f"{where} has the columns {', '.join(others)}, which look like the times of segments "
            "and are not read: give columns start and end in seconds, or remove these to take "
            "whole recordings"
        )


def _times(cells: pd.Series, where: Path | str) -> pd.Series:
    """Seconds; None where a cell is empty."""
    values = []
    for row, cell in cells.items():
        try:
            values.append(None if cell is None else seconds(cell))
        except UndertoneError as error:
            assert isinstance(row, int)
            raise UndertoneError(f"{where}, line {row + 2}, {cells.name}: {error}") from None
    return pd.Series(values, index=cells.index, dtype=object)


def _names(cells: pd.DataFrame) -> dict[str, str]:
    """This package's name by the table's, one column each.

    ``offset`` is a start beside a duration, and an end beside an onset.
    """
    by_lower = {str(column).strip().lower(): column for column in reversed(cells.columns)}
    names = {
        by_lower[synonyms_found[0]]: name
        for name, synonyms in SYNONYMS.items()
        if (synonyms_found := [synonym for synonym in synonyms if synonym in by_lower])
    }
    if "start_s" not in names.values() and "offset" not in by_lower:
        names = {column: name for column, name in names.items() if name != "duration_s"}
    if "offset" in by_lower:
        meant = "end_s" if "onset" in by_lower else "start_s"
        if meant not in names.values():
            names[by_lower["offset"]] = meant
    return names
