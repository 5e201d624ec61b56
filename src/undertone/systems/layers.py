"""The layers of a pre-trained encoder: which one a head sees, and its choice on the labels.

In:  frames and vectors of all layers; labels.
Out: the steps or the vector of an utterance in one layer; the layer that the labels speak for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from undertone.features import shards
from undertone.features.descriptors import emphasis

if TYPE_CHECKING:
    from undertone.features.store import FrameTable


@dataclass(frozen=True)
class Layers:
    """All layers of one corpus.

    Attributes:
        table: frames of all layers, or what is told of them.
        vectors: (n_layers, n_values) of each utterance, in place of frames.
        n_layers: of the encoder.
        candidates: the one asked for, or those that each fit chooses from.
        n_original: of the encoder that this one was cut from; 0 where it is whole.
        spoken: frames of neighbouring layers from ``first`` on, where ``table`` holds none.
        first: of the layers in ``spoken``.
    """

    table: "FrameTable"
    vectors: "FrameTable"
    n_layers: int
    candidates: range
    n_original: int = 0
    spoken: "FrameTable | None" = None
    first: int = 0

    @property
    def n_layers_of_whole(self) -> int:
        """Layers of the encoder before anything was cut."""
        return self.n_original or self.n_layers

    def frames(self, layer: int, utterance: str) -> np.ndarray:
        """(n_frames, width) of one layer."""
        place = (self.spoken or self.table).source[utterance]
        assert isinstance(place, shards.Place), "who reads frames of an encoder says so in its row"
        assert 0 <= layer - self.first < place.n_layers, "frames of the candidates are kept"
        first = place.first + (layer - self.first) * place.n_frames
        return np.asarray(shards.read(replace(place, first=first, n_layers=1)), dtype=np.float32)

    def of(self, layer: int, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_values) vectors in one layer."""
        return np.stack([self.vectors.frames(name)[layer] for name in utterances])

    def mean(self, layer: int, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, width) means over time in one layer."""
        vectors = self.of(layer, utterances)
        return vectors[:, : vectors.shape[1] // 2]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the values of ``means``."""
        width = len(self.table.columns) // self.n_layers
        return self.table.columns[self.candidates.start * width : self.candidates.stop * width]

    def means(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_candidates * width) means over time of the candidates, side by side."""
        vectors = np.stack([self.vectors.frames(name) for name in utterances])
        means = vectors[:, self.candidates.start : self.candidates.stop, : vectors.shape[2] // 2]
        return means.reshape(len(means), -1)

    def emphasis(self) -> np.ndarray:
        """(n_candidates * width,) what each of the means counts."""
        columns = self.columns
        return emphasis(columns, len(columns), n_layers=self.n_layers_of_whole)

    def with_others(self, others: Mapping[str, "Layers"]) -> "Layers":
        """The same with the utterances of other corpora, each behind a prefix."""
        tables = {prefix: of_one.table for prefix, of_one in others.items()}
        spoken = {prefix: of_one.spoken for prefix, of_one in others.items() if of_one.spoken}
        vectors = {prefix: of_one.vectors for prefix, of_one in others.items()}
        return replace(
            self,
            table=self.table.with_others(tables),
            vectors=self.vectors.with_others(vectors),
            spoken=self.spoken and self.spoken.with_others(spoken),
        )


def choose(
    layers: Layers, utterances: Sequence[str], *, truth: np.ndarray, speakers: np.ndarray, seed: int
) -> int:
    """The candidate in which a linear model predicts held-out labels best, by cross-validation.

    Folds are by speaker where there are enough of them, and hold nothing but these labels; the
    score is the mean log probability of the true classes, or less the squared error of amounts. The
    middle layer where there are too few labels to tell.

    Args:
        layers: of the encoder.
        utterances: that have a label.
        truth: (n_utterances,) positions of classes, or (n_utterances, n_outputs) amounts.
        speakers: (n_utterances,) who spoke.
        seed: of the folds.
    """
    candidates = layers.candidates
    if len(candidates) == 1:
        return candidates[0]
    from undertone.models import linear_and_svm  # no scikit-learn to serve

    score = partial(linear_and_svm.out_of_fold_fit, truth=truth, speakers=speakers)
    if truth.ndim == 1:
        score = partial(
            linear_and_svm.out_of_fold_likelihood, truth=truth, speakers=speakers, seed=seed
        )
    scores = [score(layers.of(k, utterances)) for k in candidates]
    if np.isnan(scores).any():
        return candidates[len(candidates) // 2]
    return candidates[int(np.argmax(scores))]
