"""Encoders that read the waveform, in a graph: wav2vec 2.0, HuBERT, WavLM, data2vec-audio.

In:  waveforms (batch, n_samples), their lengths; the encoder as ``features.upstream.waveform`` has
     it.
Out: frames (batch, n_frames, n_layers * width).

PyTorch's networks answer a padded recording otherwise than the same recording alone, those with a
normalisation over time and data2vec even with a mask; the package never pads these. Here what is
behind a recording is left out of the statistics, and is zero before every convolution that would
see it, so that all of them can be padded.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from undertone.errors import UndertoneError
from undertone.features.upstream.batches import PIECE_FRAMES
from undertone.features.upstream.waveform import WaveformEncoder
from undertone.serving.onnx.encoders.layers import (
    NEVER,
    Precision,
    attended,
    normalised,
    numpy,
)
from undertone.serving.onnx.encoders.pieces import Pieces
from undertone.serving.onnx.frames import Frames, gathered
from undertone.serving.onnx.nodes import FLOAT, Value

Bias = Callable[[Value], Value]  # what enters an attention to what is added to its scores


def check(encoder: WaveformEncoder, name: str) -> None:
    """Refuse networks with parts that no graph here knows.

    Raises:
        UndertoneError: says so.
    """
    config = encoder.config
    acts = {config.hidden_act, config.feat_extract_activation}
    adapted = getattr(encoder.module.encoder.layers[0], "adapter_layer", None) is not None
    if acts != {"gelu"} or adapted:
        what = "adapters in its layers" if adapted else f"the activations {', '.join(sorted(acts))}"
        raise UndertoneError(
            f"{name} has {what}, which no graph here computes: train on an encoder without, as "
            "facebook/hubert-base-ls960, and export that"
        )


def n_frames(lengths: Value, encoder: WaveformEncoder) -> Value:
    """(batch,) frames of waveforms of so many samples."""
    for kernel, stride in _convolutions(encoder):
        lengths = (lengths - kernel) / stride + 1
    return lengths


def states(
    waveforms: Value, pieces: Pieces, encoder: WaveformEncoder, precision: Precision
) -> list[Value]:
    """All layers of all pieces, each (n_pieces, n_positions, width)."""
    module = encoder.module
    samples = _cut(waveforms, pieces, encoder)
    features = _features(samples, module.feature_extractor.conv_layers)
    projection = module.feature_projection
    if getattr(projection, "feat_proj_layer_norm", True):
        features = normalised(features, projection.layer_norm)
    frames = Frames(precision.dense(features, projection.projection), pieces.sizes).silenced()
    hidden = frames.values + _positions(frames, module.encoder.pos_conv_embed)
    stable = bool(getattr(encoder.config, "do_stable_layer_norm", False))
    found = [hidden if stable else normalised(hidden, module.encoder.layer_norm)]
    seen = _seen(frames)
    distances = _distances(encoder, frames)
    for layer in module.encoder.layers:
        bias = distances(layer.attention, seen) if distances else lambda _: seen
        found.append((_before if stable else _behind)(found[-1], layer, bias, precision))
    if stable and _normalises_last(encoder):
        found[-1] = normalised(found[-1], module.encoder.layer_norm)
    return found


def _normalises_last(encoder: WaveformEncoder) -> bool:
    """Whether the last state is normalised: versions of transformers differ, so one is asked."""
    import torch

    if type(encoder.module.encoder.layer_norm).__name__ == "Identity":
        return False
    noise = np.random.default_rng(0).normal(size=4 * encoder.field_length).astype(np.float32)
    with torch.inference_mode():
        told = encoder.module(torch.from_numpy(noise)[None], output_hidden_states=True)
    return torch.allclose(told.hidden_states[-1], told.last_hidden_state, atol=1e-5)


def _convolutions(encoder: WaveformEncoder) -> Iterator[tuple[int, int]]:
    return zip(encoder.config.conv_kernel, encoder.config.conv_stride, strict=True)


def _cut(waveforms: Value, pieces: Pieces, encoder: WaveformEncoder) -> Frames:
    """(n_pieces, n_samples, 1) what each piece is computed from."""
    graph, hop = waveforms.graph, encoder.hop_length
    first, row = pieces.flat(pieces.first) * hop, pieces.recording()
    stop = pieces.flat(pieces.last) * hop + (encoder.field_length - hop)
    # The last piece of a recording takes the samples behind its last frame, too: a normalisation
    # over time sees them.
    own = pieces.samples.rows(row)
    is_last = pieces.flat(pieces.last) >= pieces.lengths.rows(row)
    n = (own.where(is_last, stop).at_most(own) - first).at_least(0)
    n = n.at_least(graph.constant(encoder.field_length))
    places = graph.count(n.max(0)).with_axes(0)
    within = (first.with_axes(1) + places).at_most(waveforms.size(1) - 1)
    samples = gathered(waveforms.with_axes(2), row.with_axes(1), within)
    return Frames(samples, n).silenced()


def _features(samples: Frames, convolutions: Any) -> Value:
    """(n_pieces, n_frames, n_channels) of the waveform."""
    graph, values, lengths = samples.graph, samples.values.turned(0, 2, 1), samples.lengths
    for layer in convolutions:
        convolution = layer.conv
        (kernel,), (stride,) = convolution.kernel_size, convolution.stride
        values = graph.node("Conv", values, *_weights(samples, convolution), strides=[stride])
        lengths = (lengths - kernel) / stride + 1
        norm = getattr(layer, "layer_norm", None)
        if type(norm).__name__ == "GroupNorm":
            values = _over_time(Frames(values.turned(0, 2, 1), lengths), norm).turned(0, 2, 1)
        elif norm is not None:
            values = normalised(values.turned(0, 2, 1), norm).turned(0, 2, 1)
        values = values.gelu()
    return values.turned(0, 2, 1)


def _weights(frames: Frames, convolution: Any) -> list[Value]:
    parts = [convolution.weight, convolution.bias]
    return [frames.graph.constant(numpy(part)) for part in parts if part is not None]


def _over_time(frames: Frames, norm: Any) -> Value:
    """Mean 0 and variance 1 of each channel over the real frames."""
    values, real = frames.values, frames.real()
    n = frames.lengths.to(FLOAT).with_axes(1, 2)
    apart = values - values.where(real, 0).sum(1, keep=True) / n
    variance = (apart * apart).where(real, 0).sum(1, keep=True) / n
    scored = apart / (variance + np.float32(norm.eps)).sqrt()
    return scored * numpy(norm.weight) + numpy(norm.bias)


def _positions(frames: Frames, embedding: Any) -> Value:
    """What the convolutions over positions add; padding is zero before each of them."""
    layers = getattr(embedding, "layers", None)  # of data2vec
    for layer in layers or [embedding]:
        if getattr(layer, "batch_norm", None) is not None:
            norm = layer.batch_norm
            scale = numpy(norm.weight) / np.sqrt(numpy(norm.running_var) + norm.eps)
            scored = (frames.values - numpy(norm.running_mean)) * scale + numpy(norm.bias)
            frames = Frames(scored, frames.lengths).silenced()
        convolved = _over_positions(frames, layer.conv)
        if layers is not None:
            convolved = _plain_norm(convolved, layer.layer_norm)
        frames = Frames(convolved.gelu(), frames.lengths).silenced()
    return frames.values


def _over_positions(frames: Frames, convolution: Any) -> Value:
    (kernel,), values = convolution.kernel_size, frames.values.turned(0, 2, 1)
    before = kernel // 2
    convolved = frames.graph.node(
        "Conv",
        values,
        *_weights(frames, convolution),
        group=convolution.groups,
        pads=[before, kernel - 1 - before],
    )
    return convolved.turned(0, 2, 1)


def _plain_norm(values: Value, norm: Any) -> Value:
    graph = values.graph
    ones = graph.constant(np.ones(norm.normalized_shape, np.float32))
    return graph.node("LayerNormalization", values, ones, axis=-1, epsilon=norm.eps)


def _seen(frames: Frames) -> Value:
    """(n_pieces, 1, 1, n) what is added to scores: nothing that is behind a piece is seen."""
    zero = frames.graph.constant(0, FLOAT)
    return zero.where(frames.real(), NEVER).turned(0, 2, 1).with_axes(1)


def _distances(encoder: WaveformEncoder, frames: Frames) -> Callable[[Any, Value], Bias] | None:
    """Of WavLM: scores by the distance of two positions, gated by what is at the first of them."""
    first = encoder.module.encoder.layers[0].attention
    if not hasattr(first, "rel_attn_embed"):
        return None
    import torch

    reach = torch.arange(-PIECE_FRAMES, PIECE_FRAMES + 1)
    by_distance = numpy(first.rel_attn_embed(first._relative_positions_bucket(reach)))
    places = frames.graph.count(frames.values.size(1))
    distance = places.with_axes(0) - places.with_axes(1) + PIECE_FRAMES
    table = frames.graph.constant(by_distance)
    scores = table.rows(distance).turned(2, 0, 1).with_axes(0)  # (1, n_heads, n, n)

    def of_layer(attention: Any, seen: Value) -> Bias:
        return lambda entering: _gate(entering, attention) * scores + seen

    return of_layer


def _gate(entering: Value, attention: Any) -> Value:
    """(n_pieces, n_heads, n, 1) how much distance counts."""
    n_heads, linear = attention.num_heads, attention.gru_rel_pos_linear
    heads = entering.reshaped([0, 0, n_heads, -1]).turned(0, 2, 1, 3)
    summed = (heads @ numpy(linear.weight).T + numpy(linear.bias)).reshaped([0, 0, 0, 2, 4])
    gates = summed.sum(4).called("Sigmoid")
    first, second = (gates.part(i, i + 1, 3) for i in range(2))
    return first * (second * numpy(attention.gru_rel_pos_const) - 1) + 2


def _attention(entering: Value, attention: Any, bias: Bias, precision: Precision) -> Value:
    query = precision.dense(entering, attention.q_proj) * attention.scaling
    key, value = (precision.dense(entering, p) for p in (attention.k_proj, attention.v_proj))
    seen = attended(query, key, value, bias(entering), n_heads=attention.num_heads)
    return precision.dense(seen, attention.out_proj)


def _forward(entering: Value, layer: Any, precision: Precision) -> Value:
    wide = precision.dense(entering, layer.feed_forward.intermediate_dense).gelu()
    return precision.dense(wide, layer.feed_forward.output_dense)


def _behind(hidden: Value, layer: Any, bias: Bias, precision: Precision) -> Value:
    """A layer that normalises what it gives."""
    attended_to = hidden + _attention(hidden, layer.attention, bias, precision)
    hidden = normalised(attended_to, layer.layer_norm)
    return normalised(hidden + _forward(hidden, layer, precision), layer.final_layer_norm)


def _before(hidden: Value, layer: Any, bias: Bias, precision: Precision) -> Value:
    """A layer that normalises what it takes."""
    normed = normalised(hidden, layer.layer_norm)
    hidden = hidden + _attention(normed, layer.attention, bias, precision)
    return hidden + _forward(normalised(hidden, layer.final_layer_norm), layer, precision)
