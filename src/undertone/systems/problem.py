"""What a system is given: the material of one fold, and one draw of labels.

In:  frames of a corpus, statistics of the fold's pool, perhaps encoders; a draw of labels.
Out: ``Material``, whose steps and vectors are computed once and only when asked for; ``Problem``,
     which holds no truth of a test utterance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from undertone.audio import FRAMES_PER_SECOND
from undertone.features import samples
from undertone.features.descriptors import describe, emphasis
from undertone.features.functionals import functionals
from undertone.features.vectors import mean_sd
from undertone.models.shape import EncoderConfig
from undertone.models.voices import Voices
from undertone.systems.layers import Layers, choose
from undertone.tasks import CHOICE, Task
from undertone.tasks.draws import LabelDraw
from undertone.training.normalise import Normaliser, lazily
from undertone.training.seeds import seed_torch

if TYPE_CHECKING:
    from undertone.features.workers import Recording
    from undertone.models.encoder import Encoder
    from undertone.systems.words import Words
    from undertone.training.supervised import Labelled

PRETRAINED, RANDOM = "pretrained", "random"  # starts of an encoder
DESCRIPTORS, TEACHER = "descriptors", "teacher"  # blocks: of the frames, and what a teacher hears


@dataclass
class Material:
    """What one fold offers to every draw of labels; computed once, and only when asked for.

    Attributes:
        frames: utterance to (n_frames, n_features), of the labelled corpus.
        columns: (n_features,) their names.
        normaliser: with the statistics of the fold's pool.
        shape: of the encoders.
        encoders: by start: the one pre-trained on the fold's pool, where a system asks for it.
        seed: of the random encoder.
        crowd: speaker by utterance, of all utterances of the fold's training speakers.
        lazy: make steps anew whenever they are read, for speech that would fill the memory.
        frames_per_second: of the frames.
        layers: of a pre-trained encoder, where the frames are its.
        teacher: all layers of another encoder, which teaches these frames.
        elsewhere: speaker by utterance, of unlabelled speech of other corpora.
        words: of the transcripts, where they are to be used.
        recordings: of utterances, where a system hears them; else frames are taken for audio.
        copies: by utterance, names of its copies that differ by the recording alone.
        together: by utterance, those that go through an encoder with it: sums are rounded otherwise
            in other company, and which labels a process meets first must change no number.
        described: vectors by their kind and utterance that depend on its frames alone; folds share
            them.
    """

    frames: Callable[[str], np.ndarray]
    columns: tuple[str, ...]
    normaliser: Normaliser
    shape: EncoderConfig
    encoders: "Mapping[str, Encoder]" = field(default_factory=dict)
    seed: int = 0
    crowd: Mapping[str, str] = field(default_factory=dict)
    lazy: bool = False
    frames_per_second: float = FRAMES_PER_SECOND
    layers: Layers | None = None
    teacher: Layers | None = None
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    words: "Words | None" = None
    recordings: "Mapping[str, Recording]" = field(default_factory=dict)
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    together: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    described: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    _steps: dict[str, np.ndarray] = field(default_factory=dict)
    _vectors: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    _voices: dict[object, Voices] = field(default_factory=dict, init=False)  # of this crowd

    def steps(self, utterances: Sequence[str]) -> list[np.ndarray]:
        """What the networks see, each (n_steps, n_features)."""
        for name in utterances:
            if name not in self._steps:
                frames = partial(self.frames, name)
                self._steps[name] = (
                    lazily(frames, self.normaliser)
                    if self.lazy
                    else self.normaliser.apply(np.asarray(frames()))
                )
        return [self._steps[name] for name in utterances]

    def forget_steps(self) -> None:
        """Keep what is small: vectors, and whose voice is whose."""
        self._steps.clear()

    def frames_of(self, utterance: str, layer: int | None) -> np.ndarray:
        """(n_frames, width) of one layer of an encoder, or of the one that there is."""
        if layer is None or self.layers is None:
            return np.asarray(self.frames(utterance))
        return self.layers.frames(layer, utterance)

    def waveform(self, utterance: str) -> np.ndarray:
        """(n_samples,) of a recording, on the frame grid, or of frames that are its samples."""
        if utterance not in self.recordings:
            return samples.joined(self.frames(utterance))
        from undertone.features import workers  # it brings the extractors

        return samples.joined(samples.extract(workers.read(self.recordings[utterance])))

    def functionals(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_values) statistics of the frames."""
        return self._each(
            "functionals", utterances, lambda frames: functionals(frames, self.columns)
        )

    def mean_sd(self, utterances: Sequence[str], layer: int | None = None) -> np.ndarray:
        """(n_utterances, 2 * width) mean and standard deviation over time, of one layer."""
        if layer is not None and self.layers is not None:
            return self.layers.of(layer, utterances)
        return self._each("mean_sd", utterances, mean_sd)

    def mean(self, utterances: Sequence[str], layer: int | None) -> np.ndarray:
        """(n_utterances, width) mean over time, of one layer of an encoder."""
        assert self.layers is not None, "means are taken of an encoder's layers"
        assert layer is not None, "one of them"
        return self.layers.mean(layer, utterances)

    def descriptors(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_values) descriptors of the frames; of an encoder's, of all layers."""
        if self.layers is not None:
            return self.layers.means(utterances)
        return self._each("descriptors", utterances, lambda frames: describe(frames, self.columns))

    def heard_by_teacher(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_values) means over time of the teacher's layers."""
        assert self.teacher is not None, "a system that needs a teacher was given none"
        return self.teacher.means(utterances)

    def emphasis(self, n_values: int, block: str = DESCRIPTORS) -> np.ndarray:
        """(n_values,) what each value of a block counts."""
        layers = self.teacher if block == TEACHER else self.layers
        return emphasis(self.columns, n_values) if layers is None else layers.emphasis()

    def words_of(self, utterances: Sequence[str], *, shuffled: bool = False) -> np.ndarray:
        """(n_utterances, n_values) of the transcripts; NaN where the words are not known."""
        assert self.words is not None, "who reads words is asked for where they are given"
        return self.words.of_others(utterances) if shuffled else self.words.of(utterances)

    def pooled(
        self, start: str, utterances: Sequence[str], pooling: str | None = None
    ) -> np.ndarray:
        """(n_utterances, pooled_size) outputs of an encoder that is kept as it is."""
        from undertone.models.network import encode  # it brings torch

        pooling = pooling or self.shape.pooling
        kind = f"{start} {pooling}"
        for group in dict.fromkeys(self.together.get(name, (name,)) for name in utterances):
            if (kind, group[0]) not in self._vectors:
                vectors = encode(self.encoder(start), self.steps(group), pooling)
                self._vectors |= {(kind, n): v for n, v in zip(group, vectors, strict=True)}
        return np.stack([self._vectors[kind, name] for name in utterances])

    def encoder(self, start: str) -> "Encoder":
        """``PRETRAINED`` or ``RANDOM``."""
        if start in self.encoders:
            return self.encoders[start]
        assert start == RANDOM, "the sweep pre-trains before it asks for the encoder"
        return self._random

    @cached_property
    def _random(self) -> "Encoder":
        from undertone.models.encoder import Encoder

        seed_torch(self.seed, "random encoder")
        n_features = len(self.normaliser.mean)
        return Encoder(n_features, self.shape.hidden_units, self.shape.layers).eval()

    def voices(
        self, key: object, vectors: Callable[[Sequence[str]], np.ndarray], count: float
    ) -> Voices:
        """What is each training speaker's own in some vectors, named by a key."""
        if (key, count) not in self._voices:
            names = list(self.crowd)
            self._voices[key, count] = Voices.of(
                vectors(names), list(map(self.voice, names)), count=count
            )
        return self._voices[key, count]

    def voice(self, utterance: str) -> str | None:
        """Who speaks, of the crowd; None of anybody else, and where nobody knows."""
        if (who := self.crowd.get(utterance)) is None:
            return None
        from undertone.corpora.corpus import knows  # pandas, which serving does without

        return who if knows(who) else None

    def _each(
        self, kind: str, utterances: Sequence[str], compute: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        for name in utterances:
            if (kind, name) not in self.described:
                self.described[kind, name] = compute(np.asarray(self.frames(name)))
        return np.stack([self.described[kind, name] for name in utterances])


@dataclass(frozen=True)
class Problem:
    """One draw of labels in one fold.

    Attributes:
        material: of the fold.
        task: what is predicted.
        labels: whose labels fit the weights, and whose choose the epoch; together the budget.
        test: utterances to predict, of speakers that no label came from.
        truth: (n_outputs,) of each labelled utterance; holds no test utterance.
        speaker: of each labelled utterance.
        seed: of everything random in this draw.
        shares: (n_outputs,) of each label in which several emotions have a part; who cannot learn
            from these takes the truth.
    """

    material: Material
    task: Task
    labels: LabelDraw
    test: list[str]
    truth: Mapping[str, np.ndarray]
    speaker: Mapping[str, str]
    seed: int
    shares: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def n_outputs(self) -> int:
        return len(self.task.outputs)

    @property
    def budget(self) -> list[str]:
        """All utterances whose label was seen."""
        return self.labels.utterances

    def truths(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_outputs) float32; of classes 1 for the true one."""
        truth = np.array([self.truth[name] for name in utterances], dtype=np.float32)
        return truth.reshape(len(utterances), self.n_outputs)

    def positions(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances,) the true class of each."""
        return self.truths(utterances).argmax(axis=1)

    def speakers(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances,) speakers."""
        return np.array([self.speaker[name] for name in utterances], dtype=object)

    def labelled(
        self, utterances: Sequence[str], steps: Callable[[Sequence[str]], list[np.ndarray]]
    ) -> "Labelled":
        """What ``steps`` makes of utterances, with their truth."""
        from undertone.training.supervised import Labelled

        return Labelled(
            steps(utterances) if utterances else [],
            self.truths(utterances),
            self.speakers(utterances),
        )

    @cached_property
    def layer(self) -> int | None:
        """The encoder's layer that these labels speak for; None where frames have no layers."""
        layers = self.material.layers
        if layers is None:
            return None
        return choose(
            layers,
            self.budget,
            truth=(self.positions if self.task.kind == CHOICE else self.truths)(self.budget),
            speakers=self.speakers(self.budget),
            seed=self.seed,
        )
