"""The service gives the answers of the package, and refuses what it should, over real HTTP."""

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
import soundfile
from service_fakes import as_file, noise, served, speech
from serving_fakes import EMOTIONS, RATE, listener
from slow_fakes import slow_listener

from undertone.serving.predict import predict
from undertone.serving.service.admission import Admission
from undertone.serving.service.card_page import card_page
from undertone.serving.service.limits import Limits
from undertone.serving.service.refusals import Refusal
from undertone.serving.timeline import WindowConfig, timeline
from undertone.serving.timeline.listening import Where
from undertone.web.guard import Terms, why_not

DEADLY_HZ = 400
TWO_VOICES = np.concatenate([noise(1), speech(5, 110), noise(2), speech(5, 260)])


@pytest.fixture(scope="module")
def one():
    """A service with two processes."""
    with served(listener(DEADLY_HZ), workers=2, max_mb=1.0, max_seconds=30) as service:
        yield service


@pytest.fixture
def client(one):
    with httpx.Client(base_url=one.url, timeout=30) as client:
        yield client


def send(client: httpx.Client, content: bytes, where: str = "/predict", name: str = "a.wav"):
    return client.post(where, files={"file": (name, content)})


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_a_row_equals_that_of_predict(client, tmp_path, kind):
    content = as_file(speech(2), kind=kind)
    (tmp_path / "a b ü.wav").write_bytes(content)
    (expected,) = predict(listener(), [tmp_path / "a b ü.wav"])
    of_a_form = send(client, content, name="a b ü.wav")
    assert of_a_form.status_code == 200
    assert of_a_form.json() == {**expected.to_dict(), "file": "a b ü.wav"}
    headers = {"content-type": "audio/wav"}
    of_a_body = client.post("/predict?name=a.wav", content=content, headers=headers)
    assert of_a_body.json() == {**expected.to_dict(), "file": "a.wav"}


def test_a_channel_can_be_asked_for(client, tmp_path):
    both = np.stack([speech(2, 110), speech(2, 260)], axis=1)
    soundfile.write(tmp_path / "two.wav", both, RATE)
    content = (tmp_path / "two.wav").read_bytes()
    for channel in ("1", "2", "mix"):
        (expected,) = predict(listener(), [tmp_path / "two.wav"], channel=channel)
        answer = send(client, content, f"/predict?channel={channel}", "two.wav")
        assert answer.json() == {**expected.to_dict(), "file": "two.wav"}
    for channel in ("3", "each", "left", "0"):
        answer = send(client, content, f"/predict?channel={channel}")
        assert answer.status_code == 422, channel
        assert "channel" in answer.json()["error"]


def test_a_timeline_equals_that_of_the_package(client, tmp_path):
    soundfile.write(tmp_path / "call.wav", TWO_VOICES, RATE)
    where = Where(detector="energy")
    expected = timeline(
        listener(), tmp_path / "call.wav", settings=WindowConfig(2, 0.5), where=where
    )
    asked = "/timeline?window=2&hop=0.5&detector=energy"
    answer = send(client, (tmp_path / "call.wav").read_bytes(), asked, "call.wav")
    assert answer.status_code == 200
    told = answer.json()
    assert told["rows"] == [{**row, "file": "call.wav"} for row in expected.rows()]
    assert [spell[2] for spell in told["drawn"]["tracks"][0]["spells"]] == ["fear", "anger"]
    assert str(tmp_path) not in answer.text
    assert "/proc/" not in answer.text


def test_where_nobody_speaks_a_timeline_says_so(client):
    tone = np.round(3000 * np.sin(np.arange(3 * RATE) / 5)).astype(np.int16)
    answer = send(client, as_file(tone), "/timeline?detector=energy", "tone.wav")
    assert answer.status_code == 422
    assert answer.json()["kind"] == "no speech"
    assert "tone.wav" in answer.json()["error"]


@pytest.mark.parametrize("asked", ["window=nan", "window=0", "hop=9&window=2", "detector=x"])
def test_a_setting_that_cannot_be_is_told(client, asked):
    answer = send(client, as_file(speech(1)), f"/timeline?{asked}")
    assert answer.status_code == 422
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("/predict?window=2", "window"),
        ("/timeline?windows=2", "windows"),
        ("/timeline?window=2&window=3", "window"),
    ],
)
def test_a_setting_that_is_not_there_is_refused(client, asked, said):
    answer = send(client, as_file(speech(1)), asked)
    assert answer.status_code == 422
    assert re.search(rf"each once; found {said}$", answer.json()["error"])


def test_terms_are_those_of_predict(client, tmp_path):
    (tmp_path / "a.wav").write_bytes(as_file(speech(2)))
    asked = "min_probability=0.999"
    (expected,) = predict(listener(), [tmp_path / "a.wav"], min_probability=0.999)
    answer = send(client, as_file(speech(2)), f"/predict?{asked}")
    assert answer.json() == {**expected.to_dict(), "file": "a.wav"}
    assert answer.json()["doubt"] == "unsure"
    over_time = send(client, as_file(speech(2)), f"/timeline?{asked}").json()
    assert {row["emotion"] for row in over_time["rows"]} == {None}
    refused = send(client, as_file(speech(2)), "/predict?coverage=3")
    assert refused.status_code == 422
    assert "coverage" in refused.json()["error"]


