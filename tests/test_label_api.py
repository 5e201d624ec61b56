"""What the page's server takes and refuses: to the letter, once, and in one shape."""

import json

import pytest
from label_fakes import label, said, session_of

from undertone.annotation.log import TakenError
from undertone.corpora import label_log

pytest.importorskip("fastapi", reason="the extra serve is not installed")

GIVEN = {
    **{"id": "id-1234567", "tab": "tab-12345", "clip": 1, "answer": "emotion"},
    **{"shares": {"anger": 2, "sadness": 1}, "arousal": 2, "plays": 1, "seconds": 2.5},
}


@pytest.fixture
def session(tmp_path):
    return session_of(tmp_path)


@pytest.fixture
def client(session):
    from starlette.testclient import TestClient

    from undertone.annotation.running import guarded

    app = guarded(session, None, 8765)
    base = "http://127.0.0.1:8765"
    with TestClient(app, base_url=base, raise_server_exceptions=False) as client:
        yield client


def lines(session) -> int:
    return len(session.log.path.read_bytes().splitlines())


@pytest.mark.parametrize(
    "change",
    [
        {"clip": 2},
        {"shares": {"anger": 1, "sadness": 2}},
        {"shares": {"anger": 1}},
        {"answer": "cannot tell", "shares": {}},
        {"arousal": 3},
        {"valence": 3},
        {"plays": 2},
    ],
    ids=str,
)
def test_a_used_id_with_other_content_is_refused_and_the_same_again_is_not(session, client, change):
    assert client.post("/api/labels", json=GIVEN).json()["new"]
    assert client.post("/api/labels", json=GIVEN).json()["new"] is False
    answer = client.post("/api/labels", json={**GIVEN, **change})
    assert answer.status_code == 409
    assert "id-1234567 is that of another line of labels.jsonl" in answer.json()["error"]
    assert lines(session) == 2
    assert session.counts()["mine"] == 1


def test_the_same_again_is_the_same_after_the_server_was_started_anew(session, client, tmp_path):
    client.post("/api/labels", json=GIVEN)
    anew = session_of(tmp_path, corpus=tmp_path / "speech.csv")
    line = json.loads(session.log.path.read_bytes().splitlines()[-1])
    again = label_log.Label.of(line)
    assert anew.log.label(again) is False


def test_an_id_of_another_kind_of_line_or_rater_is_refused(session, client, tmp_path):
    client.post("/api/labels", json=GIVEN)
    undo = {"tab": "tab-12345", "id": "id-1234567"}
    assert client.post("/api/undo", json=undo).status_code == 409  # it is the label's
    undo["id"] = "undo-12345"
    assert client.post("/api/undo", json=undo).json()["label"]["clip"] == 1
    assert client.post("/api/undo", json=undo).json()["label"]["clip"] == 1  # sent again
    assert client.post("/api/labels", json={**GIVEN, "id": "undo-12345"}).status_code == 409
    bert = session_of(tmp_path, rater="bert", corpus=tmp_path / "speech.csv")
    with pytest.raises(TakenError, match="another line"):
        bert.label("tab", said(1, identity="id-1234567"))
    with pytest.raises(TakenError, match="another rater"):
        bert.undo("tab", "undo-12345")
    assert session.counts()["mine"] == 0
    assert lines(session) == 3


WRONG = [True, "1", 1.5, None, [1], {"a": 1}]


