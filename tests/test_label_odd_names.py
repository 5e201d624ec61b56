"""Recordings whose names are no text, or look like something else, from the page to every form."""

import json
import os

import pytest
from label_fakes import EMOTIONS, RATE, said, tone
from soundfile import write as write_sound

from undertone import corpora
from undertone.annotation.choosing import Aim
from undertone.annotation.exchange.forms import form_to_read, form_to_write
from undertone.annotation.exchange.rows import exported, matched
from undertone.annotation.opening import What, opened
from undertone.annotation.picking import lists
from undertone.annotation.session import Session
from undertone.corpora import label_log

NAMES = (b"caf\xe9.wav", "Größe 😀.wav".encode(), b"new\nline.wav", b"=cmd,;|.wav", b"a#b?c%41.wav")


@pytest.fixture
def session(tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    for i, name in enumerate(NAMES):
        write_sound(tmp_path / "t.wav", tone(0.3, 120 + 30 * i), RATE)
        try:
            os.rename(tmp_path / "t.wav", os.fsencode(folder) + b"/" + name)
        except OSError:  # pragma: no cover (a file system of text alone)
            pytest.skip("this file system takes no such names")
    found = opened(What(tmp_path / "l.jsonl", str(folder), EMOTIONS, a_speaker_each=True))
    session = Session(found.clips, found.log, rater="Ärger 😀", aim=Aim(EMOTIONS))
    for i in range(len(NAMES)):
        session.wav(i)
        session.label("tab", said(i, EMOTIONS[i % 2]))
    return session


def test_a_log_of_odd_names_is_a_corpus_whose_files_are_found(session, tmp_path):
    corpus = corpora.open(str(session.log.path))
    assert len(corpus.labelled.table) == len(NAMES)
    json.dumps(list(corpus.table["file"]), ensure_ascii=False).encode()  # it is text
    text = session.log.path.read_bytes().decode()
    assert text.count("odd/caf\uefe9.wav") == 2  # and of its speaker, who is named after it
    (tmp_path / "l.kept" / "clips.json").unlink()  # and as such a name was written once
    session.log.path.write_text(text.replace("\uefe9", "\\udce9"), encoding="utf-8")
    before = corpora.open(str(session.log.path))
    assert list(before.table["file"]) == list(corpus.table["file"])


@pytest.mark.parametrize("form", ["csv", "label-studio", "audiofolder"])
def test_what_is_exported_comes_back_whole(session, tmp_path, form):
    out = tmp_path / {"csv": "o.csv", "label-studio": "o.json", "audiofolder": "o"}[form]
    log = label_log.load(session.log.path)
    form_to_write(out, form).write(exported(log, session.log.path), out)
    rows = form_to_read(out, form).read(out)
    labels, told = matched(rows, session.clips.clips, emotions=EMOTIONS, at="", source="s")
    assert told == []
    assert {one.utterance: one.emotion for one in labels} == {
        one.utterance: one.emotion for one in log.in_force()
    }


def test_a_list_of_picks_is_text(session, tmp_path):
    table = corpora.open(str(session.log.path)).table
    rows = [
        lists.Listed(str(u), str(f), os.fsdecode(b"/caf\xe9.wav"), None, None, None, "why")
        for u, f in zip(table["utterance"], table["file"], strict=True)
    ]
    lists.as_csv(rows).encode()
    assert "caf%E9.wav" in lists.as_tasks(rows).encode().decode()
