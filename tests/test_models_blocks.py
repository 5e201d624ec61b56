"""Voice and words: weights chosen by output, against slow fits without each label."""

import math

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import Ridge

from undertone.models import blocks
from undertone.models.blocks import PAIRS, Blocks
from undertone.models.crowd import Crowd
from undertone.models.crowd_ridge import RidgeConfig, fit_crowd_ridge
from undertone.models.discriminant import (
    DiscriminantConfig,
    fit_discriminant,
    likelihood_left_out,
    temperature_of,
)

N_VOICE, N_WORDS, N_LABELS = 60, 12, 30
BESIDE = Blocks.beside(np.linspace(0.2, 1.4, N_VOICE), N_WORDS)


@pytest.fixture
def planted(rng):
    """The first output is in the voice, the second in the words, the third in both."""
    hidden = rng.normal(size=(430, 2))
    voice = np.outer(hidden[:, 0], rng.normal(size=N_VOICE)) + rng.normal(size=(430, N_VOICE))
    words = np.outer(hidden[:, 1], rng.normal(size=N_WORDS)) + rng.normal(size=(430, N_WORDS))
    vectors = np.hstack([5 + 0.1 * voice, -2 + 40 * words])
    truth = np.column_stack([hidden[:, 0], hidden[:, 1], hidden.sum(axis=1)])
    return vectors, 3 + 0.2 * truth


def crowd_of(vectors):
    speakers = np.array([f"s{i % 4}" for i in range(230)], dtype=object)
    return Crowd(vectors[:230], speakers, np.arange(230) >= N_LABELS)


def found(planted, truth=None, sentences=None):
    vectors, amounts = planted
    return blocks.told_left_out(
        vectors[:N_LABELS],
        amounts[:N_LABELS] if truth is None else truth,
        blocks=BESIDE,
        crowd=crowd_of(vectors),
        penalty=0.1,
        sentences=sentences or [None] * N_LABELS,
    )


def test_blocks_weigh_alike_whatever_their_width_and_scale(planted):
    vectors, _ = planted
    z = (vectors - vectors.mean(0)) / vectors.std(0)
    rows = z * BESIDE.factors((1.0, 1.0))
    norms = [(part**2).sum(axis=1).mean() for part in (rows[:, :N_VOICE], rows[:, N_VOICE:])]
    assert norms == pytest.approx([1, 1])
    twice = z * BESIDE.factors((1.0, 2.0))
    np.testing.assert_allclose(twice[:, N_VOICE:], 2 * rows[:, N_VOICE:])
    np.testing.assert_array_equal(twice[:, :N_VOICE], rows[:, :N_VOICE])


def test_each_output_takes_the_block_that_tells_it(planted):
    pairs = blocks.by_output(*found(planted))
    voice, words, both = (pair[1] / max(pair[0], 1e-9) for pair in pairs)
    assert voice <= 0.5
    assert words >= 4
    assert 0.25 <= both <= 4


def test_what_is_told_is_what_slow_fits_without_each_sentence_say(planted):
    vectors, truth = planted
    vectors, said = vectors.copy(), [f"sentence {i % 11}" for i in range(N_LABELS)]
    said[3] = said[20] = None
    crowd = crowd_of(vectors).vectors
    z = np.clip((vectors[:N_LABELS] - crowd.mean(0)) / crowd.std(0), -5, 5)
    fast, targets = found(planted, sentences=said)
    mean, sd = truth[:N_LABELS].mean(0), truth[:N_LABELS].std(0)
    np.testing.assert_allclose(targets * sd + mean, truth[:N_LABELS])
    for pair, of_pair in zip(PAIRS, fast, strict=True):
        rows = z * BESIDE.factors(pair)
        penalty = 0.1 * ((rows - rows.mean(0)) ** 2).sum(1).mean()
        slow = np.empty((N_LABELS, 3))
        for i, sentence in enumerate(said):
            kept = [k for k, s in enumerate(said) if k != i and (s != sentence or s is None)]
            model = Ridge(penalty).fit(rows[kept], truth[kept])
            slow[i] = model.predict(rows[[i]])[0]
        np.testing.assert_allclose(of_pair * sd + mean, slow, rtol=1e-8)


def test_a_sentence_said_twice_does_not_speak_for_the_words(planted):
    """Every sentence comes twice, its label with it: a memory of sentences, and no more."""
    vectors, _ = planted
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=vectors.shape)
    half = N_LABELS // 2
    vectors[half:N_LABELS, N_VOICE:] = vectors[:half, N_VOICE:]
    truth = np.tile(rng.normal(size=(half, 1)), (2, 1))
    said = list(range(half)) * 2
    words_alone = PAIRS.index((0.0, 1.0))
    fooled, honest = (
        np.corrcoef(told[words_alone, :, 0], targets[:, 0])[0, 1]
        for told, targets in (
            found((vectors, truth), truth=truth, sentences=names) for names in (None, said)
        )
    )
    assert fooled > 0.5
    assert honest < 0.2