def test_what_is_no_sound_is_415(client):
    for content in (b"hello, this is a text\n" * 50, b"PK\x03\x04" + bytes(999), b"%PDF-1.7\n"):
        answer = send(client, content, name="a b.wav")
        assert answer.status_code == 415, answer.text
        assert "a b.wav" in answer.json()["error"]
        assert "/proc/" not in answer.text
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        answer = client.post("/predict", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415
        assert "curl --form file=@my.wav" in answer.json()["error"]


def test_sound_that_cannot_be_used_is_422(client):
    whole = as_file(speech(2))
    silent, short = np.zeros(RATE, np.int16), speech(0.05)
    nan = np.full(RATE, np.nan, np.float32)
    import io

    file = io.BytesIO()
    soundfile.write(file, nan, RATE, format="WAV", subtype="FLOAT")
    cut = whole[: len(whole) // 2]
    for content in (b"", cut, whole[:30], as_file(silent), as_file(short), file.getvalue()):
        answer = send(client, content)
        assert answer.status_code == 422, answer.text
        assert "Traceback" not in answer.text
    no_file = client.post("/predict", data={"a": "b"}, files={"x": ("", b"")})
    assert no_file.status_code in (415, 422)
    broken = {"content-type": "multipart/form-data"}
    assert client.post("/predict", content=b"x", headers=broken).status_code == 422
    assert client.post("/predict", content=b"", headers={}).status_code == 422


def test_what_is_too_large_is_413(client):
    long = as_file(np.zeros(31 * RATE, np.int16), kind="FLAC")
    assert len(long) < 100_000
    answer = send(client, long)
    assert (answer.status_code, "more than 30 s" in answer.text) == (413, True)
    headers = {"content-type": "audio/wav"}
    announced = client.post("/predict", content=bytes(1_000_001), headers=headers)
    assert (announced.status_code, "more than 1 MB" in announced.text) == (413, True)

    def endless():
        while True:
            yield bytes(1 << 16)

    try:
        chunked = client.post("/predict", content=endless(), headers=headers)
        assert chunked.status_code == 413
    except httpx.TransportError:
        pass  # it was cut while it was still sending
    assert send(client, as_file(speech(1))).status_code == 200


def test_a_recording_that_kills_its_process_costs_itself_alone(one, client):
    """It kills two; the others that are asked for meanwhile are answered."""
    good, deadly = as_file(speech(1, 150)), as_file(speech(1, 460))
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(send, client, good if i else deadly) for i in range(6)]
        found = [answer.result() for answer in answers]
    assert [a.status_code for a in found] == [422, 200, 200, 200, 200, 200]
    assert found[0].json()["kind"] == "deadly"
    assert client.get("/health").json()["workers"]["died"] == 2
    assert send(client, good).status_code == 200


def test_a_killed_process_is_replaced_and_its_request_done_again(one, client):
    content = as_file(np.tile(speech(3), 9))
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(send, client, content) for _ in range(4)]
        time.sleep(0.05)
        next(iter(one.service.pool._at_work.values())).process.kill()
        assert [answer.result().status_code for answer in answers] == [200] * 4
    assert comes_true(lambda: client.get("/health").json()["workers"]["alive"] == 2)


def comes_true(holds, seconds=60):
    """Whether it does within so many seconds: a process takes a while to begin."""
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)
    return holds()


def test_a_process_that_is_killed_without_work_is_replaced_by_itself(one, client):
    pool = one.service.pool
    killed = next(iter(pool._at_work.values()))
    killed.process.kill()
    deadline = time.monotonic() + 30
    while killed in pool._at_work.values() or pool.n_alive < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.get("/health").json()["workers"]["alive"] == 2


def test_what_is_too_much_is_told_at_once():
    """Six of eight may ask in a minute, and two at once; work that takes long is stopped."""
    limits = {"max_requests": 2, "max_per_minute": 6, "work_s": 3}
    with served(slow_listener(), **limits) as full:

        def ask(_: object = None, content: bytes = as_file(speech(0.5))):
            return httpx.post(f"{full.url}/predict", files={"file": ("a.wav", content)}, timeout=60)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
        by_status = {answer.status_code: answer for answer in answers}
        assert by_status.keys() == {200, 429, 503}
        for status, option in ((429, "--max-per-minute"), (503, "--max-requests")):
            assert option in by_status[status].json()["error"]
            assert int(by_status[status].headers["retry-after"]) >= 1
        full.service.admission._buckets.clear()
        answer = ask(content=as_file(speech(0.5, 400)))
        assert answer.status_code == 503
        assert "took more than 3 s" in answer.json()["error"]
        assert ask().status_code == 200


