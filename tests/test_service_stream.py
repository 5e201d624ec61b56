"""Streams over a real WebSocket: every step an answer, bad input told, nobody waits for ever."""

import contextlib
import json
import time

import httpx
import numpy as np
import pytest
from service_fakes import as_file, noise, served, speech
from serving_fakes import RATE, listener
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

DEADLY_HZ = 400


@pytest.fixture(scope="module")
def one():
    with served(listener(DEADLY_HZ), max_streams=2, idle_s=1, stream_s=20) as service:
        yield service


@contextlib.contextmanager
def opened(one, first=None):
    with connect(one.stream, max_size=None) as stream:
        stream.send(json.dumps({"rate": RATE} if first is None else first))
        yield stream


def told(stream) -> list[dict]:
    """Everything until the end."""
    messages = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(stream.recv(timeout=30)))
    return messages


def all_of(one, samples: np.ndarray, rate: int = RATE, piece: int = 4001) -> list[dict]:
    with opened(one, {"rate": rate}) as stream:
        for at in range(0, len(samples), piece):
            stream.send(samples[at : at + piece].tobytes())
        stream.send(json.dumps({"end": True}))
        return told(stream)


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_streamed_answers_equal_those_of_the_same_window_given_whole(one, rate):
    samples = np.concatenate([noise(1, rate), speech(2.1, 120, rate), speech(2, 260, rate)])
    ready, *rows, done = all_of(one, samples, rate)
    assert ready == {"ready": True, "rate": rate, "window": 4.0, "every": 0.25}
    assert [row["time"] for row in rows[:-1]] == pytest.approx(np.arange(1, 21) * 0.25, abs=1e-4)
    assert rows[-1]["time"] == pytest.approx(5.1)
    assert done == {"done": True, "seconds": rows[-1]["time"], "answers": 21, "skipped": 0}
    judged = [row for row in rows if row.get("emotion")]
    assert len(judged) > 10
    for row in judged[::5]:
        cut = samples[round(row["start"] * rate) : round(row["end"] * rate)]
        files = {"file": ("w.wav", as_file(cut, rate))}
        whole = httpx.post(f"{one.url}/predict", files=files, timeout=30).json()
        del whole["file"]
        shared = {name: row[name] for name in whole}
        assert shared == pytest.approx(whole, abs=1e-6, nan_ok=False) or shared == whole


def test_a_live_stream_leaves_out_what_comes_late_and_counts_it(one):
    with opened(one, {"rate": RATE, "live": True}) as stream:
        stream.send(np.tile(speech(4), 5).tobytes())  # twenty seconds at once
        stream.send(json.dumps({"end": True}))
        ready, *rows, done = told(stream)
    assert done["seconds"] == 20
    assert done["answers"] == len(rows) < 80
    assert done["answers"] + done["skipped"] == 80
    assert rows[-1]["time"] == 20
    assert ready["ready"]


FIRSTS = {
    "hello": "the first message is text",
    "[16000]": "the first message is text",
    '{"rate": 0}': "whole Hz from 8000",
    '{"rate": -1}': "whole Hz from 8000",
    '{"rate": 1e999}': "whole Hz from 8000",
    '{"rate": NaN}': "whole Hz from 8000",
    '{"rate": true}': "whole Hz from 8000",
    '{"rate": 999999999999999999999}': "whole Hz from 8000",
    '{"rate": "16000"}': "whole Hz from 8000",
    "{}": "whole Hz from 8000",
    '{"rate": 16000, "channels": 2}': "found channels",
    '{"rate": 16000, "live": "yes"}': "live is true or false",
    "[" * 100_000: "the first message is text",
}


@pytest.mark.parametrize("first", FIRSTS, ids=lambda first: first[:20])
def test_a_first_message_that_is_none_is_told(one, first):
    with connect(one.stream) as stream:
        stream.send(first)
        (message,) = told(stream)
    assert message["status"] == 422
    assert FIRSTS[first] in message["error"]
    assert stream.close_code == 1003


@pytest.mark.parametrize(
    ("message", "expected"),
    [(b"abc", "found 3 bytes"), ("hello", "the text 'hello'"), ('{"end": 1}', "the text")],
)
def test_what_is_no_samples_is_told(one, message, expected):
    with opened(one) as stream:
        stream.send(message)
        ready, error = told(stream)
    assert ready["ready"]
    assert expected in error["error"]


def test_samples_before_a_rate_are_told(one):
    with connect(one.stream) as stream:
        stream.send(bytes(100))
        (message,) = told(stream)
    assert "found 100 bytes" in message["error"]


def test_a_message_that_is_too_large_ends_the_stream_alone(one):
    with opened(one) as stream:
        with contextlib.suppress(ConnectionClosed):
            stream.send(bytes(2 << 20))
        told(stream)
        assert stream.close_code == 1009
    assert all_of(one, noise(0.5))[-1]["answers"] == 2


