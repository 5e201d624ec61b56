import numpy as np
import pytest

from undertone.features import log_mel
from undertone.features.descriptors import BLOCKS, Speech, describe, emphasis, speech_in
from undertone.features.descriptors.balance import balance, flux, measures
from undertone.features.descriptors.melody import f0_in_motion
from undertone.features.descriptors.modulation import modulation
from undertone.features.descriptors.rhythm import durations, loudness
from undertone.features.descriptors.speech import changes, statistics
from undertone.features.descriptors.timbre import cepstra_in_motion, cepstra_of_voice
from undertone.features.descriptors.voice import steadiness
from undertone.features.functionals import functionals
from undertone.features.vectors import mean_sd

N_BANDS = log_mel.N_BANDS
BANDS_HZ = ((0.5, 1.5), (1.5, 3), (3, 5), (5, 8), (8, 12), (12, 20))


def speech(n_frames=300, energy=None, log_f0=None, voiced=None, spoken=None, mel=None):
    everywhere = np.ones(n_frames, dtype=bool)
    return Speech(
        mel=np.zeros((n_frames, N_BANDS)) if mel is None else mel,
        energy=np.zeros(n_frames) if energy is None else energy,
        log_f0=np.full(n_frames, np.log(120.0)) if log_f0 is None else log_f0,
        voicing=np.full(n_frames, 0.8),
        formants=np.ones((n_frames, 11)),
        spoken=everywhere if spoken is None else spoken,
        voiced=everywhere if voiced is None else voiced,
    )


def frames_of(energy_db, rng):
    """Frames of ``log_mel`` with this energy over the level of the speech."""
    frames = rng.normal(size=(len(energy_db), len(log_mel.COLUMNS)))
    frames[:, log_mel.COLUMNS.index("log_energy")] = np.array(energy_db) / 10 * np.log(10)
    frames[:, log_mel.COLUMNS.index("voiced")] = rng.random(len(frames)) < 0.6
    return frames


def test_unknown_columns_are_described_by_their_functionals(rng):
    frames = rng.normal(size=(80, 3))
    np.testing.assert_array_equal(describe(frames, ("a", "b", "c")), functionals(frames))


def test_silence_changes_no_descriptor(rng):
    """Silence of any length and sound around speech; in it, the length of a pause is told."""
    frames = frames_of(np.where(np.arange(120) % 50 < 40, -3.0, -35.0), rng)
    silence = frames_of(np.full(70, -38.0), rng)
    padded = np.concatenate([silence, frames, silence[:33]])
    np.testing.assert_allclose(
        describe(padded, log_mel.COLUMNS), describe(frames, log_mel.COLUMNS), rtol=1e-6
    )


def test_what_sounds_in_pauses_shows_in_nothing_but_modulation(rng):
    energy_db = np.where(np.arange(120) % 50 < 40, -3.0, -35.0)
    frames, others = frames_of(energy_db, rng), None
    others = np.where((energy_db < -30)[:, None], frames + 5 * rng.random(frames.shape), frames)
    others[:, log_mel.COLUMNS.index("log_energy")] = energy_db / 10 * np.log(10)
    others[:, log_mel.COLUMNS.index("voiced")] = frames[:, log_mel.COLUMNS.index("voiced")]
    one, two = (speech_in(f, log_mel.COLUMNS) for f in (frames, others))
    for name, block in BLOCKS.items():
        if name not in ("modulation", "F0 in motion", "loudness"):
            np.testing.assert_allclose(block.describe(two), block.describe(one), err_msg=name)
    assert not np.allclose(modulation(two), modulation(one))


def test_a_jump_over_a_pause_is_no_change():
    where = np.array([True, True, False, True, True, True])
    values = np.array([0.0, 1.0, 7.0, 50.0, 52.0, 55.0])
    np.testing.assert_array_equal(changes(values, where), [1, 2, 3])
    np.testing.assert_array_equal(changes(values, where, 2), [5])
    found = statistics(values[:, None], where)
    heard = values[where]
    expected = [heard.mean(), heard.std(), *np.quantile(heard, [0.05, 0.25, 0.5, 0.75, 0.95]), 2]
    np.testing.assert_allclose(found, expected)


def test_too_little_speech_is_described_by_all_frames(rng):
    energy_db = np.full(50, -38.0)
    energy_db[20:23] = 0
    frames = frames_of(energy_db, rng)
    assert len(speech_in(frames, log_mel.COLUMNS).energy) == 50
    assert np.isfinite(describe(frames, log_mel.COLUMNS)).all()


