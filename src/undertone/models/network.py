"""Networks of an utterance's steps: pooled GRU, or a dense layer alone; and how they predict.

In:  utterances, steps (n_steps, n_features) each.
Out: predictions (n_utterances, n_outputs), or pooled vectors (n_utterances, pooled_size), in the
     order given. What an output means is told by the activation.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from undertone import device
from undertone.models import padding
from undertone.models.encoder import POOLINGS, Encoder, pooled_size


class GruNetwork(nn.Module):
    """Encoder, pooling, dense layer."""

    def __init__(
        self, encoder: Encoder, pooling: str, n_outputs: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(pooled_size(encoder.gru.hidden_size, pooling), n_outputs)

    @property
    def last(self) -> nn.Linear:
        """The layer whose units are the outputs."""
        return self.head

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Outputs before their activation, (batch, n_outputs)."""
        pooled = POOLINGS[self.pooling](self.encoder(steps, lengths), lengths)
        return self.head(self.dropout(pooled))


class DenseHead(nn.Module):
    """A dense layer alone, on vectors that are given as sequences of one step."""

    def __init__(self, size: int, n_outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(size, n_outputs)

    @property
    def last(self) -> nn.Linear:
        """The layer whose units are the outputs."""
        return self.dense

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Outputs before their activation, (batch, n_outputs), of (batch, 1, size)."""
        return self.dense(self.dropout(steps[:, 0]))


@torch.no_grad()
def predict(
    model: nn.Module,
    utterances: Sequence[np.ndarray],
    activation: Callable[[torch.Tensor], torch.Tensor],
    batch_size: int = 32,
) -> np.ndarray:
    """Predictions, (n_utterances, n_outputs), of a network of (steps, lengths)."""
    model.eval()
    where = device.place_of(model)
    return _of_all(utterances, lambda x, n: activation(model(x.to(where), n)), batch_size)


@torch.no_grad()
def encode(
    encoder: Encoder, utterances: Sequence[np.ndarray], pooling: str, batch_size: int = 32
) -> np.ndarray:
    """Pooled outputs of the encoder, (n_utterances, pooled_size)."""
    where, pool = device.place(encoder.eval()), POOLINGS[pooling]
    return _of_all(utterances, lambda x, n: pool(encoder(x.to(where), n), n), batch_size)


def _of_all(
    utterances: Sequence[np.ndarray],
    compute: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    batch_size: int,
) -> np.ndarray:
    """(n_utterances, width) what ``compute`` makes of batches of steps and their lengths."""
    order = padding.in_order([len(steps) for steps in utterances], batch_size)
    batches = (padding.pad([utterances[i] for i in positions]) for positions in order)
    rows = np.concatenate([compute(*batch).cpu().numpy() for batch in batches])
    return rows[np.argsort(np.concatenate(order))]
