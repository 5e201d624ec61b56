"""One vector an utterance: timbre, melody, rhythm, voice and balance of its speech.

In:  frames (n_frames, n_features), perhaps with NaN, and the names of their columns.
Out: (n_values,) float32, finite; how many and what depends on the columns alone.

Frames of ``log_mel`` are described by the ``BLOCKS``, each over the frames in which somebody speaks
(``speech``): silence, level and offset of a recording change nothing. Mel bands, cepstra and
modulation count once, the small blocks twice, since a hundred values would not be heard among six
hundred. Other columns are described by their ``functionals``, the columns of a pre-trained encoder
by their means alone.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from undertone.features.descriptors.blocks import BLOCKS, Block, described
from undertone.features.descriptors.speech import NEEDED, Speech, speech_in
from undertone.features.functionals import functionals
from undertone.features.upstream.source import layers_of
from undertone.features.vectors import mean_sd

__all__ = ["BLOCKS", "Block", "Speech", "describe", "emphasis", "speech_in"]


def describe(frames: np.ndarray, columns: Sequence[str]) -> np.ndarray:
    """Describe the frames of one utterance."""
    if layers_of(tuple(columns)) is not None:
        return mean_sd(frames)[: len(columns)]
    if (speech := speech_in(frames, columns)) is None:
        return functionals(frames, columns)
    return described(speech)


def emphasis(columns: Sequence[str], n_values: int, *, n_layers: int | None = None) -> np.ndarray:
    """(n_values,) what each descriptor counts: more of small blocks and of middle layers.

    Of the layers of a pre-trained encoder the middle ones count most and the first and last least,
    by a triangle over their place, squared: the middle layers tell what speech sounds like
    (docs/experiments.md). The place is that in the whole encoder, of which some may have been taken
    or cut away. A layer alone counts 1.

    Args:
        columns: names.
        n_values: descriptors.
        n_layers: of the whole encoder, with what enters them; as many as are named by default.
    """
    layers = layers_of(tuple(columns))
    if layers is None:
        counts = _counts(tuple(columns))
        return counts if len(counts) == n_values else np.ones(n_values)
    names, place = np.unique(layers, return_inverse=True)
    if len(names) == 1:
        return np.ones(n_values)
    if n_layers is not None:
        place = layers
    triangle = 1 - np.abs(2 * (place + 1) / ((n_layers or len(names)) + 1) - 1)
    return triangle**2


@cache
def _counts(columns: tuple[str, ...]) -> np.ndarray:
    """(n_values,) of the blocks; none where the columns are described otherwise."""
    speech = speech_in(np.zeros((2 * len(NEEDED), len(columns))), columns)
    if speech is None:
        return np.zeros(0)
    sizes = [len(block.describe(speech)) for block in BLOCKS.values()]
    return np.repeat([block.counts for block in BLOCKS.values()], sizes)
