"""The systems that a learning curve compares: each fits the same labels and predicts the same test.

In:  a ``Problem``: one fold's material and one draw of labels.
Out: class probabilities (n_test, n_classes).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from undertone.evaluation.results import System
from undertone.training.classic import fit_logistic, fit_svm
from undertone.training.combined import POOLING, emphasis_of
from undertone.training.discriminant import (
    Crowd,
    Discriminant,
    fit_discriminant,
    temperature_of,
)
from undertone.training.finetune import finetune, probabilities
from undertone.training.heads import fit_frames, fit_pictures, fit_vectors
from undertone.training.problem import Material, Problem
from undertone.training.seeds import generator, seed_of

N_GROUPS = 5  # of speakers, to find how sure a combined classifier may be


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
SEES_POOL = NEEDS_PRETRAINING | {"combined_random", "scratch", "random_frozen"}  # z-scored with it
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
