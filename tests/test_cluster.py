"""Jobs on real Ray nodes of this machine: the same bytes, whatever dies."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cluster_nodes import LONGEST_S, LOOPBACK, Nodes, nodes, wait_until
from test_experiment import write_tones
from typer.testing import CliRunner
from upstream_fakes import write_encoder

from undertone.cli import app

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

SETTINGS = """
corpus = "tones={0}/labels.csv"
unlabelled = ["more={0}/more"]
systems = ["pretrained_frozen", "linear", "svm", "constant"]
budgets = [4, 12]
draws = 3
folds = 2
replicates = 20
encoder.hidden_units = 8
encoder.stride = 8
pretrain.max_epochs = 2
finetune.max_epochs = 2
finetune.epochs_without_validation = 1
"""
TABLES = ("results.parquet", "predictions.parquet")
WITHOUT_RAY = """
import sys
from undertone.cli import main
try:
    main()
finally:
    assert "ray" not in sys.modules
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with (
        tempfile.TemporaryDirectory(prefix="u", dir="/tmp") as folder,  # short, for sockets
        nodes(Path(folder)) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tones")
    path = folder / "settings.toml"
    path.write_text(SETTINGS.format(write_tones(folder / "corpus")))
    return path


@pytest.fixture(scope="module")
def alone(settings, tmp_path_factory) -> Path:
    """The folder of a run without a cluster, which imports nothing of Ray."""
    folder = tmp_path_factory.mktemp("alone")
    words = ["curve", "--config", settings, "--out", folder / "run", "--cache", folder / "cache"]
    done = started(["-c", WITHOUT_RAY, *words, "--workers", "1", "--quiet"])
    assert done.wait(LONGEST_S) == 0, done.communicate()
    done.communicate()
    return folder


def started(words: list[object], **variables: str) -> subprocess.Popen:
    """Python at work on words, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **LOOPBACK, **variables},
        text=True,
        start_new_session=True,
    )


def fits(folder: Path) -> dict[str, int]:
    """When each fit was written, by its name."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.glob("fits/*/*.npz")
    }


def frames(cache: Path) -> dict[str, bytes]:
    """Rows of every key in a store of frames."""
    found = {}
    for index in cache.glob("log_mel*/*.json"):
        rows = np.load(index.with_suffix(".npy"))
        for key, (first, n) in json.loads(index.read_text())["keys"].items():
            assert key not in found, "computed twice"
            found[key] = rows[first : first + n].tobytes()
    return found


def assert_same_tables(folder: Path, other: Path) -> None:
    for name in TABLES:
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_a_curve_is_the_same_to_the_byte_though_a_worker_and_a_node_die(
    cluster, alone, settings, tmp_path
):
    """At moments that a seed names, counted in finished fits."""
    rng = np.random.default_rng(18)
    first, second = sorted(rng.choice(np.arange(1, 20), 2, replace=False).tolist())
    out, cache = tmp_path / "run", tmp_path / "cache"
    words = ["-m", "undertone", "curve", "--config", settings, "--out", out, "--cache", cache]
    run = started([*words, "--cluster", cluster.address])
    wait_until(lambda: len(fits(out)) >= first and cluster.workers(), run)
    for worker in cluster.workers()[:1]:
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len(fits(out)) >= second, run)
    before = fits(out)
    cluster.kill(cluster.raylets[0])
    cluster.add()
    said, told = run.communicate(timeout=LONGEST_S)
    assert run.returncode == 0, told
    assert said.splitlines()[-1] == f"report: {out / 'report.html'}"
    assert "/48" in told  # what a killed worker had not yet reported is not counted
    assert before.items() <= fits(out).items(), "a finished fit was made again"
    assert_same_tables(out, alone / "run")
    assert frames(cache) == frames(alone / "cache")
    assert sorted(fits(out)) == sorted(fits(alone / "run"))


