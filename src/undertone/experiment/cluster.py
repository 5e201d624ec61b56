"""Jobs on a Ray cluster: the only file that knows Ray.

In:  the address of a cluster of which this machine is a node, or ``auto``.
Out: a context in which jobs that are shared out run on all nodes, one a core.

A job's result is a file, whole or absent, in a folder that all nodes see. So a job whose process or
node died is given to another, and a run whose own process died goes on where its files end.
``docs/scale.md`` says what happens at each fault.
"""

import contextlib
import io
import logging
import os
import platform
import queue
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertone import device, jobs, mirror
from undertone.errors import UndertoneError, describe_some, needs, tell
from undertone.experiment.reached import DISTRIBUTIONS, reached, versions_here
from undertone.jobs import Begin, DiedError, News, begin_worker, elsewhere
from undertone.processes import THREAD_SETTINGS

DEATHS = 3  # of a job's process, until the job is at fault
LOSSES = 100  # of a job's node
SAID = -1  # in the place of a number: a line for standard error
FLUSH_S = 1.0  # between reports of a worker
ANSWER_S = 180.0  # for a node to start a process and say its versions
LOOK_S = 10.0  # between looks at how many cores are left
PASSED_ON = ("UNDERTONE_", "HF_", "TRANSFORMERS_", "AWS_", "GOOGLE_", "FSSPEC_")
HOW_TO_START = (
    "start one with `ray start --head` on this machine and `ray start --address=HOST:6379` on "
    "each other"
)


@contextlib.contextmanager
def on(address: str) -> Iterator[None]:
    """Share jobs out to the cluster until the context ends.

    Args:
        address: ``HOST:PORT`` of its head, or ``auto`` for the one that runs on this machine.

    Raises:
        UndertoneError: Ray is not installed, there is no such cluster, it has no core to give, or
            a node of it holds other versions.
    """
    needs("ray", extra="cluster", what="jobs on a cluster")
    found = reached(address)
    import ray

    try:
        with _told_of_joining(found):
            ray.init(
                address=found,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": _environment()},
            )
        with contextlib.suppress(AttributeError):  # it would print to standard output who died
            ray._private.worker.print_to_stdstream = lambda *_, **__: None
        _check_nodes()
        with elsewhere(_Cluster(int(ray.cluster_resources()["CPU"]), _teller())):
            yield
    finally:
        ray.shutdown()  # which ends every process that works for this one


@contextlib.contextmanager
def _told_of_joining(address: str) -> Iterator[None]:
    try:
        yield
    except (SystemExit, Exception) as error:  # Ray ends a process that waited in vain
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise UndertoneError(
            f"the cluster {address} cannot be joined: {why[0]}; is this machine a node of it, with "
            f"the same Python and Ray? `ray status` tells; {HOW_TO_START}"
        ) from None


def _environment() -> dict[str, str]:
    """Of every worker: one thread, and what this process was told in variables."""
    told = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    return told | dict.fromkeys(THREAD_SETTINGS, "1")


