import dataclasses
import math

import numpy as np
import pytest
import torch

from undertone.errors import UndertoneError
from undertone.models.encoder import EncoderConfig
from undertone.training import checkpoint
from undertone.training import pretrain as training
from undertone.training.cropping import Crop, cut, hold_out
from undertone.training.losses import OBJECTIVES, View
from undertone.training.masking import draw_hidden
from undertone.training.pretrain import Pretext, PretrainConfig, pretrain
from undertone.training.views import Asks, view_of

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
    with pytest.raises(
        UndertoneError, match="a pre-training with another seed; choose another folder, or"
    ):
        pretrain(utterances, shape=SHAPE, settings=once, seed=2, folder=tmp_path)


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "of another kind"])
def test_a_damaged_checkpoint_is_set_aside_and_told_and_training_begins_again(
    utterances, tmp_path, capsys, damage
):
    brief = dataclasses.replace(SETTINGS, max_epochs=2)
    settings = {"shape": SHAPE, "settings": brief, "seed": 1, "folder": tmp_path}
    whole = pretrain(utterances, **settings)
    path = tmp_path / checkpoint.NAME
    content = bytearray(path.read_bytes())
    content[-9] ^= 4  # in a weight
    changed = {
        "cut": content[:900],
        "empty": b"",
        "flipped": content,
        "of another kind": b"{}" * 99,
    }
    path.write_bytes(changed[damage])
    again = pretrain(utterances, **settings)
    assert again.history == whole.history
    assert "is damaged" in (said := capsys.readouterr().err)
    assert "set aside as checkpoint.safetensors.damaged, and pre-training begins again" in said
    assert (tmp_path / f"{checkpoint.NAME}.damaged").read_bytes() == changed[damage]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda given: given["utterances"][3].__imul__(1.01), "speech"),
        (lambda given: given["utterances"].reverse(), "speech"),
        (lambda given: given.update(speakers=["s1"] * 30), "speakers"),
        (lambda given: given.update(seed=2), "seed"),
        (
            lambda given: given.update(settings=dataclasses.replace(SETTINGS, max_epochs=3)),
            "settings",
        ),
        (lambda given: given.update(shape=dataclasses.replace(SHAPE, pooling="last")), "shape"),
    ],
)
def test_a_checkpoint_is_gone_on_with_only_for_what_it_is_of(utterances, tmp_path, change, what):
    once = dataclasses.replace(SETTINGS, max_epochs=1)
    given = {
        "utterances": utterances,
        "shape": SHAPE,
        "settings": once,
        "seed": 1,
        "speakers": None,
    }
    pretrain(folder=tmp_path, **given)
    change(given)
    with pytest.raises(UndertoneError, match=f"holds a pre-training with another {what}; choose"):
        pretrain(folder=tmp_path, **given)


def test_another_version_or_kernel_is_another_training(utterances, tmp_path, monkeypatch):
    settings = {"shape": SHAPE, "settings": dataclasses.replace(SETTINGS, max_epochs=1), "seed": 1}
    pretrain(utterances, folder=tmp_path, **settings)
    for name, value in (("gru.in_use", lambda: "abacus"), ("__version__", "9")):
        with monkeypatch.context() as patch:
            patch.setattr(f"undertone.training.identity.{name}", value)
            with pytest.raises(UndertoneError, match=r"another (kernel|undertone); choose"):
                pretrain(utterances, folder=tmp_path, **settings)


def test_a_loss_that_is_not_finite_ends_the_training_and_keeps_what_was_good(
    utterances, tmp_path, monkeypatch
):
    seen = []

    def broken(*given):
        seen.append(1)
        return real(*given) if len(seen) < 3 else math.nan

    real = training._train_epoch
    monkeypatch.setattr(training, "_train_epoch", broken)
    with pytest.raises(UndertoneError, match="not finite in epoch 3 of 5 of the pre-training") as e:
        pretrain(utterances, shape=SHAPE, settings=SETTINGS, seed=1, folder=tmp_path)
    assert "`--set pretrain.learning_rate=0.0001`" in str(e.value)
    monkeypatch.undo()
    again = pretrain(utterances, shape=SHAPE, settings=SETTINGS, seed=1, folder=tmp_path)
    assert len(again.history) == 5
    assert all(math.isfinite(epoch.loss) for epoch in again.history)


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


def asks_of(model):
    return Asks(model.in_parts, model.by_speaker, model.centroids)


@pytest.fixture
def far_view(rng):
    """Steps around 3, none of them near 0; some are hidden."""
    lengths = [12, 12, 9, 5]
    steps = rng.normal(3, 0.5, size=(4, 12, 3)).astype(np.float32)
    hidden = draw_hidden(lengths, share=0.3, spans=2, rng=rng)
    for row, length in enumerate(lengths):
        steps[row, length:] = 0
    centroids = torch.from_numpy(rng.normal(3, 0.5, size=(100, 3))).float()
    owners = torch.tensor([0, 1, 0, 1])
    parts = (torch.from_numpy(hidden), torch.tensor(lengths), owners, centroids)
    return View(torch.from_numpy(steps), *parts, speakers=torch.zeros(4))


