from dataclasses import replace

import numpy as np
import pytest
import torch
from upstream_fakes import write_resnet

from undertone.errors import UndertoneError
from undertone.models import cnn, padding
from undertone.models import picture as pictures
from undertone.models.cnn import Cnn, CnnConfig, cut
from undertone.models.picture import PictureConfig
from undertone.training.outputs import amount_outputs, class_outputs, softmax
from undertone.training.segments import fit_cnn, fit_pictures, predict_segments
from undertone.training.supervised import Labelled

SMALL = CnnConfig(segment_s=1.0, channels=16, batch_size=8, max_epochs=12, patience=12)
RATE = 20  # steps a second
OUTPUTS = class_outputs(3)


def labelled(rng, n, n_features=6, shift=2.0):
    """Utterances of 0.4 to 3 seconds whose class is told by one column in a part of the time."""
    truth = np.arange(n) % 3
    steps = []
    for kind in truth:
        noise = rng.normal(size=(rng.integers(8, 60), n_features)).astype(np.float32)
        noise[:, kind] += shift
        steps.append(noise)
    rows = np.eye(3, dtype=np.float32)[truth]
    return Labelled(steps, rows, np.array([f"s{i % 4}" for i in range(n)]))


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
    stacked, lengths = padding.pad(steps)
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
    stacked, lengths = padding.pad(steps)
    wider = torch.nn.functional.pad(stacked, (0, 0, 0, 13))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores, padded = model(stacked, lengths), model(wider, lengths)
    torch.testing.assert_close(padded, scores, atol=2e-2, rtol=0)


@pytest.mark.parametrize("rounds", [True, False])
def test_products_are_rounded_where_the_processor_does_and_settings_allow(rng, monkeypatch, rounds):
    data, rounded = labelled(rng, 12), []
    monkeypatch.setattr(cnn, "multiplies_bfloat16", lambda: True)
    forward = Cnn.forward
    monkeypatch.setattr(
        Cnn, "forward", lambda *a: rounded.append(torch.is_autocast_enabled("cpu")) or forward(*a)
    )
    settings = replace(SMALL, max_epochs=1, precision="bfloat16" if rounds else "float32")
    fit_cnn(
        data, labelled(rng, 3), outputs=OUTPUTS, steps_per_second=RATE, settings=settings, seed=1
    )
    assert rounded[0] is rounds
    assert rounded[-1] is False  # predictions never


def test_another_precision_is_refused():
    with pytest.raises(UndertoneError, match="float32 or bfloat16, found 'half'"):
        CnnConfig(precision="half")


def test_a_batch_of_one_equals_a_batch_of_many_when_predicting(rng):
    model = randomised().eval()
    steps = labelled(rng, 9).steps
    options = {"steps_per_second": RATE, "settings": SMALL}
    together = predict_segments(model, steps, softmax, **options)
    alone = np.concatenate([predict_segments(model, [one], softmax, **options) for one in steps])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)


def test_batch_statistics_are_those_of_the_real_steps(rng):
    block = randomised(CnnConfig(channels=16, dropout=0.0)).blocks[0].train()
    block.normalisation.reset_running_stats()
    block.normalisation.momentum = 1.0
    steps, lengths = padding.pad([rng.normal(size=(n, 6)).astype(np.float32) for n in (20, 5)])
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
    by_hand = predict_segments(model, segments, softmax, **options).mean(axis=0)
    whole = predict_segments(model, [steps], softmax, **options)[0]
    np.testing.assert_allclose(whole, by_hand, atol=1e-6)


def test_it_learns_stops_by_validation_and_repeats(rng):
    train, validation, test = (labelled(rng, n) for n in (36, 12, 30))
    options = {"steps_per_second": RATE, "settings": SMALL}
    models = [fit_cnn(train, validation, outputs=OUTPUTS, seed=5, **options) for _ in range(2)]
    predicted = [predict_segments(m, test.steps, softmax, **options) for m in models]
    np.testing.assert_array_equal(*predicted)
    assert (predicted[0].argmax(axis=1) == test.truth.argmax(axis=1)).mean() > 0.8
    nothing = Labelled([], np.zeros((0, 3), dtype=np.float32), np.array([]))
    unvalidated = fit_cnn(train, nothing, outputs=OUTPUTS, seed=5, **options)
    assert not unvalidated.training


def test_it_learns_amounts_within_their_range(rng):
    """Each utterance's amounts are the levels of two columns."""

    def with_levels(n):
        truth = rng.uniform(1, 4, size=(n, 2)).astype(np.float32)
        steps = [rng.normal(0, 0.3, (30, 4)).astype(np.float32) for _ in truth]
        for own, levels in zip(steps, truth, strict=True):
            own[:, :2] += levels
        return Labelled(steps, truth, np.array(["s"] * n))

    train, validation, test = (with_levels(n) for n in (60, 20, 20))
    outputs = amount_outputs(2, lowest=1.5, highest=3.5, distance="l2")
    settings = replace(SMALL, max_epochs=30, learning_rate=1e-2, precision="float32")
    options = {"steps_per_second": RATE, "settings": settings}
    model = fit_cnn(train, validation, outputs=outputs, seed=0, **options)
    predicted = predict_segments(model, test.steps, outputs.activation, **options)
    assert predicted.min() >= 1.5
    assert predicted.max() <= 3.5
    error = np.abs(predicted - test.truth.clip(1.5, 3.5)).mean()
    assert error < 0.5 * np.abs(test.truth - np.median(train.truth, axis=0)).mean()


def test_settings_are_checked():
    with pytest.raises(UndertoneError, match="overlap must lie from 0"):
        CnnConfig(overlap=1.0)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return write_resnet(tmp_path_factory.mktemp("resnet"))


def test_a_picture_network_learns_from_mel_bands(rng, resnet):
    settings = PictureConfig(
        segment_s=0.5, learning_rate=1e-3, max_epochs=12, patience=8, batch_size=8
    )
    train, validation, test = (labelled(rng, n, 40, shift=4) for n in (30, 9, 15))
    wide = [Labelled(_in_bands(part.steps), part.truth, part.speakers) for part in (train, test)]
    options = {"steps_per_second": 100, "settings": settings}
    model = fit_pictures(
        pictures.load_backbone(resnet),
        wide[0],
        Labelled(_in_bands(validation.steps), validation.truth, validation.speakers),
        outputs=OUTPUTS,
        seed=0,
        **options,
    )
    together = predict_segments(model, wide[1].steps, softmax, **options)
    alone = [predict_segments(model, [steps], softmax, **options)[0] for steps in wide[1].steps]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert (together.argmax(axis=1) == test.truth.argmax(axis=1)).mean() > 0.6


def _in_bands(utterances):
    """The class's column as a third of the bands."""
    return [np.repeat(steps[:, :3], 13, axis=1) for steps in utterances]


def test_pictures_have_the_low_bands_below_and_ignore_the_level(rng):
    bands = rng.normal(size=(50, 40)).astype(np.float32)
    made = pictures.picture(bands)
    assert made.shape == (3, 40, 50)
    np.testing.assert_allclose(made, pictures.picture(3 * bands + 5), atol=1e-4)
    assert np.corrcoef(made[0, -1], bands[:, 0])[0, 1] > 0.999
    assert pictures.picture(bands[:5]).shape == (3, 40, pictures.SHORTEST)


def test_a_wrong_backbone_is_told(tmp_path):
    with pytest.raises(UndertoneError, match="there is no ResNet"):
        pictures.load_backbone(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "hubert"}')
    with pytest.raises(UndertoneError, match="is a hubert, expected a resnet"):
        pictures.load_backbone(tmp_path)