def test_a_killed_driver_leaves_no_process_and_any_machine_goes_on_from_the_address(
    cluster, alone, settings, tmp_path
):
    """Its run lies at an address; the folder of copies is gone, as on another machine."""
    rng = np.random.default_rng(81)
    after = int(rng.integers(1, 20))
    there, home = tmp_path / "bucket", tmp_path / "home"
    words = ["-m", "undertone", "curve", "--config", settings, "--out", f"file://{there}/run"]
    words += ["--cache", f"file://{there}/cache"]
    run = started([*words, "--cluster", cluster.address], UNDERTONE_CACHE=str(home))
    wait_until(lambda: len(fits(there / "run")) >= after and cluster.workers(), run)
    workers = cluster.workers()
    run.kill()
    run.communicate()
    wait_until(lambda: not any(Path(f"/proc/{worker}/stat").exists() for worker in workers))
    before = fits(there / "run")
    assert len(before) < 48
    shutil.rmtree(home)
    again = started([*words, "--workers", "1"], UNDERTONE_CACHE=str(home))
    _, told = again.communicate(timeout=LONGEST_S)
    assert again.returncode == 0, told
    assert f"fits {len(before)}/48" in told
    assert before.items() <= fits(there / "run").items(), "a finished fit was made again"
    assert_same_tables(there / "run", alone / "run")
    assert frames(there / "cache") == frames(alone / "cache")
    assert not list(there.rglob("*.partial"))


JOBS = """
import json, os, sys, time
from concurrent.futures import wait
from pathlib import Path
from undertone import jobs
from undertone.errors import UndertoneError, tell
from undertone.experiment.cluster import on

def begin(value):
    global begun
    begun = value

def work(n):
    jobs.report("pieces", n)
    tell(f"job {n} of {begun}")
    return os.environ["OMP_NUM_THREADS"]

def fault(kind, tries):
    if kind == "ours":
        raise UndertoneError("no such file", "and more")
    if kind == "theirs":
        raise ZeroDivisionError("by nothing")
    with open(tries, "a") as file:
        file.write("x")
    os._exit(9)

def sleep(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)
"""
MANY = """
sys.path.insert(0, sys.argv[3])
import jobs_of_test as work
found = {}
with work.on(sys.argv[1]):
    with work.jobs.shared_out(1, work.begin, "a test", folder=Path(sys.argv[3])) as pool:
        found["threads"] = [f.result() for f in [pool.submit(work.work, n) for n in (2, 3)]]
        found["news"] = sum(n for what, n in pool.news() if what == "pieces")
        for kind in ("ours", "theirs", "death"):
            try:
                pool.submit(work.fault, kind, sys.argv[2]).result()
            except Exception as error:
                found[kind] = [type(error).__name__, str(error), str(error.__cause__)]
print(json.dumps(found))
"""
STOPPED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[3])
import jobs_of_test as work
with work.on(sys.argv[1]), work.jobs.shared_out(1) as pool:
    wait([pool.submit(work.sleep, sys.argv[2]) for _ in range(8)])
