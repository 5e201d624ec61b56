import re

import numpy as np
import pytest
import soundfile

from undertone import audio
from undertone.errors import UndertoneError
from undertone.features.extractors import EXTRACTORS

RATE = audio.SAMPLE_RATE


@pytest.fixture
def tone(rng):
    """A second of a harmonic tone in a little noise."""
    time_s = np.arange(RATE) / RATE
    harmonics = sum(np.sin(2 * np.pi * 150 * k * time_s) / k for k in range(1, 20))
    return (0.2 * harmonics + 0.001 * rng.normal(size=RATE)).astype(np.float32)


def write(path, samples, rate=RATE, subtype=None):
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def refusal(path, **segment):
    with pytest.raises(UndertoneError) as caught:
        audio.read(path, **segment)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_number_of_frames_equals_the_count_of_centres():
    for n_samples in range(80, 2000):
        assert audio.n_frames(n_samples) == len(range(79, n_samples, 160))


def test_frame_times_are_the_centres():
    np.testing.assert_allclose(EXTRACTORS["log_mel"].times_s(5) * RATE, [79, 239, 399, 559, 719])


def test_file_and_array_agree(tmp_path, tone):
    read = audio.read(write(tmp_path / "a.wav", tone, subtype="FLOAT"))
    np.testing.assert_array_equal(read, audio.from_array(tone, RATE))
    assert read.dtype == np.float32


def test_integers_and_floats_agree(tone):
    integers = np.round(tone * 32768).astype(np.int16)
    np.testing.assert_allclose(audio.from_array(integers, RATE), tone, atol=2e-5)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_stereo_equals_the_mean_of_its_channels(tmp_path, rng, rate):
    channels = 0.1 * rng.normal(size=(rate, 2)).astype(np.float32)
    stereo = audio.read(write(tmp_path / "s.wav", channels, rate, subtype="FLOAT"))
    mono = audio.from_array(channels.mean(axis=1), rate)
    np.testing.assert_allclose(stereo, mono, atol=1e-6)


@pytest.mark.parametrize(("suffix", "tolerance"), [("flac", 1e-4), ("ogg", 0.05), ("mp3", 0.1)])
def test_formats_give_the_same_waveform(tmp_path, tone, suffix, tolerance):
    read = audio.read(write(tmp_path / f"a.{suffix}", tone))
    assert abs(len(read) - RATE) <= 0.1 * RATE
    assert np.sqrt(np.mean(read**2)) == pytest.approx(np.sqrt(np.mean(tone**2)), rel=tolerance)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_any_rate_becomes_the_shared_one(tmp_path, rate):
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    read = audio.read(write(tmp_path / "a.wav", sine, rate, subtype="FLOAT"))
    assert len(read) == RATE
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(read[500:-500], expected[500:-500], atol=1e-3)


def test_segment_equals_the_slice(tmp_path, tone):
    path = write(tmp_path / "a.wav", tone, subtype="FLOAT")
    np.testing.assert_array_equal(audio.read(path, start_s=0.25, end_s=0.5), tone[4000:8000])
    np.testing.assert_array_equal(audio.read(path, start_s=0.25, end_s=float("nan")), tone[4000:])
    assert len(audio.read(path, end_s=1.05)) == RATE


@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 0.2), (-1, 0.5), (2, 3), (0, 2)])
def test_segment_outside_its_file_is_refused(tmp_path, tone, start_s, end_s):
    path = write(tmp_path / "a.wav", tone)
    assert "has no segment" in refusal(path, start_s=start_s, end_s=end_s)


def test_missing_file_and_folder_are_named(tmp_path):
    assert "no audio file" in refusal(tmp_path / "nowhere.wav")
    (tmp_path / "folder.wav").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.wav")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes"),
        (b"not sound at all" * 99, "cannot be read as audio"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_what_is_no_audio_is_refused_with_its_reason(tmp_path, content, reason):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    assert reason in refusal(path)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_cut_off_file_is_refused(tmp_path, rng, suffix):
    path = write(tmp_path / f"a.{suffix}", 0.1 * rng.normal(size=2 * RATE))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert re.search("cut off|cannot be read", refusal(path))


def test_wav_of_unknown_length_is_read(tmp_path, tone):
    path = write(tmp_path / "piped.wav", tone, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    where = content.index(b"data") + 4
    content[where : where + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(audio.read(path)) == RATE


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0), "no samples"),
        (np.zeros(RATE), "silent"),
        (np.full(RATE, 5e-5), "silent: its peak is -86 dB"),
        (np.ones(800), "50 ms"),
        (np.full(RATE, np.nan), "NaN"),
        (np.append(np.ones(RATE), np.inf), "holds 1 samples"),
        (np.full(RATE, 20_000.0), "full scale"),
    ],
)
def test_useless_samples_are_refused_in_file_and_array(tmp_path, samples, reason):
    path = write(tmp_path / "bad.wav", samples, subtype="FLOAT")
    assert reason in refusal(path)
    with pytest.raises(UndertoneError, match=reason):
        audio.from_array(samples, RATE)


def test_infinities_that_cancel_are_refused(tmp_path):
    samples = np.full((RATE, 2), [np.inf, -np.inf])
    assert "NaN" in refusal(write(tmp_path / "bad.wav", samples, subtype="FLOAT"))


def test_hour_long_file_is_refused_before_it_is_decoded_but_its_segments_are_read(tmp_path, rng):
    path = tmp_path / "hour.wav"
    minute = (3000 * rng.normal(size=8_000 * 60)).astype(np.int16)
    with soundfile.SoundFile(path, "w", 8_000, 1) as file:
        for _ in range(60):
            file.write(minute)
    assert "60 minutes" in refusal(path)
    assert "columns file, start, end" in refusal(path)
    segment = audio.read(path, start_s=3590, end_s=3591)
    np.testing.assert_allclose(segment, audio.from_array(minute[400_000:408_000], 8_000), atol=1e-4)


def test_gain_is_kept(tmp_path, tone):
    louder = audio.read(write(tmp_path / "a.wav", 0.5 * tone, 48_000, subtype="FLOAT"))
    softer = audio.read(write(tmp_path / "b.wav", 0.05 * tone, 48_000, subtype="FLOAT"))
    np.testing.assert_allclose(louder, 10 * softer, atol=1e-5)