def test_balance_follows_its_equations(rng):
    mel = rng.normal(size=(50, N_BANDS))
    hz, power = log_mel.centres_hz(), np.exp(mel)
    found = measures(mel)
    for i in range(50):
        alpha = power[i][hz < 1000].sum() / power[i][(hz >= 1000) & (hz < 5000)].sum()
        beyond = mel[i][(hz >= 2000) & (hz < 5000)].max()
        slopes = [
            np.polyfit(hz[w] / 1000, mel[i][w], 1)[0] for w in (hz < 500, (hz >= 500) & (hz < 1500))
        ]
        centre = (power[i] * hz).sum() / power[i].sum()
        expected = [np.log(alpha), mel[i][hz < 2000].max() - beyond, *slopes, np.log(centre)]
        np.testing.assert_allclose(found[i], expected)
    voiced = np.arange(50) < 30
    expected = [*found[:30].mean(axis=0), *found[:30].std(axis=0), *found[30:].mean(axis=0)]
    np.testing.assert_allclose(balance(speech(50, mel=mel, voiced=voiced)), expected)


def test_flux_is_of_the_shape_of_the_spectrum_and_not_of_its_level(rng):
    mel = rng.normal(size=(50, N_BANDS))
    louder = mel + rng.normal(size=(50, 1))
    np.testing.assert_allclose(flux(speech(50, mel=louder)), flux(speech(50, mel=mel)))
    assert (flux(speech(50, mel=mel)) > 0.5)[[0, 2]].all()


def test_loudness_counts_its_peaks():
    mel = np.tile(np.sin(2 * np.pi * 4 * np.arange(300) / 100)[:, None], (1, N_BANDS))
    assert loudness(speech(300, mel=mel))[6] == pytest.approx(4)


def test_a_steady_glide_does_not_shake():
    time_s = np.arange(300) / 100
    glide, shaking = np.log(100.0) + 0.2 * time_s, 0.01 * (-1.0) ** np.arange(300)
    assert steadiness(speech(log_f0=glide))[2:] == pytest.approx(0, abs=1e-9)
    assert steadiness(speech(log_f0=glide + shaking))[2] == pytest.approx(0.04)
    assert steadiness(speech(log_f0=glide))[0] == pytest.approx(np.log(0.8 / 0.2))


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
    assert found[5] == pytest.approx(0.2)
    assert found[0] == pytest.approx(0.96 * 0.2 * time_s[-1])
    assert found[6:] == pytest.approx([0.002, 0, 0, 0], abs=1e-9)  # it rises, and never falls


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
    low, high = np.quantile(heard, [0.02, 0.98])
    spread = [high - low, np.abs(change).mean(), np.std(change)]
    expected = [*spread, np.quantile(change, 0.9), np.quantile(change, 0.1), slope]
    up, down = ([c for c in np.multiply(sign, change) if c > 0] for sign in (1, -1))
    expected += [np.mean(up), np.std(up), np.mean(down), np.std(down)]
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


def test_speech_lies_within_thirty_decibels_of_its_level(rng):
    level_db = np.where(np.arange(100) < 40, 3.0, np.where(np.arange(100) < 70, -29.0, -31.0))
    found = speech_in(frames_of(level_db, rng), log_mel.COLUMNS)
    assert len(found.spoken) == found.spoken.sum() == 70


def test_means_and_deviations_are_of_what_is_finite(rng):
    layers = rng.normal(3, 2, size=(2, 7, 5)).astype(np.float32)
    expected = np.concatenate([layers.mean(axis=1), layers.std(axis=1)], axis=1)
    np.testing.assert_allclose(mean_sd(layers), expected, rtol=1e-5)
    holey = np.insert(layers, [2, 4], np.nan, axis=1)
    np.testing.assert_allclose(mean_sd(holey), expected, rtol=1e-5)


def test_durations_count_stretches_and_pauses():
    voiced = np.zeros(200, dtype=bool)
    voiced[10:30] = voiced[100:140] = True
    spoken = np.ones(200, dtype=bool)
    spoken[50:75] = spoken[90:94] = False  # the second is too short for a pause
    found = durations(speech(200, voiced=voiced, spoken=spoken))
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


def test_small_blocks_count_double(rng):
    frames = log_mel.extract(rng.normal(scale=0.1, size=16000).astype(np.float32))
    known = describe(frames, log_mel.COLUMNS)
    counts = emphasis(log_mel.COLUMNS, len(known))
    sizes = (320, 160, 40, 60, 42, 8, 10, 8, 8, 11, 8, 6, 22, 15, 3)
    assert len(known) == sum(sizes)
    np.testing.assert_array_equal(counts, np.repeat([1] * 5 + [2] * 10, sizes))


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