"""


@pytest.fixture
def scripts(tmp_path) -> Path:
    (tmp_path / "jobs_of_test.py").write_text(JOBS)
    (tmp_path / "many.py").write_text(f"import json, sys\nfrom pathlib import Path\n{MANY}")
    (tmp_path / "stopped.py").write_text(
        f"import sys\nfrom concurrent.futures import wait\n{STOPPED}"
    )
    return tmp_path


def test_what_a_job_says_and_raises_reaches_whoever_shared_it_out(cluster, scripts):
    tries = scripts / "tries"
    run = started([scripts / "many.py", cluster.address, tries, scripts])
    said, told = run.communicate(timeout=LONGEST_S)
    assert run.returncode == 0, told
    found = json.loads(said)  # and nothing else: Ray tells of deaths on standard output
    assert found["threads"] == ["1", "1"]
    assert found["news"] == 5
    assert {"undertone: job 2 of a test", "undertone: job 3 of a test"} <= set(told.splitlines())
    assert found["ours"] == ["UndertoneError", "no such file\nand more", "None"]
    assert found["theirs"][:2] == ["ZeroDivisionError", "by nothing"]
    assert 'raise ZeroDivisionError("by nothing")' in found["theirs"][2]
    assert found["death"][0] == "DiedError"
    assert tries.read_text() == "xxx"
    assert not list(scripts.glob(".seen.*"))


def test_an_interrupt_leaves_nothing_running(cluster, scripts, tmp_path):
    pids = tmp_path / "pids"
    pids.mkdir()
    run = started([scripts / "stopped.py", cluster.address, pids, scripts])
    wait_until(lambda: len(list(pids.iterdir())) == len(cluster.raylets), run)
    os.kill(run.pid, signal.SIGINT)
    run.communicate(timeout=LONGEST_S)
    assert run.returncode != 0
    wait_until(lambda: not any(Path(f"/proc/{pid.name}/stat").exists() for pid in pids.iterdir()))


def test_a_node_with_another_version_is_refused_by_name(cluster, tmp_path):
    (tmp_path / "undertone").mkdir()
    (tmp_path / "undertone" / "__init__.py").write_text('__version__ = "0.0.7"\n')
    raylet = cluster.add(str(tmp_path))
    try:
        run = started(
            ["-m", "undertone", "extract", "--corpus", "x=y", "--cluster", cluster.address]
        )
        _, told = run.communicate(timeout=LONGEST_S)
    finally:
        cluster.kill(raylet)
    assert run.returncode == 2, told
    (line,) = (line for line in told.splitlines() if line.startswith("undertone: "))
    assert " 127.0.0." in line
    assert "holds undertone 0.0.7 where this machine holds" in line
    assert "ray stop" in line


VERBS = {
    "extract": ["extract", "--corpus", "{tones}", "--out", "{out}/frames.npz"],
    "predict": ["predict", "{folder}/more", "--out", "{out}/predicted.csv"],
    "picks": ["curve", "--corpus", "{tones}", "--picks", "random,unsure", "--budgets", "6,12"],
    "layers": ["layers", "--corpus", "{tones}", "--upstream", "{upstream}", "--budgets", "8"],
    "pretrain": ["pretrain", "--unlabelled", "more={folder}/more"],
    "teach": [
        *("teach", "--corpus", "{tones}", "--teacher", "{encoder}"),
        "--student",
        "log_mel",
        "--labels",
        "12",
    ],
}
SETTINGS_OF = {
    "picks": ["picks.batch=6", "draws=1", "folds=2", "replicates=20"],
    "layers": ["draws=2", "folds=2", "replicates=20"],
    "pretrain": ["pretrain.max_epochs=1", "encoder.stride=8", "encoder.hidden_units=8"],
    "teach": ["folds=0", "discriminant.nuisance_weight=0", "discriminant.calibrate=false"],
}
TELL_OF_THE_RUN = (".html", ".md", ".jsonl", ".toml", ".pdf", ".svg", ".png")  # paths, times


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    """What verbs work on: tones, and a small encoder of random weights."""
    home = tmp_path_factory.mktemp("verbs")
    table = write_tones(home / "corpus", n_a_speaker=8)
    encoder = write_encoder(home / "encoder", "hubert-layer")
    assert (table / "labels.csv").is_file()
    return {
        "upstream": str(encoder),
        "tones": f"tones={table / 'labels.csv'}",
        "folder": str(table),
        "encoder": f"upstream:{encoder}@all",
    }


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_does_the_same_on_a_cluster(cluster, places, tmp_path, verb):
    words = {where: words_of(verb, places, tmp_path / where) for where in ("here", "there")}
    done = CliRunner().invoke(app, [*words["here"], "--workers", "1"])
    assert done.exit_code == 0, done.output
    run = started(["-m", "undertone", *words["there"], "--cluster", cluster.address])
    _, told = run.communicate(timeout=LONGEST_S)
    assert run.returncode == 0, told
    left = contents(tmp_path / "here")
    assert left
    assert left == contents(tmp_path / "there")


def words_of(verb: str, places: dict[str, str], folder: Path) -> list[str]:
    """The command whose results lie in a folder, as its frames do."""
    out, cache = folder / "out", folder / "cache"
    out.mkdir(parents=True)
    words = [word.format(**places, out=out) for word in VERBS[verb]]
    words += [] if "--out" in words else ["--out", str(out / "run")]
    words += [] if verb == "predict" else ["--cache", str(cache)]
    return words + [word for value in SETTINGS_OF.get(verb, []) for word in ("--set", value)]


def contents(folder: Path) -> dict[str, bytes]:
    """Results in a folder by name, but what tells of paths and times."""
    found = {path for path in (folder / "out").rglob("*") if path.is_file()}
    kept = {p for p in found if p.suffix not in TELL_OF_THE_RUN and "checkpoint" not in p.name}
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}
