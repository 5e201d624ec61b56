"""What a sweep found, in sentences.

In:  ``CurveResult``.
Out: a verdict on pre-training, and findings: who leads at each end, which rival wins.

A gain is claimed only where the interval of the paired difference lies above zero. Where it
lies so at no budget, the verdict says so, and says "worth nothing" only where the intervals also
exclude a gain of ``NEGLIGIBLE``.
"""

from dataclasses import dataclass

from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.results import CurveResult, Pair, System
from undertone.evaluation.worth import Worth

SAYINGS = (
    ("a gain", {"gain", "beyond"}),
    ("harm", {"loss"}),
    ("no measurable gain", {"none"}),
    ("not known", {"unknown"}),
)


NEGLIGIBLE = 0.03  # UAR: a gain that nobody would pre-train for


@dataclass(frozen=True)
class Summary:
    """The report's opening."""

    verdict: str
    findings: tuple[str, ...]


def summarise(result: CurveResult) -> Summary:
    """The sentences of a result, the most important first."""
    ends = sorted({result.curves.budgets[0], result.curves.budgets[-1]})
    return Summary(
        verdict=_verdict(result) + _caveat(result),
        findings=(
            *(
                _recommended(result, system, ends)
                for system in result.systems
                if system.recommended
            ),
            *(_best(result, budget) for budget in ends),
            *(_pair(result, pair, worths) for pair, worths in result.worths if worths),
            *(sentence for budget in ends if (sentence := _rival(result, budget))),
        ),
    )


def _verdict(result: CurveResult) -> str:
    pairs = [(pair, worths) for pair, worths in result.worths if pair.like_with_like]
    worths = [worth for _, all_worths in pairs for worth in all_worths]
    if not worths:
        return _standings(result) or (
            "This sweep holds no pre-trained system beside the same network from scratch."
        )
    if all(worth.verdict == "unknown" for worth in worths):
        return (
            "One speaker tells nothing of the next: what pre-training is worth cannot be known "
            "from this corpus."
        )
    gains = [(pair, w) for pair, ws in pairs for w in ws if w.verdict in {"gain", "beyond"}]
    if not gains:
        return _no_gain(result, worths)
    pair, first = gains[0]
    where = f" ({pair.label})" if pair.label and len(pairs) > 1 else ""
    return f"With {_count(first.budget)}, {_gain(first)}{where}{_at_the_end(result, first)}."


def _standings(result: CurveResult) -> str:
    """Where the recommended system stands against the best of the others; "" if there is none."""
    ends = sorted({result.curves.budgets[0], result.curves.budgets[-1]})
    system = next((s for s in result.systems if s.recommended), None)
    if system is None or not all(result.curves.has(system.name, budget) for budget in ends):
        return ""
    said = [text for budget in ends if (text := _standing(result, system, budget))]
    return f"With {'; with '.join(said)}." if said else ""


def _standing(result: CurveResult, system: System, budget: int) -> str:
    curves = result.curves
    others = [s.name for s in result.systems if s.kind != "floor" and s is not system]
    there = [name for name in others if curves.has(name, budget)]
    if not there:
        return ""
    rival = curves.best(there, budget)
    difference = curves.difference(system.name, rival, budget=budget)
    told = f"the best of the others ({result.system(rival).label})"
    wins = _who_wins(difference, system.label, rival=told)
    return f"{_count(budget)}, {wins} ({difference.signed()} in UAR)"


def _no_gain(result: CurveResult, worths: list[Worth]) -> str:
    """Worth nothing where a gain is excluded; not measurable where one may hide in the interval."""
    largest = max(worth.difference.high for worth in worths)
    between = f"between {result.budgets[0]} and {result.budgets[-1]} labels"
    harm = " Somewhere it does harm." if any(w.verdict == "loss" for w in worths) else ""
    if largest < NEGLIGIBLE:
        return (
            f"Pre-training is worth nothing here: {between} no gain over the same network "
            f"without it reaches {decimal(NEGLIGIBLE)} in UAR.{harm}"
        )
    return (
        f"No gain from pre-training is measurable here: {between} no interval of the "
        f"difference to the same network without it lies above zero; the largest gain that the "
        f"data leave possible is {decimal(largest, signed=True)} in UAR.{harm}"
    )


