"""Kaldi's data folders: lists of a key and a value, one file a fact.

In:  a folder with ``wav.scp`` (recording and path), perhaps ``segments`` (utterance, recording,
     start, end), and by utterance ``utt2spk``, ``text``, ``utt2emo`` or ``emotion``, ``utt2lang``,
     and ``spk2gender`` or ``utt2gender``.
Out: ``Corpus``, whose utterances have Kaldi's names.

A path that is a command (it ends in ``|``) is never run: such recordings are left out and counted.
Paths are relative to the folder, or to the folder that Kaldi was started in, one of those above it.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from undertone.corpora import csv, media, tables
from undertone.corpora.corpus import Corpus, left_out
from undertone.errors import UndertoneError

RECORDINGS, SEGMENTS = "wav.scp", "segments"
FACTS: Mapping[str, tuple[str, ...]] = {  # of an utterance
    "speaker": ("utt2spk",),
    "emotion": ("utt2emo", "utt2emotion", "emotion", "utt2label"),
    "transcript": ("text",),
    "sex": ("utt2gender", "utt2sex"),
    "language": ("utt2lang",),
}
COMMAND = "a command in wav.scp, which is not run: write its output to a file and name that"
LEVELS_ABOVE = 4  # where paths may start


def is_folder(path: Path) -> bool:
    """Whether a folder is one of Kaldi's."""
    return media.is_file(path / RECORDINGS)


def read(path: Path, *, name: str | None = None) -> Corpus:
    """The corpus in a data folder; its own name is the corpus's where none is given."""
    root = Path(path)
    recordings = _pairs(root / RECORDINGS)
    commands = {key for key, value in recordings.items() if value.rstrip().endswith("|")}
    start = _start_of_paths(root, [v for k, v in recordings.items() if k not in commands])
    rows = _rows(root, recordings)
    cells = pd.DataFrame(rows, columns=["utterance", "recording", "start_s", "end_s"], dtype=object)
    cells["file"] = cells["recording"].map(lambda key: str(start / recordings[key]))
    for column, files in FACTS.items():
        found = next((root / file for file in files if media.is_file(root / file)), None)
        known = _pairs(found) if found is not None else {}
        cells[column] = cells["utterance"].map(known).astype(object)
    if media.is_file(root / "spk2gender"):
        cells["sex"] = cells["speaker"].map(_pairs(root / "spk2gender")).astype(object)
    is_command = cells["recording"].isin(commands)
    kept = cells[~is_command].drop(columns="recording").fillna("")
    corpus = csv.from_cells(kept, root / RECORDINGS, name=name or root.resolve().name)
    told = cells[is_command].assign(file=None, reason=COMMAND).to_dict("records")
    return replace(corpus, left_out=left_out([*corpus.left_out.to_dict("records"), *told]))


def _rows(root: Path, recordings: Mapping[str, str]) -> list[tuple[str, ...]]:
    """(utterance, recording, start, end); a whole recording is an utterance without segments."""
    if not media.is_file(root / SEGMENTS):
        return [(key, key, "", "") for key in recordings]
    rows: list[tuple[str, ...]] = []
    for utterance, value in _pairs(root / SEGMENTS).items():
        recording, *times = value.split()
        if len(times) < 2 or recording not in recordings:
            raise UndertoneError(
                f"{root / SEGMENTS}: expected UTTERANCE RECORDING START END with a recording of "
                f"{RECORDINGS}, found {utterance} {value!r}"
            )
        end = "" if times[1].startswith("-1") else times[1]  # -1 is the end of the recording
        rows.append((utterance, recording, times[0], end))
    return rows


def _pairs(path: Path) -> dict[str, str]:
    """Value by key of a list, one a line, a key each once."""
    text, _ = tables.decode(path)
    pairs: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        key, *value = line.strip().split(maxsplit=1) or [""]
        if key in pairs:
            raise UndertoneError(f"{path}, line {number}: {key} stands there twice")
        if key:
            pairs[key] = value[0] if value else ""
    return pairs


def _start_of_paths(root: Path, paths: list[str]) -> Path:
    """The folder that paths are relative to: the first one below which one of them lies."""
    for folder in (root, *list(root.resolve().parents)[:LEVELS_ABOVE]):
        if any(media.is_file(folder / path) for path in paths[:20]):
            return folder
    return root
