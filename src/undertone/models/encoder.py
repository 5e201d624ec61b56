"""The encoder of system A, and how a sequence becomes one vector.

In:  steps (batch, n_steps, n_features) and lengths (batch,), longest first, padding at the end.
Out: hidden (batch, n_steps, hidden_units), 0 on padding; pooled (batch, pooled_size).

Source: two GRU layers of 256 units, Nimitsurachat & Washington, arXiv 2307.12343. The network is
causal, so that padding at the end changes nothing before it.
"""

from collections.abc import Callable

import torch
from torch import nn

from undertone.models.gru import GRU
from undertone.models.padding import is_real
from undertone.models.shape import POOLINGS as NAMES_OF_POOLINGS
from undertone.models.shape import EncoderConfig, pooled_size

__all__ = ["POOLINGS", "Encoder", "EncoderConfig", "pooled_size"]


class Encoder(nn.Module):
    """A stack of unidirectional GRU layers."""

    def __init__(self, n_features: int, hidden_units: int = 256, layers: int = 2) -> None:
        super().__init__()
        self.gru = GRU(n_features, hidden_units, layers)

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Hidden states of the top layer, (batch, n_steps, hidden_units), 0 on padding."""
        hidden, _ = self.gru(steps, lengths)
        return hidden


def pool_mean(hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """(batch, hidden_units) mean over the real steps."""
    real = is_real(lengths, hidden.shape[1]).to(hidden.device)[:, :, None]
    return (hidden * real).sum(1) / lengths.to(hidden.device)[:, None]


def pool_mean_sd(hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """(batch, 2 * hidden_units) mean and standard deviation over the real steps."""
    real = is_real(lengths, hidden.shape[1]).to(hidden.device)[:, :, None]
    mean = pool_mean(hidden, lengths)
    variance = ((hidden - mean[:, None, :]) ** 2 * real).sum(1)
    variance = variance / lengths.to(hidden.device)[:, None]
    return torch.cat([mean, (variance + 1e-6).sqrt()], dim=1)


def pool_last(hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """(batch, hidden_units) the state at the last real step."""
    return hidden[torch.arange(len(hidden)), lengths - 1]


POOLINGS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mean": pool_mean,
    "mean_sd": pool_mean_sd,
    "last": pool_last,
}
assert tuple(POOLINGS) == NAMES_OF_POOLINGS
