"""Emotion over time: where speech is found, where a model listens, what is made of it."""

import csv
import json
import shutil
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import serving_fakes
import soundfile

from undertone.audio import SAMPLE_RATE
from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.features import speech
from undertone.features.name import parse
from undertone.features.speech import Stretch
from undertone.models.conformal import HeldOut
from undertone.models.discriminant import Discriminant
from undertone.models.encoder import EncoderConfig
from undertone.recogniser.folder import Inputs, Recogniser
from undertone.serving.sureness import Terms
from undertone.serving.timeline import WindowConfig, page, summary, timeline, turns
from undertone.serving.timeline.listening import Where
from undertone.serving.timeline.result import Spell
from undertone.serving.timeline.truth import Block, f1_of_changes, recall_of_time, see
from undertone.serving.timeline.windows import steps_of, windows_of
from undertone.systems.fitted import OnVectors
from undertone.systems.view import View
from undertone.tasks import kind_of
from undertone.training.normalise import unchanged

LOW_HZ, HIGH_HZ = 110.0, 240.0


def voice(seconds: float, f0_hz: float, rate: int = SAMPLE_RATE) -> np.ndarray:
    """A gliding voice with syllables."""
    return serving_fakes.voice(f0_hz, seconds)[:: SAMPLE_RATE // rate].astype(np.float32)


def pause(seconds: float, rate: int = SAMPLE_RATE) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1e-4, round(seconds * rate)).astype(np.float32)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    """Says "high" of voices above 160 Hz and "low" of those below, whatever else they are."""
    inputs = Inputs.of(parse("log_mel"), unchanged(44))
    n_values = 2 * len(inputs.columns)
    weight = np.zeros((2, n_values))
    weight[:, inputs.columns.index("log_f0")] = 1, -1
    head = Discriminant(
        mean=np.full(n_values, np.log(160)), sd=np.full(n_values, 0.2), emphasis=np.ones(n_values),
        weight=weight, bias=np.zeros(2),
    )  # fmt: skip
    task = kind_of("classes")(outputs=("high", "low"))
    view = View(blocks=("mean_sd",))
    return Recogniser(inputs, EncoderConfig(stride=1), task, "linear", OnVectors(view, head))


@pytest.fixture
def call(tmp_path) -> Path:
    """Low until 8 s, a pause, high from 10 s to 18 s, and silence before and behind."""
    parts = [pause(1), voice(7, LOW_HZ), pause(2), voice(8, HIGH_HZ), pause(1)]
    soundfile.write(tmp_path / "call.wav", np.concatenate(parts), SAMPLE_RATE)
    return tmp_path / "call.wav"


ENERGY = Where(detector="energy")


def test_a_model_hears_the_change(recogniser, call):
    heard = timeline(recogniser, call, where=ENERGY)
    (track,) = heard.tracks
    spells = heard.spells(track)
    assert [spell.emotion for spell in spells] == ["low", "high"]
    assert abs(spells[0].start_s - 1) < 0.3
    assert abs(spells[1].start_s - 10) < 0.3
    assert repr(heard) == f"Timeline(call.wav: {len(track.windows)} windows in 15 s of speech)"
    frame = heard.to_frame()
    assert frame.index.names == ["file", "start", "end"]
    expected = ["channel", "speaker", "emotion", "p_high", "p_low", "doubt"]
    assert list(frame.columns) == expected


def test_a_window_is_predicted_as_if_it_were_a_recording_of_its_own(recogniser, call):
    from undertone import audio
    from undertone.features import log_mel

    (track,) = timeline(recogniser, call, where=ENERGY).tracks
    for window, values in list(zip(track.windows, track.values, strict=True))[::4]:
        alone = audio.read(call, start_s=window.start_s, end_s=window.end_s)
        expected = recogniser.predict(log_mel.extract(alone))
        np.testing.assert_allclose(values, expected, atol=1e-6)


def test_no_speech_ends_after_the_recording_whatever_a_detector_fills_up(monkeypatch):
    marks = (np.ones(60), 0.032)  # 1.92 s of 1.898 s
    monkeypatch.setitem(speech.DETECTORS, "filling", lambda blocks: (list(blocks), marks)[1])
    blocks = np.array_split(np.zeros(30_368, np.float32), 7)
    assert speech.find_speech(blocks, "filling") == [Stretch(0, 1.898)]


