"""The encoder of Whisper, without computing thirty seconds of silence.

In:  log-mel inputs, each (n_bands, n_columns).
Out: (n_layers, n_frames, width) of each, two columns a frame.

Whisper was trained on windows of 30 seconds, speech and then silence, and its attention rests on
the silence: without it some frames take values far off. Yet silence is the same everywhere but for
its position. So half a second of it is kept behind the speech, and of the rest every tenth
position, which counts ten times in the softmax: the logarithm of ten is added to its scores.
Everything else is as in the whole window: the columns and their normalisation by the maximum, the
convolutions, the positions. The options: ``padded`` computes the whole window; ``bare`` leaves the
silence out. docs/upstream.md tells how far the three lie apart.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from undertone import device
from undertone.features.upstream import mel
from undertone.features.upstream.source import Upstream
from undertone.features.upstream.waveform import standardise

COLUMNS_A_FRAME = 2
FOLLOWING_COLUMNS = 4  # behind the last frame: what the convolutions see of them
NEAR_FRAMES = 25  # of silence that are kept behind the speech
THINNING = 10  # of the others one in so many is kept


class WhisperEncoder:
    """A loaded encoder of this kind."""

    equal_lengths_only = False

    def __init__(self, source: Upstream, module: Any) -> None:
        self.module, self.config = module, module.config
        self.hop_length, self.normalise = source.hop_length, source.normalise
        self.options = source.options
        self.window = int(module.config.max_source_positions)  # frames

    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """The log-mel columns of the whole recording and a little silence."""
        if self.normalise:
            waveform = standardise(waveform)
        n_columns = COLUMNS_A_FRAME * self.n_frames(waveform) + FOLLOWING_COLUMNS
        return mel.log_mel(waveform, n_columns, self.config.num_mel_bins)

    def n_frames(self, waveform: np.ndarray) -> int:
        """How many frames are centred within the recording."""
        return -(-len(waveform) // self.hop_length)

    def cut(self, prepared: np.ndarray, first: int, last: int) -> np.ndarray:
        """The columns that frames ``first`` to ``last`` are computed from, and one of silence."""
        stop = COLUMNS_A_FRAME * last + FOLLOWING_COLUMNS
        return np.hstack([prepared[:, COLUMNS_A_FRAME * first : stop], prepared[:, -1:]])

    def run(self, pieces: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """All layers of a batch of pieces."""
        embedded = [self._embed(piece) for piece in pieces]
        states = [torch.nn.utils.rnn.pad_sequence([e for e, _ in embedded], batch_first=True)]
        bias = _stack([b for _, b in embedded])
        for layer in self.module.layers:
            states.append(layer(states[-1], bias))
        states[-1] = self.module.layer_norm(states[-1])
        layers = torch.stack(states, dim=1).float()
        return [layers[row, :, : _n_frames(piece)] for row, piece in enumerate(pieces)]

    def _embed(self, piece: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """What enters the first layer, (n_positions, width), and what is added to its scores."""
        n, window = _n_frames(piece), self.window
        near = {(True, False): window - n, (False, True): 0}.get(
            (self.options.padded, self.options.bare), min(NEAR_FRAMES, window - n)
        )
        columns, silence = piece[:, :-1], piece[:, -1:]
        if near:
            n_silent = COLUMNS_A_FRAME * near + FOLLOWING_COLUMNS
            columns = np.hstack([columns, np.repeat(silence, n_silent, axis=1)])
        convolved = self._convolve(columns[:, : COLUMNS_A_FRAME * window])
        kept, positions = n + near, self.module.embed_positions.weight
        embedded = convolved[:kept] + positions[:kept]
        bias = torch.zeros(kept, dtype=embedded.dtype, device=embedded.device)
        if near and (rest := window - kept):
            far = positions[kept + min(THINNING, rest) // 2 :: THINNING]
            embedded = torch.cat([embedded, convolved[kept] + far])
            weight = float(np.log(rest / len(far)))
            bias = torch.cat([bias, bias.new_full([len(far)], weight)])
        return embedded, bias

    def _convolve(self, columns: np.ndarray) -> torch.Tensor:
        """(n_frames, width)."""
        where = device.place_of(self.module)
        inputs = torch.from_numpy(np.ascontiguousarray(columns)).to(where, self.module.dtype)[None]
        inputs = functional.gelu(self.module.conv1(inputs))
        return functional.gelu(self.module.conv2(inputs))[0].T


def _n_frames(piece: np.ndarray) -> int:
    return (piece.shape[1] - 1 - FOLLOWING_COLUMNS) // COLUMNS_A_FRAME


def _stack(biases: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """(batch, 1, 1, longest) to be added to the scores; None where it is 0 throughout."""
    longest = max(len(bias) for bias in biases)
    never = torch.finfo(biases[0].dtype).min
    stacked = torch.stack(
        [functional.pad(bias, (0, longest - len(bias)), value=never) for bias in biases]
    )
    return stacked[:, None, None] if stacked.any() else None
