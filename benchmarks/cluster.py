"""Where a cluster's driver or its store becomes the bottleneck: measured costs, simulated workers.

Measured here, on Ray nodes of this machine (127.0.0.1, two cores): what a job of nothing costs the
driver, with and without a report; what it costs to look for, write and read a fit. Simulated, from
these: up to 3,000 workers whose jobs take given times. The driver does one thing at a time; so does
the store where it is one server. One row is both: two nodes at jobs that sleep.

    python benchmarks/cluster.py [--jobs 400] [--seconds .3 2.5 30] [--out FILE.json]

A simulation knows only what it is told: the network, Ray's own scheduler with a thousand nodes, and
an object store's delays are not in it.
"""

import argparse
import contextlib
import datetime
import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from turns import describe_machine

from undertone import jobs, seals
from undertone.experiment.cluster import on

WORKERS = (10, 100, 300, 1000, 3000)
JOBS_A_WORKER = 20
N_FITS = 200  # written and read to know what one costs
N_UTTERANCES, N_OUTPUTS = 100, 7  # of a fit: a fifth of EmoDB
LOOKS_A_FIT = 2  # before a run: for what is damaged, for what is missing
NAP_S = 0.5  # of the jobs that are both slept and simulated
NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster()
for number, cores in enumerate((0, 1, 1), start=1):
    cluster.add_node(num_cpus=cores, node_ip_address=f"127.0.0.{number}", include_dashboard=False,
                     object_store_memory=80 * 2**20)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


def main() -> None:
    """Measure, simulate, print and save."""
    options = _options()
    costs = {**measure_store(), **measure_driver(options.jobs)}
    nap = costs.pop("two nodes")
    tables = {
        "milliseconds of the processor a job": _costs(costs),
        f"seconds of two nodes for {2 * JOBS_A_WORKER} jobs of {NAP_S} s": _checked(nap, costs),
    }
    for seconds in options.seconds:
        title = f"share of the workers' time that is work, jobs of {seconds:g} s"
        tables[title] = _simulated(seconds, costs)
    for title, rows in tables.items():
        print(f"\n{title}")
        for name, cells in rows.items():
            print(f"{name:44s}" + "".join(f"  {what} {value:.3g}" for what, value in cells.items()))
    print(f"\na driver can hand out {1 / costs['driver']:,.0f} jobs a second")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": describe_machine(), "jobs": options.jobs, "tables": tables}
    options.out.write_text(json.dumps(content, indent=1) + "\n")


def measure_store() -> dict[str, float]:
    """Seconds of the processor to look for a fit that is not there, to write and to read one."""
    values = np.random.default_rng(0).random((N_UTTERANCES, N_OUTPUTS)).astype(np.float32)
    names = np.array([f"utterance-{i}" for i in range(N_UTTERANCES)])
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{i}.npz") for i in range(N_FITS)]
        arrays, identity = {"values": values, "utterance": names}, {"of": "a benchmark"}
        look = _each(lambda path: seals.read_record(path, identity), paths)
        write = _each(lambda path: seals.write_record(path, arrays, identity), paths)
        read = _each(lambda path: seals.read_record(path, identity), paths)
    return {"look": look, "write": write, "read": read}


def _each(do, paths: list[Path]) -> float:
    before = time.process_time()
    for path in paths:
        do(path)
    return (time.process_time() - before) / len(paths)


def measure_driver(n_jobs: int) -> dict[str, float]:
    """Seconds of the driver's processor a job, and how long two nodes need for jobs that sleep."""
    with _nodes() as address, on(address):
        with jobs.shared_out(1) as pool:
            _done(pool, nothing, range(4))  # processes have started
            silent = _cost(pool, nothing, n_jobs)
            telling = _cost(pool, reporting, n_jobs)
        with jobs.shared_out(1) as pool:
            _done(pool, nap, [0.01] * 4)
            began = time.monotonic()
            _done(pool, nap, [NAP_S] * 2 * JOBS_A_WORKER)
            two = time.monotonic() - began
    return {"driver": silent, "report": max(0.0, telling - silent), "two nodes": two}


