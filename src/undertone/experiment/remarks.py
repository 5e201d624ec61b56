"""What a task has to say of a run's predictions beside its scores.

In:  a result, predictions and what they are of.
Out: sentences for the report; how far probabilities hold.
"""

import numpy as np

from undertone.evaluation.curves import Key
from undertone.evaluation.predictions import Tested
from undertone.evaluation.reliability import Reliable, reliability_of_curves
from undertone.evaluation.report.result import CurveResult
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
