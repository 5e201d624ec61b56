"""The length of a file is what was decoded, whatever its header and its name say."""

import re
import shlex
import subprocess

import numpy as np
import pytest
from audio_fakes import RATE, ffmpeg, joined, noise, with_data_size, write

from undertone import audio
from undertone.audio import foreign
from undertone.audio.kinds import FOREIGN_SUFFIXES, SUFFIXES
from undertone.errors import UndertoneError


def refusal(path, **segment):
    with pytest.raises(UndertoneError) as caught:
        audio.read(path, **segment)
    assert str(path) in str(caught.value)
    return str(caught.value)


def decoded(path, **segment):
    return audio.read(path, **segment)


def unknown_flac(path):
    """A FLAC stream as it leaves a pipe: its header knows no number of samples."""
    content = bytearray(path.read_bytes())
    content[8 + 13] &= 0xF0  # the number's upper four bits stand in byte 13 of the description
    content[8 + 14 : 8 + 18] = bytes(4)
    path.write_bytes(content)
    return path


def test_a_flac_from_a_pipe_lasts_as_long_as_it_can_be_decoded(tmp_path):
    samples = noise(9.5)  # more than one block
    path = unknown_flac(write(tmp_path / "pipe.flac", samples))
    np.testing.assert_allclose(decoded(path), samples, atol=1e-4)
    np.testing.assert_allclose(
        decoded(path, start_s=8.25, end_s=9.0), samples[132_000:144_000], atol=1e-4
    )
    assert "lasts 9.500 s" in refusal(path, start_s=9.0, end_s=12.0)
    assert "no segment" in refusal(path, start_s=20.0, end_s=21.0)


@pytest.mark.parametrize("subtype", ["GSM610", "PCM_16"])
@pytest.mark.parametrize("start_s", [0.0, 0.7])
def test_formats_that_cannot_seek_are_read_up_to_their_segment(tmp_path, subtype, start_s):
    rate = 8_000
    path = write(tmp_path / "call.wav", noise(2.0, rate=rate), rate, subtype=subtype)
    whole = decoded(path)
    assert len(whole) / RATE == pytest.approx(2.0, abs=0.05)
    first = round(start_s * RATE)
    part = decoded(path, start_s=start_s, end_s=start_s + 0.5)
    assert len(part) == RATE // 2
    middle = slice(800, -800)  # the ends of a resampled piece know nothing of their neighbours
    np.testing.assert_allclose(part[middle], whole[first : first + RATE // 2][middle], atol=5e-3)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "IMA_ADPCM", "ULAW", "GSM610"])
def test_the_sound_of_a_recorder_that_was_killed_is_read(tmp_path, subtype):
    path = write(tmp_path / "killed.wav", noise(1.5), subtype=subtype)
    whole = decoded(path)
    killed = decoded(with_data_size(path, 0, riff=36))
    n = len(whole) if subtype != "FLOAT" else len(killed)
    np.testing.assert_array_equal(killed[:n], whole[:n])
    assert len(killed) / RATE == pytest.approx(1.5, abs=0.05)


def test_a_wav_without_sound_stays_empty(tmp_path):
    path = write(tmp_path / "empty.wav", np.zeros(0), subtype="PCM_16")
    comment = b"LIST" + (2000).to_bytes(4, "little") + b"INFO" + b"x" * 1996
    path.write_bytes(path.read_bytes() + comment)
    assert "no samples" in refusal(path)


@pytest.mark.parametrize(
    ("subtype", "extra", "cut"), [("PCM_16", 44, 0), ("PCM_16", 0, 1), ("PCM_24", 3, 0)]
)
def test_a_few_bytes_too_many_or_too_few_cost_nothing(tmp_path, subtype, extra, cut):
    samples = noise(1.5)
    path = write(tmp_path / "a.wav", samples, subtype=subtype)
    n_bytes = len(samples) * (2 if subtype == "PCM_16" else 3)
    with_data_size(path, n_bytes + extra)
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])
    assert len(samples) - 1 <= len(decoded(path)) <= len(samples)


