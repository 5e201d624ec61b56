"""The table of everything that turns a waveform into frames.

A new extractor is one more row: a module-level function, the names of its columns, a version to
raise whenever the same waveform gives other frames, and the settings that shaped them. A variant
is a row of its own, made with ``functools.partial``. Heavy imports belong inside the function.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from undertone import audio
from undertone.errors import UndertoneError
from undertone.features import covarep, log_mel


@dataclass(frozen=True)
class Extractor:
    """How frames are made of a waveform.

    Attributes:
        compute: (n_samples,) at ``audio.SAMPLE_RATE`` to (n_frames, n_features).
        columns: names of the features.
        version: enters the cache key, as do the settings.
        frames_per_second: of the frames; frame ``i`` is centred as ``audio.frame_times_s`` says.
        settings: what JSON can hold.
    """

    compute: Callable[[np.ndarray], np.ndarray]
    columns: tuple[str, ...]
    version: int
    frames_per_second: int = audio.FRAMES_PER_SECOND
    settings: Mapping[str, Any] = field(default_factory=dict)


EXTRACTORS = {
    "covarep": Extractor(
        covarep.extract,
        covarep.COLUMNS,
        covarep.VERSION,
        settings=covarep.COMPATIBLE.settings(),
    ),
    "covarep_clips": Extractor(
        functools.partial(covarep.extract, config=covarep.CLIPS),
        covarep.COLUMNS,
        covarep.VERSION,
        settings=covarep.CLIPS.settings(),
    ),
    "covarep_published": Extractor(
        functools.partial(covarep.extract, config=covarep.PUBLISHED),
        covarep.COLUMNS,
        covarep.VERSION,
        settings=covarep.PUBLISHED.settings(),
    ),
    "log_mel": Extractor(log_mel.extract, log_mel.COLUMNS, version=1, settings=log_mel.SETTINGS),
}


def get(name: str) -> Extractor:
    """Look up an extractor by name."""
    if name not in EXTRACTORS:
        raise UndertoneError(
            f"there are no features {name!r}; there are {', '.join(sorted(EXTRACTORS))}"
        )
    return EXTRACTORS[name]
