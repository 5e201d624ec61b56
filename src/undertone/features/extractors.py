"""The table of everything that turns a waveform into frames.

A new extractor is one more row: a module-level function, the names of its columns, a version to
raise whenever the same waveform gives other frames, and the settings that shaped them. A variant
is a row of its own, made with ``functools.partial``. Heavy imports belong inside the function.
Pre-trained encoders (``upstream:MODEL@LAYER``, see ``name``) are no rows: ``get`` reads what they
are off the model's folder.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from undertone import audio
from undertone.errors import UndertoneError
from undertone.features import covarep, log_mel, upstream
from undertone.features.name import PREFIX, FeatureName, parse


@dataclass(frozen=True)
class Stack:
    """Layers that are computed together, from several waveforms at once, and stored together.

    Attributes:
        compute: waveforms to (n_layers, n_frames, width) each, in half precision.
        name: of the folder in the store, whatever the extractor is called.
        n_layers: how many are stored.
        width: features a layer.
        layers: those that are the extractor's frames, side by side.
    """

    compute: Callable[[Sequence[np.ndarray]], list[np.ndarray]]
    name: str
    n_layers: int
    width: int
    layers: range

    def of_one(self, waveform: np.ndarray) -> np.ndarray:
        """(n_frames, n_features) of one waveform."""
        return self.frames(self.compute([waveform])[0])

    def frames(self, layers: np.ndarray) -> np.ndarray:
        """(n_frames, n_features) of (n_layers, n_frames, width)."""
        chosen = layers[self.layers.start : self.layers.stop]
        return chosen.transpose(1, 0, 2).reshape(chosen.shape[1], -1)


@dataclass(frozen=True)
class Extractor:
    """How frames are made of a waveform.

    Attributes:
        compute: (n_samples,) at ``audio.SAMPLE_RATE`` to (n_frames, n_features).
        columns: names of the features.
        version: enters the cache key, as do the settings.
        frames_per_second: of the frames.
        settings: what JSON can hold.
        first_centre: the sample in the middle of the first frame; by default that of the frame
            grid.
        stack: where one pass gives the frames of several extractors.
    """

    compute: Callable[[np.ndarray], np.ndarray]
    columns: tuple[str, ...]
    version: int
    frames_per_second: float = audio.FRAMES_PER_SECOND
    settings: Mapping[str, Any] = field(default_factory=dict)
    first_centre: float = audio.FIRST_CENTRE
    stack: Stack | None = None

    @property
    def stored_width(self) -> int:
        """Columns of the arrays in the store."""
        return len(self.columns) if self.stack is None else self.stack.width

    def times_s(self, n: int) -> np.ndarray:
        """(n,) the centres of the first ``n`` frames in seconds."""
        return self.first_centre / audio.SAMPLE_RATE + np.arange(n) / self.frames_per_second


EXTRACTORS = {
    "covarep": Extractor(
        covarep.extract, covarep.COLUMNS, covarep.VERSION, settings=covarep.COMPATIBLE.settings()
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
    "log_mel": Extractor(log_mel.extract, log_mel.COLUMNS, version=2, settings=log_mel.SETTINGS),
}


def get(name: str | FeatureName) -> Extractor:
    """Look up an extractor by name."""
    name = parse(name)
    if name.is_upstream:
        return _upstream(name)
    if name.is_text:
        raise UndertoneError(
            f"{name} makes one vector of a transcript, and no frames of audio: name it with "
            f"--text {name.model}, beside the --features of the audio"
        )
    if name.extractor not in EXTRACTORS:
        raise UndertoneError(
            f"there are no features {name.extractor!r}; there are "
            f"{', '.join(sorted(EXTRACTORS))}, and {PREFIX}MODEL@LAYER"
        )
    return EXTRACTORS[name.extractor]


def _upstream(name: FeatureName) -> Extractor:
    model = upstream.find(name)
    stack = Stack(
        compute=functools.partial(upstream.compute, model=model),
        name=f"upstream-{model.family}",
        n_layers=model.n_layers,
        width=model.width,
        layers=model.layers,
    )
    return Extractor(
        compute=stack.of_one,
        columns=model.columns(),
        version=upstream.VERSION,
        frames_per_second=model.frames_per_second,
        settings=model.settings(),
        first_centre=model.first_centre,
        stack=stack,
    )
