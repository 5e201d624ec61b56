"""The creak network: 36 inputs, one hidden layer, a posterior.

In:  (n_rows, 36) inputs.
Out: (n_rows,) probability of creaky voice.

Our own weights, fitted to the reference's posteriors, are in ``network.safetensors``. The original
network is under the GPL and not part of this package; whoever has it names its file,
``system_net_creak.mat``, beside which ``minis_creak.mat`` and ``maxis_creak.mat`` lie.
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
    """Read our weights, a file with the same six arrays (safetensors), or the original's files."""
    file = Path(path) if path else OWN_WEIGHTS
    try:
        arrays = _read_matlab(file) if file.suffix == ".mat" else _read_safetensors(file)
        network = CreakNetwork(**{name: arrays[name].astype(np.float64) for name in SHAPES})
    except Exception as error:
        raise UndertoneError(
            f"{file} is not a creak network ({error}); expected the arrays {', '.join(SHAPES)}, "
            "or a MATLAB network with its minis_creak.mat and maxis_creak.mat beside it"
        ) from None
    if network.hidden_weight.shape[1:] != (N_INPUTS,):
        raise UndertoneError(f"the creak network {file} does not have {N_INPUTS} inputs")
    return network


def _read_safetensors(file: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(file)


def _read_matlab(file: Path) -> dict[str, np.ndarray]:
    """Weights IW{1}, LW{2,1}, b{1}, b{2} of a network, and the ranges of its inputs."""
    network = _read_variable(file)
    weights, between, biases = (network[field][0, 0] for field in ("IW", "LW", "b"))
    return {
        "lowest": _read_variable(file.with_name("minis_creak.mat")).ravel(),
        "highest": _read_variable(file.with_name("maxis_creak.mat")).ravel(),
        "hidden_weight": weights[0, 0],
        "hidden_bias": biases[0, 0].ravel(),
        "output_weight": between[1, 0].ravel(),
        "output_bias": biases[1, 0].ravel(),
    }


def _read_variable(file: Path) -> np.ndarray:
    """The one variable of a MATLAB file."""
    from scipy.io import loadmat

    (variable,) = (value for name, value in loadmat(file).items() if not name.startswith("__"))
    return variable
