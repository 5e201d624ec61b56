"""What recordings of the tested voices are worth: tables and sentences of their own.

In:  ``CurveResult`` with what was adapted to the tested voices' audio.
Out: ``Table``s and sentences, each of which says so. No other table, figure or verdict holds these
     rows: who hears a voice before it is tested is no like of who does not.
"""

from collections.abc import Iterator

from undertone.evaluation.curves import Curves
from undertone.evaluation.report.paper import series
from undertone.evaluation.report.result import Adapted, Compared, CurveResult, count
from undertone.evaluation.report.tables import NOTHING, Row, Table

HOW = (
    "Adapted to the tested voice's audio (transductive): recordings of it, drawn anew for each fit "
    "and without their truth, were heard before any was predicted. All of them are scored, those "
    "heard among them."
)


def tables_of(result: CurveResult, part: str) -> tuple[Table, ...]:
    """Scores and gains on one test part; nothing where nothing was adapted."""
    if result.adapted is None:
        return ()
    return (_scores(result, result.adapted, part), _gains(result, result.adapted, part))


def findings(result: CurveResult) -> Iterator[str]:
    """A sentence for each system that was adapted: what most recordings gain at both ends."""
    adapted = result.adapted
    for system in _systems(result):
        assert adapted is not None, "who has systems was adapted"
        row = _rows_of(adapted, system)[-1]
        curves = adapted.curves[result.part]
        ends = sorted({curves.budgets[0], curves.budgets[-1]})
        gains = [
            f"{curves.gain(row.name, system.name, budget=budget).signed()} with "
            f"{count(budget, 'label')}"
            for budget in ends
            if curves.has(row.name, budget)
        ]
        yield (
            f"Adapted to the tested voice's audio (transductive, apart from all else here), "
            f"{system.label} {row.label} gains {series(gains)} in {result.headline.label} over "
            "itself without."
        )


def _scores(result: CurveResult, adapted: Adapted, part: str) -> Table:
    curves = adapted.curves[part]
    rows = []
    for system in _systems(result):
        rows.append(_row(f"{system.label}, the voice unknown", system.name, curves))
        rows += [
            _row(row.label, row.name, curves, is_part=True) for row in _rows_of(adapted, system)
        ]
    label = result.headline.label
    return Table(
        title=f"{label} with recordings of the tested voice",
        headings=(f"{label} with … labels", *map(str, curves.budgets)),
        rows=tuple(rows),
        hint=HOW,
    )


def _gains(result: CurveResult, adapted: Adapted, part: str) -> Table:
    curves = adapted.curves[part]
    return Table(
        title="What recordings of the tested voice are worth",
        headings=(f"gain in {result.headline.label}", *map(str, curves.budgets)),
        rows=tuple(
            Row(
                f"{system.label}, {row.label}",
                tuple(
                    curves.gain(row.name, system.name, budget=b)
                    if curves.has(row.name, b)
                    else NOTHING
                    for b in curves.budgets
                ),
            )
            for system in _systems(result)
            for row in _rows_of(adapted, system)
        ),
        hint="Over the same fit to which the voice is unknown: same labels, same test "
        f"{result.unit}s, paired. It is no gain of one system over another: one side has heard the "
        "tested voice.",
        signed=True,
    )


def _systems(result: CurveResult) -> list[Compared]:
    """Those that were adapted, as they are when they are not."""
    if result.adapted is None:
        return []
    adapted = set(result.adapted.of.values())
    return [system for system in result.systems if system.name in adapted]


def _rows_of(adapted: Adapted, system: Compared) -> list[Compared]:
    return [row for row in adapted.rows if adapted.of[row.name] == system.name]


def _row(label: str, name: str, curves: Curves, *, is_part: bool = False) -> Row:
    cells = (curves.estimate(name, b) if curves.has(name, b) else NOTHING for b in curves.budgets)
    return Row(label, tuple(cells), is_part=is_part)
