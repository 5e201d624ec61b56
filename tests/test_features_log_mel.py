import numpy as np
import pytest
import soxr

from undertone import audio
from undertone.errors import UndertoneError
from undertone.features import extractors, log_mel
from undertone.features.framing import hann

RATE = audio.SAMPLE_RATE
LEVEL = slice(0, log_mel.N_BANDS + 1)  # the columns that a gain moves


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
    assert frames.shape == (200, 44) == (200, len(log_mel.COLUMNS))
    assert frames.dtype == np.float32
    assert np.isfinite(frames).all()
    assert len(set(log_mel.COLUMNS)) == 44


def test_frame_equals_the_equations(speechlike):
    """The ln of the power in a triangle of the spectrum of one window, written out."""
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
    expected = np.log(2 * np.sum(power[:257] * triangle) + 1e-10)
    assert log_mel.extract(speechlike)[i, band] == pytest.approx(expected, rel=1e-4)


def test_energy_is_the_mean_square():
    square_wave = np.sign(np.sin(2 * np.pi * 100 * (np.arange(RATE) + 0.5) / RATE))
    energy = column(log_mel.extract(square_wave.astype(np.float32)), "log_energy")
    np.testing.assert_allclose(energy[5:-5], 0, atol=0.1)


@pytest.mark.parametrize("gain", [0.1, 0.5, 2.0])
def test_gain_moves_the_levels_by_its_logarithm_and_nothing_else(speechlike, gain):
    plain, moved = log_mel.extract(speechlike), log_mel.extract(np.float32(gain) * speechlike)
    np.testing.assert_allclose(moved[:, LEVEL] - plain[:, LEVEL], 2 * np.log(gain), atol=0.05)
    np.testing.assert_allclose(moved[:, LEVEL.stop :], plain[:, LEVEL.stop :], atol=1e-4)


def test_48_khz_gives_nearly_the_same_frames(speechlike):
    plain = log_mel.extract(speechlike)
    again = log_mel.extract(audio.from_array(soxr.resample(speechlike, RATE, 48_000), 48_000))
    assert again.shape == plain.shape
    assert np.abs(again[:, LEVEL] - plain[:, LEVEL]).mean() < 0.01
    np.testing.assert_allclose(column(again, "log_f0"), column(plain, "log_f0"), atol=0.01)


def test_a_shift_by_a_hop_shifts_the_frames(speechlike):
    plain, shifted = log_mel.extract(speechlike), log_mel.extract(speechlike[160:])
    np.testing.assert_allclose(shifted[5:-5, LEVEL], plain[6:-5, LEVEL], atol=1e-3)


def test_digital_silence_lies_at_the_floor(speechlike):
    frames = log_mel.extract(np.append(speechlike, np.zeros(RATE, np.float32)))[-90:]
    np.testing.assert_allclose(frames[:, LEVEL], np.log(1e-10), atol=1e-3)
    assert (column(frames, "voiced") == 0).all()
    assert (column(frames, "voicing") == 0).all()


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
