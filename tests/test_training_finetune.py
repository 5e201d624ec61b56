import copy
import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import softmax

from undertone.models import linear_and_svm as classic
from undertone.models.discriminant import (
    Crowd,
    DiscriminantConfig,
    fit_discriminant,
    temperature_of,
)
from undertone.models.encoder import Encoder
from undertone.models.network import encode, predict
from undertone.training.outputs import class_outputs
from undertone.training.supervised import FinetuneConfig, Labelled, finetune

SETTINGS = FinetuneConfig(max_epochs=25, learning_rate=5e-3)
OUTPUTS = class_outputs(3, smoothing=SETTINGS.label_smoothing)


@pytest.fixture
def labelled(rng):
    """Three emotions told apart by the level of one column."""
    truth = np.arange(36) % 3
    steps = [
        (rng.normal(size=(rng.integers(5, 20), 4)) + 2 * np.eye(4)[k]).astype(np.float32)
        for k in truth
    ]
    return Labelled(
        steps, np.eye(3, dtype=np.float32)[truth], np.array([f"s{i % 4}" for i in range(36)])
    )


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(4, hidden_units=16, layers=2).eval()


def test_full_finetuning_learns_and_leaves_the_given_encoder_alone(labelled, encoder):
    before = copy.deepcopy(encoder.state_dict())
    model = _finetune(encoder, labelled)
    assert _share_right(model, labelled) > 0.9
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_the_same_seed_gives_the_same_model_whatever_ran_before(labelled, encoder):
    first = _finetune(encoder, labelled)
    torch.rand(17)
    second = _finetune(encoder, labelled)
    assert torch.equal(first.head.weight, second.head.weight)


def test_without_validation_a_fixed_number_of_epochs_is_trained(labelled, encoder):
    nothing = Labelled([], np.zeros((0, 3), dtype=np.float32), np.zeros(0))
    model = _finetune(encoder, labelled, validation=nothing)
    assert _share_right(model, labelled) > 0.9


def test_validation_chooses_the_epoch(labelled, encoder):
    """Labels that contradict the training labels: the best epoch is an early one."""
    wrong = dataclasses.replace(labelled, truth=np.roll(labelled.truth, 1, axis=1))
    model = _finetune(encoder, labelled, validation=wrong)
    stopped = predict(model, labelled.steps, OUTPUTS.activation)
    assert stopped.max(axis=1).mean() < 0.6


@pytest.mark.parametrize("fit", [classic.fit_logistic, classic.fit_svm])
@pytest.mark.parametrize("present", [[0, 2], [0, 1, 2]])
def test_an_emotion_without_a_label_is_never_predicted(labelled, encoder, fit, present):
    positions = labelled.truth.argmax(axis=1)
    keep, vectors = np.isin(positions, present), encode(encoder, labelled.steps, "mean")
    options = {"n_outputs": 3, "speakers": labelled.speakers[keep], "seed": 0}
    probabilities = fit(vectors[keep], positions[keep], **options).predict(vectors)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert set(np.unique(probabilities.argmax(axis=1))) == set(present)


@pytest.mark.parametrize("fit", [classic.fit_logistic, classic.fit_svm])
def test_one_label_an_emotion_is_enough_to_fit(labelled, encoder, fit):
    vectors = encode(encoder, labelled.steps, "mean")[:3]
    options = {"n_outputs": 3, "speakers": labelled.speakers[:3], "seed": 0}
    fitted = fit(vectors, np.arange(3), **options)
    assert fitted.predict(vectors).argmax(axis=1).tolist() == [0, 1, 2]


def _finetune(encoder, labelled, validation=None):
    return finetune(
        encoder,
        train=labelled,
        validation=labelled if validation is None else validation,
        outputs=OUTPUTS,
        pooling="mean",
        settings=SETTINGS,
        seed=3,
    )


def _share_right(model, labelled):
    predicted = predict(model, labelled.steps, OUTPUTS.activation)
    return (predicted.argmax(axis=1) == labelled.truth.argmax(axis=1)).mean()


def test_the_temperature_undoes_what_made_probabilities_too_sure(rng):
    scores = rng.normal(size=(4000, 3))
    truth = np.array([rng.choice(3, p=row) for row in softmax(scores, axis=1)])
    assert temperature_of(softmax(5 * scores, axis=1), truth) == pytest.approx(5, rel=0.15)


def test_a_cooled_discriminant_decides_alike(rng):
    vectors = rng.normal(size=(30, 4))
    truth = np.arange(30) % 2
    crowd = Crowd(vectors, np.array(["a", "b", "c"] * 10, dtype=object), np.ones(30, dtype=bool))
    fitted = fit_discriminant(
        vectors, truth, crowd=crowd, n_outputs=2, settings=DiscriminantConfig()
    )
    sure, unsure = fitted.predict(vectors), fitted.cooled(4.0).predict(vectors)
    np.testing.assert_array_equal(sure.argmax(axis=1), unsure.argmax(axis=1))
    assert (unsure.max(axis=1) <= sure.max(axis=1)).all()
