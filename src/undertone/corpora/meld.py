"""MELD: English, the TV series Friends, some 300 speakers, seven emotions, official folds.

In:  the user's copy: ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv``, or
     some of them, anywhere below a folder, and below it ``dia0_utt0.mp4`` in folders whose names
     hold train, dev (or val), or test, as ``train_splits``, ``dev_splits_complete`` and
     ``output_repeated_splits_test`` do; or sound taken from these videos under the same names.
Out: ``Corpus`` with official folds and the label columns emotion, sentiment, dialogue and split
     (train, valid, test).

Dialogues are counted anew in each part: utterances are named ``train/dia0_utt0``. Who speaks for
several (``All``, ``Both``) is nobody known. A name that is no person's (``Woman``, ``Waiter``) is
taken for one speaker, so that it can never stand on both sides. Six people lead the series and
speak in every part: their training utterances are left out, as of any corpus whose partition has a
speaker on both sides (``corpora.official``), which leaves about a sixth of the training part.
Source: Poria et al. (2019), MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in
Conversations, ACL.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from undertone.corpora import grammar, names
from undertone.corpora.corpus import Corpus, left_out
from undertone.corpora.delimited import parse
from undertone.corpora.media import have_same_bytes
from undertone.corpora.texts import read_text
from undertone.errors import UndertoneError
from undertone.tasks.names import canonical_emotion

TABLES: Mapping[str, str] = {
    "train": "train_sent_emo.csv",
    "valid": "dev_sent_emo.csv",
    "test": "test_sent_emo.csv",
}
FOLDERS: Mapping[str, re.Pattern[str]] = {
    "train": re.compile(r"(?<![a-z])train", re.IGNORECASE),
    "valid": re.compile(r"(?<![a-z])(dev|val)", re.IGNORECASE),
    "test": re.compile(r"(?<![a-z])test", re.IGNORECASE),
}
NEEDED = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
GRAMMAR = re.compile(r"(?P<split>train|valid|test)/dia(?P<dialogue>\d+)_utt(?P<utterance>\d+)")
PLAIN = re.compile(r"dia\d+_utt\d+", re.IGNORECASE)
SEVERAL = ("all", "both", "everyone", "the guys", "the girls")  # who is no single speaker
SEXES: Mapping[str, str] = {
    "Chandler": "male",
    "Joey": "male",
    "Monica": "female",
    "Phoebe": "female",
    "Rachel": "female",
    "Ross": "male",
}
NO_PART = "in no folder whose name says train, dev or test"
NO_ROW = "in no table of its part"
NO_FILE = "no recording"
TWO_ROWS = "its table has two rows of it that differ"
Rows = Mapping[str, Mapping[str, str | None]]


def read(path: Path) -> Corpus:
    """The corpus in a folder, or as much of it as has tables and recordings.

    Raises:
        UndertoneError: no table is there, one lacks a column, or no recording has a row.
    """
    root = Path(path)
    rows = _read_tables(root)
    named = grammar.read(
        *(root, lambda name: _described(name, rows)),
        corpus="MELD",
        example="train_splits/dia0_utt0.mp4",
        refuse=lambda path: _why_not(name_of(path, root), rows),
        name_of=lambda path: name_of(path, root),
    )
    silent = sorted(set(rows) - set(named.table["utterance"]) - set(named.left_out["utterance"]))
    no_file = [{"utterance": name, "file": None, "reason": NO_FILE} for name in silent]
    return Corpus(
        name="meld",
        root=root,
        table=named.table,
        official_folds=True,
        licence="GPL-3.0 of the annotation; the recordings are of a TV series, for research",
        citation="Poria et al. (2019), MELD: A Multimodal Multi-Party Dataset for Emotion "
        "Recognition in Conversations, ACL.",
        left_out=left_out([*named.left_out.to_dict("records"), *no_file]),
    )


def name_of(path: Path, root: Path) -> str:
    """An utterance's name, in which its part stands; the stem where no folder tells one.

    >>> name_of(Path("/x/output_repeated_splits_test/dia3_utt1.mp4"), Path("/x"))
    'test/dia3_utt1'
    """
    if not PLAIN.fullmatch(path.stem):
        return path.stem
    for folder in reversed(path.relative_to(root).parts[:-1]):
        for split, said in FOLDERS.items():
            if said.search(folder):
                return f"{split}/{path.stem.lower()}"
    return path.stem


def _described(name: str, rows: Rows) -> Mapping[str, str | None] | None:
    """What is told of an utterance; None where it is no name of MELD."""
    if not (GRAMMAR.fullmatch(name) or PLAIN.fullmatch(name)):
        return None
    return rows.get(name, {})


def _why_not(name: str, rows: Rows) -> str | None:
    if PLAIN.fullmatch(name):
        return NO_PART
    if name not in rows:
        return NO_ROW
    return None if rows[name] else TWO_ROWS


def _read_tables(root: Path) -> Rows:
    """What the tables tell, by utterance."""
    if not root.is_dir():
        raise UndertoneError(f"expected the folder of MELD at {root}; there is no such folder")
    found = {split: _tables_called(name, root) for split, name in TABLES.items()}
    if not any(found.values()):
        raise UndertoneError(
            f"expected {', '.join(TABLES.values())}, or some of them, in {root} or below; found "
            "none: copy them from the folder data/MELD of the authors' repository"
        )
    cells: dict[str, dict[str, Any]] = {}
    for split, paths in found.items():
        for path in paths[:1]:
            cells |= _read_table(path, split)
    spelt = _one_spelling(row["speaker"] for row in cells.values() if row)
    for row in filter(None, cells.values()):
        row["speaker"] = spelt.get(row["speaker"])
        row["sex"] = SEXES.get(row["speaker"] or "")
    return cells


def _tables_called(name: str, root: Path) -> list[Path]:
    """The one table of a name, whatever its case, and copies of it.

    Raises:
        UndertoneError: two of them differ.
    """
    found = sorted(path for path in root.rglob("*.[cC][sS][vV]") if path.name.lower() == name)
    for other in found[1:]:
        if not have_same_bytes(found[0], other):
            raise UndertoneError(
                f"{found[0]} and {other} differ: which is MELD's {name}? Move the other one out of "
                f"{root}"
            )
    return found


def _read_table(path: Path, split: str) -> dict[str, dict[str, Any]]:
    parsed = parse(read_text(path, otherwise="cp1252"), path)
    if missing := [name for name in NEEDED if name not in parsed.names]:
        raise UndertoneError(
            f"{path} has no column {' and no column '.join(missing)}; MELD's has "
            f"{', '.join(NEEDED)}: fetch it again"
        )
    rows = [dict(zip(parsed.names, row, strict=True)) for row in parsed.rows]
    described: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = f"{split}/dia{_whole(row['Dialogue_ID'])}_utt{_whole(row['Utterance_ID'])}"
        told = _told_of(row, split)
        described[name] = told if described.get(name, told) == told else {}
    return described


def _whole(cell: str) -> str:
    """A number as file names have it: a spreadsheet makes 3.0 of 3."""
    return re.sub(r"[.,]0+$", "", cell.strip())


def _told_of(row: Mapping[str, str], split: str) -> dict[str, Any]:
    return {
        "speaker": " ".join(row["Speaker"].split()),
        "language": "eng",
        "transcript": row["Utterance"].strip() or None,
        "emotion": canonical_emotion(row["Emotion"]) or None,
        "sentiment": row["Sentiment"].strip().lower() or None,
        "dialogue": f"{split}-{row['Dialogue_ID'].strip()}",
        "split": split,
    }


def _one_spelling(speakers: Iterable[str]) -> dict[str, str]:
    """By spelling the commonest one of that speaker; nothing of who is several, or nobody."""
    counts = Counter(speakers)
    best: dict[str, str] = {}
    for speaker, _ in counts.most_common():
        best.setdefault(names.fold(speaker), speaker)
    return {s: best[names.fold(s)] for s in counts if s and names.fold(s) not in SEVERAL}
