"""Ridge regression in the crowd: against scikit-learn, leave-one-out by hand, spread matched."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from undertone.errors import UndertoneError
from undertone.models.crowd import Crowd
from undertone.models.crowd_ridge import RidgeConfig, closed_form, fit_crowd_ridge, matched


@pytest.fixture
def planted(rng):
    """200 noisy values that tell of two amounts; 25 labels, 200 others, 300 to test."""
    heard = rng.normal(size=(525, 2))
    told = 0.3 * heard @ rng.normal(size=(2, 200))
    vectors = 3 + 0.4 * (told + rng.normal(size=(525, 200)))
    return vectors, 4 + heard


def crowd_of(vectors, n_labelled):
    speakers = np.array([f"s{i % 4}" for i in range(len(vectors))], dtype=object)
    return Crowd(vectors, speakers, np.arange(len(vectors)) >= n_labelled)


def fitted(planted, **settings):
    vectors, truth = planted
    return fit_crowd_ridge(
        vectors[:25],
        truth[:25],
        crowd=crowd_of(vectors[:225], 25),
        settings=RidgeConfig(**settings),
    )


def test_without_matching_it_is_the_ridge_regression_of_scikit_learn(planted):
    vectors, truth = planted
    crowd = vectors[:225]
    rows = np.clip((vectors - crowd.mean(0)) / crowd.std(0), -5, 5)
    centred = rows[:25] - rows[:25].mean(0)
    model = Ridge(0.3 * (centred**2).sum(1).mean()).fit(rows[:25], truth[:25])
    found = fitted(planted, penalty=0.3).predict(vectors)
    np.testing.assert_allclose(found, model.predict(rows), atol=1e-5)


def test_leaving_a_label_out_is_what_a_fit_without_it_says(rng):
    rows, truth = rng.normal(size=(12, 30)), rng.normal(3, 0.2, size=(12, 2))
    rows -= rows.mean(axis=0)
    penalty = 0.2 * (rows**2).sum(1).mean()
    expected = np.stack(
        [
            Ridge(penalty).fit(np.delete(rows, i, 0), np.delete(truth, i, 0)).predict(rows[[i]])[0]
            for i in range(12)
        ]
    )
    fit = closed_form(rows, truth, penalty=0.2)
    np.testing.assert_allclose(fit.left_out * fit.label_sd + fit.label_mean, expected, rtol=1e-9)


def test_matched_predictions_of_the_crowd_spread_as_the_labels_do(planted):
    vectors, truth = planted
    found = fitted(planted, match_spread=True).predict(vectors[25:225])
    np.testing.assert_allclose(found.mean(0), truth[:25].mean(0), atol=1e-5)
    np.testing.assert_allclose(found.std(0), truth[:25].std(0), rtol=1e-5)
    plain = fitted(planted).predict(vectors[25:225])
    assert (plain.std(0) < 0.9 * truth[:25].std(0)).all()
    np.testing.assert_allclose(
        [np.corrcoef(a, b)[0, 1] for a, b in zip(plain.T, found.T, strict=True)], 1, atol=1e-5
    )


def test_matching_makes_the_penalty_harmless(planted):
    vectors, truth = planted

    def agreement(penalty, match):
        p = fitted(planted, penalty=penalty, match_spread=match).predict(vectors[225:])
        t = truth[225:]
        covariance = ((p - p.mean(0)) * (t - t.mean(0))).mean(0)
        return 2 * covariance / (p.var(0) + t.var(0) + (p.mean(0) - t.mean(0)) ** 2)

    matched_, plain = ([agreement(p, m) for p in (0.02, 0.9)] for m in (True, False))
    assert np.ptp(matched_, axis=0).max() < np.ptp(plain, axis=0).max() / 2
    assert (matched_[1] > plain[1]).all()


def test_where_nothing_is_unlabelled_left_out_labels_tell_the_spread(planted):
    vectors, truth = planted
    fit = fit_crowd_ridge(
        vectors[:25],
        truth[:25],
        crowd=crowd_of(vectors[:25], 25),
        settings=RidgeConfig(match_spread=True),
    )
    sd = fit.predict(vectors[225:]).std(0)
    assert (sd > 0.6 * truth[225:].std(0)).all()
    assert (fit.predict(vectors[:25]).std(0) > truth[:25].std(0)).all()  # it knows these too well


def test_labels_of_one_value_are_predicted_everywhere(planted):
    vectors, truth = planted
    flat = truth.copy()
    flat[:, 1] = 2.5
    fit = fit_crowd_ridge(
        vectors[:25],
        flat[:25],
        crowd=crowd_of(vectors[:225], 25),
        settings=RidgeConfig(match_spread=True),
    )
    found = fit.predict(vectors)
    np.testing.assert_allclose(found[:, 1], 2.5, atol=1e-6)
    assert found[:, 0].std() > 0


def test_a_range_is_kept_where_one_is_given(planted):
    vectors, truth = planted
    fit = fit_crowd_ridge(
        vectors[:25],
        truth[:25],
        crowd=crowd_of(vectors[:225], 25),
        settings=RidgeConfig(),
        limits=(3.9, 4.1),
    )
    found = fit.predict(vectors)
    assert (found.min(), found.max()) == pytest.approx((3.9, 4.1))


def test_a_value_that_never_changes_says_nothing(planted):
    vectors, truth = planted
    wider = np.column_stack([vectors, np.full(len(vectors), 7.0)])
    fit = fit_crowd_ridge(
        wider[:25], truth[:25], crowd=crowd_of(wider[:225], 25), settings=RidgeConfig()
    )
    other = wider.copy()
    other[:, -1] = -40
    np.testing.assert_array_equal(fit.predict(wider), fit.predict(other))


def test_nothing_is_matched_where_nothing_is_heard():
    slope, offset = matched(np.full((30, 2), 0.4), sd=np.array([1.0, 2.0]), mean=np.array([3.0, 4]))
    np.testing.assert_array_equal(slope, [0, 0])
    np.testing.assert_array_equal(offset, [3, 4])


def test_a_penalty_of_nothing_is_refused():
    with pytest.raises(UndertoneError, match="penalty"):
        RidgeConfig(penalty=0)
