"""What a system is given: the material of one fold, and one draw of labels.

In:  frames of a corpus, statistics of the fold's pool, perhaps encoders; a draw of labels.
Out: ``Material``, whose steps and vectors are computed once and only when asked for; ``Problem``,
     which holds no truth of a test utterance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from undertone.audio import FRAMES_PER_SECOND
from undertone.features.descriptors import describe, emphasis
from undertone.features.functionals import functionals
from undertone.training.cnn import CnnConfig
from undertone.training.discriminant import DiscriminantConfig
from undertone.training.encoder import Encoder, EncoderConfig
from undertone.training.finetune import FinetuneConfig, Labelled, pool
from undertone.training.layers import Layers
from undertone.training.normalise import Normaliser, lazily
from undertone.training.seeds import seed_torch


@dataclass
class Material:
    """What one fold offers to every draw of labels; computed once, and only when asked for.

    Attributes:
        frames: utterance to (n_frames, n_features), of the labelled corpus.
        columns: (n_features,) their names.
        normaliser: with the statistics of the fold's pool.
        shape: of the encoders.
        pretrained: the encoder pre-trained on the fold's pool; None where no system asks for it.
        seed: of the random encoder.
        crowd: speaker by utterance, of all utterances of the corpus that lie in the fold's pool.
        lazy: make steps anew whenever they are read, for speech that would fill the memory.
        frames_per_second: of the frames.
        layers: of a pre-trained encoder, where the frames are its.
    """

    frames: Callable[[str], np.ndarray]
    columns: tuple[str, ...]
    normaliser: Normaliser
    shape: EncoderConfig
    pretrained: Encoder | None
    seed: int
    crowd: Mapping[str, str] = field(default_factory=dict)
    lazy: bool = False
    frames_per_second: float = FRAMES_PER_SECOND
    layers: Layers | None = None
    _steps: dict[str, np.ndarray] = field(default_factory=dict)
    _vectors: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    def steps(self, utterances: Sequence[str]) -> list[np.ndarray]:
        """What the networks see, each (n_steps, n_features)."""
        for name in utterances:
            if name not in self._steps:
                self._steps[name] = self._make_steps(name)
        return [self._steps[name] for name in utterances]

    def _make_steps(self, utterance: str) -> np.ndarray:
        if self.lazy:
            return lazily(partial(self.frames, utterance), self.normaliser)
        return self.normaliser.apply(np.asarray(self.frames(utterance)))

    def functionals(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_values) statistics of the frames."""
        return self._cached(
            "functionals",
            utterances,
            lambda missing: np.stack(
                [functionals(np.asarray(self.frames(n)), self.columns) for n in missing]
            ),
        )

    def mean_sd(
        self, utterances: Sequence[str], describe: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """(n_utterances, 2 * n_features) what ``describe`` says of the frames."""
        return self._cached(
            "mean_sd",
            utterances,
            lambda missing: np.stack([describe(np.asarray(self.frames(n))) for n in missing]),
        )

    def descriptors(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_values) descriptors of the frames; of an encoder's, of all layers."""
        if self.layers is not None:
            return self.layers.means(utterances)
        return self._cached(
            "descriptors",
            utterances,
            lambda missing: np.stack(
                [describe(np.asarray(self.frames(n)), self.columns) for n in missing]
            ),
        )

    def emphasis(self, n_descriptors: int) -> np.ndarray:
        """(n_descriptors,) what each of the descriptors counts."""
        columns = self.columns if self.layers is None else self.layers.table.columns
        return emphasis(columns, n_descriptors)

    def pooled(
        self, encoder: str, utterances: Sequence[str], pooling: str | None = None
    ) -> np.ndarray:
        """(n_utterances, pooled_size) outputs of an encoder that is kept as it is."""
        pooling = pooling or self.shape.pooling
        return self._cached(
            f"{encoder} {pooling}",
            utterances,
            lambda missing: pool(self.encoder(encoder), self.steps(missing), pooling),
        )

    def encoder(self, name: str) -> Encoder:
        """``pretrained`` or ``random``."""
        if name == "random":
            return self._random
        assert self.pretrained is not None, "the sweep pre-trains before it asks for the encoder"
        return self.pretrained

    @cached_property
    def _random(self) -> Encoder:
        seed_torch(self.seed, "random encoder")
        n_features = len(self.normaliser.mean)
        return Encoder(n_features, self.shape.hidden_units, self.shape.layers).eval()

    def _cached(
        self, kind: str, utterances: Sequence[str], compute: Callable[[list[str]], np.ndarray]
    ) -> np.ndarray:
        missing = [name for name in utterances if (kind, name) not in self._vectors]
        if missing:
            for name, vector in zip(missing, compute(missing), strict=True):
                self._vectors[kind, name] = vector
        return np.stack([self._vectors[kind, name] for name in utterances])


@dataclass(frozen=True)
class Problem:
    """One draw of labels in one fold.

    Attributes:
        material: of the fold.
        train: utterances whose labels fit the weights.
        validation: utterances whose labels choose the epoch; with ``train`` they are the budget.
        test: utterances to predict, of speakers that no label came from.
        truth: position of each labelled utterance's emotion, or its intensities; holds no test
            utterance.
        speaker: of each labelled utterance.
        n_classes: emotions.
        finetuning: settings.
        seed: of everything random in this draw.
        discriminant: settings.
        cnn: settings.
        image_network: folder or name of the network that ``image_cnn`` starts from.
        notes: what a fit chose on its labels, such as the layer of an encoder.
    """

    material: Material
    train: list[str]
    validation: list[str]
    test: list[str]
    truth: dict[str, Any]
    speaker: dict[str, str]
    n_classes: int
    finetuning: FinetuneConfig
    seed: int
    discriminant: DiscriminantConfig = field(default_factory=DiscriminantConfig)
    cnn: CnnConfig = field(default_factory=CnnConfig)
    image_network: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def budget(self) -> list[str]:
        """All utterances whose label was seen."""
        return [*self.train, *self.validation]

    def truths(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances,) positions of the emotions."""
        return np.array([self.truth[name] for name in utterances], dtype=np.int64)

    def speakers(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances,) speakers."""
        return np.array([self.speaker[name] for name in utterances], dtype=object)

    def labelled(self, utterances: Sequence[str]) -> Labelled:
        """Steps with their truth."""
        return Labelled(
            self.material.steps(utterances), self.truths(utterances), self.speakers(utterances)
        )
