import copy
import dataclasses

import numpy as np
import pytest
import torch

from undertone.corpora.tasks import Task
from undertone.errors import UndertoneError
from undertone.training import classic, recognizer
from undertone.training.encoder import Encoder, EncoderConfig
from undertone.training.finetune import (
    FinetuneConfig,
    Labelled,
    finetune,
    finetune_head,
    pool,
    probabilities,
)
from undertone.training.normalise import Normaliser

SETTINGS = FinetuneConfig(max_epochs=25, learning_rate=5e-3)


@pytest.fixture
def labelled(rng):
    """Three emotions told apart by the level of one column."""
    truth = np.arange(36) % 3
    steps = [
        (rng.normal(size=(rng.integers(5, 20), 4)) + 2 * np.eye(4)[k]).astype(np.float32)
        for k in truth
    ]
    return Labelled(steps, truth, np.array([f"s{i % 4}" for i in range(36)]))


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(4, hidden_units=16, layers=2).eval()


def test_full_finetuning_learns_and_leaves_the_given_encoder_alone(labelled, encoder):
    before = copy.deepcopy(encoder.state_dict())
    model = _finetune(encoder, labelled)
    found = probabilities(model, labelled.steps).argmax(axis=1)
    assert (found == labelled.truth).mean() > 0.9
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_the_same_seed_gives_the_same_model_whatever_ran_before(labelled, encoder):
    first = _finetune(encoder, labelled)
    torch.rand(17)
    second = _finetune(encoder, labelled)
    assert torch.equal(first.head.weight, second.head.weight)


def test_without_validation_a_fixed_number_of_epochs_is_trained(labelled, encoder):
    nothing = Labelled([], np.zeros(0, dtype=int), np.zeros(0))
    model = _finetune(encoder, labelled, validation=nothing)
    assert (probabilities(model, labelled.steps).argmax(1) == labelled.truth).mean() > 0.9


def test_validation_chooses_the_epoch(labelled, encoder):
    """Labels that contradict the training labels: the best epoch is an early one."""
    wrong = dataclasses.replace(labelled, truth=(labelled.truth + 1) % 3)
    stopped = probabilities(_finetune(encoder, labelled, validation=wrong), labelled.steps)
    assert stopped.max(axis=1).mean() < 0.6


def test_the_frozen_head_is_the_logistic_regression_on_pooled_outputs(labelled, encoder):
    model = finetune_head(encoder, labelled=labelled, n_classes=3, pooling="mean", seed=0)
    vectors = pool(encoder, labelled.steps, "mean")
    fitted = classic.fit_logistic(vectors, labelled.truth, speakers=labelled.speakers, seed=0)
    np.testing.assert_allclose(
        probabilities(model, labelled.steps), fitted.probabilities(vectors, 3), atol=1e-4
    )


@pytest.mark.parametrize("fit", [classic.fit_logistic, classic.fit_svm])
@pytest.mark.parametrize("present", [[0, 2], [0, 1, 2]])
def test_an_emotion_without_a_label_is_never_predicted(labelled, encoder, fit, present):
    keep = np.isin(labelled.truth, present)
    vectors = pool(encoder, labelled.steps, "mean")
    fitted = fit(vectors[keep], labelled.truth[keep], speakers=labelled.speakers[keep], seed=0)
    chances = fitted.probabilities(vectors, 3)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    assert set(np.unique(chances.argmax(axis=1))) == set(present)


@pytest.mark.parametrize("fit", [classic.fit_logistic, classic.fit_svm])
def test_one_label_an_emotion_is_enough_to_fit(labelled, encoder, fit):
    vectors = pool(encoder, labelled.steps, "mean")[:3]
    fitted = fit(vectors, labelled.truth[:3], speakers=labelled.speakers[:3], seed=0)
    assert fitted.probabilities(vectors, 3).argmax(axis=1).tolist() == [0, 1, 2]


def test_a_recogniser_survives_its_folder(labelled, encoder, tmp_path, rng):
    saved = _recognizer(labelled, encoder)
    saved.save(tmp_path / "model", "# a card")
    loaded = recognizer.load(tmp_path / "model")
    frames = rng.normal(size=(50, 4))
    np.testing.assert_allclose(loaded.probabilities(frames), saved.probabilities(frames), atol=1e-6)
    assert (loaded.task, loaded.shape, loaded.notes) == (saved.task, saved.shape, saved.notes)
    assert (tmp_path / "model" / "README.md").read_text() == "# a card"


def test_an_encoder_survives_its_folder_and_is_no_recogniser(labelled, encoder, tmp_path):
    inputs = _recognizer(labelled, encoder).inputs
    shape = EncoderConfig(hidden_units=16, layers=2, stride=1)
    recognizer.PretrainedEncoder(inputs, shape, encoder).save(tmp_path, "# a card")
    loaded = recognizer.load_encoder(tmp_path)
    steps = [inputs.normaliser.apply(frames) for frames in labelled.steps]
    np.testing.assert_allclose(pool(loaded.encoder, steps, "mean"), pool(encoder, steps, "mean"))
    with pytest.raises(UndertoneError, match="kind encoder, expected recognizer"):
        recognizer.load(tmp_path)


def test_frames_of_other_columns_are_refused(labelled, encoder, rng):
    with pytest.raises(UndertoneError, match=r"4 toy columns, found an array of shape \(9, 5\)"):
        _recognizer(labelled, encoder).probabilities(rng.normal(size=(9, 5)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b"{", "is damaged"),
        ("config.json", b"{}", "is not of an Undertone model"),
        ("config.json", None, "holds no config.json; a model folder is what `undertone finetune`"),
        ("model.safetensors", b"short", "is damaged"),
        ("model.safetensors", None, "is damaged"),
    ],
)
def test_a_damaged_folder_is_named(labelled, encoder, tmp_path, name, content, message):
    _recognizer(labelled, encoder).save(tmp_path, "")
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UndertoneError, match=message):
        recognizer.load(tmp_path)


def _finetune(encoder, labelled, validation=None):
    return finetune(
        encoder,
        train=labelled,
        validation=labelled if validation is None else validation,
        n_classes=3,
        pooling="mean",
        settings=SETTINGS,
        seed=3,
    )


def _recognizer(labelled, encoder):
    model = finetune_head(encoder, labelled=labelled, n_classes=3, pooling="mean", seed=0)
    normaliser = Normaliser(np.zeros(4, np.float32), np.ones(4, np.float32), 1)
    inputs = recognizer.Inputs("toy", 1, ("a", "b", "c", "d"), normaliser)
    shape = EncoderConfig(hidden_units=16, layers=2, stride=1)
    task = Task("classes", ("anger", "neutral", "sadness"))
    return recognizer.Recognizer(inputs, shape, task, model, {"labels": 36})
