"""From a pre-trained encoder, or none, and a few labels to a network that predicts.

In:  labelled utterances, steps (n_steps, n_features) with the truth about each: the position of an
     emotion, or the intensities of several.
Out: encoder, pooling over time, one dense layer; what its units mean is in ``outputs``.

``fit`` is the one training loop, with early stopping on validation labels that belong to the
budget. ``finetune`` and ``finetune_outputs`` train everything with it; ``finetune_head`` keeps the
encoder, so that its pooled outputs are computed once, and the dense layer is a logistic regression
on them, its penalty chosen by cross-validation.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from undertone.config import check_ranges
from undertone.training import batches
from undertone.training.encoder import POOLINGS, Encoder, pooled_size
from undertone.training.outputs import Outputs, class_outputs, softmax
from undertone.training.seeds import generator, seed_torch

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class FinetuneConfig:
    """Settings of supervised training with few labels."""

    learning_rate: float = 1e-3
    batch_size: int = 16
    clip_norm: float = 1.0
    max_epochs: int = 60
    patience: int = 12  # epochs without a better validation loss
    epochs_without_validation: int = 25  # where the budget is too small to validate
    head_dropout: float = 0.2
    label_smoothing: float = 0.05

    def __post_init__(self) -> None:
        check_ranges(
            self,
            learning_rate=(1e-9, 10),
            batch_size=(1, math.inf),
            clip_norm=(1e-9, math.inf),
            max_epochs=(1, math.inf),
            patience=(1, math.inf),
            epochs_without_validation=(1, math.inf),
            head_dropout=(0, 0.95),
            label_smoothing=(0, 0.95),
        )


@dataclass(frozen=True)
class Labelled:
    """Utterances with the truth about them.

    Attributes:
        steps: each (n_steps, n_features).
        truth: (n_utterances,) positions of the emotions, or (n_utterances, n_outputs) intensities.
        speakers: (n_utterances,) who spoke.
    """

    steps: Sequence[np.ndarray]
    truth: np.ndarray
    speakers: np.ndarray

    def __len__(self) -> int:
        return len(self.truth)


class Classifier(nn.Module):
    """Encoder, pooling, dense layer."""

    def __init__(
        self, encoder: Encoder, pooling: str, n_outputs: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(pooled_size(encoder.gru.hidden_size, pooling), n_outputs)

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Outputs before their activation, (batch, n_outputs)."""
        pooled = POOLINGS[self.pooling](self.encoder(steps, lengths), lengths)
        return self.head(self.dropout(pooled))


def finetune(
    encoder: Encoder,
    *,
    train: Labelled,
    validation: Labelled,
    n_classes: int,
    pooling: str,
    settings: FinetuneConfig,
    seed: int,
) -> Classifier:
    """Train the encoder and a new dense layer to tell classes apart; see ``finetune_outputs``."""
    return finetune_outputs(
        encoder,
        train=train,
        validation=validation,
        outputs=class_outputs(n_classes, smoothing=settings.label_smoothing),
        pooling=pooling,
        settings=settings,
        seed=seed,
    )


def finetune_outputs(
    encoder: Encoder,
    *,
    train: Labelled,
    validation: Labelled,
    outputs: Outputs,
    pooling: str,
    settings: FinetuneConfig,
    seed: int,
) -> Classifier:
    """Train the encoder and a new dense layer on ``train``, and stop by ``validation``.

    Args:
        encoder: its weights are the start; it is copied, never changed.
        train: labels that the weights are fitted to.
        validation: labels that choose the epoch; may be empty.
        outputs: what the dense layer's units mean.
        pooling: a name in ``POOLINGS``.
        settings: of the training.
        seed: names all randomness.
    """
    seed_torch(seed, "fine-tuning")
    model = Classifier(copy.deepcopy(encoder), pooling, outputs.number, settings.head_dropout)
    return fit(
        model, train=train, validation=validation, outputs=outputs, settings=settings, seed=seed
    )


