"""Workers end with their parent, whenever it is stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from undertone import processes
from undertone.errors import UndertoneError
from undertone.processes import process_pool

WORK = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = [sys.argv[1]]
from concurrent.futures import as_completed
from test_processes import nap, slow_to_begin
from undertone.processes import process_pool

if __name__ == "__main__":
    print("starting", flush=True)
    with process_pool(2, slow_to_begin, float(sys.argv[2])) as pool:
        futures = [pool.submit(nap, 60) for _ in range(4)]
        print("started", flush=True)
        for future in as_completed(futures):
            future.result()
"""


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def slow_to_begin(seconds: float) -> None:
    time.sleep(seconds)


def fail() -> None:
    raise ZeroDivisionError


def start(tmp_path: Path, seconds: float) -> subprocess.Popen:
    script = tmp_path / "work.py"
    script.write_text(WORK)
    return subprocess.Popen(
        [sys.executable, script, Path(__file__).parent, str(seconds)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("whom", ["parent", "group"])
@pytest.mark.parametrize("when", ["starting", "started", "at work"])
def test_an_interrupt_ends_everything_at_once_whenever_it_comes(tmp_path, whom, when):
    """As on a terminal, where all processes get it, and as from a service: the parent alone."""
    process = start(tmp_path, 30 if when == "started" else 0)
    while process.stdout.readline().strip() != ("starting" if when == "starting" else "started"):
        assert process.poll() is None
    if when == "at work":
        time.sleep(2)
    before = time.monotonic()
    (os.killpg if whom == "group" else os.kill)(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - before < 15
    assert said.count("KeyboardInterrupt") <= 2  # the parent's own, and what it was raised during
    assert "SpawnProcess" not in said
    assert process.returncode != 0
    from test_experiment import _members

    deadline = time.monotonic() + 5
    while _members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _members(process.pid)


def test_an_interrupt_while_processes_start_is_not_lost(monkeypatch):
    """It comes in the middle of their start, to this process alone."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt), process_pool(1) as pool:
            raised_in_start(pool, monkeypatch)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 20


def raised_in_start(pool, monkeypatch):
    """A second pool, during whose start the signal is sent."""
    from concurrent.futures import ProcessPoolExecutor

    submit = ProcessPoolExecutor.submit

    def interrupted(self, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return submit(self, *arguments)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", interrupted)
    with process_pool(1):
        raise AssertionError("the interrupt was lost")


def test_an_error_does_not_wait_for_what_others_are_at():
    def work():
        with process_pool(2) as pool:
            pool.submit(nap, 300)
            pool.submit(fail).result()

    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        work()
    assert time.monotonic() - began < 150


def test_a_killed_worker_is_told():
    with pytest.raises(UndertoneError, match="a worker process died"), process_pool(1) as pool:
        pool.submit(os.kill, pool.submit(os.getpid).result(), signal.SIGKILL).result()


def test_the_environment_says_how_many_where_nobody_asks(monkeypatch):
    monkeypatch.delenv("UNDERTONE_WORKERS", raising=False)
    assert processes.how_many(0) == processes.how_many(None) == processes.available_cores()
    monkeypatch.setenv("UNDERTONE_WORKERS", "3")
    assert (processes.how_many(0), processes.how_many(2)) == (3, 2)
    for nonsense in ("0", "-1", "many", "1.5"):
        monkeypatch.setenv("UNDERTONE_WORKERS", nonsense)
        assert processes.how_many(2) == 2
        with pytest.raises(UndertoneError, match=f"UNDERTONE_WORKERS is '{nonsense}'"):
            processes.how_many(0)