@pytest.mark.parametrize(
    ("suffix", "form"),
    [
        *[(".wav", {"subtype": subtype}) for subtype in ("PCM_16", "IMA_ADPCM", "GSM610")],
        *[(".w64", {}), (".rf64", {}), (".aiff", {}), (".au", {}), (".caf", {}), (".flac", {})],
        *[(".mp3", {}), (".wav", {"format": "WAVEX", "subtype": "PCM_16"})],
    ],
)
def test_half_a_file_is_refused_in_every_format_that_can_tell(tmp_path, suffix, form):
    path = write(tmp_path / f"a{suffix}", noise(4.0), **form)
    assert len(decoded(path)) / RATE == pytest.approx(4.0, abs=0.1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert re.search("cut off|cannot be read", refusal(path))


@pytest.mark.parametrize(
    ("suffix", "form"),
    [
        *[(".wav", {}), (".aiff", {}), (".flac", {}), (".ogg", {}), (".mp3", {})],
        (".opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
)
def test_joined_recordings_are_read_to_the_end(tmp_path, suffix, form):
    one = write(tmp_path / f"one{suffix}", noise(1.5, seed=1), **form)
    two = write(tmp_path / f"two{suffix}", noise(1.0, seed=2), **form)
    both = joined(tmp_path / f"both{suffix}", one, two, one)
    expected = np.concatenate([decoded(one), decoded(two), decoded(one)])
    np.testing.assert_allclose(decoded(both), expected, atol=1e-6)
    first = len(decoded(one)) + 1_600  # a segment that lies in the second alone
    start_s = first / RATE
    segment = decoded(both, start_s=start_s, end_s=start_s + 0.2)
    np.testing.assert_allclose(segment, expected[first : first + 3_200], atol=0.02)


def test_joined_recordings_of_different_kind_are_refused(tmp_path):
    one = write(tmp_path / "one.wav", noise(1.0))
    two = write(tmp_path / "two.wav", noise(1.0, rate=8_000), 8_000)
    message = refusal(joined(tmp_path / "both.wav", one, two))
    assert "8000 Hz" in message
    assert "16000 Hz" in message


def test_sound_that_the_header_does_not_count_is_told_with_a_command_that_mends_it(tmp_path):
    path = write(tmp_path / "half written.wav", noise(3.0), subtype="PCM_16")
    with_data_size(path, 32_000, riff=32_036)
    message = refusal(path)
    assert "64,000 bytes" in message
    command = re.search("`(ffmpeg [^`]+)`", message)[1]
    ffmpeg("-version")
    subprocess.run([*shlex.split(command), "-v", "error"], check=True)
    assert len(decoded(tmp_path / "half written-whole.wav")) == 3 * RATE


def test_tags_and_padding_behind_the_sound_are_no_sound(tmp_path):
    for name, tail in {
        "tag": b"TAG" + bytes(125),
        "id3": b"ID3\4" + b"x" * 3000,
        "zeros": bytes(5000),
    }.items():
        path = write(tmp_path / f"{name}.wav", noise(1.0), subtype="PCM_16")
        path.write_bytes(path.read_bytes() + tail)
        assert len(decoded(path)) == RATE, name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.m4a", ["-c:a", "aac"]),
        ("a.mp4", ["-c:a", "aac"]),
        ("a.aac", ["-c:a", "aac"]),
        ("a.webm", ["-c:a", "libopus"]),
        ("a.mka", ["-c:a", "flac"]),
        ("a.wma", ["-c:a", "wmav2"]),
        ("a.ac3", ["-c:a", "ac3", "-ar", "48000"]),
        ("really mp4.mp3", ["-c:a", "aac", "-f", "mp4"]),
    ],
)
def test_what_libsndfile_does_not_know_is_decoded_by_ffmpeg(tmp_path, name, options):
    time_s = np.arange(2 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * (300 + 200 * time_s) * time_s)
    source, path = write(tmp_path / "source.wav", tone), tmp_path / name
    ffmpeg("-i", source, *options, path)
    whole = decoded(path)
    assert len(whole) / RATE == pytest.approx(2.0, abs=0.15)
    assert np.sqrt(np.mean(whole[4000:-4000] ** 2)) == pytest.approx(0.3 / 2**0.5, rel=0.05)
    part = decoded(path, start_s=0.5, end_s=1.0)
    np.testing.assert_allclose(part[800:-800], whole[8_800:15_200], atol=0.02)
    assert "no segment" in refusal(path, start_s=1.5, end_s=4.0)


def test_channels_of_foreign_formats_are_averaged(tmp_path):
    left = noise(1.0)
    source = write(tmp_path / "a.wav", np.stack([left, 0 * left], axis=1))
    ffmpeg("-i", source, "-c:a", "flac", tmp_path / "a.mka")
    np.testing.assert_allclose(decoded(tmp_path / "a.mka"), left / 2, atol=1e-4)


def test_a_play_list_in_disguise_opens_nothing(tmp_path):
    secret = write(tmp_path / "secret.wav", noise(1.0))
    for text in (f"#EXTM3U\n#EXTINF:1,\n{secret}\n", f"ffconcat version 1.0\nfile {secret}\n"):
        (tmp_path / "list.m4a").write_text(text)
        assert "cannot be read as audio" in refusal(tmp_path / "list.m4a")


def test_a_picture_without_a_sound_track_is_told(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "color=size=16x16:duration=1:rate=5", tmp_path / "silent.mp4")
    assert "no sound track" in refusal(tmp_path / "silent.mp4")


@pytest.mark.parametrize("suffix", [".m4a", ".aac", ".webm", ".wma"])
def test_a_cut_foreign_file_is_refused(tmp_path, suffix):
    source, path = write(tmp_path / "a.wav", noise(3.0)), tmp_path / f"a{suffix}"
    ffmpeg("-i", source, path)
    assert len(decoded(path)) > 2.9 * RATE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert re.search("cut off|cannot be decoded", refusal(path))


@pytest.mark.parametrize(
    ("name", "head", "what"),
    [
        ("a.m4a", b"\0\0\0\x20ftypM4A " + bytes(99), "holds MP4;"),
        ("a.mp3", b"\0\0\0\x20ftypisom" + bytes(99), "holds MP4, though its name says MP3;"),
        ("a.webm", b"\x1a\x45\xdf\xa3" + bytes(99), "holds WebM;"),
        ("a.amr", b"#!AMR\n" + bytes(99), "holds AMR;"),
    ],
)
def test_without_ffmpeg_the_message_says_what_it_is_and_what_to_install(
    tmp_path, monkeypatch, name, head, what
):
    monkeypatch.setattr(foreign, "_program", lambda: None)
    (tmp_path / name).write_bytes(head)
    message = refusal(tmp_path / name)
    assert what in message
    assert "apt-get install ffmpeg" in message


@pytest.mark.parametrize("name", ["my cut.flac", "it's.flac", "sound.wav"])
def test_the_command_that_a_refusal_gives_never_writes_onto_the_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"no sound at all" * 99)
    command = shlex.split(re.search("`(ffmpeg [^`]+)`", refusal(path))[1])
    assert command[:3] == ["ffmpeg", "-i", str(path)]
    assert command[3] != str(path)
    assert command[3].endswith(".flac")


def test_the_command_for_a_long_recording_cuts_it(tmp_path):
    path = write(tmp_path / "a call 100%.wav", noise(31 * 60, rate=8_000), 8_000)
    message = refusal(path)
    assert "31 minutes" in message
    ffmpeg("-version")
    command = shlex.split(re.search("`(ffmpeg [^`]+)`", message)[1])
    subprocess.run([*command, "-v", "error"], check=True)
    pieces = sorted(tmp_path.glob("a call 100%-*.wav"))
    assert len(pieces) == 186
    assert len(decoded(pieces[7])) / RATE == pytest.approx(10, abs=0.3)


def test_a_web_page_in_the_place_of_sound_is_named(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"<!DOCTYPE html><html>not found</html>" * 9)
    assert "a web page" in refusal(tmp_path / "a.wav")


def test_no_ending_has_two_decoders():
    assert not set(SUFFIXES) & set(FOREIGN_SUFFIXES)
