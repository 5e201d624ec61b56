import copy
import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import softmax

from undertone.corpora.tasks import Task
from undertone.errors import UndertoneError
from undertone.training import classic, recognizer
from undertone.training.combined import CombinedClassifier
from undertone.training.discriminant import (
    Crowd,
    DiscriminantConfig,
    fit_discriminant,
    temperature_of,
)
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
from undertone.training.problem import Material, Problem
from undertone.training.systems import combine, fit_combined

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


@pytest.mark.parametrize("with_encoder", [True, False])
def test_a_combined_recogniser_predicts_as_its_discriminant_does(
    encoder, tmp_path, rng, with_encoder
):
    shape = EncoderConfig(hidden_units=16, layers=2, stride=1)
    normaliser = Normaliser(np.zeros(4, np.float32), np.ones(4, np.float32))
    columns = ("a", "b", "c", "d")
    frames = {f"u{i}": rng.normal(size=(40 + i, 4)).astype(np.float32) for i in range(24)}
    for i, name in enumerate(frames):
        frames[name][:, 0] += i % 2
    speakers = {name: f"s{i % 3}" for i, name in enumerate(frames)}
    names = list(frames)
    problem = Problem(
        material=Material(
            frames=frames.__getitem__,
            columns=columns,
            normaliser=normaliser,
            shape=shape,
            pretrained=encoder,
            seed=0,
            crowd=speakers,
        ),
        train=names[:6],
        validation=names[6:8],
        test=names[8:],
        truth={name: i % 2 for i, name in enumerate(names[:8])},
        speaker={name: speakers[name] for name in names[:8]},
        n_classes=2,
        finetuning=SETTINGS,
        discriminant=DiscriminantConfig(),
        seed=0,
    )
    kind = "pretrained" if with_encoder else None
    expected = fit_combined(problem, kind)
    model = CombinedClassifier.of(
        combine(problem, kind), encoder if with_encoder else None, n_descriptors=32
    )
    inputs = recognizer.Inputs("log_mel", 1, columns, normaliser)
    task = Task("classes", ("anger", "happiness"))
    recognizer.Recognizer(inputs, shape, task, model).save(tmp_path, "# a card")
    again = recognizer.load(tmp_path)
    for name, row in zip(names[8:], expected, strict=True):
        np.testing.assert_allclose(again.probabilities(frames[name]), row, atol=1e-5)
    assert (expected.argmax(axis=1) == np.arange(8, 24) % 2).mean() > 0.9
    with pytest.raises(UndertoneError, match=r"trained on 32 descriptors .* computes 31"):
        model.probabilities(normaliser.apply(frames[names[8]]), np.zeros(31, dtype=np.float32))


def test_the_temperature_undoes_what_made_probabilities_too_sure(rng):
    scores = rng.normal(size=(4000, 3))
    truth = np.array([rng.choice(3, p=row) for row in softmax(scores, axis=1)])
    assert temperature_of(softmax(5 * scores, axis=1), truth) == pytest.approx(5, rel=0.15)


def test_a_cooled_discriminant_decides_alike(rng):
    vectors = rng.normal(size=(30, 4))
    truth = np.arange(30) % 2
    crowd = Crowd(vectors, np.array(["a", "b", "c"] * 10, dtype=object), np.ones(30, dtype=bool))
    fitted = fit_discriminant(
        vectors, truth, crowd=crowd, n_classes=2, settings=DiscriminantConfig()
    )
    sure, unsure = fitted.probabilities(vectors), fitted.cooled(4.0).probabilities(vectors)
    np.testing.assert_array_equal(sure.argmax(axis=1), unsure.argmax(axis=1))
    assert (unsure.max(axis=1) <= sure.max(axis=1)).all()
