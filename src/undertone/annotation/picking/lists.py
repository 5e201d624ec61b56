"""Picks as a list for whoever labels elsewhere: a CSV table, tasks for Label Studio.

In:  ``Listed`` picks, a path.
Out: the file, whole or absent; one that is there is never written over: somebody may have labelled
     in it.
"""

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from undertone import atomic
from undertone.errors import UndertoneError, as_path, as_text

COLUMNS = ("utterance", "file", "start_s", "end_s", "speaker", "emotion", "why")
LOCAL_FILES = "/data/local-files/?d="  # where Label Studio serves files of its document root
SUFFIXES = (".csv", ".json")


@dataclass(frozen=True)
class Listed:
    """An utterance to label, as people find it.

    Attributes:
        utterance: its name in the corpus.
        file: path from the corpus's folder.
        path: whole path.
        start_s: where it begins in the file; None for the beginning.
        end_s: where it ends; None for the end.
        speaker: who speaks; None where nobody knows.
        why: it was picked.
    """

    utterance: str
    file: str
    path: str
    start_s: float | None
    end_s: float | None
    speaker: str | None
    why: str


def check_out(path: Path) -> None:
    """Refuse a place for a list before anything is computed.

    Raises:
        UndertoneError: something is there, or its name ends in nothing that we write.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UndertoneError(
            f"--out takes a file that ends in {' or '.join(SUFFIXES)} (a table, or tasks for Label "
            f"Studio); found {path}"
        )
    if path.exists():
        raise UndertoneError(
            f"{path} is there already, and may hold labels: choose another --out, or count them "
            f"with --labels {path}"
        )
    atomic.check_writable(path)


def write(listed: Sequence[Listed], path: Path, *, served_at: str = LOCAL_FILES) -> None:
    """Write the list that the name of the path asks for."""
    check_out(path)
    is_table = path.suffix.lower() == ".csv"
    atomic.write_text(path, as_csv(listed) if is_table else as_tasks(listed, served_at=served_at))


def as_csv(listed: Sequence[Listed]) -> str:
    """A row a pick; the column emotion is empty, to be filled in and given back as labels."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for one in listed:
        row = asdict(one) | {"emotion": "", "file": as_text(one.path)}
        writer.writerow({name: "" if row[name] is None else row[name] for name in COLUMNS})
    return text.getvalue()


def as_tasks(listed: Sequence[Listed], *, served_at: str = LOCAL_FILES) -> str:
    """Tasks for Label Studio, whose document root is the corpus's folder.

    Args:
        listed: picks.
        served_at: what stands before each file's path from the corpus's folder.
    """
    tasks = [
        {
            "data": {
                "audio": f"{served_at}{quote(os.fsencode(as_path(one.file)))}",
                **{name: value for name, value in asdict(one).items() if name != "path"},
            }
        }
        for one in listed
    ]
    return json.dumps(tasks, indent=2, ensure_ascii=False) + "\n"