def test_shares_are_of_the_speech_and_what_is_not_judged_is_told(recogniser, call):
    heard = timeline(recogniser, call, where=ENERGY)
    found = summary.shares(heard)
    assert sum(found.values()) == pytest.approx(1, abs=1e-6)
    lasts = {s.emotion: s.end_s - s.start_s for s in heard.spells(heard.tracks[0])}
    for name, s in lasts.items():
        assert found[name] == pytest.approx(
            s / heard.speech_s, abs=0.04
        )  # half a hop may lie behind windows
    (track,) = heard.tracks
    doubts = ["too noisy" if w.start_s < 8 else None for w in track.windows]
    held = track.values.copy()
    held[[doubt is not None for doubt in doubts]] = np.nan
    noisy = replace(heard, tracks=(replace(track, values=held, doubts=doubts),))
    assert set(summary.shares(noisy)) == {"high"}
    assert summary.of_the_whole(noisy).startswith("high in 5")
    assert "no emotion named in 4" in summary.of_the_whole(noisy)
    ((start, end, text),) = noisy.doubtful(noisy.tracks[0])
    assert (round(start), round(end), text) == (1, 8, "too noisy")
    assert page.drawn(noisy)["whole"]["doubt"] == "too noisy"


def test_speech_too_short_for_a_window_is_told_as_such(recogniser, call, tmp_path):
    (tmp_path / "turns.csv").write_text("start,end\n1,1.3\n2,6\n")
    heard = timeline(recogniser, call, where=Where(segments=tmp_path / "turns.csv"))
    assert heard.doubtful(heard.tracks[0]) == [(1.0, 1.3, "too short")]


def test_windows_in_doubt_have_no_emotion_unless_anyway(recogniser, call, tmp_path):
    """Turns that are told lie where nobody speaks: a tone, and a pause."""
    t = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    tone = (0.1 * np.sin(2 * np.pi * 300 * t)).astype(np.float32)
    samples = np.concatenate([voice(4, LOW_HZ), tone, np.zeros(4 * SAMPLE_RATE, np.float32)])
    soundfile.write(tmp_path / "odd.wav", samples, SAMPLE_RATE)
    (tmp_path / "turns.csv").write_text("start,end\n0,4\n4,8\n8,12\n")
    where = Where(segments=tmp_path / "turns.csv")
    heard = timeline(recogniser, tmp_path / "odd.wav", where=where)
    frame = heard.to_frame()
    assert frame["doubt"].fillna("").tolist() == ["", "no speech", "too quiet"]
    assert frame["emotion"].notna().tolist() == [True, False, False]
    assert any("2 windows give cause for doubt" in note for note in heard.notes)
    anyway = timeline(recogniser, tmp_path / "odd.wav", where=where, terms=Terms(anyway=True))
    assert anyway.to_frame()["emotion"].notna().tolist() == [True, True, False]
    assert anyway.to_frame()["doubt"].tolist() == frame["doubt"].tolist()


def test_a_timeline_keeps_to_the_terms_and_goes_on_where_it_was(recogniser, call, tmp_path):
    held = HeldOut.of(np.linspace(0, 1, 50)[:, None], np.arange(50))
    model, kept = replace(recogniser, held_out=held), tmp_path / "kept"
    plain = timeline(model, call, where=ENERGY, kept=kept)
    sets = timeline(model, call, where=ENERGY, kept=kept, terms=Terms(coverage=0.95))
    assert set(sets.columns) - set(plain.columns) == {"set"}
    assert sets.to_frame()["set"].notna().all()
    pd.testing.assert_frame_equal(sets.to_frame().drop(columns="set"), plain.to_frame())
    sure = max(float(track.values.max()) for track in plain.tracks)
    unsure = timeline(model, call, where=ENERGY, terms=Terms(min_probability=min(1.0, sure + 1e-6)))
    assert unsure.to_frame()["doubt"].eq("unsure").all()
    assert unsure.to_frame()["p_high"].notna().all()
    assert not unsure.spells(unsure.tracks[0])
    assert any("give cause for doubt: unsure" in note for note in unsure.notes)
    assert ": no emotion is probable enough (with a probability of" in page.sentence(unsure)
    with pytest.raises(UndertoneError, match="promise"):
        timeline(model, call, where=ENERGY, terms=Terms(coverage=0.999))


