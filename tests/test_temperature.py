"""How sure probabilities may be: the prior, its bounds, what stands in where nothing is tested."""

from dataclasses import replace

import numpy as np
import pytest
from plan_fakes import data_of, finetune_build
from scipy.special import log_softmax, softmax

from undertone.models.discriminant import DiscriminantConfig
from undertone.models.temperature import (
    HIGHEST,
    temperature_by_crowd,
    temperature_by_prior,
    temperature_expected,
)
from undertone.systems import calibrated, fits, held_out
from undertone.systems.calibrated import BY_CROWD, EXPECTED, TESTED, UNTESTED, find_temperature
from undertone.tasks.draws import LabelDraw


def drawn(rng, n, temperature, n_outputs=4):
    """Scores, and truths that are draws of their softmax at a temperature."""
    scores = rng.normal(scale=3 * temperature, size=(n, n_outputs))
    return scores, (scores / temperature + rng.gumbel(size=scores.shape)).argmax(axis=1)


def test_the_prior_expects_less_with_more_labels():
    assert temperature_expected(20) == pytest.approx(np.exp(3.6))
    assert temperature_expected(200) == pytest.approx(np.exp(3.6) / 10**0.65)


@pytest.mark.parametrize("weight", [10.0, 40.0])
def test_the_temperature_is_the_most_probable_one(rng, weight):
    """Against a search over a grid of the posterior, written out."""
    scores, truth = drawn(rng, 60, 5.0)
    found = temperature_by_prior(scores, truth, n_labels=60, n_known=48.0, weight=weight)
    expected = 3.6 - 0.65 * np.log(60 / 20)
    higher = -0.65 * np.log(48 / 60)
    grid = np.linspace(-1, 6, 7001)
    cost = [
        -sum(log_softmax(s / np.exp(t + higher))[k] for s, k in zip(scores, truth, strict=True))
        + weight / 2 * (t - expected) ** 2
        for t in grid
    ]
    assert np.log(found) == pytest.approx(grid[np.argmin(cost)], abs=2e-3)


def test_labels_outweigh_the_prior_where_there_are_many(rng):
    scores, truth = drawn(rng, 20_000, 3.0)
    found = temperature_by_prior(scores, truth, n_labels=20_000, n_known=20_000.0)
    assert found == pytest.approx(3.0, rel=0.05)


def test_an_emotion_that_a_smaller_fit_was_not_shown_says_nothing(rng):
    scores, truth = drawn(rng, 30, 3.0)
    plain = temperature_by_prior(scores, truth, n_labels=40, n_known=32.0)
    unseen = scores[:5].copy()
    unseen[:, 0] = -np.inf
    with_unseen = np.concatenate([scores, unseen]), np.append(truth, np.zeros(5, int))
    assert temperature_by_prior(*with_unseen, n_labels=40, n_known=32.0) == pytest.approx(plain)


def test_scores_that_say_nothing_do_not_run_away(rng):
    """At this a maximum of the likelihood alone runs into any bound: every emotion alike."""
    scores = rng.normal(scale=50, size=(20, 6))
    truth = np.argsort(scores, axis=1)[:, 0]  # always wrong
    found = temperature_by_prior(scores, truth, n_labels=20, n_known=16.0)
    assert 10 < found < 500
    assert softmax(scores / found, axis=1).max() > 0.2


def test_the_crowd_is_believed_as_often_as_few_labels_are_right(rng):
    scores = rng.normal(scale=400, size=(500, 5))
    scores[:, 4] = -np.inf  # no label
    found = temperature_by_crowd(scores)
    sure = softmax(scores / found, axis=1).max(axis=1).mean()
    assert sure == pytest.approx(0.25 + 0.3 * 0.75, abs=1e-6)
    more = softmax(scores / temperature_by_crowd(scores, 200), axis=1).max(axis=1).mean()
    assert more == pytest.approx(0.25 + (0.3 + 0.15 * np.log(10)) * 0.75, abs=1e-6)
    assert temperature_by_crowd(np.zeros((3, 4))) == 1.0, "it can be no surer than chance"
    huge = 1e9 * rng.normal(size=(50, 3))
    assert temperature_by_crowd(huge) == HIGHEST


# --- of a whole fit


def problem_of(**changes):
    build = finetune_build(data_of("choice"), system="descriptors", folds=0, **changes)
    cell = build.plan.cells[-1]
    return build.plan.problem(cell, build._material(cell)), build._settings


def found_for(problem, **settings):
    settings = DiscriminantConfig(**settings)
    return find_temperature(
        problem, fits.fit_combined(problem, settings), fits.fit_combined, settings
    )


def test_few_labels_an_emotion_are_not_asked():
    problem, _ = problem_of(labels=9)  # of four emotions
    on, off = (found_for(problem, self_training=mode) for mode in ("on", "off"))
    assert (on.how, off.how) == (EXPECTED, BY_CROWD)
    assert on.temperature == pytest.approx(temperature_expected(9))
    tested, _ = problem_of(labels=24)
    assert found_for(tested, self_training="on").how == TESTED
    assert found_for(tested, self_training="on", calibrate=False).how == EXPECTED


def test_labels_of_one_speaker_are_not_tested():
    problem, settings = problem_of(labels=None)
    own = [name for name in problem.budget if name.startswith("s02")]
    alone = replace(problem, labels=LabelDraw(own, []))
    fitted = calibrated.fit_calibrated(alone, settings, fit=fits.fit_combined)
    assert fitted.notes["temperature_from"] == UNTESTED
    odds = np.sort(fitted.predict(alone.material, own), axis=1)
    assert np.exp(np.log(odds[:, -1] / odds[:, -2]).mean()) == pytest.approx(2, rel=0.05)


def test_smaller_fits_do_as_the_one_that_is_cooled():
    problem, _ = problem_of(labels=24)
    seen = []

    def spy(part, settings):
        seen.append(settings.self_training)
        return fits.fit_combined(part, settings)

    for mode in ("on", "off"):
        settings = DiscriminantConfig(self_training=mode)
        seen.clear()
        find_temperature(problem, fits.fit_combined(problem, settings), spy, DiscriminantConfig())
        assert seen == [mode] * held_out.N_GROUPS


def test_cooling_leaves_decisions_and_the_impossible_alone():
    problem, settings = problem_of(labels=24)
    shown = [name for name in problem.budget if "anger" not in name]
    problem = replace(problem, labels=LabelDraw(shown, []))
    names = list(problem.material.crowd)
    raw = fits.fit_combined(problem, settings)
    cooled = calibrated.fit_calibrated(problem, settings, fit=fits.fit_combined)
    before, after = (f.predict(problem.material, names) for f in (raw, cooled))
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    assert not after[:, problem.task.outputs.index("anger")].any()
    hot = raw.cooled(4_000.0).predict(problem.material, names)
    assert not hot[:, problem.task.outputs.index("anger")].any()
