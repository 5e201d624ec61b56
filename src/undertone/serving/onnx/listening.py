"""The real recordings that an exported model is compared by.

In:  recordings and folders that somebody names; a corpus.
Out: waveforms (n_samples,), and what could not be used.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from undertone import audio
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError, describe_some
from undertone.features.store import recordings_of
from undertone.features.workers import Recording
from undertone.serving.given import gather

_T = TypeVar("_T")
MOST_S = 60.0  # of a clip: what is longer is heard in parts, each by itself
MOST_CLIPS = 40  # that are heard of all that are named, spread over them


def waveform_of(recording: Recording) -> np.ndarray:
    """(n_samples,) of a file or a segment of one."""
    return audio.read(recording.path, start_s=recording.start_s, end_s=recording.end_s)


def clips_named(names: Sequence[Path]) -> tuple[list[np.ndarray], list[str]]:
    """Waveforms of recordings, and of those in folders; and remarks.

    Raises:
        UndertoneError: none of them can be used.
    """
    given = gather(names, recursive=True)
    waveforms, failed = [], []
    for item in _spread(given.items):
        try:
            if item.error:
                raise UndertoneError(item.error)
            waveforms.append(_cut(audio.read(item.file)))
        except UndertoneError as error:
            failed.append(str(error))
    if not waveforms:
        raise UndertoneError(f"no clip can be used: {describe_some(failed)}")
    remarks = list(given.remarks)
    if failed:
        remarks.append(f"{len(failed)} clips cannot be used: {describe_some(failed)}")
    if len(given.items) > MOST_CLIPS:
        remarks.append(f"of {len(given.items)} clips {MOST_CLIPS} were heard, spread over them")
    return waveforms, remarks


def clips_of(corpus: Corpus) -> list[np.ndarray]:
    """Waveforms of some of a corpus's recordings, spread over it."""
    chosen = _spread(list(recordings_of(corpus).values()))
    return [_cut(waveform_of(recording)) for recording in chosen]


def _cut(waveform: np.ndarray) -> np.ndarray:
    return waveform[: round(MOST_S * audio.SAMPLE_RATE)]


def _spread(some: Sequence[_T]) -> list[_T]:
    places = np.linspace(0, len(some) - 1, min(len(some), MOST_CLIPS))
    return [some[i] for i in np.unique(places.round().astype(int))] if len(some) else []
