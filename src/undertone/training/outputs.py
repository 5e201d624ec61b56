"""What the units of the last layer mean: how they are fitted, read and validated.

In:  outputs of the last layer (batch, n_outputs) and the truth about the same utterances, always
     (batch, n_outputs) float32: of a choice one-hot rows, of amounts the amounts.
Out: a loss to train on; predictions; the loss of predictions that chooses the epoch.

A choice is read through a softmax. Amounts of a task with a range of its own are read by clipping
to it; training sees the outputs before they are clipped, so that a unit below the lowest amount can
be told to rise. Amounts on a corpus's own scale are learned as z-scores of the labels given, and
``settle`` then writes that scale into the last layer, so that a trained network gives amounts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from undertone.tasks import CHOICE, Task
from undertone.training.losses import AMOUNT_LOSSES, cross_entropy


@dataclass(frozen=True)
class Outputs:
    """The last layer's units.

    Attributes:
        number: of units.
        loss: of (batch, number) outputs and the truth, for training.
        activation: (batch, number) outputs to predictions.
        validation_loss: of (n, number) predictions and their truth.
        settle: makes the ``last`` layer of a trained network give what its units stand for.
    """

    number: int
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    activation: Callable[[torch.Tensor], torch.Tensor]
    validation_loss: Callable[[np.ndarray, np.ndarray], float]
    settle: Callable[[Any], None] = lambda network: None


def outputs_of(
    task: Task, *, labels: np.ndarray | None = None, smoothing: float = 0.0, distance: str = ""
) -> Outputs:
    """The units of a task.

    Args:
        task: what is predicted.
        labels: (n_labels, n_outputs) of the budget, to train on; None of a trained network.
        smoothing: of the labels of a choice.
        distance: between amounts, a name in ``AMOUNT_LOSSES``; the task's own by default.
    """
    if task.kind == CHOICE:
        return class_outputs(len(task.outputs), smoothing=smoothing)
    distance = distance or task.distance
    if task.clipped:
        low, high = task.low, task.high
        return amount_outputs(len(task.outputs), lowest=low, highest=high, distance=distance)
    if labels is None:
        labels = np.array([[-1.0], [1.0]]) * np.ones(len(task.outputs))  # units are amounts
    return scaled_outputs(labels, distance=distance)


def class_outputs(n_outputs: int, *, smoothing: float = 0.0) -> Outputs:
    """A unit a class; a prediction is (n, n_outputs) probabilities."""
    return Outputs(
        n_outputs,
        loss=lambda scores, truth: cross_entropy(scores, truth.argmax(1), smoothing),
        activation=softmax,
        validation_loss=_negative_log_likelihood,
    )


def amount_outputs(
    n_outputs: int, *, lowest: float, highest: float, distance: str = "l1"
) -> Outputs:
    """A unit an amount; a prediction is (n, n_outputs) from ``lowest`` to ``highest``.

    Training and validation use the same ``distance``, a name in ``AMOUNT_LOSSES``.
    """
    loss = AMOUNT_LOSSES[distance]
    return Outputs(
        n_outputs,
        loss=loss,
        activation=lambda outputs: outputs.clamp(lowest, highest),
        validation_loss=lambda prediction, truth: float(
            loss(torch.from_numpy(prediction), torch.from_numpy(truth))
        ),
    )


def scaled_outputs(labels: np.ndarray, *, distance: str = "ccc") -> Outputs:
    """A unit the z-score of an amount; a prediction is (n, n_outputs) amounts, never clipped.

    Args:
        labels: (n_labels, n_outputs) whose mean and population sd are the scale.
        distance: of z-scores, a name in ``AMOUNT_LOSSES``.
    """
    loss = AMOUNT_LOSSES[distance]
    mean, sd = labels.mean(axis=0), labels.std(axis=0)
    sd = np.where(sd > 0, sd, 1.0)
    of_mean, of_sd = (torch.from_numpy(values.astype(np.float32)) for values in (mean, sd))

    def settle(network: Any) -> None:
        with torch.no_grad():
            sd, mean = (of.to(network.last.weight.device) for of in (of_sd, of_mean))
            network.last.weight.mul_(sd[:, None])
            network.last.bias.mul_(sd).add_(mean)

    return Outputs(
        labels.shape[1],
        loss=lambda outputs, truth: loss(
            outputs, (truth - of_mean.to(truth.device)) / of_sd.to(truth.device)
        ),
        activation=lambda outputs: outputs * of_sd.to(outputs.device) + of_mean.to(outputs.device),
        validation_loss=lambda prediction, truth: float(
            loss(
                *(
                    torch.from_numpy(((v - mean) / sd).astype(np.float32))
                    for v in (prediction, truth)
                )
            )
        ),
        settle=settle,
    )


def softmax(outputs: torch.Tensor) -> torch.Tensor:
    """Probabilities of the classes."""
    return outputs.softmax(dim=1)


def _negative_log_likelihood(probabilities: np.ndarray, truth: np.ndarray) -> float:
    of_the_truth = probabilities[np.arange(len(truth)), truth.argmax(1)]
    return float(-np.log(np.maximum(of_the_truth, 1e-12)).mean())
