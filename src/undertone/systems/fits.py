"""How each system learns from the labels of a problem.

In:  a ``Problem`` and the settings of the system.
Out: ``Fitted``.

On the frames of a pre-trained encoder the heads see one layer: the one asked for, or the one that
``layers.choose`` takes on the labels of this very fit. On any other frames there is one layer.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from undertone.corpora.corpus import knows
from undertone.errors import UndertoneError
from undertone.models.cnn import CnnConfig
from undertone.models.crowd import Crowd
from undertone.models.crowd_ridge import RidgeConfig, fit_crowd_ridge
from undertone.models.discriminant import (
    NOTHING,
    SCALE,
    TRAINING,
    DiscriminantConfig,
    fit_and_judge,
)
from undertone.models.heads import Head
from undertone.models.linear_and_svm import fit_logistic, fit_ridge, fit_svm
from undertone.models.network import DenseHead
from undertone.models.nuisance import Copies
from undertone.models.picture import PictureConfig, load_backbone
from undertone.models.self_training import OFF
from undertone.models.voices import left_by
from undertone.systems.fitted import Fitted, OnPictures, OnSegments, OnSteps, OnVectors
from undertone.systems.problem import DESCRIPTORS, Material, Problem
from undertone.systems.view import View
from undertone.tasks import CHOICE, Task
from undertone.training import segments
from undertone.training.normalise import fit_normaliser
from undertone.training.outputs import Outputs, outputs_of
from undertone.training.seeds import generator, seed_of, seed_torch
from undertone.training.supervised import FinetuneConfig, finetune
from undertone.training.supervised import fit as fit_network

POOLING = "mean_sd"  # of an encoder's outputs beside descriptors
OF_COPIES = {DESCRIPTORS, "pooled"}  # blocks that copies have
USED_FOR = {
    SCALE: "gave their scale and were not learned from",
    TRAINING: "joined in self-training, too",
    NOTHING: "were left out, as asked",
}
MOST_ELSEWHERE = 2_000  # utterances of other corpora in a crowd, and at most as many as its own


def fit_full(problem: Problem, settings: FinetuneConfig, *, start: str) -> Fitted:
    """Everything is trained, from a pre-trained or a random start."""
    material = problem.material
    network = finetune(
        material.encoder(start),
        train=problem.labelled(problem.labels.train, material.steps),
        validation=problem.labelled(problem.labels.validation, material.steps),
        outputs=outputs_for(problem, settings),
        pooling=material.shape.pooling,
        settings=settings,
        seed=seed_of(problem.seed, "full"),
    )
    return OnSteps(View(), network, problem.task)


def fit_frozen(problem: Problem, settings: FinetuneConfig, *, start: str) -> Fitted:
    """The encoder is kept; a head on its pooled outputs is trained.

    Of classes it is a logistic regression; of amounts a dense layer with early stopping.
    """
    view = View(("pooled",), start, problem.material.shape.pooling)
    if problem.task.kind == CHOICE:
        return _fit_classifier(problem, view, fit_logistic)

    def pooled(utterances: Sequence[str]) -> list[np.ndarray]:
        return list(view.vectors(problem.material, utterances)[:, None, :])

    train = problem.labelled(problem.labels.train, pooled)  # before: it may make the encoder
    seed = seed_of(problem.seed, "frozen")
    seed_torch(seed, "dense layer")
    network = fit_network(
        DenseHead(train.steps[0].shape[1], problem.n_outputs, settings.head_dropout),
        train=train,
        validation=problem.labelled(problem.labels.validation, pooled),
        outputs=outputs_for(problem, settings),
        schedule=settings,
        seed=seed,
    )
    return OnSteps(view, network, problem.task)


def fit_linear(problem: Problem, settings: None, *, block: str) -> Fitted:
    """A logistic regression of classes, a ridge regression of amounts, on a vector an utterance."""
    view = View((block,), layer=_layer(problem, block))
    if problem.task.kind == CHOICE:
        return _fit_classifier(problem, view, fit_logistic)
    vectors = view.vectors(problem.material, problem.budget)
    truth, (low, high) = problem.truths(problem.budget), limits_of(problem.task)
    return OnVectors(view, fit_ridge(vectors, truth, low=low, high=high))


def fit_kernel(problem: Problem, settings: None, *, block: str) -> Fitted:
    """A support vector machine on a vector an utterance."""
    return _fit_classifier(problem, View((block,), layer=_layer(problem, block)), fit_svm)


@dataclass(frozen=True)
class Lesson:
    """What a fit learns from, where that is more than the labels of its budget.

    Attributes:
        utterances: names.
        truth: (n_utterances, n_outputs) given, or guessed by a teacher.
        weights: (n_utterances,) what each counts.
    """

    utterances: Sequence[str]
    truth: np.ndarray
    weights: np.ndarray


def fit_combined(
    problem: Problem,
    settings: DiscriminantConfig,
    *,
    start: str = "",
    block: str = DESCRIPTORS,
    lesson: Lesson | None = None,
    view: View | None = None,
) -> OnVectors:
    """A discriminant analysis, self-trained, on a block and the outputs of an encoder.

    With a view it reads that, and every value counts the same.
    """
    blocks, pooling = ((block, "pooled"), POOLING) if start else ((block,), "")
    own, view = view, view or View(blocks, start, pooling, centring=settings.centring)
    lesson = lesson or _given(problem, weight=settings.label_weight)
    labelled = vectors_of(problem, view, lesson.utterances)
    of_block = np.ones(labelled.shape[1]) if own else _emphasis(problem, block)
    of_encoder = np.full(labelled.shape[1] - len(of_block), settings.encoder_emphasis)
    discriminant, verdict = fit_and_judge(
        labelled,
        lesson.truth.argmax(axis=1),
        crowd=crowd_of(problem, view, lesson, other_speech=settings.other_speech),
        n_outputs=problem.n_outputs,
        settings=settings,
        emphasis=np.append(of_block, of_encoder),
        weights=lesson.weights,
        copies=copies_of(problem, view),
    )
    heard = partial(_heard, lesson, discriminant)
    told = {"self_training": verdict.to_dict(), "crowd": _told_of_crowd(problem, settings)}
    expected = view.expected(problem.material, heard)
    return OnVectors(view, discriminant, expected=expected, remarks=told)


def fit_on_labels_alone(problem: Problem, settings: DiscriminantConfig) -> OnVectors:
    """The same discriminant analysis whose crowd gives scale and speakers, and teaches nothing."""
    return fit_combined(problem, replace(settings, self_training=OFF))


def fit_ridge_in_crowd(
    problem: Problem,
    settings: RidgeConfig,
    *,
    block: str = DESCRIPTORS,
    lesson: Lesson | None = None,
    view: View | None = None,
) -> OnVectors:
    """A ridge regression on a block or a view, z-scored by the crowd; its spread may be matched."""
    own, view = view, view or View((block,), centring=settings.centring)
    lesson = lesson or _given(problem)
    labelled = vectors_of(problem, view, lesson.utterances)
    ridge = fit_crowd_ridge(
        labelled,
        lesson.truth,
        crowd=crowd_of(problem, view, lesson),
        settings=settings,
        emphasis=np.ones(labelled.shape[1]) if own else _emphasis(problem, block),
        limits=limits_of(problem.task),
        weights=lesson.weights,
    )
    expected = view.expected(problem.material, no_emotion)
    return OnVectors(view, ridge, expected=expected)


def _heard(
    lesson: Lesson, head: Head, utterances: Sequence[str], vectors: np.ndarray
) -> np.ndarray:
    """(n_utterances, n_outputs) 1 for the emotion that was given, or that the head hears."""
    told = dict(zip(lesson.utterances, lesson.truth, strict=True))
    likeliest = np.eye(lesson.truth.shape[1])[head.predict(vectors).argmax(axis=1)]
    heard = [told.get(name, of_one) for name, of_one in zip(utterances, likeliest, strict=True)]
    return np.stack(heard)


def no_emotion(utterances: Sequence[str], vectors: np.ndarray) -> np.ndarray:
    """(n_utterances, 0): amounts are no emotions."""
    return np.zeros((len(utterances), 0))


def fit_segments(problem: Problem, settings: CnnConfig) -> Fitted:
    """The CNN on segments, normalised with the statistics of the labelled utterances."""
    material, layer = problem.material, problem.layer
    stride = max(1, round(material.frames_per_second / settings.steps_per_second))
    labelled_frames = (material.frames_of(name, layer) for name in problem.budget)
    normaliser = fit_normaliser(labelled_frames, stride=stride)

    def steps(utterances: Sequence[str]) -> list[np.ndarray]:
        return [normaliser.apply(material.frames_of(name, layer)) for name in utterances]

    network = segments.fit_cnn(
        problem.labelled(problem.labels.train, steps),
        problem.labelled(problem.labels.validation, steps),
        outputs=outputs_of(problem.task, labels=problem.truths(problem.budget)),
        steps_per_second=material.frames_per_second / stride,
        settings=settings,
        seed=seed_of(problem.seed, "cnn"),
    )
    view, rate = View(layer=layer), material.frames_per_second
    return OnSegments(view, network, problem.task, normaliser, rate, settings)


def fit_pictures(problem: Problem, settings: PictureConfig) -> Fitted:
    """A picture network, fine-tuned on the mel bands of segments."""
    material = problem.material
    bands = tuple(i for i, name in enumerate(material.columns) if name.startswith("mel_"))
    if not bands or not settings.network:
        raise UndertoneError(
            "the system image_cnn needs --features log_mel, and the setting picture.network: the "
            "folder of a ResNet, or its name on the hub, as --set picture.network=FOLDER"
        )

    def mel(utterances: Sequence[str]) -> list[np.ndarray]:
        return [np.asarray(material.frames(name))[:, bands] for name in utterances]

    network = segments.fit_pictures(
        load_backbone(settings.network),
        problem.labelled(problem.labels.train, mel),
        problem.labelled(problem.labels.validation, mel),
        outputs=outputs_of(problem.task, labels=problem.truths(problem.budget)),
        steps_per_second=material.frames_per_second,
        settings=settings,
        seed=seed_of(problem.seed, "image cnn"),
    )
    rate = material.frames_per_second
    return OnPictures(View(), network, problem.task, rate, settings, bands)


def _fit_classifier(problem: Problem, view: View, fit: Callable[..., Head]) -> OnVectors:
    head = fit(
        view.vectors(problem.material, problem.budget),
        problem.positions(problem.budget),
        n_outputs=problem.n_outputs,
        speakers=problem.speakers(problem.budget),
        seed=problem.seed,
    )
    return OnVectors(view, head)


def limits_of(task: Task) -> tuple[float, float]:
    """The lowest and the highest amount that is predicted."""
    return (task.low, task.high) if task.clipped else (-math.inf, math.inf)


def vectors_of(problem: Problem, view: View, utterances: Sequence[str]) -> np.ndarray:
    """(n_utterances, n_values) float64 of what is read of them."""
    return view.vectors(problem.material, utterances).astype(np.float64)


def _given(problem: Problem, weight: float = 1.0) -> Lesson:
    """The labels of the budget, and nothing else; one of mixed emotions as a row for each part."""
    names = problem.budget
    if not problem.shares:
        return Lesson(names, problem.truths(names), np.full(len(names), float(weight)))
    parts = [
        (name, output, float(share[output]))
        for name in names
        for share in (problem.shares.get(name, problem.truth[name]),)
        for output in np.argsort(share, kind="stable")  # the largest last, as what was heard
        if share[output] > 0
    ]
    utterances, outputs, shares = zip(*parts, strict=True)
    truth = np.eye(problem.n_outputs, dtype=np.float32)[list(outputs)]
    return Lesson(list(utterances), truth, weight * np.array(shares))


def crowd_of(
    problem: Problem, view: View, lesson: Lesson | None = None, *, other_speech: str = SCALE
) -> Crowd:
    """The training speakers' speech, and of which nothing is learned but its sound.

    Speech of other corpora joins the scale, or self-training too, or nothing; its voices are
    nobody's: they tell nothing of how the training speakers differ.
    """
    material, seen = problem.material, set((lesson or _given(problem)).utterances)
    own, elsewhere = (
        list(material.crowd),
        [] if other_speech == NOTHING else some_elsewhere(material),
    )
    speakers = [who if knows(who) else None for who in material.crowd.values()]
    joins, everybody = other_speech == TRAINING, [*own, *elsewhere]
    vectors = vectors_of(problem, view, everybody)
    return Crowd(
        vectors,
        speakers=np.array([*speakers, *[None] * len(elsewhere)], dtype=object),
        unlabelled=np.array(
            [name not in seen for name in own] + [joins and n not in seen for n in elsewhere],
            dtype=bool,
        ),
        voiced=voiced_of(problem, view, everybody, vectors),
    )


def _told_of_crowd(problem: Problem, settings: DiscriminantConfig) -> dict[str, Any]:
    """Who is in a crowd, and what for."""
    material, use = problem.material, settings.other_speech
    return {
        "own": len(material.crowd),
        "elsewhere": 0 if use == NOTHING else len(some_elsewhere(material)),
        "elsewhere_given": len(material.elsewhere),
        "use": USED_FOR[use],
    }


def some_elsewhere(material: Material) -> list[str]:
    """Speech of other corpora that joins a crowd: never more than the crowd's own.

    What is too much is drawn at random, the same for all draws of labels in a fold.
    """
    names, most = list(material.elsewhere), min(MOST_ELSEWHERE, len(material.crowd))
    if len(names) <= most:
        return names
    order = generator(material.seed, "elsewhere").permutation(len(names))
    return [names[i] for i in sorted(order[:most])]


def copies_of(problem: Problem, view: View) -> Copies | None:
    """Copies of the training speakers' speech beside what they are copies of, where there are any.

    Whose utterance is not in the crowd, of that no copy is looked at. What a teacher or a
    transcript says of a copy nobody knows.
    """
    material = problem.material
    if not set(view.blocks) <= OF_COPIES:
        return None
    pairs = [(name, own) for name in material.crowd for own in material.copies.get(name, ())]
    if not pairs:
        return None
    clean, altered = zip(*pairs, strict=True)
    spoken = replace(view, centring=0.0)
    apart = vectors_of(problem, view, clean)
    taken = vectors_of(problem, spoken, clean) - apart  # of a copy the same as of its utterance
    return Copies(apart, vectors_of(problem, spoken, altered) - taken)


def voiced_of(
    problem: Problem, view: View, utterances: Sequence[str], apart: np.ndarray
) -> np.ndarray | None:
    """What a crowd with these vectors tells of how speakers differ; None where none is centred."""
    if not view.centring:
        return None
    spoken = vectors_of(problem, replace(view, centring=0.0), utterances)
    return left_by(spoken, apart, count=view.centring)


def _emphasis(problem: Problem, block: str) -> np.ndarray:
    """(n_values,) what each value of a block counts."""
    n_values = View((block,)).vectors(problem.material, problem.budget[:1]).shape[1]
    return problem.material.emphasis(n_values, block)


def _layer(problem: Problem, block: str) -> int | None:
    """Functionals are of all frames, ``mean_sd`` of one layer."""
    return problem.layer if block == "mean_sd" else None


def outputs_for(problem: Problem, settings: FinetuneConfig) -> Outputs:
    """What the units of a network's last layer mean, trained on the labels of the budget."""
    return outputs_of(
        problem.task,
        labels=problem.truths(problem.budget),
        smoothing=settings.label_smoothing,
        distance=settings.distance,
    )
