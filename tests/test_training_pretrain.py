import dataclasses

import numpy as np
import pytest
import torch

from undertone.errors import UndertoneError
from undertone.training import checkpoint
from undertone.training.encoder import EncoderConfig
from undertone.training.losses import OBJECTIVES
from undertone.training.pretrain import PretrainConfig, pretrain

SHAPE = EncoderConfig(hidden_units=16, layers=2, stride=1)
SETTINGS = PretrainConfig(
    objective="reconstruction",
    mask_share=0.1,
    mask_spans=1,
    crop_steps=40,
    batch_size=8,
    max_epochs=5,
    patience=9,
)
STORED = [  # loss, held-out loss of each epoch
    (0.608239, 0.733804),
    (0.657154, 0.721585),
    (0.632495, 0.704412),
    (0.621498, 0.694727),
    (0.640625, 0.691696),
]


@pytest.fixture
def utterances(rng):
    """Slow waves of several lengths: what is hidden can be guessed from what is around it."""
    phases = rng.uniform(0, 6, size=(30, 1, 3))
    return [
        np.sin(np.linspace(0, n / 4, n)[:, None] + phase).astype(np.float32)
        for n, phase in zip(rng.integers(10, 130, size=30), phases, strict=True)
    ]


def test_the_held_out_loss_falls_well_below_that_of_guessing_the_mean(utterances):
    settings = dataclasses.replace(SETTINGS, max_epochs=25, learning_rate=5e-3)
    result = pretrain(utterances, shape=SHAPE, settings=settings, seed=1)
    of_the_mean = np.abs(np.concatenate(utterances)).mean()
    assert result.best.held_out_loss < 0.75 * of_the_mean


def test_a_run_stopped_and_resumed_has_the_same_losses_and_weights(utterances, tmp_path):
    whole = pretrain(utterances, shape=SHAPE, settings=SETTINGS, seed=1)

    class StoppedError(Exception):
        pass

    def stop(epoch):
        if epoch.epoch == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        pretrain(utterances, shape=SHAPE, settings=SETTINGS, seed=1, folder=tmp_path, report=stop)
    seen = []
    resumed = pretrain(
        utterances, shape=SHAPE, settings=SETTINGS, seed=1, folder=tmp_path, report=seen.append
    )
    assert [epoch.epoch for epoch in seen] == [3, 4]
    assert resumed.history == whole.history
    for name, tensor in whole.encoder.state_dict().items():
        assert torch.equal(tensor, resumed.encoder.state_dict()[name])


def test_the_kept_weights_are_those_of_the_best_epoch_and_training_stops_early(utterances):
    settings = dataclasses.replace(SETTINGS, learning_rate=3.0, max_epochs=30, patience=2)
    result = pretrain(utterances, shape=SHAPE, settings=settings, seed=1)
    assert len(result.history) == result.best.epoch + 3 < 30


def test_a_folder_of_another_run_is_refused(utterances, tmp_path):
    once = dataclasses.replace(SETTINGS, max_epochs=1)
    pretrain(utterances, shape=SHAPE, settings=once, seed=1, folder=tmp_path)
    with pytest.raises(UndertoneError, match="other settings, seed or data"):
        pretrain(utterances, shape=SHAPE, settings=once, seed=2, folder=tmp_path)


def test_a_damaged_checkpoint_is_named(utterances, tmp_path):
    (tmp_path / checkpoint.NAME).write_bytes(b"12345678 not a checkpoint")
    with pytest.raises(UndertoneError, match="not a readable checkpoint"):
        pretrain(utterances, shape=SHAPE, settings=SETTINGS, seed=1, folder=tmp_path)


def test_one_utterance_is_no_pool(utterances):
    with pytest.raises(UndertoneError, match="at least 2 unlabelled utterances, found 1"):
        pretrain(utterances[:1], shape=SHAPE, settings=SETTINGS, seed=1)


@pytest.mark.parametrize(
    "change",
    [{"mask_share": 1.0}, {"distance": "l3"}, {"objective": "clusters+magic"}, {"objective": ""}],
)
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(UndertoneError):
        PretrainConfig(**change)


def test_the_first_losses_of_a_fixed_toy_stay_what_they_were(utterances, monkeypatch):
    """A refactoring changes none of them; the values are of the exact float32 path."""
    monkeypatch.setenv("UNDERTONE_KERNEL", "off")
    result = pretrain(utterances, shape=SHAPE, settings=SETTINGS, seed=1)
    losses = [(epoch.loss, epoch.held_out_loss) for epoch in result.history]
    np.testing.assert_allclose(losses, STORED, rtol=1e-4)


@pytest.mark.parametrize("objective", [*OBJECTIVES, "+".join(OBJECTIVES)])
def test_every_objective_is_learned(utterances, objective, rng):
    voices = [steps + rng.normal(size=3).astype(np.float32) for steps in utterances]
    settings = dataclasses.replace(
        SETTINGS, objective=objective, mask_share=0.3, mask_spans=2, max_epochs=8
    )
    speakers = [f"s{i % 2}" for i in range(len(voices))]
    result = pretrain(voices, shape=SHAPE, settings=settings, seed=1, speakers=speakers)
    assert result.history[-1].loss < result.history[0].loss


@pytest.mark.parametrize("objective", ["clusters", "contrast", "reconstruction+functionals"])
def test_a_stopped_run_of_any_objective_goes_on_to_the_same_losses(utterances, tmp_path, objective):
    settings = dataclasses.replace(SETTINGS, objective=objective, max_epochs=4)
    whole = pretrain(utterances, shape=SHAPE, settings=settings, seed=1)

    def stop(epoch):
        if epoch.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(utterances, shape=SHAPE, settings=settings, seed=1, folder=tmp_path, report=stop)
    again = pretrain(utterances, shape=SHAPE, settings=settings, seed=1, folder=tmp_path)
    assert again.history == whole.history


def test_contrast_by_speaker_needs_two_utterances_of_one(utterances):
    settings = dataclasses.replace(SETTINGS, objective="speaker_contrast", max_epochs=1)
    each = [f"s{i}" for i in range(len(utterances))]
    for speakers in (None, [None] * len(utterances), each):
        with pytest.raises(UndertoneError, match="no two are known to be of one"):
            pretrain(utterances, shape=SHAPE, settings=settings, seed=1, speakers=speakers)
    one = ["s0"] * 27 + each[27:]  # so that two of the three held out are by one
    assert pretrain(utterances, shape=SHAPE, settings=settings, seed=1, speakers=one).history


def test_contrast_by_speaker_is_not_stopped_by_a_held_out_loss_of_nothing(utterances):
    """One held-out utterance has no other to be compared with: its loss is 0 from the start."""
    one = dataclasses.replace(SETTINGS, objective="speaker_contrast", held_out_share=0.001)
    with pytest.raises(UndertoneError, match="of the pool's 1 held out no two are known"):
        pretrain(utterances, shape=SHAPE, settings=one, seed=1, speakers=["s"] * len(utterances))


def test_clusters_need_enough_steps(rng):
    few = [rng.normal(size=(10, 3)).astype(np.float32) for _ in range(3)]
    settings = dataclasses.replace(SETTINGS, objective="clusters")
    with pytest.raises(UndertoneError, match="at least 100 steps"):
        pretrain(few, shape=SHAPE, settings=settings, seed=1)
