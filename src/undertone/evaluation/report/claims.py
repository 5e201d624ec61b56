"""What a published comparison of pre-training with scratch claims, and what the numbers here say.

In:  ``Curves``, the systems to compare, what was published.
Out: ``Answer``s: a question, a word (yes, no, open), and the numbers behind it in a sentence.

A claim holds, or fails, only where a 95 % interval says so; otherwise it stays open. Gains are
written so that more is better: of errors the reference's less the system's. Whether a gap narrows
and closes is asked in ``gaps``, what needs no speech is held against systems in ``floors``.
"""

from collections.abc import Iterator, Mapping, Sequence

from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.report import floors, gaps
from undertone.evaluation.report.measured import Measured
from undertone.evaluation.report.paper import (
    NO,
    OPEN,
    YES,
    Answer,
    Claims,
    named_outputs,
    series,
    verdict_on,
    verdict_on_all,
)
from undertone.tasks import MEAN

FEWEST, MOST = "the fewest labels", "the most labels"  # in claims that hold for any corpus
Ends = Sequence[tuple[int, str]]  # the smallest and the largest budget, and what each is called


def answers(curves: Curves, claims: Claims, labels: Mapping[str, str]) -> list[Answer]:
    """Every claim that these systems allow to be tested; ``labels`` names them for people."""
    measured = Measured(curves, claims, labels)
    compared = [s for s in claims.pretrained if measured.budgets_of(s)]
    named = {curves.budgets[-1]: MOST, curves.budgets[0]: FEWEST}
    ends = sorted(named.items())
    with_floors = [s for s in (*compared, claims.scratch) if curves.budgets_of(s)]
    return [
        *(_helps(measured, s, *end) for s in compared for end in ends),
        *(answer for s in compared[:1] for answer in _of_the_papers_system(measured, s, ends)),
        *(gaps.closes(measured, s) for s in compared),
        *floors.published_clear_a_constant(measured),
        *(floors.clears_a_constant(measured, s) for s in with_floors),
        *(answer for s in compared[:1] for answer in floors.is_enough(measured, s)),
    ]


def _of_the_papers_system(measured: Measured, system: str, ends: Ends) -> Iterator[Answer]:
    """What is claimed of the paper's own system alone."""
    yield from (_helps_in_every_metric(measured, system, *end) for end in ends)
    yield from _helps_most_with_few(measured, system)
    yield from _gain_most(measured, system)
    yield from _gain_none(measured, system)
    yield from gaps.narrows(measured, system)
    yield from _is_pretraining(measured, system)


def _helps(measured: Measured, system: str, budget: int, where: str) -> Answer:
    gains = {metric: measured.gain(system, budget, metric) for metric in measured.metrics}
    label = measured.labels[system]
    return Answer(
        f"Is “{label}” better than “{measured.scratch}” with {budget} labels?",
        verdict_on(gains[measured.task.headline]),
        f"Gain in {measured.listed(gains)}.",
        f"{label} is better than {measured.scratch} with {where}",
    )


def _helps_in_every_metric(measured: Measured, system: str, budget: int, where: str) -> Answer:
    metrics = measured.claims.metrics_of(measured.task)
    gains = {metric: measured.gain(system, budget, metric) for metric in metrics}
    return Answer(
        f"Does “{measured.labels[system]}” gain in every metric "
        f"({', '.join(map(measured.label, metrics))}) with {budget} labels?",
        verdict_on_all(list(gains.values())),
        f"Gain in {measured.listed(gains)}.",
        f"gains in every metric with {where}",
    )


def _helps_most_with_few(measured: Measured, system: str) -> Iterator[Answer]:
    """The gain at the smallest budget less the mean gain at all others, paired."""
    first, *others = measured.budgets_of(system)
    if not others:
        return
    rest = [(-1 / len(others), system, budget, (MEAN,)) for budget in others]
    lead = measured.sum_of_gains([(1, system, first, (MEAN,)), *rest])
    is_gain = verdict_on(measured.gain(system, first)) == YES
    yield Answer(
        f"Is the gain of “{measured.labels[system]}” largest with the fewest labels, {first} "
        f"({measured.headline})?",
        verdict_on(lead) if is_gain else OPEN,
        f"Gains: {measured.along(system, measured.claims.scratch)} labels. The first less the mean "
        f"of the others: {lead.signed()}"
        + ("." if is_gain else f"; but with {first} labels no gain is measurable."),
        "gains most with the fewest labels",
    )


def _gain_most(measured: Measured, system: str) -> Iterator[Answer]:
    """The mean gain of the outputs named less that of the others, paired."""
    asked, outputs = measured.claims.gain_most, measured.task.outputs
    if not asked:
        return
    claim, named = f"{series(asked)} gain most", named_outputs(asked, measured.task)
    others = [output for output in outputs if output not in named]
    if not named or not others:
        yield _no_such_outputs(measured, claim)
        return
    budget = measured.claims.budget_among(measured.budgets_of(system))
    lead = measured.sum_of_gains([(1, system, budget, named), (-1, system, budget, others)])
    gains = {o: measured.gain(system, budget, outputs=(o,)).value for o in outputs}
    order = sorted(gains, key=lambda output: -gains[output])
    text = ", ".join(f"{output} {decimal(gains[output], signed=True)}" for output in order)
    yield Answer(
        f"{'Do' if len(named) > 1 else 'Does'} {series(named)} gain most ({measured.headline}, "
        f"{budget} labels, “{measured.labels[system]}”)?",
        verdict_on(lead),
        f"Gains: {text}. Theirs less that of the others: {lead.signed()}.",
        claim,
    )


def _gain_none(measured: Measured, system: str) -> Iterator[Answer]:
    """Whether a gain of the outputs named is excluded, to what the task calls negligible."""
    asked, negligible = measured.claims.gain_none, measured.task.negligible
    if not asked:
        return
    claim, named = f"{series(asked)} do not gain", named_outputs(asked, measured.task)
    if not named:
        yield _no_such_outputs(measured, claim)
        return
    budget = measured.claims.budget_among(measured.budgets_of(system))
    gains = {o: measured.gain(system, budget, outputs=(o,)) for o in named}
    text = ", ".join(f"{output} {gain.signed()}" for output, gain in gains.items())
    yield Answer(
        f"Is there no gain for {series(named)} ({measured.headline}, {budget} labels, "
        f"“{measured.labels[system]}”)?",
        _verdict_on_none(list(gains.values()), negligible),
        f"Gains: {text}; one below {decimal(negligible)} counts as none.",
        claim,
    )


def _is_pretraining(measured: Measured, system: str) -> Iterator[Answer]:
    """Against the same network, kept as it is too, that was never pre-trained."""
    control = measured.claims.control
    if not measured.curves.budgets_of(system, control):
        return
    gain = measured.curves.mean_gain(system, control)
    yield Answer(
        f"Is it pre-training that helps: is “{measured.labels[system]}” better than "
        f"“{measured.labels[control]}” ({measured.headline}, mean of all budgets)?",
        verdict_on(gain),
        f"Gain {gain.signed()}; {measured.along(system, control)} labels.",
        "it is pre-training that helps, not keeping a network as it is",
    )


def _verdict_on_none(gains: Sequence[Estimate], negligible: float) -> str:
    if any(gain.has_interval and gain.low > 0 for gain in gains):
        return NO
    return YES if all(g.has_interval and g.high < negligible for g in gains) else OPEN


def _no_such_outputs(measured: Measured, claim: str) -> Answer:
    outputs = series(measured.task.outputs)
    return Answer(f"Is it so that {claim}?", OPEN, f"There are {outputs} alone.", claim)
