"""Frames of pre-trained speech encoders: wav2vec 2.0, HuBERT, WavLM, data2vec, Whisper.

In:  a waveform, shape (n_samples,), at ``audio.SAMPLE_RATE``, and a folder of the Hugging Face
     layout (``config.json``, ``preprocessor_config.json``, weights), or a name on its hub.
Out: (n_layers, n_frames, width) float16: layer 0 is what enters the first transformer layer, layer
     k what leaves the k-th; the last one of Whisper after the encoder's final normalisation.

``source`` says which model a name means, ``waveform`` and ``whisper`` how the two kinds of models
are run, ``batches`` how many recordings of any length go through one. ``shrink`` makes a smaller
encoder of one, ``cut`` is what that says of itself, ``int8`` rounds its weights. Torch and
transformers are imported where a model is loaded, never before.
"""

from collections.abc import Sequence

import numpy as np

from undertone.features.name import Options
from undertone.features.upstream.source import Upstream, find

__all__ = ["VERSION", "Options", "Upstream", "compute", "find"]

VERSION = 1  # raise it when the same weights give other frames


def compute(waveforms: Sequence[np.ndarray], *, model: Upstream) -> list[np.ndarray]:
    """All layers of every waveform, each (n_layers, n_frames, width) float16."""
    from undertone.features.upstream.batches import compute_layers  # it brings torch

    return compute_layers(waveforms, model)
