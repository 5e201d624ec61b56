"""Tables whose times, letters or bytes could mean another thing: read as meant, or refused."""

import json

import numpy as np
import pytest
import soundfile

from undertone import audio, corpora
from undertone.corpora.times import seconds
from undertone.errors import UndertoneError


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    noise = 0.1 * np.random.default_rng(0).normal(size=70 * 16_000)
    soundfile.write(folder / "call.wav", noise, 16_000)
    return folder


def segment(home, heading, cells):
    path = home / "segments.csv"
    path.write_text(f"file,{heading},speaker,emotion\ncall.wav,{cells},s0,anger\n")
    row = corpora.open(str(path)).table.iloc[0]
    return row["start_s"], row["end_s"]


@pytest.mark.parametrize(
    ("heading", "cells"),
    [
        ("start,end", "1,1.5"),
        ("start,length", "1,.5"),
        ("start,duration", "1,.5"),
        ("offset,duration", "1,.5"),
        ("onset,offset", "1,1.5"),
        ("start_ms,end_ms", "1000,1500"),
        ("start_ms,duration_ms", "1000,500"),
        ("start_seconds,duration_ms", "1,500"),
        ("Start (s),End (s)", "1,1.5"),
        ("xmin,xmax", "1,1.5"),
        ("begin_time,stop_time", "0:01,0:01.5"),
        ("start,end,duration", "1,1.5,.5"),
    ],
)
def test_a_segment_is_what_its_columns_say_under_any_usual_name(home, heading, cells):
    assert segment(home, heading, cells) == (1.0, 1.5)


@pytest.mark.parametrize(
    ("heading", "cells", "message"),
    [
        ("start_sample,end_sample", "16000,24000", "columns start_sample, end_sample, which look"),
        ("Start Frame,End Frame", "100,150", "columns Start Frame, End Frame, which look like"),
        ("from,to", "1,1.5", "columns from, to, which look like the times of segments"),
        ("start,end", "1,1e308", r"line 2, end_s: expected seconds \(1\.5\) or a time"),
        ("start,end", "1,inf", "line 2, end_s: expected seconds"),
    ],
)
def test_a_segment_that_is_not_understood_is_not_the_whole_recording(home, heading, cells, message):
    with pytest.raises(UndertoneError, match=message):
        segment(home, heading, cells)


def test_a_length_without_a_start_is_no_segment(home):
    assert np.isnan(segment(home, "duration", "70")).all()


def test_no_number_is_too_large_for_a_time(home):
    for text in ("1e308", "9e15 ms", "99999999999999999999"):
        with pytest.raises(UndertoneError, match="expected seconds"):
            seconds(text)
    for start_s, end_s in ((1.0, 1e308), (1e308, None), (float("-inf"), 1.0), (1.0, float("inf"))):
        with pytest.raises(UndertoneError, match="has no segment from"):
            audio.read(home / "call.wav", start_s=start_s, end_s=end_s)


@pytest.mark.parametrize("suffix", [".parquet", ".xlsx", ".jsonl", ".json", ".csv", ".tsv"])
@pytest.mark.parametrize(
    "content",
    [
        b"PAR1 not really PAR1",
        b"PK\3\4 not really",
        b"[" * 100_000,
        b"\x80\xff" * 500,
        b"",
        json.dumps([1, None, "x"]).encode(),
    ],
    ids=["parquet", "zip", "deep", "no text", "empty", "no records"],
)
def test_what_is_no_table_is_one_message_under_every_name(home, suffix, content):
    path = home / f"table{suffix}"
    path.write_bytes(content)
    with pytest.raises(UndertoneError) as told:
        corpora.open(str(path))
    assert len(str(told.value)) < 700
    assert str(path.name) in str(told.value)
