"""The log of labels: nothing that was said is lost, nothing counts twice."""

import json
import os
import subprocess
import sys

import pytest
from label_fakes import label, recordings, said, session_of

from undertone import corpora
from undertone.annotation.log import LabelLog
from undertone.corpora import label_log
from undertone.corpora.label_log.log import MARK, Label, Log
from undertone.errors import UndertoneError

ABOUT = {"corpus": "speech", "emotions": ["anger", "sadness"]}


def test_a_line_comes_back_as_it_was_written(tmp_path):
    log = LabelLog(tmp_path / "a b" / "Größe.jsonl", about=ABOUT)
    given = Label(
        "id-1",
        "änna",
        "2026-01-02T03:04:05.678Z",
        "u 1",
        {"file": "ü.wav", "start_s": 1.5, "digest": "sha256:0"},
        "emotion",
        {"anger": 0.75, "sadness": 0.25},
        {"arousal": 3.5},
        {"why": "typical"},
    )
    assert log.label(given)
    read = label_log.load(log.path)
    assert read.in_force() == [given]
    assert read.head["emotions"] == ABOUT["emotions"]
    assert read.raters == ("änna",)


def test_an_id_counts_once_however_often_it_is_sent(tmp_path):
    log = LabelLog(tmp_path / "l.jsonl", about=ABOUT)
    one = label("id-1", "u1", anger=1.0)
    assert [log.label(one) for _ in range(3)] == [True, False, False]
    again = LabelLog(log.path, about=ABOUT)
    assert not again.label(one)
    assert len(log.path.read_bytes().splitlines()) == 2


def test_a_torn_line_is_told_and_never_joins_the_next(tmp_path):
    log = LabelLog(tmp_path / "l.jsonl", about=ABOUT)
    log.label(label("id-1", "u1", anger=1.0))
    log.label(label("id-2", "u2", sadness=1.0))
    whole = log.path.read_bytes()
    for cut in (1, 2, 3, 40, len(whole.splitlines(keepends=True)[2]) - 1):
        log.path.write_bytes(whole[:-cut])
        later = LabelLog(log.path, about=ABOUT)
        later.label(label("id-3", "u3", anger=1.0))
        names = [one.id for one in label_log.load(log.path).in_force()]
        survives = cut == 1  # the end of the line alone was lost
        assert names == (["id-1", "id-2", "id-3"] if survives else ["id-1", "id-3"])
        assert later.log.set_aside == ([] if survives else [3])
        assert bool(later.log.told()) != survives


def test_a_log_that_was_cut_as_it_was_begun_is_begun_again(tmp_path):
    head = LabelLog(tmp_path / "whole.jsonl", about=ABOUT).path.read_bytes()
    for cut in (0, 1, 30, 60, len(head) - 2, len(head) - 1):
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(head[:cut])
        LabelLog(path, about=ABOUT).label(label("id-1", "u1", anger=1.0))
        assert label_log.is_log(path)
        read = label_log.load(path)
        assert read.head["emotions"] == ABOUT["emotions"]
        assert len(read.in_force()) == 1


def test_what_is_no_label_is_set_aside_and_the_rest_counts(tmp_path):
    log = LabelLog(tmp_path / "l.jsonl", about=ABOUT)
    log.label(label("id-1", "u1", anger=1.0))
    good = label("id-2", "u2", anger=1.0).to_dict()
    strange = [
        b"\xff\xfe\x00",
        b"[1, 2]",
        b"null",
        b'{"kind": "label", "id": "id-9"}',
        b"[" * 100_000,
        *(
            json.dumps({**good, **change}).encode()
            for change in (
                {"id": 3},
                {"answer": "perhaps"},
                {"shares": {"anger": -1}},
                {"shares": {"anger": float("nan")}},
                {"shares": {}},
                {"heard": "u2.wav"},
                {"utterance": ""},
                {"kind": "wonder"},
            )
        ),
    ]
    with log.path.open("ab") as file:
        file.write(b"\n".join(strange) + b"\n")
    assert len(log.refresh().set_aside) == len(strange)
    assert log.label(label("id-3", "u3", anger=1.0))
    assert [one.id for one in label_log.load(log.path).in_force()] == ["id-1", "id-3"]


def test_a_rater_takes_back_their_own_labels_alone(tmp_path):
    log = LabelLog(tmp_path / "l.jsonl", about=ABOUT)
    log.label(label("id-1", "u1", anger=1.0))
    log.label(label("id-2", "u1", sadness=1.0))  # the same clip again: the later one counts
    log.undo("id-1", rater="bert", identity="undo-1")
    assert [one.id for one in log.log.in_force()] == ["id-2"]
    log.undo("id-2", rater="anna", identity="undo-2")
    assert [one.id for one in log.log.in_force()] == ["id-1"]
    log.undo("nobody", rater="anna", identity="undo-3")
    assert len(log.path.read_bytes().splitlines()) == 6  # nothing is ever taken out of the file


def test_a_full_disk_leaves_nothing_of_a_line(tmp_path, monkeypatch):
    log = LabelLog(tmp_path / "l.jsonl", about=ABOUT)
    log.label(label("id-1", "u1", anger=1.0))
    before, write = log.path.read_bytes(), os.write

    def half(descriptor, content):
        if len(content) < 40:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(UndertoneError, match=r"was not saved.*--log"):
        log.label(label("id-2", "u2", anger=1.0))
    monkeypatch.undo()
    assert log.path.read_bytes() == before
    assert log.label(label("id-2", "u2", anger=1.0))
    assert len(label_log.load(log.path).in_force()) == 2


