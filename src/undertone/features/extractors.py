"""The table of everything that turns a waveform into frames.

A new extractor is one more row: a module-level function, the names of its columns, a version to
raise whenever the same waveform gives other frames, and the settings that shaped them. A variant
is a row of its own, made with ``functools.partial``. Heavy imports belong inside the function.
Pre-trained encoders (``upstream:MODEL@LAYER``, see ``name``), eGeMAPS, a user's own functions and
folders of arrays are no rows: ``get`` finds out what they are.
"""

import functools
from pathlib import Path

from undertone.errors import UndertoneError
from undertone.features import covarep, egemaps, log_mel, own, upstream
from undertone.features.extractor import Extractor, Stack
from undertone.features.name import GIVEN_PREFIX, OWN_PREFIX, PREFIX, FeatureName, parse

__all__ = ["EXTRACTORS", "Extractor", "Stack", "get"]


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
    if name.is_own:
        return own.find(name.model)
    if name.is_given:
        from undertone.features import given  # it needs the store, and the store this table

        return given.extractor_of(Path(name.model))
    if name.extractor in egemaps.LEVELS:
        return egemaps.extractor(name.extractor)
    if name.extractor not in EXTRACTORS:
        raise UndertoneError(
            f"there are no features {name.extractor!r}; there are "
            f"{', '.join(sorted({*EXTRACTORS, *egemaps.LEVELS}))}, {PREFIX}MODEL@LAYER, "
            f"{GIVEN_PREFIX}FOLDER, and from Python {OWN_PREFIX}NAME"
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
