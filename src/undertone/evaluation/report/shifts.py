"""What a shift shows, in sentences and tables.

In:  ``Shift``.
Out: sentences, each with the corpora that it speaks of; ``Table``s for the page and the terminal.

A loss is claimed only where the interval of the paired difference lies above zero; a gain worth
naming is excluded only where the interval ends below the task's ``negligible``.
"""

import math
from collections.abc import Iterator

from undertone.evaluation.estimate import Difference, Estimate, decimal
from undertone.evaluation.report.result import count
from undertone.evaluation.report.tables import NOTHING, Row, Table
from undertone.evaluation.shift import ACROSS, INSIDE, MIXED, Shift
from undertone.evaluation.worth import first_look, no_gain
from undertone.tasks import MEAN


def sentences(shift: Shift) -> tuple[str, ...]:
    """The most important first."""
    return tuple(
        filter(
            None,
            [
                loss(shift),
                _won_back(shift),
                _alone(shift),
                _hearing(shift),
                _where(shift),
            ],
        )
    )


def tables(shift: Shift) -> tuple[Table, ...]:
    """What is lost by the number of labels; what wins it back; what is lost by whom and where."""
    return (_by_labels(shift), _back(shift), _by_output(shift), *_by_sex(shift), _by_speaker(shift))


def loss(shift: Shift) -> str:
    """How good across, how good inside, and what is lost."""
    names, at, metric = shift.names, shift.at, _label(shift)
    lost = shift.lost(at)
    inside, across = (shift.curves.estimate(arm, at) for arm in (INSIDE, ACROSS))
    scores = (
        f"With {count(at, 'label')} of {names.taught}, {names.system} scores {metric} {across} on "
        f"{names.tested}; with as many of {names.tested}'s own other speakers {inside}"
    )
    if not lost.has_interval:
        return f"{scores}: one speaker tells nothing of the next."
    if not lost.excludes_zero:
        if few := _too_few(shift):
            return f"{scores}: lost {lost.signed()}, a first look ({few})."
        return f"{scores}: no loss is measurable; {_at_most(shift, lost)}."
    if lost.value < 0:
        return f"{scores}: {names.taught} teaches better (lost {lost.signed()})."
    return f"{scores}: {lost.signed()} is lost."


def _too_few(shift: Shift) -> str:
    """Why nothing is said to be worth nothing; or ""."""
    n_draws = min(len(scored.by_draw) for scored in shift.curves.scored.values())
    return first_look(n_draws=n_draws, n_speakers=shift.curves.n_speakers)


def _at_most(shift: Shift, loss: Estimate) -> str:
    """How large a loss the data leave possible."""
    high = decimal(max(loss.high, 0.0), signed=True)
    if loss.high < shift.curves.task.negligible:
        return f"nothing worth naming is lost (at most {high})"
    return f"at most {high}"


def _won_back(shift: Shift) -> str:
    names, lost = shift.names, shift.lost(shift.at)
    if not (lost.has_interval and lost.excludes_zero and lost.value > 0) or len(shift.back) < 2:
        return ""
    needed, goal = shift.won_back, f"what {shift.at} of {names.tested} alone give"
    beside = f"beside the {shift.at} of {names.taught}"
    if needed.phrase().startswith("not within"):
        return f"Labels of {names.tested} {beside} do not reach {goal}: {needed.phrase()}."
    return f"{needed.phrase()} of {names.tested} {beside} reach {goal}."


def _alone(shift: Shift) -> str:
    names, needed = shift.names, shift.alone
    first = shift.curves.budgets_of(INSIDE)[0]
    what = f"what {shift.at} of {names.taught} give on it"
    if needed.phrase().startswith("not within"):
        return f"{names.tested} alone does not reach {what}: {needed.phrase()}."
    if math.isfinite(needed.high) and round(needed.high) <= first:
        return f"{names.tested} alone reaches {what} with {first} labels or fewer."
    few = " or fewer" * (round(needed.labels) <= first)
    return f"{names.tested} alone reaches {what} with {needed.phrase()}{few}."


def _hearing(shift: Shift) -> str:
    gain, names = shift.hearing, shift.names
    if not gain.has_interval:
        return ""
    who = f"{names.tested}'s other speakers without labels"
    beside = f"beside {shift.at} labels of {names.taught}"
    if gain.excludes_zero:
        told = "adds" if gain.value > 0 else "does harm"
        return f"Hearing {who}, {beside}, {told} ({_label(shift)} {gain.signed()})."
    if few := _too_few(shift):
        return f"Hearing {who}, {beside}: {_label(shift)} {gain.signed()}, a first look ({few})."
    return f"Hearing {who}, {beside}: {no_gain(gain, shift.curves.task.negligible)}."


