"""Laws of the one loop of supervised training, and the losses of fixed toys."""

import dataclasses
import pickle
import re
import shlex

import numpy as np
import pytest
import torch
from toy_task import Pleasantness

from undertone.config import override
from undertone.errors import UndertoneError
from undertone.models.cnn import CnnConfig
from undertone.models.encoder import Encoder
from undertone.models.picture import PictureConfig
from undertone.models.schedule import Schedule
from undertone.systems.table import sections
from undertone.tasks import Classes, Intensities
from undertone.training.finite import NotFiniteError, not_finite
from undertone.training.outputs import amount_outputs, class_outputs, outputs_of
from undertone.training.segments import fit_cnn
from undertone.training.supervised import FinetuneConfig, Labelled, finetune, train_epochs


class Counter(torch.nn.Module):
    """One weight, which every step raises by the learning rate."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def losses(self, epoch):
        yield -self.weight.sum()


def trained(validation_losses, **settings):
    """The weight after training, and the weights at which the validation loss was computed."""
    model, seen, ahead = Counter(), [], iter(validation_losses)

    def validation_loss():
        seen.append(round(model.weight.item()))
        return next(ahead)

    schedule = Schedule(learning_rate=1.0, **settings)
    train_epochs(
        model,
        losses=model.losses,
        validation_loss=validation_loss if validation_losses else None,
        schedule=schedule,
    )
    assert not model.training
    return round(model.weight.item()), seen


def test_the_best_epoch_s_weights_are_kept_and_patience_stops():
    weight, seen = trained([5, 3, 4, 2, 2, 6, 3, 0], max_epochs=8, patience=3)
    assert weight == 4  # the fourth epoch; an equal loss is not a better one
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_a_loss_that_comes_after_patience_is_over_is_not_seen():
    weight, seen = trained([5, 3, 4, 4, 1], max_epochs=8, patience=2)
    assert (weight, seen) == (2, [1, 2, 3, 4])


def test_training_ends_with_the_epochs():
    assert trained([3, 2, 1], max_epochs=3, patience=9) == (3, [1, 2, 3])


def test_without_validation_the_last_of_a_fixed_number_of_epochs_is_kept():
    assert trained([], epochs_without_validation=7, max_epochs=2, patience=1) == (7, [])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("validated", [False, True])
def test_a_loss_that_is_not_finite_ends_the_training_and_says_what_to_lower(value, validated):
    model = Counter()

    def losses(epoch):
        yield model.weight.sum() * (value if epoch == 2 else 1.0)

    with pytest.raises(NotFiniteError, match="not finite in epoch 3 of 5") as told:
        train_epochs(
            model,
            losses=losses,
            validation_loss=(lambda: 1.0) if validated else None,
            schedule=FinetuneConfig(
                learning_rate=0.5, max_epochs=5, epochs_without_validation=5, patience=9
            ),
        )
    assert "now 0.5, by adding `--set finetune.learning_rate=0.05`" in str(told.value)
    assert pickle.loads(pickle.dumps(told.value)).where == "epoch 3 of 5", "it crosses processes"


@pytest.mark.parametrize(
    ("rates", "setting", "lower"),
    [
        (0.5, "finetune.learning_rate", 0.05),
        (3e-9, "cnn.learning_rate", 1e-9),
        (2e-4, "distil.learning_rate", 2e-5),
        ((5e-5, 3e-4), "tuning.learning_rates", [5e-6, 3e-5]),
    ],
)
def test_the_setting_can_be_pasted(rates, setting, lower):
    pasted = re.search(r"`(--set [^`]+)`", str(not_finite("epoch 1 of 2", rates, setting)))
    _, assignment = shlex.split(pasted[1])
    section, name = setting.split(".")
    assert override({}, [assignment]) == {section: {name: lower}}


def test_a_gradient_that_is_not_finite_is_no_step():
    """Its loss is still finite, and no later one would tell of the weights."""
    model = Counter()

    def losses(epoch):
        yield torch.sqrt(model.weight.sum() * 0)

    with pytest.raises(NotFiniteError, match="epoch 1 of 1"):
        train_epochs(
            model,
            losses=losses,
            validation_loss=None,
            schedule=CnnConfig(epochs_without_validation=1),
        )


def test_a_validation_loss_that_is_not_finite_chooses_no_epoch():
    with pytest.raises(NotFiniteError, match="epoch 2 of 3"):
        trained([1.0, np.nan, 0.5], max_epochs=3)


def test_every_section_of_a_training_names_its_learning_rate():
    trainings = [one for one in sections().values() if issubclass(one.kind, Schedule)]
    assert {one.name for one in trainings} >= {"finetune", "cnn", "picture"}
    assert all(one.kind.section == one.name for one in sections().values() if one in trainings)


def test_each_loss_is_computed_after_the_step_before_it():
    model, seen = Counter(), []

    def losses(epoch):
        for _ in range(3):
            seen.append(round(model.weight.item()))
            yield -model.weight.sum()

    schedule = Schedule(learning_rate=1.0, epochs_without_validation=2)
    train_epochs(model, losses=losses, validation_loss=None, schedule=schedule)
    assert seen == [0, 1, 2, 3, 4, 5]


@pytest.fixture
def toy():
    """Three classes told apart by the level of one column."""
    rng = np.random.default_rng(7)
    positions = np.arange(24) % 3
    steps = [
        (rng.normal(size=(rng.integers(5, 20), 4)) + 2 * np.eye(4)[k]).astype(np.float32)
        for k in positions
    ]
    truth = np.eye(3, dtype=np.float32)[positions]
    return Labelled(steps, truth, np.array([f"s{i % 4}" for i in range(24)]))


def watched(outputs):
    """The same outputs, and the list to which they add each loss."""
    seen = []

    def loss(scores, truth):
        value = outputs.loss(scores, truth)
        seen.append(value.item())
        return value

    return dataclasses.replace(outputs, loss=loss), seen


@pytest.mark.parametrize(
    ("kind", "pooling", "expected"),
    [
        ("choice", "mean", [1.0578676, 1.0564348, 1.0945021, 1.0893825, 1.0517552]),
        ("amounts", "mean_sd", [1.4559569, 1.4553100, 1.4605669, 1.4487629, 1.4380853]),
    ],
)
def test_the_first_losses_of_a_gru_stay_what_they_were(toy, kind, pooling, expected):
    torch.manual_seed(0)
    encoder = Encoder(4, hidden_units=8, layers=2)
    encoder.gru.precision = "float32"
    position = toy.truth.argmax(axis=1)
    if kind == "amounts":
        amounts = np.stack([position, 3 - position], axis=1).astype(np.float32)
        toy = dataclasses.replace(toy, truth=amounts)
    names = tuple("abcdef"[: toy.truth.shape[1]])
    task = Classes(names) if kind == "choice" else Intensities(names)
    outputs, seen = watched(outputs_of(task, smoothing=0.05))
    finetune(
        encoder,
        train=toy,
        validation=toy,
        outputs=outputs,
        pooling=pooling,
        settings=FinetuneConfig(batch_size=8, max_epochs=4),
        seed=3,
    )
    assert seen[:5] == pytest.approx(expected, rel=1e-5)


def test_the_first_losses_of_a_cnn_stay_what_they_were(toy):
    outputs, seen = watched(class_outputs(3))
    fit_cnn(
        toy,
        toy,
        outputs=outputs,
        steps_per_second=4,
        settings=CnnConfig(
            segment_s=1.0, channels=8, batch_size=16, max_epochs=3, precision="float32"
        ),
        seed=5,
    )
    expected = [1.1282501, 1.1525556, 1.0595961, 1.1024499, 0.8451494]
    assert seen[:5] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_outputs_of_a_kind_are_those_of_its_function(rng, distance):
    scores = torch.from_numpy(rng.normal(3, 2, size=(5, 4)))
    truth = torch.from_numpy(rng.uniform(1, 5, size=(5, 4)))
    for kind, direct in {
        Classes: class_outputs(4, smoothing=0.3),
        Pleasantness: amount_outputs(4, lowest=1.0, highest=5.0, distance=distance),
    }.items():
        named = outputs_of(kind(tuple("abcd")), smoothing=0.3, distance=distance)
        assert named.number == 4
        assert named.loss(scores, truth) == direct.loss(scores, truth)
        assert named.activation(scores).equal(direct.activation(scores))


@pytest.mark.parametrize("settings", [Schedule, FinetuneConfig, CnnConfig, PictureConfig])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0),
        ("batch_size", 0),
        ("clip_norm", 0),
        ("max_epochs", 0),
        ("patience", 0),
        ("epochs_without_validation", 0),
    ],
)
def test_every_schedule_refuses_what_is_out_of_range(settings, name, value):
    with pytest.raises(UndertoneError, match=rf"{settings.__name__}\.{name} must lie from"):
        settings(**{name: value})


@pytest.mark.parametrize("settings", [CnnConfig, PictureConfig])
@pytest.mark.parametrize(("name", "value"), [("segment_s", 0), ("overlap", 0.99)])
def test_segments_have_a_length_and_do_not_overlap_wholly(settings, name, value):
    with pytest.raises(UndertoneError, match=rf"{settings.__name__}\.{name} must lie from"):
        settings(**{name: value})