def test_an_empty_stream_ends_well(one):
    assert all_of(one, noise(0))[-1] == {
        "done": True, "seconds": 0, "answers": 0, "skipped": 0,
    }  # fmt: skip


def test_who_sends_nothing_is_cut(one):
    with opened(one) as stream:
        *_, error = told(stream)
    assert (error["status"], "nothing came for 1 s" in error["error"]) == (408, True)


def test_the_third_of_two_is_told_to_come_again(one):
    with opened(one) as first, opened(one) as second:
        for stream in (first, second):
            assert json.loads(stream.recv(timeout=30))["ready"]
        with connect(one.stream) as third:
            (message,) = told(third)
        assert (message["status"], message["retry_after"]) == (503, 1)
        assert third.close_code == 1013
    deadline = time.monotonic() + 5
    while one.service.admission.n_streams and time.monotonic() < deadline:
        time.sleep(0.02)
    assert all_of(one, noise(0.3))[-1]["done"]


def test_a_cut_connection_leaves_nothing_behind(one):
    for _ in range(5):
        with contextlib.suppress(ConnectionClosed, EOFError, OSError), opened(one) as stream:
            stream.send(speech(2).tobytes())
            stream.socket.close()
    deadline = time.monotonic() + 10
    while one.service.admission.n_streams and time.monotonic() < deadline:
        time.sleep(0.05)
    assert one.service.admission.n_streams == 0
    assert all_of(one, noise(0.3))[-1]["done"]


def test_a_page_of_a_stranger_gets_no_stream(one):
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        with (
            pytest.raises(InvalidStatus, match="403"),
            connect(one.stream, additional_headers=headers),
        ):
            pass
    with connect(one.stream, additional_headers={"Origin": one.url}) as stream:
        stream.send("{}")
        assert told(stream)


def test_a_process_that_dies_costs_a_stream_nothing_but_time(one):
    with opened(one) as stream:
        stream.send(speech(1).tobytes())
        for _ in range(5):
            json.loads(stream.recv(timeout=30))
        next(iter(one.service.pool._at_work.values())).process.kill()
        stream.send(speech(1).tobytes())
        stream.send(json.dumps({"end": True}))
        *rows, done = told(stream)
    assert [row["time"] for row in rows] == [1.25, 1.5, 1.75, 2.0]
    assert done["answers"] == 8


def test_a_moment_that_kills_two_processes_ends_its_stream(one):
    with opened(one) as stream:
        stream.send(speech(2, 460).tobytes())
        *_, error = told(stream)
    assert (error["status"], "died" in error["error"]) == (503, True)
    assert all_of(one, noise(0.3))[-1]["done"]


def test_a_stream_keeps_to_its_process_and_leaves_one_to_recordings():
    from types import SimpleNamespace

    from undertone.serving.live import Marks, Moment
    from undertone.serving.service.jobs import OneAnswer
    from undertone.serving.service.workers import Workers

    def asked(job) -> SimpleNamespace:
        return SimpleNamespace(job=job, answer=SimpleNamespace(done=lambda: False))

    n_streams = [0]
    workers = Workers(None, "m", 2, 1.0, lambda: n_streams[0])
    moment = asked(Moment(noise(1), RATE, RATE, Marks(), "energy", "a"))
    files = [asked(OneAnswer("x", "x", 1)), asked(OneAnswer("y", "y", 1))]
    workers._files.extend(files)
    workers._moments.append(moment)
    assert workers._found(0) is workers._found(1) is moment  # nobody knows the stream
    workers._heard["a"] = 1
    assert workers._found(1) is moment
    assert workers._found(0) is files[0]
    workers._busy.add(1)
    assert workers._found(0) is moment  # who heard it before is at work
    workers._moments.clear()
    workers._n_files = 1
    assert workers._found(0) is files[0]
    n_streams[0] = 1
    assert workers._found(0) is None  # one process is kept for streams
    files[0].answer.done = lambda: True  # who asked is gone
    workers._n_files = 0
    assert workers._found(0) is files[1]


def test_a_moment_that_cannot_be_judged_is_told(monkeypatch):
    from undertone.errors import UndertoneError
    from undertone.serving.live import Marks, Moment
    from undertone.serving.service import jobs

    moment = Moment(noise(1), RATE, RATE, Marks(), "energy")
    for error, status in ((UndertoneError("no detector"), 422), (ZeroDivisionError("x"), 500)):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(jobs, "answer", fail)
        outcome = jobs.done(None, moment, model="m")
        assert (outcome.status, outcome.marks) == (status, None)
        assert str(error) in outcome.body["error"]
