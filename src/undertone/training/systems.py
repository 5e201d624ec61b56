"""The systems that a learning curve compares: each fits the same labels and predicts the same test.

In:  a ``Problem``: one fold's material and one draw of labels.
Out: class probabilities (n_test, n_classes).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from undertone.audio import FRAMES_PER_SECOND
from undertone.evaluation.results import System
from undertone.features.descriptors import describe, emphasis
from undertone.features.functionals import functionals
from undertone.training.classic import fit_logistic, fit_svm
from undertone.training.cnn import CnnConfig
from undertone.training.combined import POOLING, emphasis_of
from undertone.training.discriminant import (
    Crowd,
    Discriminant,
    DiscriminantConfig,
    fit_discriminant,
    temperature_of,
)
from undertone.training.encoder import Encoder, EncoderConfig
from undertone.training.finetune import (
    FinetuneConfig,
    Labelled,
    finetune,
    pool,
    probabilities,
)
from undertone.training.heads import fit_frames, fit_pictures, fit_vectors
from undertone.training.layers import Layers
from undertone.training.normalise import Normaliser, lazily
from undertone.training.seeds import generator, seed_of, seed_torch

N_GROUPS = 5  # of speakers, to find how sure a combined classifier may be


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


def fit_full(problem: Problem, encoder: str) -> np.ndarray:
    """Everything is trained, from a pre-trained or a random start."""
    model = finetune(
        problem.material.encoder(encoder),
        train=problem.labelled(problem.train),
        validation=problem.labelled(problem.validation),
        n_classes=problem.n_classes,
        pooling=problem.material.shape.pooling,
        settings=problem.finetuning,
        seed=seed_of(problem.seed, "full"),
    )
    return probabilities(model, problem.material.steps(problem.test))


def fit_frozen(problem: Problem, encoder: str) -> np.ndarray:
    """The encoder is kept; a logistic regression on its pooled outputs is trained."""
    vectors = problem.material.pooled
    fitted = fit_logistic(
        vectors(encoder, problem.budget),
        problem.truths(problem.budget),
        speakers=problem.speakers(problem.budget),
        seed=problem.seed,
    )
    return fitted.probabilities(vectors(encoder, problem.test), problem.n_classes)


def fit_functionals(problem: Problem, fit: Callable[..., object]) -> np.ndarray:
    """A classic classifier on statistics of the frames."""
    vectors = problem.material.functionals
    fitted = fit(
        vectors(problem.budget),
        problem.truths(problem.budget),
        speakers=problem.speakers(problem.budget),
        seed=problem.seed,
    )
    return fitted.probabilities(vectors(problem.test), problem.n_classes)  # type: ignore[attr-defined]


def fit_combined(problem: Problem, encoder: str | None) -> np.ndarray:
    """A discriminant analysis, self-trained, on descriptors and the outputs of an encoder."""
    fitted = combine(problem, encoder)
    return fitted.probabilities(_combined_vectors(problem.material, encoder, problem.test))


def combine(problem: Problem, encoder: str | None) -> Discriminant:
    """Fit the discriminant analysis of ``fit_combined``; without encoder on descriptors alone."""
    material, settings, seen = problem.material, problem.discriminant, set(problem.budget)
    labelled = _combined_vectors(material, encoder, problem.budget)
    crowd = list(material.crowd)
    return fit_discriminant(
        labelled,
        problem.truths(problem.budget),
        crowd=Crowd(
            _combined_vectors(material, encoder, crowd),
            speakers=np.array(list(material.crowd.values()), dtype=object),
            unlabelled=np.array([name not in seen for name in crowd]),
        ),
        n_classes=problem.n_classes,
        settings=settings,
        emphasis=emphasis_of(
            material.emphasis(material.descriptors(problem.budget[:1]).shape[1]),
            labelled.shape[1],
            settings.encoder_emphasis,
        ),
    )


def temperature_within(problem: Problem, encoder: str | None) -> float:
    """How much to cool ``combine``, found on the labels given, by speaker; 1 of one speaker."""
    speakers = np.unique(problem.speakers(problem.budget).astype(str))
    groups = np.array_split(generator(problem.seed, "temperature").permutation(speakers), N_GROUPS)
    asked, chances = [], []
    for group in (set(group) for group in groups if 0 < len(group) < len(speakers)):
        crowd = {u: who for u, who in problem.material.crowd.items() if who not in group}
        kept = [name for name in problem.budget if problem.speaker[name] not in group]
        known = set(problem.truths(kept))  # of an emotion without labels nothing can be said
        held_out = [
            name
            for name in problem.budget
            if problem.speaker[name] in group and problem.truth[name] in known
        ]
        part = replace(
            problem,
            material=replace(problem.material, crowd=crowd),
            train=kept,
            validation=[],
            test=held_out,
        )
        if held_out:
            asked += held_out
            chances.append(fit_combined(part, encoder))
    if not chances:
        return 1.0
    return temperature_of(np.concatenate(chances), problem.truths(asked))


def _combined_vectors(
    material: Material, encoder: str | None, utterances: Sequence[str]
) -> np.ndarray:
    blocks = [material.descriptors(utterances)]
    blocks += [material.pooled(encoder, utterances, POOLING)] if encoder else []
    return np.concatenate(blocks, axis=1).astype(np.float64)


def predict_constant(problem: Problem) -> np.ndarray:
    """The shares of the emotions among the labels, for everybody: the most frequent one wins."""
    counts = np.bincount(problem.truths(problem.budget), minlength=problem.n_classes)
    return np.tile(counts / counts.sum(), (len(problem.test), 1)).astype(np.float32)


FITS: dict[str, Callable[[Problem], np.ndarray]] = {
    "combined": lambda problem: fit_combined(problem, "pretrained"),
    "combined_random": lambda problem: fit_combined(problem, "random"),
    "descriptors": lambda problem: fit_combined(problem, None),
    "pretrained_frozen": lambda problem: fit_frozen(problem, "pretrained"),
    "pretrained_full": lambda problem: fit_full(problem, "pretrained"),
    "scratch": lambda problem: fit_full(problem, "random"),
    "random_frozen": lambda problem: fit_frozen(problem, "random"),
    "functionals_logistic": lambda problem: fit_functionals(problem, fit_logistic),
    "functionals_svm": lambda problem: fit_functionals(problem, fit_svm),
    "layers": lambda problem: fit_combined(problem, None),
    "linear": lambda problem: fit_vectors(problem, fit_logistic),
    "svm": lambda problem: fit_vectors(problem, fit_svm),
    "cnn": fit_frames,
    "image_cnn": fit_pictures,
    "constant": predict_constant,
}
OF_LAYERS = ("linear", "svm", "cnn")  # see one layer of an encoder
NEEDS_PRETRAINING = frozenset({"combined", "pretrained_frozen", "pretrained_full"})
SYSTEMS: tuple[System, ...] = (
    System(
        "combined",
        "descriptors + pre-trained",
        "pretrained",
        "Descriptors of the frames beside mean and sd of the pre-trained GRU's outputs, in a "
        "shrunk linear discriminant analysis, self-trained on unlabelled training speech.",
        recommended=True,
    ),
    System(
        "combined_random",
        "descriptors + random",
        "control",
        "The same with a random GRU.",
    ),
    System(
        "descriptors",
        "descriptors alone",
        "classic",
        "The same discriminant analysis, self-trained, on the descriptors alone.",
    ),
    System(
        "pretrained_frozen",
        "pre-trained, frozen",
        "pretrained",
        "The pre-trained GRU kept as it is; a logistic regression on its pooled outputs.",
    ),
    System(
        "pretrained_full",
        "pre-trained, fine-tuned",
        "pretrained",
        "The pre-trained GRU and a dense layer, all weights trained on the labels.",
    ),
    System(
        "scratch",
        "from scratch",
        "scratch",
        "The identical network from random weights, same labels, same schedule.",
    ),
    System(
        "random_frozen",
        "random, frozen",
        "control",
        "A random GRU kept as it is; a logistic regression on its pooled outputs.",
    ),
    System(
        "functionals_logistic",
        "functionals + logistic",
        "classic",
        "Statistics of the frames over time, logistic regression.",
    ),
    System(
        "functionals_svm",
        "functionals + SVM",
        "classic",
        "The same statistics, support vector machine with a radial kernel.",
    ),
    System(
        "layers",
        "all layers",
        "classic",
        "Means over time of all layers, the middle ones counting most, in a shrunk linear "
        "discriminant analysis, self-trained on unlabelled training speech.",
        recommended=True,
    ),
    System(
        "linear",
        "linear",
        "classic",
        "Mean and standard deviation of the frames over time, logistic regression.",
    ),
    System(
        "svm",
        "SVM",
        "classic",
        "The same vectors, support vector machine with a radial kernel.",
    ),
    System(
        "cnn",
        "CNN",
        "scratch",
        "A convolutional network on overlapping segments of the frames.",
    ),
    System(
        "image_cnn",
        "picture network",
        "classic",
        "A ResNet for pictures, fine-tuned on log-mel images of segments.",
    ),
    System("constant", "constant", "floor", "The most frequent emotion of the labels, always."),
)
DEFAULT_SYSTEMS = tuple(
    name for name in FITS if name not in ("layers", *OF_LAYERS, "image_cnn", "functionals_svm")
)
UPSTREAM_SYSTEMS = ("layers", *OF_LAYERS, "constant")  # by default, on an encoder's frames
assert [system.name for system in SYSTEMS] == list(FITS)