def _check_nodes() -> None:
    """Refuse a cluster without cores, or one that would compute other numbers.

    Raises:
        UndertoneError: a node holds another version of a package that makes numbers.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask: Any = ray.remote(num_cpus=0, max_retries=0)(_asker())
    nodes = [n for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU", 0) >= 1]
    if not nodes:
        raise UndertoneError(
            "the cluster has no core to give: start a node with `ray start --address=HOST:6379`"
        )
    asked = {
        f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})": ask.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(DISTRIBUTIONS)
        for node in nodes
    }
    others, ours = {}, versions_here()
    for name, ref in asked.items():
        try:
            others[name] = differences(ray.get(ref, timeout=ANSWER_S), ours)
        except ray.exceptions.GetTimeoutError:
            raise UndertoneError(
                f"node {name} did not answer within {ANSWER_S:.0f} s: look at it with `ray status`"
            ) from None
        except ray.exceptions.RayError:  # it left
            continue
    if found := [f"{name} holds {'; '.join(what)}" for name, what in others.items() if what]:
        raise UndertoneError(
            f"nodes of the cluster would compute other numbers: {describe_some(found)}. Install "
            "the same packages there and start the node again, or stop it with `ray stop`"
        )


def differences(there: dict[str, str], here: dict[str, str]) -> list[str]:
    """Packages of which two machines hold other versions, in words."""
    return [
        f"{name} {there.get(name) or 'not at all'} where this machine holds {version}"
        for name, version in here.items()
        if there.get(name) != version
    ]


def _asker() -> Callable[[tuple[str, ...]], dict[str, str]]:
    """A function that a node can run without this package, as it travels by value."""

    def ask(names: tuple[str, ...]) -> dict[str, str]:
        import importlib
        import importlib.metadata

        found = {}
        for name in names:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found[name] = importlib.metadata.version(name)
        with contextlib.suppress(ImportError):
            found["undertone"] = importlib.import_module("undertone").__version__
        return found

    return ask


@dataclass(frozen=True)
class _Begun:
    """What every worker of a pool begins with.

    Attributes:
        begin: what it calls.
        arguments: of that.
        versions: that it must hold.
        token: a file in the folder that every worker must see, and what it holds.
        mirrors: addresses by the folders that stand for them.
        told: the actor that hears reports.
        device: that all compute on.
    """

    begin: Begin | None
    arguments: tuple[Any, ...]
    versions: dict[str, str]
    token: tuple[Path, str] | None
    mirrors: dict[Path, str]
    told: Any
    device: str


class _Cluster:
    """A joined cluster, as ``jobs.Engine``."""

    def __init__(self, n_cores: int, told: Any) -> None:
        self.n_cores, self._told = n_cores, told

    @contextlib.contextmanager
    def pool(
        self, begin: Begin | None, arguments: tuple[Any, ...], folder: Path | None
    ) -> Iterator["_Pool"]:
        import ray

        with _seen(folder) as token:
            begun = _Begun(
                *(begin, arguments, versions_here(), token, mirror.known(), self._told),
                device=device.current(),
            )
            pool = _Pool(ray.put(begun), self._told)
            try:
                yield pool
            finally:
                pool.close()


@contextlib.contextmanager
def _seen(folder: Path | None) -> Iterator[tuple[Path, str] | None]:
    """A file by which a worker sees that a folder of its own is not the one that is meant."""
    if folder is None or mirror.stands_for(folder):
        yield None
        return
    name = secrets.token_hex(8)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".seen.{name}.partial"  # what a killed run left is taken away as such
    path.write_text(name)
    try:
        yield path, name
    finally:
        path.unlink(missing_ok=True)


def _teller() -> Any:
    """An actor on this machine that keeps what workers report until it is asked."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(_Told).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()


class _Told:
    """Reports of workers, in the order in which they came."""

    def __init__(self) -> None:
        self._news: list[News] = []

    def put(self, news: list[News]) -> None:
        self._news += news

    def take(self) -> list[News]:
        news, self._news = self._news, []
        return news


class _Pool:
    """Jobs that are on their way; one that lost its process is given to another."""

    def __init__(self, begun: Any, told: Any) -> None:
        import ray

        self._begun, self._told, self._name = begun, told, secrets.token_hex(8)
        n_gpus = int(device.current() == device.CUDA)
        make: Any = ray.remote(
            num_cpus=1, num_gpus=n_gpus, max_retries=0
        )  # sent again by ``_again``
        self._remote = make(_do)
        self._done: queue.SimpleQueue[tuple[_Job, Future[Any]] | None] = queue.SimpleQueue()
        self._looked = time.monotonic()
        threading.Thread(target=self._settle, daemon=True).start()

    def submit(self, do: Callable[..., Any], /, *arguments: Any) -> "Future[Any]":
        job = _Job(do, arguments, Future())
        self._send(job)
        return job.future

    def news(self) -> list[News]:
        """What was reported; what workers wrote to standard error is written to ours."""
        import ray

        self._look_at_cores()
        try:
            news = ray.get(self._told.take.remote())
        except ray.exceptions.RayError:  # its process was killed: it begins anew
            return []
        for line in (what for what, n in news if n == SAID):
            print(line, file=sys.stderr, flush=True)
        return [(what, n) for what, n in news if n != SAID]

    def close(self) -> None:
        """Nothing more is settled."""
        self._done.put(None)

    def _send(self, job: "_Job") -> None:
        again = job.n_deaths + job.n_losses > 0
        ref = self._remote.remote(self._name, [self._begun], job.do, job.arguments, again=again)
        ref.future().add_done_callback(lambda done: self._done.put((job, done)))

    def _settle(self) -> None:
        """In a thread: hand results over, and send again what was lost."""
        while (ended := self._done.get()) is not None:
            job, done = ended
            try:
                self._settle_one(job, done)
            except Exception as error:  # the cluster is gone
                job.future.set_exception(_lost(error))

    def _settle_one(self, job: "_Job", done: "Future[Any]") -> None:
        import ray

        error = done.exception()
        if error is None:
            result, failure = done.result()
            job.future.set_exception(failure.restored()) if failure else job.future.set_result(
                result
            )
        elif isinstance(error, ray.exceptions.RayTaskError):  # before ``_do`` could begin
            job.future.set_exception(_lost(error))
        elif isinstance(error, ray.exceptions.NodeDiedError | ray.exceptions.ObjectLostError):
            job.n_losses += 1
            self._again(job, error, spent=job.n_losses == LOSSES)
        elif isinstance(error, ray.exceptions.WorkerCrashedError | ray.exceptions.OutOfMemoryError):
            job.n_deaths += 1
            self._again(job, error, spent=job.n_deaths == DEATHS)
        else:
            job.future.set_exception(_lost(error))

    def _again(self, job: "_Job", error: BaseException, *, spent: bool) -> None:
        if not spent:
            tell("a process or a node of the cluster died: its job is done again elsewhere")
            self._send(job)
            return
        job.future.set_exception(
            DiedError(
                f"a job ended the process that did it {DEATHS} times: the memory of a node was "
                "exhausted, or somebody ends processes there; run the same command again (what is "
                "finished is kept), with more memory a core if it recurs"
            )
        )

    def _look_at_cores(self) -> None:
        """Say when nobody is left to do the work; it goes on when a node joins."""
        import ray

        if time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            if ray.cluster_resources().get("CPU", 0) < 1:
                tell("the cluster has no core left: the work goes on when a node joins")


