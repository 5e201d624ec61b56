"""Laws of the systems that predict intensities, and of steps that are made lazily."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from systems_fakes import fit_and_predict

from undertone.errors import UndertoneError
from undertone.features.store import FrameTable
from undertone.models.encoder import Encoder, EncoderConfig
from undertone.systems.problem import Material, Problem
from undertone.systems.table import systems_of
from undertone.tasks import Intensities
from undertone.tasks.draws import LabelDraw
from undertone.tasks.intensities import fit_median
from undertone.training import normalise
from undertone.training.normalise import fit_normaliser, lazily
from undertone.training.outputs import amount_outputs, class_outputs
from undertone.training.pretrain import PretrainConfig, pretrain
from undertone.training.supervised import FinetuneConfig

N_TRAIN, N_VALIDATION, N_TEST, N_EMOTIONS = 48, 12, 20, 3
SETTINGS = {"max_epochs": 60, "patience": 20, "learning_rate": 5e-3, "batch_size": 16}
BRIEF = SETTINGS | {"max_epochs": 3}  # where it does not matter what is learnt
TASK = Intensities(("happy", "sad", "anger"))
FITTED = ("pretrained_frozen", "pretrained_full", "scratch", "random_frozen", "functionals_ridge")
NAMES = [f"u{i:03d}" for i in range(N_TRAIN + N_VALIDATION + N_TEST)]
CLASSIC = ("functionals_ridge",)
FLOORS = ("always_0", "median", "mean")


@pytest.fixture
def speech(rng):
    """Frames whose level in column k is the intensity of emotion k, and the intensities."""
    truth = rng.uniform(0, 3, size=(len(NAMES), N_EMOTIONS)).round(2)
    frames = {}
    for name, levels in zip(NAMES, truth, strict=True):
        noise = rng.normal(size=(rng.integers(8, 20), 5))
        frames[name] = (noise * (0.05, 0.05, 0.05, 1, 1)).astype(np.float32)
        frames[name][:, :N_EMOTIONS] += levels
    return frames, dict(zip(NAMES, map(tuple, truth), strict=True))


@pytest.fixture
def problem(speech):
    frames, truth = speech
    torch.manual_seed(0)
    material = Material(
        frames=frames.__getitem__,
        columns=("a", "b", "c", "d", "e"),
        normaliser=fit_normaliser(frames.values()),
        shape=EncoderConfig(hidden_units=24, layers=1, stride=1),
        encoders={"pretrained": Encoder(5, hidden_units=24, layers=1).eval()},
    )
    train, validation = NAMES[:N_TRAIN], NAMES[N_TRAIN : N_TRAIN + N_VALIDATION]
    return Problem(
        material=material,
        task=TASK,
        labels=LabelDraw(train, validation),
        test=NAMES[-N_TEST:],
        truth={name: truth[name] for name in (*train, *validation)},
        speaker=dict(zip(NAMES, NAMES, strict=True)),
        seed=1,
    )


def settings_of(system, values=BRIEF):
    return {} if systems_of(TASK)[system].settings is None else values


def predicted_by(problem, system, values=BRIEF):
    return fit_and_predict(problem, system, **settings_of(system, values))


@pytest.fixture
def truth(speech):
    """(N_TEST, N_EMOTIONS) of the test utterances, which no system was given."""
    return np.array([speech[1][name] for name in NAMES[-N_TEST:]])


@pytest.mark.parametrize("system", FITTED)
def test_a_linear_relation_is_learnt(problem, truth, system):
    best_constant = np.abs(truth - np.median(truth, axis=0)).mean()
    share = 0.2 if system in (*CLASSIC, "pretrained_full", "scratch") else 0.6
    assert np.abs(predicted_by(problem, system, SETTINGS) - truth).mean() < share * best_constant


@pytest.mark.parametrize("system", [*FITTED, *FLOORS])
def test_predictions_lie_in_the_range_and_repeat_with_the_seed(problem, system):
    torch.rand(5)
    first = predicted_by(problem, system)
    torch.rand(17)
    assert first.shape == (N_TEST, N_EMOTIONS)
    assert first.min() >= 0
    assert first.max() <= 3
    np.testing.assert_array_equal(first, predicted_by(problem, system))


@pytest.mark.parametrize("system", ["pretrained_frozen", "pretrained_full", "scratch"])
def test_another_seed_gives_another_fit(problem, system):
    other = dataclasses.replace(problem, seed=2)
    assert (predicted_by(problem, system) != predicted_by(other, system)).any()


def test_predictions_are_clipped_only_when_they_are_read(problem):
    """Labels beyond the range cannot be reached, and are approached as far as it goes."""
    high = dataclasses.replace(problem, truth=dict.fromkeys(problem.truth, (9.0, 9.0, -9.0)))
    for system in ("scratch", "functionals_ridge"):
        predicted = predicted_by(high, system, SETTINGS)
        np.testing.assert_array_equal(predicted, np.tile([3, 3, 0], (N_TEST, 1)))


@pytest.mark.parametrize("system", ["pretrained_frozen", "pretrained_full"])
def test_the_given_encoder_stays_as_it_is(problem, system):
    before = copy.deepcopy(problem.material.encoder("pretrained").state_dict())
    predicted_by(problem, system)
    after = problem.material.encoder("pretrained").state_dict()
    assert all(torch.equal(before[name], value) for name, value in after.items())


def test_the_frozen_encoder_sees_each_utterance_once(problem, monkeypatch):
    seen = []
    encode = "undertone.models.network.encode"
    monkeypatch.setattr(
        encode, lambda _, steps, __: seen.append(len(steps)) or np.ones((len(steps), 4))
    )
    for seed in range(3):
        predicted_by(dataclasses.replace(problem, seed=seed), "pretrained_frozen")
    assert sum(seen) == len(NAMES)


@pytest.mark.parametrize("system", ["pretrained_frozen", "scratch"])
def test_the_company_of_longer_utterances_changes_nothing(problem, speech, system):
    """Batches are padded to their longest utterance; predictions must not see it."""
    alone = predicted_by(dataclasses.replace(problem, test=problem.test[:1]), system)
    together = predicted_by(problem, system)
    np.testing.assert_allclose(alone[0], together[0], atol=1e-5)


def test_floors_are_fitted_on_all_labels_of_the_budget(problem):
    labels = np.array([problem.truth[name] for name in problem.budget])
    for system, expected in {
        "always_0": 0 * labels[0],
        "median": fit_median(labels),
        "mean": labels.mean(axis=0),
    }.items():
        predicted = predicted_by(problem, system)
        np.testing.assert_allclose(predicted, np.tile(expected, (N_TEST, 1)), rtol=1e-6)


def test_a_budget_without_validation_is_trained_for_a_fixed_number_of_epochs(problem, truth):
    everything = dataclasses.replace(problem, labels=LabelDraw(problem.budget, []))
    assert np.abs(predicted_by(everything, "scratch", SETTINGS) - truth).mean() < 0.4


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_the_loss_is_the_distance_before_clipping(rng, distance):
    outputs, truth = torch.from_numpy(rng.normal(size=(2, 5, 3)) * 4)
    power = 1 if distance == "l1" else 2
    chosen = amount_outputs(3, lowest=-1, highest=3, distance=distance)
    expected = ((outputs - truth).abs() ** power).mean()
    torch.testing.assert_close(chosen.loss(outputs, truth), expected)
    assert chosen.activation(outputs).equal(outputs.clamp(-1, 3))
    assert chosen.validation_loss(truth.numpy(), truth.numpy()) == 0


def test_class_outputs_are_probabilities_and_their_own_loss(rng):
    outputs, truth = torch.from_numpy(rng.normal(size=(6, 4))), torch.eye(4)[torch.arange(6) % 4]
    chosen = class_outputs(4)
    probabilities = chosen.activation(outputs)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(6, dtype=probabilities.dtype))
    assert chosen.validation_loss(probabilities.numpy(), truth.numpy()) == pytest.approx(
        float(chosen.loss(outputs, truth))
    )


def test_an_unknown_distance_is_refused():
    with pytest.raises(UndertoneError, match="distance must be one of l1, l2, ccc, found 'cosine'"):
        FinetuneConfig(distance="cosine")


@pytest.mark.parametrize("stride", [1, 2, 7])
def test_lazy_steps_are_the_steps(rng, stride):
    frames = rng.normal(size=(103, 5)).astype(np.float32)
    frames[7, 2] = np.nan
    normaliser = fit_normaliser([frames], stride=stride)
    whole, lazy = normaliser.apply(frames), lazily(lambda: frames, normaliser)
    assert lazy.shape == whole.shape
    np.testing.assert_array_equal(np.asarray(lazy), whole)
    np.testing.assert_array_equal(np.asarray(lazy[3:][:8]), whole[3:11])
    np.testing.assert_array_equal(np.asarray(lazy[5:]), whole[5:])


def test_much_speech_is_pretrained_on_without_holding_it_and_to_the_same_losses(
    speech, monkeypatch
):
    frames = speech[0]
    table = FrameTable("toy", 1, 100, ("a", "b", "c", "d", "e"), frames)
    normaliser = fit_normaliser(frames.values())
    parts = [(table, table.utterances)]
    held = normalise.normalise(parts, normaliser)
    monkeypatch.setattr(normalise, "HELD_BYTES", 1000)
    lazy = normalise.normalise(parts, normaliser)
    assert isinstance(held[0], np.ndarray)
    assert not isinstance(lazy[0], np.ndarray)
    shape, settings = EncoderConfig(8, 1, 1), PretrainConfig(max_epochs=2, crop_steps=6)
    histories = [
        pretrain(steps, shape=shape, settings=settings, seed=0).history for steps in (held, lazy)
    ]
    assert histories[0] == histories[1]
