"""The creak network: 36 inputs, one hidden layer, a posterior.

In:  (n_rows, 36) inputs.
Out: (n_rows,) probability of creaky voice.

Our own weights, fitted to the reference's posteriors, are in ``network.safetensors``. The original
network is under the GPL and not part of this package; its file can be used by naming it.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from undertone.errors import UndertoneError

OWN_WEIGHTS = Path(__file__).parent / "network.safetensors"
N_INPUTS = 36
SHAPES = ("lowest", "highest", "hidden_weight", "hidden_bias", "output_weight", "output_bias")


@dataclass(frozen=True)
class CreakNetwork:
    """A layer of tanh and a logistic output, on inputs scaled to -1 … 1."""

    lowest: np.ndarray  # (36,) of every input, maps to -1
    highest: np.ndarray  # (36,) maps to 1
    hidden_weight: np.ndarray  # (n_hidden, 36)
    hidden_bias: np.ndarray  # (n_hidden,)
    output_weight: np.ndarray  # (n_hidden,)
    output_bias: np.ndarray  # (1,)

    def scale(self, inputs: np.ndarray) -> np.ndarray:
        """Inputs that are not finite count as the lowest."""
        known = np.where(np.isfinite(inputs), inputs, self.lowest)
        return 2 * (known - self.lowest) / (self.highest - self.lowest) - 1

    def apply(self, inputs: np.ndarray) -> np.ndarray:
        hidden = np.tanh(self.scale(inputs) @ self.hidden_weight.T + self.hidden_bias)
        return 1 / (1 + np.exp(-(hidden @ self.output_weight + self.output_bias[0])))


@lru_cache(maxsize=2)
def load_network(path: str | None = None) -> CreakNetwork:
    """Read our weights, or a file with the same six arrays (safetensors)."""
    from safetensors.numpy import load_file

    file = Path(path) if path else OWN_WEIGHTS
    try:
        arrays = load_file(file)
    except Exception as error:
        raise UndertoneError(f"cannot read the creak network {file}: {error}") from None
    if set(arrays) != set(SHAPES) or arrays["hidden_weight"].shape[1:] != (N_INPUTS,):
        raise UndertoneError(f"{file} is not a creak network; expected {', '.join(SHAPES)}")
    return CreakNetwork(**{name: arrays[name].astype(np.float64) for name in SHAPES})
