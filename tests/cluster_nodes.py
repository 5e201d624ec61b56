"""Ray nodes on this machine, each at its own loopback address: a script, and who asks it."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LONGEST_S = 300.0  # for anything to happen on a starved machine
TRIES = 10
LOOPBACK = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # other work on the machine is nobody's fault
}


class Nodes:
    """A head without cores, and nodes of one core each."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process
        self.address: str = self._told()["address"]
        self.raylets: list[int] = []
        for _ in range(2):
            self.add()

    def add(self, path: str | None = None) -> int:
        """Start a node whose Python looks into ``path`` first; the pid of its raylet."""
        print(json.dumps({"add": path}), file=self._process.stdin, flush=True)
        self.raylets.append(self._told()["raylet"])
        return self.raylets[-1]

    def kill(self, raylet: int) -> None:
        """As a power cut does; its workers end with it."""
        self.raylets.remove(raylet)
        os.kill(raylet, signal.SIGKILL)

    def workers(self) -> list[int]:
        """Processes that are at a job."""
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                status = (folder / "stat").read_text().rpartition(")")[2].split()
                title = (folder / "cmdline").read_bytes()
                if int(status[1]) in self.raylets and title.startswith(b"ray::_do"):
                    found.append(int(folder.name))
        return found

    def _told(self) -> dict:
        line = self._process.stdout.readline()
        assert line, "the script that keeps the nodes has ended"
        return json.loads(line)


@contextlib.contextmanager
def nodes(folder: Path) -> Iterator[Nodes]:
    """Nodes that end with the context."""
    with (folder / "nodes.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **LOOPBACK, "RAY_TMPDIR": str(folder)},
            text=True,
        )
    try:
        yield Nodes(process)
    finally:
        process.stdin.close()
        try:
            process.wait(LONGEST_S)
        finally:
            process.kill()
            process.stdout.close()


def wait_until(happened: Callable[[], object], process: subprocess.Popen | None = None) -> None:
    """Until it is true; ``process``, if there is one, must not end before."""
    deadline = time.monotonic() + LONGEST_S
    while not happened():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def _keep() -> None:
    """Start a head; then a node a line of standard input, until it ends."""
    from ray.cluster_utils import Cluster

    cluster, numbers = Cluster(), itertools.count(1)

    def start(cores: int):
        """A node; Ray gives it 30 s, which may not be enough on a starved machine."""
        for _ in range(TRIES):
            with contextlib.suppress(Exception):
                return cluster.add_node(
                    num_cpus=cores,
                    node_ip_address=f"127.0.0.{next(numbers)}",  # so that a driver finds the head
                    include_dashboard=False,
                    object_store_memory=80 * 2**20,
                )
        raise AssertionError("no node starts")

    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever Ray prints
    start(0)
    print(json.dumps({"address": cluster.address}), file=said, flush=True)
    for line in sys.stdin:
        path = json.loads(line)["add"]
        before = os.environ.get("PYTHONPATH")
        if path is not None:
            os.environ["PYTHONPATH"] = path
        node = start(1)
        if before is not None:
            os.environ["PYTHONPATH"] = before
        elif path is not None:
            del os.environ["PYTHONPATH"]
        raylet = node.all_processes["raylet"][0].process.pid
        print(json.dumps({"raylet": raylet}), file=said, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    _keep()
