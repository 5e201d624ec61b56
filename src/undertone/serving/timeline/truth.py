"""How soon and how surely a change of emotion is seen, where it is known when it happened.

In:  ``Block``: what was true from when to when; the spells and steps of a timeline.
Out: ``Seen``: changes within a tolerance, the delay of each, and what was right of the speech.

A change that is found counts once, for the nearest true one within ``COLLAR_S``, as segment
boundaries do in event detection (Mesaros et al., "Metrics for polyphonic sound event detection",
Appl. Sci. 6, 2016, onset-based with a collar).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from undertone.serving.timeline.result import Spell
from undertone.serving.timeline.windows import Step

COLLAR_S = 1.0


@dataclass(frozen=True)
class Block:
    """One emotion from ``start_s`` to ``end_s``, with pauses in it."""

    start_s: float
    end_s: float
    emotion: str


@dataclass(frozen=True)
class Seen:
    """What a timeline made of one recording.

    Attributes:
        n_true: changes that there were.
        n_found: changes that the timeline shows.
        n_matched: of both, within the tolerance of each other.
        delays_s: (n_blocks,) from a block's beginning until its emotion is the likeliest; infinite
            where it never is.
        right_s: seconds of judged speech of which the likeliest emotion is the true one, by
            emotion.
        judged_s: seconds of judged speech, by emotion.
    """

    n_true: int
    n_found: int
    n_matched: int
    delays_s: tuple[float, ...]
    right_s: dict[str, float]
    judged_s: dict[str, float]


def f1_of_changes(seen: Sequence[Seen]) -> tuple[float, float, float]:
    """F1, precision and recall of the changes of several recordings; NaN where there are none.

    >>> f1_of_changes([Seen(3, 4, 2, (), {}, {}), Seen(1, 0, 0, (), {}, {})])
    (0.5, 0.5, 0.5)
    """
    true, found, matched = (sum(getattr(s, n) for s in seen) for n in COUNTS)
    share = 2 * matched / (true + found) if true + found else math.nan
    return share, matched / found if found else math.nan, matched / true if true else math.nan


def recall_of_time(seen: Sequence[Seen]) -> float:
    """Mean over emotions of the share of their seconds that are right: UAR by time."""
    emotions = {emotion for one in seen for emotion in one.judged_s}
    shares = []
    for emotion in emotions:
        judged = sum(one.judged_s.get(emotion, 0.0) for one in seen)
        if judged > 0:
            shares.append(sum(one.right_s.get(emotion, 0.0) for one in seen) / judged)
    return float(np.mean(shares)) if shares else math.nan


def see(
    blocks: Sequence[Block],
    spells: Sequence[Spell],
    steps: Sequence[Step],
    outputs: Sequence[str],
    *,
    collar_s: float = COLLAR_S,
) -> Seen:
    """Hold a timeline against the truth.

    Args:
        blocks: in order; a change is where the emotion differs from that of the block before, and
            happens in the middle of the pause between the two.
        spells: of the timeline.
        steps: of the timeline.
        outputs: emotions in the order of the values of a step.
        collar_s: how far a change that is found may lie from the true one.
    """
    true = [(a.end_s + b.start_s) / 2 for a, b in pairwise(blocks) if a.emotion != b.emotion]
    found = [(a.end_s + b.start_s) / 2 for a, b in pairwise(spells) if a.emotion != b.emotion]
    right, judged = dict.fromkeys(outputs, 0.0), dict.fromkeys(outputs, 0.0)
    delays = [math.inf] * len(blocks)
    for step in steps:
        place = _block_at((step.start_s + step.end_s) / 2, blocks)
        if place is None or np.isnan(step.values).any():
            continue
        block, lasts_s = blocks[place], step.end_s - step.start_s
        judged[block.emotion] += lasts_s
        if outputs[int(step.values.argmax())] == block.emotion:
            right[block.emotion] += lasts_s
            delays[place] = min(delays[place], max(0.0, step.start_s - block.start_s))
    matched = _matched(true, found, collar_s)
    return Seen(len(true), len(found), matched, tuple(delays), right, judged)


def _block_at(at_s: float, blocks: Sequence[Block]) -> int | None:
    inside = (i for i, block in enumerate(blocks) if block.start_s <= at_s <= block.end_s)
    return next(inside, None)


def _matched(true: Sequence[float], found: Sequence[float], collar_s: float) -> int:
    """How many pairs lie within the collar, none used twice; both in order, the earliest first."""
    matched = i = j = 0
    while i < len(true) and j < len(found):
        if abs(true[i] - found[j]) <= collar_s:
            matched, i, j = matched + 1, i + 1, j + 1
        elif true[i] < found[j]:
            i += 1
        else:
            j += 1
    return matched


COUNTS = ("n_true", "n_found", "n_matched")
