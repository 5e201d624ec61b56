"""A timeline in a sentence: how much of the speech each emotion has.

In:  ``Timeline``.
Out: shares of its speech, their sentence, and the mean of all that was judged.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from undertone.errors import printable
from undertone.evaluation.estimate import decimal
from undertone.serving.timeline.result import Timeline
from undertone.serving.timeline.windows import Step
from undertone.tasks import CHOICE

MOST = 4  # emotions in a sentence


def shares(timeline: Timeline) -> dict[str, float]:
    """Of each emotion the share of the speech in which it is named, the largest first."""
    lasts: Counter[str] = Counter()
    for step in _judged(timeline):
        if step.values.max() >= timeline.least:
            name = str(timeline.task.outputs[int(step.values.argmax())])
            lasts[name] += step.end_s - step.start_s  # type: ignore[assignment]
    return {name: s / timeline.speech_s for name, s in lasts.most_common()}


def of_the_whole(timeline: Timeline) -> str:
    """What was heard of the whole recording, without its lengths."""
    if not any(True for _ in _judged(timeline)):
        return "none of the speech could be judged"
    if timeline.task.kind != CHOICE:
        means = mean(timeline) or []
        pairs = zip(timeline.task.outputs, means, strict=True)
        return printable(f"on average {', '.join(f'{name} {value:.2f}' for name, value in pairs)}")
    found = shares(timeline)
    if not found:
        return "no emotion is probable enough"
    told = [f"{name} in {_percent(s)}" for name, s in list(found.items())[:MOST]]
    told[0] += " of the speech"
    if 1 - sum(found.values()) >= 0.01:
        rest = 100 - sum(round(100 * s) for s in found.values())  # so that they add up
        told.append(f"no emotion named in {max(1, rest)} %")
    return printable(", ".join(told))


def mean(timeline: Timeline) -> list[float] | None:
    """By output the mean over the speech that was judged; None where none was."""
    steps = list(_judged(timeline))
    if not steps:
        return None
    lengths = [step.end_s - step.start_s for step in steps]
    means = np.average([step.values for step in steps], axis=0, weights=lengths)
    return [round(float(value), 3) for value in means]


def least_asked(timeline: Timeline) -> str:
    """The terms under which an emotion is named, if there are any."""
    if not timeline.least:
        return ""
    return f" (with a probability of {decimal(timeline.least)} or more)"


def _judged(timeline: Timeline) -> Iterator[Step]:
    for track in timeline.tracks:
        for step in timeline.covering(track):
            if step.end_s > step.start_s and not np.isnan(step.values).any():
                yield step


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.005 else f"{100 * share:.0f} %"
