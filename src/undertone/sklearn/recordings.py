"""``X`` of the estimators that hear: recordings, waveforms, or frames.

In:  a list of paths; of arrays (n_samples,) or (n_samples, n_channels) where a sample rate is
     given; else of arrays (n_frames, n_features).
Out: a ``FrameTable`` of rows that are called ``0``, ``1``, …; a corpus of them.

A recording that cannot be used is refused by its place in the list: an estimator has no row to
leave out.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.io import wavfile

from undertone import audio
from undertone.corpora.corpus import ALONE, COLUMNS, Corpus
from undertone.errors import UndertoneError, as_text, describe_some
from undertone.features import extractors, own
from undertone.features.extractor import as_frames
from undertone.features.name import OWN_PREFIX, FeatureName, parse
from undertone.features.store import FrameTable
from undertone.reading import Resources, extract

FRAMES = "frames"  # of one's own
USUAL = "log_mel"
OR_WAVEFORMS = ", or waveforms and sample_rate, as sample_rate=16000"


def rows_of(X: Any) -> list[Any]:  # noqa: N803
    """What is in ``X``, one item a row.

    Raises:
        UndertoneError: it is no list, or an empty one.
    """
    if isinstance(X, str | Path | bytes) or not hasattr(X, "__len__"):
        raise UndertoneError(f"X must be a list of recordings, found {X!r:.60}: write [X]")
    items = list(X)
    if not items:
        raise UndertoneError("X holds no recording: give at least one")
    kinds = {isinstance(item, str | Path) for item in items}
    if len(kinds) > 1:
        raise UndertoneError("X holds paths and arrays: give one of them")
    return items


def are_files(items: Sequence[Any]) -> bool:
    """Whether rows are paths."""
    return isinstance(items[0], str | Path)


def features_of(items: Sequence[Any], features: str | None, sample_rate: int | None) -> FeatureName:
    """The features that rows have, or are to have.

    Args:
        items: rows.
        features: a name; None for ``log_mel``, or for frames of one's own.
        sample_rate: of waveforms.
    """
    if features is not None:
        return parse(features).settled()
    if are_files(items) or sample_rate is not None:
        return parse(USUAL)
    width = as_frames(items[0], "X[0]", hint=OR_WAVEFORMS).shape[1]
    return parse(_frames_of_ones_own(width))


def table_of(
    items: Sequence[Any],
    features: FeatureName,
    sample_rate: int | None,
    resources: Resources,
) -> FrameTable:
    """The frames of all rows.

    Raises:
        UndertoneError: a row cannot be used.
    """
    if are_files(items):
        return _all_there(extract(corpus_of(items), features, resources), items)
    if sample_rate is not None and features.is_upstream:
        return _through_the_store(items, features, sample_rate, resources)
    extractor, source = extractors.get(features), {}
    hint = f" of {features}{OR_WAVEFORMS}"
    for i, item in enumerate(items):
        if sample_rate is not None:
            waveform = audio.from_array(item, sample_rate, name=f"X[{i}]")
            item = np.asarray(extractor.compute(waveform))
        source[str(i)] = as_frames(item, f"X[{i}]", width=len(extractor.columns), hint=hint)
    keys = {name: _key(frames, features) for name, frames in source.items()}
    return FrameTable(
        str(features),
        extractor.version,
        extractor.frames_per_second,
        extractor.columns,
        source,
        keys=keys,
    )


def corpus_of(
    items: Sequence[Any], labels: pd.DataFrame | None = None, speakers: Any = None
) -> Corpus:
    """The rows as a corpus, each of whom nobody knows a speaker of its own.

    Args:
        items: rows.
        labels: columns of them.
        speakers: (n_rows,) or None.
    """
    names = [str(i) for i in range(len(items))]
    files = [as_text(str(Path(f).absolute())) for f in items] if are_files(items) else names
    whose = [None] * len(names) if speakers is None else list(speakers)
    table = pd.DataFrame({"utterance": names, "file": files}).reindex(columns=list(COLUMNS))
    table["speaker"] = [who or f"{ALONE}{name}" for who, name in zip(whose, names, strict=True)]
    if labels is not None:
        for column in labels:
            table[column] = labels[column].to_numpy()
    return Corpus("X", Path("/"), table, licence="unknown", citation="")


def _all_there(table: FrameTable, items: Sequence[Any]) -> FrameTable:
    if table.failures:
        told = [f"X[{name}] ({items[int(name)]}): {why}" for name, why in table.failures.items()]
        raise UndertoneError(f"{len(told)} recordings of X cannot be used: {describe_some(told)}")
    return table


def _through_the_store(
    items: Sequence[Any], features: FeatureName, sample_rate: int, resources: Resources
) -> FrameTable:
    with as_files(items, sample_rate) as paths:
        return _all_there(extract(corpus_of(paths), features, resources), paths)


@contextlib.contextmanager
def as_files(items: Sequence[Any], sample_rate: int) -> Iterator[list[Path]]:
    """Waveforms as files, which are gone again; an encoder's layers stay in the store."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.wav" for i in range(len(items))]
        for i, (item, path) in enumerate(zip(items, paths, strict=True)):
            waveform = audio.from_array(item, sample_rate, name=f"X[{i}]")
            wavfile.write(path, audio.SAMPLE_RATE, waveform)
        yield paths


def _frames_of_ones_own(width: int) -> str:
    """The name of frames that nobody computes here, of any width."""
    name = f"{FRAMES}{width}"
    if name not in own.known():
        rate = float(audio.FRAMES_PER_SECOND)
        own.add_given_frames(name, width, frames_per_second=rate)
    return f"{OWN_PREFIX}{name}"


def _key(frames: np.ndarray, features: FeatureName) -> str:
    content = hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest()
    return f"{features} {content[:32]}"
