"""What the units of the last layer mean: how they are fitted, read and validated.

In:  outputs of the last layer (batch, n_outputs) and the truth about the same utterances, always
     (batch, n_outputs) float32: of a choice one-hot rows, of amounts the amounts.
Out: a loss to train on; predictions; the loss of predictions that chooses the epoch.

A choice is read through a softmax, amounts by clipping to their range. Training sees the outputs
before they are clipped, so that a unit below the lowest amount can be told to rise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from undertone.tasks import CHOICE, Task
from undertone.training.losses import DISTANCES, cross_entropy


@dataclass(frozen=True)
class Outputs:
    """The last layer's units.

    Attributes:
        number: of units.
        loss: of (batch, number) outputs and the truth, for training.
        activation: (batch, number) outputs to predictions.
        validation_loss: of (n, number) predictions and their truth.
    """

    number: int
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    activation: Callable[[torch.Tensor], torch.Tensor]
    validation_loss: Callable[[np.ndarray, np.ndarray], float]


def outputs_of(task: Task, *, smoothing: float = 0.0, distance: str = "l1") -> Outputs:
    """The units of a task; labels of a choice are smoothed, ``distance`` is of amounts."""
    if task.kind == CHOICE:
        return class_outputs(len(task.outputs), smoothing=smoothing)
    return amount_outputs(len(task.outputs), lowest=task.low, highest=task.high, distance=distance)


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

    Training and validation use the same ``distance``, a name in ``losses.DISTANCES``.
    """
    apart = DISTANCES[distance]
    return Outputs(
        n_outputs,
        loss=lambda outputs, truth: apart(outputs, truth).mean(),
        activation=lambda outputs: outputs.clamp(lowest, highest),
        validation_loss=lambda prediction, truth: float(
            apart(torch.from_numpy(prediction), torch.from_numpy(truth)).mean()
        ),
    )


def softmax(outputs: torch.Tensor) -> torch.Tensor:
    """Probabilities of the classes."""
    return outputs.softmax(dim=1)


def _negative_log_likelihood(probabilities: np.ndarray, truth: np.ndarray) -> float:
    of_the_truth = probabilities[np.arange(len(truth)), truth.argmax(1)]
    return float(-np.log(np.maximum(of_the_truth, 1e-12)).mean())
