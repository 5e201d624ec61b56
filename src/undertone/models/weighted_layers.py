"""A learned weight a layer: what SUPERB puts on a frozen encoder.

In:  (batch, n_layers, width) one vector a layer of each utterance.
Out: outputs before their activation, (batch, n_outputs).

The weights are a softmax of one number a layer, all equal at the start; a dense layer reads the
weighted sum (Yang et al., "SUPERB: Speech processing Universal PERformance Benchmark", Interspeech
2021, arXiv 2105.01051). There the sum is taken of frames and then their mean over time; the two may
be swapped, so here it is taken of means.
"""

import numpy as np
import torch
from torch import nn


class WeightedLayers(nn.Module):
    """Weights over layers, dropout, one dense layer."""

    def __init__(self, n_layers: int, width: int, n_outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(n_layers))
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(width, n_outputs)

    def forward(self, layers: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(batch, n_outputs) of (batch, n_layers, width); every utterance has all layers."""
        weighted = torch.einsum("l,blw->bw", self.scores.softmax(0), layers)
        return self.dense(self.dropout(weighted))

    @property
    def last(self) -> nn.Linear:
        """The layer whose units are the outputs."""
        return self.dense

    @property
    def weights(self) -> np.ndarray:
        """(n_layers,) that sum to 1."""
        return self.scores.detach().softmax(0).cpu().numpy().astype(np.float64)

    def as_one_product(self) -> tuple[np.ndarray, np.ndarray]:
        """(n_layers * width, n_outputs) and (n_outputs,): the same, of all layers side by side."""
        dense = self.dense.weight.detach().cpu().numpy().astype(np.float64).T
        return np.kron(self.weights[:, None], dense), self.dense.bias.detach().cpu().numpy().astype(
            np.float64
        )
