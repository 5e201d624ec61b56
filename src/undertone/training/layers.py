"""The layers of a pre-trained encoder: which one a head sees, and its choice on the labels.

In:  frames and vectors of all layers; labels.
Out: the steps or the vector of an utterance in one layer; the layer that the labels speak for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from undertone.features import shards
from undertone.features.store import FrameTable
from undertone.training.classic import out_of_fold_likelihood


@dataclass(frozen=True)
class Layers:
    """All layers of one corpus.

    Attributes:
        table: frames of all layers.
        vectors: (n_layers, n_values) of each utterance, in place of frames.
        n_layers: of the encoder.
        candidates: the one asked for, or those that each fit chooses from.
    """

    table: FrameTable
    vectors: FrameTable
    n_layers: int
    candidates: range

    def frames(self, layer: int, utterance: str) -> np.ndarray:
        """(n_frames, width) of one layer."""
        place = self.table.source[utterance]
        assert isinstance(place, shards.Place)
        first = place.first + layer * place.n_frames
        return np.asarray(shards.read(replace(place, first=first, n_layers=1)), dtype=np.float32)

    def of(self, layer: int, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_values) vectors in one layer."""
        return np.stack([self.vectors.frames(name)[layer] for name in utterances])

    def means(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_layers * width) means over time of all layers, side by side."""
        found = np.stack([self.vectors.frames(name) for name in utterances])
        return found[:, :, : found.shape[2] // 2].reshape(len(found), -1)


def choose(
    layers: Layers,
    utterances: Sequence[str],
    *,
    truth: np.ndarray,
    speakers: np.ndarray,
    seed: int,
) -> int:
    """The candidate in which a linear model predicts held-out labels best, by cross-validation.

    Folds are by speaker where there are enough of them, and hold nothing but these labels; the
    score is the mean log probability of the truth. The middle layer where there are too few labels
    to tell.
    """
    candidates = layers.candidates
    if len(candidates) == 1:
        return candidates[0]
    scores = [
        out_of_fold_likelihood(layers.of(k, utterances), truth, speakers=speakers, seed=seed)
        for k in candidates
    ]
    if np.isnan(scores).any():
        return candidates[len(candidates) // 2]
    return candidates[int(np.argmax(scores))]
