"""The systems that predict intensities: each fits the same labels and predicts the same test.

In:  a ``Problem`` whose truth holds, by utterance, the intensities of every emotion in [0, 3].
Out: predictions (n_test, n_emotions) in [0, 3].

Source: Nimitsurachat & Washington, arXiv 2307.12343: the GRU kept as it is or trained, and a new
dense layer, a unit an emotion. Where the paper is silent: Adam, 1e-3, batches of 64, gradients
clipped at 1, the mean of the top layer over time, L1, and early stopping on labels of the budget.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from undertone.errors import UndertoneError
from undertone.evaluation.intensities import LARGEST, fit_median
from undertone.evaluation.results import System
from undertone.training.finetune import FinetuneConfig, Labelled, finetune_outputs, fit, predict
from undertone.training.losses import DISTANCES
from undertone.training.outputs import Outputs, clip, intensity_outputs
from undertone.training.problem import Problem
from undertone.training.seeds import seed_of, seed_torch

RIDGE_PENALTIES = tuple(10.0**power for power in range(0, 7))  # alpha, on z-scored vectors


@dataclass(frozen=True)
class IntensityConfig(FinetuneConfig):
    """Settings of training on intensities with few labels."""

    distance: str = "l1"  # or l2
    batch_size: int = 64
    max_epochs: int = 100
    patience: int = 15
    head_dropout: float = 0.0
    label_smoothing: float = 0.0  # for classes alone

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distance not in DISTANCES:
            raise UndertoneError(
                f"distance must be one of {', '.join(DISTANCES)}, found {self.distance!r}"
            )
        if not math.isclose(self.label_smoothing, 0):
            raise UndertoneError("label_smoothing is for classes: intensities have none to smooth")


class Head(nn.Module):
    """The new dense layer alone, on vectors that are given as sequences of one step."""

    def __init__(self, size: int, n_outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(size, n_outputs)

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(batch, n_outputs) of (batch, 1, size)."""
        return self.dense(self.dropout(steps[:, 0]))


def fit_full(problem: Problem, encoder: str) -> np.ndarray:
    """Everything is trained, from a pre-trained or a random start."""
    steps = problem.material.steps
    model = finetune_outputs(
        problem.material.encoder(encoder),
        train=_labelled(problem, problem.train, steps),
        validation=_labelled(problem, problem.validation, steps),
        outputs=_outputs(problem),
        pooling=problem.material.shape.pooling,
        settings=problem.finetuning,
        seed=seed_of(problem.seed, "full"),
    )
    return predict(model, steps(problem.test), clip)


def fit_frozen(problem: Problem, encoder: str) -> np.ndarray:
    """The encoder is kept: its pooled outputs are computed once, a dense layer is trained."""

    def pooled(utterances: Sequence[str]) -> list[np.ndarray]:
        return list(problem.material.pooled(encoder, utterances)[:, None, :])

    seed, test = seed_of(problem.seed, "frozen"), pooled(problem.test)
    seed_torch(seed, "dense layer")
    head = Head(test[0].shape[1], problem.n_classes, problem.finetuning.head_dropout)
    model = fit(
        head,
        train=_labelled(problem, problem.train, pooled),
        validation=_labelled(problem, problem.validation, pooled),
        outputs=_outputs(problem),
        settings=problem.finetuning,
        seed=seed,
    )
    return predict(model, test, clip)


def fit_ridge(problem: Problem) -> np.ndarray:
    """Ridge regression on statistics of the frames, its penalty by leave-one-out in the budget."""

    def vectors(utterances: Sequence[str]) -> np.ndarray:
        return problem.material.functionals(utterances).astype(np.float64)

    model = make_pipeline(StandardScaler(), RidgeCV(RIDGE_PENALTIES))
    model.fit(vectors(problem.budget), truths(problem, problem.budget))
    return np.clip(model.predict(vectors(problem.test)), 0, LARGEST).astype(np.float32)


def predict_constant(problem: Problem, of_labels: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The same for everybody: zeros, medians or means of the labels of the budget."""
    constant = of_labels(truths(problem, problem.budget))
    return np.tile(constant, (len(problem.test), 1)).astype(np.float32)


def truths(problem: Problem, utterances: Sequence[str]) -> np.ndarray:
    """(n_utterances, n_emotions) intensities."""
    found = np.array([problem.truth[name] for name in utterances], dtype=np.float32)
    return found.reshape(len(utterances), problem.n_classes)


def _labelled(
    problem: Problem,
    utterances: Sequence[str],
    steps: Callable[[Sequence[str]], list[np.ndarray]],
) -> Labelled:
    if not utterances:
        return Labelled([], truths(problem, []), np.zeros(0))
    return Labelled(steps(utterances), truths(problem, utterances), problem.speakers(utterances))


def _outputs(problem: Problem) -> Outputs:
    assert isinstance(problem.finetuning, IntensityConfig)
    return intensity_outputs(problem.n_classes, distance=problem.finetuning.distance)


FITS: dict[str, Callable[[Problem], np.ndarray]] = {
    "pretrained_frozen": lambda problem: fit_frozen(problem, "pretrained"),
    "pretrained_full": lambda problem: fit_full(problem, "pretrained"),
    "scratch": lambda problem: fit_full(problem, "random"),
    "random_frozen": lambda problem: fit_frozen(problem, "random"),
    "functionals_ridge": fit_ridge,
    "always_0": lambda problem: predict_constant(problem, lambda labels: 0 * labels[0]),
    "median": lambda problem: predict_constant(problem, fit_median),
    "mean": lambda problem: predict_constant(problem, lambda labels: labels.mean(axis=0)),
}
SYSTEMS: tuple[System, ...] = (
    System(
        "pretrained_frozen",
        "pre-trained, frozen",
        "pretrained",
        "The pre-trained GRU kept as it is; a new dense layer on its pooled outputs.",
    ),
    System(
        "pretrained_full",
        "pre-trained, fine-tuned",
        "pretrained",
        "The pre-trained GRU and a new dense layer, all weights trained on the labels.",
    ),
    System(
        "scratch",
        "from scratch",
        "scratch",
        "The identical network from random weights, same labels, same schedule.",
    ),
    System(
        "random_frozen",
        "random, frozen",
        "control",
        "A random GRU kept as it is; a new dense layer on its pooled outputs.",
    ),
    System(
        "functionals_ridge",
        "functionals + ridge",
        "classic",
        "Statistics of the frames over time, ridge regression.",
    ),
    System("always_0", "always 0", "floor", "No emotion, ever."),
    System("median", "median", "floor", "The median of the labels of the budget, always."),
    System("mean", "mean", "floor", "The mean of the labels of the budget, always."),
)
assert [system.name for system in SYSTEMS] == list(FITS)
