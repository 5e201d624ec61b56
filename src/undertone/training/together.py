"""The processes of a team: started here, or by ``torchrun`` on one machine or several.

In:  a number of processes, what each of them runs.
Out: ``Team``; this process leads those that it started.

Processes that are started here meet on 127.0.0.1 and listen nowhere else. Those of ``torchrun``
meet where its environment says (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT). On CPUs they exchange
gradients by gloo, on GPUs by NCCL. One that dies ends all; the checkpoint that the leader wrote
last is gone on from, by any number of processes.
"""

import contextlib
import multiprocessing.connection
import os
import socket
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple

import torch
from torch import distributed

from undertone import device
from undertone.errors import UndertoneError
from undertone.features.upstream.batches import one_thread
from undertone.processes import CONTEXT, end_with_parent, start_alone
from undertone.training.team import ALONE, LostError, Team

LOOPBACK = "127.0.0.1"
INTERFACE = "GLOO_SOCKET_IFNAME"  # that gloo listens on
READY_S = 0.2  # between two looks at who is ready
GONE_S = 20.0  # that a process has to be seen ended, once another has lost it
AGAIN = "run the same command again: it goes on after the last epoch that was finished"
Run = Callable[..., None]


def started_by_torchrun() -> bool:
    """Whether this process is one of several that ``torchrun`` started."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def leads() -> bool:
    """Whether this process writes and tells; of those of ``torchrun`` the first does."""
    return not started_by_torchrun() or os.environ["RANK"] == "0"


@contextlib.contextmanager
def team(size: int, run: Run, *arguments: Any) -> Iterator[Team]:
    """So many processes, this one among them.

    Args:
        size: of the team; 1 where ``torchrun`` says how many.
        run: what the others do, ``run(team, *arguments)``; both go through a pipe.
        arguments: of ``run``.

    Raises:
        UndertoneError: there are not so many GPUs, or a process was lost.
    """
    if started_by_torchrun():
        if size != 1:
            raise UndertoneError(
                f"torchrun has started {os.environ['WORLD_SIZE']} processes: leave --processes out"
            )
        with _of_torchrun() as joined:
            yield joined
    elif size == 1:
        yield ALONE
    else:
        _take_gpu(size - 1)
        with _led_here(size, run, arguments) as joined:
            yield joined


@contextlib.contextmanager
def _of_torchrun() -> Iterator[Team]:
    _take_gpu(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group(_backend(), init_method="env://")
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size())
    except LostError as error:
        raise UndertoneError(
            f"a process of this pre-training was lost ({error}): {AGAIN}"
        ) from None
    finally:
        distributed.destroy_process_group()


class _Other(NamedTuple):
    """A process that was started here, and what it says when it cannot go on."""

    process: SpawnProcess
    said: Connection


@contextlib.contextmanager
def _led_here(size: int, run: Run, arguments: tuple[Any, ...]) -> Iterator[Team]:
    others: list[_Other] = []
    with _on_loopback(), one_thread():
        listener = socket.create_server((LOOPBACK, 0))
        port = listener.getsockname()[1]
        store = distributed.TCPStore(
            LOOPBACK, port, size, True, wait_for_workers=False, master_listen_fd=listener.detach()
        )
        try:
            for rank in range(1, size):
                said, says = CONTEXT.Pipe(duplex=False)
                given = (Team(rank, size), port, says, run, *arguments)
                others.append(_Other(start_alone(_beside, *given), said))
                says.close()
            _wait_until_ready(store, others)
            _take_gpu(0)
            distributed.init_process_group(_backend(), store=store, rank=0, world_size=size)
            yield Team(0, size)
            for other in others:  # which had less to do: what the leader measures alone
                other.process.join(GONE_S)
        except LostError:
            raise _lost(others) from None
        finally:
            for other in others:
                other.process.kill()
                other.process.join()
            if distributed.is_initialized():
                distributed.destroy_process_group()


def _beside(own: Team, port: int, says: Connection, run: Run, *arguments: Any) -> None:
    """In a process that was started: join, do as asked, and end with the leader."""
    end_with_parent()
    torch.set_num_threads(1)
    _take_gpu(own.rank)
    try:
        store = distributed.TCPStore(LOOPBACK, port, own.size, False)
        store.set(_ready(own.rank), "")
        distributed.init_process_group(_backend(), store=store, rank=own.rank, world_size=own.size)
        run(own, *arguments)
        distributed.destroy_process_group()
    except LostError:  # the leader tells
        os._exit(1)
    except UndertoneError as error:
        says.send(str(error))
        os._exit(1)


def _wait_until_ready(store: Any, others: list[_Other]) -> None:
    """Until all have joined.

    Raises:
        UndertoneError: one ended before.
    """
    ended = [other.process.sentinel for other in others]
    keys = [_ready(rank) for rank in range(1, len(others) + 1)]
    while not store.check(keys):
        if multiprocessing.connection.wait(ended, timeout=READY_S):
            raise _lost(others)


def _lost(others: list[_Other]) -> UndertoneError:
    """What to tell of a process that ended before its time."""
    ended = multiprocessing.connection.wait([other.process.sentinel for other in others], GONE_S)
    for rank, (process, said) in enumerate(others, start=1):
        if process.sentinel in ended:  # its files are closed a moment before its status is known
            process.join(GONE_S)
        with contextlib.suppress(EOFError):
            if said.poll():
                return UndertoneError(said.recv())
        if process.exitcode not in (None, 0, 1):
            return UndertoneError(
                f"process {rank + 1} of {len(others) + 1} of this pre-training ended before its "
                f"time ({_how(process)}): {AGAIN}, with fewer --processes if the memory was "
                "exhausted"
            )
    return UndertoneError(f"a process of this pre-training was lost: {AGAIN}")


def _how(process: SpawnProcess) -> str:
    code = process.exitcode or 0
    return f"killed by signal {-code}" if code < 0 else f"exit status {code}"


def _ready(rank: int) -> str:
    return f"undertone/ready/{rank}"


def _backend() -> str:
    return "nccl" if device.current() == device.CUDA else "gloo"


def _take_gpu(number: int) -> None:
    """Compute on the GPU of this number, where GPUs are in use.

    Raises:
        UndertoneError: there are fewer.
    """
    if device.current() == device.CPU:
        return
    there = torch.cuda.device_count() if device.current() == device.CUDA else 1
    if number >= there:
        raise UndertoneError(
            f"{number + 1} processes need as many GPUs, and there {'is' if there == 1 else 'are'} "
            f"{there}: take --processes {there}, or --device cpu"
        )
    if device.current() == device.CUDA:
        torch.cuda.set_device(number)


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Let gloo listen on the loopback interface alone, here and in processes that are started."""
    before = os.environ.get(INTERFACE)
    os.environ[INTERFACE] = "lo0" if sys.platform == "darwin" else "lo"
    try:
        yield
    finally:
        if before is None:
            del os.environ[INTERFACE]
        else:
            os.environ[INTERFACE] = before
