import numpy as np
import pytest
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from undertone.errors import UndertoneError
from undertone.models.discriminant import (
    Crowd,
    DiscriminantConfig,
    fit_discriminant,
    temperature_of,
)

PLAIN = DiscriminantConfig(shrinkage=0.4, speaker_weight=0, rounds=0)


def crowd_of(vectors, n_speakers=4, unlabelled=True):
    speakers = np.array([f"s{i % n_speakers}" for i in range(len(vectors))], dtype=object)
    return Crowd(vectors, speakers, np.full(len(vectors), unlabelled))


@pytest.fixture
def blobs(rng):
    """Three emotions in 20 dimensions: 300 utterances, and 90 more to test."""
    centres = rng.normal(scale=0.6, size=(3, 20))
    truth = np.arange(390) % 3
    vectors = centres[truth] + rng.normal(size=(390, 20))
    return vectors[:300], truth[:300], vectors[300:], truth[300:]


def share_right(fitted, vectors, truth):
    return (fitted.predict(vectors).argmax(axis=1) == truth).mean()


def test_without_crowd_effects_it_is_the_shrunk_discriminant_of_scikit_learn(blobs):
    vectors, truth, others, _ = blobs
    fitted = fit_discriminant(vectors, truth, crowd=crowd_of(vectors), n_outputs=3, settings=PLAIN)
    scaled = fitted.scaled(vectors)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.4, priors=np.full(3, 1 / 3))
    # scikit-learn shrinks each class's covariance in z-scores of its own: equal classes, no scaling
    expected = model.fit(scaled, truth).predict(fitted.scaled(others))
    assert (fitted.predict(others).argmax(axis=1) == expected).mean() > 0.95


def test_scores_are_those_of_equal_gaussians(rng):
    vectors = rng.normal(size=(60, 4))
    truth = np.arange(60) % 2
    fitted = fit_discriminant(vectors, truth, crowd=crowd_of(vectors), n_outputs=2, settings=PLAIN)
    z = fitted.scaled(vectors)
    means = np.stack([z[truth == k].mean(axis=0) for k in range(2)])
    residuals = z - means[truth]
    covariance = residuals.T @ residuals / 60
    covariance = 0.6 * covariance + 0.4 * np.trace(covariance) / 4 * np.eye(4)
    inverse = np.linalg.inv(covariance)
    distance = np.stack([((z - m) @ inverse * (z - m)).sum(axis=1) for m in means], axis=1)
    found = np.log(fitted.predict(vectors).astype(float))
    np.testing.assert_allclose(
        found[:, 0] - found[:, 1], (distance[:, 1] - distance[:, 0]) / 2, atol=1e-3
    )


@pytest.mark.parametrize(("n_labels", "n_values"), [(60, 4), (9, 30)])  # as it stands; by Woodbury
def test_the_covariance_of_speakers_is_added(rng, n_labels, n_values):
    """Speakers are heard unequally often, so that their means are not centred by themselves."""
    numbers = np.repeat(np.arange(5), [40, 20, 10, 8, 2])
    vectors = rng.normal(5, 3, size=(80, n_values)) + rng.normal(0, 4, size=(5, n_values))[numbers]
    truth, settings = np.arange(n_labels) % 3, DiscriminantConfig(0.7, speaker_weight=0.8, rounds=0)
    fitted = fit_discriminant(
        vectors[:n_labels],
        truth,
        crowd=Crowd(vectors, numbers.astype(object), np.ones(80, dtype=bool)),
        n_outputs=3,
        settings=settings,
    )
    z = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    means = np.stack([z[:n_labels][truth == k].mean(axis=0) for k in range(3)])
    residuals = z[:n_labels] - means[truth]
    covariance = residuals.T @ residuals / n_labels
    shrunk = 0.3 * covariance + 0.7 * np.trace(covariance) / n_values * np.eye(n_values)
    of_speakers = np.stack([z[numbers == k].mean(axis=0) for k in range(5)])
    within = shrunk + 0.8 * np.cov(of_speakers.T, bias=True)
    np.testing.assert_allclose(fitted.weight, means @ np.linalg.inv(within), atol=1e-8)
    np.testing.assert_allclose(fitted.bias, -0.5 * (means * fitted.weight).sum(axis=1), atol=1e-8)


