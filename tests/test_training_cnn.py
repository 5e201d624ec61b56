from dataclasses import replace

import numpy as np
import pytest
import torch
from upstream_fakes import write_resnet

from undertone.errors import UndertoneError
from undertone.training import batches, cnn, image_cnn
from undertone.training.cnn import Cnn, CnnConfig, cut, fit_cnn, probabilities
from undertone.training.finetune import Labelled

SMALL = CnnConfig(segment_s=1.0, channels=16, batch_size=8, max_epochs=12, patience=12)
RATE = 20  # steps a second


def labelled(rng, n, n_features=6, shift=2.0):
    """Utterances of 0.4 to 3 seconds whose class is told by one column in a part of the time."""
    truth = np.arange(n) % 3
    steps = []
    for kind in truth:
        noise = rng.normal(size=(rng.integers(8, 60), n_features)).astype(np.float32)
        noise[:, kind] += shift
        steps.append(noise)
    return Labelled(steps, truth, np.array([f"s{i % 4}" for i in range(n)]))


def randomised(settings=SMALL):
    torch.manual_seed(0)
    model = Cnn(6, 3, settings)
    for block in model.blocks:
        block.normalisation.running_mean.normal_()
        block.normalisation.running_var.uniform_(0.5, 2)
    return model


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n_steps", [1, 2, 7, 19])
def test_padding_changes_nothing(rng, training, n_steps):
    model = randomised(CnnConfig(channels=16, dropout=0.0)).train(training)
    steps = [rng.normal(size=(n, 6)).astype(np.float32) for n in (n_steps + 3, n_steps)]
    stacked, lengths = batches.pad(steps)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    scores = model(stacked, lengths)
    after = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    wider = torch.nn.functional.pad(stacked, (0, 0, 0, 13))
    torch.testing.assert_close(model(wider, lengths), scores, atol=1e-5, rtol=0)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, after[name])


@pytest.mark.parametrize("n_steps", [1, 7, 19])
def test_padding_changes_nothing_with_rounded_products(rng, n_steps):
    model = randomised(CnnConfig(channels=16, dropout=0.0)).train()
    steps = [rng.normal(size=(n, 6)).astype(np.float32) for n in (n_steps + 3, n_steps)]
    stacked, lengths = batches.pad(steps)
    wider = torch.nn.functional.pad(stacked, (0, 0, 0, 13))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores, padded = model(stacked, lengths), model(wider, lengths)
    torch.testing.assert_close(padded, scores, atol=2e-2, rtol=0)


@pytest.mark.parametrize("rounds", [True, False])
def test_products_are_rounded_where_the_processor_does_and_settings_allow(rng, monkeypatch, rounds):
    data, asked = labelled(rng, 12), []
    monkeypatch.setattr(cnn, "multiplies_bfloat16", lambda: True)
    forward = Cnn.forward
    monkeypatch.setattr(
        Cnn, "forward", lambda *a: asked.append(torch.is_autocast_enabled("cpu")) or forward(*a)
    )
    settings = replace(SMALL, max_epochs=1, precision="bfloat16" if rounds else "float32")
    fit_cnn(data, labelled(rng, 3), n_classes=3, steps_per_second=RATE, settings=settings, seed=1)
    assert asked[0] is rounds
    assert asked[-1] is False  # predictions never


def test_another_precision_is_refused():
    with pytest.raises(UndertoneError, match="float32 or bfloat16, found 'half'"):
        CnnConfig(precision="half")


def test_a_batch_of_one_equals_a_batch_of_many_when_predicting(rng):
    model = randomised().eval()
    steps = labelled(rng, 9).steps
    options = {"steps_per_second": RATE, "settings": SMALL}
    together = probabilities(model, steps, **options)
    alone = np.concatenate([probabilities(model, [one], **options) for one in steps])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)


def test_batch_statistics_are_those_of_the_real_steps(rng):
    block = randomised(CnnConfig(channels=16, dropout=0.0)).blocks[0].train()
    block.normalisation.reset_running_stats()
    block.normalisation.momentum = 1.0
    steps, lengths = batches.pad([rng.normal(size=(n, 6)).astype(np.float32) for n in (20, 5)])
    block(steps, lengths)
    convolved = block.convolution(steps.transpose(1, 2)).transpose(1, 2)
    real = torch.cat([convolved[0], convolved[1, :5]])
    torch.testing.assert_close(block.normalisation.running_mean, real.mean(0))
    torch.testing.assert_close(block.normalisation.running_var, real.var(0))


