"""Jobs shared out without Ray: verbs on an engine of pickles; addresses that are refused."""

import contextlib
import importlib
import pickle
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from plan_fakes import curve_run, data_of

from undertone import jobs
from undertone.errors import UndertoneError
from undertone.experiment import cluster
from undertone.experiment import sweep as sweeps
from undertone.experiment.reached import reached


class Pickling:
    """An engine whose only worker is this process, reached through pickles."""

    n_cores = 2

    def __init__(self) -> None:
        self.done: list[str] = []

    @contextlib.contextmanager
    def pool(self, begin, arguments, folder):
        told = []
        jobs.begin_worker(told.append, begin, pickle.loads(pickle.dumps(arguments)))
        yield Pool(self, told)


class Pool:
    def __init__(self, engine: Pickling, told: list) -> None:
        self.engine, self.told = engine, told

    def submit(self, do, /, *arguments):
        self.engine.done.append(do.__name__)
        future, sent = Future(), pickle.dumps((do, arguments))
        try:
            do, arguments = pickle.loads(sent)
            future.set_result(pickle.loads(pickle.dumps(do(*arguments))))
        except Exception as error:
            future.set_exception(error)
        return future

    def news(self):
        found, self.told[:] = list(self.told), []
        return found


def test_processes_of_this_machine_report_and_answer():
    with jobs.shared_out(2, begin, 7) as pool:
        futures = [pool.submit(work, n) for n in range(3)]
        assert [future.result() for future in futures] == [0, 7, 14]
    assert sorted(pool.news()) == [("pieces", n) for n in range(3)]


def test_reports_that_come_with_the_end_of_the_pool_are_counted(tmp_path, monkeypatch):
    """As those of processes do, whose queue is empty when they have ended."""
    data = data_of("choice")
    run = curve_run(data, tmp_path, systems=tuple(data.task.floors), budgets=(4,), draws=2)
    sweep, late, counted = run.sweep(run.plan()), [], Counter()

    @contextlib.contextmanager
    def shared_out(workers, begin, *arguments, folder):
        held = []
        jobs.begin_worker(held.append, begin, arguments)
        with ThreadPoolExecutor(1) as pool:
            yield SimpleNamespace(submit=pool.submit, news=lambda: late)
        late.extend(held)

    def advance(what, n):
        counted[what] += n

    monkeypatch.setattr(jobs, "shared_out", shared_out)
    progress = SimpleNamespace(add=lambda *_: None, advance=advance)
    sweeps.run(sweep, workers=2, progress=progress)
    assert counted[sweeps.FITTING] == sweep.n_fits > 0


def begin(factor: int) -> None:
    global _factor
    _factor = factor