def _where(shift: Shift) -> str:
    """The output that loses most, of those whose loss is measurable."""
    task = shift.curves.task
    losses = {output: shift.lost(shift.at, output) for output in task.outputs}
    known = {o: e for o, e in losses.items() if e.has_interval and e.excludes_zero and e.value > 0}
    if not known or len(task.outputs) < 2:
        return ""
    most = max(known, key=lambda output: known[output].value)
    of = task.metrics[task.headline].of_output
    return (
        f"Of {shift.names.tested}, {most} loses most ({of} {known[most].signed()}; picked after "
        "looking)."
    )


def _by_labels(shift: Shift) -> Table:
    curves, names = shift.curves, shift.names
    budgets = curves.budgets_of(INSIDE, ACROSS)
    return Table(
        title=f"What is lost on {names.tested}",
        headings=(f"{_label(shift)} with … labels", *map(str, budgets)),
        rows=(
            Row(f"of {names.tested}", tuple(curves.estimate(INSIDE, b) for b in budgets)),
            Row(f"of {names.taught}", tuple(curves.estimate(ACROSS, b) for b in budgets)),
            Row("lost", tuple(Difference.of(shift.lost(b)) for b in budgets)),
        ),
        hint=f"{names.system}, on the same utterances of {names.tested} and the same resampling of "
        "its speakers: above zero the last row is lost. Labels of the tested corpus are of its "
        "other speakers, in folds by speaker.",
    )


def _back(shift: Shift) -> Table:
    curves, names, at = shift.curves, shift.names, shift.at
    back = shift.back

    def alone(m: int) -> bool:
        return curves.has(INSIDE, m)

    return Table(
        title="How many labels win it back",
        headings=(f"{_label(shift)} with … labels of {names.tested}", *map(str, back)),
        rows=(
            Row(
                f"beside {at} of {names.taught}",
                tuple(curves.estimate(MIXED, m) for m in back),
            ),
            Row("alone", tuple(curves.estimate(INSIDE, m) if alone(m) else NOTHING for m in back)),
            Row(
                f"gain by the {at} beside",
                tuple(Difference.of(shift.beside(m)) if alone(m) else NOTHING for m in back),
                is_part=True,
            ),
            Row(
                f"short of {at} of {names.tested}",
                tuple(Difference.of(shift.short(m)) for m in back),
                is_part=True,
            ),
        ),
        hint=f"With 0 labels {names.tested}'s other speakers are heard without any; so they are in "
        "every other column. All labels count alike.",
    )


def _by_output(shift: Shift) -> Table:
    curves, at, task = shift.curves, shift.at, shift.curves.task
    of = task.metrics[task.headline].of_output or _label(shift)
    return Table(
        title=f"Lost by {task.each}, with {at} labels",
        headings=(of, "inside", "across", "lost"),
        rows=tuple(
            Row(
                "all" if output == MEAN else output,
                (
                    curves.estimate(INSIDE, at, output=output),
                    curves.estimate(ACROSS, at, output=output),
                    Difference.of(shift.lost(at, output)),
                ),
            )
            for output in (MEAN, *task.outputs)
        ),
    )


def _by_sex(shift: Shift) -> Iterator[Table]:
    if not shift.by_sex:
        return
    yield Table(
        title=f"Lost by sex, with {shift.at} labels",
        headings=(_label(shift), "inside", "across", "lost"),
        rows=tuple(
            Row(
                f"{sex} ({count(of.n_speakers, 'speaker')})",
                (
                    of.estimate(INSIDE, shift.at),
                    of.estimate(ACROSS, shift.at),
                    Difference.of(of.gain(INSIDE, ACROSS, budget=shift.at)),
                ),
            )
            for sex, of in shift.by_sex.items()
        ),
    )


def _by_speaker(shift: Shift) -> Table:
    return Table(
        title=f"Lost by speaker, with {shift.at} labels",
        headings=(_label(shift), "sex", "utterances", "inside", "across", "lost"),
        rows=tuple(
            Row(
                one.speaker,
                (
                    one.sex or NOTHING,
                    str(one.n_utterances),
                    decimal(one.inside),
                    decimal(one.across),
                    decimal(one.lost, signed=True),
                ),
            )
            for one in shift.of_speakers
        ),
        hint="Means of the draws; one speaker gives no interval. Those who lose most stand first, "
        "picked after looking.",
    )


def _label(shift: Shift) -> str:
    task = shift.curves.task
    return task.metrics[task.headline].label
