"""The community's pickles of CMU-MOSEI, read without running what they may hold; made a folder.

In:  a pickle ``{"train" | "valid" | "test": {"id", "audio", …}}`` with audio (n, n_steps, 74)
     padded with rows of 0, and ids ``video$_$k`` or ``video[k]``, or rows of video, start and end.
Out: ``load``: its content; ``convert``: ``CMU_MOSEI_COVAREP.csd`` and ``splits.csv`` in a folder,
     to be completed by the labels and read as ``mosei=FOLDER``.

A pickle is a program. ``load`` knows how to build arrays, numbers and plain containers, and refuses
by name anything else that the file asks for, before anything of it is run.

Steps of such files are means over words or fixed parts of a segment, not frames of 10 ms. With
times they are spread evenly over the segment, which finds the label. Without, their times are NaN,
and ``k`` is taken as the k-th label of its video: whether the file counts so cannot be checked.
"""

import csv
import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from undertone import atomic
from undertone.corpora import csd
from undertone.corpora.mosei import FRAMES_FILE, SPLITS
from undertone.corpora.texts import refuse_pointer
from undertone.errors import UndertoneError

AUDIO = ("audio", "COVAREP", "covarep")
BUILTINS = {
    kind.__name__: kind
    for kind in (set, frozenset, bytearray, bytes, complex, range, slice, list, dict, tuple)
} | {kind.__name__: kind for kind in (int, float, str, bool)}
_FROM_BYTES = np.zeros(1).__reduce_ex__(5)[0]  # where NumPy keeps them changes between releases
_OF_NUMPY: dict[str, Any] = {
    "_reconstruct": np.zeros(1).__reduce__()[0],
    "scalar": np.float64(0).__reduce__()[0],
    "_frombuffer": lambda *arguments: _FROM_BYTES(*arguments),  # type: ignore[operator]
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}


def load(path: Path | str) -> Any:
    """What a pickle holds, if that is arrays, numbers, text and plain containers.

    Raises:
        UndertoneError: it asks for anything else, or is no pickle.
    """
    path = Path(path)
    refuse_pointer(path)
    try:
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except _RefusedError as error:
        raise UndertoneError(
            f"{path} asks for {error}, which is no array, number, text or plain container: it is "
            "refused, because a pickle can run any program. Ask its author for arrays"
        ) from None
    except OSError as error:
        raise UndertoneError(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # a broken stream may fail anywhere in the machine that reads it
        raise UndertoneError(
            f"expected a pickle at {path}; it cannot be read: {error}. Is the download complete?"
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


class _RefusedError(Exception):
    """The name of what is refused."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        package = module.split(".")[0]
        if package == "numpy" and name in _OF_NUMPY:
            return _OF_NUMPY[name]
        if module in ("builtins", "__builtin__") and name in BUILTINS:
            return BUILTINS[name]
        if (module, name) == ("_codecs", "encode"):
            return _encode  # bytes as protocol 2 writes them
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError("an object kept elsewhere")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise _RefusedError(f"the encoding {encoding}")
    return text.encode("latin1")


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
