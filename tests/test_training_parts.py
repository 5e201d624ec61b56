"""Laws of the small parts of training: normalisation, batches, masks, losses, pooling."""

import math

import numpy as np
import pytest
import torch

from undertone.errors import UndertoneError
from undertone.models import padding
from undertone.models.encoder import POOLINGS, Encoder, pooled_size
from undertone.training.losses import DISTANCES, View, masked_reconstruction
from undertone.training.masking import draw_hidden
from undertone.training.normalise import fit_normaliser, lazily
from undertone.training.seeds import generator, seed_of


def test_a_pool_has_mean_zero_and_sd_one_after_normalisation(rng):
    pool = [rng.normal(5, 3, size=(n, 4)) for n in (50, 80, 3)]
    normaliser = fit_normaliser(pool)
    whole = np.concatenate([normaliser.apply(frames) for frames in pool])
    np.testing.assert_allclose(whole.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(whole.std(axis=0), 1, atol=1e-5)


def test_what_is_not_finite_or_constant_becomes_zero(rng):
    frames = rng.normal(size=(40, 3))
    frames[:, 1] = 7.25
    clean = fit_normaliser([frames]).mean
    frames[3, 0], frames[4, 0], frames[5, 2] = np.nan, np.inf, -np.inf
    normaliser = fit_normaliser([frames])
    steps = normaliser.apply(frames)
    assert np.isfinite(steps).all()
    assert (steps[:, 1] == 0).all()
    assert steps[3, 0] == steps[4, 0] == steps[5, 2] == 0
    assert normaliser.mean[1] == clean[1]


def test_a_step_is_the_mean_of_its_frames(rng):
    frames = rng.normal(size=(7, 2))
    single = fit_normaliser([frames]).apply(frames)
    strided = fit_normaliser([frames], stride=3).apply(frames)
    expected = [single[0:3].mean(0), single[3:6].mean(0), single[6:7].mean(0)]
    np.testing.assert_allclose(strided, expected, rtol=1e-5, atol=1e-6)


def test_steps_are_means_of_z_scores_far_from_neutral_values(rng):
    """Mean 3, standard deviation .2, stride 4, a rest of three frames."""
    pool = [rng.normal([3, -40], [0.2, 7], size=(n, 2)) for n in (60, 31, 4)]
    everything = np.concatenate(pool)
    mean, sd = everything.mean(axis=0), everything.std(axis=0)
    normaliser = fit_normaliser(pool, stride=4)
    np.testing.assert_allclose(normaliser.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(normaliser.sd, sd, rtol=1e-4)
    other = rng.normal([3.1, -50], [0.3, 5], size=(23, 2))
    expected = [((other[i : i + 4] - mean) / sd).mean(axis=0) for i in range(0, 23, 4)]
    found = normaliser.apply(other.astype(np.float32))
    assert found.shape == (6, 2)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    whole = lazily(lambda: other.astype(np.float32), normaliser)
    np.testing.assert_array_equal(whole[1:5], found[1:5])
    np.testing.assert_array_equal(whole[2:][1:], found[3:])


def test_an_empty_pool_is_refused():
    with pytest.raises(UndertoneError, match="at least one utterance"):
        fit_normaliser([])


def test_an_epoch_holds_every_utterance_once_and_like_lengths_together(rng):
    lengths = rng.integers(10, 500, size=101)
    planned = padding.plan_batches(lengths, 16, rng)
    assert sorted(np.concatenate(planned)) == list(range(101))
    padded = sum(lengths[b].max() * len(b) for b in planned)
    shuffled = rng.permutation(101)
    random = [shuffled[i : i + 16] for i in range(0, 101, 16)]
    assert padded < 0.85 * sum(lengths[b].max() * len(b) for b in random)


def test_batches_by_speaker_hold_every_utterance_once_and_speakers_together(rng):
    speakers = rng.permutation(np.repeat(np.arange(5), [30, 17, 8, 2, 1]))
    planned = padding.plan_by_speaker(speakers, 16, rng)
    assert sorted(np.concatenate(planned)) == list(range(len(speakers)))
    for batch in planned[:-1]:
        assert 16 <= len(batch) < 16 + padding.OF_A_SPEAKER
    changes = sum((np.diff(speakers[batch]) != 0).sum() + 1 for batch in planned)
    assert changes <= 4 + 3 + 1 + 1 + 1  # groups of up to eight
    again = padding.plan_by_speaker(speakers, 16, rng)
    assert not np.array_equal(np.concatenate(planned), np.concatenate(again))


def test_padding_is_zero_and_marked_as_such(rng):
    utterances = [rng.normal(size=(n, 3)).astype(np.float32) for n in (5, 2)]
    steps, lengths = padding.pad(utterances)
    real = padding.is_real(lengths, 5)
    assert lengths.tolist() == [5, 2]
    assert real.sum(1).tolist() == [5, 2]
    assert (steps[real == 0] == 0).all()
    np.testing.assert_array_equal(steps[1, :2], utterances[1])


LENGTHS = [300, 299, 120, 40, 17, 3, 2, 1]


@pytest.mark.parametrize("share", [0.001, 0.1, 0.3, 0.5, 0.97, 0.999])
@pytest.mark.parametrize("spans", [1, 2, 3, 30, 90, 1000])
def test_masks_hide_the_share_that_was_asked_for_and_never_padding(rng, share, spans):
    for _ in range(20):
        hidden = draw_hidden(LENGTHS, share=share, spans=spans, rng=rng)
        assert hidden.shape == (len(LENGTHS), 300)
        assert set(np.unique(hidden)) <= {0.0, 1.0}
        for row, length in zip(hidden, LENGTHS, strict=True):
            assert row[length:].sum() == 0
            assert abs(row.sum() - share * length) <= 1
            assert row.sum() >= 1
            assert row.sum() < length or length == 1


@pytest.mark.parametrize("spans", [1, 3, 30, 90, 200])
def test_masks_are_as_many_stretches_as_were_asked_for(rng, spans):
    """Stretches may touch, so there may be fewer; the longest tells how they were cut."""
    n_hidden, seen = 90, []
    for _ in range(300):
        row = draw_hidden([300], share=0.3, spans=spans, rng=rng)[0]
        edges = np.flatnonzero(np.diff(np.pad(row, 1)))
        lengths = edges[1::2] - edges[::2]
        assert lengths.sum() == n_hidden
        assert len(lengths) <= min(spans, n_hidden)
        assert lengths.min() >= n_hidden // min(spans, n_hidden)
        seen.append(len(lengths))
    few = min(spans, n_hidden) <= 3
    assert max(seen) == min(spans, n_hidden) if few else max(seen) > min(spans, n_hidden) / 2


@pytest.mark.parametrize(("spans", "length", "share"), [(1, 6, 0.3), (2, 6, 0.4), (9, 6, 0.5)])
def test_every_place_of_a_stretch_is_equally_likely(rng, spans, length, share):
    """All ways of laying stretches into a row, counted; of single steps all choices."""
    n_hidden = round(share * length)
    n_spans = min(spans, n_hidden)
    drawn = [
        tuple(draw_hidden([length], share=share, spans=spans, rng=rng)[0]) for _ in range(4000)
    ]
    counts = np.array([drawn.count(one) for one in set(drawn)])
    n_ways = math.comb(length - n_hidden + n_spans, n_spans)
    assert len(counts) == n_ways
    expected = len(drawn) / n_ways
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_the_masked_loss_is_the_mean_over_hidden_values(rng, distance):
    prediction, target = rng.normal(size=(2, 3, 20, 5))
    hidden = (rng.random((3, 20)) < 0.2).astype(np.float32)
    error = np.abs(prediction - target) ** (1 if distance == "l1" else 2)
    expected = (error * hidden[:, :, None]).sum() / (hidden.sum() * 5)
    assert _loss(prediction, target, hidden, distance) == pytest.approx(expected)


def test_padding_does_not_change_the_masked_loss(rng):
    prediction, target = rng.normal(size=(2, 3, 20, 5))
    hidden = (rng.random((3, 20)) < 0.2).astype(np.float32)
    pad = ((0, 0), (0, 7))
    padded = _loss(
        np.pad(prediction, (*pad, (0, 0)), constant_values=9),
        np.pad(target, (*pad, (0, 0))),
        np.pad(hidden, pad),
    )
    assert padded == pytest.approx(_loss(prediction, target, hidden))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_an_utterance_is_pooled_alike_alone_and_in_a_batch(rng, pooling):
    encoder = Encoder(4, hidden_units=32, layers=2).eval()
    utterances = [rng.normal(size=(n, 4)).astype(np.float32) for n in (60, 33, 1)]
    with torch.no_grad():
        steps, lengths = padding.pad(utterances)
        together = POOLINGS[pooling](encoder(steps, lengths), lengths)
        for row, utterance in zip(together, utterances, strict=True):
            steps, lengths = padding.pad([utterance])
            alone = POOLINGS[pooling](encoder(steps, lengths), lengths)[0]
            torch.testing.assert_close(row, alone, atol=1e-5, rtol=1e-4)
    assert together.shape == (3, pooled_size(32, pooling))


def test_poolings_are_what_their_names_say(rng):
    hidden = torch.from_numpy(rng.normal(size=(2, 6, 3)))
    lengths = torch.tensor([6, 4])
    np.testing.assert_allclose(POOLINGS["mean"](hidden, lengths)[1], hidden[1, :4].mean(0))
    np.testing.assert_allclose(POOLINGS["last"](hidden, lengths)[1], hidden[1, 3])
    sd = POOLINGS["mean_sd"](hidden, lengths)[1, 3:]
    np.testing.assert_allclose(sd, hidden[1, :4].std(0, correction=0), rtol=1e-4)


def test_streams_are_named_by_every_part_and_by_nothing_else():
    assert seed_of(1, "a") != seed_of(1, "b") != seed_of(2, "b")
    assert seed_of("a", "b") != seed_of("ab")
    assert generator(1, "a").random() == generator(1, "a").random()


def _loss(prediction, target, hidden, distance="l1"):
    view = View(
        steps=torch.from_numpy(target),
        hidden=torch.from_numpy(hidden),
        lengths=torch.full((len(target),), target.shape[1]),
        owners=torch.arange(len(target)),
        centroids=torch.zeros(0, target.shape[2]),
        distance=DISTANCES[distance],
    )
    return masked_reconstruction(torch.from_numpy(prediction), view).item()
