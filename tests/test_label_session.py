"""One rater at work: clips that are out, answers, what is taken back, what the server refuses."""

import json
import time
from dataclasses import replace

import pytest
from label_fakes import EMOTIONS, label, recordings, said, session_of, truth_of

from undertone import corpora
from undertone.annotation import clips as of_clips
from undertone.annotation import session as of_session
from undertone.annotation.choosing import AGAIN
from undertone.annotation.clips import clips_of, equal_parts
from undertone.annotation.opening import What, alone, emotions_asked_for, opened, rater_named
from undertone.annotation.raters import compare
from undertone.corpora import label_log
from undertone.errors import UndertoneError

HERE = {"host": "127.0.0.1:8765"}


@pytest.fixture
def session(tmp_path):
    return session_of(tmp_path)


@pytest.fixture
def client(session):
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    from starlette.testclient import TestClient

    from undertone.annotation.running import guarded

    with TestClient(guarded(session, None, 8765), base_url="http://127.0.0.1:8765") as client:
        yield client


def test_two_tabs_never_hold_the_same_clip(session):
    seen = {tab: [] for tab in ("tab-one", "tab-two")}
    for _ in range(2):
        for tab, own in seen.items():
            own += [choice.index for choice in session.next(tab, own, 1)]
    assert len({*seen["tab-one"], *seen["tab-two"]}) == 4


def test_every_clip_comes_once_and_then_none(session):
    heard = []
    while chosen := session.next("tab", (), 1):
        session.label("tab", said(chosen[0].index))
        heard.append(chosen[0].index)
    assert sorted(heard) == list(range(12))


def test_a_tab_that_is_gone_lets_go_of_its_clips(session, monkeypatch):
    held = {choice.index for i in range(4) for choice in session.next(f"tab-{i}", (), 3)}
    assert len(held) == 12
    assert not session.next("tab-new", (), 3)
    session.release("tab-0")
    assert len(session.next("tab-new", (), 3)) == 3
    session.release("tab-1")
    monkeypatch.setattr(of_session, "LEASE_S", -1.0)  # what is leased now runs out at once
    assert session.next("tab-x", (), 3)
    assert len(session.next("tab-y", (), 3)) == 3


def test_an_answer_counts_when_its_lease_has_run_out(session, monkeypatch):
    monkeypatch.setattr(of_session, "LEASE_S", -1.0)
    index = session.next("tab", (), 1)[0].index
    assert session.label("tab", said(index, "sadness"))
    assert session.counts()["mine"] == 1


def test_answers_are_taken_back_as_far_as_they_go(session):
    order = [3, 1, 4, 1, 5]
    for i, clip in enumerate(order):
        session.label("tab", said(clip, EMOTIONS[i % 2]))
    back = []
    while (one := session.undo("tab", f"undo-{len(back)}")) is not None:
        back.append(session.number[one.utterance])
    assert back == order[::-1]
    assert session.counts()["mine"] == 0
    assert session.undo("tab", "undo-2").utterance == session.clips[4].utterance  # sent again
    assert len(label_log.load(session.log.path).undone) == 5


def test_what_is_taken_back_is_leased_to_its_tab(session):
    session.label("tab-one", said(7))
    session.undo("tab-one", "undo-1")
    others = {c.index for i in range(5) for c in session.next(f"tab-{i}", (), 3)}
    assert others == set(range(12)) - {7}


def test_a_second_rater_is_blind_and_hears_some_clips_again(tmp_path):
    first = session_of(tmp_path)
    for clip in range(8):
        first.label("tab", said(clip, truth_of(first.clips[clip].utterance)))
    second = session_of(tmp_path, rater="bert", corpus=tmp_path / "speech.csv")
    heard, again = [], 0
    while chosen := second.next("tab", (), 1):
        assert chosen[0].why != AGAIN or chosen[0].index < 8
        again += chosen[0].index < 8
        heard.append(chosen[0].index)
        second.label("tab", said(chosen[0].index, "anger"))
    assert sorted(heard) == list(range(12))
    assert again == 8
    assert set(heard[:4]) != set(range(4))  # not in the order of the first
    raters = first.raters()
    assert raters.names == ("anna", "bert")
    assert raters.agreements["emotions"].n_units == 8
    assert len(raters.disputed) == 4


