"""The shape of an encoder: what is known of it before any network is made.

In:  settings.
Out: ``EncoderConfig``, checked. Nothing here needs PyTorch, so that a model without an encoder is
     served without it.
"""

from dataclasses import dataclass

from undertone.config import check_ranges
from undertone.errors import UndertoneError

POOLINGS = ("mean", "mean_sd", "last")  # of the top layer over time; ``encoder`` computes them


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of the encoder."""

    hidden_units: int = 256  # of each layer
    layers: int = 2  # of the GRU
    stride: int = 4  # frames of 10 ms a step
    pooling: str = "mean"  # of the top layer over time: mean, mean_sd or last

    def __post_init__(self) -> None:
        check_ranges(self, hidden_units=(1, 8192), layers=(1, 16), stride=(1, 1000))
        if self.pooling not in POOLINGS:
            raise UndertoneError(
                f"pooling must be one of {', '.join(POOLINGS)}, found {self.pooling!r}"
            )


def pooled_size(hidden_units: int, pooling: str) -> int:
    """Length of the vector that a pooling makes."""
    return 2 * hidden_units if pooling == "mean_sd" else hidden_units
