"""The encoder of Whisper, on the recording's own length.

In:  log-mel inputs, each (n_bands, n_columns).
Out: (n_layers, n_frames, width) of each, two columns a frame.

Whisper was trained on 30 seconds, speech and then silence, and computes them whatever is said.
Here it sees the speech alone: the columns are those of the padded recording (so is the
normalisation by the maximum), the convolutions see the silence behind the last frame, the positions
are the first ones, and attention stays within the speech. That is several times quicker on short
utterances, and not the same: attention no longer sees the silence. The option ``padded`` gives the
original; docs/upstream.md tells how far they lie apart.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from undertone.features.upstream import mel
from undertone.features.upstream.source import Upstream
from undertone.features.upstream.waveform import standardise

COLUMNS_A_FRAME = 2
SILENT_COLUMNS = 4  # behind the last frame: what the convolutions see of the silence


class WhisperEncoder:
    """A loaded encoder of this kind."""

    equal_lengths_only = False

    def __init__(self, source: Upstream, module: Any) -> None:
        self.module, self.config = module, module.config
        self.hop_length, self.normalise = source.hop_length, source.normalise
        self.padded = source.options.padded

    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """The log-mel columns of the whole recording and a little silence."""
        if self.normalise:
            waveform = standardise(waveform)
        n_columns = COLUMNS_A_FRAME * self.n_frames(waveform) + SILENT_COLUMNS
        return mel.log_mel(waveform, n_columns, self.config.num_mel_bins)

    def n_frames(self, waveform: np.ndarray) -> int:
        """How many frames are centred within the recording."""
        return -(-len(waveform) // self.hop_length)

    def cut(self, prepared: np.ndarray, first: int, last: int) -> np.ndarray:
        """The columns that frames ``first`` to ``last`` are computed from."""
        columns = prepared[:, COLUMNS_A_FRAME * first : COLUMNS_A_FRAME * last + SILENT_COLUMNS]
        if self.padded:
            silence = np.repeat(prepared[:, -1:], self._most_columns, axis=1)
            columns = np.concatenate([columns, silence], axis=1)
        return columns[:, : self._most_columns]

    def run(self, pieces: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """All layers of a batch of pieces."""
        embedded, sizes = self._embed(pieces)
        mask = _attention_mask(sizes, embedded)
        states = [embedded]
        for layer in self.module.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.module.layer_norm(states[-1])
        layers = torch.stack(states, dim=1).float()
        return [layers[row, :, :size] for row, size in enumerate(sizes)]

    @property
    def _most_columns(self) -> int:
        return COLUMNS_A_FRAME * int(self.config.max_source_positions)

    def _embed(self, pieces: Sequence[np.ndarray]) -> tuple[torch.Tensor, list[int]]:
        """What enters the first layer, (batch, longest, width), and the frames of each piece."""
        longest = max(piece.shape[1] for piece in pieces)
        columns = np.zeros((len(pieces), len(pieces[0]), longest), np.float32)
        for row, piece in enumerate(pieces):
            columns[row, :, : piece.shape[1]] = piece
        inputs = torch.from_numpy(columns).to(self.module.dtype)
        inputs = functional.gelu(self.module.conv1(inputs))
        inputs = functional.gelu(self.module.conv2(inputs)).transpose(1, 2)
        sizes = [self._frames_of(piece) for piece in pieces]
        inputs = inputs[:, : max(sizes)]
        return inputs + self.module.embed_positions.weight[: inputs.shape[1]], sizes

    def _frames_of(self, piece: np.ndarray) -> int:
        """A whole window holds its silence; a shorter piece ends where the speech does."""
        if piece.shape[1] == self._most_columns:
            return int(self.config.max_source_positions)
        return (piece.shape[1] - SILENT_COLUMNS) // COLUMNS_A_FRAME


def _attention_mask(sizes: Sequence[int], states: torch.Tensor) -> torch.Tensor | None:
    """(batch, 1, 1, longest) to be added to the scores; None where nothing is padding."""
    lengths = torch.tensor(sizes)
    if int(lengths.min()) == states.shape[1]:
        return None
    real = torch.arange(states.shape[1])[None] < lengths[:, None]
    mask = torch.zeros(real.shape, dtype=states.dtype)
    return mask.masked_fill(~real, torch.finfo(states.dtype).min)[:, None, None]
