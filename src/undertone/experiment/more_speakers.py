"""What two more speakers would bring the system that a run recommends.

In:  a finished sweep and its result.
Out: an ``Estimate`` of the gain with the number of labels unchanged; None where it is not asked.

The labels of half of the training speakers are held against as many labels from all of them, in a
few draws of the largest budget: that tells what twice the speakers bring (``spread.of_twice``). Two
more bring as much of that as they are of a doubling, on the logarithm of their number. Only a run
with enough draws asks, and only of systems that are fitted in a moment.
"""

from dataclasses import replace

import numpy as np

from undertone.evaluation.curves import trace
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.predictions import Tested
from undertone.evaluation.report.result import CurveResult
from undertone.experiment.stored import Sweep
from undertone.experiment.sweep import predict_apart
from undertone.systems.plan import Cell
from undertone.systems.spread import FEW, SPREAD, halves, of_twice

N_DRAWS = 4  # of the run's, at most
MORE = 2  # speakers


def with_more_speakers(result: CurveResult, sweep: Sweep, tested: Tested) -> CurveResult:
    """The same with what two more speakers would bring, where that can be asked."""
    if result.advice is None or result.first_look or result.unit != "speaker":
        return result
    (row,) = (row for row in sweep.rows if row.name == result.advice.system)
    if row.kind != "classic" or row.trains_all:
        return result
    plan, budget = sweep.plan, result.budgets[-1]
    cells = [cell for cell in plan.cells if cell.budget == budget and cell.draw < N_DRAWS]
    apart = halves(plan, cells, seed=plan.seed, n_draws=1)
    if not apart:
        return result
    rows = next(iter(tested.apart().values()))
    curves = trace(
        {
            (kind, budget): _predicted(sweep, result.advice.system, of_kind)[:, rows]
            for kind, of_kind in apart.items()
        },
        task=plan.task,
        truth=tested.truth[rows],
        speakers=np.array(tested.speakers)[rows].tolist(),
        n_replicates=result.n_replicates,
    )
    twice = of_twice(curves.gain(SPREAD, FEW, budget=budget), plan, apart)
    if twice is None:
        return result
    n = np.mean([len({plan.speaker[u] for u in cell.labels.utterances}) for cell in cells])
    share = float(np.log2((n + MORE) / n))
    return replace(
        result,
        more_speakers=Estimate(
            share * twice.value, share * twice.low, share * twice.high, twice.n_speakers
        ),
    )


def _predicted(sweep: Sweep, system: str, cells: list[Cell]) -> np.ndarray:
    """(n_draws, n_tested, n_outputs), fold by fold as predictions of a run are."""
    values = dict(predict_apart(sweep, system, cells))
    draws = sorted({draw for _, draw in values})
    return np.stack(
        [np.concatenate([values[fold, draw] for fold in sweep.plan.folds]) for draw in draws]
    )
