"""Frames that lie in a folder: a ``.npy`` an utterance, made by whatever program.

In:  ``given:FOLDER``, and a corpus: ``FOLDER/<utterance>.npy``, (n_frames, n_features), or
     (n_features,) of one vector an utterance. ``FOLDER/frames.json`` may tell ``frames_per_second``
     (100 by default) and ``columns``.
Out: ``FrameTable``, through the frame store, by the content of the files.

Each file is looked at: numbers, finite, as wide as the others. An utterance without such a file is
left out with the reason, and files of no utterance are counted. Pickled arrays are not opened.
"""

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError, describe_some, tell
from undertone.features import shards
from undertone.features.extractor import Extractor, as_frames
from undertone.features.name import FeatureName
from undertone.features.store import FrameTable, default_folder

FACTS = "frames.json"
USUAL_RATE = 100.0  # frames a second
KNOWN = ("columns", "frames_per_second")
CHUNK = 64  # utterances a shard
LOOKED_AT = 25  # files, for how wide frames are
SUFFIX = ".npy"


def extractor_of(folder: Path) -> Extractor:
    """What the frames of a folder are: their width, columns and rate.

    Raises:
        UndertoneError: there is no such folder, it holds no array, or tells what is none of it.
    """
    files = sorted(folder.rglob(f"*{SUFFIX}")) if folder.is_dir() else []
    if not files:
        raise UndertoneError(
            f"expected a folder of arrays at {folder}, one an utterance, named UTTERANCE{SUFFIX}; "
            + ("it holds none" if folder.is_dir() else "there is no such folder")
        )
    width, (columns, rate) = _width(files), _facts(folder)
    if columns and len(columns) != width:
        raise UndertoneError(
            f"{folder / FACTS} names {len(columns)} columns, and most arrays beside it have {width}"
        )
    return Extractor(
        partial(_refuse, folder=folder),
        columns or tuple(f"given_{i}" for i in range(width)),
        version=1,
        frames_per_second=rate,
        first_centre=0.0,
    )


def read(corpus: Corpus, name: FeatureName, store: Path | None = None) -> FrameTable:
    """Frames of every utterance of a corpus that has a file.

    Args:
        corpus: whose utterances name the files.
        name: of the folder.
        store: of frames; the user's by default.

    Raises:
        UndertoneError: no utterance has a file that will do.
    """
    folder = Path(name.model)
    extractor = extractor_of(folder)
    width = len(extractor.columns)
    home = Path(store or default_folder()) / f"given-v1-{width}.{shards.VERSION}"
    files, failures = _files(folder, corpus.table["utterance"])
    _tell_of_others(folder, files.values(), corpus)
    keys = {utterance: _digest(file) for utterance, file in files.items()}
    known = shards.find(home, width, set(keys.values()))
    missing = {key: files[u] for u, key in keys.items() if key not in known}
    faults: dict[str, str] = {}
    for chunk in _chunks(list(missing)):
        frames = {}
        for key in chunk:
            try:
                frames[key] = _load(missing[key], width)
            except UndertoneError as error:
                faults[key] = str(error).removeprefix(f"{missing[key]} ")
        if frames:
            shards.write(home, frames)
    known = shards.find(home, width, set(keys.values())) if missing else known
    failures |= {u: f"{files[u]} {faults[key]}" for u, key in keys.items() if key in faults}
    if not any(key in known for key in keys.values()):
        first = next(iter(failures.values()), "it has no utterances")
        raise UndertoneError(
            f"{folder} holds frames of none of the {len(corpus)} utterances of {corpus.name}; the "
            f"first: {first}"
        )
    return FrameTable(
        extractor=str(name),
        version=extractor.version,
        frames_per_second=extractor.frames_per_second,
        columns=extractor.columns,
        source={u: known[key] for u, key in keys.items() if key in known},
        failures=failures,
        keys={u: f"{home.name} {key}" for u, key in keys.items() if key in known},
    )


def _width(files: Sequence[Path]) -> int:
    """The number of features that most of the first files have; a few may be of another make.

    Raises:
        UndertoneError: none of them is an array of frames.
    """
    widths, faults = Counter[int](), list[UndertoneError]()
    for path in files[:LOOKED_AT]:
        try:
            widths[_load(path).shape[1]] += 1
        except UndertoneError as error:
            faults.append(error)
    if not widths:
        raise faults[0]
    return widths.most_common(1)[0][0]


def _facts(folder: Path) -> tuple[tuple[str, ...], float]:
    """Columns and rate that the folder tells of."""
    path = folder / FACTS
    if not path.is_file():
        return (), USUAL_RATE
    try:
        told = json.loads(path.read_text())
        columns, rate = told.get("columns", []), told.get("frames_per_second", USUAL_RATE)
        sound = not set(told) - set(KNOWN) and isinstance(columns, list)
        sound = sound and all(isinstance(name, str) for name in columns)
        sound = sound and len(set(columns)) == len(columns) and not isinstance(rate, bool)
        if sound and isinstance(rate, int | float) and 0 < rate < float("inf"):
            return tuple(columns), float(rate)
    except (ValueError, AttributeError, TypeError, RecursionError):
        pass
    raise UndertoneError(
        f"{path} must be JSON with {' and '.join(KNOWN)} alone, either or both: names that "
        'differ, and a number above 0, as {"frames_per_second": 50}'
    )


def _files(folder: Path, utterances: Iterable[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """The file of each utterance, and why there is none; none is looked for outside the folder."""
    files, reasons = {}, {}
    inside = folder.resolve()
    for utterance in utterances:
        path = folder / f"{utterance}{SUFFIX}"
        if not path.resolve().is_relative_to(inside) or not path.is_file():
            reasons[utterance] = f"{folder} has no {utterance}{SUFFIX}"
        else:
            files[utterance] = path
    return files, reasons


def _tell_of_others(folder: Path, used: Iterable[Path], corpus: Corpus) -> None:
    others = set(folder.rglob(f"*{SUFFIX}")) - set(used)
    if others:
        names = describe_some(sorted(path.relative_to(folder) for path in others))
        tell(f"{folder} holds {len(others)} arrays of no utterance of {corpus.name}: {names}")


def _load(path: Path, width: int | None = None) -> np.ndarray:
    """(n_frames, n_features) float32 of a file."""
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UndertoneError(f"{path} cannot be read as an array: {error}") from None
    if not isinstance(found, np.ndarray):
        raise UndertoneError(f"{path} cannot be read as an array: it is an archive of several")
    return as_frames(found[None] if found.ndim == 1 else found, str(path), width=width)


def _refuse(waveform: np.ndarray, *, folder: Path) -> np.ndarray:
    raise UndertoneError(
        f"the frames of {folder} were given and cannot be computed of a recording: give the model "
        "its frames, as undertone.load(MODEL).predict(frames)"
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _chunks(keys: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(keys), CHUNK):
        yield keys[first : first + CHUNK]
