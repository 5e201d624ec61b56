"""What a task has to say of a run's predictions beside its scores.

In:  a result, predictions and what they are of.
Out: sentences for the report; how far probabilities hold, and whether sets do.
"""

import math

import numpy as np

from undertone.evaluation.coverage import Covered, answered, coverage
from undertone.evaluation.curves import Key
from undertone.evaluation.predictions import Tested
from undertone.evaluation.reliability import Reliable, reliability_of_curves
from undertone.evaluation.report.result import CurveResult
from undertone.experiment.stored import Sweep
from undertone.systems.calibrated import THRESHOLD
from undertone.tasks import CHOICE


def reliability_on(
    result: CurveResult, predictions: dict[Key, np.ndarray], tested: Tested
) -> tuple[Reliable, ...]:
    """How far the probabilities of each system hold, on the test part that the curves are of."""
    if result.task.kind != CHOICE:
        return ()
    rows = next(iter(tested.apart().values()))
    return reliability_of_curves(
        {key: values[:, rows] for key, values in predictions.items()},
        tested.truth[rows],
        np.array(tested.speakers)[rows].tolist(),
        n_replicates=result.n_replicates,
    )


def coverage_on(
    result: CurveResult, sweep: Sweep, predictions: dict[Key, np.ndarray], tested: Tested
) -> tuple[Covered, ...]:
    """How often the sets of each system that makes them hold the truth, on the same rows."""
    if result.task.kind != CHOICE:
        return ()
    rows, covered = next(iter(tested.apart().values())), list[Covered]()
    given = (tested.truth[rows], np.array(tested.speakers)[rows].tolist())
    for (system, budget), values in predictions.items():
        thresholds = _thresholds(sweep, system, budget, values.shape[:2])
        if thresholds is None:
            continue
        many, of_rows = result.n_replicates, values[:, rows]
        found = coverage(
            *(of_rows, thresholds[:, rows], *given), task=result.task, n_replicates=many
        )
        if found is not None:
            silence = answered(of_rows, *given, n_replicates=many)
            covered.append(Covered(system, budget, found, silence))
    return tuple(covered)


def _thresholds(
    sweep: Sweep, system: str, budget: int, shape: tuple[int, int]
) -> np.ndarray | None:
    """(n_draws, n_rows, 1) of the fit that predicted each row; NaN of one that promises none.

    None of a system whose fits hold nobody out.
    """
    found, at, makes_sets = np.full((*shape, 1), np.nan), [0] * shape[0], False
    for cell in sweep.cells_of(system, budget):  # fold by fold, as the rows are
        n, draw = len(sweep.plan.folds[cell.fold].test), cell.draw
        notes = sweep.fit(system, cell).notes
        makes_sets |= THRESHOLD in notes
        value = notes.get(THRESHOLD)
        found[draw, at[draw] : at[draw] + n] = math.nan if value is None else value
        at[draw] += n
    return found if makes_sets else None


def remarks_on(
    result: CurveResult, predictions: dict[Key, np.ndarray], tested: Tested
) -> tuple[str, ...]:
    """What the task has to say of the best system's predictions, in one draw of the most labels."""
    names = [system.name for system in result.systems if system.kind != "floor"]
    budget = result.budgets[-1]
    fitted = [name for name in names if result.curves.has(name, budget)]
    if not fitted:
        return ()
    best = result.curves.best(fitted, budget)
    rows = next(iter(tested.apart().values()))
    remarks = result.task.remarks(
        truth=tested.truth[rows], prediction=predictions[best, budget][0][rows]
    )
    return tuple(f"{remark} (System {result.label(best)}.)" for remark in remarks)
