import numpy as np
import pytest

from undertone.features import log_mel
from undertone.features.descriptors import (
    PARTS,
    Speech,
    describe,
    durations,
    emphasis,
    f0_in_motion,
    modulation,
)
from undertone.features.functionals import functionals

N_BANDS = log_mel.N_BANDS


def speech(n_frames=300, energy=None, log_f0=None, voiced=None, loud=None, mel=None):
    everywhere = np.ones(n_frames, dtype=bool)
    return Speech(
        mel=np.zeros((n_frames, N_BANDS)) if mel is None else mel,
        energy=np.zeros(n_frames) if energy is None else energy,
        log_f0=np.full(n_frames, np.log(120.0)) if log_f0 is None else log_f0,
        voiced=everywhere if voiced is None else voiced,
        loud=everywhere if loud is None else loud,
    )


def test_functionals_come_first_and_are_all_for_unknown_columns(rng):
    frames = rng.normal(size=(80, 3))
    np.testing.assert_array_equal(describe(frames, ("a", "b", "c")), functionals(frames))
    known = rng.normal(size=(80, len(log_mel.COLUMNS)))
    n_values = len(functionals(known, log_mel.COLUMNS))
    np.testing.assert_array_equal(
        describe(known, log_mel.COLUMNS)[:n_values], functionals(known, log_mel.COLUMNS)
    )


@pytest.mark.parametrize("n_frames", [1, 2, 5, 10, 700])
def test_any_length_gives_the_same_number_of_finite_values(rng, n_frames):
    frames = rng.normal(size=(n_frames, len(log_mel.COLUMNS)))
    vector = describe(frames, log_mel.COLUMNS)
    assert vector.shape == describe(frames[:1], log_mel.COLUMNS).shape
    assert np.isfinite(vector).all()


def test_holes_leave_everything_finite(rng):
    frames = rng.normal(size=(60, len(log_mel.COLUMNS)))
    frames[3:9] = np.nan
    frames[20, 5] = -np.inf
    assert np.isfinite(describe(frames, log_mel.COLUMNS)).all()


def test_a_voice_without_voicing_has_no_f0_movement():
    assert (f0_in_motion(speech(voiced=np.zeros(300, dtype=bool))) == 0).all()


def test_the_slope_of_f0_is_found():
    time_s = np.arange(300) / 100
    found = f0_in_motion(speech(log_f0=np.log(100.0) + 0.2 * time_s))
    assert found[-1] == pytest.approx(0.2)
    assert found[0] == pytest.approx(0.2 * time_s[-1])


def test_durations_count_stretches_and_pauses():
    voiced = np.zeros(200, dtype=bool)
    voiced[10:30] = voiced[100:140] = True
    loud = np.ones(200, dtype=bool)
    loud[50:75] = False
    found = durations(speech(200, voiced=voiced, loud=loud))
    expected = [np.log(200), 1.0, np.log1p(30), np.log1p(10), 0.3, 0.875, np.log1p(25), 0.5]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(("rate_hz", "band"), [(1.0, 0), (4.0, 2), (10.0, 4)])
def test_a_modulated_energy_shows_in_its_band(rate_hz, band):
    energy = np.sin(2 * np.pi * rate_hz * np.arange(400) / 100)
    found = modulation(speech(400, energy=energy)).reshape(6, -1)[:, 0]
    assert found.argmax() == band
    assert found[band] > np.delete(found, band).max() + 2


def test_the_length_of_a_recording_does_not_change_its_modulation():
    def of(n_frames):
        return modulation(
            speech(n_frames, energy=np.sin(2 * np.pi * 4 * np.arange(n_frames) / 100))
        )

    short, long = of(500).reshape(6, -1)[2, 0], of(4000).reshape(6, -1)[2, 0]
    assert short == pytest.approx(long, abs=0.1)


def test_every_part_describes_a_recording(rng):
    frames = log_mel.extract(rng.normal(scale=0.1, size=16000).astype(np.float32))
    known = describe(frames, log_mel.COLUMNS)
    n_values = len(functionals(frames, log_mel.COLUMNS))
    assert len(known) == n_values + sum((160, 40, 60, 6, 8, 42))
    assert len(PARTS) == 6


def test_frames_of_an_encoder_are_described_by_their_means(rng):
    columns = tuple(f"0123abcd_{k:02d}_{unit:04d}" for k in range(5) for unit in range(2))
    frames = rng.normal(size=(20, 10)).astype(np.float32)
    frames[3, 4] = np.nan
    found = describe(frames, columns)
    np.testing.assert_allclose(found, np.nanmean(frames, axis=0), rtol=1e-5)
    assert found.dtype == np.float32


def test_the_middle_layers_of_an_encoder_count_most():
    columns = tuple(f"0123abcd_{k:02d}_{unit:04d}" for k in range(5) for unit in range(2))
    expected = np.repeat([1 / 3, 2 / 3, 1, 2 / 3, 1 / 3], 2) ** 2
    np.testing.assert_allclose(emphasis(columns, 10), expected)
    np.testing.assert_array_equal(emphasis(columns[4:6], 2), [1, 1])  # one layer
    np.testing.assert_array_equal(emphasis(log_mel.COLUMNS, 7), np.ones(7))
