import numpy as np
import pytest

from undertone.features import log_mel
from undertone.features.descriptors import (
    PARTS,
    Speech,
    _speech,
    cepstra_in_motion,
    cepstra_of_voice,
    describe,
    durations,
    emphasis,
    f0_in_motion,
    modulation,
)
from undertone.features.functionals import functionals
from undertone.features.vectors import mean_sd

N_BANDS = log_mel.N_BANDS
BANDS_HZ = ((0.5, 1.5), (1.5, 3), (3, 5), (5, 8), (8, 12), (12, 20))


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


@pytest.fixture
def sawtooth(rng):
    """Mel bands that rise at once and fall slowly, each in its own measure: no change is even."""
    phase = np.arange(97) % 12
    shape = np.where(phase < 2, phase / 2, 1 - (phase - 2) / 10)
    return 3 + shape[:, None] * rng.uniform(0.5, 4, size=N_BANDS) + 0.1 * rng.random((97, N_BANDS))


def plain_cepstra(mel):
    """The orthonormal cosine transform, term by term."""
    n_bands = mel.shape[1]
    place = np.pi * (np.arange(n_bands) + 0.5) / n_bands
    rows = [np.sqrt((1 if k == 0 else 2) / n_bands) * np.cos(k * place) for k in range(20)]
    return mel @ np.array(rows).T


def test_cepstra_in_motion_are_of_the_change_over_forty_milliseconds(sawtooth):
    values = plain_cepstra(sawtooth)
    change = np.array([values[i + 2] - values[i - 2] for i in range(2, len(values) - 2)])
    expected = [change.std(axis=0), *(np.quantile(change, q, axis=0) for q in (0.9, 0.1))]
    found = cepstra_in_motion(speech(97, mel=sawtooth)).reshape(3, -1)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.median(np.abs(found[1] + found[2])) > 0.1  # so that a sign shows


def test_cepstra_of_the_voice_are_of_voiced_frames_alone(sawtooth, rng):
    voiced = rng.random(97) < 0.4
    values = plain_cepstra(sawtooth)[voiced]
    found = cepstra_of_voice(speech(97, mel=sawtooth, voiced=voiced))
    np.testing.assert_allclose(found, [*values.mean(axis=0), *values.std(axis=0)], atol=1e-9)


def test_movement_of_f0_follows_its_equations():
    """F0 jumps up and sinks slowly; what happens around a pause is no movement."""
    phase = np.arange(150) % 30
    log_f0 = np.log(140.0) + np.where(phase < 6, 0.1 * phase, 0.6 - 0.02 * (phase - 6))
    log_f0[60:80] = 9.0
    voiced = np.ones(150, dtype=bool)
    voiced[60:80] = False
    change = [log_f0[i + 1] - log_f0[i] for i in range(149) if voiced[i] and voiced[i + 1]]
    time_s, heard = np.flatnonzero(voiced) / 100, log_f0[voiced]
    slope = np.cov(time_s, heard, bias=True)[0, 1] / time_s.var()
    spread = [np.ptp(heard), np.abs(change).mean(), np.std(change)]
    expected = [*spread, np.quantile(change, 0.9), np.quantile(change, 0.1), slope]
    np.testing.assert_allclose(f0_in_motion(speech(150, log_f0=log_f0, voiced=voiced)), expected)
    assert expected[3] > 4 * -expected[4] > 0


def test_the_modulation_spectrum_is_of_windowed_signals(sawtooth):
    """A ramp and a sawtooth: without a window, power leaks from the lowest band into all others."""
    n = len(sawtooth)
    energy, log_f0 = np.linspace(-5, 9, n), np.log(90 + np.linspace(0, 1, n) ** 3 * 200)
    groups = [sawtooth[:, k : k + 8].mean(axis=1) for k in range(0, N_BANDS, 8)]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / (n - 1))
    rates_hz = np.arange(257) * 100 / 512
    expected = []
    for signal in (energy, *groups, log_f0):
        tone = np.exp(-2j * np.pi * rates_hz[:, None] * np.arange(n) / 100)
        power = np.abs(tone @ ((signal - signal.mean()) * window)) ** 2
        sums = [power[(low <= rates_hz) & (rates_hz < high)].sum() for low, high in BANDS_HZ]
        expected.append(np.log(np.array(sums) / n + 1e-6))
    found = modulation(speech(n, energy=energy, log_f0=log_f0, mel=sawtooth))
    np.testing.assert_allclose(found.reshape(6, -1), np.transpose(expected), rtol=1e-6)


def test_speech_is_loud_within_thirty_decibels_of_its_loud_frames():
    frames = np.zeros((100, len(log_mel.COLUMNS)))
    level_db = np.where(np.arange(100) < 40, -12.0, np.where(np.arange(100) < 70, -40.0, -44.0))
    frames[:, log_mel.COLUMNS.index("log_energy")] = level_db / 10 * np.log(10)
    assert _speech(frames, log_mel.COLUMNS).loud.sum() == 70


def test_means_and_deviations_are_of_what_is_finite(rng):
    layers = rng.normal(3, 2, size=(2, 7, 5)).astype(np.float32)
    expected = np.concatenate([layers.mean(axis=1), layers.std(axis=1)], axis=1)
    np.testing.assert_allclose(mean_sd(layers), expected, rtol=1e-5)
    holey = np.insert(layers, [2, 4], np.nan, axis=1)
    np.testing.assert_allclose(mean_sd(holey), expected, rtol=1e-5)


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
    np.testing.assert_array_equal(emphasis(columns[2:4], 2, n_layers=5), [1, 1])
    np.testing.assert_allclose(emphasis(columns[2:8], 6, n_layers=5), expected[2:8])
    np.testing.assert_array_equal(emphasis(log_mel.COLUMNS, 7), np.ones(7))
