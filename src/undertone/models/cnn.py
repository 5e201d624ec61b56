"""A convolutional network over (time x feature) frames of any extractor.

In:  segments of utterances, steps (n_steps, n_features) each.
Out: outputs before their activation, (n_segments, n_outputs).

Source: systems of Soltani Tehrani, Faridani and Toosi, arXiv 2309.12714: small windows of frozen
wav2vec frames, a CNN on each, an utterance is the mean of its windows. The paper's layers are not
public; ours are three blocks of convolution, batch normalisation, ReLU, maximum of two steps and
dropout, then the mean and standard deviation over time, and a dense layer. Padding never enters:
not the convolutions (it is zero, like what lies beyond an utterance), not the batch statistics,
not the pooling over time.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from undertone import device
from undertone.config import check_ranges
from undertone.errors import UndertoneError
from undertone.models import padding
from undertone.models.encoder import pool_mean_sd
from undertone.models.gru.module import PRECISIONS
from undertone.models.padding import is_real
from undertone.models.schedule import SegmentSchedule


@dataclass(frozen=True)
class CnnConfig(SegmentSchedule):
    """Settings of the network and its training."""

    section: ClassVar[str] = "cnn"
    max_epochs: int = 40  # passes over the labels
    patience: int = 8
    epochs_without_validation: int = 15
    steps_per_second: float = 25.0  # about: faster frames are averaged
    channels: int = 256  # of each block
    blocks: int = 3  # of convolutions
    kernel: int = 5  # steps
    dropout: float = 0.3  # share that is left out behind each block
    precision: str = "bfloat16"  # of products while training, where the processor multiplies it

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(
            self,
            steps_per_second=(1, 1000),
            channels=(1, 8192),
            blocks=(1, 8),
            kernel=(1, 99),
            dropout=(0, 0.95),
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
        real = is_real(lengths, steps.shape[1]).bool().to(steps.device)
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

    def __init__(self, n_features: int, n_outputs: int, settings: CnnConfig) -> None:
        super().__init__()
        sizes = [n_features, *[settings.channels] * settings.blocks]
        self.blocks = nn.ModuleList(
            Block(n_in, n_out, settings.kernel, settings.dropout)
            for n_in, n_out in itertools.pairwise(sizes)
        )
        self.head = nn.Linear(2 * settings.channels, n_outputs)
        self.rounds = settings.precision == "bfloat16" and multiplies_bfloat16()

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Outputs before their activation, (batch, n_outputs)."""
        for block in self.blocks:
            steps, lengths = block(steps, lengths)
        return self.head(pool_mean_sd(steps, lengths))

    @property
    def last(self) -> nn.Linear:
        """The layer whose units are the outputs."""
        return self.head

    def of_segments(self, segments: Sequence[np.ndarray]) -> torch.Tensor:
        """(n_segments, n_outputs) float32; products are rounded while training, never else."""
        rounds = self.rounds and self.training
        where = device.place_of(self)
        steps, lengths = padding.pad(segments)
        with torch.autocast(where.type, dtype=torch.bfloat16, enabled=rounds):
            return self(steps.to(where), lengths).float()

    @staticmethod
    def plan(
        lengths: Sequence[int], batch_size: int, rng: np.random.Generator | None
    ) -> list[np.ndarray]:
        """Positions of batches of like length; in random order with ``rng``."""
        if rng is None:
            return padding.in_order(lengths, batch_size)
        return padding.plan_batches(lengths, batch_size, rng)


def cut(steps: np.ndarray, size: int, overlap: float) -> list[np.ndarray]:
    """Segments of ``size`` steps that cover an utterance; the last one ends where it does.

    >>> [len(s) for s in cut(np.zeros((11, 1)), 4, 0.5)], len(cut(np.zeros((3, 1)), 4, 0.5))
    ([4, 4, 4, 4, 4], 1)
    """
    hop = max(1, round(size * (1 - overlap)))
    last = max(len(steps) - size, 0)
    starts = [*range(0, last, hop), last]
    return [steps[start : start + size] for start in starts]


def multiplies_bfloat16() -> bool:
    """Whether GPU or processor have products of bfloat16; elsewhere they are the slower ones."""
    if device.current() != device.CPU:
        return device.current() == device.CUDA
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return probe is not None and bool(probe())