@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_the_temperature_is_found_at_which_the_truth_was_drawn(rng, temperature):
    scores = rng.normal(scale=4, size=(20_000, 3))
    noise = rng.gumbel(size=scores.shape)
    truth = (scores / temperature + noise).argmax(axis=1)  # a draw from their softmax
    assert temperature_of(softmax(scores, axis=1), truth) == pytest.approx(temperature, rel=0.05)


def test_cooling_divides_log_odds_and_changes_no_decision(blobs):
    vectors, truth, tested, _ = blobs
    fitted = fit_discriminant(vectors, truth, crowd=crowd_of(vectors), n_outputs=3, settings=PLAIN)
    before, after = (np.log(f.predict(tested)) for f in (fitted, fitted.cooled(2.5)))
    np.testing.assert_allclose(after[:, :1] - after, (before[:, :1] - before) / 2.5, atol=1e-4)


def test_the_crowd_helps_few_labels(blobs):
    vectors, truth, tested, tested_truth = blobs
    few = np.concatenate([np.flatnonzero(truth == k)[:2] for k in range(3)])
    alone, joined = (
        fit_discriminant(
            vectors[few],
            truth[few],
            crowd=crowd_of(vectors),
            n_outputs=3,
            settings=DiscriminantConfig(rounds=rounds),
        )
        for rounds in (0, 4)
    )
    gain = share_right(joined, tested, tested_truth) - share_right(alone, tested, tested_truth)
    assert gain > 0.05


def test_self_training_is_a_fit_to_repeated_labels_and_the_surest(blobs):
    """A label weighs as much as so many copies; every emotion gets its surest utterances."""
    vectors, truth, tested, _ = blobs
    few, crowd = np.arange(12), crowd_of(vectors)

    def fit(vectors, truth, **settings):
        settings = DiscriminantConfig(crowd_share=0.3, **settings)
        return fit_discriminant(vectors, truth, crowd=crowd, n_outputs=3, settings=settings)

    first = fit(vectors[few], truth[few], rounds=0)
    scores = first.scaled(vectors) @ first.weight.T + first.bias
    guess, ordered = scores.argmax(axis=1), np.sort(scores, axis=1)
    margin = ordered[:, 2] - ordered[:, 1]
    surest = np.concatenate(
        [np.flatnonzero(guess == k)[np.argsort(-margin[guess == k])][:30] for k in range(3)]
    )
    copies = np.repeat(few, 7)
    expected = fit(
        np.concatenate([vectors[copies], vectors[surest]]),
        np.concatenate([truth[copies], guess[surest]]),
        label_weight=1,
        rounds=0,
    )
    found = fit(vectors[few], truth[few], label_weight=7, rounds=1)
    np.testing.assert_allclose(found.weight, expected.weight, rtol=1e-7)
    np.testing.assert_allclose(found.predict(tested), expected.predict(tested), 1e-4)
    lighter = fit(vectors[few], truth[few], label_weight=1, rounds=1)
    assert np.abs(found.predict(tested) - lighter.predict(tested)).max() > 0.05


def test_the_surest_decide_what_the_labels_do_not_show(rng):
    """Labels differ in the first value; far from the border the second goes with it, near it not.

    What is learned of the second value is that of the surest utterances.
    """
    truth = np.arange(400) % 2
    side, far = 2.0 * truth - 1, np.arange(400) % 4 < 2
    vectors = rng.normal(scale=0.3, size=(400, 2))
    vectors[:, 0] += side * np.where(far, 4, 0.5)
    vectors[:, 1] += side * np.where(far, 2, -2)
    labelled = np.array([[-2, 0], [2, 0], [-2.5, 0.1], [2.5, -0.1]], dtype=float)
    fitted = fit_discriminant(
        labelled,
        np.array([0, 1, 0, 1]),
        crowd=crowd_of(vectors),
        n_outputs=2,
        settings=DiscriminantConfig(crowd_share=0.4, speaker_weight=0, rounds=1),
    )
    direction = fitted.weight[1] - fitted.weight[0]
    assert direction[1] > 0.2 * direction[0] > 0


