"""The community's pickles of CMU-MOSEI, read without running what they may hold; made a folder.

In:  a pickle ``{"train" | "valid" | "test": {"id", "audio", …}}`` with audio (n, n_steps, 74)
     padded with rows of 0, and ids ``video$_$k`` or ``video[k]``, or rows of video, start and end.
Out: ``load``: its content; ``convert``: ``CMU_MOSEI_COVAREP.csd`` and ``splits.csv`` in a folder,
     to be completed by the labels and read as ``mosei=FOLDER``.

A pickle is a program. ``load`` reads it with a machine of our own (``plain_pickle``), which knows
how to build arrays, numbers and plain containers, and refuses by name anything else.

Steps of such files are means over words or fixed parts of a segment, not frames of 10 ms. With
times they are spread evenly over the segment, which finds the label. Without, their times are NaN,
and ``k`` is taken as the k-th label of its video: whether the file counts so cannot be checked.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from undertone import atomic
from undertone.corpora import csd, plain_pickle
from undertone.corpora.mosei import FRAMES_FILE, SPLITS
from undertone.corpora.texts import refuse_pointer
from undertone.errors import UndertoneError, printable

AUDIO = ("audio", "COVAREP", "covarep")


def load(path: Path | str) -> Any:
    """What a pickle holds, if that is arrays, numbers, text and plain containers.

    Raises:
        UndertoneError: it asks for anything else, or is no pickle.
    """
    path = Path(path)
    refuse_pointer(path)
    try:
        return plain_pickle.load(path)
    except plain_pickle.RefusedError as error:
        raise UndertoneError(
            f"{path} asks for {printable(str(error))}, which is no array, number, text or plain "
            "container: it is refused, because a pickle can run any program. Where you trust its "
            "author, read it with the packages that wrote it, and write for each fold a list of "
            "texts `id` and a float32 array `audio` (numpy.asarray) as a new pickle"
        ) from None


def convert(pickled: Path | str, folder: Path | str) -> Path:
    """Write a pickle's frames and folds as a folder of ``corpora.mosei``; add the labels to it."""
    content, folder = load(pickled), Path(folder)
    parts = _parts(content, Path(pickled))
    folder.mkdir(parents=True, exist_ok=True)
    splits: dict[str, str] = {}
    entries: dict[str, list[csd.Entry]] = {}
    for split, part in parts.items():
        for identifier, entry in _entries(part, Path(pickled)):
            video = csd.parted(identifier)[0]
            if splits.setdefault(video, split) != split:
                raise UndertoneError(f"the video {video} is in two folds in {pickled}")
            entries.setdefault(identifier, []).append(entry)
    csd.write(
        folder / FRAMES_FILE,
        ((identifier, _joined(pieces)) for identifier, pieces in entries.items()),
        root="COVAREP",
        metadata={"computational sequence description": f"converted from {Path(pickled).name}"},
    )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("video", "split"), *splits.items()])
    atomic.write_text(folder / "splits.csv", text.getvalue())
    return folder


def _parts(content: Any, path: Path) -> dict[str, Mapping[str, Any]]:
    """The folds under this package's names."""
    folds = content if isinstance(content, dict) else {}
    parts = {SPLITS[key]: part for key, part in folds.items() if key in SPLITS}
    if not parts or not all(isinstance(part, dict) for part in parts.values()):
        raise UndertoneError(
            f"expected the folds train, valid and test in {path}, each with id and audio; found "
            f"{', '.join(map(str, folds)) or type(content).__name__}"
        )
    return parts


def _entries(part: Mapping[str, Any], path: Path) -> Iterator[tuple[str, csd.Entry]]:
    """Identifiers with their steps, without the padding."""
    name = next((name for name in AUDIO if name in part), None)
    if name is None or "id" not in part or np.ndim(part[name]) != 3:
        raise UndertoneError(
            f"expected id and audio (n, n_steps, n_features) in each fold of {path}; found "
            f"{', '.join(map(str, part))}"
        )
    audio, ids, lengths = part[name], part["id"], part.get("audio_lengths")
    if len(ids) != len(audio):
        raise UndertoneError(f"{path} has {len(ids)} ids for {len(audio)} sequences of audio")
    for i, (one, padded) in enumerate(zip(ids, audio, strict=True)):
        if lengths is None:
            steps = _without_padding(np.asarray(padded, np.float32))
        else:
            steps = np.asarray(padded, np.float32)[: int(np.ravel(lengths[i])[0])]
        identifier, start_s, end_s = _identify(one, path)
        edges_s = np.linspace(start_s, end_s, len(steps) + 1)
        yield identifier, csd.Entry(steps, np.column_stack([edges_s[:-1], edges_s[1:]]))


def _identify(one: Any, path: Path) -> tuple[str, float, float]:
    """Identifier, start and end; NaN where it has no times."""
    words = [w.decode() if isinstance(w, bytes) else str(w) for w in np.ravel(one).tolist()]
    if len(words) == 3:
        return words[0], float(words[1]), float(words[2])
    video, parting, number = words[0].partition("$_$")
    identifier = f"{video}[{number}]" if parting else video
    if len(words) != 1 or csd.parted(identifier)[1] is None:
        raise UndertoneError(
            f"expected an id such as video$_$3, video[3] or video, start, end in {path}; found "
            f"{', '.join(words)!r}"
        )
    return identifier, float("nan"), float("nan")


def _without_padding(steps: np.ndarray) -> np.ndarray:
    """Without the rows of 0 before the first and after the last other row."""
    filled = np.flatnonzero((steps != 0).any(axis=1))
    return steps[filled[0] : filled[-1] + 1] if len(filled) else steps[:0]


def _joined(pieces: list[csd.Entry]) -> csd.Entry:
    return csd.Entry(
        np.concatenate([entry.features for entry in pieces]),
        np.concatenate([entry.intervals_s for entry in pieces]),
    )