WRITER = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from label_fakes import label
from undertone.annotation.log import LabelLog
log = LabelLog(Path(sys.argv[1]), about={})
for i in range(15):
    log.label(label(f"{sys.argv[2]}-{i}", f"u{i}", rater=sys.argv[2], anger=1.0))
    log.label(label(f"shared-{i}", f"v{i}", rater="both", anger=1.0))
"""


def test_processes_that_write_at_once_lose_and_double_nothing(tmp_path):
    path, here = tmp_path / "l.jsonl", os.path.dirname(__file__)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, here])
        for name in ("anna", "bert")
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["kind"] for line in lines].count("log") == 1
    ids = [line["id"] for line in lines[1:]]
    assert len(ids) == len(set(ids)) == 45


def test_another_process_is_read_and_a_replaced_file_is_read_anew(tmp_path, capsys):
    one, other = (LabelLog(tmp_path / "l.jsonl", about=ABOUT) for _ in range(2))
    one.label(label("id-1", "u1", anger=1.0))
    assert len(other.refresh().in_force()) == 1
    one.path.unlink()
    assert other.label(label("id-2", "u2", anger=1.0))
    assert [line.id for line in label_log.load(one.path).in_force()] == ["id-2"]
    assert "replaced" in capsys.readouterr().err


def test_what_is_no_log_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"file": "a.wav", "emotion": "anger"}\n')
    with pytest.raises(UndertoneError, match="is no log of labels"):
        LabelLog(path, about=ABOUT)
    assert path.read_text() == '{"file": "a.wav", "emotion": "anger"}\n'
    path.write_text(json.dumps({"kind": "log", "what": MARK, "format": 99}) + "\n")
    with pytest.raises(UndertoneError, match="format 99"):
        label_log.load(path)
    assert not label_log.is_log(tmp_path)


def test_a_log_is_a_corpus_with_its_unlabelled_rest(tmp_path):
    session = session_of(tmp_path)
    for clip, emotion in ((0, "anger"), (1, "sadness")):
        session.label("tab", said(clip, emotion))
    session.log.label(
        Label(
            "mixed",
            "anna",
            "2026-01-02T03:04:05Z",
            session.clips[2].utterance,
            session.clips[2].facts,
            "emotion",
            {"anger": 0.75, "sadness": 0.25},
            {"arousal": 4.0},
        )
    )
    session.log.label(
        Label("no", "bert", "t", session.clips[3].utterance, session.clips[3].facts, "not speech")
    )
    log = session.log.path
    for spec in (str(log), f"mine={log}", f"labels={log}"):
        corpus = corpora.open(spec)
        assert len(corpus) == 11
        assert corpus.reasons() == {"its raters heard no speech": 1}
        assert list(corpus.labelled.table["emotion"]) == ["anger", "sadness", "anger"]
        assert corpus.soft
        assert corpus.scale == (1.0, 5.0)
        assert corpus.labelled.table["share_anger"].tolist() == [1.0, 0.0, 0.75]
        assert corpus.speakers == ("s0", "s1", "s2")
    assert corpora.open(f"mine={log}").name == "mine"


def test_a_log_alone_is_still_the_corpus_of_its_labels(tmp_path):
    session = session_of(tmp_path)
    session.label("tab", said(0))
    for kept in (tmp_path / "labels.kept").iterdir():
        kept.unlink()
    corpus = corpora.open(str(session.log.path))
    assert list(corpus.table["emotion"]) == ["anger"]
    (tmp_path / "labels.kept" / "clips.json").write_text("{")
    assert len(corpora.open(str(session.log.path))) == 1


def test_a_log_whose_audio_is_gone_says_so(tmp_path):
    session = session_of(tmp_path)
    session.label("tab", said(0))
    session.clips[0].file.unlink()
    assert corpora.open(str(session.log.path)).reasons() == {"file not found": 1}


def test_raters_who_differ_share_an_utterance(tmp_path):
    session = session_of(tmp_path, corpus=recordings(tmp_path, labelled=True))
    first = session.clips[0]
    for rater, emotion in (("anna", "anger"), ("bert", "sadness")):
        one = Label(f"{rater}-1", rater, "t", first.utterance, first.facts, "emotion", {emotion: 1})
        session.log.label(one)
    corpus = corpora.open(str(session.log.path))
    row = corpus.table.iloc[0]
    assert (row["emotion"], round(row["share_anger"], 6)) == ("anger", round(2 / 3, 6))
    assert set(corpus.ratings["rater"]) == {"corpus", "anna", "bert"}


def test_an_empty_log_says_what_to_do(tmp_path):
    log = LabelLog(tmp_path / "l.jsonl", about=ABOUT)
    with pytest.raises(UndertoneError, match="holds no label yet"):
        corpora.open(str(log.path))
    assert Log().in_force() == []


def test_predict_takes_what_a_log_can_hear(tmp_path):
    from undertone.serving.given import gather

    session = session_of(tmp_path)
    session.label("tab", said(0))
    given = gather([session.log.path])
    assert [item.file for item in given.items] == [str(c.file) for c in session.clips.clips]
    assert not given.has_segments
    other = tmp_path / "other.jsonl"
    other.write_text("{}\n")
    assert [item.file for item in gather([other]).items] == [str(other)]