def test_labelled_utterances_are_not_used_twice(blobs):
    vectors, truth, tested, _ = blobs
    settings = DiscriminantConfig(rounds=3)
    known = crowd_of(vectors, unlabelled=False)
    plain = DiscriminantConfig(rounds=0)
    found, expected = (
        fit_discriminant(vectors, truth, crowd=known, n_outputs=3, settings=s)
        for s in (settings, plain)
    )
    np.testing.assert_array_equal(found.predict(tested), expected.predict(tested))


def test_directions_in_which_speakers_differ_count_less(rng):
    """Emotion shows in two values alike, but one of them also tells speakers apart."""
    speakers = np.repeat(np.arange(10), 30)
    truth = np.tile(np.arange(2), 150)
    vectors = rng.normal(size=(300, 2)) + truth[:, None]
    vectors[:, 1] += rng.normal(scale=3, size=10)[speakers]
    some = np.flatnonzero(speakers < 2)  # two speakers' labels do not show how speakers differ
    crowd = Crowd(vectors, speakers.astype(object), np.ones(300, dtype=bool))

    def reliance(weight):
        fitted = fit_discriminant(
            vectors[some],
            truth[some],
            crowd=crowd,
            n_outputs=2,
            settings=DiscriminantConfig(speaker_weight=weight, rounds=0),
        )
        direction = fitted.weight[1] - fitted.weight[0]
        return abs(direction[1] / direction[0])

    assert reliance(1.0) < 0.7 * reliance(0.0)


def test_an_emotion_without_labels_is_never_predicted(blobs):
    vectors, truth, tested, _ = blobs
    kept = truth != 1
    fitted = fit_discriminant(
        vectors[kept],
        truth[kept],
        crowd=crowd_of(vectors),
        n_outputs=4,
        settings=DiscriminantConfig(),
    )
    assert set(fitted.predict(tested).argmax(axis=1)) == {0, 2}


def test_one_label_an_emotion_is_enough(blobs):
    vectors, truth, tested, _ = blobs
    fitted = fit_discriminant(
        vectors[:3], truth[:3], crowd=crowd_of(vectors), n_outputs=3, settings=DiscriminantConfig()
    )
    probabilities = fitted.predict(tested)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_constant_and_far_values_do_no_harm(blobs):
    vectors, truth, tested, _ = blobs
    widened, tests = (np.hstack([v, np.full((len(v), 1), 7.0)]) for v in (vectors, tested))
    tests[0, 0] = 1e12
    tests[1, -1] = 8.0
    fitted = fit_discriminant(widened, truth, crowd=crowd_of(widened), n_outputs=3, settings=PLAIN)
    plain = fit_discriminant(vectors, truth, crowd=crowd_of(vectors), n_outputs=3, settings=PLAIN)
    assert np.isfinite(fitted.predict(tests)).all()
    assert np.abs(fitted.scaled(tests)).max() <= 5
    agree = fitted.predict(tests[1:]).argmax(1) == plain.predict(tested[1:]).argmax(1)
    assert agree.mean() > 0.97


def test_what_gets_no_emphasis_has_no_influence(blobs):
    vectors, truth, tested, _ = blobs
    emphasis = np.ones(20)
    emphasis[5:] = 0
    fitted = fit_discriminant(
        vectors,
        truth,
        crowd=crowd_of(vectors),
        n_outputs=3,
        settings=DiscriminantConfig(),
        emphasis=emphasis,
    )
    changed = tested.copy()
    changed[:, 5:] = 0
    np.testing.assert_allclose(fitted.predict(changed), fitted.predict(tested), rtol=1e-5)


@pytest.mark.parametrize("change", [{"shrinkage": 0}, {"crowd_share": 1.5}, {"rounds": -1}])
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(UndertoneError):
        DiscriminantConfig(**change)
