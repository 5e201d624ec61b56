"""What the page and the terminal say of learning now: counts of this moment, fits with their date.

In:  the last state of the learning process, ``Standing``, the paths of a log.
Out: the state with sentences that hold now; what somebody can do when they are done.

A fit is older than the labels that came after it: whatever it says stands beside the number of
labels that it knew, and what follows from counts alone is said of the counts of now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from undertone.annotation.learning import told
from undertone.annotation.learning.places import HOLDS, HOLDS_OF, MODEL, OFF, TRIED, TRIED_OF
from undertone.corpora.label_log.reader import kept_of, name_speakers

NO_MODEL = (
    "No model will come: no speaker is known, so nobody could tell how well it does on a new "
    "voice. Your labels are kept all the same. To get a model, "
)
OF_COUNTS = ("nothing", "lacking")


@dataclass(frozen=True)
class Standing:
    """The labels of this moment.

    Attributes:
        labelled: by emotion, how many utterances of the clips have it.
        known: those of them whose speaker is known.
        n_labels: utterances with an emotion in the log, those of clips that are gone among them.
        said: digest of what all labels say.
    """

    labelled: Mapping[str, int]
    known: Mapping[str, int]
    n_labels: int
    said: str

    def why_nothing(self) -> str | None:
        """Why nothing can be learned; None where something can."""
        return told.why_nothing(self.labelled, self.known)


def of_now(learning: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
    """The state with what the labels say now, and how far the fit is behind them.

    Args:
        learning: as the process told it last.
        standing: labels now.

    Returns:
        The state. ``now`` are sentences of this moment, ``of`` is the number of labels that the fit
        had, ``newer`` and ``gone`` how many more or fewer there are, ``behind`` whether they say
        anything else. Where nothing can be learned any more, no score and no curve is left.
    """
    if learning.get("state") == OFF:
        return dict(learning)
    why, tried = standing.why_nothing(), int(learning.get(TRIED, 0))
    lacking = list(told.lacking(standing.labelled)) if why is None else []
    gone = max(0, tried - standing.n_labels)
    found = {
        **learning,
        "now": [*([] if why is None else [why, *_model_of_before(learning, standing)]), *lacking],
        "sentences": _that_hold(learning, stops=not (lacking or gone)),
        "of": tried,
        "newer": max(0, standing.n_labels - tried),
        "gone": gone,
        "behind": max(tried, standing.n_labels) > 0 and learning.get(TRIED_OF) != standing.said,
    }
    return found if why is None else {**found, "sentences": [], "score": None, "curve": []}


def _that_hold(learning: Mapping[str, Any], *, stops: bool) -> list[dict[str, Any]]:
    """Sentences of the fit, without those that the counts of now decide."""
    passed_over = OF_COUNTS if stops else (*OF_COUNTS, "stop")
    told_ = learning.get("sentences", [])
    return [one for one in told_ if one.get("kind") not in passed_over]


def _model_of_before(learning: Mapping[str, Any], standing: Standing) -> list[str]:
    holds = int(learning.get(HOLDS, 0))
    if not holds or learning.get(HOLDS_OF) == standing.said:
        return []
    return [
        f"The model beside the log is still that of {_n(holds)} from before you took answers back."
    ]


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


def at_the_end(log: Path, learning: Mapping[str, Any], standing: Standing) -> list[str]:
    """Where the model lies, of how many labels it is, and what to do with it."""
    model = kept_of(log) / MODEL
    if not model.is_dir():
        now = [str(one) for one in learning.get("now", [])]
        ways = [f"to get a model, {name_speakers(log)}"] if told.NO_SPEAKER in now else []
        return ["no model was fitted", *now, *ways]
    first, second = commands(log)
    of = _of_which(learning, standing)
    return [f"the model holds {of}: {model}", f"use it:   {first}", f"or tune:  {second}"]


def _of_which(learning: Mapping[str, Any], standing: Standing) -> str:
    """Of how many of the labels that stand now a model is."""
    holds, n = int(learning.get(HOLDS, 0)), standing.n_labels
    if learning.get(HOLDS_OF) == standing.said:
        return f"all of {_n(n)}"
    if holds < n:
        return f"{holds} of {_n(n)}"
    return f"{_n(holds)} of before; some were taken back or changed since, and {n} stand now"


def _n(labels: int) -> str:
    return "1 label" if labels == 1 else f"{labels} labels"
