"""What is predicted: names, folders, lists, tables of segments, arrays; and parts of long ones."""

import io
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from serving_fakes import RATE, listener, voice, write_voice

from undertone import audio
from undertone.audio import streaming
from undertone.errors import UndertoneError
from undertone.serving.given import Item, gather, of_arrays
from undertone.serving.predict import predict, predict_item
from undertone.serving.which import told_apart


def names_of(given):
    return [os.path.basename(item.file) for item in given.items]


def test_a_folder_is_its_recordings_and_what_is_passed_over_is_counted(tmp_path):
    for name in ("b.wav", "a.flac.wav", "inner/c.wav", ".hidden.wav"):
        write_voice(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no sound")
    (tmp_path / "inner/loop").symlink_to(tmp_path)
    (tmp_path / "dead.wav").symlink_to(tmp_path / "nowhere")
    given = gather([tmp_path])
    assert names_of(given) == ["a.flac.wav", "b.wav", "dead.wav"]
    assert [bool(item.error) for item in given.items] == [False, False, True]
    assert "files passed over, which are no recordings by their names: 1" in given.remarks
    assert "folders inside passed over (--recursive looks into them): 1" in given.remarks
    deep = gather([tmp_path], recursive=True)
    assert sorted(names_of(deep)) == ["a.flac.wav", "b.wav", "c.wav", "dead.wav"]
    assert "links passed over, to folders that were looked into already: 1" in deep.remarks


def test_a_folder_without_recordings_is_a_row(tmp_path):
    (tmp_path / "inner").mkdir()
    (row,) = gather([tmp_path]).items
    assert "is a folder without a recording; --recursive" in row.error
    (told,) = predict(listener(), tmp_path)
    assert told.error == row.error


def test_order_is_kept_and_what_is_named_twice_is_predicted_once(tmp_path):
    one, other = write_voice(tmp_path / "z.wav"), write_voice(tmp_path / "a.wav")
    given = gather([one, other, one, tmp_path])
    assert names_of(given) == ["z.wav", "a.wav"]
    assert given.remarks == ("rows named twice, which are predicted once: 3",)
    assert len(gather([one, one], keep_copies=True).items) == 2


@pytest.mark.parametrize(
    "content", ["a.wav\n\n b.wav\n", "\ufeffa.wav\r\n b.wav", "a.wav\0 b.wav\0"]
)
def test_a_list_holds_a_name_a_line(tmp_path, monkeypatch, content):
    path = tmp_path / "list.txt"
    path.write_bytes(content.encode())
    assert names_of(gather(files_from=str(path))) == ["a.wav", " b.wav"]
    stream = SimpleNamespace(buffer=io.BytesIO(content.encode()))
    monkeypatch.setattr("sys.stdin", stream)
    assert names_of(gather(files_from="-")) == ["a.wav", " b.wav"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"files_from": "/absent"}, "--files-from /absent cannot be read: No such file"),
        ({"files_from": "/"}, "--files-from / cannot be read: Is a directory"),
        ({"files_from": "/dev/null"}, "--files-from /dev/null names no recording"),
        ({}, "no recording is named"),
        ({"names": ["a"], "channel": "0"}, "--channel takes mix"),
        ({"names": ["a"], "channel": "left"}, "found 'left'"),
    ],
)
def test_what_names_nothing_is_one_message(options, message):
    with pytest.raises(UndertoneError, match=message):
        gather(**options)


def test_segments_lie_beside_their_table_and_a_bad_row_is_a_row(tmp_path):
    write_voice(tmp_path / "a.wav", seconds=3, channels=2)
    table = tmp_path / "segments.csv"
    table.write_text(
        "file,start,end,channel\na.wav,0.5,2,2\na.wav,,,\na.wav,x,2,\na.wav,2,9,\na.wav,0,1,7\n,0,1,\n"
    )
    rows = list(predict(listener(), segments=table))
    assert [bool(row.error) for row in rows] == [False, False, True, True, True, True]
    assert (rows[0].start_s, rows[0].end_s, rows[0].channel) == (0.5, 2, 2)
    assert rows[0].to_dict()["start"] == 0.5
    assert "expected seconds" in rows[2].error
    assert "has no segment from 2.000 s to 9.000 s" in rows[3].error
    assert "has 2 channels, and no channel 7" in rows[4].error
    assert "names no file" in rows[5].error


