"""What a run tells of its unlabelled speech and of its labels: how drawn, who taught, what worth.

In:  a finished sweep, its curves.
Out: sentences for the report.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from undertone.corpora.skew import parse_skew
from undertone.evaluation.curves import Curves
from undertone.evaluation.report.paper import series
from undertone.evaluation.report.result import Contrast, count
from undertone.evaluation.worth import first_look
from undertone.experiment.stored import Sweep
from undertone.models.self_training import FEW, LIKE_ENOUGH, LIKE_ENOUGH_OF_FEW
from undertone.systems.plan import Plan
from undertone.systems.table import contrasts_among
from undertone.tasks import CHOICE
from undertone.tasks.draws import RANDOM

ABOUT = "self-training"


def how_drawn(plan: Plan, draw: str, skew: str) -> Iterator[str]:
    """How labels were drawn, which emotions random draws lacked, and of what the pool was made.

    Of labels that were picked (``draw`` is empty) nothing is said but of what.
    """
    if plan.task.kind != CHOICE:
        return
    if draw == RANDOM:
        yield (
            "Labels were drawn at random, as whoever labels what comes gets them: often emotions "
            f"have more of them{_lacking(plan)}."
        )
    elif draw:
        yield (
            "Labels were drawn balanced over the emotions, for which somebody has to know the "
            "emotions already: with labels as they come (--draw random) scores are lower."
        )
    if skew:
        yield (
            f"A study: the unlabelled speech of the training speakers was made lopsided, "
            f"{parse_skew(skew)}, by leaving out what is too much; no system heard that. "
            + (
                "The labels came from what was left."
                if draw in (RANDOM, "")
                else "The labels came from all of it."
            )
        )


def _lacking(plan: Plan) -> str:
    """In how many draws an emotion had no label."""
    lacking: Counter[int] = Counter()
    total = Counter(cell.budget for cell in plan.cells)
    for cell in plan.cells:
        held = np.stack([plan.truth[name] for name in cell.labels.utterances]).any(axis=0)
        lacking[cell.budget] += int(not held.all())
    said = [f"{n} of {total[b]} with {b} labels" for b, n in sorted(lacking.items()) if n]
    return f", and some had none in {', '.join(said)}" if said else ""


def contrasts_at_work(sweep: Sweep) -> Iterator[Contrast]:
    """The contrasts among the systems, without those of a self-training that was always off."""
    for contrast in contrasts_among(sweep.systems):
        if contrast.about != ABOUT or not _is_off(_told(sweep, contrast.ours)):
            yield contrast


def self_training_lines(sweep: Sweep, curves: Curves) -> Iterator[str]:
    """Of each system with a control: self-training on, worth so much, or off, and why."""
    for contrast in contrasts_among(sweep.systems):
        pair = (contrast.ours, contrast.other)
        if contrast.about != ABOUT:
            continue
        label = next(row.label for row in sweep.rows if row.name == contrast.ours)
        by_budget = _told(sweep, contrast.ours)
        if _is_off(by_budget):
            whole = [verdict for told in by_budget.values() for verdict in told]
            yield f"Self-training of {label} was {_said(whole, '')}."
            continue
        for budget in curves.budgets_of(*pair):
            if told := by_budget.get(budget):
                gain = curves.gain(*pair, budget=budget).signed()
                few = first_look(
                    n_draws=min(len(curves.scored[name, budget].by_draw) for name in pair),
                    n_speakers=curves.n_speakers,
                )
                worth = f"so far {gain}" if few else f"worth {gain}"
                yield f"Self-training of {label}, {budget} labels: {_said(told, worth)}."


def _told(sweep: Sweep, system: str) -> dict[int, list[Any]]:
    """What the fits of a system noted of self-training, by budget."""
    budgets = sorted({cell.budget for cell in sweep.plan.cells})
    noted = {b: notes_of(sweep, system, b, ABOUT.replace("-", "_")) for b in budgets}
    return {budget: told for budget, notes in noted.items() if (told := list(filter(None, notes)))}


def _is_off(by_budget: Mapping[int, Sequence[Mapping[str, Any]]]) -> bool:
    """Whether it was off in every fit."""
    return bool(by_budget) and not any(v["on"] for told in by_budget.values() for v in told)


def _said(told: Sequence[Mapping[str, Any]], worth: str) -> str:
    """On in how many fits and worth what; off in how many, and why."""
    off = [verdict for verdict in told if not verdict["on"]]
    if not off:
        return f"on, {worth}"
    reasons = Counter(verdict["why"] for verdict in off)
    why = "; ".join(
        f"{f'in {n} ' * (len(reasons) > 1)}{reason}" for reason, n in reasons.most_common()
    )
    like = _said_of_likeness([v["likeness"] for v in off if v["likeness"] is not None])
    rest = f"; on in the others; together {worth}" if len(off) < len(told) else ""
    return f"off in {len(off)} of {len(told)} fits, because {why}{like}{rest}"


def _said_of_likeness(found: Sequence[float]) -> str:
    if not found:
        return ""
    return (
        f" (median likeness {np.median(found):.2f}; {LIKE_ENOUGH_OF_FEW} would do, or "
        f"{LIKE_ENOUGH} from {FEW:.0f} labels an emotion on)"
    )


def _shared_note(sweep: Sweep) -> Iterator[str]:
    """What encoders had learned before any fold was known, where they had."""
    if sweep.shared is not None:
        n_own = [len(of_fold.pool[0][1]) for of_fold in sweep.plan.folds.values()]
        yield (
            f"Encoders were pre-trained once on {sweep.shared.n_utterances} utterances of other "
            "corpora, of nobody who speaks in the labelled one, and continued in each fold on its "
            f"own unlabelled speech, {min(n_own)} to {max(n_own)} utterances: the losses are of "
            "that speech (pretrain.shared_pool)."
        )


def crowd_notes(sweep: Sweep) -> Iterator[str]:
    """How much speech of other corpora joined the crowds, and what for."""
    yield from _shared_note(sweep)
    seen = set()
    for row in sweep.rows if sweep.plan.cells else ():
        budget = max(cell.budget for cell in sweep.plan.cells)
        for crowd in notes_of(sweep, row.name, budget, "crowd"):
            if crowd and crowd["elsewhere_given"]:
                seen.add((crowd["elsewhere"], crowd["elsewhere_given"], crowd["use"]))
                break
    for used, given, use in sorted(seen):
        some = f"{used} of {given} utterances" if used < given else f"{given} utterances"
        yield (
            f"{some} of unlabelled corpora were in the crowd of a fold, and {use}"
            f"{'; a crowd holds no more of them than of its own' if used < given else ''}."
        )


def few_draws_note(sweep: Sweep, n_draws: int) -> Iterator[str]:
    """Which systems saw fewer draws than the others; nothing where all saw the same."""
    few = sweep.full_draws
    labels = [row.label for row in sweep.rows if row.trains_all]
    if labels and 0 < few < n_draws:
        yield (
            f"{' and '.join(labels)} train every weight, which costs more than all else together: "
            f"they were fitted to the first {count(few, 'draw')} of {n_draws}, their intervals are "
            "over these, and what is set beside them is taken over the same (full_draws)."
        )


def untested_note(sweep: Sweep) -> Iterator[str]:
    """Of which systems nobody tested the probabilities; nothing where every system's were."""
    own = {row.label: row.own(sweep.settings) for row in sweep.rows}
    if as_they_come := [who for who, one in own.items() if not getattr(one, "calibrate", True)]:
        yield (
            f"Probabilities of {series(as_they_come)} are as they come: no temperature was tested "
            "on labels left out (calibrate = false, as in a first look)."
        )


def notes_of(sweep: Sweep, system: str, budget: int, name: str) -> list[Any]:
    """One note of each fit of a system at a budget; None where it has none."""
    cells = sweep.cells_of(system, budget)
    return [sweep.fit(system, cell).notes.get(name) for cell in cells]
