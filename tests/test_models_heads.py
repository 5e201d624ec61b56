"""Heads of plain arrays predict what scikit-learn's estimators do, also after they were saved."""

import numpy as np
import pytest
from safetensors.numpy import load, save
from scipy.special import softmax

from undertone.models import linear_and_svm
from undertone.models.discriminant import (
    Crowd,
    Discriminant,
    DiscriminantConfig,
    fit_discriminant,
)
from undertone.models.heads import NEVER, Constant
from undertone.models.linear_and_svm import fit_logistic, fit_ridge, fit_svm

N, N_VALUES = 120, 9
FITS = {"logistic": fit_logistic, "svm": fit_svm}


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def vectors(request, rng):
    """Whose scale and mean are not those that change nothing."""
    return rng.normal(3, 0.2, size=(N, N_VALUES)).astype(request.param)


@pytest.fixture
def pipelines(monkeypatch):
    """What scikit-learn fitted, in order."""
    seen, fit = [], linear_and_svm._fit
    monkeypatch.setattr(linear_and_svm, "_fit", lambda *a: seen.append(fit(*a)) or seen[-1])
    return seen


def told_apart(vectors, present):
    """Labels of some of the classes, each told by one column but for noise."""
    truth = np.array(present)[np.arange(N) % len(present)]
    vectors[np.arange(N), truth] += 0.2
    return truth


def restored(head):
    return type(head).restore(load(save(head.tensors())))


def expected_probabilities(pipeline, vectors, n_outputs):
    """As a softmax over scikit-learn's own decision function."""
    scores = pipeline.decision_function(vectors)
    if scores.ndim == 1:
        scores = np.stack([-scores, scores], axis=1) / 2
    of_all = np.full((len(vectors), n_outputs), NEVER)
    of_all[:, pipeline.classes_] = scores
    return softmax(of_all, axis=1).astype(np.float32)


CLASSES = pytest.mark.parametrize(
    ("present", "n_outputs"),
    [([0, 1], 2), ([0, 1, 2, 3], 4), ([0, 2, 3], 4), ([1, 3], 5)],
    ids=["two", "four", "three of four", "two of five"],
)


@CLASSES
def test_a_logistic_regression_is_bit_equal(rng, vectors, pipelines, present, n_outputs):
    truth, speakers = told_apart(vectors, present), np.arange(N) // 3 % 5
    head = fit_logistic(vectors, truth, n_outputs=n_outputs, speakers=speakers, seed=1)
    for asked in (vectors, vectors[:1], rng.normal(3, 0.2, (50, N_VALUES)).astype(vectors.dtype)):
        expected = expected_probabilities(pipelines[0], asked, n_outputs)
        np.testing.assert_array_equal(head.predict(asked), expected)
        np.testing.assert_array_equal(restored(head).predict(asked), expected)
    assert share_right(head, vectors, truth) > 0.6


@CLASSES
def test_a_support_vector_machine_is_equal(rng, vectors, pipelines, present, n_outputs):
    truth, speakers = told_apart(vectors, present), np.arange(N) // 3 % 5
    head = fit_svm(vectors, truth, n_outputs=n_outputs, speakers=speakers, seed=1)
    others = rng.normal(3, 0.2, (50, N_VALUES)).astype(vectors.dtype)
    for asked in (vectors, others, others[:1], others + 100):
        expected = pipelines[0].decision_function(asked)
        scores = head.scores(asked)
        scores = scores[:, 0] if len(present) == 2 else scores
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12)
        probabilities = expected_probabilities(pipelines[0], asked, n_outputs)
        np.testing.assert_allclose(head.predict(asked), probabilities, rtol=1e-6)
        np.testing.assert_array_equal(restored(head).predict(asked), head.predict(asked))
    assert share_right(head, vectors, truth) > 0.6


def share_right(head, vectors, truth):
    return (head.predict(vectors).argmax(axis=1) == truth).mean()


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_a_class_without_labels_is_never_predicted(vectors, fit):
    truth = told_apart(vectors, [0, 3])
    head = fit(vectors, truth, n_outputs=5, speakers=np.arange(N) % 4, seed=0)
    probabilities = head.predict(vectors)
    assert probabilities.shape == (N, 5)
    assert probabilities.dtype == np.float32
    assert (probabilities[:, [1, 2, 4]] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_vectors_are_left_as_they_were(vectors):
    truth, before = told_apart(vectors, [0, 1, 2]), vectors.copy()
    fit_logistic(vectors, truth, n_outputs=3, speakers=np.arange(N) % 4, seed=0).predict(vectors)
    np.testing.assert_array_equal(vectors, before)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_a_ridge_regression_is_bit_equal_and_clipped(rng, vectors, n_outputs):
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weight = rng.normal(size=(N_VALUES, n_outputs))
    truth = (2 + (vectors - 3) @ weight).astype(np.float32)
    head = fit_ridge(vectors, truth, low=1.8, high=2.3)
    model = make_pipeline(StandardScaler(), RidgeCV(linear_and_svm.RIDGE_PENALTIES))
    model.fit(vectors.astype(np.float64), truth)
    asked = rng.normal(3, 0.2, (50, N_VALUES)).astype(vectors.dtype)
    amounts = model.predict(asked.astype(np.float64)).reshape(50, n_outputs)
    expected = np.clip(amounts, 1.8, 2.3).astype(np.float32)
    same = np.testing.assert_array_equal if n_outputs > 1 else np.testing.assert_allclose
    same(head.predict(asked), expected)
    np.testing.assert_array_equal(restored(head).predict(asked), head.predict(asked))
    assert (expected == np.float32(1.8)).any()
    assert (expected == np.float32(2.3)).any()
    assert ((expected > 1.8) & (expected < 2.3)).any()


def test_a_constant_is_the_same_for_everybody():
    head = Constant(np.array([0.25, 1.5, 3.0]))
    for one in (head, restored(head)):
        predicted = one.predict(np.zeros((4, 7)))
        assert predicted.dtype == np.float32
        np.testing.assert_array_equal(predicted, np.tile([0.25, 1.5, 3.0], (4, 1)))


def test_a_discriminant_survives_its_arrays(rng):
    vectors = rng.normal(3, 0.2, size=(N, N_VALUES))
    truth = told_apart(vectors, [0, 2])
    vectors[:, 5] = 7  # what is constant in the crowd
    speakers = np.array([f"s{i % 5}" for i in range(N)])
    head = fit_discriminant(
        vectors[:20],
        truth[:20],
        crowd=Crowd(vectors, speakers, np.arange(N) >= 20),
        n_outputs=3,
        settings=DiscriminantConfig(),
        emphasis=rng.uniform(0.3, 1, N_VALUES),
    ).cooled(2.5)
    again = restored(head)
    assert isinstance(again, Discriminant)
    np.testing.assert_array_equal(again.predict(vectors), head.predict(vectors))
    assert (head.predict(vectors)[:, 1] == 0).all()
    assert share_right(head, vectors, truth) > 0.6


def test_heads_are_restored_without_scikit_learn():
    import subprocess
    import sys

    code = (
        "import sys, undertone.models.heads, undertone.models.discriminant;"
        "print('sklearn' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
