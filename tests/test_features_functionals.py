import numpy as np

from undertone.features.functionals import STATISTICS, functionals


def names(columns):
    return [f"{column}_{statistic}" for column in columns for statistic in STATISTICS]


def test_values_equal_their_definitions(rng):
    frames = rng.normal(size=(50, 3)).astype(np.float32)
    vector = dict(zip(names("abc"), functionals(frames), strict=True))
    column = frames[:, 1].astype(float)
    assert np.isclose(vector["b_mean"], column.mean())
    assert np.isclose(vector["b_sd"], column.std())
    assert np.isclose(vector["b_p25"], np.percentile(column, 25))
    assert np.isclose(vector["b_change"], np.abs(np.diff(column)).mean())


def test_order_of_frames_matters_to_the_change_alone(rng):
    frames = rng.normal(size=(50, 2))
    changed = functionals(frames) != functionals(np.sort(frames, axis=0))
    changed &= ~np.isclose(functionals(frames), functionals(np.sort(frames, axis=0)))
    assert [name for name, is_changed in zip(names("ab"), changed, strict=True) if is_changed] == [
        "a_change",
        "b_change",
    ]


def test_values_that_are_not_finite_are_left_out(rng):
    frames = rng.normal(size=(20, 2))
    holey = np.insert(frames, [3, 9], [[np.nan, 1.0], [np.inf, 1.0]], axis=0)
    holey[:, 1] = np.nan
    vector = functionals(holey)
    np.testing.assert_allclose(vector[: len(STATISTICS)], functionals(frames[:, :1]), rtol=1e-6)
    assert (vector[len(STATISTICS) :] == 0).all()


def test_f0_is_described_over_voiced_frames(rng):
    frames = np.column_stack([rng.normal(size=20), np.arange(20) < 8])
    vector = functionals(frames, ("log_f0", "voiced"))
    np.testing.assert_allclose(vector[0], frames[:8, 0].mean(), rtol=1e-6)
    frames[:, 1] = 0
    np.testing.assert_allclose(
        functionals(frames, ("log_f0", "voiced"))[0], frames[:, 0].mean(), rtol=1e-5
    )


def test_one_frame_is_enough():
    vector = functionals(np.array([[3.0]]))
    np.testing.assert_array_equal(vector, [3, 0, 3, 3, 3, 3, 3, 0])
