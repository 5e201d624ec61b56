"""From a pre-trained encoder, or none, and a few labels to a classifier.

In:  labelled utterances, steps (n_steps, n_features) with the position of their emotion.
Out: a ``Classifier``: encoder, pooling over time, one dense layer of a unit an emotion.

Two settings: ``finetune`` trains everything, with early stopping on validation labels that belong
to the budget; ``finetune_head`` keeps the encoder, so that its pooled outputs are computed once,
and the dense layer is a logistic regression on them, its penalty chosen by cross-validation.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from undertone.config import check_ranges
from undertone.training import batches
from undertone.training.encoder import POOLINGS, Encoder, pooled_size
from undertone.training.losses import cross_entropy
from undertone.training.seeds import generator, seed_torch


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
        truth: (n_utterances,) positions of the emotions.
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
        self, encoder: Encoder, pooling: str, n_classes: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(pooled_size(encoder.gru.hidden_size, pooling), n_classes)

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Scores before the softmax, (batch, n_classes)."""
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
    """Train the encoder and a new dense layer on ``train``, and stop by ``validation``.

    Args:
        encoder: its weights are the start; it is copied, never changed.
        train: labels that the weights are fitted to.
        validation: labels that choose the epoch; may be empty.
        n_classes: emotions.
        pooling: a name in ``POOLINGS``.
        settings: of the training.
        seed: names all randomness.
    """
    seed_torch(seed, "fine-tuning")
    model = Classifier(copy.deepcopy(encoder), pooling, n_classes, settings.head_dropout)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    n_epochs = settings.max_epochs if len(validation) else settings.epochs_without_validation
    best, best_loss, best_epoch = model.state_dict(), np.inf, 0
    for epoch in range(n_epochs):
        _train_epoch(
            model, optimiser, train, settings=settings, rng=generator(seed, "epoch", epoch)
        )
        loss = _validation_loss(model, validation) if len(validation) else -epoch
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


@torch.no_grad()
def probabilities(
    model: Classifier, utterances: Sequence[np.ndarray], batch_size: int = 32
) -> np.ndarray:
    """Class probabilities, (n_utterances, n_classes), in the order given."""
    model.eval()
    out = np.zeros((len(utterances), model.head.out_features), dtype=np.float32)
    for positions in batches.in_order([len(steps) for steps in utterances], batch_size):
        steps, lengths = batches.pad([utterances[i] for i in positions])
        out[positions] = model(steps, lengths).softmax(dim=1).numpy()
    return out


def _train_epoch(
    model: Classifier,
    optimiser: torch.optim.Optimizer,
    train: Labelled,
    *,
    settings: FinetuneConfig,
    rng: np.random.Generator,
) -> None:
    model.train()
    sizes = [len(steps) for steps in train.steps]
    for positions in batches.plan_batches(sizes, settings.batch_size, rng):
        positions = batches.longest_first(positions, sizes)
        steps, lengths = batches.pad([train.steps[i] for i in positions])
        truth = torch.from_numpy(train.truth[positions])
        loss = cross_entropy(model(steps, lengths), truth, settings.label_smoothing)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimiser.step()


def _validation_loss(model: Classifier, validation: Labelled) -> float:
    chances = probabilities(model, validation.steps)
    true_chances = chances[np.arange(len(validation)), validation.truth]
    return float(-np.log(np.maximum(true_chances, 1e-12)).mean())
