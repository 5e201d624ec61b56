"""What needs no speech, held against published numbers and against systems.

In:  ``Measured``; the name of a system.
Out: ``Answer``s.
"""

from collections.abc import Iterator

from undertone.evaluation.estimate import decimal
from undertone.evaluation.report.measured import Measured
from undertone.evaluation.report.paper import (
    NO,
    OPEN,
    YES,
    Answer,
    say_range,
    verdict_on,
    verdict_on_all,
)
from undertone.tasks import MEAN


def published_clear_a_constant(measured: Measured) -> Iterator[Answer]:
    """Whether the published numbers are better than the best constant on this test."""
    budget, task = measured.claims.budget_among(measured.curves.budgets), measured.task
    for published in measured.claims.published if measured.floors(budget) else ():
        outputs = task.outputs if published.each_output else (MEAN,)
        best = sorted(measured.best_floor(budget, published.metric, o)[1] for o in outputs)
        ends = (best[0], best[-1])
        reached = say_range(ends, digits=3) if published.each_output else decimal(best[0])
        by_output = f" by {task.each}" if published.each_output else ""
        lower_is_better = task.metrics[published.metric].lower_is_better
        label = measured.label(published.metric)
        yield Answer(
            f"Does the published {label} ({say_range(published.pretrained)}{by_output}, "
            f"{published.where}) clear a constant?",
            _all_better(published.pretrained, ends, lower_is_better=lower_is_better),
            f"The best constant reaches {reached}{by_output} on this test.",
            f"the published {label} clears a constant",
        )


def clears_a_constant(measured: Measured, system: str) -> Answer:
    """Whether a system here is better than the best constant."""
    budget = measured.claims.budget_among(measured.curves.budgets_of(system))
    parts, verdict = [], OPEN
    published = (number.metric for number in measured.claims.published)
    metrics = dict.fromkeys((measured.task.headline, *published))
    for metric in metrics if measured.floors(budget) else ():
        floor, _ = measured.best_floor(budget, metric)
        gain = measured.curves.gain(system, floor, budget=budget, metric=metric)
        verdict = verdict_on(gain) if metric == measured.task.headline else verdict
        name = measured.labels[floor]
        parts.append(f"{measured.label(metric)} {gain.signed()} better than “{name}”")
    return Answer(
        f"Does “{measured.labels[system]}” clear the best constant with {budget} labels "
        f"({measured.headline})?",
        verdict,
        "; ".join(parts) + ".",
        f"{measured.labels[system]} clears the best constant",
    )


def is_enough(measured: Measured, system: str) -> Iterator[Answer]:
    """Whether encoded features serve pre-training: it hears something in them, and gains by it.

    What is heard is told in a metric that no constant wins, where the task has one.
    """
    control, curves = measured.claims.control, measured.curves
    metric = measured.task.beside or measured.task.headline
    budget = measured.claims.budget_among(curves.budgets_of(system))
    if not curves.budgets_of(system, control) or not measured.floors(budget):
        return
    floor, _ = measured.best_floor(budget, metric)
    heard = curves.gain(system, floor, budget=budget, metric=metric)
    gained = curves.mean_gain(system, control)
    yield Answer(
        "Are encoded features enough: does a network hear emotion in them, and gain from being "
        f"pre-trained on them (“{measured.labels[system]}”)?",
        verdict_on_all([heard, gained]),
        f"With {budget} labels {measured.label(metric)} is {heard.signed()} better than "
        f"“{measured.labels[floor]}”; over “{measured.labels[control]}” the gain in "
        f"{measured.headline} is {gained.signed()}, mean of all budgets.",
        "encoded features are enough",
    )


def _all_better(
    ours: tuple[float, float], theirs: tuple[float, float], *, lower_is_better: bool
) -> str:
    """Whether a whole range is better than another, worse, or neither."""
    if lower_is_better:
        ours, theirs = (-ours[1], -ours[0]), (-theirs[1], -theirs[0])
    if ours[0] > theirs[1]:
        return YES
    return NO if ours[1] < theirs[0] else OPEN
