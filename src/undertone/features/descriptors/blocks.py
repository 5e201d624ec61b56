"""The blocks of descriptors, in their order.

In:  ``Speech``.
Out: (n_values,) float32.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from undertone.features.descriptors import balance, melody, modulation, rhythm, timbre, voice
from undertone.features.descriptors.speech import Speech

SMALL = 2.0  # what a value of a small block counts


@dataclass(frozen=True)
class Block:
    """Some descriptors.

    Attributes:
        describe: speech to (n_values,).
        counts: what each value counts in a discriminant analysis.
    """

    describe: Callable[[Speech], np.ndarray]
    counts: float = SMALL


BLOCKS = {
    "bands": Block(timbre.bands, 1.0),
    "cepstra": Block(timbre.cepstra, 1.0),
    "cepstra of voice": Block(timbre.cepstra_of_voice, 1.0),
    "cepstra in motion": Block(timbre.cepstra_in_motion, 1.0),
    "modulation": Block(modulation.modulation, 1.0),
    "F0": Block(melody.f0),
    "F0 in motion": Block(melody.f0_in_motion),
    "durations": Block(rhythm.durations),
    "energy": Block(rhythm.energy),
    "loudness": Block(rhythm.loudness),
    "voicing": Block(voice.voicing),
    "steadiness": Block(voice.steadiness),
    "resonances": Block(voice.resonances),
    "balance": Block(balance.balance),
    "flux": Block(balance.flux),
}


def described(speech: Speech) -> np.ndarray:
    """All blocks of the speech of one utterance, side by side."""
    parts = [block.describe(speech) for block in BLOCKS.values()]
    return np.concatenate(parts).astype(np.float32)
