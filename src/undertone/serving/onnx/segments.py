"""The convolutional network on segments of an utterance, in a graph.

In:  steps of a batch, a network of ``models.cnn`` in its state of prediction.
Out: values (batch, n_outputs): of each utterance the mean over its own segments.
"""

from collections.abc import Callable

import numpy as np
from torch import nn

from undertone.models.cnn import Block, Cnn, CnnConfig
from undertone.serving.onnx.frames import Frames, gathered, pooled
from undertone.serving.onnx.nodes import DOUBLE, FLOAT, Value


def apply(
    inputs: Frames,
    network: Cnn,
    activation: Callable[[Value], Value],
    *,
    steps_per_second: float,
    settings: CnnConfig,
) -> Value:
    """What a network says of utterances, cut as ``models.cnn.cut`` cuts them."""
    size = max(1, round(steps_per_second * settings.segment_s))
    hop = max(1, round(size * (1 - settings.overlap)))
    batch, last = inputs.values.size(0), (inputs.lengths - size).at_least(0)
    n_segments = last.rounded_up(hop) + 1
    segments = _cut(inputs, last, n_segments.max(0), size=size, hop=hop)
    for block in network.blocks:
        assert isinstance(block, Block)
        segments = _block(segments, block)
    values = activation(dense(pooled(segments, "mean_sd"), network.head)).to(DOUBLE)
    graph = inputs.graph
    values = values.reshaped(graph.shape(batch, -1, network.head.out_features))
    there = graph.count(values.size(1)).with_axes(0) < n_segments.with_axes(1)
    total = values.where(there.with_axes(2), 0).sum(1)
    return (total / n_segments.to(DOUBLE).with_axes(1)).to(FLOAT)


def dense(values: Value, layer: nn.Linear) -> Value:
    """A dense layer."""
    weight, bias = (tensor.detach().numpy() for tensor in (layer.weight, layer.bias))
    return values @ weight.T + bias


def _cut(inputs: Frames, last: Value, most: Value, *, size: int, hop: int) -> Frames:
    """(batch * most, n_steps, n_features) segments; those that an utterance has not are copies."""
    graph, n_steps = inputs.graph, inputs.values.size(1).at_most(size)
    starts = (graph.count(most) * hop).with_axes(0).at_most(last.with_axes(1))
    places = starts.with_axes(2) + graph.count(n_steps).with_axes(0, 1)
    rows = graph.count(inputs.values.size(0)).with_axes(1, 2)
    cut = gathered(inputs.values, rows, places)
    lengths = inputs.lengths.at_most(size).with_axes(1).spread(starts.called("Shape"))
    flat = cut.reshaped(graph.shape(-1, n_steps, inputs.values.size(2)))
    return Frames(flat, lengths.reshaped([-1])).silenced()


def _block(segments: Frames, block: Block) -> Frames:
    """Convolution, normalisation, ReLU, maximum of two steps; zeros behind each segment."""
    convolution, norm = block.convolution, block.normalisation
    assert norm.running_var is not None
    assert norm.running_mean is not None
    graph = segments.graph
    kernel = int(convolution.kernel_size[0])
    before = (kernel - 1) // 2
    convolved = graph.node(
        "Conv",
        segments.values.turned(0, 2, 1),
        graph.constant(convolution.weight.detach().numpy()),
        graph.constant(convolution.bias.detach().numpy()),  # type: ignore[union-attr]
        pads=[before, kernel - 1 - before],
    ).turned(0, 2, 1)
    mean, variance = norm.running_mean.numpy(), norm.running_var.numpy()
    scale = norm.weight.detach().numpy() / np.sqrt(variance + norm.eps)
    rows = (convolved - mean) * scale + norm.bias.detach().numpy()
    filled = Frames(rows.relu(), segments.lengths).silenced().values  # none is below 0
    n_halved, n_channels = filled.size(1).rounded_up(2), convolution.out_channels
    even = filled.padded([0, 0, 0], [0, n_halved * 2 - filled.size(1), 0])
    halved = even.reshaped(graph.shape(even.size(0), n_halved, 2, n_channels)).max(2)
    return Frames(halved, segments.lengths.rounded_up(2))