def test_agreement_counts_each_rater_once_and_lists_the_most_disputed_first():
    labels = [
        label("1", "a", rater="x", anger=1),
        label("2", "a", rater="y", sadness=1),
        label("3", "b", rater="x", anger=1),
        label("4", "b", rater="y", sadness=1),
        label("5", "b", rater="z", anger=1),
        label("6", "c", rater="x", anger=1),
        label("7", "c", rater="y", anger=1),
    ]
    raters = compare(labels, {"a": "s1", "b": "s2", "c": None})
    assert [case.utterance for case in raters.disputed] == ["a", "b"]
    assert any("alpha of emotions" in line for line in raters.lines())


def test_a_clip_that_cannot_be_played_is_noted_once_and_not_chosen_again(session):
    session.clips[2].file.unlink()
    session.clips[5].file.write_bytes(b"RIFF nothing")
    for index in (2, 5, 2):
        with pytest.raises(UndertoneError):
            session.wav(index)
    log = label_log.load(session.log.path)
    assert set(log.unplayed) == {session.clips[2].utterance, session.clips[5].utterance}
    assert session.counts()["unplayed"] == 2
    chosen = {c.index for i in range(6) for c in session.next(f"tab-{i}", (), 3)}
    assert chosen == set(range(12)) - {2, 5}


def test_an_answer_to_audio_that_vanished_after_it_was_heard_is_kept(session):
    session.wav(1)
    digest = session.sounds.digest(session.clips[1])
    session.clips[1].file.unlink()
    assert session.label("tab", said(1))
    assert label_log.load(session.log.path).in_force()[0].heard["digest"] == digest


def test_a_line_tells_who_when_what_was_heard_and_what_was_shown(session, client):
    clip = client.post("/api/next", json={"tab": "tab-12345", "n": 1}).json()["clips"][0]
    sent = {
        **{"id": "id-1234567", "tab": "tab-12345", "clip": clip["clip"], "answer": "emotion"},
        **{"shares": {"anger": 2, "sadness": 1}, "arousal": 4.5, "plays": 3, "seconds": 2.25},
    }
    for new in (True, False):  # an answer that was lost on its way is sent again
        assert client.post("/api/labels", json=sent).json()["new"] is new
    line = json.loads(session.log.path.read_bytes().splitlines()[-1])
    assert line["rater"] == "anna"
    assert line["at"].endswith("Z")
    assert line["heard"]["digest"].startswith("sha256:")
    assert line["heard"]["file"].startswith("Größe 1/")
    assert (line["emotion"], line["arousal"]) == ("anger", 4.5)
    assert line["shares"]["anger"] == pytest.approx(2 / 3)
    assert (line["shown"]["why"], line["shown"]["plays"]) == (clip["why"], 3)
    assert line["shown"]["emotions"] == list(EMOTIONS)


