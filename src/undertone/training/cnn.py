"""A convolutional network over (time x feature) frames of any extractor.

In:  labelled utterances, steps (n_steps, n_features); how many steps a second has.
Out: class probabilities (n_utterances, n_classes): of each utterance the mean over its segments.

Source: systems of Soltani Tehrani, Faridani and Toosi, arXiv 2309.12714: small windows of frozen
wav2vec frames, a CNN on each, an utterance is the mean of its windows. The paper's layers are not
public; ours are three blocks of convolution, batch normalisation, ReLU, maximum of two steps and
dropout, then the mean and standard deviation over time, and a dense layer. Padding never enters:
not the convolutions (it is zero, like what lies beyond an utterance), not the batch statistics,
not the pooling over time.
"""

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from undertone.config import check_ranges
from undertone.errors import UndertoneError
from undertone.training import batches
from undertone.training.batches import is_real
from undertone.training.encoder import pool_mean_sd
from undertone.training.finetune import Labelled
from undertone.training.gru.module import PRECISIONS
from undertone.training.losses import cross_entropy
from undertone.training.seeds import generator, seed_torch


@dataclass(frozen=True)
class CnnConfig:
    """Settings of the network and its training."""

    steps_per_second: float = 25.0  # about: faster frames are averaged
    segment_s: float = 4.0
    overlap: float = 0.5  # of neighbouring segments
    channels: int = 256
    blocks: int = 3
    kernel: int = 5  # steps
    dropout: float = 0.3
    learning_rate: float = 1e-3
    batch_size: int = 16
    clip_norm: float = 1.0
    max_epochs: int = 40
    patience: int = 8  # epochs without a better validation loss
    epochs_without_validation: int = 15  # where the budget is too small to validate
    precision: str = "bfloat16"  # of products while training, where the processor multiplies it

    def __post_init__(self) -> None:
        check_ranges(
            self,
            steps_per_second=(1, 1000),
            segment_s=(0.1, 600),
            overlap=(0, 0.95),
            channels=(1, 8192),
            blocks=(1, 8),
            kernel=(1, 99),
            dropout=(0, 0.95),
            learning_rate=(1e-9, 10),
            batch_size=(1, math.inf),
            clip_norm=(1e-9, math.inf),
            max_epochs=(1, math.inf),
            patience=(1, math.inf),
            epochs_without_validation=(1, math.inf),
        )
        if self.precision not in PRECISIONS:
            raise UndertoneError(
                f"CnnConfig.precision must be {' or '.join(PRECISIONS)}, found {self.precision!r}"
            )


