import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import soxr

from undertone import audio
from undertone.errors import UndertoneError
from undertone.features import extractors, formants, levels, log_mel
from undertone.features.framing import hann

RATE = audio.SAMPLE_RATE
LEVEL = slice(0, log_mel.N_BANDS + 1)  # mel columns and energy


@pytest.fixture
def speechlike(rng):
    """Two seconds: a harmonic tone whose F0 and level vary, in noise well above the floor."""
    time_s = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * time_s)) / RATE
    tone = sum(np.cos(k * phase) / k for k in range(1, 40)) * (1.2 + np.sin(6 * time_s))
    return (0.05 * tone + 0.01 * rng.normal(size=len(tone))).astype(np.float32)


def column(frames, name):
    return frames[:, log_mel.COLUMNS.index(name)]


def test_shape_type_and_names(speechlike):
    frames = log_mel.extract(speechlike)
    assert frames.shape == (200, 55) == (200, len(log_mel.COLUMNS))
    assert frames.dtype == np.float32
    assert np.isfinite(frames).all()
    assert len(set(log_mel.COLUMNS)) == 55


def test_power_equals_the_equations(speechlike):
    """The power in a triangle of the spectrum of one window, written out."""
    i, band = 50, 17
    centre = 79 + 160 * i
    window = hann(401).astype(float)
    samples = speechlike[centre - 200 : centre + 201] * window
    power = np.abs(np.fft.fft(samples, 512)) ** 2 / 512 / np.sum(window**2)
    edges_mel = np.linspace(*(2595 * np.log10(1 + np.array([50, 7600]) / 700)), 42)
    left, middle, right = edges_mel[band : band + 3]
    mel = 2595 * np.log10(1 + np.arange(257) * RATE / 512 / 700)
    triangle = np.clip(
        np.minimum((mel - left) / (middle - left), (right - mel) / (right - middle)), 0, 1
    )
    expected = 2 * np.sum(power[:257] * triangle)
    assert log_mel.powers(speechlike)[i, band] == pytest.approx(expected, rel=1e-4)


def test_power_is_the_mean_square():
    square_wave = np.sign(np.sin(2 * np.pi * 100 * (np.arange(RATE) + 0.5) / RATE))
    power = log_mel.powers(square_wave.astype(np.float32))[:, -1]
    np.testing.assert_allclose(power[5:-5], 1, atol=0.1)


def test_columns_stand_over_the_level_of_the_speech_and_its_floors(speechlike):
    """ln(p / P + q), with levels that are sums of p ln p over sums of p, without clicks."""
    powers = log_mel.powers(speechlike)
    beyond = np.zeros((3, powers.shape[1]))
    padded = np.concatenate([beyond, powers, beyond])
    steady = np.array([np.median(padded[i : i + 7], axis=0) for i in range(len(powers))])
    level = (steady * np.log(steady)).sum(axis=0) / steady.sum(axis=0)
    floor_db = np.maximum((level[:-1] - level[-1]) * 10 / np.log(10) - 30, -55)
    floor = 10 ** (np.append(floor_db, -40) / 10)
    expected = np.log(powers / np.exp(level[-1]) + floor)
    np.testing.assert_allclose(log_mel.log_powers(speechlike), expected, atol=1e-6)


@pytest.mark.parametrize("silence_s", [0.2, 2.0, 9.0])
def test_silence_around_changes_no_frame_of_the_speech(speechlike, silence_s):
    silence = np.zeros(round(silence_s * RATE), np.float32)
    plain = log_mel.extract(speechlike)
    padded = log_mel.extract(np.concatenate([silence, speechlike, silence]))
    first = round(100 * silence_s)
    within = padded[first : first + len(plain)]
    np.testing.assert_allclose(within[3:-3], plain[3:-3], atol=0.02)
    np.testing.assert_allclose(within[:, LEVEL], plain[:, LEVEL], atol=0.05)  # the filter rings out


def test_an_offset_changes_nothing(speechlike):
    plain, moved = log_mel.extract(speechlike), log_mel.extract(speechlike + np.float32(0.05))
    np.testing.assert_allclose(moved[3:-3], plain[3:-3], atol=0.01)


