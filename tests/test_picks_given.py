"""Labels that are there already, and lists for whoever labels elsewhere."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from corpora_fakes import fake_corpus, fake_table

from undertone.annotation.picking import lists
from undertone.annotation.picking.given import labels_of
from undertone.annotation.picking.lists import Listed
from undertone.annotation.picking.of_corpus import PickSettings, pick_of_corpus
from undertone.corpora import csv as csv_corpora
from undertone.errors import UndertoneError
from undertone.reading import Resources


@pytest.fixture
def corpus(tmp_path):
    table = fake_table(n_speakers=2, n_each=2)
    table.loc[0, "file"] = "s00/Ärger und Wut.wav"
    return replace(fake_corpus(table), root=tmp_path)


def task(data, *emotions, cancelled=False):
    results = [{"type": "choices", "value": {"choices": [emotion]}} for emotion in emotions]
    return {"data": data, "annotations": [{"result": results, "was_cancelled": cancelled}]}


def exported(path, *tasks):
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return str(path)


def test_the_corpus_s_own_labels_count_and_can_be_left_out(corpus):
    own = labels_of(corpus)
    assert own.labels == dict(zip(corpus.table["utterance"], corpus.table["emotion"], strict=True))
    assert labels_of(corpus, "none").labels == {}


@pytest.mark.parametrize(
    "named", ["utterance", "file", "whole path", "name alone", "backslashes", "./"]
)
def test_a_table_may_name_utterances_or_files(corpus, tmp_path, named):
    first = corpus.table.iloc[0]
    column, name = {
        "utterance": ("utterance", first["utterance"]),
        "file": ("file", first["file"]),
        "whole path": ("file", str(tmp_path.resolve() / first["file"])),
        "name alone": ("file", "Ärger und Wut.wav"),
        "backslashes": ("file", first["file"].replace("/", "\\")),
        "./": ("file", f"./{first['file']}"),
    }[named]
    path = tmp_path / "labels.csv"
    path.write_text(f"{column},emotion\n{name},Angry\nnowhere,fear\n", encoding="utf-8")
    given = labels_of(corpus, str(path))
    assert given.labels == {first["utterance"]: "anger"}
    assert "1 labels" in given.notes[0]
    assert "(nowhere)" in given.notes[0]


def test_empty_cells_are_no_labels(corpus, tmp_path):
    path = tmp_path / "labels.csv"
    names = corpus.table["utterance"].tolist()
    path.write_text(f"utterance,emotion\n{names[0]},\n{names[1]},xxx\n{names[2]},sad\n")
    assert labels_of(corpus, str(path)).labels == {names[2]: "sadness"}


@pytest.mark.parametrize(
    "audio",
    [
        "/data/local-files/?d=s00/%C3%84rger%20und%20Wut.wav",
        "/data/upload/3/1a2b3c4d-%C3%84rger%20und%20Wut.wav",
        "https://store.example/x/%C3%84rger%20und%20Wut.wav",
    ],
)
def test_an_export_of_label_studio_names_files_by_address(corpus, tmp_path, audio):
    where = exported(tmp_path / "export.json", task({"audio": audio}, "Anger"))
    assert labels_of(corpus, where).labels == {corpus.table["utterance"][0]: "anger"}


def test_short_exports_count_too(corpus, tmp_path):
    names = corpus.table["utterance"].tolist()
    where = exported(
        tmp_path / "min.json",
        {"utterance": names[0], "emotion": "fear"},
        {"utterance": names[1], "choice": {"choices": ["sad"]}},
        {"utterance": names[2], "emotion": []},
    )
    assert labels_of(corpus, where).labels == {names[0]: "fear", names[1]: "sadness"}


def test_several_people_the_majority_counts_and_a_tie_is_told(corpus, tmp_path):
    names = corpus.table["utterance"].tolist()
    rows = [("fear", 0), ("fear", 0), ("anger", 0), ("fear", 1), ("anger", 1)]
    tasks = [task({"utterance": names[i]}, emotion) for emotion, i in rows]
    given = labels_of(corpus, exported(tmp_path / "export.json", *tasks))
    assert given.labels == {names[0]: "fear"}
    assert "as many labels of one emotion as of another" in given.notes[0]


def test_what_somebody_could_not_label_is_not_picked_again(corpus, tmp_path):
    names = corpus.table["utterance"].tolist()
    tasks = [task({"utterance": names[i]}, cancelled=True) for i in (0, 1)]
    tasks.append(task({"utterance": names[1]}, "fear"))
    given = labels_of(corpus, exported(tmp_path / "export.json", *tasks))
    assert given.skip == {names[0]}
    assert given.labels == {names[1]: "fear"}


def test_a_name_of_several_utterances_is_no_label(tmp_path):
    table = fake_table(n_speakers=2, n_each=1)
    table["file"] = [f"s{i % 2}/{'same' if i < 2 else i}.wav" for i in range(len(table))]
    path = tmp_path / "labels.csv"
    path.write_text("file,emotion\nsame.wav,fear\n")
    given = labels_of(fake_corpus(table), str(path))
    assert not given.labels
    assert "names that several utterances have (same.wav)" in given.notes[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.json", "[1, 2]", "no export of Label Studio"),
        ("x.json", "{", "cannot be read as JSON"),
        ("x.json", '[{"data": {"text": "a"}}]', "names no recording"),
        ("x.csv", "a,b\n1,2\n", "expected a column utterance or file, and a column emotion"),
        ("x.csv", "", "is empty"),
    ],
)
def test_what_holds_no_labels_is_refused(corpus, tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UndertoneError, match=message):
        labels_of(corpus, str(path))
    with pytest.raises(UndertoneError, match="there is no file absent"):
        labels_of(corpus, "absent")


PICK = Listed("a b", "s/ä b.wav", "/x/s/ä b.wav", 1.5, None, None, 'like "this", so')


def test_lists_hold_what_they_were_given(tmp_path):
    lists.write([PICK], tmp_path / "l.csv")
    (row,) = pd.read_csv(tmp_path / "l.csv", keep_default_na=False).to_dict("records")
    assert row == {
        "utterance": "a b",
        "file": "/x/s/ä b.wav",
        "start_s": 1.5,
        "end_s": "",
        "speaker": "",
        "emotion": "",
        "why": 'like "this", so',
    }
    lists.write([PICK], tmp_path / "l.json", served_at="http://h/?d=")
    (one,) = json.loads((tmp_path / "l.json").read_text(encoding="utf-8"))
    assert one["data"]["audio"] == "http://h/?d=s/%C3%A4%20b.wav"
    assert one["data"]["utterance"] == "a b"


def test_a_list_in_which_somebody_labelled_is_not_written_over(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text("labels")
    with pytest.raises(UndertoneError, match="may hold labels"):
        lists.write([PICK], path)
    assert path.read_text() == "labels"
    with pytest.raises(UndertoneError, match=r"ends in .csv or .json"):
        lists.check_out(tmp_path / "l.txt")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Twelve tones of two speakers, some labelled, one of which is no audio; and a cache."""
    folder = tmp_path_factory.mktemp("spoken")
    rng, rows = np.random.default_rng(0), ["file,speaker,emotion"]
    for i in range(12):
        tone = 0.3 * np.sin(2 * np.pi * (150 + 60 * (i % 4)) * np.arange(8_000) / 16_000)
        soundfile.write(folder / f"t{i}.wav", tone + rng.normal(0, 0.01, 8_000), 16_000)
        rows.append(f"t{i}.wav,s{i % 2},{('anger', 'fear', '', '')[i % 4]}")
    (folder / "t2.wav").write_bytes(b"RIFF nothing")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder / "labels.csv", tmp_path_factory.mktemp("cache")


