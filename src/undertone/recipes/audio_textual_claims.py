"""What the paper of system B claims, and what an analysis of layers and a comparison say of it.

In:  ``LayersResult``; ``Curves`` whose systems go by the names of ``audio_textual``.
Out: ``Answer``s: yes and no only where a 95 % interval says so; what a corpus or a run cannot be
     asked is told with the reason.

Two things are "on par" where the larger adds less than the task calls negligible to each dimension,
by the upper end of its interval: that nothing can be told apart is not enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.layers.profiles import best_of
from undertone.evaluation.layers.result import LayersResult
from undertone.evaluation.report.paper import (
    NO,
    NOT_HERE,
    OPEN,
    YES,
    Answer,
    series,
    verdict_on,
    verdict_on_all,
)
from undertone.recipes.small_encoders import SHARE, Size
from undertone.tasks import AMOUNTS, MEAN, Task

SHALLOW = "shallow layers suffice for arousal"
DEPTH = "valence gains most from depth"
WORDS = "valence gains most from words"
PAR = f"about {100 * SHARE:.0f} % of the parameters are on par"
FAR = 0.1  # from the published share: not about as many parameters


@dataclass(frozen=True)
class Pair:
    """A small system and those of the whole encoder that it is held against.

    Attributes:
        size: of the small encoder.
        ours: the small one's label.
        against: labels of the whole one's; the better counts.
    """

    size: Size
    ours: str
    against: Sequence[str]

    @property
    def has_about_as_many(self) -> bool:
        """Whether its share of the parameters is about the published one."""
        return abs(self.size.share - SHARE) <= FAR


def shallow_suffices(found: LayersResult) -> Answer:
    """Whether no layer of the upper half may add to the best of the lower half, for arousal."""
    task, probes, budget = found.task, found.probes, found.largest
    question = f"Do shallow layers suffice for arousal, with {budget} labels?"
    if "arousal" not in task.outputs:
        return _no_such(question, SHALLOW, task)
    profile = probes.profile(budget, output="arousal")
    half = profile.top // 2
    lower = best_of(np.array([behind.value for behind in profile.behind[: half + 1]]))
    gains = {
        above: probes.curves.gain(
            probes.names[above], probes.names[lower], budget=budget, outputs=("arousal",)
        )
        for above in range(half + 1, profile.top + 1)
    }
    hopeful = max(gains, key=lambda above: gains[above].high)
    told = OPEN
    if not _tells(found, "arousal"):
        return Answer(question, OPEN, _no_better("arousal"), SHALLOW)
    if gains[hopeful].high < task.negligible:
        told = YES
    elif all(behind.high < 0 for behind in profile.behind[: half + 1]):
        told = NO
    return Answer(
        question,
        told,
        f"The best of layers 0 to {half} is layer {lower}, {profile.scores[lower]}; of those above "
        f"it layer {hopeful} may add most: {gains[hopeful].signed()}. "
        f"{_negligible(task)} counts as nothing.",
        SHALLOW,
    )


def valence_needs_depth(found: LayersResult) -> Answer:
    """Whether valence gains more from layer 0 to its best layer than each other dimension."""
    task, budget = found.task, found.largest
    question = f"Does valence gain most from depth, with {budget} labels?"
    others = [output for output in task.outputs if output != "valence"]
    if "valence" not in task.outputs or not others:
        return _no_such(question, DEPTH, task)
    caveat = "" if task.depth_claim is None else f" {task.depth_claim.caveat}"
    if not _tells(found, "valence"):
        return Answer(question, OPEN, f"{_no_better('valence')}{caveat}", DEPTH)
    leads = {other: found.probes.lead(budget, "valence", [other]) for other in others}
    gains = ", ".join(
        f"{gain.output} {gain.estimate.signed()} (layer {gain.layer})"
        for gain in found.probes.gains(budget)
    )
    return Answer(
        question,
        verdict_on_all(list(leads.values())),
        f"From layer 0 to the best layer: {gains}. Valence gains {_more_than(leads)}.{caveat}",
        DEPTH,
    )


def valence_needs_words(curves: Curves, *, voice: str, both: str, claim: str = WORDS) -> Answer:
    """Whether words add more to valence than to each other dimension, and anything at all."""
    task = curves.task
    question = f"Does valence gain most from words: “{both}” over “{voice}”?"
    others = [output for output in task.outputs if output != "valence"]
    if "valence" not in task.outputs or not others:
        return _no_such(question, claim, task)
    gains = {o: curves.mean_gain(both, voice, outputs=(o,)) for o in task.outputs}
    leads = {other: _lead(curves, both, voice, other) for other in others}
    told = ", ".join(f"{output} {gain.signed()}" for output, gain in gains.items())
    return Answer(
        question,
        verdict_on_all([gains["valence"], *leads.values()]),
        f"Words add, mean of all budgets: {told}. Valence gains {_more_than(leads)}.",
        claim,
    )


def without_words(reason: str) -> Answer:
    """That nothing can be said of words, and why."""
    return Answer("Does valence gain most from words?", NOT_HERE, reason, WORDS)


def is_on_par(curves: Curves, pair: Pair, *, floor: str, claim: str) -> Answer:
    """Whether the whole encoder adds nothing that counts to any dimension; of classes to UAR."""
    task = curves.task
    outputs = task.outputs if task.kind == AMOUNTS else (MEAN,)
    first, *rest = pair.against
    ahead = [o for o in rest if curves.mean_gain(o, first).value > 0]
    whole = max(ahead, key=lambda other: curves.mean_gain(other, first).value, default=first)
    question = (
        f"Is “{pair.ours}”, with {pair.size.percent} of the parameters, on par with “{whole}” "
        f"({task.metrics[task.headline].label})?"
    )
    over = {o: curves.mean_gain(whole, pair.ours, outputs=(o,)) for o in outputs}
    above = [curves.mean_gain(whole, floor, outputs=(o,)) for o in outputs]
    told = ", ".join(f"{'' if o == MEAN else f'{o} '}{gain.signed()}" for o, gain in over.items())
    return Answer(
        question,
        _on_par(list(over.values()), task) if verdict_on_all(above) == YES else OPEN,
        f"“{whole}” adds, mean of all budgets: {told}. {_negligible(task)} counts as nothing"
        + (
            "."
            if verdict_on_all(above) == YES
            else f"; but it is not measurably better than “{floor}” throughout, so that there is "
            "nothing to be on par with."
        ),
        claim,
    )


def of_the_published_share(curves: Curves, pairs: Sequence[Pair], *, floor: str) -> Answer:
    """The claim on about 20 % of the parameters, of the size nearest to it."""
    pair = nearest(pairs)
    if not pair.has_about_as_many:
        return Answer(
            f"Are about {100 * SHARE:.0f} % of the parameters on par with all?",
            NOT_HERE,
            f"“{pair.ours}” has {pair.size.percent} of the parameters; no size that was run is "
            f"nearer to {100 * SHARE:.0f} %.",
            PAR,
        )
    return is_on_par(curves, pair, floor=floor, claim=PAR)


def nearest(pairs: Sequence[Pair]) -> Pair:
    """Whose share of the parameters is nearest to the published one."""
    return min(pairs, key=lambda pair: abs(pair.size.share - SHARE))


def _on_par(over: Sequence[Estimate], task: Task) -> str:
    if all(gain.has_interval and gain.high < task.negligible for gain in over):
        return YES
    return NO if any(verdict_on(gain) == YES for gain in over) else OPEN


def _lead(curves: Curves, both: str, voice: str, other: str) -> Estimate:
    """The gain of valence from words less that of another dimension, mean of all budgets."""
    turn = -1 if curves.task.metrics[curves.task.headline].lower_is_better else 1
    budgets = curves.budgets_of(both, voice)
    return curves.contrast(
        [
            (turn * side * sign / len(budgets), (name, budget), (output,))
            for budget in budgets
            for side, output in ((1, "valence"), (-1, other))
            for sign, name in ((1, both), (-1, voice))
        ]
    )


def _tells(found: LayersResult, output: str) -> bool:
    """Whether the best layer is measurably better at an output than the best floor."""
    probes, budget = found.probes, found.largest
    floors = [name for name in found.task.floors if probes.curves.has(name, budget)]
    best = probes.names[probes.profile(budget, output=output).best]
    floor = probes.curves.best(floors, budget)
    return verdict_on(probes.curves.gain(best, floor, budget=budget, outputs=(output,))) == YES


def _no_better(output: str) -> str:
    return f"No layer is measurably better at {output} than a prediction that hears nothing."


def _more_than(leads: Mapping[str, Estimate]) -> str:
    return series([f"{lead.signed()} more than {other}" for other, lead in leads.items()])


def _negligible(task: Task) -> str:
    return f"Less than {decimal(task.negligible)}"


def _no_such(question: str, claim: str, task: Task) -> Answer:
    return Answer(question, NOT_HERE, f"What is told is {series(task.outputs)}.", claim)
