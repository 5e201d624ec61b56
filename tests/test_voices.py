"""Speaker centring: what is a speaker's own, by its equation, and who is centred where."""

from dataclasses import replace

import numpy as np
import pytest
from plan_fakes import curve_plan, data_of
from systems_fakes import fit

from undertone.models.discriminant import DiscriminantConfig, fit_discriminant
from undertone.models.voices import Expected, Voices, left_by, own
from undertone.systems import adapted, fits, held_out
from undertone.systems.adapted import by_voice, predict_adapted, recordings_of
from undertone.systems.fitted import OnVectors
from undertone.systems.table import systems_of
from undertone.systems.view import View
from undertone.training.normalise import fit_normaliser

BLOCK = View(("descriptors",), centring=5.0)


# --- the equation


def test_the_mean_of_a_speaker_is_taken_off_the_more_the_more_recordings(rng):
    vectors = rng.normal(3, 0.2, (9, 4))
    speakers = ["a"] * 6 + ["b"] * 2 + [None]
    voices = Voices.of(vectors, speakers, count=5)
    mean = vectors[:8].mean(axis=0)
    np.testing.assert_allclose(voices.mean, mean)
    left = voices.apart(vectors, speakers)
    for rows, n in ((slice(0, 6), 6), (slice(6, 8), 2)):
        taken = n / (n + 5) * (vectors[rows].mean(axis=0) - mean)
        np.testing.assert_allclose(left[rows], vectors[rows] - taken)
    np.testing.assert_array_equal(left[8], vectors[8])
    np.testing.assert_array_equal(voices.apart(vectors, ["c"] * 9), vectors)


def test_a_voice_that_is_shifted_is_left_with_little_of_the_shift(rng):
    vectors, shift = rng.normal(3, 0.2, (40, 4)), np.array([2.0, -1.0, 0.0, 3.0])
    taken = [own(v, mean=np.full(4, 3.0), count=5) for v in (vectors, vectors + shift)]
    np.testing.assert_allclose(taken[1] - taken[0], shift * 40 / 45)
    one = own((vectors + shift)[:1], mean=np.full(4, 3.0), count=5)
    np.testing.assert_allclose(one, (vectors[0] + shift - 3) / 6)


def test_where_nobody_is_known_nobody_is_centred(rng):
    vectors = rng.normal(3, 0.2, (5, 2))
    voices = Voices.of(vectors, [None] * 5, count=5)
    np.testing.assert_allclose(voices.mean, vectors.mean(axis=0))
    np.testing.assert_array_equal(voices.apart(vectors, [None] * 5), vectors)


def test_what_ten_recordings_leave_of_a_difference_is_a_third_of_its_square(rng):
    spoken, apart = rng.normal(size=(3, 2)), np.zeros((3, 2))
    np.testing.assert_allclose(left_by(spoken, apart, count=5) ** 2, spoken**2 / 3)


# --- lopsided recordings


HEARD = Expected(np.array([3.0, 3.0]), np.array([[5.0, 3.0], [2.0, 2.0]]), np.array([0.5, 0.5]))


@pytest.mark.parametrize(
    ("counts", "mean"),
    [
        ([5, 5], [3, 3]),
        ([6, 4], [3, 3]),  # below seven in ten: as in training
        ([7, 3], 2 / 3 * np.array([0.7 * 5 + 0.3 * 2, 0.7 * 3 + 0.3 * 2]) + [3.5 / 3, 2.5 / 3]),
        ([0, 10], 2 / 3 * np.array([2, 2]) + [3.5 / 3, 2.5 / 3]),
    ],
)
def test_recordings_heard_as_one_emotion_are_compared_with_it(counts, mean):
    """Two thirds of what is heard, and a third of the shares of training."""
    np.testing.assert_allclose(HEARD.given(np.array(counts)), mean)
    none = Expected(HEARD.mean, np.zeros((0, 2)), np.zeros(0))
    np.testing.assert_array_equal(none.given(np.array(counts)), HEARD.mean)
    np.testing.assert_array_equal(HEARD.given(None), HEARD.mean)


def test_the_means_of_emotions_are_those_of_whom_they_were_heard_in(rng):
    vectors, heard = rng.normal(3, 0.2, (12, 3)), np.eye(4)[np.arange(12) % 3]  # the last never
    expected = Expected.of(np.full(3, 7.0), vectors, heard)
    for k in range(3):
        np.testing.assert_allclose(expected.by_emotion[k], vectors[k::3].mean(axis=0))
    np.testing.assert_array_equal(expected.by_emotion[3], [7, 7, 7])
    np.testing.assert_allclose(expected.share, [1 / 3, 1 / 3, 1 / 3, 0])


