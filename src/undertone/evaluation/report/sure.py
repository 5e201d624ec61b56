"""Whether sets hold the truth, and what silence is worth, as tables: for a page and for a card.

In:  ``CurveResult`` with its coverage; or a ``Coverage``, rows of ``Answered`` and counted doubts.
Out: ``Table``s; Markdown.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from undertone.evaluation.coverage import Answered, Coverage, Covered
from undertone.evaluation.estimate import decimal
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.tables import NOTHING, Row, Table

MOST_SPEAKERS = 24  # shown each for itself
PERCENTILES = (0, 5, 25, 50, 75, 95, 100)
HEADINGS = ("an emotion is named from probability", "answered", "right of these")


PARTS: Mapping[str, Callable[[Coverage], str]] = {
    "emotions in a set": lambda one: f"{one.size:.2f}",
    "sets of one emotion": lambda one: f"{one.alone:.0%}",
    "right of these": lambda one: (
        NOTHING if np.isnan(one.right_alone) else decimal(one.right_alone)
    ),
    "lowest of a speaker": lambda one: decimal(one.by_speaker[0]),
}


def sets(result: CurveResult) -> Table:
    """How often sets hold the truth, of every system that makes them, at every budget."""
    found = {(one.system, one.budget): one.of for one in result.covered}
    with_sets = [s for s in result.systems if any(name == s.name for name, _ in found)]
    asked = decimal(result.covered[0].of.asked)
    rows: list[Row] = []
    for system in with_sets:
        of_system = [found.get((system.name, b)) for b in result.budgets]
        cells = tuple(NOTHING if one is None else one.reached for one in of_system)
        rows.append(Row(system.label, cells, system=system.name))
        for name, tell in PARTS.items():
            cells = tuple(NOTHING if one is None else tell(one) for one in of_system)
            rows.append(Row(name, cells, is_part=True))
    return Table(
        title="Whether sets hold the truth",
        headings=(
            f"share of sets at coverage {asked} with the truth, with … labels",
            *map(str, result.budgets),
        ),
        rows=tuple(rows),
        hint=(
            f"A set holds the emotions that cannot be excluded at a coverage of {asked}; how "
            "strange an emotion may look was found on the labels given, by smaller fits that did "
            f"not know the {result.unit} (conformal prediction). Here are {result.unit}s whom no "
            "fit heard. Nothing stands where the labels are too few to hold anybody out."
        ),
    )


def details(result: CurveResult) -> Iterator[Table]:
    """What silence is worth and each speaker's coverage, of what we would use, or the first."""
    ends = (result.budgets[0], result.budgets[-1])
    named = list(dict.fromkeys(one.system for one in result.covered))
    shown = [name for name in named if result.advice and name == result.advice.system] or named[:1]
    for one in result.covered:
        if one.system in shown and one.budget in ends:
            where = f"{result.label(one.system)} with {one.budget} labels"
            yield _of_silence(one, where)
            yield _of_speakers(one.of, where, result.unit)


def _of_silence(one: Covered, where: str) -> Table:
    rows = tuple(Row(decimal(a.least), (a.share, a.right)) for a in one.answered)
    return Table(f"What silence is worth: {where}", HEADINGS, rows)


def _of_speakers(one: Coverage, where: str, unit: str) -> Table:
    rows = tuple(Row(name, (decimal(share),)) for name, share in by_speaker(one))
    asked = decimal(one.asked)
    return Table(f"Coverage by {unit}: {where}", (unit, f"share with the truth at {asked}"), rows)


def by_speaker(one: Coverage) -> list[tuple[str, float]]:
    """Each speaker's coverage, ascending and without a name; of many their percentiles."""
    shares = one.by_speaker
    if len(shares) <= MOST_SPEAKERS:
        return [(str(i + 1), share) for i, share in enumerate(shares)]
    at = np.percentile(shares, PERCENTILES)
    return [(f"{p} % lie at or below", float(v)) for p, v in zip(PERCENTILES, at, strict=True)]


def in_markdown(
    coverage: Coverage | None,
    answered: Sequence[Answered],
    doubts: Mapping[str, int],
    n_judged: int,
) -> str:
    """Paragraphs and tables for a model card.

    Args:
        coverage: of unheard speakers; None where nobody was held out.
        answered: what silence is worth, of classes.
        doubts: how many test utterances are held back, by reason.
        n_judged: how many were asked.
    """
    parts = [*_coverage_told(coverage), *_answers_told(answered), *_doubts_told(doubts, n_judged)]
    return "\n\n".join(parts)


def _coverage_told(one: Coverage | None) -> Iterator[str]:
    if one is None:
        yield (
            "**No sets were tested**: `--coverage` needs labels of more speakers than a fold "
            "leaves, or a system that holds some of them out."
        )
        return
    asked = decimal(one.asked)
    is_choice = not np.isnan(one.alone)
    what = "sets of emotions" if is_choice else "intervals of amounts"
    size = (
        f"they hold {one.size:.2f} emotions in the mean, {one.alone:.0%} hold one alone"
        + (f", and of those {decimal(one.right_alone)} are right" if one.alone else "")
        if is_choice
        else f"they cover {one.size:.0%} of the scale in the mean"
    )
    yield (
        f"`--coverage {one.asked:g}` gives {what}; on speakers that the fits did not know they "
        f"hold the truth in {one.reached} of all cases, where {asked} were asked for; {size}. How "
        "strange the truth may look was found within the labels of each fit, by smaller fits "
        "without the speaker. Each speaker's share, in ascending order: "
        + ", ".join(
            decimal(v) if len(one.by_speaker) <= MOST_SPEAKERS else f"{name} {decimal(v)}"
            for name, v in by_speaker(one)
        )
        + "."
    )


def _answers_told(answered: Sequence[Answered]) -> Iterator[str]:
    if not answered:
        return
    rows = [
        HEADINGS,
        ("---",) * 3,
        *((decimal(a.least), str(a.share), str(a.right)) for a in answered),
    ]
    yield (
        "What silence is worth, with `--min-probability`, on the same speakers:\n\n"
        + "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    )


def _doubts_told(doubts: Mapping[str, int], n_judged: int) -> Iterator[str]:
    if not n_judged:
        return
    shares = ", ".join(f"{what} {n / n_judged:.1%}" for what, n in doubts.items())
    yield (
        f"Without being asked it is silent on {sum(doubts.values()) / n_judged:.1%} of "
        f"{n_judged} utterances of speakers that the fits did not know"
        f"{f': {shares}' if shares else ''}. All of them are speech of this corpus."
    )
