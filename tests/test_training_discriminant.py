import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from undertone.errors import UndertoneError
from undertone.training.discriminant import (
    Crowd,
    DiscriminantConfig,
    fit_discriminant,
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
    return (fitted.probabilities(vectors).argmax(axis=1) == truth).mean()


def test_without_crowd_effects_it_is_the_shrunk_discriminant_of_scikit_learn(blobs):
    vectors, truth, others, _ = blobs
    fitted = fit_discriminant(vectors, truth, crowd=crowd_of(vectors), n_classes=3, settings=PLAIN)
    scaled = fitted.scaler.apply(vectors)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.4, priors=np.full(3, 1 / 3))
    # scikit-learn shrinks each class's covariance in z-scores of its own: equal classes, no scaling
    expected = model.fit(scaled, truth).predict(fitted.scaler.apply(others))
    assert (fitted.probabilities(others).argmax(axis=1) == expected).mean() > 0.95


def test_scores_are_those_of_equal_gaussians(rng):
    vectors = rng.normal(size=(60, 4))
    truth = np.arange(60) % 2
    fitted = fit_discriminant(vectors, truth, crowd=crowd_of(vectors), n_classes=2, settings=PLAIN)
    z = fitted.scaler.apply(vectors)
    means = np.stack([z[truth == k].mean(axis=0) for k in range(2)])
    residuals = z - means[truth]
    covariance = residuals.T @ residuals / 60
    covariance = 0.6 * covariance + 0.4 * np.trace(covariance) / 4 * np.eye(4)
    inverse = np.linalg.inv(covariance)
    distance = np.stack([((z - m) @ inverse * (z - m)).sum(axis=1) for m in means], axis=1)
    found = np.log(fitted.probabilities(vectors).astype(float))
    np.testing.assert_allclose(
        found[:, 0] - found[:, 1], (distance[:, 1] - distance[:, 0]) / 2, atol=1e-3
    )


def test_the_crowd_helps_few_labels(blobs):
    vectors, truth, tested, tested_truth = blobs
    few = np.concatenate([np.flatnonzero(truth == k)[:2] for k in range(3)])
    alone, joined = (
        fit_discriminant(
            vectors[few],
            truth[few],
            crowd=crowd_of(vectors),
            n_classes=3,
            settings=DiscriminantConfig(rounds=rounds),
        )
        for rounds in (0, 4)
    )
    gain = share_right(joined, tested, tested_truth) - share_right(alone, tested, tested_truth)
    assert gain > 0.05


def test_labelled_utterances_are_not_used_twice(blobs):
    vectors, truth, tested, _ = blobs
    settings = DiscriminantConfig(rounds=3)
    known = crowd_of(vectors, unlabelled=False)
    plain = DiscriminantConfig(rounds=0)
    found, expected = (
        fit_discriminant(vectors, truth, crowd=known, n_classes=3, settings=s)
        for s in (settings, plain)
    )
    np.testing.assert_array_equal(found.probabilities(tested), expected.probabilities(tested))


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
            n_classes=2,
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
        n_classes=4,
        settings=DiscriminantConfig(),
    )
    assert set(fitted.probabilities(tested).argmax(axis=1)) == {0, 2}


def test_one_label_an_emotion_is_enough(blobs):
    vectors, truth, tested, _ = blobs
    fitted = fit_discriminant(
        vectors[:3], truth[:3], crowd=crowd_of(vectors), n_classes=3, settings=DiscriminantConfig()
    )
    chances = fitted.probabilities(tested)
    assert np.isfinite(chances).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)


def test_constant_and_far_values_do_no_harm(blobs):
    vectors, truth, tested, _ = blobs
    widened, tests = (np.hstack([v, np.full((len(v), 1), 7.0)]) for v in (vectors, tested))
    tests[0, 0] = 1e12
    tests[1, -1] = 8.0
    fitted = fit_discriminant(widened, truth, crowd=crowd_of(widened), n_classes=3, settings=PLAIN)
    plain = fit_discriminant(vectors, truth, crowd=crowd_of(vectors), n_classes=3, settings=PLAIN)
    assert np.isfinite(fitted.probabilities(tests)).all()
    assert np.abs(fitted.scaler.apply(tests)).max() <= 5
    agree = fitted.probabilities(tests[1:]).argmax(1) == plain.probabilities(tested[1:]).argmax(1)
    assert agree.mean() > 0.97


def test_what_gets_no_emphasis_has_no_influence(blobs):
    vectors, truth, tested, _ = blobs
    emphasis = np.ones(20)
    emphasis[5:] = 0
    fitted = fit_discriminant(
        vectors,
        truth,
        crowd=crowd_of(vectors),
        n_classes=3,
        settings=DiscriminantConfig(),
        emphasis=emphasis,
    )
    changed = tested.copy()
    changed[:, 5:] = 0
    np.testing.assert_allclose(
        fitted.probabilities(changed), fitted.probabilities(tested), rtol=1e-5
    )


@pytest.mark.parametrize("change", [{"shrinkage": 0}, {"crowd_share": 1.5}, {"rounds": -1}])
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(UndertoneError):
        DiscriminantConfig(**change)
