"""Clients that are slow, cut, endless or malformed cost nobody else an answer."""

import contextlib
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from service_fakes import as_file, served, speech

PATIENCE_S = 15


@pytest.fixture(scope="module")
def one():
    limits = {"head_s": 2, "upload_s": 2, "max_mb": 1, "max_connections": 30}
    with served(**limits) as service:
        yield service


def raw(one, *pieces: bytes, wait_s: float = 0.0) -> bytes:
    """What comes back until the service ends the connection."""
    with socket.create_connection(("127.0.0.1", one.port), timeout=PATIENCE_S) as client:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                client.sendall(piece)
                time.sleep(wait_s)
        return until_end(client)


def until_end(client: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(1 << 16):
            found += piece
    return found


def head(length: str, kind: str = "audio/wav") -> bytes:
    told = f"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n{length}\r\n\r\n"
    return told.encode()


def still_answers(one) -> bool:
    answer = httpx.post(f"{one.url}/predict", files={"file": ("a.wav", as_file(speech(0.5)))})
    return answer.status_code == 200


def test_a_head_that_does_not_come_is_cut(one):
    began = time.monotonic()
    slow = [bytes([letter]) for letter in b"GET / HTTP/1.1\r\nx: " + b"y" * 100]
    with ThreadPoolExecutor(3) as pool:
        nothing = pool.submit(raw, one)
        half = pool.submit(raw, one, b"POST /predict HTT")
        trickle = pool.submit(raw, one, *slow, wait_s=0.1)
        assert nothing.result() == half.result() == trickle.result() == b""
    assert time.monotonic() - began < PATIENCE_S
    assert still_answers(one)


def test_a_body_that_does_not_come_is_told_and_cut(one):
    slow = [head("transfer-encoding: chunked"), *[b"1\r\nx\r\n"] * 40]
    with ThreadPoolExecutor(2) as pool:
        stops = pool.submit(raw, one, head("content-length: 1000"), b"RIFF")
        trickle = pool.submit(raw, one, *slow, wait_s=0.1)
        assert b" 408 " in stops.result()
        assert trickle.result() == b"" or b" 408 " in trickle.result()
    assert still_answers(one)


def test_who_sends_slowly_keeps_nobody_out():
    with served(max_requests=1, upload_s=20) as narrow, contextlib.ExitStack() as stack:
        for _ in range(5):
            client = socket.create_connection(("127.0.0.1", narrow.port))
            stack.enter_context(client).sendall(head("content-length: 1000") + b"RIFF")
        assert still_answers(narrow)


def test_a_body_without_end_is_told_and_cut(one):
    piece = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    answer = raw(one, head("transfer-encoding: chunked"), *[piece] * 40)
    assert answer == b"" or b" 413 " in answer
    assert b" 413 " in raw(one, head("content-length: 99999999999"))
    assert still_answers(one)


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\xff\x00\xff\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n"
        b"transfer-encoding: chunked\r\n\r\nzzz\r\n",
        b"GET /stream HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n"
        b"upgrade: websocket\r\n\r\n",
    ],
    ids=range(7),
)
def test_what_is_no_http_is_refused(one, request_):
    answer = raw(one, request_)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert still_answers(one)


def test_a_client_that_goes_before_its_answer_gives_its_place_back(one):
    content = as_file(speech(3))
    for sent in (content, content[:100]):
        with socket.create_connection(("127.0.0.1", one.port)) as client:
            client.sendall(head(f"content-length: {len(content)}") + sent)
    deadline = time.monotonic() + 10
    while one.service.admission.n_requests and time.monotonic() < deadline:
        time.sleep(0.02)
    assert one.service.admission.n_requests == 0
    assert still_answers(one)


def test_more_connections_than_are_held_are_told(one):
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", one.port), PATIENCE_S))
            for _ in range(40)
        ]
        found = [until_end(client) for client in clients]
    told = [answer for answer in found if answer]
    assert told
    assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in told)
    assert b"retry-after: 1" in told[0]
    assert still_answers(one)


def test_connections_that_were_closed_do_not_count(one):
    """One after the other there may be more than are held at once."""
    asked = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    for _ in range(40):
        assert raw(one, asked).startswith(b"HTTP/1.1 200 ")
    assert len(one.service.watch) <= 2


def test_a_client_that_does_not_read_is_forgotten(one):
    """It asks for the page again and again, takes nothing, and goes."""
    with socket.create_connection(("127.0.0.1", one.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            for _ in range(2000):
                client.sendall(b"GET /assets/page.js HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert still_answers(one)


def test_what_is_stuck_is_cut_after_a_while():
    from undertone.serving.service.connections import CLOSING_S, STUCK_S, Watch
    from undertone.serving.service.limits import Limits

    class Transport:
        is_cut, n_unsent, closing = False, 0, False

        def get_write_buffer_size(self):
            return self.n_unsent

        def is_closing(self):
            return self.closing

        def abort(self):
            self.is_cut = True

    watch, reads, stuck, closing = Watch(Limits()), Transport(), Transport(), Transport()
    for transport in (reads, stuck, closing):
        assert watch.opened(transport, 0.0)
        watch.waits(transport, None)
    stuck.n_unsent, closing.closing = 500, True
    for second in range(round(STUCK_S) + 2):
        reads.n_unsent = 1000 - second  # it takes little, but it does
        watch.look(float(second))
        assert closing.is_cut == (second > CLOSING_S)
    assert stuck.is_cut
    assert not reads.is_cut
    assert len(watch) == 1


def test_nothing_is_stored(one, tmp_path, monkeypatch):
    """While it is heard a recording has no name in the folder of temporary files, nor after."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = set()
    for _ in range(3):
        assert still_answers(one)
        seen |= set(os.listdir(tmp_path))
    assert not seen
    assert not [f for f in Path("/proc/self/fd").iterdir() if str(tmp_path) in _target(f)]


def test_a_disk_without_room_is_told(one, monkeypatch):
    import tempfile

    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    answer = httpx.post(f"{one.url}/predict", content=b"x", headers={"content-type": "audio/wav"})
    assert answer.status_code == 503
    assert "No space left on device" in answer.json()["error"]
    assert answer.headers["retry-after"] == "10"


def test_a_fault_of_ours_is_told_and_costs_nobody_else(one, monkeypatch):
    def fault(*_):
        raise ZeroDivisionError("x")

    with monkeypatch.context() as patched:
        patched.setattr(one.service, "health", fault)
        answer = httpx.get(f"{one.url}/health")
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.json()["error"]
    assert still_answers(one)


def _target(link: Path) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(link)
    return ""
