"""The frames that a model reads of an encoder, from the waveform on.

In:  ``waveforms`` (batch, n_samples) and ``lengths`` (batch,), inputs of a graph; an encoder.
Out: ``Frames``, rounded to half precision as those that the package computes and keeps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from undertone.errors import UndertoneError
from undertone.features.name import PREFIX, FeatureName
from undertone.features.upstream.batches import HALF_MAX, load
from undertone.features.upstream.source import Upstream, find
from undertone.features.upstream.waveform import VARIANCE_FLOOR, WaveformEncoder
from undertone.features.upstream.whisper import WhisperEncoder
from undertone.serving.onnx.encoders import waveform, whisper
from undertone.serving.onnx.encoders.layers import Precision
from undertone.serving.onnx.encoders.pieces import Pieces
from undertone.serving.onnx.frames import Frames
from undertone.serving.onnx.nodes import FLOAT, HALF, Value


@dataclass(frozen=True)
class Opened:
    """An encoder that a graph can repeat.

    Attributes:
        source: which it is, and which layers are read.
        encoder: loaded.
    """

    source: Upstream
    encoder: WhisperEncoder | WaveformEncoder


def opened(name: FeatureName) -> Opened:
    """The encoder that features name, loaded.

    Raises:
        UndertoneError: no graph repeats what it computes.
    """
    source = find(name)
    if source.int8:
        raise UndertoneError(
            f"the encoder {source.folder} rounds to 8 bits in PyTorch's own way, which no graph "
            "repeats to 1e-4: shrink it again without --int8, train on that, and give --int8 to "
            "`undertone export`"
        )
    if source.options.bfloat16:
        raise UndertoneError(
            "frames of +bfloat16 are rounded in PyTorch's own way, which no graph repeats to 1e-4: "
            f"train on {PREFIX}{name.model}@{name.layers} and export that"
        )
    encoder = load(source)
    if isinstance(encoder, WhisperEncoder):
        whisper.check(encoder, str(name))
        return Opened(source, encoder)
    assert isinstance(encoder, WaveformEncoder), "there are two kinds"
    waveform.check(encoder, str(name))
    return Opened(source, encoder)


def heard(waveforms: Value, lengths: Value, opened: Opened, precision: Precision) -> Frames:
    """The frames of the layers that a model reads, side by side."""
    source, encoder = opened.source, opened.encoder
    own = Frames(waveforms.with_axes(2), lengths).silenced().values
    waveforms = own.reshaped([0, -1])
    if source.normalise:
        waveforms = _standardised(waveforms, lengths)
    kind: Any = whisper if isinstance(encoder, WhisperEncoder) else waveform
    pieces = Pieces.of(lengths, kind.n_frames(lengths, encoder))
    states = kind.states(waveforms, pieces, encoder, precision)
    chosen = waveforms.graph.stacked([states[layer] for layer in source.layers], 2)
    limits = (waveforms.graph.constant(end, FLOAT) for end in (-HALF_MAX, HALF_MAX))
    kept = waveforms.graph.node("Clip", chosen, *limits).to(HALF).to(FLOAT)
    return pieces.joined(kept)


def _standardised(waveforms: Value, lengths: Value) -> Value:
    """As ``features.upstream.waveform.standardise``; 0 behind each waveform."""
    n = lengths.to(FLOAT).with_axes(1)
    real = Frames(waveforms.with_axes(2), lengths).real().reshaped([0, -1])
    centred = (waveforms - waveforms.sum(1, keep=True) / n).where(real, 0)
    variance = (centred * centred).sum(1, keep=True) / n
    return centred / (variance + np.float32(VARIANCE_FLOOR)).sqrt()
