"""Losses as plain functions of tensors; padding and what is not hidden never enters them."""

from collections.abc import Callable

import torch
from torch.nn import functional

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

DISTANCES: dict[str, Distance] = {
    "l1": lambda prediction, target: (prediction - target).abs(),
    "l2": lambda prediction, target: (prediction - target) ** 2,
}


def masked_reconstruction(
    *,
    prediction: torch.Tensor,
    target: torch.Tensor,
    hidden: torch.Tensor,
    distance: str = "l1",
) -> torch.Tensor:
    """Mean distance between prediction and target over the hidden steps.

    Args:
        prediction: (batch, n_steps, n_features) of the reconstruction layer.
        target: (batch, n_steps, n_features) the steps before they were hidden.
        hidden: (batch, n_steps) 1 where a step was hidden, 0 elsewhere.
        distance: ``l1`` or ``l2``.
    """
    where = hidden.bool()
    return DISTANCES[distance](prediction[where], target[where]).mean()


def cross_entropy(scores: torch.Tensor, truth: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Mean cross-entropy of (batch, n_classes) scores and (batch,) class positions."""
    return functional.cross_entropy(scores, truth, label_smoothing=smoothing)
