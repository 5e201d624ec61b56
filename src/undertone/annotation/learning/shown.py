"""What the page and the terminal say of learning now: counts of this moment, fits with their date.

In:  the last state of the learning process, labels as they are now, the paths of a log.
Out: the state with sentences that hold now; what somebody can do when they are done.

A fit is older than the labels that came after it: whatever it says stands beside the number of
labels that it knew, and what follows from counts alone is said of the counts of now.
"""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from undertone.annotation.learning import told
from undertone.annotation.learning.places import HOLDS, MODEL, OFF, TRIED
from undertone.corpora.label_log.reader import kept_of, name_speakers

NO_MODEL = (
    "No model will come: no speaker is known, so nobody could tell how well it does on a new "
    "voice. Your labels are kept all the same. To get a model, "
)
OF_COUNTS = ("nothing", "lacking")


def of_now(
    learning: Mapping[str, Any], labelled: Mapping[str, int], known: Mapping[str, int]
) -> dict[str, Any]:
    """The state with what the counts say now, and with how many labels the fit had.

    Args:
        learning: as the process told it last.
        labelled: utterances with each emotion now.
        known: those of them whose speaker is known.
    """
    if learning.get("state") == OFF:
        return dict(learning)
    why, n_labels = told.why_nothing(labelled, known), sum(labelled.values())
    lacking = list(told.lacking(labelled)) if why is None else []
    of_fit = [one for one in learning.get("sentences", []) if one.get("kind") not in OF_COUNTS]
    if lacking:
        of_fit = [one for one in of_fit if one["kind"] != "stop"]
    tried = int(learning.get(TRIED, 0))
    return {
        **learning,
        "now": [*([] if why is None else [why]), *lacking],
        "sentences": of_fit,
        "of": tried,
        "newer": max(0, n_labels - tried),
    }


def warning(log: Path, n_speakers: int) -> str:
    """What somebody must know before the first clip; "" where nothing."""
    return "" if n_speakers else f"{NO_MODEL}{name_speakers(log)}."


def commands(log: Path) -> list[str]:
    """What follows when enough is labelled."""
    model = quote(str(kept_of(log) / MODEL))
    return [
        f"undertone predict {model} new.wav",
        f"undertone finetune --corpus {quote(str(log))} --out models/mine",
    ]


def at_the_end(log: Path, learning: Mapping[str, Any], n_labels: int) -> list[str]:
    """Where the model lies, of how many labels it is, and what to do with it."""
    model = kept_of(log) / MODEL
    if not model.is_dir():
        now = [str(one) for one in learning.get("now", [])]
        ways = [f"to get a model, {name_speakers(log)}"] if told.NO_SPEAKER in now else []
        return ["no model was fitted", *now, *ways]
    holds = int(learning.get(HOLDS, 0))
    of = f"all of {n_labels} labels" if holds == n_labels else f"{holds} of {n_labels} labels"
    first, second = commands(log)
    return [f"the model holds {of}: {model}", f"use it:   {first}", f"or tune:  {second}"]
