"""`undertone serve` as people start and end it: a process of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from service_fakes import as_file, speech
from test_experiment import _members
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.web import port as ports


@contextlib.contextmanager
def started(*options: str):
    command = [sys.executable, "-m", "undertone", "serve", "--detector", "energy", *options]
    process = subprocess.Popen(
        command,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, re.search(r"http://\S+:\d+", line).group()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def pids(group: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(") ")[2].split()[2]) == group:
                found.append(int(stat.parent.name))
    return found


def is_gone(group: int) -> bool:
    """Whether no process of a group is left, in the end."""
    deadline = time.monotonic() + 10
    while (left := _members(group)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not left


def test_it_ends_gracefully_with_what_is_under_way():
    """Ctrl-C on a terminal and a supervisor's SIGTERM reach all processes; one of them decides."""
    content = as_file(np.tile(speech(4), 25), kind="FLAC")
    with started("--port", "0", "--workers", "1") as (process, url):
        answers = []

        def ask() -> None:
            answers.append(httpx.post(f"{url}/predict", files={"file": ("a.flac", content)}))

        asking = threading.Thread(target=ask)
        with connect(url.replace("http", "ws") + "/stream") as stream:
            stream.send('{"rate": 16000}')
            stream.recv(timeout=30)
            asking.start()
            while httpx.get(f"{url}/health").json()["requests"] == 0:
                time.sleep(0.01)
            for other in set(pids(process.pid)) - {process.pid}:
                os.kill(other, signal.SIGINT)
                os.kill(other, signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                stream.recv(timeout=30)
            assert stream.close_code == 1012
        _, error = process.communicate(timeout=30)
        asking.join(10)
        assert [answer.status_code for answer in answers] == [200]
        assert process.returncode == 0
        assert "nothing was stored" in error
        assert "Traceback" not in error
        assert is_gone(process.pid)


def test_killed_it_leaves_no_process_behind():
    with started("--port", "0", "--workers", "1") as (process, url):
        assert httpx.get(f"{url}/health").json()["workers"]["alive"] == 1
        process.kill()
        process.wait()
        assert is_gone(process.pid)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 lets other machines in: there is no password"),
        (["--port", "70000"], "a port is a number from 0 to 65535"),
        (["--max-mb", "0"], "Limits.max_mb must lie from"),
        (["--max-mb", "nan"], "Limits.max_mb must lie from"),
        (["--window", "0"], "LiveConfig.window_s must lie from"),
        (["--detector", "x"], "there is no detector of speech 'x'"),
        (["nowhere"], "nowhere"),
        (["--host", "no.such.invalid", "--public"], "is no address of this machine"),
    ],
)
def test_what_cannot_be_served_is_told(monkeypatch, capsys, options, expected):
    monkeypatch.setattr(sys, "argv", ["undertone", "serve", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert expected in error
    assert "Traceback" not in error


def test_without_its_extra_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["undertone", "serve"])
    with pytest.raises(SystemExit):
        main()
    assert "pip install 'undertone-ser[serve]'" in capsys.readouterr().err


def test_a_port_in_use_is_told_or_another_is_taken(capsys):
    with ports.open_port("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UndertoneError, match=f"port {port} of 127.0.0.1 is in use: --port 0"):
            ports.open_port("127.0.0.1", port)
        with ports.open_port("127.0.0.1", port, may_be_another=True) as other:
            assert other.getsockname()[1] != port
            assert ports.address_of(other, "127.0.0.1").startswith("http://127.0.0.1:")
    assert f"port {port} is in use: another one is taken" in capsys.readouterr().err