def test_hum_is_taken_away_and_speech_is_left():
    time_s = np.arange(2 * RATE) / RATE
    for hz, kept in ((20.0, 1 / (1 + 3**4)), (60.0, 0.5), (200.0, 1 / (1 + 0.3**4))):
        tone = np.sin(2 * np.pi * hz * time_s)
        found = levels.high_pass(tone)[RATE // 2 : -RATE // 2]
        np.testing.assert_allclose(found, kept * tone[RATE // 2 : -RATE // 2], atol=0.01)


def test_a_click_raises_no_level(speechlike):
    clicked = speechlike.copy()
    clicked[RATE] = 1.0
    plain, found = (log_mel.log_powers(sound)[:60] for sound in (speechlike, clicked))
    np.testing.assert_allclose(found, plain, atol=0.05)


@pytest.mark.parametrize("gain", [0.01, 0.5, 2.0])
def test_gain_changes_nothing(speechlike, gain):
    plain, moved = log_mel.extract(speechlike), log_mel.extract(np.float32(gain) * speechlike)
    np.testing.assert_allclose(moved, plain, atol=2e-3)


def test_48_khz_gives_nearly_the_same_frames(speechlike):
    plain = log_mel.extract(speechlike)
    again = log_mel.extract(audio.from_array(soxr.resample(speechlike, RATE, 48_000), 48_000))
    assert again.shape == plain.shape
    assert np.abs(again[:, LEVEL] - plain[:, LEVEL]).mean() < 0.01
    np.testing.assert_allclose(column(again, "log_f0"), column(plain, "log_f0"), atol=0.01)


def test_a_shift_by_a_hop_shifts_the_powers(speechlike):
    plain, shifted = log_mel.powers(speechlike), log_mel.powers(speechlike[160:])
    np.testing.assert_allclose(shifted[5:-5], plain[6:-5], rtol=1e-3)


def test_digital_silence_lies_at_the_floor(speechlike):
    frames = log_mel.extract(np.append(speechlike, np.zeros(RATE, np.float32)))[-90:]
    np.testing.assert_allclose(frames[:, LEVEL], np.tile(frames[0, LEVEL], (90, 1)), atol=1e-3)
    np.testing.assert_allclose(column(frames, "log_energy"), -log_mel.nepers(40), atol=1e-3)
    assert (column(frames, "voiced") == 0).all()
    assert (column(frames, "voicing") == 0).all()


def vowel(formants_hz, f0_hz=110.0, seconds=1.0):
    """Pulses through resonances of 80 Hz."""
    signal = np.zeros(round(seconds * RATE))
    signal[:: round(RATE / f0_hz)] = 1
    for hz in formants_hz:
        pole = np.exp(-np.pi * 80 / RATE + 2j * np.pi * hz / RATE)
        signal = scipy.signal.lfilter([1], [1, -2 * pole.real, abs(pole) ** 2], signal)
    return (0.1 * signal / np.abs(signal).max()).astype(np.float32)


@pytest.mark.parametrize("formants_hz", [(700, 1200, 2600), (440, 2200, 3000)])
def test_formants_of_a_made_vowel_are_found(formants_hz):
    frames = log_mel.extract(vowel(formants_hz))[20:-20]
    found = [np.exp(np.median(column(frames, f"log_f{k}"))) for k in (1, 2, 3)]
    np.testing.assert_allclose(found, formants_hz, rtol=0.09)


def test_the_predictor_solves_the_normal_equations(rng):
    lags = np.array([np.correlate(x, x, "full")[199:208] for x in rng.normal(size=(3, 200))])
    for of_one, found in zip(lags, formants.predictor(lags), strict=True):
        expected = np.linalg.solve(scipy.linalg.toeplitz(of_one[:-1]), -of_one[1:])
        np.testing.assert_allclose(found, [1, *expected], atol=1e-9)


def test_roots_are_those_of_the_polynomials_whatever_lies_on_the_real_axis(rng):
    """Pairs, real roots, some of them close; and what the iteration gives up on."""
    inside = 0.99 * rng.random((300, 4)) * np.exp(1j * np.pi * rng.random((300, 4)))
    known = np.concatenate([inside, inside.conj()], axis=1)
    known[:100, [0, 4]] = rng.uniform(-0.99, 0.99, (100, 2))
    known[:2, [0, 4]] = 0.5  # twice: no iteration arrives at a double root in so few rounds
    polynomials = np.array([np.poly(roots).real for roots in known])
    found = formants.roots_of(polynomials).T
    residual = [np.abs(np.polyval(p, r)).max() for p, r in zip(polynomials, found, strict=True)]
    assert max(residual) < 1e-7
    apart = np.abs(np.sort_complex(found[2:]) - np.sort_complex(known[2:]))
    assert np.median(apart) < 1e-9
    assert np.isfinite(found).all()


def test_the_highest_bin_of_a_range_is_that_of_its_slice(rng):
    power = rng.random((40, 50))
    first = rng.integers(0, 50, (40, 3))
    last = np.minimum(first + rng.integers(0, 40, (40, 3)), 49)
    expected = [
        [row[a : b + 1].max() for a, b in zip(firsts, lasts, strict=True)]
        for row, firsts, lasts in zip(power, first, last, strict=True)
    ]
    np.testing.assert_array_equal(formants._highest(power, first, last), expected)


def test_speech_without_voice_has_the_resonances_of_a_tube():
    found = formants.extract(np.zeros(RATE, np.float32), np.zeros(100))
    np.testing.assert_allclose(
        np.exp(found[:, :3]), np.tile([500, 1500, 2500], (100, 1)), rtol=1e-5
    )


def test_the_first_harmonic_stands_over_the_second_as_it_was_made():
    time_s = np.arange(RATE) / RATE
    tone = 0.1 * (np.sin(2 * np.pi * 200 * time_s) + 0.5 * np.sin(2 * np.pi * 400 * time_s))
    frames = log_mel.extract(tone.astype(np.float32))[10:-10]
    np.testing.assert_allclose(column(frames, "h1_h2"), 2 * np.log(2), atol=0.15)


def test_every_band_has_weight():
    assert (log_mel._band_weights().sum(axis=0) > 0.5).all()


@pytest.mark.parametrize("n_samples", [1, 79, 80, 160, 1600])
def test_short_waveforms_have_at_least_one_frame(rng, n_samples):
    frames = log_mel.extract(rng.normal(size=n_samples).astype(np.float32))
    assert len(frames) == audio.n_frames(n_samples) >= 1
    assert np.isfinite(frames).all()


def test_unknown_extractor_is_refused_with_the_known_ones():
    with pytest.raises(UndertoneError, match=r"no features 'mel'; there are .*log_mel"):
        extractors.get("mel")


@pytest.mark.parametrize("name", extractors.EXTRACTORS)
def test_columns_of_every_extractor_are_unique_names(name):
    columns = extractors.get(name).columns
    assert len(set(columns)) == len(columns)


def test_a_click_is_less_than_half_of_seven_frames(rng):
    powers = rng.normal(3, 0.2, size=(20, 4)).round(1)  # with ties
    padded = np.pad(powers, ((3, 3), (0, 0)))
    expected = [np.median(padded[i : i + 7], axis=0) for i in range(len(powers))]
    np.testing.assert_array_equal(levels.without_clicks(powers), expected)
