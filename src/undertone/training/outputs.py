"""What the units of the last layer mean: how they are fitted, read and validated.

In:  outputs of the last layer (batch, n_outputs) and the truth about the same utterances.
Out: a loss to train on; predictions; the loss of predictions that chooses the epoch.

Classes are read through a softmax, intensities by clipping to [0, 3]. Training sees the outputs
before they are clipped, so that a unit below 0 can be told to rise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from undertone.evaluation.intensities import LARGEST
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


def class_outputs(n_classes: int, *, smoothing: float = 0.0) -> Outputs:
    """A unit a class; the truth is (n,) positions, a prediction (n, n_classes) probabilities."""
    return Outputs(
        n_classes,
        loss=lambda scores, truth: cross_entropy(scores, truth, smoothing),
        activation=softmax,
        validation_loss=_negative_log_likelihood,
    )


def intensity_outputs(n_emotions: int, *, distance: str = "l1") -> Outputs:
    """A unit an emotion; the truth and a prediction are (n, n_emotions) in [0, 3].

    Args:
        n_emotions: units.
        distance: a name in ``losses.DISTANCES``; validation uses the same one.
    """
    apart = DISTANCES[distance]
    return Outputs(
        n_emotions,
        loss=lambda outputs, truth: apart(outputs, truth).mean(),
        activation=clip,
        validation_loss=lambda prediction, truth: float(
            apart(torch.from_numpy(prediction), torch.from_numpy(truth)).mean()
        ),
    )


def softmax(outputs: torch.Tensor) -> torch.Tensor:
    """Probabilities of the classes."""
    return outputs.softmax(dim=1)


def clip(outputs: torch.Tensor) -> torch.Tensor:
    """Intensities within their range."""
    return outputs.clamp(0, LARGEST)


def _negative_log_likelihood(chances: np.ndarray, truth: np.ndarray) -> float:
    true_chances = chances[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(true_chances, 1e-12)).mean())
