"""ShEMO, the Sharif Emotional Speech Database: Persian, radio plays, 87 speakers, six emotions.

In:  the user's copy: ``F03S02.wav``, 3,000 files anywhere below a folder (``female/``, ``male/``),
     in any audio format. ``modified_shemo.json``, in that folder or beside it, replaces the
     emotions of the names where labels have been corrected, and tells transcripts.
Out: ``Corpus`` with the label columns emotion and named_emotion (what the file's name says).

The grammar of a file name: sex (F or M), speaker (2 digits, counted for each sex), emotion (initial
of the English word; W is surprise), number. An F in the first place is a woman, in the fourth fear.
Fear has about thirty utterances, so that many report five emotions: ``five=True`` leaves it out.
Source: Mohamad Nezami, Jamshid Lou and Karami (2019), Language Resources and Evaluation 53(1).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.config import parse_json
from undertone.corpora import grammar
from undertone.corpora.corpus import Corpus
from undertone.corpora.texts import read_text
from undertone.errors import UndertoneError
from undertone.tasks.names import canonical_emotion

GRAMMAR = re.compile(r"(?P<sex>[FM])(?P<number>\d\d)(?P<emotion>[AFHNSW])(?P<take>\d{2,3})")
SEXES: Mapping[str, str] = {"F": "female", "M": "male"}
EMOTIONS: Mapping[str, str] = {
    "A": "anger",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
    "W": "surprise",
}
CORRECTIONS = "modified_shemo.json"
TOO_RARE = "fear, which is too rare: five emotions were asked for"


def read(path: Path, *, five: bool = False) -> Corpus:
    """The corpus in a folder, or as much of it as is there; ``five`` leaves fear out."""
    root = Path(path)
    named = grammar.read(root, read_name, example="F03S02.wav", corpus="ShEMO")
    table = named.table
    table["named_emotion"] = table["emotion"]
    if (corrections := grammar.find_beside(root, CORRECTIONS)) is not None:
        corrected = read_corrections(corrections, set(table["utterance"]))
        for column in ("emotion", "transcript"):
            values = table["utterance"].map({name: row[column] for name, row in corrected.items()})
            table[column] = values.where(values.notna(), table[column])
    corpus = Corpus(
        name="shemo",
        root=root,
        table=table,
        licence="for academic use, see its authors' page",
        citation="Mohamad Nezami, Jamshid Lou and Karami (2019), ShEMO: a large-scale validated "
        "database for Persian speech emotion detection, Language Resources and Evaluation 53(1).",
        left_out=named.left_out,
    )
    afraid = table.loc[table["emotion"] == "fear", "utterance"]
    return corpus.drop(dict.fromkeys(afraid, TOO_RARE)) if five else corpus


def read_name(stem: str) -> dict[str, str | None] | None:
    """What a file name without ending tells; None where it is no name of ShEMO.

    >>> read_name("F03S02")["speaker"], read_name("M21F01")["emotion"], read_name("F21F01")["sex"]
    ('F03', 'fear', 'female')
    """
    match = GRAMMAR.fullmatch(stem)
    if match is None:
        return None
    return {
        "speaker": match["sex"] + match["number"],
        "sex": SEXES[match["sex"]],
        "language": "fas",
        "emotion": EMOTIONS[match["emotion"]],
    }


def read_corrections(path: Path, utterances: set[str]) -> dict[str, dict[str, str | None]]:
    """Emotion and transcript by utterance, as the corrected table tells them.

    Args:
        path: ``modified_shemo.json``: by file, ``emotion``, ``transcript``, and as ``speech_name``
            what the file was called before the correction.
        utterances: the stems of the audio files. They decide whether the audio bears the new names
            or the old ones: the set of names that differs least from theirs counts.
    """
    text = read_text(path)
    try:
        rows: dict[str, Any] = parse_json(text)
        by_name = {Path(name).stem: _labels(row) for name, row in rows.items()}
        by_old = {Path(row.get("speech_name", n)).stem: _labels(row) for n, row in rows.items()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UndertoneError(
            f"{path} is not the table of corrected labels: {what}; expected emotion and transcript "
            "by file name"
        ) from None
    return min((by_name, by_old), key=lambda labels: len(utterances ^ set(labels)))


def _labels(row: Mapping[str, str]) -> dict[str, str | None]:
    return {
        "emotion": canonical_emotion(row["emotion"]),
        "transcript": row.get("transcript") or None,
    }
