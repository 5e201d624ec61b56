"""Which labels, vectors and encoder each system learns from, by oracles of their definitions."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from systems_fakes import fit

from undertone.features.descriptors import describe
from undertone.features.functionals import functionals
from undertone.features.vectors import mean_sd
from undertone.models.discriminant import Crowd, DiscriminantConfig, fit_discriminant
from undertone.models.encoder import Encoder, EncoderConfig
from undertone.models.network import encode
from undertone.systems.fitted import OnVectors
from undertone.systems.layers import Layers
from undertone.systems.problem import PRETRAINED, RANDOM, Material, Problem
from undertone.systems.view import View
from undertone.tasks import CHOICE, Classes, Intensities
from undertone.tasks.draws import LabelDraw
from undertone.training.normalise import fit_normaliser

COLUMNS = ("mel_00", "mel_01", "mel_02", "log_energy", "log_f0", "voiced")
NAMES = [f"u{i:02d}" for i in range(36)]
TRAIN, VALIDATION, TEST = NAMES[:18], NAMES[18:24], NAMES[30:]
SHAPE = EncoderConfig(hidden_units=6, layers=1, stride=4, pooling="mean")
CLASSES, AMOUNTS = Classes(("anger", "neutral", "sadness")), Intensities(("happy", "sad"))


@pytest.fixture(scope="module")
def speech():
    """Frames of mean 3 and deviation .2, raised in the column of the class."""
    rng = np.random.default_rng(2)
    frames = {name: rng.normal(3, 0.2, (30 + i % 9, 6)) for i, name in enumerate(NAMES)}
    for i, name in enumerate(NAMES):
        frames[name][:, i % 3] += 0.3
        frames[name][:, 5] = np.arange(len(frames[name])) % 7 > 2  # voiced
    return {name: of_one.astype(np.float32) for name, of_one in frames.items()}


def problem_of(task, speech, **changes) -> Problem:
    torch.manual_seed(0)
    rng, speaker = np.random.default_rng(3), {n: f"s{i // 8}" for i, n in enumerate(NAMES)}
    labelled = [*TRAIN, *VALIDATION]
    truth = {
        name: np.eye(3)[i % 3] if task.kind == CHOICE else rng.uniform(0, 3, 2)
        for i, name in enumerate(labelled)
    }
    material = Material(
        frames=speech.__getitem__,
        columns=COLUMNS,
        normaliser=fit_normaliser(speech.values(), stride=4),
        shape=SHAPE,
        encoders={PRETRAINED: Encoder(6, 6, 1).eval()},
        seed=5,
        crowd={name: speaker[name] for name in NAMES[:30]},
        frames_per_second=100.0,
    )
    of_labelled = {name: speaker[name] for name in labelled}
    labels = LabelDraw(TRAIN, VALIDATION)
    return Problem(replace(material, **changes), task, labels, TEST, truth, of_labelled, seed=7)


# --- which labels train, and which choose the epoch


class CalledError(Exception):
    """What a training was called with."""


def given_to(monkeypatch, place, problem, system, **settings):
    def training(*arguments, **options):
        raise CalledError(arguments, options)

    monkeypatch.setattr(f"undertone.systems.fits.{place}", training)
    with pytest.raises(CalledError) as told:
        fit(problem, system, **settings)
    return told.value.args


@pytest.mark.parametrize(
    ("task", "system", "place"),
    [
        *((CLASSES, name, "finetune") for name in ("pretrained_full", "scratch")),
        *((AMOUNTS, name, "finetune") for name in ("pretrained_full", "scratch")),
        *((AMOUNTS, name, "fit_network") for name in ("pretrained_frozen", "random_frozen")),
        *((task, "cnn", "segments.fit_cnn") for task in (CLASSES, AMOUNTS)),
    ],
)
def test_networks_train_on_one_part_and_stop_by_the_other(monkeypatch, speech, task, system, place):
    problem = problem_of(task, speech)
    arguments, options = given_to(monkeypatch, place, problem, system)
    parts = arguments[:2] if system == "cnn" else (options["train"], options["validation"])
    for part, names in zip(parts, (TRAIN, VALIDATION), strict=True):
        np.testing.assert_allclose(part.truth, [problem.truth[n] for n in names], rtol=1e-6)
        assert list(part.speakers) == [problem.speaker[n] for n in names]
        if place == "finetune":
            expected = [problem.material.normaliser.apply(speech[n]) for n in names]
            for found, steps in zip(part.steps, expected, strict=True):
                np.testing.assert_array_equal(found, steps)
    start = {"scratch": RANDOM, "pretrained_full": PRETRAINED}
    if system in start:
        assert arguments[0] is problem.material.encoder(start[system])


@pytest.mark.parametrize(
    ("task", "system", "place"),
    [
        (CLASSES, "pretrained_frozen", "fit_logistic"),
        (CLASSES, "random_frozen", "fit_logistic"),
        (CLASSES, "functionals_logistic", "fit_logistic"),
        (CLASSES, "functionals_svm", "fit_svm"),
        (CLASSES, "linear", "fit_logistic"),
        (AMOUNTS, "functionals_ridge", "fit_ridge"),
        (AMOUNTS, "linear", "fit_ridge"),
    ],
)
def test_heads_are_fitted_to_vectors_of_all_labels(monkeypatch, speech, task, system, place):
    problem = problem_of(task, speech)
    (vectors, truth), options = given_to(monkeypatch, place, problem, system)
    labelled, material = [*TRAIN, *VALIDATION], problem.material
    if system.endswith("frozen"):
        encoder = material.encoder(system.removesuffix("_frozen"))
        expected = encode(encoder, [material.normaliser.apply(speech[n]) for n in labelled], "mean")
    elif system == "linear":
        expected = np.stack([mean_sd(speech[n]) for n in labelled])
    else:
        expected = np.stack([functionals(speech[n], COLUMNS) for n in labelled])
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)
    told = np.array([problem.truth[n] for n in labelled])
    if task.kind == CHOICE:
        np.testing.assert_array_equal(truth, told.argmax(axis=1))
        assert list(options["speakers"]) == [problem.speaker[n] for n in labelled]
        assert options["n_outputs"] == 3
    else:
        np.testing.assert_allclose(truth, told, rtol=1e-6)
        assert (options["low"], options["high"]) == (0, 3)


@pytest.mark.parametrize("task", [CLASSES, AMOUNTS], ids=lambda task: task.name)
def test_floors_are_fitted_to_all_labels(speech, task):
    problem = problem_of(task, speech)
    few = replace(problem, labels=LabelDraw(TRAIN[:4], VALIDATION[:3]))
    told = np.array([problem.truth[n] for n in (*TRAIN[:4], *VALIDATION[:3])], np.float32)
    for name, floor in task.floors.items():
        found = fit(few, name).predict(few.material, TEST)
        np.testing.assert_allclose(found, np.tile(floor.fit(told), (6, 1)), rtol=1e-6)


def test_the_cnn_knows_the_statistics_of_its_labels_alone(monkeypatch, speech):
    """At its own rate: 25 steps a second of 100 frames."""
    problem = problem_of(CLASSES, speech)
    arguments, options = given_to(
        monkeypatch, "segments.fit_cnn", problem, "cnn", steps_per_second=25.0
    )
    whole = np.concatenate([speech[n] for n in (*TRAIN, *VALIDATION)]).astype(float)
    z = (speech[TRAIN[2]] - whole.mean(axis=0)) / whole.std(axis=0)
    expected = [z[i : i + 4].mean(axis=0) for i in range(0, len(z), 4)]
    np.testing.assert_allclose(arguments[0].steps[2], expected, atol=1e-4)
    assert options["steps_per_second"] == 25


# --- what the discriminant is given


def centred(vectors, speakers, count):
    """By the equation: x - n / (n + count) (mean of the speaker - mean of all)."""
    apart = vectors.copy()
    for who in set(speakers):
        own = speakers == who
        share = own.sum() / (own.sum() + count) if count else 0
        apart[own] -= share * (vectors[own].mean(axis=0) - vectors.mean(axis=0))
    return apart


@pytest.mark.parametrize("centring", [0, 5])
@pytest.mark.parametrize("system", ["combined", "combined_random", "descriptors"])
def test_descriptors_stand_beside_the_encoder_in_one_discriminant(speech, system, centring):
    """The speakers of crowd and labels are centred, and the means of their covariance in part."""
    problem = problem_of(CLASSES, speech)
    material, labelled = problem.material, [*TRAIN, *VALIDATION]

    def vectors(names):
        blocks = [np.stack([describe(speech[n], COLUMNS) for n in names])]
        if system != "descriptors":
            encoder = material.encoder(PRETRAINED if system == "combined" else RANDOM)
            steps = [material.normaliser.apply(speech[n]) for n in names]
            blocks.append(encode(encoder, steps, "mean_sd"))
        return np.concatenate(blocks, axis=1).astype(float)

    n_descriptors = len(describe(speech["u00"], COLUMNS))
    emphasis = np.full(vectors(["u00"]).shape[1], 0.3)
    emphasis[:n_descriptors] = 1
    speakers = np.array([material.crowd[n] for n in NAMES[:30]], dtype=object)
    apart = centred(vectors(NAMES[:30]), speakers, centring)
    assert NAMES[:24] == labelled
    expected = fit_discriminant(
        apart[:24],
        np.arange(24) % 3,
        crowd=Crowd(
            apart,
            speakers,
            np.array([n not in labelled for n in NAMES[:30]]),
            apart + np.sqrt(5 / 15) * (vectors(NAMES[:30]) - apart),
        ),
        n_outputs=3,
        settings=DiscriminantConfig(encoder_emphasis=0.3, rounds=1),
        emphasis=emphasis,
    )
    found = fit(problem, system, encoder_emphasis=0.3, rounds=1, centring=centring)
    expected = expected.cooled(found.notes["temperature"])
    np.testing.assert_allclose(found.head.weight, expected.weight, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(
        found.predict(material, TEST), expected.predict(vectors(TEST)), atol=1e-4
    )


def test_starts_and_poolings_of_one_material_are_kept_apart(speech):
    material = problem_of(CLASSES, speech).material
    steps = [material.normaliser.apply(speech[n]) for n in TEST]
    for start in (PRETRAINED, RANDOM):
        for pooling in ("mean", "mean_sd"):
            expected = encode(material.encoder(start), steps, pooling)
            np.testing.assert_allclose(
                material.pooled(start, TEST, pooling), expected, atol=1e-6, err_msg=pooling
            )
    one, other = (material.pooled(start, TEST) for start in (PRETRAINED, RANDOM))
    assert np.abs(one - other).max() > 0.01


# --- one layer of several


@pytest.mark.parametrize("system", ["linear", "svm", "cnn"])
def test_a_head_on_a_layer_is_the_head_on_the_frames_of_that_layer(monkeypatch, speech, system):
    """Of four layers the third is the speech, the others are noise of another kind."""
    rng = np.random.default_rng(8)
    stacks = {name: rng.normal(1, 2, (4, *frames.shape)) for name, frames in speech.items()}
    for name, frames in speech.items():
        stacks[name][2] = frames
    stacks = {name: stack.astype(np.float32) for name, stack in stacks.items()}
    vectors = {name: mean_sd(stack) for name, stack in stacks.items()}
    monkeypatch.setattr(Layers, "frames", lambda self, layer, name: stacks[name][layer])
    monkeypatch.setattr(
        Layers, "of", lambda self, layer, names: np.stack([vectors[n][layer] for n in names])
    )
    side_by_side = {n: np.concatenate(list(stack), axis=1) for n, stack in stacks.items()}
    settings = (
        {"max_epochs": 2, "channels": 4, "blocks": 1, "segment_s": 0.2} if system == "cnn" else {}
    )
    layers = Layers(None, None, 4, range(4))
    layered = problem_of(CLASSES, speech, frames=side_by_side.__getitem__, layers=layers)
    single = problem_of(CLASSES, speech)
    of_layers, alone = (fit(problem, system, **settings) for problem in (layered, single))
    assert (of_layers.view.layer, of_layers.notes, alone.notes) == (2, {"layer": 2}, {})
    expected = alone.predict(single.material, TEST)
    for material in (layered.material, single.material):  # in a curve; served, on that layer alone
        np.testing.assert_allclose(of_layers.predict(material, TEST), expected, atol=1e-6)


def test_a_head_that_could_not_be_saved_is_no_fit():
    with pytest.raises(TypeError, match="SimpleNamespace has no row in HEADS"):
        OnVectors(View(("mean_sd",)), SimpleNamespace())
