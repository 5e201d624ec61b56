"""What a reader asks first: how good is it, does it still rise, what would more bring, which one?

In:  ``CurveResult`` that recommends a system.
Out: sentences, the first of which speaks of the recommended system with the most labels.

Of a choice the score is said in words, beside what guessing gets; of amounts in the metric and its
range, beside the best constant. Whether either can be told from hearing nothing is said outright.
"""

from collections.abc import Iterator

from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.next_labels import NEXT, gain_of_next
from undertone.evaluation.report.result import Compared, CurveResult, count
from undertone.tasks import CHOICE

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
MOST, LEAST = 0.95, 0.05  # beyond which tenths say too little


def headline(result: CurveResult) -> str:
    """How good the recommended system is with the most labels, and whether it hears anything."""
    if result.advice is None:
        return ""
    said = _of_choice(result) if result.task.kind == CHOICE else _of_amounts(result)
    few = f"A first look, from {result.first_look}. " if result.first_look else ""
    return f"{few}{said}"


def outlook(result: CurveResult) -> Iterator[str]:
    """Whether the curve still rises, and what more labels and more speakers would bring."""
    if result.advice is None:
        return
    system, budgets = result.advice.system, result.curves.budgets_of(result.advice.system)
    ahead = gain_of_next(result.curves, system, budgets, n_labels=budgets[-1], more=NEXT)
    if ahead is not None:
        risen = _risen(result, system, budgets)
        yield (
            f"From {budgets[-2]} to {budgets[-1]} labels it gains {risen.signed()}: "
            f"{_is_rising(result, risen)}. {number(NEXT, capital=True)} more labels would bring "
            f"{_brought(ahead)}"
        )
    if result.more_speakers is not None:
        yield (
            "Two more speakers, with no label more, would bring about "
            f"{result.more_speakers.signed()}: half of the speakers were held against all of them."
        )


def _brought(ahead: Estimate) -> str:
    """By more labels: a number where the curve points up."""
    if ahead.value <= 0:
        return f"nothing, if it went on like this ({ahead.signed()})."
    return f"about {ahead.signed()}, if it went on like this; curves flatten out, so hardly more."


def recommendation(result: CurveResult) -> str:
    """Which system, why, and what the choice rests on; "" where none is recommended."""
    if (advice := result.advice) is None:
        return ""
    system = result.system(advice.system)
    what = system.description.rstrip(".")
    if not what[:2].isupper():  # no "gRU"
        what = what[:1].lower() + what[1:]
    if advice.system != advice.best:
        best = result.curves.estimate(advice.best, result.budgets[-1])
        why = (
            "the simplest system that is not measurably worse than the best, "
            f"“{result.label(advice.best)}” ({result.headline.label} {best})"
        )
    elif advice.n_simpler:
        simpler = "the one simpler system is" if advice.n_simpler == 1 else "all simpler ones are"
        why = f"it scores best, and {simpler} measurably worse"
    else:
        why = "it scores best, and none is simpler"
    return (
        f"Recommended is “{system.label}”, {what}: {why}. The choice was made on these very "
        f"scores, which flatters it a little. {_trained(result, system)}"
    )


def _trained(result: CurveResult, system: Compared) -> str:
    """How the system becomes a model."""
    if system.stands_alone:
        return "It is a row of your own, which no model holds: give its frames as --features."
    if (command := result.training.get(system.name)) is not None:
        return f"This trains it: {command}"
    return f"undertone finetune --system {system.name} trains it."


def number(n: int, *, capital: bool = False) -> str:
    """In words where it is small.

    >>> number(4), number(12), number(20, capital=True)
    ('four', '12', 'Twenty')
    """
    word = "twenty" if n == NEXT else NUMBERS[n] if n < len(NUMBERS) else str(n)
    return word.capitalize() if capital else word