def fit(
    model: Network,
    *,
    train: Labelled,
    validation: Labelled,
    outputs: Outputs,
    settings: FinetuneConfig,
    seed: int,
) -> Network:
    """Train a network of (steps, lengths) in place; it ends with the weights of its best epoch."""
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    n_epochs = settings.max_epochs if len(validation) else settings.epochs_without_validation
    best, best_loss, best_epoch = model.state_dict(), np.inf, 0
    for epoch in range(n_epochs):
        _train_epoch(
            model,
            optimiser,
            train,
            outputs=outputs,
            settings=settings,
            rng=generator(seed, "epoch", epoch),
        )
        loss = _validation_loss(model, validation, outputs) if len(validation) else -epoch
        if loss < best_loss:
            best, best_loss, best_epoch = copy.deepcopy(model.state_dict()), loss, epoch
        if epoch - best_epoch >= settings.patience:
            break
    model.load_state_dict(best)
    return model.eval()


def finetune_head(
    encoder: Encoder, *, labelled: Labelled, n_classes: int, pooling: str, seed: int
) -> Classifier:
    """Keep the encoder as it is and fit the dense layer to its pooled outputs."""
    from undertone.training.classic import fit_logistic  # scikit-learn is not for serving

    vectors = pool(encoder, labelled.steps, pooling)
    fitted = fit_logistic(vectors, labelled.truth, speakers=labelled.speakers, seed=seed)
    weight, bias = fitted.linear(n_classes)
    model = Classifier(copy.deepcopy(encoder), pooling, n_classes)
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(weight))
        model.head.bias.copy_(torch.from_numpy(bias))
    return model.eval()


@torch.no_grad()
def pool(
    encoder: Encoder, utterances: Sequence[np.ndarray], pooling: str, batch_size: int = 32
) -> np.ndarray:
    """Pooled outputs of the encoder, (n_utterances, pooled_size), in the order given."""
    encoder.eval()
    out = np.zeros(
        (len(utterances), pooled_size(encoder.gru.hidden_size, pooling)), dtype=np.float32
    )
    for positions in batches.in_order([len(steps) for steps in utterances], batch_size):
        steps, lengths = batches.pad([utterances[i] for i in positions])
        out[positions] = POOLINGS[pooling](encoder(steps, lengths), lengths).numpy()
    return out


def probabilities(
    model: Classifier, utterances: Sequence[np.ndarray], batch_size: int = 32
) -> np.ndarray:
    """Class probabilities, (n_utterances, n_classes), in the order given."""
    return predict(model, utterances, softmax, batch_size)


@torch.no_grad()
def predict(
    model: nn.Module,
    utterances: Sequence[np.ndarray],
    activation: Callable[[torch.Tensor], torch.Tensor],
    batch_size: int = 32,
) -> np.ndarray:
    """Predictions, (n_utterances, n_outputs), in the order given."""
    model.eval()
    out: dict[int, np.ndarray] = {}
    for positions in batches.in_order([len(steps) for steps in utterances], batch_size):
        steps, lengths = batches.pad([utterances[i] for i in positions])
        out |= zip(positions.tolist(), activation(model(steps, lengths)).numpy(), strict=True)
    return np.stack([out[i] for i in range(len(utterances))])


def _train_epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    train: Labelled,
    *,
    outputs: Outputs,
    settings: FinetuneConfig,
    rng: np.random.Generator,
) -> None:
    model.train()
    sizes = [len(steps) for steps in train.steps]
    for positions in batches.plan_batches(sizes, settings.batch_size, rng):
        positions = batches.longest_first(positions, sizes)
        steps, lengths = batches.pad([train.steps[i] for i in positions])
        loss = outputs.loss(model(steps, lengths), torch.from_numpy(train.truth[positions]))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimiser.step()


def _validation_loss(model: nn.Module, validation: Labelled, outputs: Outputs) -> float:
    found = predict(model, validation.steps, outputs.activation)
    return outputs.validation_loss(found, validation.truth)
