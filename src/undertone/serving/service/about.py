"""What a person must know of the model that answers: its name, what it learned, what nobody knows.

In:  a recogniser, and what it is called.
Out: plain values, which the page and ``/about`` show.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from undertone import __version__
from undertone.errors import printable
from undertone.tasks import CHOICE

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

NOBODY_KNOWS = (
    "What it is worth on your voices nobody knows before some of your recordings are labelled"
)
GUESS = "Each answer is a guess about how a voice sounds, not about what somebody feels"


def about(recogniser: "Recogniser", name: str) -> dict[str, Any]:
    """The model, in plain values."""
    task, inputs = recogniser.task, recogniser.inputs
    low, high = (0.0, 1.0) if task.kind == CHOICE else (float(task.low), float(task.high))
    return {
        "model": printable(name),
        "promise": promise(recogniser),
        "outputs": [printable(str(output)) for output in task.outputs],
        "chooses": task.kind == CHOICE,
        "low": low if math.isfinite(low) else None,
        "high": high if math.isfinite(high) else None,
        "system": recogniser.system,
        "features": printable(inputs.features),
        "version": __version__,
    }


def promise(recogniser: "Recogniser") -> str:
    """What it knows of your voices, in sentences.

    The starter's notes hold what it scored; any other model's card does, which nobody need have
    written by hand.
    """
    notes = recogniser.notes
    outputs = ", ".join(map(str, recogniser.task.outputs))
    if {"knows", "elsewhere", "chance"} <= notes.keys():
        elsewhere = _shown(notes["elsewhere"])
        return (
            f"It tells {outputs}, and learned from {notes['knows']}. On people who spoke another "
            f"language it found on average {elsewhere} of each emotion (UAR), where chance is "
            f"{notes['chance']:.2f}. "
            f"{NOBODY_KNOWS}. {GUESS}."
        )
    learned = ""
    if "labels" in notes and "corpus" in notes:
        learned = f" It learned from {notes['labels']} labels of {notes['corpus']}."
    return printable(f"It tells {outputs}.{learned} {NOBODY_KNOWS}. {GUESS}.")


def _shown(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"