def states_and_loss(objective, view):
    torch.manual_seed(0)
    model = Pretext(3, SHAPE, {objective: OBJECTIVES[objective]}).eval()
    kept = []
    model.encoder.register_forward_hook(lambda module, given, states: kept.append((given, states)))
    with torch.no_grad():
        loss = model(view)
        ((seen, _), states), dense = kept[0], model.dense[objective]
        return seen, states, loss, dense(states)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_encoder_sees_nothing_of_hidden_steps(far_view, objective, rng):
    """Their values are nowhere in its states; in a loss they are the target or nothing."""
    hidden = far_view.hidden.bool()
    noise = torch.from_numpy(rng.normal(0, 2, size=tuple(far_view.steps.shape))).float()
    other = dataclasses.replace(far_view, steps=far_view.steps + noise * hidden[:, :, None])
    seen, states, loss, _ = states_and_loss(objective, far_view)
    assert (seen[hidden] == 0).all()
    torch.testing.assert_close(seen[~hidden], far_view.steps[~hidden], rtol=0, atol=0)
    _, others, other_loss, outputs = states_and_loss(objective, other)
    torch.testing.assert_close(others, states, rtol=0, atol=0)
    torch.testing.assert_close(other_loss, OBJECTIVES[objective].loss(outputs, other))
    if "contrast" in objective:
        assert other_loss == loss
    else:
        assert abs(other_loss - loss) > 0.01


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_encoder_sees_what_is_not_hidden(far_view, objective):
    before = states_and_loss(objective, far_view)[1]
    row, step = torch.argwhere((far_view.hidden == 0) & (far_view.steps[:, :, 0] != 0))[0]
    changed = far_view.steps.clone()
    changed[row, step] += 1
    after = states_and_loss(objective, dataclasses.replace(far_view, steps=changed))[1]
    assert (after[row, step:] != before[row, step:]).any()


def test_training_hides_the_steps_that_are_drawn_and_no_others(rng):
    """From sequences to the encoder: about the share that is set, in every one."""
    crops = [Crop(rng.normal(3, 0.5, size=(n, 3)).astype(np.float32), 0) for n in (40, 33, 20)]
    settings = dataclasses.replace(SETTINGS, mask_share=0.25)
    seen = []
    model = Pretext(3, SHAPE, settings.objectives)
    model.encoder.register_forward_hook(lambda module, given, states: seen.append(given[0]))
    model(view_of(asks_of(model), crops, settings, np.random.default_rng(5)))
    gone = [(row[: len(crop.steps)] == 0).all(1) for row, crop in zip(seen[0], crops, strict=True)]
    assert [int(of_one.sum()) for of_one in gone] == [10, 8, 5]
    for row, crop, hidden in zip(seen[0], crops, gone, strict=True):
        np.testing.assert_array_equal(row[: len(hidden)][~hidden], crop.steps[~hidden.numpy()])


def test_losses_are_added_by_their_weights(far_view):
    torch.manual_seed(0)
    model = Pretext(3, SHAPE, OBJECTIVES).eval()
    model.centroids.copy_(far_view.centroids)
    with torch.no_grad():
        states = model.encoder(far_view.steps * (1 - far_view.hidden[:, :, None]), far_view.lengths)
        losses = [
            o.weight * o.loss(model.dense[n](states), far_view) for n, o in OBJECTIVES.items()
        ]
        torch.testing.assert_close(model(far_view), sum(losses))
    assert len({objective.weight for objective in OBJECTIVES.values()}) > 1


@pytest.mark.parametrize(("distance", "power"), [("l1", 1), ("l2", 2)])
def test_the_distance_that_is_set_is_measured(rng, distance, power):
    crops = [Crop(rng.normal(3, 0.5, size=(n, 3)).astype(np.float32), 0) for n in (40, 33)]
    settings = dataclasses.replace(SETTINGS, distance=distance)
    model, views = Pretext(3, SHAPE, settings.objectives), []
    model.register_forward_pre_hook(lambda module, given: views.append(given[0]))
    with torch.no_grad():
        loss = model(view_of(asks_of(model), crops, settings, np.random.default_rng(5)))
        hidden = views[0].hidden.bool()
        seen = views[0].steps * ~hidden[:, :, None]
        outputs = model.dense["reconstruction"](model.encoder(seen, views[0].lengths))
        error = (outputs - views[0].steps)[hidden].abs() ** power
    torch.testing.assert_close(loss, error.mean())


def test_gradients_are_clipped_before_each_step(utterances, monkeypatch):
    norms, step = [], torch.optim.Adam.step

    def measured(self, *given):
        gradients = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(torch.cat([g.flatten() for g in gradients]).norm().item())
        return step(self, *given)

    monkeypatch.setattr(torch.optim.Adam, "step", measured)
    settings = dataclasses.replace(SETTINGS, max_epochs=1, clip_norm=0.01)
    pretrain(utterances, shape=SHAPE, settings=settings, seed=1)
    np.testing.assert_allclose(norms, 0.01, rtol=1e-3)


def test_crops_follow_each_other_from_a_random_start(rng):
    whole = Crop(np.arange(130)[:, None], 7)
    starts = set()
    for _ in range(200):
        crops = cut([whole], 40, rng)
        steps = np.concatenate([crop.steps[:, 0] for crop in crops])
        assert [len(crop.steps) for crop in crops] == [40, 40, 40]
        assert {crop.speaker for crop in crops} == {7}
        np.testing.assert_array_equal(steps, np.arange(steps[0], steps[0] + 120))
        starts.add(int(steps[0]))
    assert starts == set(range(11))
    (short,) = cut([whole.part(slice(39))], 40, rng)
    assert len(short.steps) == 39


def test_what_is_held_out_is_not_trained_on():
    pool = [Crop(np.full((5, 1), number), number) for number in range(30)]
    train, held_out = hold_out(pool, 0.2, seed=1)
    numbers = [crop.speaker for crop in train], [crop.speaker for crop in held_out]
    assert (len(train), len(held_out)) == (24, 6)
    assert sorted(numbers[0] + numbers[1]) == list(range(30))
    assert numbers[1] != [crop.speaker for crop in hold_out(pool, 0.2, seed=2)[1]]


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