@pytest.mark.parametrize(
    ("path", "field", "values"),
    [
        ("/api/labels", "clip", WRONG),
        ("/api/labels", "plays", WRONG),
        ("/api/labels", "width", WRONG),
        ("/api/labels", "seconds", [True, "1", None]),
        ("/api/labels", "arousal", [True, "2"]),
        ("/api/labels", "shares", [{"anger": True}, {"anger": "1"}, [["anger", 1]], None]),
        ("/api/labels", "id", [12345678, True, None, "\ud800aaaaaaa"]),
        ("/api/labels", "answer", [True, ["emotion"]]),
        ("/api/next", "n", [*WRONG, 0, 6, 10**30]),
        ("/api/next", "have", [[True], ["1"], {"0": 1}, 1, [1.0]]),
        ("/api/state", "have", [[True], [-1], list(range(21))]),
        ("/api/leave", "tab", [True, 123456789, None]),
        ("/api/undo", "id", [True, 123456789, "a b", None]),
        ("/api/undo", "of", [True, 1]),
    ],
)
def test_every_field_is_taken_to_the_letter(session, client, path, field, values):
    usual = {"/api/labels": GIVEN, "/api/undo": {"id": "undo-12345"}}.get(path, {})
    for value in values:
        content = json.dumps({"tab": "tab-12345", **usual, field: value})
        answer = client.post(path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 422, value
        assert field in answer.json()["error"], value
    assert lines(session) == 1


def test_every_refusal_has_one_shape(session, client, monkeypatch):
    as_json = {"content-type": "application/json"}
    found = [
        client.post("/api/labels", content=b"{", headers=as_json),
        client.post("/api/labels", content=b"\xff\xfe", headers=as_json),
        client.post("/api/labels", content=b"[" * 100_000, headers=as_json),
        client.post("/api/labels", content=b"[]", headers=as_json),
        client.post("/api/labels", content=b"", headers=as_json),
        client.post("/api/labels", json={**GIVEN, "more\x1b[31m": 1}),
        client.post("/api/labels", content=json.dumps(GIVEN), headers={"content-type": "a/b"}),
        client.post("/api/labels", content=b"x" * 300_000, headers=as_json),
        client.get("/api/labels"),
        client.get("/nowhere"),
        client.get("/api/clips/99"),
        client.get("/api/clips/1.0"),
        client.get("/api/clips/true"),
        client.get("/api/clips/٣"),
        client.get("/api/clips/" + "9" * 5000),
        client.get("/page/x.py"),
        client.get("/", headers={"host": "evil.example"}),
        client.get("/", headers={"origin": "http://evil.example"}),
    ]
    monkeypatch.setattr(session, "counts", lambda: 1 / 0)
    found.append(client.post("/api/state", json={"tab": "tab-12345"}))
    statuses = [answer.status_code for answer in found]
    assert statuses == [422, 422, 400, *[422] * 4, 413, 405, *[404] * 7, 421, 403, 500]
    for answer in found:
        told = answer.json()
        assert isinstance(told["error"], str), told
        assert told["error"].isprintable()
        assert "detail" not in told
    assert lines(session) == 1


def test_a_page_of_another_session_saves_and_takes_back_nothing(session, client, tmp_path):
    about = client.get("/api/about").json()
    for of in (about["of"], None):
        asked = {"tab": "tab-12345", "of": of}
        assert client.post("/api/state", json=asked).status_code == 200
    others = (
        session_of(tmp_path, rater="bert", corpus=tmp_path / "speech.csv").key,
        session_of(tmp_path / "other").key,
    )
    assert len({about["of"], *others}) == 3
    assert client.post("/api/labels", json={**GIVEN, "of": about["of"]}).json()["new"]
    for of in others:
        asked = {"tab": "tab-12345", "of": of}
        for path, more in (
            ("/api/next", {}),
            ("/api/state", {}),
            ("/api/labels", {**GIVEN, "id": "id-another"}),
            ("/api/undo", {"id": "undo-12345"}),
        ):
            answer = client.post(path, json={**more, **asked})
            assert answer.status_code == 409
            assert "Reload the page" in answer.json()["error"]
    assert lines(session) == 2


def test_a_second_note_on_what_cannot_be_played_is_no_contradiction(session):
    assert session.log.unplayed("a", "it is gone")
    assert session.log.unplayed("a", "it is no sound") is False
    assert session.log.label(label("i-1", "a", anger=1.0))