@dataclass
class _Job:
    """A job on its way."""

    do: Callable[..., Any]
    arguments: tuple[Any, ...]
    future: "Future[Any]"
    n_deaths: int = 0
    n_losses: int = 0


def _lost(error: BaseException) -> UndertoneError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return UndertoneError(
        f"the cluster gave a job back: {type(error).__name__}: {lines[-1]}; run the same command "
        "again, what is finished is kept"
    )


@dataclass(frozen=True)
class _Failure:
    """A job's own error, and where it was raised."""

    error: Exception
    where: str

    def restored(self) -> Exception:
        """As it would be raised here."""
        self.error.__cause__ = (
            None if isinstance(self.error, UndertoneError) else _Where(self.where)
        )
        return self.error


class _Where(Exception):  # noqa: N818
    """The traceback of a worker, shown above that of this process."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


# --- in a worker

_at_work: dict[str, Any] = {"pool": "", "unsent": [], "sent": 0.0, "told": None}


def _do(
    name: str,
    begun: list[Any],
    do: Callable[..., Any],
    arguments: tuple[Any, ...],
    *,
    again: bool,
) -> tuple[Any, _Failure | None]:
    """A job of the pool ``name``; its result, or its own error."""
    import ray

    try:
        with contextlib.redirect_stderr(_Lines()), jobs.again(again):
            if _at_work["pool"] != name:
                _begin(name, ray.get(begun[0]))
            return do(*arguments), None
    except Exception as error:
        return None, _Failure(error, traceback.format_exc())
    finally:
        _flush(wait=True)


def _begin(name: str, begun: _Begun) -> None:
    _at_work.update(told=begun.told)
    if others := differences(versions_here(), begun.versions):
        raise UndertoneError(
            f"node {platform.node()} would compute other numbers: it holds {'; '.join(others)}."
            " Install the same packages there, or stop it with `ray stop`"
        )
    if begun.token and not _is_seen(*begun.token):
        raise UndertoneError(
            f"node {platform.node()} does not see {begun.token[0].parent}: name a folder that "
            "all nodes share, or an address such as s3://BUCKET/FOLDER"
        )
    mirror.know(begun.mirrors)
    os.environ[device.IN_USE] = begun.device
    begin_worker(_tell, begun.begin, begun.arguments)
    _at_work.update(pool=name)


def _is_seen(path: Path, content: str) -> bool:
    try:
        return path.read_text() == content
    except OSError:
        return False


def _tell(news: News) -> None:
    _at_work["unsent"].append(news)
    if time.monotonic() - _at_work["sent"] > FLUSH_S:
        _flush(wait=False)


def _flush(*, wait: bool) -> None:
    """Send reports; at the end of a job before its result is known, so that all are counted."""
    import ray

    if not _at_work["unsent"] or _at_work["told"] is None:
        return
    unsent, _at_work["unsent"], _at_work["sent"] = _at_work["unsent"], [], time.monotonic()
    with contextlib.suppress(ray.exceptions.RayError):  # who hears them was killed
        ref = _at_work["told"].put.remote(unsent)
        if wait:
            ray.get(ref)


class _Lines(io.TextIOBase):
    """Standard error of a job: whole lines go where reports go."""

    def __init__(self) -> None:
        self._line = ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        _at_work["unsent"] += [(line, SAID) for line in lines if line]
        return len(text)