def test_labels_that_tell_nothing_leave_the_voice_alone(planted):
    constant = np.column_stack([np.full(N_LABELS, 3.0), planted[1][:N_LABELS, 1]])
    assert blocks.by_output(*found(planted, truth=constant))[0] == (1.0, 0.0)


def test_the_pair_is_the_one_whose_predictions_correlate_best_however_far_off(rng):
    targets = rng.normal(size=(50, 2))
    targets -= targets.mean(axis=0)
    told = np.repeat(targets[None] + rng.normal(size=(50, 2)), len(PAIRS), axis=0)
    told[2, :, 0], told[6, :, 1] = 9 * targets[:, 0] + 3, 9 * targets[:, 1]
    told[4] = targets + 0.2 * rng.normal(size=(50, 2))
    assert blocks.by_output(told, targets) == [PAIRS[2], PAIRS[6]]
    assert blocks.describe(PAIRS[6]) == "0.25:2"


@pytest.mark.parametrize("match_spread", [True, False])
def test_an_output_is_what_a_regression_with_its_own_pair_says(planted, match_spread):
    vectors, truth = planted
    given = {
        "crowd": crowd_of(vectors),
        "settings": RidgeConfig(match_spread=match_spread),
        "limits": (-math.inf, math.inf),
    }
    pairs = [PAIRS[1], PAIRS[6], PAIRS[1]]
    ridge = blocks.fit_block_ridge(
        vectors[:N_LABELS], truth[:N_LABELS], pairs, blocks=BESIDE, **given
    )
    for output, pair in enumerate(pairs):
        alone = fit_crowd_ridge(
            vectors[:N_LABELS], truth[:N_LABELS], emphasis=BESIDE.factors(pair), **given
        )
        np.testing.assert_allclose(
            ridge.predict(vectors)[:, output], alone.predict(vectors)[:, output], atol=1e-5
        )


def test_without_words_it_is_the_regression_on_the_voice(planted):
    vectors, truth = planted
    given = {"settings": RidgeConfig(match_spread=True), "limits": (-math.inf, math.inf)}
    ridge = blocks.fit_block_ridge(
        vectors[:N_LABELS],
        truth[:N_LABELS],
        [PAIRS[0]] * 3,
        blocks=BESIDE,
        crowd=crowd_of(vectors),
        **given,
    )
    voice = fit_crowd_ridge(
        vectors[:N_LABELS, :N_VOICE],
        truth[:N_LABELS],
        crowd=crowd_of(vectors[:, :N_VOICE]),
        emphasis=BESIDE.emphasis[:N_VOICE],
        **given,
    )
    np.testing.assert_allclose(
        ridge.predict(vectors), voice.predict(vectors[:, :N_VOICE]), atol=1e-5
    )


def test_the_likelihood_of_classes_is_that_of_slow_fits_without_each_group(planted):
    vectors, truth = planted
    kinds = np.digitize(truth[:N_LABELS, 2], [2.9, 3.1])
    crowd, settings = crowd_of(vectors), DiscriminantConfig(rounds=0)
    emphasis = BESIDE.factors((1.0, 0.5)) * 9
    emphasis[3] = 0
    groups = [np.arange(i, N_LABELS, 7) for i in range(7)]
    kept = emphasis > 0
    slow = np.concatenate(
        [
            fit_discriminant(
                np.delete(vectors[:N_LABELS], group, 0)[:, kept],
                np.delete(kinds, group),
                crowd=Crowd(crowd.vectors[:, kept], crowd.speakers, crowd.unlabelled),
                n_outputs=3,
                settings=settings,
                emphasis=emphasis[kept],
            ).predict(vectors[group][:, kept])
            for group in groups
        ]
    )
    asked = kinds[np.concatenate(groups)]
    logs = np.log(slow.astype(float)) / temperature_of(slow, asked)
    expected = log_softmax(logs, axis=1)[np.arange(N_LABELS), asked].mean()
    found = likelihood_left_out(
        vectors[:N_LABELS],
        kinds,
        crowd=crowd,
        n_outputs=3,
        settings=settings,
        emphasis=emphasis,
        groups=groups,
    )
    assert found == pytest.approx(expected, rel=1e-3)
    assert found > np.log(1 / 3)


def test_an_emotion_that_no_other_group_holds_is_not_asked_for(planted):
    vectors, _ = planted
    given = {
        "crowd": crowd_of(vectors),
        "n_outputs": 2,
        "settings": DiscriminantConfig(),
        "emphasis": BESIDE.factors((1.0, 1.0)),
    }
    groups = [np.array([0]), np.array([1])]
    alone = likelihood_left_out(vectors[:2], np.array([0, 1]), groups=groups, **given)
    assert alone == -math.inf