def _cost(pool: jobs.Pool, do, n_jobs: int) -> float:
    before = time.process_time()
    _done(pool, do, range(n_jobs))
    pool.news()
    return (time.process_time() - before) / n_jobs


def _done(pool: jobs.Pool, do, items) -> None:
    for future in [pool.submit(do, item) for item in items]:
        future.result()


def nothing(number: int) -> None:
    """A job that costs only what every job does."""


def reporting(number: int) -> None:
    """The same with a report."""
    jobs.report("pieces")


def nap(seconds: float) -> None:
    """A job of a known time, which needs no core."""
    time.sleep(seconds)


@contextlib.contextmanager
def _nodes() -> Iterator[str]:
    """A head without cores and two nodes of one core, which end with the context."""
    loopback = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    os.environ.update(loopback)
    with tempfile.TemporaryDirectory(prefix="u", dir="/tmp") as folder:  # short, for sockets
        here = str(Path(__file__).parent)
        path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            [sys.executable, "-c", NODES],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "RAY_TMPDIR": folder, "PYTHONPATH": path},
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, "")
            yield next(line.strip() for line in lines if line.startswith("127.0.0.1:"))
        finally:
            process.stdin.close()
            process.wait()


def simulate(n_workers: int, seconds: float, *, driver_s: float, store_s: float) -> float:
    """The share of the workers' time that is work, of ``JOBS_A_WORKER`` jobs for each.

    Args:
        n_workers: that ask the driver for a job whenever they have none.
        seconds: of a job, evenly between half and one and a half times as much.
        driver_s: that the driver needs for a job, one after the other.
        store_s: that the store needs for what a job leaves, one after the other; 0 where every
            worker writes for itself.
    """
    rng = np.random.default_rng(0)
    durations = (seconds * rng.uniform(0.5, 1.5, n_workers * JOBS_A_WORKER)).tolist()
    events = [(0.0, worker, "free") for worker in range(n_workers)]  # a heap: equal times
    left, driver, store, end = iter(durations), 0.0, 0.0, 0.0
    while events:
        now, worker, what = heapq.heappop(events)
        if what == "done":
            store = end = max(store, now) + store_s
            heapq.heappush(events, (end, worker, "free"))
        elif (duration := next(left, None)) is not None:
            driver = max(driver, now) + driver_s
            heapq.heappush(events, (driver + duration, worker, "done"))
    return sum(durations) / (n_workers * end)


def _simulated(seconds: float, costs: dict[str, float]) -> dict[str, dict[str, float]]:
    driver, write = costs["driver"] + costs["report"], costs["write"]
    return {
        f"{n:,} workers": {
            "each writes for itself": simulate(n, seconds, driver_s=driver, store_s=0),
            "one server writes": simulate(n, seconds, driver_s=driver, store_s=write),
        }
        for n in WORKERS
    }


def _checked(slept_s: float, costs: dict[str, float]) -> dict[str, dict[str, float]]:
    share = simulate(2, NAP_S, driver_s=costs["driver"], store_s=0)
    simulated_s = NAP_S * JOBS_A_WORKER / share
    return {
        "simulated": {"s": simulated_s},
        "slept on Ray": {"s": slept_s, "ratio": slept_s / simulated_s},
    }


def _costs(costs: dict[str, float]) -> dict[str, dict[str, float]]:
    serial = LOOKS_A_FIT * costs["look"] + costs["read"]
    rows = {
        "driver: hand out a job": costs["driver"],
        "driver: hear a report of it": costs["report"],
        "store: write a fit": costs["write"],
        "driver, before and after: look twice, read": serial,
    }
    return {name: {"ms": 1e3 * seconds} for name, seconds in rows.items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=400, help="of nothing, to know their cost")
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.3, 2.5, 30.0])
    today = datetime.date.today().isoformat()
    default = Path(__file__).parent / "results" / f"cluster-{today}.json"
    parser.add_argument("--out", type=Path, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
