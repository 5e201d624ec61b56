"""What encoders are made of: dense layers, normalisation, attention; in 8 bits where asked.

In:  values (batch, n_positions, width), the modules of PyTorch whose weights they are.
Out: likewise.

In 8 bits a weight of a product is a whole number from -63 to 63 times a scale of its column, so
that two of them times a byte fit into the 16 bits in which processors without instructions for it
add. What enters is rounded to a byte with a scale of its own row: of one position of one recording.
With a scale of the whole batch, as of onnxruntime's own quantisation, a loud neighbour would round
a soft recording away. What is left of a batch is the last bit of its sums, which turns some
roundings the other way.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from undertone.serving.onnx.nodes import BYTE, FLOAT, Value

LARGEST_WEIGHT = 63
LARGEST_BYTE, ZERO = 127.0, 128  # of what enters, around its zero
SMALLEST_SCALE = 1e-20
NEVER = float(np.finfo(np.float32).min) / 2  # added to a score


@dataclass
class Precision:
    """How products of weights are computed.

    Attributes:
        int8: whether in 8 bits.
        n_rounded: numbers that were rounded so far.
    """

    int8: bool = False
    n_rounded: int = field(default=0, init=False)

    def product(self, values: Value, weight: np.ndarray) -> Value:
        """(..., n_out) of (..., n_in) and a weight (n_in, n_out)."""
        if not self.int8:
            return values @ weight
        self.n_rounded += weight.size
        return _rounded_product(values, weight)

    def dense(self, values: Value, layer: Any) -> Value:
        """``nn.Linear``."""
        product = self.product(values, numpy(layer.weight).T)
        return product if layer.bias is None else product + numpy(layer.bias)


def numpy(tensor: Any) -> np.ndarray:
    """A weight as an array."""
    array: np.ndarray = tensor.detach().float().numpy()
    return array


def normalised(values: Value, norm: Any) -> Value:
    """``nn.LayerNorm``."""
    graph = values.graph
    weights = (graph.constant(numpy(part)) for part in (norm.weight, norm.bias))
    return graph.node("LayerNormalization", values, *weights, axis=-1, epsilon=norm.eps)


def attended(query: Value, key: Value, value: Value, bias: Value, *, n_heads: int) -> Value:
    """Attention of several heads, (batch, n_positions, width).

    Args:
        query: (batch, n_positions, width), scaled.
        key: likewise.
        value: likewise.
        bias: (batch, 1 or n_heads, 1 or n_positions, n_positions) added to the scores.
        n_heads: of them.
    """

    def in_heads(part: Value) -> Value:
        return part.reshaped([0, 0, n_heads, -1]).turned(0, 2, 1, 3)

    scores = in_heads(query) @ in_heads(key).turned(0, 1, 3, 2) + bias
    seen = scores.softmax() @ in_heads(value)
    return seen.turned(0, 2, 1, 3).reshaped(value.graph.shape(value.size(0), value.size(1), -1))


def _rounded_product(values: Value, weight: np.ndarray) -> Value:
    graph = values.graph
    scales = np.maximum(np.abs(weight).max(axis=0) / LARGEST_WEIGHT, SMALLEST_SCALE)
    whole = graph.constant(np.round(weight / scales).astype(np.int8))
    scale = (values.called("Abs").max(-1, keep=True) / LARGEST_BYTE).at_least(SMALLEST_SCALE)
    entering = ((values / scale).called("Round") + ZERO).to(BYTE)
    zero = graph.constant(ZERO, BYTE)
    product = graph.node("MatMulInteger", entering, whole, zero, kind=np.dtype(np.int32))
    return product.to(FLOAT) * scale * scales.astype(np.float32)