def test_segments_cover_an_utterance(rng):
    for n in (1, 79, 80, 81, 120, 333):
        steps = np.arange(n)[:, None]
        segments = cut(steps, 80, 0.5)
        assert {int(i) for s in segments for i in s[:, 0]} == set(range(n))
        assert all(len(s) == min(80, n) for s in segments)
        assert np.array_equal(segments[-1][-1], steps[-1])


def test_an_utterance_is_the_mean_of_its_segments(rng):
    model = randomised().eval()
    steps = rng.normal(size=(45, 6)).astype(np.float32)
    options = {"steps_per_second": RATE, "settings": SMALL}
    segments = cut(steps, RATE, 0.5)
    assert len(segments) == 4
    by_hand = probabilities(model, segments, **options).mean(axis=0)
    np.testing.assert_allclose(probabilities(model, [steps], **options)[0], by_hand, atol=1e-6)


def test_it_learns_stops_by_validation_and_repeats(rng):
    train, validation, test = (labelled(rng, n) for n in (36, 12, 30))
    options = {"n_classes": 3, "steps_per_second": RATE, "settings": SMALL, "seed": 5}
    models = [fit_cnn(train, validation, **options) for _ in range(2)]
    found = [probabilities(m, test.steps, steps_per_second=RATE, settings=SMALL) for m in models]
    np.testing.assert_array_equal(*found)
    assert (found[0].argmax(axis=1) == test.truth).mean() > 0.8
    nothing = Labelled([], np.array([], dtype=int), np.array([]))
    unvalidated = fit_cnn(train, nothing, **options)
    assert not unvalidated.training


def test_settings_are_checked():
    with pytest.raises(UndertoneError, match="overlap must lie from 0"):
        CnnConfig(overlap=1.0)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return write_resnet(tmp_path_factory.mktemp("resnet"))


def test_a_picture_network_learns_from_mel_bands(rng, resnet):
    settings = image_cnn.ImageCnnConfig(
        CnnConfig(segment_s=0.5, learning_rate=1e-3, max_epochs=12, batch_size=8)
    )
    train, validation, test = (labelled(rng, n, 40, shift=4) for n in (30, 9, 15))
    wide = [Labelled(_in_bands(part.steps), part.truth, part.speakers) for part in (train, test)]
    model = image_cnn.fit_image_cnn(
        image_cnn.load_backbone(resnet),
        wide[0],
        Labelled(_in_bands(validation.steps), validation.truth, validation.speakers),
        n_classes=3,
        frames_per_second=100,
        settings=settings,
        seed=0,
    )
    options = {"frames_per_second": 100, "settings": settings}
    found = image_cnn.probabilities(model, wide[1].steps, **options)
    alone = [image_cnn.probabilities(model, [steps], **options)[0] for steps in wide[1].steps]
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert (found.argmax(axis=1) == test.truth).mean() > 0.6


def _in_bands(utterances):
    """The class's column as a third of the bands."""
    return [np.repeat(steps[:, :3], 13, axis=1) for steps in utterances]


def test_pictures_have_the_low_bands_below_and_ignore_the_level(rng):
    bands = rng.normal(size=(50, 40)).astype(np.float32)
    made = image_cnn.picture(bands)
    assert made.shape == (3, 40, 50)
    np.testing.assert_allclose(made, image_cnn.picture(3 * bands + 5), atol=1e-4)
    assert np.corrcoef(made[0, -1], bands[:, 0])[0, 1] > 0.999
    assert image_cnn.picture(bands[:5]).shape == (3, 40, image_cnn.SHORTEST)


def test_a_wrong_backbone_is_told(tmp_path):
    with pytest.raises(UndertoneError, match="there is no ResNet"):
        image_cnn.load_backbone(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "hubert"}')
    with pytest.raises(UndertoneError, match="is a hubert, expected a resnet"):
        image_cnn.load_backbone(tmp_path)
