"""What a task measures, as estimates.

In:  (1 + n_replicates, n_metrics, 1 + n_outputs) values, those of all speakers once first.
Out: an ``Estimate`` of each metric as the mean of the outputs, and of each output.
"""

import numpy as np

from undertone.evaluation import intervals
from undertone.evaluation.estimate import Estimate
from undertone.tasks import Task

ByMetric = dict[str, Estimate]
ByOutput = dict[str, dict[str, Estimate]]  # metric -> output -> estimate


def estimates_of(task: Task, measured: np.ndarray, behind: np.ndarray) -> tuple[ByMetric, ByOutput]:
    """Every metric as the mean of the outputs, and by those outputs for which it exists.

    Args:
        task: whose metrics they are.
        measured: (1 + n_replicates, n_metrics, 1 + n_outputs).
        behind: (1 + n_outputs,) how many speakers stand behind each.
    """
    means, by_output = {}, {}
    for i, (name, metric) in enumerate(task.metrics.items()):
        means[name], *outputs = (
            intervals.summarise(float(column[0]), column[1:], n_speakers=int(n))
            for column, n in zip(measured[:, i].T, behind, strict=True)
        )
        if metric.of_output:
            by_output[name] = {
                output: estimate
                for output, estimate in zip(task.outputs, outputs, strict=True)
                if not np.isnan(estimate.value)
            }
    return means, by_output
