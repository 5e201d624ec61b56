"""Frames in a graph: what is real of them, steps, recurrent layers, means over time.

In:  frames (batch, n_frames, n_features), zeros or anything else behind each recording, and
     lengths (batch,).
Out: likewise; whatever stands behind a recording changes nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from undertone.serving.onnx.nodes import DOUBLE, FLOAT, WHOLE, YES_NO, Graph, Value
from undertone.training.normalise import LARGEST_Z, Normaliser

if TYPE_CHECKING:
    from undertone.models.encoder import Encoder

GATES = (1, 0, 2)  # PyTorch has reset, update, new; ONNX update, reset, new
BEFORE_RESET = 1  # the reset gate scales the state behind its product, as in PyTorch
LEAST_VARIANCE = 1e-6  # of a pooling by mean and standard deviation


@dataclass(frozen=True)
class Frames:
    """Frames of a batch.

    Attributes:
        values: (batch, n_frames, n_features).
        lengths: (batch,) whole numbers.
    """

    values: Value
    lengths: Value

    @property
    def graph(self) -> Graph:
        return self.values.graph

    def real(self) -> Value:
        """(batch, n_frames, 1) whether a frame is of its recording."""
        places = self.graph.count(self.values.size(1))
        return (places.with_axes(0) < self.lengths.with_axes(1)).with_axes(2)

    def silenced(self) -> "Frames":
        """The same with zeros behind each recording."""
        return Frames(self.values.where(self.real(), 0), self.lengths)


def steps(frames: Frames, normaliser: Normaliser) -> Frames:
    """As ``Normaliser.apply``: z-scores, finite, the mean of consecutive frames."""
    scored = (frames.values - normaliser.mean) / normaliser.sd
    limits = (frames.graph.constant(end, FLOAT) for end in (-LARGEST_Z, LARGEST_Z))
    kept = frames.graph.node("Clip", scored.where(_odd(scored).called("Not"), 0), *limits)
    return strided(Frames(kept, frames.lengths), normaliser.stride)


def strided(frames: Frames, stride: int) -> Frames:
    """Means of ``stride`` consecutive frames; the last one of a recording may be of fewer."""
    if stride == 1:
        return frames.silenced()
    graph, values = frames.graph, frames.silenced().values
    n_steps = values.size(1).rounded_up(stride)
    values = values.padded([0, 0, 0], [0, n_steps * stride - values.size(1), 0])
    shape = graph.shape(values.size(0), n_steps, stride, values.size(2))
    first = graph.count(n_steps) * stride
    there = frames.lengths.with_axes(1) - first.with_axes(0)
    counts = there.at_least(1).at_most(stride).to(FLOAT).with_axes(2)
    return Frames(values.reshaped(shape).sum(2) / counts, frames.lengths.rounded_up(stride))


def recurrent(inputs: Frames, encoder: "Encoder") -> Frames:
    """All layers of a GRU; 0 behind each recording."""
    graph, hidden = inputs.graph, inputs.values.turned(1, 0, 2)
    lengths = inputs.lengths.to(np.dtype(np.int32))
    n_units = encoder.gru.hidden_size
    for layer in encoder.gru.all_weights:
        of_inputs, of_state, *biases = (tensor.detach().numpy() for tensor in layer)
        hidden = graph.node(
            "GRU",
            hidden,
            graph.constant(_in_order(of_inputs)[None]),
            graph.constant(_in_order(of_state)[None]),
            graph.constant(np.concatenate([_in_order(bias) for bias in biases])[None]),
            lengths,
            hidden_size=n_units,
            linear_before_reset=BEFORE_RESET,
        ).reshaped([0, -1, n_units])
    return Frames(hidden.turned(1, 0, 2), inputs.lengths).silenced()


def _in_order(gates: np.ndarray) -> np.ndarray:
    parts = np.split(gates, 3)
    return np.concatenate([parts[gate] for gate in GATES])


def pooled(hidden: Frames, pooling: str) -> Value:
    """(batch, n_values) as ``models.encoder.POOLINGS``."""
    graph, values = hidden.graph, hidden.silenced().values
    if pooling == "last":
        rows = graph.count(values.size(0)) * values.size(1) + hidden.lengths - 1
        return values.reshaped(graph.shape(-1, values.size(2))).rows(rows)
    n = hidden.lengths.to(FLOAT).with_axes(1)
    mean = values.sum(1) / n
    if pooling == "mean":
        return mean
    apart = (values - mean.with_axes(1)).where(hidden.real(), 0)
    variance = (apart * apart).sum(1) / n
    return graph.stacked([mean, (variance + LEAST_VARIANCE).sqrt()], 1)


def mean_and_sd(frames: Frames) -> tuple[Value, Value]:
    """(batch, n_features) each, as ``features.vectors.mean_sd``: of what is finite, float32."""
    there = _odd(frames.values).called("Not") & frames.real()
    n = there.to(DOUBLE).sum(1).at_least(1)
    values = frames.values.where(there, 0).to(DOUBLE)
    mean = values.sum(1) / n
    apart = (values - mean.with_axes(1)).where(there, 0)
    return mean.to(FLOAT), ((apart * apart).sum(1) / n).sqrt().to(FLOAT)


def _odd(values: Value) -> Value:
    """Whether a number is none, or infinite."""
    return values.graph.node("Or", values.called("IsNaN"), values.called("IsInf"), kind=YES_NO)


def gathered(values: Value, row: Value, place: Value) -> Value:
    """(..., n_features) at rows and places, both (...) whole numbers, of (batch, n, n_features)."""
    assert row.kind == place.kind == WHOLE
    flat = values.reshaped(values.graph.shape(-1, values.size(2)))
    return flat.rows(row * values.size(1) + place)
