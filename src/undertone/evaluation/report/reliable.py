"""How far probabilities hold, as tables: for the page of a curve and for a model card.

In:  ``CurveResult`` with its reliability; or a ``Reliability``.
Out: ``Table``s; rows of text.
"""

from collections.abc import Iterator, Sequence

from undertone.evaluation.estimate import decimal
from undertone.evaluation.reliability import N_BINS, Bin, Reliability
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.tables import NOTHING, Row, Table

HEADINGS = ("probability of the likeliest emotion", "of all", "mean", "right")
HINT = (
    "How far the probability of the likeliest emotion is from the share of utterances in which it "
    "is right, of {unit}s that no fit heard, over tenths of it and all draws; 0 is perfect. It "
    "cannot be below 0, so that chance alone lifts it. Probabilities hold, if at all, for speech "
    "like that of this corpus."
)


def errors(result: CurveResult) -> Table:
    """The expected calibration error of every system at every budget."""
    found = {(one.system, one.budget): one.of.error for one in result.reliability}
    return Table(
        title="Whether probabilities hold",
        headings=("expected calibration error with … labels", *map(str, result.budgets)),
        rows=tuple(
            Row(
                system.label,
                tuple(found.get((system.name, b), NOTHING) for b in result.budgets),
                system=system.name,
                is_floor=system.kind == "floor",
            )
            for system in result.systems
        ),
        hint=HINT.format(unit=result.unit),
    )


def tenths(result: CurveResult) -> Iterator[Table]:
    """Tenths of the recommended system's probabilities, at the smallest and the largest budget."""
    ends = (result.budgets[0], result.budgets[-1])
    recommended = None if result.advice is None else result.advice.system
    for one in result.reliability:
        if one.system == recommended and one.budget in ends:
            yield Table(
                title=f"{result.label(one.system)} with {one.budget} labels",
                headings=HEADINGS,
                rows=tuple(Row(name, tuple(cells)) for name, *cells in rows_of(one.of)),
            )


def rows_of(reliability: Reliability) -> list[tuple[str, ...]]:
    """A row a tenth: its range, its share of the utterances, how sure, how many are right."""
    return [_row(one) for one in reliability.bins]


def _row(one: Bin) -> tuple[str, ...]:
    ends = f"{decimal(one.low)[:2]} to {decimal(one.low + 1 / N_BINS)[:2]}"
    if one.low == 0:
        ends = "0 to .1"
    if one.low > 0.85:
        ends = ".9 to 1"
    return ends, f"{one.share:.1%}", decimal(one.sure), decimal(one.right)


def in_markdown(reliability: Reliability) -> str:
    """A paragraph and a table for a model card."""
    rows: Sequence[tuple[str, ...]] = (HEADINGS, ("---",) * len(HEADINGS), *rows_of(reliability))
    lines = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    return (
        "On speakers that the fits did not know the likeliest emotion has a mean probability of "
        f"{decimal(reliability.sure)}, and {decimal(reliability.right)} are right; expected "
        f"calibration error {reliability.error}. An emotion said with .8 should be right four "
        f"times in five:\n\n{lines}"
    )
