"""What a training depends on, in few words: so that nothing is gone on with under another name.

In:  frame tables and their utterances, speakers, settings; this package and its kernel.
Out: values that JSON can hold; equal where a training would come to the same.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from undertone import __version__, seals
from undertone.models import gru
from undertone.training.normalise import Parts


def speech_of(parts: Parts) -> str:
    """Digest of the audio, segments, extractor and version of these utterances, in their order."""
    return seals.digest_of([[table.keys.get(n, n) for n in names] for table, names in parts])


def digest_of_arrays(arrays: Iterable[np.ndarray]) -> str:
    """Digest of the arrays themselves, where nothing names what they are."""
    together = hashlib.sha256()
    for array in arrays:
        together.update(f"{array.shape}\0".encode() + np.ascontiguousarray(array).tobytes())
    return together.hexdigest()


def computed_by() -> dict[str, str]:
    """This package and its version, and what trains a GRU here."""
    return {"undertone": __version__, "kernel": gru.in_use()}


def identity_of(
    speech: str,
    speakers: Sequence[str | None] | None,
    *,
    shape: Any,
    settings: Any,
    seed: int,
    continues: str = "",
) -> dict[str, Any]:
    """All that a pre-training depends on.

    Args:
        speech: as ``speech_of`` tells.
        speakers: of each utterance, None where unknown; None where nobody asks for them.
        shape: of the encoder, a dataclass.
        settings: of the training, a dataclass.
        seed: names all randomness.
        continues: names another pre-training that this one goes on from.
    """
    return {
        "speech": speech,
        "speakers": seals.digest_of(speakers and list(speakers)),
        "shape": asdict(shape),
        "settings": asdict(settings),
        "seed": seed,
        **({"continues": continues} if continues else {}),
        **computed_by(),
    }