def test_a_table_without_its_columns_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("path,start,end\na.wav,0,1\n")
    with pytest.raises(UndertoneError, match="has no column file: it is a table with file, start"):
        gather(segments=tmp_path / "t.csv")


def test_each_channel_is_a_row_and_a_number_is_that_channel(tmp_path):
    path = write_voice(tmp_path / "a.wav", channels=2)
    first, second = predict(listener(), path, channel="each")
    assert (first.channel, second.channel) == (1, 2)
    assert second.values["anger"] > first.values["anger"]
    assert list(predict(listener(), path, channel=2)) == [second]
    samples, _ = soundfile.read(path)
    (alone,) = predict(listener(), samples[:, 1], rate=RATE)
    assert alone.values == pytest.approx(second.values, abs=1e-6)


def test_arrays_are_predicted_as_files_are(tmp_path):
    path = write_voice(tmp_path / "a.wav", channels=2)
    samples, _ = soundfile.read(path, dtype="float32")
    (of_file,) = predict(listener(), path)
    of_arrays_ = list(predict(listener(), [samples, samples * 0], rate=RATE))
    assert [row.file for row in of_arrays_] == ["array 0", "array 1"]
    assert of_arrays_[0].values == of_file.values
    assert "array 1 is silent" in of_arrays_[1].error
    for rate in (None, 0):
        with pytest.raises(UndertoneError, match="expected rate=16000"):
            predict(listener(), samples, rate=rate)
    with pytest.raises(UndertoneError, match="leave rate out for files"):
        of_arrays(["a.wav"], RATE)


def test_a_frame_has_audformats_index_and_the_repr_is_short(tmp_path):
    audformat = pytest.importorskip("audformat")
    write_voice(tmp_path / "a.wav", seconds=2)
    table = tmp_path / "t.csv"
    table.write_text("file,start,end\na.wav,0.5,1.5\na.wav,1,\nb.wav,0,1\n")
    predictions = predict(listener(), segments=table)
    assert repr(predictions) == "<Predictions: 0 of 3 made>"
    frame = predictions.to_frame()
    assert repr(predictions) == "<Predictions: 3 of 3 made, 1 of them failed>"
    assert len(predictions) == 3
    assert next(predictions) == next(iter(predictions))
    assert audformat.is_segmented_index(frame.index)
    expected = ["emotion", "p_anger", "p_fear", "p_joy", "doubt", "error", "note"]
    assert list(frame.columns) == expected
    assert frame.index.get_level_values("end")[0] == pd.Timedelta(seconds=1.5)
    assert pd.isna(frame.index.get_level_values("end")[1])


# --- long recordings


def test_a_long_recording_is_the_mean_of_its_parts_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "PART_S", 4.0)
    monkeypatch.setattr(streaming, "SHORTEST_S", 2.0)
    high, low = voice(300, 4), voice(100, 4)
    samples = np.concatenate([high, np.zeros(4 * RATE), low, low, high, low[: 3 * RATE]])
    path = tmp_path / "it's long.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    lengths = [stretch.lasts_s for stretch in streaming.read_parts(path)]
    assert lengths == [4, 4, 4, 4, 4, 3]
    model = listener()
    (told,) = predict(model, path)
    parts = [next(iter(predict(model, part, rate=RATE))) for part in (high, low, low, high)]
    last = next(iter(predict(model, low[: 3 * RATE], rate=RATE)))
    expected = np.average(
        [part.values["anger"] for part in (*parts, last)], weights=[4, 4, 4, 4, 3]
    )
    assert told.values["anger"] == pytest.approx(expected, abs=1e-4)
    assert "one answer covers all of its 23 s: `undertone timeline MODEL " in told.note
    assert "4.0 of 23.0 s are digital silence" in told.note
    (of_speech,) = predict(replace(model, system="descriptors"), path)
    assert "silence" not in of_speech.note  # descriptors of log_mel leave it out
    (of_channel,) = predict(model, path, channel="1")
    assert "--channel 1` tells what is heard when" in of_channel.note
    (of_array,) = predict(model, samples.astype(np.float32), rate=RATE)
    assert of_array.values == pytest.approx(told.values, abs=1e-6)


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_a_short_recording_is_one_part_equal_to_read(tmp_path, seconds):
    path = write_voice(tmp_path / "a.wav", seconds=seconds)
    (stretch,) = streaming.read_parts(path)
    np.testing.assert_array_equal(stretch.waveform, audio.read(path))
    (told,) = predict(listener(), path)
    assert told.note is None


