"""What a folder that ``shrink`` wrote says of itself, in the section ``undertone`` of its config.

In:  the values of ``config.json``.
Out: ``Cut``: which encoder the layers were taken from, and how they are to be run.

Two families of encoders normalise what leaves their last layer (Whisper, and those with
``do_stable_layer_norm``). In the whole encoder state K of a layer inside is not normalised, so that
of a cut one must not be either: ``raw_last_state`` says so.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from undertone.config import load
from undertone.errors import UndertoneError

SECTION = "undertone"


@dataclass(frozen=True)
class Chosen:
    """On whose labels the number of layers was chosen.

    Attributes:
        corpus: its name.
        speakers: all whose labels were used.
        budgets: numbers of labels.
        margin: how much of the headline metric might be lost, at most.
    """

    corpus: str
    speakers: tuple[str, ...]
    budgets: tuple[int, ...]
    margin: float


@dataclass(frozen=True)
class Distilled:
    """What an encoder was trained on, to say what the whole one says.

    Attributes:
        pools: names of the corpora.
        speakers: whose speech it was, ``corpus/speaker``; who is not known by name is left out.
        audio: of each file a digest of its bytes, short.
        targets: layers of the teacher.
        passes: over the pool.
    """

    pools: tuple[str, ...]
    speakers: tuple[str, ...]
    audio: tuple[str, ...]
    targets: tuple[int, ...]
    passes: int


@dataclass(frozen=True)
class Cut:
    """Where an encoder comes from, and how it is run.

    Attributes:
        original_layers: transformer layers of the whole encoder.
        original_name: what the whole encoder was called.
        original_digest: of the whole encoder.
        raw_last_state: whether the last state is what leaves the last layer, without the
            normalisation behind it.
        int8: whether the weights of its products are rounded to 8 bits when it is loaded.
        chosen: where the number of layers was chosen on labels.
        distilled: where the layers were trained after they were cut.
    """

    original_layers: int
    original_name: str
    original_digest: str
    raw_last_state: bool = False
    int8: bool = False
    chosen: Chosen | None = None
    distilled: Distilled | None = None

    def section(self) -> dict[str, Any]:
        """What JSON can hold; ``read`` takes it back."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def read(config: Mapping[str, Any], *, n_layers: int, where: object) -> Cut | None:
    """What a config says; None of an encoder that ``shrink`` did not write.

    Args:
        config: its values.
        n_layers: transformer layers that it tells of.
        where: the file, for the message.

    Raises:
        UndertoneError: the section is not as ``shrink`` writes it.
    """
    if (section := config.get(SECTION)) is None:
        return None
    try:
        found = load(Cut, section)
        if found.original_layers < n_layers:
            raise UndertoneError(f"{n_layers} layers cut from {found.original_layers}")
        return found
    except (UndertoneError, TypeError, AttributeError) as error:
        raise UndertoneError(
            f"the section {SECTION} of {where} is not as `undertone shrink` writes it: {error}; "
            "shrink the whole encoder again"
        ) from None
