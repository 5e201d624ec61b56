"""Several classifiers as one stack: the alternative to fits one after the other.

In:  steps (n_models, batch, n_steps, n_features), lengths (n_models, batch).
Out: scores (n_models, batch, n_classes), each model's own.

Parameters of all models lie in one tensor with the model as first axis, every product is a batched
one over the models, and the steps of time run in Python under autograd. ``torch.func.vmap``, which
would write this itself, has no rule for PyTorch's own GRU.
"""

from collections.abc import Sequence

import torch
from torch import nn

from undertone.models.network import GruNetwork
from undertone.models.padding import is_real


class Stack(nn.Module):
    """GRU layers, mean over time and a dense layer, of models of one shape."""

    def __init__(self, models: Sequence[GruNetwork], dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        grus = [model.encoder.gru for model in models]
        self.layers = nn.ModuleList(
            _Layer([gru.all_weights[layer] for gru in grus]) for layer in range(grus[0].num_layers)
        )
        heads = [model.head for model in models]
        self.head = nn.Parameter(torch.stack([head.weight.detach().t() for head in heads]))
        self.head_bias = nn.Parameter(torch.stack([head.bias.detach() for head in heads]))

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Scores before the softmax, (n_models, batch, n_classes)."""
        for layer in self.layers:
            steps = layer(steps)
        n_steps = steps.shape[2]
        real = torch.stack([is_real(own, n_steps) for own in lengths])[..., None]
        pooled = (steps * real).sum(2) / lengths[..., None]
        return torch.baddbmm(self.head_bias[:, None], self.dropout(pooled), self.head)

    def clip(self, norm: float) -> None:
        """Scale each model's gradient down to ``norm``, as its own fit would."""
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        scale = (norm / (norms + 1e-6)).clamp(max=1)
        for gradient in gradients:
            gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)))


class _Layer(nn.Module):
    """One GRU layer of every model; PyTorch's equations and its order of gates."""

    def __init__(self, weights: Sequence[Sequence[torch.Tensor]]) -> None:
        super().__init__()
        w_ih, w_hh, b_ih, b_hh = (torch.stack(own).detach() for own in zip(*weights, strict=True))
        self.w_ih = nn.Parameter(w_ih.transpose(1, 2).contiguous())
        self.w_hh = nn.Parameter(w_hh.transpose(1, 2).contiguous())
        self.b_ih = nn.Parameter(b_ih[:, None])
        self.b_hh = nn.Parameter(b_hh[:, None])

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        n_models, batch, n_steps, n_features = steps.shape
        flat = steps.reshape(n_models, batch * n_steps, n_features)
        inputs = torch.baddbmm(self.b_ih, flat, self.w_ih).view(n_models, batch, n_steps, -1)
        n_hidden = self.w_hh.shape[1]
        state = steps.new_zeros(n_models, batch, n_hidden)
        out = []
        for given in inputs.unbind(2):
            own = torch.baddbmm(self.b_hh, state, self.w_hh)
            gates = torch.sigmoid(given[..., : 2 * n_hidden] + own[..., : 2 * n_hidden])
            reset, update = gates.chunk(2, dim=-1)
            new = torch.tanh(given[..., 2 * n_hidden :] + reset * own[..., 2 * n_hidden :])
            state = torch.lerp(new, state, update)
            out.append(state)
        return torch.stack(out, dim=2)