@pytest.mark.parametrize(
    "change",
    [
        {"clip": 99},
        {"clip": -1},
        {"answer": "perhaps"},
        {"shares": {}},
        {"shares": {"wonder": 1}},
        {"shares": {"anger": -1}},
        {"shares": {"anger": 0}},
        {"answer": "not speech"},
        {"arousal": 9},
        {"id": "../../etc"},
        {"id": ""},
        {"more": 1},
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(session, client, change):
    sent = {"id": "id-1234567", "tab": "tab-12345", "clip": 0, "answer": "emotion"}
    answer = client.post("/api/labels", json={**sent, "shares": {"anger": 1}, **change})
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert len(session.log.path.read_bytes().splitlines()) == 1


def test_no_number_is_refused_without_a_fault(client):
    content = '{"id": "id-1234567", "tab": "tab-12345", "clip": 0, "answer": "emotion", "shares": '
    for shares in ('{"anger": NaN}', '{"anger": 1e999}', "[" * 9_999):
        answer = client.post(
            "/api/labels",
            content=content + shares + "}",
            headers={"content-type": "application/json"},
        )
        assert answer.status_code in (400, 422)


def test_other_pages_and_other_names_are_kept_out(client):
    from undertone.annotation.running import MOST_BYTES

    assert client.get("/", headers={"host": "evil.example:8765"}).status_code == 421
    assert client.get("/", headers={"host": "127.0.0.1"}).status_code == 421
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
    ):
        assert (
            client.post("/api/next", json={"tab": "tab-12345"}, headers=headers).status_code == 403
        )
    own = {"origin": "http://localhost:8765", "host": "localhost:8765"}
    assert client.post("/api/next", json={"tab": "tab-12345"}, headers=own).status_code == 200
    assert client.post("/api/next", content=b"x" * (MOST_BYTES + 1)).status_code == 413
    longer = (b"x" * 1000 for _ in range(MOST_BYTES // 1000 + 1))  # of no announced length
    assert client.post("/api/next", content=longer).status_code in (400, 422)
    assert "default-src 'none'" in client.get("/").headers["content-security-policy"]


def test_sound_is_asked_for_by_number_alone(client):
    answer = client.get("/api/clips/0")
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.content[:4] == b"RIFF"
    for path in (
        "/api/clips/99",
        "/api/clips/-1",
        "/api/clips/..%2f..%2fetc%2fpasswd",
        "/page/x.py",
    ):
        assert client.get(path).status_code in (404, 422)


def test_a_full_disk_is_told_to_the_page(session, client, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    sent = {"id": "id-1234567", "tab": "tab-12345", "clip": 0, "answer": "cannot tell"}
    answer = client.post("/api/labels", json=sent)
    assert answer.status_code == 503
    assert "was not saved" in answer.json()["error"]
    monkeypatch.undo()
    assert client.post("/api/labels", json=sent).json()["new"]


def test_the_page_tells_a_rater_nothing_of_what_others_heard(tmp_path, session, client):
    session.log.label(label("b-1", session.clips[0].utterance, rater="bert", sadness=1.0))
    session.log.label(label("b-2", session.clips[1].utterance, rater="bert", sadness=1.0))
    session.label("tab", said(0, "anger"))
    told = client.post("/api/state", json={"tab": "tab-12345"}).json()
    assert told["raters"]["n_disputed"] == 1
    assert set(told["raters"]["disputed"][0]) == {"name", "raters"}
    assert session.clips[1].utterance not in json.dumps(told)


def test_long_recordings_come_as_stretches_of_speech(tmp_path, monkeypatch):
    table = recordings(tmp_path, n_speakers=1, each=2)
    monkeypatch.setattr(of_clips, "LONG_S", 0.3)
    monkeypatch.setattr(of_clips, "MOST_S", 0.2)
    found = [of_clips.speech.Stretch(0.05, 0.3)]
    monkeypatch.setattr(of_clips.speech, "find_speech", lambda *_: found)
    log = tmp_path / "l.jsonl"
    clips = clips_of(corpora.open(str(table)), log, emotions=EMOTIONS, detector="energy")
    assert [(clip.start_s, clip.end_s) for clip in clips.clips[:2]] == [(0.05, 0.175), (0.175, 0.3)]
    assert len(clips) == 4
    monkeypatch.setattr(of_clips.speech, "find_speech", None)  # what was found is kept
    assert len(clips_of(corpora.open(str(table)), log, emotions=EMOTIONS, detector="energy")) == 4
    parts = equal_parts(1.0, 2.0)
    assert parts[0][0] == 1.0
    assert parts[-1][1] == pytest.approx(2.0)


def test_nobody_speaks_and_nothing_is_left(tmp_path, monkeypatch):
    table = recordings(tmp_path, n_speakers=1, each=2)
    monkeypatch.setattr(of_clips, "LONG_S", 0.1)
    monkeypatch.setattr(of_clips.speech, "find_speech", lambda *_: [])
    with pytest.raises(UndertoneError, match="nobody speaks"):
        clips_of(corpora.open(str(table)), tmp_path / "l.jsonl", emotions=EMOTIONS)


def test_labels_that_were_there_count_and_others_are_left_out(tmp_path):
    table = recordings(tmp_path, labelled=True)
    text = table.read_text().replace("s0,anger", "s0,boredom").replace("s1,sadness", "s1,")
    table.write_text(text)
    found = opened(What(tmp_path / "l.jsonl", str(table), EMOTIONS))
    assert len(found.clips) == 10
    assert any("2 boredom" in line for line in found.told)
    session = session_of(tmp_path, corpus=table)
    assert session.counts()["given"] == 8
    heard = {c.index for i in range(4) for c in session.next(f"tab-{i}", (), 3)}
    assert {session.clips[i].emotion for i in heard} == {None}


def test_the_log_of_another_corpus_is_refused_before_anything_is_written(tmp_path):
    session = session_of(tmp_path)
    session.label("tab", said(0))
    other = recordings(tmp_path / "other", n_speakers=1)
    other.write_text(other.read_text().replace("s0 ", "t0 "))
    for file in (tmp_path / "other" / "Größe 1").iterdir():
        file.rename(file.with_name(file.name.replace("s0", "t0")))
    before = (tmp_path / "labels.kept" / "clips.json").read_bytes()
    with pytest.raises(UndertoneError, match="log of another corpus"):
        opened(What(session.log.path, str(other), EMOTIONS))
    assert (tmp_path / "labels.kept" / "clips.json").read_bytes() == before


def test_other_audio_under_the_same_names_is_refused(tmp_path):
    session = session_of(tmp_path)
    for clip in (0, 1):
        session.label("tab", said(clip))
    session.clips[0].file.write_bytes(session.clips[3].file.read_bytes())
    told = opened(What(session.log.path, str(tmp_path / "speech.csv"), EMOTIONS)).told
    assert any("were changed after" in line for line in told)
    session.clips[1].file.write_bytes(session.clips[3].file.read_bytes())
    for one in session.log.refresh().in_force():  # imported ones tell no digest
        heard = {k: v for k, v in one.heard.items() if k != "digest"}
        session.log.label(replace(one, id=f"{one.id}-imported", heard=heard))
    with pytest.raises(UndertoneError, match="other recordings of the same names"):
        opened(What(session.log.path, str(tmp_path / "speech.csv"), EMOTIONS))


def test_a_log_goes_on_without_its_corpus_being_named(tmp_path):
    session = session_of(tmp_path)
    found = opened(What(session.log.path))
    assert found.emotions == EMOTIONS
    assert len(found.clips) == 12
    with pytest.raises(UndertoneError, match="Name them, as --emotions"):
        opened(What(tmp_path / "new.jsonl"))
    with pytest.raises(UndertoneError, match="what is to be labelled"):
        opened(What(tmp_path / "new.jsonl", "", EMOTIONS))


def test_emotions_and_raters_are_checked():
    assert emotions_asked_for(["Angry", "sad", "anger"]) == ("anger", "sadness")
    with pytest.raises(UndertoneError, match="--emotions takes 2 to 9"):
        emotions_asked_for(list("qwertzuiop"))
    for names in (["anger"], [], ["anger", "unknown"], ["arousal", "anger"], ["a|b", "anger"]):
        with pytest.raises(UndertoneError, match="--emotions"):
            emotions_asked_for(names)
    assert rater_named(" Änna ") == "Änna"
    for name in ("", "corpus", "x" * 99):
        with pytest.raises(UndertoneError, match="--rater"):
            rater_named(name)


def test_a_rater_is_at_work_in_one_process(tmp_path):
    with (
        alone(tmp_path / "l.jsonl", "ä/b"),
        alone(tmp_path / "l.jsonl", "other"),
        pytest.raises(UndertoneError, match="at work on"),
        alone(tmp_path / "l.jsonl", "ä/b"),
    ):
        pass
    with alone(tmp_path / "l.jsonl", "ä/b"):
        pass


def test_what_the_model_guesses_is_told_after_the_answer_alone(session, client, monkeypatch):
    reason = "between sadness and anger (.31, .29)"
    monkeypatch.setattr(session.chooser, "take", lambda *_: [of_session.Choice(3, reason)])
    clip = client.post("/api/next", json={"tab": "tab-12345", "n": 1}).json()["clips"][0]
    assert clip == {"clip": 3, "why": of_session.UNSURE}
    sent = {"id": "id-1234567", "tab": "tab-12345", "clip": 3, "answer": "cannot tell"}
    assert client.post("/api/labels", json=sent).json()["why"] == reason
    shown = label_log.load(session.log.path).in_force()[0].shown
    assert (shown["why"], shown["reason"]) == (of_session.UNSURE, reason)


def test_vectors_make_the_strategy_choose(tmp_path):
    import numpy as np

    session = session_of(tmp_path)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(12, 6))
    vectors[4] = np.nan  # one whose frames could not be computed
    session.chooser.hear(vectors)
    deadline = time.monotonic() + 20
    while not session.chooser._queue and time.monotonic() < deadline:
        time.sleep(0.01)
    why = [choice.why for choice in session.next("tab", (), 3)]
    assert len(why) == 3
    assert not any("drawn at random" in one for one in why)
