"""The systems that a learning curve compares: each fits the same labels and predicts the same test.

In:  a ``Problem``: one fold's material and one draw of labels.
Out: class probabilities (n_test, n_classes).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from undertone.audio import FRAMES_PER_SECOND
from undertone.evaluation.results import System
from undertone.features.functionals import functionals
from undertone.training.classic import fit_logistic, fit_svm
from undertone.training.cnn import CnnConfig
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
from undertone.training.normalise import Normaliser
from undertone.training.seeds import seed_of, seed_torch


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
        frames_per_second: of the frames.
        layers: of a pre-trained encoder, where the frames are its.
    """

    frames: Callable[[str], np.ndarray]
    columns: tuple[str, ...]
    normaliser: Normaliser
    shape: EncoderConfig
    pretrained: Encoder | None
    seed: int
    frames_per_second: float = FRAMES_PER_SECOND
    layers: Layers | None = None
    _steps: dict[str, np.ndarray] = field(default_factory=dict)
    _vectors: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    def steps(self, utterances: Sequence[str]) -> list[np.ndarray]:
        """What the networks see, each (n_steps, n_features)."""
        for name in utterances:
            if name not in self._steps:
                self._steps[name] = self.normaliser.apply(np.asarray(self.frames(name)))
        return [self._steps[name] for name in utterances]

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

    def pooled(self, encoder: str, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, pooled_size) outputs of an encoder that is kept as it is."""
        return self._cached(
            encoder,
            utterances,
            lambda missing: pool(self.encoder(encoder), self.steps(missing), self.shape.pooling),
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
        truth: position of each labelled utterance's emotion; holds no test utterance.
        speaker: of each labelled utterance.
        n_classes: emotions.
        finetuning: settings.
        seed: of everything random in this draw.
        cnn: settings.
        image_network: folder or name of the network that ``image_cnn`` starts from.
        notes: what a fit chose on its labels, such as the layer of an encoder.
    """

    material: Material
    train: list[str]
    validation: list[str]
    test: list[str]
    truth: dict[str, int]
    speaker: dict[str, str]
    n_classes: int
    finetuning: FinetuneConfig
    seed: int
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


def predict_constant(problem: Problem) -> np.ndarray:
    """The shares of the emotions among the labels, for everybody: the most frequent one wins."""
    counts = np.bincount(problem.truths(problem.budget), minlength=problem.n_classes)
    return np.tile(counts / counts.sum(), (len(problem.test), 1)).astype(np.float32)


FITS: dict[str, Callable[[Problem], np.ndarray]] = {
    "pretrained_frozen": lambda problem: fit_frozen(problem, "pretrained"),
    "pretrained_full": lambda problem: fit_full(problem, "pretrained"),
    "scratch": lambda problem: fit_full(problem, "random"),
    "random_frozen": lambda problem: fit_frozen(problem, "random"),
    "functionals_logistic": lambda problem: fit_functionals(problem, fit_logistic),
    "functionals_svm": lambda problem: fit_functionals(problem, fit_svm),
    "linear": lambda problem: fit_vectors(problem, fit_logistic),
    "svm": lambda problem: fit_vectors(problem, fit_svm),
    "cnn": fit_frames,
    "image_cnn": fit_pictures,
    "constant": predict_constant,
}
OF_LAYERS = ("linear", "svm", "cnn")  # see one layer of an encoder
NEEDS_PRETRAINING = frozenset({"pretrained_frozen", "pretrained_full"})
SYSTEMS: tuple[System, ...] = (
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
DEFAULT_SYSTEMS = tuple(name for name in FITS if name not in (*OF_LAYERS, "image_cnn"))
UPSTREAM_SYSTEMS = (*OF_LAYERS, "constant")  # by default, on frames of a pre-trained encoder
assert [system.name for system in SYSTEMS] == list(FITS)
