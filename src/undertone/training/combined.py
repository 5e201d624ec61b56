"""Descriptors of an utterance and the outputs of an encoder, in one linear classifier.

In:  frames (n_frames, n_features) of utterances; for the network, their steps and descriptors.
Out: one vector an utterance, descriptors first, then mean and standard deviation over time of the
     encoder's outputs where there is one; and ``CombinedClassifier``, the network to be served.
"""

import numpy as np
import torch
from torch import nn

from undertone.errors import UndertoneError
from undertone.training.discriminant import FURTHEST, Discriminant
from undertone.training.encoder import Encoder, pool_mean_sd, pooled_size

POOLING = "mean_sd"


def emphasis_of(descriptors: np.ndarray, n_values: int, encoder_emphasis: float) -> np.ndarray:
    """(n_values,) what each descriptor counts, (n_descriptors,), then what the encoder adds."""
    return np.append(descriptors, np.full(n_values - len(descriptors), encoder_emphasis))


class CombinedClassifier(nn.Module):
    """A fitted discriminant analysis on top of an encoder, as it was fitted."""

    mean: torch.Tensor
    sd: torch.Tensor
    emphasis: torch.Tensor

    def __init__(self, encoder: Encoder | None, n_descriptors: int, n_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.n_descriptors = n_descriptors
        pooled = pooled_size(encoder.gru.hidden_size, POOLING) if encoder else 0
        n_values = n_descriptors + pooled
        for name in ("mean", "sd", "emphasis"):
            self.register_buffer(name, torch.ones(n_values, dtype=torch.float64))
        self.head = nn.Linear(n_values, n_classes, dtype=torch.float64)

    @classmethod
    def of(
        cls, discriminant: Discriminant, encoder: Encoder | None, n_descriptors: int
    ) -> "CombinedClassifier":
        """The network that computes what ``discriminant`` does."""
        model = cls(encoder, n_descriptors, len(discriminant.bias))
        scaler = discriminant.scaler
        with torch.no_grad():
            for name in ("mean", "sd", "emphasis"):
                getattr(model, name).copy_(torch.from_numpy(getattr(scaler, name)))
            model.head.weight.copy_(torch.from_numpy(discriminant.weight))
            model.head.bias.copy_(torch.from_numpy(discriminant.bias))
        return model.eval()

    @torch.no_grad()
    def probabilities(self, steps: np.ndarray, descriptors: np.ndarray) -> np.ndarray:
        """(n_classes,) of one utterance: (n_steps, n_features) steps, (n_descriptors,).

        Raises:
            UndertoneError: the model was made when other descriptors were computed.
        """
        if len(descriptors) != self.n_descriptors:
            raise UndertoneError(
                f"the model was trained on {self.n_descriptors} descriptors of an utterance, this "
                f"Undertone computes {len(descriptors)}: train it again"
            )
        vector = torch.from_numpy(descriptors).double()
        if self.encoder is not None:
            states = self.encoder(torch.from_numpy(steps)[None], torch.tensor([len(steps)]))
            pooled = pool_mean_sd(states, torch.tensor([len(steps)]))[0]
            vector = torch.cat([vector, pooled.double()])
        scores = self.head(self._scaled(vector))
        return scores.softmax(dim=0).float().numpy()

    def _scaled(self, vector: torch.Tensor) -> torch.Tensor:
        return ((vector - self.mean) / self.sd).clamp(-FURTHEST, FURTHEST) * self.emphasis
