"""Encoders that read the waveform: wav2vec 2.0, HuBERT, DistilHuBERT, WavLM, data2vec-audio.

In:  prepared waveforms, each (n_samples,).
Out: (n_layers, n_frames, width) of each.

Padding is where these models differ, and where it goes wrong in practice:

* "feat_extract_norm": "group" (most base models) normalises each channel over time, so that zeros
  behind an utterance change all of it, mask or not: such a batch holds equal lengths only.
* data2vec-audio has several convolutions over positions, each of which sees what the one before
  made of the padding: equal lengths only, too.
* the others ("layer") are padded with zeros and get a mask; the result is that of one by one.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from undertone import device
from undertone.features.upstream.source import Upstream, n_frames

VARIANCE_FLOOR = 1e-7


class WaveformEncoder:
    """A loaded encoder of this kind."""

    def __init__(self, source: Upstream, module: Any) -> None:
        self.module, self.config = module, module.config
        self.hop_length, self.normalise = source.hop_length, source.normalise
        self.field_length = round(2 * source.first_centre) + 1
        self.equal_lengths_only = (
            source.family == "data2vec-audio" or self.config.feat_extract_norm == "group"
        )

    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """The whole utterance as the model expects it."""
        return standardise(waveform) if self.normalise else waveform

    def n_frames(self, waveform: np.ndarray) -> int:
        """How many frames the utterance has."""
        return n_frames(vars(self.config), len(waveform))

    def cut(self, prepared: np.ndarray, first: int, last: int) -> np.ndarray:
        """The samples that frames ``first`` to ``last`` are computed from."""
        stop = (last - 1) * self.hop_length + self.field_length
        if last == self.n_frames(prepared):
            stop = len(prepared)
        return prepared[first * self.hop_length : stop]

    def run(self, pieces: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """All layers of a batch of pieces."""
        lengths = torch.tensor([len(piece) for piece in pieces])
        longest = int(lengths.max())
        where = device.place_of(self.module)
        samples = torch.zeros(len(pieces), longest, dtype=self.module.dtype)
        for row, piece in enumerate(pieces):
            samples[row, : len(piece)] = torch.from_numpy(piece)
        options: dict[str, Any] = {}
        if int(lengths.min()) < longest:
            options["attention_mask"] = (
                (torch.arange(longest)[None] < lengths[:, None]).long().to(where)
            )
        with warnings.catch_warnings():  # WavLM hands torch a mask in the older of two forms
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
            states = self.module(
                samples.to(where), output_hidden_states=True, **options
            ).hidden_states
        layers = torch.stack(states, dim=1).float()
        sizes = [n_frames(vars(self.config), len(piece)) for piece in pieces]
        return [layers[row, :, :size] for row, size in enumerate(sizes)]


def standardise(waveform: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1, over the whole utterance."""
    centred = waveform - waveform.mean()
    return centred / np.sqrt(waveform.var() + VARIANCE_FLOOR)
