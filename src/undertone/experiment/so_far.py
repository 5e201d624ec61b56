"""What the fits so far say, told while others go on.

In:  a run, its sweep; each cell and the systems whose fits are on disk now.
Out: lines on standard error: the best known system's score at each number of labels, beside the
     floor's, when one draw, then three, then all draws are whole over all folds.

A run that was stopped and goes on begins with what it has. Each line reads the test speakers' truth
and is logged as a look; a vault's truth is not read for it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from undertone.errors import tell
from undertone.evaluation.apart import trace_apart
from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import decimal
from undertone.evaluation.report.result import count
from undertone.experiment import folder
from undertone.experiment.order import leading
from undertone.experiment.run import Run
from undertone.experiment.stored import Sweep
from undertone.systems.plan import Cell

TOLD_AT = (1, 3)  # draws, and all of them


class SoFar:
    """Counts what is there, and tells what it says."""

    def __init__(self, run: Run, sweep: Sweep) -> None:
        self.run, self.sweep = run, sweep
        self.systems = leading(sweep)
        self.floors = [row.name for row in sweep.rows if row.kind == "floor"]
        self.missing: Counter[tuple[str, int]] = Counter()  # fits of a system in a draw
        for cell in sweep.plan.cells:
            for row in sweep.missing(cell):
                self.missing[row.name, cell.draw] += 1
        self.told = (len(self.systems), 0)

    def fitted(self, cell: Cell, systems: Sequence[str]) -> None:
        """Count the fits of a cell, and tell if there is more to tell than before."""
        for system in systems:
            self.missing[system, cell.draw] -= 1
        self.look()

    def look(self) -> None:
        """Tell what is there, if that is better known, or on more draws, than what was told."""
        for place, system in enumerate(self.systems):
            n = self._whole(system)
            if not n or (place, -n) >= (self.told[0], -self.told[1]):
                continue
            if place == self.told[0] and n not in (*TOLD_AT, self.run.draws.n_draws):
                continue
            self.told = (place, n)
            folder.log_look(self.run.out)
            tell(self._line(system, n))
            return

    def _whole(self, system: str) -> int:
        """How many draws, from the first on, are fitted in all folds, floors among them."""
        names = (system, *self.floors)
        n = 0
        while n < self.run.draws.n_draws and not any(self.missing[name, n] for name in names):
            n += 1
        return n

    def _line(self, system: str, n_draws: int) -> str:
        run, sweep = self.run, self.sweep
        found = run.predictions(sweep, [system, *self.floors], draws=n_draws)
        tested = run.tested(sweep.plan)
        curves = next(
            iter(trace_apart(found, tested, n_replicates=run.settings.replicates).values())
        )
        label = next(row.label for row in sweep.rows if row.name == system)
        metric = curves.task.metrics[curves.task.headline].label
        scores = ", ".join(self._scores(curves, system))
        more = "" if n_draws == run.draws.n_draws else f", of {run.draws.n_draws}"
        return f"so far, on {count(n_draws, 'draw')}{more}: {metric} of {label} {scores}"

    def _scores(self, curves: Curves, system: str) -> Iterator[str]:
        for budget in curves.budgets_of(system):
            floor = curves.best([name for name in self.floors if curves.has(name, budget)], budget)
            constant = decimal(curves.estimate(floor, budget).value)
            yield (
                f"{curves.estimate(system, budget)} with {count(budget, 'label')} "
                f"(a constant {constant})"
            )
