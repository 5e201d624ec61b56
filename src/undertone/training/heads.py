"""Heads on frames that are kept as they are: a linear model, a kernel machine, CNNs.

In:  a ``Problem``.
Out: class probabilities (n_test, n_classes).

On the frames of a pre-trained encoder they see one layer: the one asked for, or the one that
``layers.choose`` takes on the labels of this very fit; which one it was is noted in
``problem.notes``. On any other frames there is one layer.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from undertone.errors import UndertoneError
from undertone.features.vectors import mean_sd
from undertone.training import image_cnn
from undertone.training.classic import Fitted
from undertone.training.cnn import fit_cnn, probabilities
from undertone.training.finetune import Labelled
from undertone.training.layers import choose
from undertone.training.normalise import fit_normaliser
from undertone.training.problem import Problem
from undertone.training.seeds import seed_of


def fit_vectors(problem: Problem, fit: Callable[..., Fitted]) -> np.ndarray:
    """A classic classifier on mean and standard deviation over an utterance's frames."""
    fitted = fit(
        _vectors(problem, problem.budget),
        problem.truths(problem.budget),
        speakers=problem.speakers(problem.budget),
        seed=problem.seed,
    )
    return fitted.probabilities(_vectors(problem, problem.test), problem.n_classes)


def fit_frames(problem: Problem) -> np.ndarray:
    """The CNN on segments, normalised with the statistics of the labelled utterances."""
    stride = max(1, round(problem.material.frames_per_second / problem.cnn.steps_per_second))
    options: dict[str, Any] = {
        "steps_per_second": problem.material.frames_per_second / stride,
        "settings": problem.cnn,
    }
    normaliser = fit_normaliser((_frames(problem, name) for name in problem.budget), stride=stride)

    def steps(utterances: Sequence[str]) -> list[np.ndarray]:
        return [normaliser.apply(_frames(problem, name)) for name in utterances]

    def labelled(utterances: Sequence[str]) -> Labelled:
        return Labelled(steps(utterances), problem.truths(utterances), problem.speakers(utterances))

    model = fit_cnn(
        labelled(problem.train),
        labelled(problem.validation),
        n_classes=problem.n_classes,
        seed=seed_of(problem.seed, "cnn"),
        **options,
    )
    return probabilities(model, steps(problem.test), **options)


def fit_pictures(problem: Problem) -> np.ndarray:
    """A picture network, fine-tuned on the mel bands of segments."""
    bands = [i for i, name in enumerate(problem.material.columns) if name.startswith("mel_")]
    if not bands or not problem.image_network:
        raise UndertoneError(
            "the system image_cnn needs --features log_mel, and the setting image_network: the "
            "folder of a ResNet, or its name on the hub"
        )

    def labelled(utterances: Sequence[str]) -> Labelled:
        pictures = [np.asarray(problem.material.frames(name))[:, bands] for name in utterances]
        known = [name for name in utterances if name in problem.truth]
        return Labelled(pictures, problem.truths(known), problem.speakers(known))

    rate, settings = problem.material.frames_per_second, image_cnn.ImageCnnConfig()
    model = image_cnn.fit_image_cnn(
        image_cnn.load_backbone(problem.image_network),
        labelled(problem.train),
        labelled(problem.validation),
        n_classes=problem.n_classes,
        frames_per_second=rate,
        settings=settings,
        seed=seed_of(problem.seed, "image cnn"),
    )
    test = labelled(problem.test).steps
    return image_cnn.probabilities(model, test, frames_per_second=rate, settings=settings)


def _layer(problem: Problem) -> int | None:
    """The layer that this fit sees, chosen once; None where frames have no layers."""
    layers = problem.material.layers
    if layers is None:
        return None
    if "layer" not in problem.notes:
        seen = problem.budget
        problem.notes["layer"] = choose(
            layers,
            seen,
            truth=problem.truths(seen),
            speakers=problem.speakers(seen),
            seed=problem.seed,
        )
    return problem.notes["layer"]


def _frames(problem: Problem, utterance: str) -> np.ndarray:
    layer, layers = _layer(problem), problem.material.layers
    if layer is None or layers is None:
        return np.asarray(problem.material.frames(utterance))
    return layers.frames(layer, utterance)


def _vectors(problem: Problem, utterances: Sequence[str]) -> np.ndarray:
    layer, layers = _layer(problem), problem.material.layers
    if layer is None or layers is None:
        return problem.material.mean_sd(utterances, mean_sd)
    return layers.of(layer, utterances)