def work(n: int) -> int:
    jobs.report("pieces", n)
    return _factor * n


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("10.0.0.1", "takes auto or HOST:PORT"),
        ("a:b", "takes auto or HOST:PORT"),
        ("ray://127.0.0.1:10001", "is for clients outside: run the command on a node"),
        ("no.such.host.invalid:6379", "no Ray cluster answers at no.such.host.invalid:6379"),
        ("auto", "no Ray cluster runs on this machine: start one with `ray start --head`"),
    ],
)
def test_an_address_that_is_none_is_refused(address, message, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(UndertoneError, match=message):
        reached(address)


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_is_no_cluster_is_refused_within_seconds(answer, monkeypatch):
    """Ray itself would wait for two minutes; None never answers."""
    monkeypatch.setattr("undertone.experiment.reached.PATIENCE_S", 0.5)
    monkeypatch.setattr("undertone.experiment.reached._own_address", lambda: "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as held:
        threading.Thread(target=_answer, args=(server, answer, held), daemon=True).start()
        with pytest.raises(UndertoneError, match="no Ray cluster answers at 127"):
            reached(f"127.0.0.1:{server.getsockname()[1]}")


def _answer(server: socket.socket, answer: bytes | None, held: contextlib.ExitStack) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection = held.enter_context(server.accept()[0])
            if answer is not None:
                connection.recv(100)
                connection.sendall(answer)
                connection.close()


def test_the_command_says_so_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    words = ["-m", "undertone", "extract", "--corpus", "x=y", "--cluster", f"127.0.0.1:{port}"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"undertone: no Ray cluster answers at 127.0.0.1:{port}")
    assert done.stderr.count("\n") == 1


def test_without_ray_the_message_says_what_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UndertoneError, match=r"pip install 'undertone-ser\[cluster\]'"):
        cluster.on("auto").__enter__()


def test_versions_that_differ_are_told_one_by_one():
    here, there = {"torch": "2.4", "numpy": "2", "soxr": "1"}, {"torch": "2.5", "numpy": "2"}
    assert cluster.differences(there, here) == [
        "torch 2.5 where this machine holds 2.4",
        "soxr not at all where this machine holds 1",
    ]


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    from test_experiment import write_tones

    return write_tones(tmp_path_factory.mktemp("tones"))


def test_pretraining_is_one_job_that_leaves_the_same_encoder(tones, tmp_path):
    from undertone.config import load
    from undertone.pipeline import PretrainSettings, Resources, pretrain

    small = {"encoder": {"hidden_units": 8, "stride": 8}, "pretrain": {"max_epochs": 2}}
    settings, pool = load(PretrainSettings, small), f"more={tones / 'more'}"
    resources, engine = Resources(tmp_path / "cache", 1, progress=False), Pickling()
    with jobs.elsewhere(engine):
        pretrain([pool], tmp_path / "there", settings, resources)
    assert engine.done == ["fill_chunk", "_train_there"]
    pretrain([pool], tmp_path / "here", settings, resources)
    assert_same_weights(tmp_path)


def assert_same_weights(folder):
    here, there = (folder / name / "model.safetensors" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


def test_a_model_is_the_same_whoever_fits_its_folds(tones, tmp_path):
    """And so are its predictions."""
    from undertone.pipeline import FinetuneSettings, Resources, finetune
    from undertone.serving.predict import predict

    settings = FinetuneSettings(folds=2, system="linear", features="log_mel")
    resources, engine = Resources(tmp_path / "cache", 1, progress=False), Pickling()
    corpus, files = f"tones={tones / 'labels.csv'}", sorted(tones.glob("u00*.wav"))[:4]
    with jobs.elsewhere(engine):
        _, score = finetune(corpus, tmp_path / "there", settings=settings, resources=resources)
        assert engine.done.count("_fit") == 3
        there = predict(tmp_path / "there", files).to_frame()
    assert engine.done.count("_predict") == 4
    _, again = finetune(corpus, tmp_path / "here", settings=settings, resources=resources)
    assert again.metrics["uar"].value == score.metrics["uar"].value
    here = predict(tmp_path / "here", files).to_frame()
    assert here.to_csv() == there.to_csv()
    assert_same_weights(tmp_path)


def test_a_row_that_ends_every_process_is_told_as_such(tones, monkeypatch):
    from undertone.serving.predict import predict

    submit = Pool.submit

    def deadly(self, do, /, *arguments):
        if arguments and "u001" in str(arguments[0]):
            future = Future()
            future.set_exception(jobs.DiedError("died"))
            return future
        return submit(self, do, *arguments)

    monkeypatch.setattr(Pool, "submit", deadly)
    with jobs.elsewhere(Pickling()):
        found = predict(None, sorted(tones.glob("u00*.wav"))[:3]).to_frame()
    told = found["error"].tolist()
    assert "ended the process that read it" in told[1]
    assert found["error"].isna().tolist() == [True, False, True]


@pytest.mark.parametrize("n_workers", [1, 50])
def test_a_simulated_cluster_works_until_its_driver_is_full(n_workers, monkeypatch):
    """The share of time that is work, by the arithmetic of one server of .1 s and jobs of 1 s."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    simulate = importlib.import_module("cluster").simulate
    share = simulate(n_workers, 1.0, driver_s=0.1, store_s=0)
    assert share == pytest.approx(min(1 / 1.1, 10 / n_workers), rel=0.05)
    assert simulate(n_workers, 1.0, driver_s=0, store_s=0.1) == pytest.approx(share, rel=0.05)
    assert simulate(1, 1.0, driver_s=0, store_s=0) == pytest.approx(1)