def test_channels_are_heard_each_for_itself(recogniser, tmp_path):
    left = np.concatenate([voice(6, LOW_HZ), pause(6)])
    right = np.concatenate([pause(6), voice(6, HIGH_HZ)])
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), SAMPLE_RATE)
    heard = timeline(recogniser, tmp_path / "two.wav", where=replace(ENERGY, channel="each"))
    said = {t.channel: {s.emotion for s in heard.spells(t)} for t in heard.tracks}
    assert said == {"1": {"low"}, "2": {"high"}}
    with pytest.raises(UndertoneError, match="has 2 channel"):
        timeline(recogniser, tmp_path / "two.wav", where=replace(ENERGY, channel="3"))


def test_memory_does_not_grow_with_the_recording(recogniser, tmp_path):
    def peak(repeats: int) -> int:
        path = tmp_path / f"{repeats}.wav"
        one = np.concatenate([voice(2, LOW_HZ, 8_000), pause(28, 8_000)])
        with soundfile.SoundFile(path, "w", 8_000, 1) as file:
            for _ in range(repeats):
                file.write(one)
        tracemalloc.start()
        try:
            timeline(recogniser, path, where=ENERGY)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)
    assert peak(12) < peak(3) + 3_000_000  # 4.5 minutes more are 17 MB as samples


def test_a_recording_of_no_speech_has_no_emotion(recogniser, tmp_path):
    t = np.arange(90 * SAMPLE_RATE) / SAMPLE_RATE
    soundfile.write(tmp_path / "sine.wav", 0.1 * np.sin(2 * np.pi * 220 * t), SAMPLE_RATE)
    with pytest.raises(UndertoneError, match=r"no speech was found in the 90 s of .* at all"):
        timeline(recogniser, tmp_path / "sine.wav", where=ENERGY)


