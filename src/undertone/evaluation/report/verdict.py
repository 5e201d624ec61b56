"""What a run shows, in sentences.

In:  ``CurveResult``.
Out: ``Summary``: how good the recommended system is, what a reader asks next, what pre-training is
     worth; and behind these who leads at each end and which rival wins.

A gain is claimed only where the interval of the paired difference lies above zero, written so
that above zero is better. Where it lies so at no budget, the verdict says so, and says "worth
nothing" only where the intervals also exclude a gain worth naming (the task's ``negligible``), else
how large one may be. From few draws or speakers neither is said: that is a first look. The verdict
ends with the corpora that it was measured on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.report import shifts, voices
from undertone.evaluation.report.headline import headline, outlook, recommendation
from undertone.evaluation.report.paper import series
from undertone.evaluation.report.picked import verdict_on_picks
from undertone.evaluation.report.result import Contrast, CurveResult, Pair, count
from undertone.evaluation.worth import ENOUGH_DRAWS, ENOUGH_SPEAKERS, Worth

SAYINGS = (
    ("a gain", {"gain", "beyond"}),
    ("harm", {"loss"}),
    ("no measurable gain", {"none"}),
    ("not known", {"unknown"}),
    ("a first look", {"early"}),
)


@dataclass(frozen=True)
class Summary:
    """The report's opening.

    Attributes:
        verdict: what to take away, and on which corpora it was measured.
        findings: a few sentences that a reader asks for next.
        details: all others.
        pretraining: what it is worth; "" where the run cannot tell. It is also a finding.
    """

    verdict: str
    findings: tuple[str, ...]
    details: tuple[str, ...] = ()
    pretraining: str = ""


def summarise(result: CurveResult) -> Summary:
    """The sentences of a result, the most important first."""
    pretraining = f"{_pretraining(result)}{_caveat(result)}" if _is_asked(result) else ""
    details = (
        *(_best(result, budget) for budget in _ends(result)),
        *(_pair(result, pair, worths) for pair, worths in result.worths if worths),
        *(sentence for budget in _ends(result) if (sentence := _rival(result, budget))),
        *(_contrast(result, contrast) for contrast in result.contrasts),
        *result.remarks,
    )
    if result.picked:
        return Summary(verdict_on_picks(result, result.picked), (), details)
    found = (
        *(shifts.loss(shift) for shift in result.shifts),
        *outlook(result),
        recommendation(result),
        pretraining,
        *voices.findings(result),
    )
    verdict = headline(result) or "Only floors were fitted."
    return Summary(f"{verdict} {result.where}.", tuple(filter(None, found)), details, pretraining)


def _ends(result: CurveResult) -> list[int]:
    """The smallest and the largest budget."""
    return sorted({result.budgets[0], result.budgets[-1]})


def _is_asked(result: CurveResult) -> bool:
    """Whether the run holds a pre-trained system beside the same network without."""
    return any(worths for pair, worths in result.worths if pair.like_with_like)


def _pretraining(result: CurveResult) -> str:
    """What pre-training is worth, like with like."""
    pairs = [(pair, worths) for pair, worths in result.worths if pair.like_with_like and worths]
    worths = [worth for _, all_worths in pairs for worth in all_worths]
    if all(worth.verdict == "unknown" for worth in worths):
        return (
            f"One {result.unit} tells nothing of the next: what pre-training is worth cannot be "
            "known from this corpus."
        )
    if all(worth.verdict in {"early", "unknown"} for worth in worths):
        return _early(result, *pairs[0])
    gains = [(pair, w) for pair, ws in pairs for w in ws if w.verdict in {"gain", "beyond"}]
    if not gains:
        return _no_gain(result, [worth for worth in worths if worth.verdict != "early"])
    pair, first = gains[0]
    where = f" ({pair.label})" if pair.label and len(pairs) > 1 else ""
    gain = _gain(result, first)
    return f"With {count(first.budget, 'label')}, {gain}{where}{_at_the_end(result, first)}."


def _early(result: CurveResult, pair: Pair, worths: Sequence[Worth]) -> str:
    """What a few draws show, and what would tell."""
    gains = series(
        [f"{worth.difference.signed()} with {count(worth.budget, 'label')}" for worth in worths]
    )
    why = (
        f"{ENOUGH_SPEAKERS} {result.unit}s"
        if result.curves.n_speakers < ENOUGH_SPEAKERS
        else f"{ENOUGH_DRAWS} draws of the labels for both"
    )
    return (
        f"What pre-training is worth: a first look. “{result.label(pair.pretrained)}” over "
        f"“{result.label(pair.scratch)}” gains {gains} in {result.headline.label}; a verdict takes "
        f"{why} or more."
    )


def _no_gain(result: CurveResult, worths: Sequence[Worth]) -> str:
    """Worth nothing where a gain is excluded; not measurable where one may hide in the interval."""
    largest, metric = max(worth.difference.high for worth in worths), result.headline.label
    between = f"between {result.budgets[0]} and {result.budgets[-1]} labels"
    harm = " Somewhere it does harm." if any(w.verdict == "loss" for w in worths) else ""
    if largest < result.task.negligible:
        return (
            f"Pre-training is worth nothing here: {between} no gain over the same network "
            f"without it reaches {decimal(result.task.negligible)} in {metric}.{harm}"
        )
    return (
        f"No gain from pre-training is measurable here; at most "
        f"{decimal(largest, signed=True)} in {metric}: {between} no interval of the difference to "
        f"the same network without it lies above zero.{harm}"
    )


def _gain(result: CurveResult, worth: Worth) -> str:
    if worth.verdict == "beyond" and worth.at_least == 0:
        return f"pre-training gains {worth.difference.signed()} in {result.headline.label}"
    return f"pre-training is worth {worth.phrase()}"


def _at_the_end(result: CurveResult, first: Worth) -> str:
    """What the same pair shows at its largest budget, where it no longer gains."""
    last = next(worths for _, worths in result.worths if first in worths)[-1]
    return {
        "none": f"; with {count(last.budget, 'label')} {last.phrase()}",
        "loss": f"; with {count(last.budget, 'label')} it does harm",
    }.get(last.verdict, "")


def _caveat(result: CurveResult) -> str:
    """The budgets at which a rival without pre-training measurably beats every pre-trained one."""
    lost = []
    for budget in result.budgets:
        rival = _strongest(result, budget)
        if rival and rival[2].excludes_zero and rival[2].value < 0:
            lost.append((result.label(rival[1]), str(budget)))
    if not lost:
        return ""
    names = series(list(dict.fromkeys(name for name, _ in lost)))
    budgets = series([budget for _, budget in lost])
    return f" Yet {names}, without pre-training, scores better with {budgets} labels."


def _best(result: CurveResult, budget: int) -> str:
    name = result.curves.best([system.name for system in result.systems], budget)
    chance = result.curves.chance()
    return (
        f"With {count(budget, 'label')}, {result.label(name)} scores best: "
        f"{_score(result, name, budget)}"
        + (f"; chance is {decimal(chance)}." if chance is not None else ".")
    )


def _pair(result: CurveResult, pair: Pair, worths: tuple[Worth, ...]) -> str:
    """Where along the budgets one pre-trained system differs from scratch."""
    label, first = result.label(pair.pretrained), worths[0]
    said = [
        f"{what} at {series(budgets)}"
        for what, verdicts in SAYINGS
        if (budgets := [str(worth.budget) for worth in worths if worth.verdict in verdicts])
    ]
    return (
        f"{label[:1].upper()}{label[1:]} against {result.label(pair.scratch)}: "
        f"{'; '.join(said)} labels. With {count(first.budget, 'label')} the {_gain_in(result)} is "
        f"{first.difference.signed()}."
    )


def _contrast(result: CurveResult, contrast: Contrast) -> str:
    """What teaching or words gain at both ends."""
    both = (contrast.ours, contrast.other)
    gains = [
        f"{result.curves.gain(*both, budget=budget).signed()} with {count(budget, 'label')}"
        for budget in _ends(result)
        if budget in result.curves.budgets_of(*both)
    ]
    label = result.label(contrast.ours)
    return (
        f"{label[:1].upper()}{label[1:]} against {contrast.label}: {_gain_in(result)} "
        f"{series(gains)}."
    )


def _rival(result: CurveResult, budget: int) -> str:
    """The best pre-trained system against the best without pre-training; "" where one lacks."""
    strongest = _strongest(result, budget)
    if strongest is None:
        return ""
    best, rival, gain = strongest
    return (
        f"With {count(budget, 'label')}, the strongest rival without pre-training is "
        f"{result.label(rival)}, {_score(result, rival, budget)}: "
        f"{_who_wins(gain, result.label(best))} ({_gain_in(result)} {gain.signed()})."
    )


def _strongest(result: CurveResult, budget: int) -> tuple[str, str, Estimate] | None:
    """The best pre-trained system, the best rival without pre-training, and the gain over it."""
    curves = result.curves
    ours = [n for n in result.of_kind("pretrained") if curves.has(n, budget)]
    rivals = [n for n in result.of_kind("scratch", "control", "classic") if curves.has(n, budget)]
    if not ours or not rivals:
        return None
    best, rival = curves.best(ours, budget), curves.best(rivals, budget)
    return best, rival, curves.gain(best, rival, budget=budget)


def _who_wins(gain: Estimate, ours: str, rival: str = "it") -> str:
    if not gain.excludes_zero:
        return f"{rival} and {ours} cannot be told apart"
    return f"{ours} beats {rival}" if gain.value > 0 else f"{rival} beats {ours}"


def _score(result: CurveResult, system: str, budget: int) -> str:
    return f"{result.headline.label} {result.curves.estimate(system, budget)}"


def _gain_in(result: CurveResult) -> str:
    return f"gain in {result.headline.label}"