def test_fifty_clients_at_once_lose_nothing(one):
    """Each gets its own answer; there is room for 64."""
    heights = np.linspace(100, 300, 50)
    contents = [as_file(speech(0.6, height)) for height in heights]
    gate = threading.Barrier(50)

    def ask(content: bytes) -> httpx.Response:
        with httpx.Client(timeout=60) as client:
            gate.wait()
            return client.post(f"{one.url}/predict", files={"file": ("a.wav", content)})

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, contents))
    assert {answer.status_code for answer in answers} == {200}
    sure = [answer.json()["p_anger"] for answer in answers]
    assert sure[0] < 0.4 < 0.55 < sure[-1]
    assert np.corrcoef(sure, heights)[0, 1] > 0.95


def test_places_are_given_back_and_tokens_grow_again():
    now = [0.0]
    admission = Admission(Limits(max_requests=1, max_per_minute=2), lambda: now[0])
    with admission.request():
        for full in (admission.request().__enter__, lambda: admission.check("a")):
            with pytest.raises(Refusal) as refused:
                full()
            assert refused.value.status == 503
    admission.check("a")
    with pytest.raises(Refusal) as refused:
        admission.check("a")
    assert (refused.value.status, refused.value.retry_s) == (429, 30.0)
    admission.check("b")
    now[0] = 30.0
    admission.check("a")
    with admission.request():
        assert admission.n_requests == 1
    assert admission.n_requests == 0


@pytest.mark.parametrize(
    ("host", "origin", "is_let_in"),
    [
        ("127.0.0.1:80", None, True),
        ("[::1]:80", "http://[::1]:80", True),
        ("LOCALHOST:1", "http://localhost:1", True),
        ("speech.example:8", "http://speech.example:8", True),
        ("evil.example", None, False),
        ("evil.localhost.example", None, False),
        ("localhost:1", "http://localhost:2", False),
        ("localhost:1", "http://evil.example", False),
        ("localhost:1", "null", False),
        ("localhost:1", "http://localhost:1/", False),
        ("localhost:1", "http://user@localhost:1", False),
        ("localhost:1", "file://localhost:1", False),
        ("user@localhost:1", None, False),
        ("", None, False),
    ],
)
def test_no_page_of_a_stranger_is_let_in(host, origin, is_let_in):
    headers = [(b"host", host.encode())]
    headers += [] if origin is None else [(b"origin", origin.encode())]
    terms = Terms({"speech.example"})
    assert (why_not(headers, terms) is None) == is_let_in
    assert why_not([*headers, (b"host", b"localhost")], terms)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/health"), ("POST", "/predict"), ("GET", "/docs")]
)
def test_every_address_has_its_guard(client, method, path):
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == 403
        assert "evil.example" in answer.json()["error"]


def test_what_is_not_there_is_told_as_json(client):
    answer = client.get("/nowhere")
    assert (answer.status_code, answer.json()["status"]) == (404, 404)
    assert client.get("/predict").status_code == 405
    assert client.get("/assets/..%2Fapp.py").status_code == 404


def test_the_pages_need_nothing_from_elsewhere(client):
    for path in ("/", "/docs", "/assets/page.css", "/assets/page.js", "/assets/capture.js"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not re.search(r"(src|href|import|url|fetch)\W{1,3}(https?:)?//", answer.text), path
    docs = client.get("/docs").text
    assert not re.search(r"<td>(None|False|True)</td>", docs)  # as Python alone spells it
    assert docs.count("<td>false</td>") >= 2
    described = client.get("/openapi.json").json()
    for address in described["paths"]:
        assert address in docs
    for status in ("413", "415", "422", "429", "503"):
        assert f"<dt>{status}</dt>" in docs
        assert status in described["paths"]["/predict"]["post"]["responses"]


def test_it_says_what_model_answers(client):
    about = client.get("/about").json()
    assert (about["model"], about["outputs"]) == ("fake", list(EMOTIONS))
    assert "nobody knows" in about["promise"]
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert json.dumps(health)
    card = client.get("/card")
    assert card.headers["content-type"].startswith("text/html")
    assert "<title>Card of fake · Undertone</title>" in card.text


def test_a_card_is_a_page_that_no_card_can_write():
    card = (
        "# A *<script>* {title} `m`\n\nTold\nby **me** of a\\|b \\<i\\>.\n\n"
        "* one\n  more\n* two\n\n"
        "| | of |\n|---|:---:|\n| a\\|b | <img src=x> |\n\n    run <x>\n\n```\n# no heading\n```\n"
    )
    page = card_page(card, "<b>")
    for evil in ("<script>*", "<img", "<x>", "<i>", "of <b>"):
        assert evil not in page
    assert "<title>A *&lt;script&gt;* {title} m · Undertone</title>" in page
    assert "<p>Told by <strong>me</strong> of a|b &lt;i&gt;.</p>" in page
    assert "<li>one more</li><li>two</li>" in page
    assert "<th></th><th>of</th>" in page
    assert "<td>a|b</td><td>&lt;img src=x&gt;</td>" in page
    assert "<code># no heading</code>" in page
