"""From a pre-trained encoder, or none, and a few labels to a network that predicts.

In:  labelled utterances, steps (n_steps, n_features) with the truth about each.
Out: encoder, pooling over time, one dense layer; what its units mean is in ``outputs``.

``train_epochs`` is the one loop of supervised training, with early stopping on validation labels
that belong to the budget. ``fit`` runs it on any network of (steps, lengths), ``finetune`` on an
encoder and a new dense layer, ``segments`` on networks that see segments.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import nn

from undertone import device
from undertone.config import check_ranges
from undertone.errors import UndertoneError
from undertone.models import padding
from undertone.models.encoder import Encoder
from undertone.models.network import GruNetwork, predict
from undertone.models.schedule import Schedule
from undertone.training.denormals import flushed
from undertone.training.finite import not_finite
from undertone.training.losses import AMOUNT_LOSSES
from undertone.training.outputs import Outputs
from undertone.training.seeds import generator, seed_torch

Network = TypeVar("Network", bound=nn.Module)
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # steps, lengths, truth


@dataclass(frozen=True)
class FinetuneConfig(Schedule):
    """Settings of supervised training with few labels."""

    section: ClassVar[str] = "finetune"
    head_dropout: float = 0.2  # share of the inputs of the head that is left out
    label_smoothing: float = 0.05  # of a choice
    distance: str = "l1"  # between amounts: l1, l2, or ccc for 1 - CCC of a batch

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, head_dropout=(0, 0.95), label_smoothing=(0, 0.95))
        if self.distance not in AMOUNT_LOSSES:
            raise UndertoneError(
                f"distance must be one of {', '.join(AMOUNT_LOSSES)}, found {self.distance!r}"
            )


@dataclass(frozen=True)
class Labelled:
    """Utterances with the truth about them.

    Attributes:
        steps: each (n_steps, n_features).
        truth: (n_utterances, n_outputs) float32: one-hot rows of a choice, or amounts.
        speakers: (n_utterances,) who spoke.
    """

    steps: Sequence[np.ndarray]
    truth: np.ndarray
    speakers: np.ndarray

    def __len__(self) -> int:
        return len(self.truth)


def finetune(
    encoder: Encoder,
    *,
    train: Labelled,
    validation: Labelled,
    outputs: Outputs,
    pooling: str,
    settings: FinetuneConfig,
    seed: int,
) -> GruNetwork:
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
    model = GruNetwork(copy.deepcopy(encoder), pooling, outputs.number, settings.head_dropout)
    return fit(
        model, train=train, validation=validation, outputs=outputs, schedule=settings, seed=seed
    )


def fit(
    model: Network,
    *,
    train: Labelled,
    validation: Labelled,
    outputs: Outputs,
    schedule: Schedule,
    seed: int,
) -> Network:
    """Train a network of (steps, lengths) in place; ``validation`` may be empty."""
    sizes, where = [len(steps) for steps in train.steps], device.place(model)

    def batches(epoch: int) -> Iterator[Batch]:
        rng = generator(seed, "epoch", epoch)
        for positions in padding.plan_batches(sizes, schedule.batch_size, rng):
            positions = padding.longest_first(positions, sizes)
            steps, lengths = padding.pad([train.steps[i] for i in positions])
            yield steps, lengths, torch.from_numpy(train.truth[positions])

    def losses(epoch: int) -> Iterator[torch.Tensor]:
        for steps, lengths, truth in device.ahead(batches(epoch), where, _moved):
            yield outputs.loss(model(steps, lengths), truth)

    def validation_loss() -> float:
        predicted = predict(model, validation.steps, outputs.activation)
        return outputs.validation_loss(predicted, validation.truth)

    model = train_epochs(
        model,
        losses=losses,
        validation_loss=validation_loss if len(validation) else None,
        schedule=schedule,
    )
    outputs.settle(model)
    return model


def _moved(batch: Batch, move: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    """Steps and truth on the device; lengths stay, where the GRU asks for them."""
    steps, lengths, truth = batch
    return move(steps), lengths, move(truth)


def train_epochs(
    model: Network,
    *,
    losses: Callable[[int], Iterator[torch.Tensor]],
    validation_loss: Callable[[], float] | None,
    schedule: Schedule,
) -> Network:
    """Train a network in place; it ends with the weights of its best epoch.

    Args:
        model: what ``losses`` and ``validation_loss`` compute with.
        losses: of an epoch's batches by its number; each is computed after the step before it.
        validation_loss: of the model as it is; without it the last of a fixed number of epochs is
            the best.
        schedule: of the training.

    Raises:
        NotFiniteError: a loss or its gradient is NaN or infinite.
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate)
    n_epochs = schedule.max_epochs if validation_loss else schedule.epochs_without_validation
    best, best_loss, best_epoch = model.state_dict(), np.inf, 0
    for epoch in range(n_epochs):
        model.train()
        sizes = torch.zeros(())  # NaN or infinite once one of them is: asked for once an epoch
        with flushed():
            for loss in losses(epoch):
                optimiser.zero_grad()
                loss.backward()
                length = nn.utils.clip_grad_norm_(model.parameters(), schedule.clip_norm)
                optimiser.step()
                sizes = loss.detach() + length + sizes.to(loss.device)
        now = validation_loss() if validation_loss else -epoch
        if not (math.isfinite(float(sizes)) and math.isfinite(now)):
            setting = f"{schedule.section}.learning_rate" if schedule.section else ""
            where = f"epoch {epoch + 1} of {n_epochs}"
            raise not_finite(where, schedule.learning_rate, setting)
        if now < best_loss:
            best, best_loss, best_epoch = copy.deepcopy(model.state_dict()), now, epoch
        if epoch - best_epoch >= schedule.patience:
            break
    model.load_state_dict(best)
    return model.eval()
