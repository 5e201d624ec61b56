"""A recogniser adapted to one voice by recordings of it, without a label.

In:  a recogniser whose fit can be adapted, vectors of one speaker's recordings.
Out: a recogniser for this speaker alone, or the reason why there can be none.

What the recordings tell is the speaker's mean, shrunk (``models.voices``), and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from undertone.errors import UndertoneError
from undertone.models.crowd_ridge import CrowdRidge
from undertone.models.discriminant import Discriminant
from undertone.models.heads import Head
from undertone.models.voices import FEWEST_RECORDINGS, is_lopsided
from undertone.recogniser.folder import Recogniser
from undertone.systems.fitted import OnVectors, OnWords
from undertone.tasks import CHOICE

ADAPTED = "adapted"  # among a recogniser's notes: to whom, by how many recordings
AGAIN: Mapping[type[Head], str] = {
    Discriminant: "without --set discriminant.centring=0",
    CrowdRidge: "with --set ridge.centring=5",
}


def adaptable(recogniser: Recogniser) -> OnVectors:
    """The fit of a recogniser that can be adapted.

    Raises:
        UndertoneError: says why this one cannot be, and what to do.
    """
    fitted, system = recogniser.fitted, recogniser.system
    if held := recogniser.notes.get(ADAPTED):
        raise UndertoneError(
            f"this model is adapted already, to {held['voice']}: adapt the model that it was made "
            "from"
        )
    if isinstance(fitted, OnWords):
        raise UndertoneError(
            f"the system {system} of this model reads words, and only a model of the voice alone "
            "can be adapted to one: train one with `undertone finetune` without --text"
        )
    if not isinstance(fitted, OnVectors) or type(fitted.head) not in AGAIN:
        raise UndertoneError(
            f"the system {system} of this model cannot be adapted to a voice: train combined, "
            "descriptors or layers, of the task classes, with `undertone finetune --system NAME`"
        )
    if fitted.expected is None:
        raise UndertoneError(
            "this model does not know the mean of its training speakers, to which a voice is "
            f"compared: train it again with `undertone finetune`, {AGAIN[type(fitted.head)]}"
        )
    return fitted


def adapt_to(recogniser: Recogniser, vectors: np.ndarray, voice: str) -> Recogniser:
    """The recogniser for one voice.

    Args:
        recogniser: can be adapted.
        vectors: (n_recordings, n_values) of this voice.
        voice: whose.

    Raises:
        UndertoneError: it cannot be adapted, or there are too few recordings.
    """
    fitted = adaptable(recogniser)
    if len(vectors) < FEWEST_RECORDINGS:
        raise UndertoneError(
            f"{len(vectors)} usable recordings of {voice}: fewer than {FEWEST_RECORDINGS} tell too "
            "little of a voice; give more recordings of it, of several emotions or calm ones"
        )
    notes = {**recogniser.notes, ADAPTED: {"voice": voice, "recordings": len(vectors)}}
    return replace(recogniser, fitted=fitted.adapted(vectors), notes=notes)


def lopsided(recogniser: Recogniser, vectors: np.ndarray, voice: str) -> str | None:
    """A warning where a model hears one emotion in most recordings of a voice.

    Args:
        recogniser: not adapted yet.
        vectors: (n_recordings, n_values) of this voice.
        voice: whose.
    """
    if recogniser.task.kind != CHOICE:
        return None
    counts = adaptable(recogniser).heard_in(vectors)
    return warning_of(counts, recogniser.task.outputs, voice)


def warning_of(counts: np.ndarray, outputs: Sequence[str], voice: str) -> str | None:
    """A warning of (n_outputs,) counts of what is heard in the recordings of a voice."""
    if not is_lopsided(counts):
        return None
    most = int(counts.argmax())
    return (
        f"the model hears {outputs[most]} in {counts[most]} of {counts.sum()} recordings of "
        f"{voice}: they were compared mostly with the training speakers' {outputs[most]}, lest it "
        "be taken off with the voice; recordings of several emotions tell more of a voice"
    )