def _gain(worth: Worth) -> str:
    if worth.verdict == "beyond" and worth.at_least == 0:
        return f"pre-training gains {worth.difference.signed()} in UAR"
    return f"pre-training is worth {worth.phrase()}"


def _at_the_end(result: CurveResult, first: Worth) -> str:
    """What the same pair shows at its largest budget, where it no longer gains."""
    last = next(w for p, w in result.worths if first in w)[-1]
    return {
        "none": f"; with {_count(last.budget)} no gain is measurable",
        "loss": f"; with {_count(last.budget)} it does harm",
    }.get(last.verdict, "")


def _caveat(result: CurveResult) -> str:
    """The budgets at which a rival without pre-training measurably beats every pre-trained one."""
    lost = []
    for budget in result.curves.budgets:
        rival = _strongest(result, budget)
        if rival and rival[2].excludes_zero and rival[2].value < 0:
            lost.append((result.system(rival[1]).label, str(budget)))
    if not lost:
        return ""
    names = _series(list(dict.fromkeys(name for name, _ in lost)))
    budgets = _series([budget for _, budget in lost])
    return f" Yet {names}, without pre-training, scores higher with {budgets} labels."


def _recommended(result: CurveResult, system: System, budgets: list[int]) -> str:
    """What the recommended system is, and how good."""
    scores = [
        f"UAR {result.curves.estimate(system.name, budget)} with {_count(budget)}"
        for budget in budgets
        if result.curves.has(system.name, budget)
    ]
    what = system.description[:1].lower() + system.description[1:].rstrip(".")
    return f"Recommended is {system.label}, {what}: {_series(scores)}."


def _best(result: CurveResult, budget: int) -> str:
    curves = result.curves
    name = curves.best([system.name for system in result.systems], budget)
    return (
        f"With {_count(budget)}, {result.system(name).label} scores highest: "
        f"UAR {curves.estimate(name, budget)}; chance is {decimal(curves.chance())}."
    )


def _pair(result: CurveResult, pair: Pair, worths: tuple[Worth, ...]) -> str:
    """Where along the budgets one pre-trained system differs from scratch."""
    label = result.system(pair.pretrained).label
    scratch = result.system(pair.scratch).label
    said = [
        f"{what} at {_series(found)}"
        for what, verdicts in SAYINGS
        if (found := [str(worth.budget) for worth in worths if worth.verdict in verdicts])
    ]
    first = worths[0]
    return (
        f"{label[:1].upper()}{label[1:]} against {scratch}: {'; '.join(said)} labels. "
        f"With {_count(first.budget)} the difference in UAR is {first.difference.signed()}."
    )


def _series(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _rival(result: CurveResult, budget: int) -> str:
    """The best pre-trained system against the best without pre-training; "" where one lacks."""
    found = _strongest(result, budget)
    if found is None:
        return ""
    best, rival, difference = found
    return (
        f"With {_count(budget)}, the strongest rival without pre-training is "
        f"{result.system(rival).label}, UAR {result.curves.estimate(rival, budget)}: "
        f"{_who_wins(difference, result.system(best).label)} ({difference.signed()})."
    )


def _strongest(result: CurveResult, budget: int) -> tuple[str, str, Estimate] | None:
    """The best pre-trained system, the best rival without pre-training, and their difference."""
    curves = result.curves
    ours = [n for n in result.of_kind("pretrained") if curves.has(n, budget)]
    rivals = [n for n in result.of_kind("scratch", "control", "classic") if curves.has(n, budget)]
    if not ours or not rivals:
        return None
    best, rival = curves.best(ours, budget), curves.best(rivals, budget)
    return best, rival, curves.difference(best, rival, budget=budget)


def _who_wins(difference: Estimate, ours: str, rival: str = "it") -> str:
    if not difference.excludes_zero:
        return f"{rival} and {ours} cannot be told apart"
    return f"{ours} beats {rival}" if difference.value > 0 else f"{rival} beats {ours}"


def _count(budget: int) -> str:
    return f"{budget} label{'' if budget == 1 else 's'}"
