"""A Hugging Face AudioFolder: each utterance as a file of its own, and ``metadata.csv``.

In:  utterances with their labels; or such a folder.
Out: the one or the other. ``datasets.load_dataset("audiofolder", data_dir=...)`` reads it, and so
     does ``--corpus``.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from undertone import atomic
from undertone.annotation.exchange import table
from undertone.annotation.exchange.rows import Exported, Row, is_speech
from undertone.annotation.sound import encoded
from undertone.errors import UndertoneError, describe_some, printable

METADATA, AUDIO = "metadata.csv", "audio"
LONGEST_NAME = 60


def write(rows: Sequence[Exported], out: Path) -> str:
    """Write the folder, which is whole or absent; return what is to be said."""
    atomic.check_free(out)
    speech, lost, named = [row for row in rows if is_speech(row)], [], []
    with atomic.new_folder(out) as folder:
        (folder / AUDIO).mkdir()
        for number, (row, cells) in enumerate(
            zip(speech, table.cells(rows, out), strict=True), start=1
        ):
            name = f"{AUDIO}/{number:05d}-{_plain(row.clip.utterance)}.wav"
            try:
                (folder / name).write_bytes(encoded(row.clip))
            except UndertoneError:
                lost.append(row.clip.utterance)
                continue
            named.append(_with_own_file(cells, name))
        if not named:
            raise UndertoneError("no utterance could be read: is the audio where it was?")
        content = io.StringIO()
        writer = csv.DictWriter(content, named[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(named)
        (folder / METADATA).write_text(content.getvalue(), encoding="utf-8")
    without = f"; {len(lost)} could not be read: {describe_some(map(printable, lost))}"
    return f"{len(named)} utterances in {out}{without if lost else ''}"


def _with_own_file(cells: dict[str, str], name: str) -> dict[str, str]:
    """The file is the copy; where the utterance was is told under other names."""
    rest = {key: v for key, v in cells.items() if key not in ("file", "start_s", "end_s")}
    source = {f"source_{key}": cells[key] for key in ("file", "start_s", "end_s")}
    return {"file_name": name, **rest, **source}


def _plain(name: str) -> str:
    """Letters that every file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[-LONGEST_NAME:].strip("._") or "clip"


def read(path: Path) -> list[Row]:
    """The labels of a folder."""
    place = path / METADATA
    if not place.is_file():
        raise UndertoneError(f"{path} holds no {METADATA}: it is no AudioFolder with labels")
    return table.read(place)
