"""What a model promises, in sentences that stand on every page with its answers.

In:  a recogniser.
Out: text: what it tells, what it learned from, what nobody knows.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from undertone.errors import printable

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

NOBODY_KNOWS = (
    "What it is worth on your voices nobody knows before some of your recordings are labelled"
)
GUESS = "Each answer is a guess about how a voice sounds, not about what somebody feels"


def promise(recogniser: "Recogniser") -> str:
    """What it knows of your voices, in sentences.

    The starter's notes hold what it scored; any other model's card does, which nobody need have
    written by hand.
    """
    notes = recogniser.notes
    outputs = ", ".join(map(str, recogniser.task.outputs))
    if {"knows", "elsewhere", "chance"} <= notes.keys():
        return printable(
            f"It tells {outputs}, and learned from {notes['knows']}. On people who spoke another "
            f"language it found on average {_shown(notes['elsewhere'])} of each emotion (UAR), "
            f"where chance is {notes['chance']:.2f}. {NOBODY_KNOWS}. {GUESS}."
        )
    learned = ""
    if "labels" in notes and "corpus" in notes:
        learned = f" It learned from {notes['labels']} labels of {notes['corpus']}."
    return printable(f"It tells {outputs}.{learned} {NOBODY_KNOWS}. {GUESS}.")


def _shown(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"
