"""Data sets of other libraries, as they lie in memory, to corpora.

In:  a ``datasets.Dataset`` with a column of audio (extra ``datasets``), or an
     ``audformat.Database`` (extra ``audformat``).
Out: ``Corpus``, read by the rules of tables: columns go by the same names, labels by the same
     synonyms.

Recordings that such a data set holds as bytes or samples are written once into the cache, under
their content; those that it names are read where they are, from the current folder on. Nothing is
decoded by the other library.
"""

import hashlib
import io
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from undertone import atomic
from undertone.config import cache_folder
from undertone.corpora import audformat, csv
from undertone.corpora.columns import under_our_names
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError

AUDIO = ("audio", "file", "path", "speech")  # columns, by what they are called
NO_LABEL = -1  # of a ``ClassLabel``
LONGEST_STEM, LONGEST_SUFFIX = 60, 10  # of a file that is written; a letter takes up to 4 bytes


def is_object(given: Any) -> bool:
    """Whether something is a data set of a library that is known here."""
    library = type(given).__module__.partition(".")[0]
    return library == "datasets" or (library == "audformat" and hasattr(given, "tables"))


def of_object(given: Any, *, name: str = "") -> Corpus:
    """The corpus of a data set.

    Raises:
        UndertoneError: it is none that can be read, or lacks what a table needs.
    """
    if type(given).__module__.partition(".")[0] == "audformat":
        return audformat.of_database(given, name=name or None)
    return of_dataset(given, name=name)


def of_dataset(dataset: Any, *, name: str = "", folder: Path | None = None) -> Corpus:
    """The corpus of a ``datasets.Dataset``.

    Args:
        dataset: with a column of audio, and columns that a table may have: ``speaker``, ``emotion``
            or ``label``, ``sex``, ``language``, ``transcript``, ….
        name: of the corpus; by default the data set's own.
        folder: where recordings are written that it holds itself; in the user's cache by default.

    Raises:
        UndertoneError: it has several splits or no length, or no column of audio.
    """
    if isinstance(dataset, Mapping) and any(hasattr(one, "features") for one in dataset.values()):
        raise UndertoneError(
            f"the data set has the splits {', '.join(map(str, dataset))}: give one of them, as "
            "dataset['train']"
        )
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "column_names"):
        raise UndertoneError(
            f"expected a datasets.Dataset, found a {type(dataset).__name__}: give it in memory, as "
            "datasets.load_dataset(NAME, split='train')"
        )
    info = dataset.info
    called = name or str(getattr(info, "dataset_name", None) or "dataset")
    place = folder or cache_folder() / "datasets"
    cells = pd.DataFrame(list(_rows(dataset, place)), dtype=object)
    if cells.empty:
        raise UndertoneError(f"the data set {called} has no rows")
    if "speaker" not in (read := under_our_names(cells, place / called)):
        read["speaker"] = ""
    corpus = csv.from_cells(read, place / called, name=called)
    licence, citation = str(info.license or ""), str(info.citation or "").strip()
    return corpus.with_source(licence=licence or "unknown", citation=citation)


def _rows(dataset: Any, place: Path) -> Iterator[dict[str, str]]:
    """Cells of text, a row an utterance."""
    audio = _audio_column(dataset)
    features = dataset.features
    if hasattr(features[audio], "decode"):
        import datasets

        dataset = dataset.cast_column(audio, datasets.Audio(decode=False))
    names = {
        column: feature.names
        for column, feature in features.items()
        if hasattr(feature, "int2str") and hasattr(feature, "names")
    }
    for row in dataset:
        yield {
            column: _cell(value, names.get(column))
            for column, value in row.items()
            if column != audio
        } | {"file": _file_of(row[audio], place)}


def _audio_column(dataset: Any) -> str:
    """The column that holds or names recordings."""
    decoded = [c for c, feature in dataset.features.items() if hasattr(feature, "decode")]
    named = [c for c in AUDIO if c in dataset.column_names]
    if found := (decoded or named):
        return str(found[0])
    raise UndertoneError(
        f"the data set has the columns {', '.join(dataset.column_names)}, and none of audio: "
        "expected one of the type datasets.Audio, or one called " + " or ".join(AUDIO)
    )


def _cell(value: Any, names: list[str] | None) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if names is not None:
        return "" if value == NO_LABEL else str(names[value])
    return str(value)


def _file_of(held: Any, place: Path) -> str:
    """Where a recording is; written there where the data set holds it."""
    if isinstance(held, str):
        held = {"path": held}
    if not isinstance(held, dict):
        return ""
    path = str(held.get("path") or "")
    content = held.get("bytes")
    if content is None and held.get("array") is not None:
        content, path = (
            _wav(held["array"], held.get("sampling_rate")),
            f"{Path(path).stem or 'recording'}.wav",
        )
    if content is None:
        return path and str(Path(path).absolute())
    if not isinstance(content, bytes):
        raise UndertoneError(
            f"the data set holds a {type(content).__name__} where the bytes of a recording stand: "
            "expected the content of an audio file"
        )
    digest = hashlib.sha256(content).hexdigest()[:16]
    stem, suffix = Path(path).stem[:LONGEST_STEM] or "recording", Path(path).suffix or ".wav"
    if stem.startswith(".") or len(suffix) > LONGEST_SUFFIX:
        stem, suffix = "recording", ".wav"
    file = place / f"{stem}-{digest}{suffix}"
    if not file.is_file():
        atomic.write_bytes(file, content)
    return str(file)


def _wav(samples: Any, rate: int | None) -> bytes:
    from scipy.io import wavfile

    if not rate:
        raise UndertoneError("the data set holds samples without their sampling_rate, in Hz")
    content = io.BytesIO()
    try:
        wavfile.write(content, int(rate), np.asarray(samples, dtype=np.float32))
    except (ValueError, TypeError, IndexError, struct.error) as error:
        raise UndertoneError(
            f"the data set holds samples that are no recording at {rate!r} Hz ({error}): expected "
            "numbers (n_samples,) or (n_samples, n_channels), and a rate such as 16000"
        ) from None
    return content.getvalue()
