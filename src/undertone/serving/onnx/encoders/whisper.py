"""The encoder of Whisper in a graph, from the waveform on.

In:  waveforms (batch, n_samples), their lengths; the encoder as ``features.upstream.whisper`` runs
     it: half a second of silence behind the speech and every tenth position of the rest.
Out: frames (batch, n_frames, n_layers * width).

Positions of the thinned silence come first, and their number and that of the others is rounded up
to whole lanes: what a batch adds are zeros behind everything else, so that a sum over positions is
the same to the last bit whoever is in the batch.
"""

from typing import Any

import numpy as np

from undertone.errors import UndertoneError
from undertone.features.upstream.batches import PIECE_FRAMES
from undertone.features.upstream.whisper import (
    COLUMNS_A_FRAME,
    FOLLOWING_COLUMNS,
    NEAR_FRAMES,
    THINNING,
    WhisperEncoder,
)
from undertone.serving.onnx.encoders.layers import (
    NEVER,
    Precision,
    attended,
    normalised,
    numpy,
)
from undertone.serving.onnx.encoders.mel import log_mel
from undertone.serving.onnx.encoders.pieces import Pieces
from undertone.serving.onnx.frames import gathered
from undertone.serving.onnx.nodes import FLOAT, Value

LANES = 32  # numbers that a processor adds side by side, at most
FEWEST = 128  # positions: products of fewer are summed in another order
LAST = 2**31  # behind every position


def check(encoder: WhisperEncoder, name: str) -> None:
    """Refuse an encoder whose window a piece would fill.

    Raises:
        UndertoneError: says so.
    """
    if encoder.window <= PIECE_FRAMES + NEAR_FRAMES:
        raise UndertoneError(
            f"the window of {name} has {encoder.window} frames, where a graph needs more than "
            f"{PIECE_FRAMES + NEAR_FRAMES}: take an encoder with Whisper's own window of 30 s"
        )


def n_frames(lengths: Value, encoder: WhisperEncoder) -> Value:
    """(batch,) frames of waveforms of so many samples."""
    return lengths.rounded_up(encoder.hop_length)


def states(
    waveforms: Value, pieces: Pieces, encoder: WhisperEncoder, precision: Precision
) -> list[Value]:
    """All layers of all pieces, each (n_pieces, n_positions, width)."""
    columns = pieces.lengths * COLUMNS_A_FRAME + FOLLOWING_COLUMNS
    mel = log_mel(waveforms, columns, encoder.config.num_mel_bins)
    convolved = _convolved(_cut(mel, columns, pieces, encoder), encoder)
    embedded, bias = _embedded(convolved, pieces, encoder)
    found = [embedded]
    for layer in encoder.module.layers:
        found.append(_layer(found[-1], bias, layer, precision))
    if type(encoder.module.layer_norm).__name__ != "Identity":
        found[-1] = normalised(found[-1], encoder.module.layer_norm)
    first = _n_far(encoder)
    return [state.part(first, LAST, 1) for state in found] if first else found


def _n_far(encoder: WhisperEncoder) -> int:
    """Positions of thinned silence, in whole lanes."""
    if encoder.options.padded or encoder.options.bare:
        return 0
    return _in_lanes(-(-encoder.window // THINNING))


def _in_lanes(n: Any) -> Any:
    """The next multiple of ``LANES``, of a number or a value."""
    return (n + (LANES - 1)) // LANES * LANES if isinstance(n, int) else n.rounded_up(LANES) * LANES


def _near(encoder: WhisperEncoder) -> int:
    """Frames of silence that are computed behind a piece, but for ``padded``."""
    return 0 if encoder.options.bare else NEAR_FRAMES


def _cut(mel: Value, columns: Value, pieces: Pieces, encoder: WhisperEncoder) -> Value:
    """(n_pieces, n_columns, n_bands): a piece's own columns, then its recording's silence."""
    graph, most = mel.graph, _in_lanes((pieces.sizes.max(0) + _near(encoder)).at_least(FEWEST))
    n = most * COLUMNS_A_FRAME + 2 * FOLLOWING_COLUMNS
    if encoder.options.padded:
        n = graph.constant(COLUMNS_A_FRAME * encoder.window)
    place, row = graph.count(n).with_axes(0), pieces.recording().with_axes(1)
    own = place < (pieces.sizes * COLUMNS_A_FRAME + FOLLOWING_COLUMNS).with_axes(1)
    silence = columns.rows(pieces.recording()).with_axes(1) - 1
    first = (pieces.flat(pieces.first) * COLUMNS_A_FRAME).with_axes(1)
    return gathered(mel, row, (first + place).where(own, silence))


def _convolved(columns: Value, encoder: WhisperEncoder) -> Value:
    """(n_pieces, n_frames, width)."""
    graph, values = columns.graph, columns.turned(0, 2, 1)
    for convolution in (encoder.module.conv1, encoder.module.conv2):
        weights = (graph.constant(numpy(part)) for part in (convolution.weight, convolution.bias))
        strides = list(convolution.stride)
        values = graph.node("Conv", values, *weights, strides=strides, pads=[1, 1]).gelu()
    return values.turned(0, 2, 1)


def _embedded(convolved: Value, pieces: Pieces, encoder: WhisperEncoder) -> tuple[Value, Value]:
    """What enters the first layer, and what is added to its scores, (n_pieces, 1, 1, n)."""
    graph, window = convolved.graph, encoder.window
    positions = numpy(encoder.module.embed_positions.weight)
    if encoder.options.padded:
        return convolved + positions, graph.constant(np.zeros((1, 1, 1, 1), np.float32))
    kept = (pieces.sizes + _near(encoder)).with_axes(1)
    most = _in_lanes(kept.max(0, 1).at_least(FEWEST))
    place = graph.count(most).with_axes(0)
    near = convolved.rows(graph.count(most), axis=1)
    near = near + graph.constant(positions).rows(graph.count(most).at_most(window - 1))
    bias = graph.constant(0, FLOAT).where(place < kept, NEVER)
    if encoder.options.bare:
        return near, bias.with_axes(1, 2)
    rest = graph.constant(window) - kept
    start = kept + rest.at_most(THINNING) / 2
    n_far = (graph.constant(window) - start).rounded_up(THINNING)
    order = graph.count(graph.constant(_n_far(encoder)))
    spots = start + order.with_axes(0) * THINNING
    row = graph.count(convolved.size(0)).with_axes(1)
    silent = gathered(convolved, row, kept)
    far = silent + graph.constant(positions).rows(spots.at_most(window - 1))
    weight = (rest.to(FLOAT) / n_far.to(FLOAT)).called("Log")
    bias_far = weight.where(order.with_axes(0) < n_far, NEVER)
    return graph.stacked([far, near], 1), graph.stacked([bias_far, bias], 1).with_axes(1, 2)


def _layer(hidden: Value, bias: Value, layer: Any, precision: Precision) -> Value:
    attention = layer.self_attn
    normed = normalised(hidden, layer.self_attn_layer_norm)
    query = precision.dense(normed, attention.q_proj) * attention.scaling
    key, value = (precision.dense(normed, p) for p in (attention.k_proj, attention.v_proj))
    seen = attended(query, key, value, bias, n_heads=attention.num_heads)
    hidden = hidden + precision.dense(seen, attention.out_proj)
    wide = precision.dense(normalised(hidden, layer.final_layer_norm), layer.fc1).gelu()
    return hidden + precision.dense(wide, layer.fc2)