def test_what_was_stopped_goes_on_and_comes_to_the_same(recogniser, call, tmp_path, monkeypatch):
    whole = timeline(recogniser, call, where=ENERGY)
    predicted = []
    predict = Recogniser.predict

    def stop_in_time(self, frames, transcript=None):
        if len(predicted) == 5:
            raise KeyboardInterrupt
        predicted.append(len(frames))
        return predict(self, frames, transcript)

    monkeypatch.setattr(Recogniser, "predict", stop_in_time)
    with pytest.raises(KeyboardInterrupt):
        timeline(recogniser, call, where=ENERGY, kept=tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_bytes(kept.read_bytes()[:-3])  # as a kill may leave it
    monkeypatch.setattr(Recogniser, "predict", predict)
    calls = []
    monkeypatch.setattr(Recogniser, "predict", lambda *a: calls.append(1) or predict(*a))
    again = timeline(recogniser, call, where=ENERGY, kept=tmp_path / "kept")
    np.testing.assert_array_equal(again.tracks[0].values, whole.tracks[0].values)
    assert len(calls) == len(whole.tracks[0].windows) - 4


@pytest.mark.parametrize("bit", [0, 40, 77])
def test_what_was_kept_and_changed_since_is_not_believed(recogniser, call, tmp_path, bit):
    whole = timeline(recogniser, call, where=ENERGY, kept=tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    content = bytearray(kept.read_bytes())
    content[bit] ^= 1
    kept.write_bytes(content)
    again = timeline(recogniser, call, where=ENERGY, kept=tmp_path / "kept")
    np.testing.assert_array_equal(again.tracks[0].values, whole.tracks[0].values)


TEXTGRID = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 19
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "Ann ""A"""
        xmin = 0
        xmax = 19
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1
            text = ""
        intervals [2]:
            xmin = 1
            xmax = 8
            text = "well 3 times"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 19
        points: size = 1
        points [1]:
            number = 4
            mark = "click"
'''
SHORT_TEXTGRID = '''File type = "ooTextFile"
Object class = "TextGrid"

0
19
<exists>
1
"IntervalTier"
"Ann ""A"""
0
19
1
1
8
"well 3 times"
'''
ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="8000"/>
</TIME_ORDER><TIER TIER_ID="t" PARTICIPANT="Ann &quot;A&quot;"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>well</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""
RTTM = """;; a comment
SPEAKER call 1 1.000 7.000 <NA> <NA> Ann <NA> <NA>
SPEAKER other 1 0.000 7.000 <NA> <NA> Bob <NA> <NA>
"""


@pytest.mark.parametrize(
    ("name", "text", "speaker"),
    [
        ("t.TextGrid", TEXTGRID, 'Ann "A"'),
        ("t.textgrid", SHORT_TEXTGRID, 'Ann "A"'),
        ("t.eaf", ELAN, 'Ann "A"'),
        ("t.rttm", RTTM, "Ann"),
        ("t.csv", "start,end,speaker\n1,8,Ann\n", "Ann"),
        ("t.csv", "onset;duration;who\n0:01;7,0;Ann\n", "Ann"),
        ("t.tsv", "file\tstart\tend\ncall.wav\t1\t8\nother.wav\t0\t3\n", ""),
    ],
)
def test_turns_are_read_as_other_programs_write_them(tmp_path, name, text, speaker):
    path = tmp_path / name
    path.write_text(text)
    (turn,) = turns.read_turns(path, Path("call.wav"))
    assert (turn.start_s, turn.end_s, turn.speaker) == (1, 8, speaker)
    path.write_bytes(text.encode("utf-16"))
    assert turns.read_turns(path, Path("call.wav")) == [turn]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.TextGrid", TEXTGRID[:400], "is no whole TextGrid"),
        ("t.TextGrid", "hello", "is no whole TextGrid"),
        ("t.eaf", ELAN[:300], "is no ELAN document"),
        ("t.eaf", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "defines entities"),
        ("t.rttm", "SPEAKER x 1 0 5 <NA> <NA> Ann\nSPEAKER y 1 0 5 <NA> <NA> Ann\n", "and not of"),
        ("t.rttm", "SPEAKER call 1 zero 5 <NA> <NA> Ann\n", "expected seconds, found 'zero'"),
        ("t.rttm", "SPEAKER call 1\n", "line 1: expected at least 8"),
        ("t.csv", "start,end\n1,x\n", "line 2: expected seconds"),
        ("t.csv", "begin,text\n1,x\n", "expected start and end"),
        ("t.csv", "start,end\n5,5\n", "tells of no turns"),
    ],
)
def test_turns_that_say_nothing_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UndertoneError, match=message):
        turns.read_turns(tmp_path / name, Path("call.wav"))


def test_turns_take_the_place_of_the_detector(recogniser, call, tmp_path):
    (tmp_path / "turns.csv").write_text("start,end,speaker\n1,8,Ann\n10,30,Bob\n")
    heard = timeline(recogniser, call, where=Where(segments=tmp_path / "turns.csv"))
    assert heard.detector == "turns.csv"
    assert [(s.start_s, s.end_s) for s in heard.tracks[0].stretches] == [(1, 8), (10, 19)]
    assert {row["speaker"]: row["emotion"] for row in heard.rows()} == {"Ann": "low", "Bob": "high"}
    (tmp_path / "turns.csv").write_text("start,end\n1000,8000\n")
    with pytest.raises(UndertoneError, match=r"begin after call\.wav ends .* in seconds"):
        timeline(recogniser, call, where=Where(segments=tmp_path / "turns.csv"))


@pytest.fixture
def model(recogniser, tmp_path) -> Path:
    recogniser.save(tmp_path / "model", "# a card")
    return tmp_path / "model"


def run(monkeypatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["undertone", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_command_writes_a_table_and_a_page(model, call, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "timeline", model, call, "--detector", "energy", "--quiet") == 0
    printed = capsys.readouterr().out
    assert "0:15 of speech in 0:19: high in " in printed
    rows = list(csv.DictReader((tmp_path / "call-timeline.csv").read_text().splitlines()))
    assert {row["emotion"] for row in rows} == {"high", "low"}
    assert not list(tmp_path.glob(".*kept"))
    text = (tmp_path / "call-timeline.html").read_text()
    assert "data:audio/mpeg;base64," in text
    assert "http" not in text.replace("http-equiv", "")
    for name in ("t.jsonl", "t.parquet"):
        options = ("--table", name, "--detector", "energy", "--no-sound", "--quiet")
        assert run(monkeypatch, "timeline", model, call, *options) == 0
    lines = Path("t.jsonl").read_text().splitlines()
    assert [json.loads(line)["emotion"] for line in lines] == [row["emotion"] for row in rows]
    assert "data:audio" not in (tmp_path / "call-timeline.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--hop", "9"), "a hop of 9 s passes over speech"),
        (("--window", "0"), "must lie from 0.5"),
        (("--out", "page.txt"), "expected a page, as --out page.html"),
        (("--table", "t.xls"), "as --table t.csv"),
        (("--channel", "left"), "has 1 channel"),
        (("--detector", "best"), "there is no detector of speech"),
        (("--segments", "none.rttm"), "there is no file of turns"),
    ],
)
def test_bad_input_is_one_message(model, call, monkeypatch, capsys, tmp_path, options, message):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "timeline", model, call, *options, "--quiet") == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("call-timeline*"))


def test_names_cannot_write_the_page(recogniser, call, tmp_path):
    evil = call.with_name("<img src=x onerror=alert(1)>.wav")
    shutil.copy(call, evil)
    task = kind_of("classes")(outputs=("</script><b>high", "low"))
    heard = timeline(replace(recogniser, task=task), evil, where=ENERGY)
    text = page.render(heard, model="<i>m</i>", sound=None)
    assert "<img src=x" not in text
    assert "<b>high" not in text
    assert "<i>m</i>" not in text


def test_the_page_follows_its_numbers_in_a_browser(recogniser, call, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium is installed")
    heard = timeline(recogniser, call, where=ENERGY)
    text = page.render(heard, model="m", sound=None)
    script = "document.title = document.getElementById('said').textContent;"
    script += "document.querySelector('[data-do=next]').click();"
    script += "document.querySelector('[data-do=next]').click();"
    (tmp_path / "p.html").write_text(text.replace("</body>", f"<script>{script}</script></body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'p'}"]
    command = [browser, *options, "--dump-dom", (tmp_path / "p.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    assert '<span id="clock">0:09 of 0:19</span>' in shown or "0:10 of 0:19" in shown
    assert 'aria-live="polite">high ' in shown
    whole = summary.of_the_whole(heard)
    assert f"<title>{whole}</title>" in shown  # before anything was played


def test_changes_and_delays_are_counted_as_a_hand_would():
    blocks = [Block(0, 8, "low"), Block(9, 17, "high"), Block(18, 26, "low")]
    settings = WindowConfig(1, 1)
    windows = windows_of([Stretch(0, 8), Stretch(9, 17), Stretch(18, 26)], settings)
    high = [(9 + 2 <= w.start_s < 17) or w.start_s >= 24 for w in windows]  # two seconds late
    values = np.array([[1.0, 0.0] if one else [0.0, 1.0] for one in high])
    steps = steps_of(windows, values, settings)
    spells = [Spell(0, 11, "low", 1), Spell(11, 17, "high", 1), Spell(18, 24, "low", 1)]
    spells.append(Spell(24, 26, "high", 1))
    seen = see(blocks, spells, steps, ("high", "low"))
    assert (seen.n_true, seen.n_found, seen.n_matched) == (2, 3, 1)
    assert seen.delays_s == (0, 2, 0)
    assert seen.right_s == {"high": 6, "low": 14}
    assert seen.judged_s == {"high": 8, "low": 16}
    assert f1_of_changes([seen]) == (0.4, 1 / 3, 0.5)
    assert recall_of_time([seen]) == pytest.approx((6 / 8 + 14 / 16) / 2)


def test_without_a_model_the_starter_answers_and_says_so(call, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "timeline", call, "--detector", "energy", "--quiet") == 0
    assert "the starter model answers" in capsys.readouterr().err
    text = (tmp_path / "call-timeline.html").read_text()
    assert "by starter" in text
    assert "learned from ten actors" in text  # the page is what gets passed on
    assert "nobody knows" in text
    assert run(monkeypatch, "timeline", call, call, "--quiet") == 2
    assert "one recording at a time, found 2" in capsys.readouterr().err
