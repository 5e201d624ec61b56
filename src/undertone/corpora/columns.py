"""The columns of other people's tables under this package's names.

In:  a text table (CSV; commas, semicolons or tabs; UTF-8) with one row of column names.
Out: a frame of text whose columns have this package's names, what is unknown as None.

Synonyms follow nkululeko, audformat, Hugging Face's AudioFolder and MSP-Podcast; case and spaces
at the ends do not matter. Where a table has two synonyms of one column the first listed counts.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath

import pandas as pd

from undertone.corpora.texts import refuse_pointer
from undertone.errors import UndertoneError

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "file": ("file", "path", "filename", "file_name", "wav"),
    "speaker": ("speaker", "spk", "speaker_id", "spkrid"),
    "emotion": ("emotion", "emo", "label", "emoclass"),
    "start_s": ("start_s", "start", "start_time"),
    "end_s": ("end_s", "end", "end_time"),
    "sex": ("sex", "gender"),
    "language": ("language", "lang"),
    "transcript": ("transcript", "transcription", "text"),
    "utterance": ("utterance", "utterance_id", "utt", "key"),
    "rater": ("rater", "rater_id", "annotator", "annotator_id", "worker", "workerid"),
}
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


def read_cells(path: Path) -> pd.DataFrame:
    """A table's cells as they stand, its columns under this package's names where they have one.

    The index counts the rows of the file from 0 below the row of column names; empty rows are gone.
    """
    refuse_pointer(path)
    try:
        cells = _parse(path)
    except FileNotFoundError:
        raise UndertoneError(f"expected a table of utterances at {path}; there is none") from None
    except IsADirectoryError:
        raise UndertoneError(
            f"expected a table at {path}, found a folder; name the table"
        ) from None
    except UnicodeDecodeError:
        raise UndertoneError(f"{path} is not in UTF-8; save it as UTF-8 and try again") from None
    except (ValueError, pd.errors.ParserWarning, OSError) as error:
        raise UndertoneError(
            f"expected a table in UTF-8 at {path}, with a row of column names and as many cells "
            f"in every row: {error}"
        ) from None
    cells = cells.rename(columns=_names(cells)).fillna("")
    if (twice := cells.columns[cells.columns.duplicated()]).size:
        raise UndertoneError(f"{path} has two columns called {twice[0]}; rename or remove one")
    return cells[(cells != "").any(axis=1)]


def require(cells: pd.DataFrame, needed: tuple[str, ...], where: Path) -> None:
    """Refuse a table of ``read_cells`` that lacks a column, by this package's names."""
    missing = [name for name in needed if name not in cells]
    if not missing:
        return
    present = ", ".join(map(str, cells.columns))
    accepted = "; ".join(
        f"{name} may be called {', '.join(SYNONYMS.get(name, (name,)))}" for name in missing
    )
    raise UndertoneError(
        f"{where} has no column {' and no column '.join(missing)}; it has {present} "
        f"({accepted}). Where it is not known, add the column and leave its cells empty."
    )


def standardise(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of fixed columns in this package's terms; None where a cell is empty or unknown."""
    table = cells.map(str.strip)
    table = table.astype(object).mask(table.map(str.lower).isin(UNKNOWN), None)
    in_terms = {
        "file": lambda text: PureWindowsPath(text).as_posix(),
        "sex": lambda text: SEXES.get(text.lower()),
        "language": lambda text: LANGUAGES.get(text.lower(), text.lower()),
        "start_s": seconds,
        "end_s": seconds,
    }
    for name in in_terms.keys() & set(table):
        table[name] = table[name].map(in_terms[name], na_action="ignore")
    return table.astype(object).where(table.notna(), None)


def seconds(text: str) -> float:
    """Seconds from a number or a timedelta.

    >>> seconds("1.5"), seconds("1,5"), seconds("0 days 00:00:01.500000")
    (1.5, 1.5, 1.5)
    """
    try:
        return float(text.replace(",", "."))
    except ValueError:
        pass
    try:
        return float(pd.Timedelta(text).total_seconds())
    except ValueError:
        raise UndertoneError(
            f"expected seconds (1.5) or a time (0 days 00:00:01.5), found {text!r}"
        ) from None


def _parse(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig") as text:
        header = text.readline()
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            path,
            sep=max(",;\t", key=header.count),
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            index_col=False,
            skip_blank_lines=False,
        )


def _names(cells: pd.DataFrame) -> dict[str, str]:
    """This package's name by the table's, one column each."""
    by_lower = {str(column).strip().lower(): column for column in reversed(cells.columns)}
    return {
        by_lower[synonyms_found[0]]: name
        for name, synonyms in SYNONYMS.items()
        if (synonyms_found := [synonym for synonym in synonyms if synonym in by_lower])
    }