def picked(spoken, **settings):
    path, cache = spoken
    resources = Resources(cache, workers=1, progress=False)
    return pick_of_corpus("log_mel", f"s={path}", PickSettings(**settings), resources)


def test_a_corpus_is_heard_counted_and_told(spoken):
    found = picked(spoken, n=50)
    assert found.n_labels == 6
    assert {one.utterance for one in found.picks} == {"t3", "t6", "t7", "t10", "t11"}
    told = " ".join(found.notes)
    assert "t2.wav" in told
    assert "50 picks were asked for; 5 utterances have no label: these are all" in told


def test_what_cannot_be_told_is_said(spoken, tmp_path):
    one_emotion = tmp_path / "one.csv"
    one_emotion.write_text("utterance,emotion\nt0,anger\nt2,fear\nt4,anger\n")
    told = " ".join(picked(spoken, n=3, labels=str(one_emotion)).notes)
    assert "1 labels are of utterances that cannot be heard (t2)" in told
    everything = tmp_path / "all.csv"
    everything.write_text("utterance,emotion\n" + "".join(f"t{i},anger\n" for i in range(12)))
    with pytest.raises(UndertoneError, match="nothing is left to label in s"):
        picked(spoken, labels=str(everything))


def test_without_speakers_that_is_told(spoken, tmp_path):
    path, cache = spoken
    read = csv_corpora.read(path)
    nobody = read.with_table(read.table.assign(speaker=None))
    resources = Resources(cache, workers=1, progress=False)
    found = pick_of_corpus("log_mel", nobody, PickSettings(n=2, labels="none"), resources)
    assert len(found.picks) == 2
    assert "nobody knows who speaks" in " ".join(found.notes)
    assert found.picks[0].speaker is None


def test_picks_come_back_as_labels(spoken, tmp_path):
    """The list is filled in and counted: its utterances are not picked again."""
    found = picked(spoken, n=3, labels="none")
    lists.write(found.picks, tmp_path / "p ü.csv")
    table = pd.read_csv(tmp_path / "p ü.csv").assign(emotion=["anger", "fear", "fear"])
    table.to_csv(tmp_path / "p ü.csv", index=False)
    again = picked(spoken, n=20, labels=str(tmp_path / "p ü.csv"))
    assert again.n_labels == 3
    assert not {one.utterance for one in again.picks} & {one.utterance for one in found.picks}