def test_more_than_half_an_hour_is_predicted(tmp_path):
    rng = np.random.default_rng(0)
    samples = np.tile(rng.normal(0, 0.1, 8000).astype(np.float32), 31 * 60)
    soundfile.write(tmp_path / "long.wav", samples, 8000)
    with pytest.raises(UndertoneError, match="lasts 31 minutes"):
        audio.read(tmp_path / "long.wav")
    n_parts = sum(1 for _ in streaming.read_parts(tmp_path / "long.wav"))
    assert n_parts == 31


def test_what_is_silent_throughout_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "PART_S", 4.0)
    monkeypatch.setattr(streaming, "SHORTEST_S", 2.0)
    soundfile.write(tmp_path / "a.wav", np.zeros(20 * RATE), RATE)
    (told,) = predict(listener(), tmp_path / "a.wav")
    assert "is silent: its peak is zero" in told.error


# --- which name is the model


def test_the_first_name_is_the_model_where_it_is_one(tmp_path):
    model, sound = tmp_path / "model", write_voice(tmp_path / "sounds/a.wav")
    listener_folder(model)
    assert told_apart([model, sound]) == (model, [sound])
    assert told_apart([sound, model]) == (None, [sound, model])
    assert told_apart([sound.parent]) == (None, [sound.parent])
    assert told_apart([tmp_path / "absent.wav"]) == (None, [tmp_path / "absent.wav"])
    assert told_apart([]) == (None, [])


def test_what_may_be_either_or_neither_is_one_message(tmp_path):
    model = tmp_path / "model"
    listener_folder(model)
    write_voice(model / "a.wav")
    with pytest.raises(UndertoneError, match="holds a model and 1 recording: say with --model"):
        told_apart([model, tmp_path / "b.wav"])
    (tmp_path / "empty").mkdir()
    for odd in ("empty", "absent", "odd\0name"):
        with pytest.raises(UndertoneError, match=r"the first name is a model folder, or the first"):
            told_apart([tmp_path / odd, tmp_path / "b.wav"])
    damaged = tmp_path / "damaged"
    listener_folder(damaged)
    (damaged / "config.json").unlink()
    assert told_apart([damaged, tmp_path / "b.wav"])[0] == damaged


def listener_folder(folder):
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")


def test_a_file_that_is_not_there_is_told_without_a_corpus(tmp_path):
    (row,) = predict(listener(), [tmp_path / "nothere.wav"])
    assert "there is no audio file" in row.error
    assert "nothere.wav" in row.error
    assert "corpus" not in row.error


def test_an_error_that_knows_no_file_is_told_with_it(monkeypatch):
    """A network that hears samples says what is wrong with them, and not whose they are."""

    def hear(recogniser, item, *given, **named):
        raise UndertoneError(f"a recording is too short{' in b.wav' * (item.file == 'b.wav')}")

    monkeypatch.setattr("undertone.serving.predict.hear", hear)
    judge = SimpleNamespace(terms=SimpleNamespace(anyway=False))
    told = [predict_item(None, Item(name), judge=judge).error for name in ("a.wav", "b.wav")]
    assert told == ["a.wav: a recording is too short", "a recording is too short in b.wav"]