def tenths(share: float) -> str:
    """A share in words.

    >>> tenths(0.79), tenths(0.97), tenths(0.02)
    ('about eight in ten', 'more than nineteen in twenty', 'fewer than one in twenty')
    """
    if share >= MOST:
        return "more than nineteen in twenty"
    if share < LEAST:
        return "fewer than one in twenty"
    return f"about {NUMBERS[min(9, max(1, round(10 * share)))]} in ten"


def _of_choice(result: CurveResult) -> str:
    estimate, n = _score(result), len(result.task.outputs)
    label, budget = _chosen(result), count(result.budgets[-1], "label")
    chance = result.curves.chance()
    guessing = "" if chance is None else f"; guessing names one in {number(round(1 / chance))}"
    heard = "" if chance is None else _told_apart(estimate, chance, "guessing", result.unit)
    return (
        f"Of {number(n)} {result.task.each}s, {label} names {tenths(estimate.value)} rightly with "
        f"{budget}, for {_voices(result)} it never heard{guessing} "
        f"({result.headline.label} {estimate}). {heard}"
    )


def _of_amounts(result: CurveResult) -> str:
    curves, task, budget = result.curves, result.task, result.budgets[-1]
    estimate, metric = _score(result), result.headline
    if metric.lower_is_better:
        verb, scale = "errs", f"on a scale from {task.low:g} to {task.high:g}"
    else:
        verb, scale = "agrees with the truth", "where 1 is all and 0 nothing"
    floors = [name for name in result.of_kind("floor") if curves.has(name, budget)]
    floor = curves.best(floors, budget)
    gain = curves.gain(_name(result), floor, budget=budget)
    heard = _told_apart(gain, 0.0, "a constant", result.unit)
    beside = ""
    if task.beside:
        other = curves.estimate(_name(result), budget, task.beside)
        beside = f" In {task.metrics[task.beside].label}, which no constant wins, it has {other}."
    n = len(task.outputs)
    of = f"in {task.outputs[0]}" if n == 1 else f"on the mean of {number(n)} {task.each}s"
    return (
        f"With {count(budget, 'label')}, {_chosen(result)} {verb} {of} by "
        f"{decimal(estimate.value)}, {scale}, for {_voices(result)} it never heard "
        f"({metric.label} {estimate}); the best constant, {result.label(floor)}, has "
        f"{decimal(curves.estimate(floor, budget).value)}. {heard}{beside}"
    )


def _told_apart(estimate: Estimate, nothing: float, what: str, unit: str) -> str:
    """Whether an interval lies beside what is reached without hearing anything."""
    if not estimate.has_interval:
        return f"One {unit} tells nothing of the next: whether that is more than {what} is open."
    if estimate.low > nothing:
        return f"That is better than {what}."
    if estimate.high < nothing:
        return f"That is worse than {what}."
    return f"Whether that is better than {what} cannot be told from this run."


def _risen(result: CurveResult, system: str, budgets: tuple[int, ...]) -> Estimate:
    """How much better it is at the last budget than at the one before."""
    turn = -1 if result.headline.lower_is_better else 1
    last, before = (system, budgets[-1]), (system, budgets[-2])
    return result.curves.contrast([(turn, last, ("mean",)), (-turn, before, ("mean",))])


def _is_rising(result: CurveResult, risen: Estimate) -> str:
    """Of errors a curve that gets better falls."""
    lower = result.headline.lower_is_better
    if risen.has_interval and risen.low > 0:
        return "it is still getting better" if lower else "it is still rising"
    if risen.has_interval and risen.high < 0:
        return "it gets worse"
    if risen.has_interval and risen.high < result.task.negligible:
        return "it has flattened out"
    return f"whether it still {'gets better' if lower else 'rises'} cannot be told"


def _voices(result: CurveResult) -> str:
    return "voices" if result.unit == "speaker" else f"{result.unit}s"


def _name(result: CurveResult) -> str:
    assert result.advice is not None, "whoever asks has looked"
    return result.advice.system


def _chosen(result: CurveResult) -> str:
    return f"“{result.label(_name(result))}”"


def _score(result: CurveResult) -> Estimate:
    return result.curves.estimate(_name(result), result.budgets[-1])