class Block(nn.Module):
    """Convolution, batch normalisation, ReLU, maximum of two steps, dropout; blind to padding."""

    def __init__(self, n_in: int, n_out: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(n_in, n_out, kernel, padding="same")
        self.normalisation = nn.BatchNorm1d(n_out)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, steps: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Half as many steps, (batch, ceil(n_steps / 2), n_out), 0 on padding, and their lengths.

        Args:
            steps: (batch, n_steps, n_in), 0 on padding.
            lengths: (batch,) real steps.
        """
        convolved = self.convolution(steps.transpose(1, 2)).transpose(1, 2)
        real = is_real(lengths, steps.shape[1]).bool()
        rows = self._normalise(convolved[real]).relu()
        filled = convolved.new_zeros(convolved.shape).masked_scatter(real[:, :, None], rows)
        halved = nn.functional.max_pool1d(filled.transpose(1, 2), 2, ceil_mode=True)
        return self.dropout(halved.transpose(1, 2)), (lengths + 1) // 2

    def _normalise(self, rows: torch.Tensor) -> torch.Tensor:
        """Statistics of the real steps; a single one has no variance and takes the running ones."""
        if len(rows) > 1:
            return self.normalisation(rows)
        norm = self.normalisation
        return nn.functional.batch_norm(
            rows, norm.running_mean, norm.running_var, norm.weight, norm.bias
        )


class Cnn(nn.Module):
    """The blocks, mean and standard deviation over time, one dense layer."""

    def __init__(self, n_features: int, n_classes: int, settings: CnnConfig) -> None:
        super().__init__()
        sizes = [n_features, *[settings.channels] * settings.blocks]
        self.blocks = nn.ModuleList(
            Block(n_in, n_out, settings.kernel, settings.dropout)
            for n_in, n_out in itertools.pairwise(sizes)
        )
        self.head = nn.Linear(2 * settings.channels, n_classes)

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Scores before the softmax, (batch, n_classes)."""
        for block in self.blocks:
            steps, lengths = block(steps, lengths)
        return self.head(pool_mean_sd(steps, lengths))


def cut(steps: np.ndarray, size: int, overlap: float) -> list[np.ndarray]:
    """Segments of ``size`` steps that cover an utterance; the last one ends where it does.

    >>> [len(s) for s in cut(np.zeros((11, 1)), 4, 0.5)], len(cut(np.zeros((3, 1)), 4, 0.5))
    ([4, 4, 4, 4, 4], 1)
    """
    hop = max(1, round(size * (1 - overlap)))
    last = max(len(steps) - size, 0)
    starts = [*range(0, last, hop), last]
    return [steps[start : start + size] for start in starts]


def fit_cnn(
    train: Labelled,
    validation: Labelled,
    *,
    n_classes: int,
    steps_per_second: float,
    settings: CnnConfig,
    seed: int,
) -> Cnn:
    """Train on the segments of ``train``, and stop by the utterances of ``validation``.

    Args:
        train: labels that the weights are fitted to.
        validation: labels that choose the epoch; may be empty.
        n_classes: emotions.
        steps_per_second: of the utterances.
        settings: of network and training.
        seed: names all randomness.
    """
    seed_torch(seed, "cnn")
    model = Cnn(train.steps[0].shape[1], n_classes, settings)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    segments, truth = _segments(train, steps_per_second, settings)
    n_epochs = settings.max_epochs if len(validation) else settings.epochs_without_validation
    best, best_loss, best_epoch = model.state_dict(), np.inf, 0
    rounds = settings.precision == "bfloat16" and multiplies_bfloat16()
    for epoch in range(n_epochs):
        model.train()
        sizes = [len(segment) for segment in segments]
        rng = generator(seed, "cnn epoch", epoch)
        for positions in batches.plan_batches(sizes, settings.batch_size, rng):
            steps, lengths = batches.pad([segments[i] for i in positions])
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=rounds):
                scores = model(steps, lengths)
            loss = cross_entropy(scores.float(), torch.from_numpy(truth[positions]), 0.0)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            optimiser.step()
        loss_now = -float(epoch)
        if len(validation):
            loss_now = _loss(model, validation, steps_per_second, settings)
        if loss_now < best_loss:
            best, best_loss, best_epoch = copy.deepcopy(model.state_dict()), loss_now, epoch
        if epoch - best_epoch >= settings.patience:
            break
    model.load_state_dict(best)
    return model.eval()


@torch.no_grad()
def probabilities(
    model: Cnn,
    utterances: Sequence[np.ndarray],
    *,
    steps_per_second: float,
    settings: CnnConfig,
    batch_size: int = 32,
) -> np.ndarray:
    """Class probabilities, (n_utterances, n_classes): the mean over each utterance's segments."""
    model.eval()
    size = _size(steps_per_second, settings)
    cuts = [cut(steps, size, settings.overlap) for steps in utterances]
    owner = np.repeat(np.arange(len(cuts)), [len(segments) for segments in cuts])
    segments = [segment for of_one in cuts for segment in of_one]
    out = np.zeros((len(utterances), model.head.out_features))
    for positions in batches.in_order([len(s) for s in segments], batch_size):
        steps, lengths = batches.pad([segments[i] for i in positions])
        np.add.at(out, owner[positions], model(steps, lengths).softmax(dim=1).double().numpy())
    return (out / np.bincount(owner)[:, None]).astype(np.float32)


def multiplies_bfloat16() -> bool:
    """Whether the processor has products of bfloat16; elsewhere they would be the slower ones."""
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return asked is not None and bool(asked())


def _size(steps_per_second: float, settings: CnnConfig) -> int:
    return max(1, round(steps_per_second * settings.segment_s))


def _segments(
    labelled: Labelled, steps_per_second: float, settings: CnnConfig
) -> tuple[list[np.ndarray], np.ndarray]:
    """Segments of all utterances, each with the truth about its utterance."""
    size = _size(steps_per_second, settings)
    cuts = [cut(steps, size, settings.overlap) for steps in labelled.steps]
    truth = np.repeat(labelled.truth, [len(segments) for segments in cuts])
    return [segment for of_one in cuts for segment in of_one], truth


def _loss(model: Cnn, validation: Labelled, steps_per_second: float, settings: CnnConfig) -> float:
    chances = probabilities(
        model, validation.steps, steps_per_second=steps_per_second, settings=settings
    )
    true_chances = chances[np.arange(len(validation)), validation.truth]
    return float(-np.log(np.maximum(true_chances, 1e-12)).mean())