def test_what_is_taken_off_a_voice_that_is_angry_throughout_is_little_of_anger(rng):
    """Two emotions, one value that tells them: what is left of a voice of anger alone is anger."""
    anger = np.array([1.0, 0.0])
    crowd = np.concatenate(
        [rng.normal(0, 0.1, (50, 2)) + anger, rng.normal(0, 0.1, (50, 2)) - anger]
    )
    expected = Expected.of(crowd.mean(axis=0), crowd, np.repeat(np.eye(2), 50, axis=0))
    voice = rng.normal(0, 0.1, (10, 2)) + anger + [0, 2]
    by_mean, by_emotion = (
        own(voice, mean=expected.given(counts), count=5) for counts in (None, np.array([10, 0]))
    )
    assert by_mean[0] > 0.6
    assert 0 < by_emotion[0] < 0.3
    assert by_mean[1] == pytest.approx(by_emotion[1], abs=0.05)
    assert by_mean[1] == pytest.approx(4 / 3, abs=0.1)


# --- who is centred


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return curve_plan(data_of("choice"), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def cell(plan):
    return next(cell for cell in plan.cells if cell.budget == 12)


@pytest.fixture
def material(plan, cell):
    return plan.material(cell.fold, fit_normaliser(plan.folds[cell.fold].frames()))


def fitted_in(plan, cell, material) -> OnVectors:
    return fit(plan.problem(cell, material), "descriptors")


def test_the_crowd_is_centred_and_no_test_speaker_is(plan, cell, material):
    spoken = replace(BLOCK, centring=0.0)
    test, crowd = list(plan.folds[cell.fold].test), list(material.crowd)
    np.testing.assert_array_equal(BLOCK.vectors(material, test), spoken.vectors(material, test))
    left, plain = BLOCK.vectors(material, crowd), spoken.vectors(material, crowd)
    assert np.abs(left - plain).max() > 1e-3
    for who in set(material.crowd.values()):
        rows = [i for i, name in enumerate(crowd) if material.crowd[name] == who]
        moved = left[rows] - plain[rows]
        np.testing.assert_allclose(moved, np.tile(moved[0], (len(rows), 1)), atol=1e-6)
        difference = plain[rows].mean(axis=0) - plain.mean(axis=0)
        share = len(rows) / (len(rows) + 5)
        np.testing.assert_allclose(moved[0], -share * difference, atol=1e-5)


def test_who_is_held_out_to_find_a_temperature_is_nobody_that_is_known(plan, cell, material):
    problem = plan.problem(cell, material)
    BLOCK.vectors(material, problem.budget)  # what is remembered of voices must not be kept
    group = {problem.speaker[problem.budget[0]]}
    part = held_out._without(problem, group)
    assert part.test
    plain = replace(BLOCK, centring=0.0).vectors(part.material, part.test)
    np.testing.assert_array_equal(BLOCK.vectors(part.material, part.test), plain)


def test_without_centring_a_fit_is_as_before_and_cannot_be_adapted(plan, cell, material):
    problem = plan.problem(cell, material)
    settings = DiscriminantConfig(centring=0.0)
    fitted = fits.fit_combined(problem, settings)
    crowd = fits.crowd_of(problem, View(("descriptors",)))
    assert crowd.voiced is None
    expected = fit_discriminant(
        fits.vectors_of(problem, View(("descriptors",)), problem.budget),
        problem.positions(problem.budget),
        crowd=crowd,
        n_outputs=problem.n_outputs,
        settings=settings,
        emphasis=material.emphasis(crowd.vectors.shape[1]),
    )
    np.testing.assert_array_equal(fitted.head.weight, expected.weight)
    assert fitted.expected is None


# --- adapting


def test_a_fit_knows_what_its_crowd_sounds_like_emotion_by_emotion(plan, cell, material):
    """Given labels count as given, the others as they are heard, all of them centred."""
    problem = plan.problem(cell, material)
    fitted, names = fitted_in(plan, cell, material), list(material.crowd)
    vectors = fitted.view.vectors(material, names)
    heard = np.eye(4)[fitted.head.predict(vectors).argmax(axis=1)]
    for i, name in enumerate(names):
        if name in problem.truth:
            heard[i] = problem.truth[name]
    assert len(problem.truth) == 12
    np.testing.assert_allclose(fitted.expected.share, heard.mean(axis=0))
    for k in np.flatnonzero(heard.any(axis=0)):
        mean = vectors[heard[:, k] == 1].mean(axis=0)
        np.testing.assert_allclose(fitted.expected.by_emotion[k], mean, rtol=1e-5, atol=1e-7)


def test_adapting_is_taking_the_voice_off_whatever_is_heard(plan, cell, material):
    fitted, test = fitted_in(plan, cell, material), list(plan.folds[cell.fold].test)
    recordings = test[:4]
    vectors = fitted.view.vectors(material, test).astype(float)
    crowd = replace(BLOCK, centring=0.0).vectors(material, list(material.crowd))
    np.testing.assert_allclose(fitted.expected.mean, crowd.mean(axis=0), rtol=1e-5)
    mean = fitted.expected.given(fitted.heard_in(vectors[:4]))
    taken = 4 / 9 * (vectors[:4].mean(axis=0) - mean)
    found = fitted.adapted(fitted.view.vectors(material, recordings))
    np.testing.assert_allclose(
        found.predict(material, test), fitted.head.predict(vectors - taken), atol=1e-5
    )
    assert found.expected is None, "it cannot be adapted again"


def test_a_voice_is_heard_in_recordings_of_its_own_alone(plan):
    """Nothing else is in the draws: no other speaker, none twice, and the fewer among the more."""
    for cell in plan.cells:
        test = plan.folds[cell.fold].test
        three, ten, everything = (recordings_of(plan, cell, n) for n in (3, 10, adapted.EVERY))
        assert set(everything) == {plan.speaker[name] for name in test}
        assert sorted(name for of_one in everything.values() for name in of_one) == sorted(test)
        for who, names in everything.items():
            assert {plan.speaker[name] for name in names} == {who}
            assert three[who] == ten[who][:3] == names[:3]
            assert len(set(ten[who])) == min(10, len(names))
    one, other = (c for c in plan.cells[:40] if c.fold == 0 and c.budget == 4 and c.draw < 2)
    assert recordings_of(plan, one, 3) != recordings_of(plan, other, 3), "drawn anew for each fit"


def test_the_truth_of_a_tested_voice_changes_nothing(plan, cell, material):
    fitted = fitted_in(plan, cell, material)
    test = set(plan.folds[cell.fold].test)
    other = {n: np.roll(t, 1) if n in test else t for n, t in plan.truth.items()}
    row = by_voice(systems_of(plan.task)["descriptors"], 3)
    found = [
        adapted.predict_row(row, fitted, plan=one, cell=cell, material=material)
        for one in (plan, replace(plan, truth=other))
    ]
    np.testing.assert_array_equal(*found)


def test_a_tested_voice_is_changed_by_its_own_recordings_and_by_nobody_elses(plan, cell, material):
    fitted, test = fitted_in(plan, cell, material), list(plan.folds[cell.fold].test)
    speaker = {name: plan.speaker[name] for name in test}
    recordings = recordings_of(plan, cell, 3)
    (who, heard), (_, others) = list(recordings.items())[:2]
    mine = [i for i, name in enumerate(test) if speaker[name] == who and name not in heard]

    def predicted(louder):
        frames = material.frames
        loud = replace(
            material,
            frames=lambda name: frames(name) + 0.4 * (name in louder),
            _vectors={},
            described={},
        )
        return predict_adapted(fitted, loud, test, speaker=speaker, recordings=recordings)[mine]

    plain = predicted(())
    np.testing.assert_array_equal(predicted(others), plain)
    assert np.abs(predicted(heard) - plain).max() > 1e-3


def test_a_row_by_voice_is_told_from_its_system():
    row = systems_of(data_of("choice").task)["combined"]
    for number, name, label in (
        (3, "combined_with_3", "with 3 unlabelled recordings of the voice"),
        (1, "combined_with_1", "with 1 unlabelled recording of the voice"),
        (adapted.EVERY, "combined_with_all", "with all unlabelled recordings of the voice"),
    ):
        found = by_voice(row, number)
        assert (found.name, found.label, found.of) == (name, label, "combined")
        assert row.recommended
        assert not found.recommended
        assert "adapted to the tested voice's audio" in found.description.lower()
