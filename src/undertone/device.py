"""Where networks are trained and encoders are run: the processor, or a GPU.

In:  what was asked for: ``auto``, ``cpu``, ``cuda`` or ``mps``.
Out: the device in use here and in every process that is started meanwhile; batches that wait there.

``auto`` is CUDA where PyTorch has it, and else the processor. Nothing that is stored knows where it
was computed, but its identity tells, because a GPU rounds otherwise. Outside of ``using`` all is on
the processor: so models are served there.
"""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from undertone.errors import UndertoneError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

AUTO, CPU, CUDA, MPS = CHOICES = ("auto", "cpu", "cuda", "mps")
ASKED = "UNDERTONE_DEVICE"  # the environment variable in the place of ``--device``
IN_USE = "UNDERTONE_DEVICE_IN_USE"  # what processes hand on to those that they start
WAITING = 2  # batches that are made ahead

Batch = TypeVar("Batch")


@contextlib.contextmanager
def using(asked: str = "") -> Iterator[str]:
    """Compute there until the context ends, here and in processes that are started meanwhile.

    Args:
        asked: one of ``CHOICES``; by default what the environment says, or else ``auto``.

    Raises:
        UndertoneError: there is no such device.
    """
    chosen, before = choose(asked or os.environ.get(ASKED) or AUTO), os.environ.get(IN_USE)
    os.environ[IN_USE] = chosen
    try:
        yield chosen
    finally:
        if before is None:
            del os.environ[IN_USE]
        else:
            os.environ[IN_USE] = before


def choose(asked: str) -> str:
    """``cpu``, ``cuda`` or ``mps``, as was asked for and is there.

    Raises:
        UndertoneError: there is no such device, or no such name.
    """
    if asked not in CHOICES:
        raise UndertoneError(f"a device is one of {', '.join(CHOICES)}, found {asked!r}")
    if asked == CPU:
        return CPU
    import torch

    there = {CUDA: torch.cuda.is_available(), MPS: torch.backends.mps.is_available()}
    if asked == AUTO:
        return CUDA if there[CUDA] else CPU
    if not there[asked]:
        built = torch.version.cuda is not None if asked == CUDA else torch.backends.mps.is_built()
        why = "finds none here" if built else f"{torch.__version__} is built without it"
        raise UndertoneError(
            f"--device {asked} asks for a GPU, and PyTorch {why}: take --device auto, which uses a "
            "GPU where there is one, or --device cpu"
        )
    return asked


def current() -> str:
    """What is in use: ``cpu``, ``cuda`` or ``mps``."""
    return os.environ.get(IN_USE, CPU)


def place(*modules: "nn.Module") -> "torch.device":
    """Move networks to the device in use, in place; where they are then."""
    import torch

    for module in modules:
        module.to(current())
    return place_of(modules[0]) if modules else torch.device(current())


def place_of(module: "nn.Module") -> "torch.device":
    """Where a network is, and what it computes with must be, too."""
    return next(iter(module.parameters())).device


def autocast() -> contextlib.AbstractContextManager[Any]:
    """Products in bfloat16 on CUDA; elsewhere everything as it is."""
    if current() != CUDA:
        return contextlib.nullcontext()
    import torch

    return torch.autocast(CUDA, dtype=torch.bfloat16)


def ahead(
    batches: Iterable[Batch], where: "torch.device", moved: Callable[[Batch, Any], Batch]
) -> Iterator[Batch]:
    """Batches on a device, made and copied while the one before is computed with.

    Args:
        batches: made on the processor, in their order.
        where: they are to be; on the processor they come as they are, when they are asked for.
        moved: of a batch and what moves a tensor: the batch, moved.
    """
    if where.type == CPU:
        yield from batches
        return

    def move(tensor: "Tensor") -> "Tensor":
        if where.type == CUDA:  # from pinned memory the copy does not wait
            tensor = tensor.pin_memory()
        return tensor.to(where, non_blocking=True)

    yield from in_background(moved(batch, move) for batch in batches)


def in_background(made: Iterator[Batch]) -> Iterator[Batch]:
    """The same one after the other, the next made by a thread of its own."""
    waiting: queue.Queue[tuple[bool, Any]] = queue.Queue(WAITING)
    stopped = threading.Event()
    thread = threading.Thread(target=_fill, args=(waiting, made, stopped), daemon=True)
    thread.start()
    try:
        while (item := waiting.get())[0]:
            yield item[1]
        if item[1] is not None:
            raise item[1]
    finally:
        stopped.set()
        thread.join()


def _fill(
    waiting: "queue.Queue[tuple[bool, Any]]", made: Iterator[Any], stopped: threading.Event
) -> None:
    """Put what is made, then that it has ended, or what ended it."""
    last = None
    try:
        for one in made:
            if not _put(waiting, (True, one), stopped):
                return
    except BaseException as error:  # it is raised where the batch is asked for
        last = error
    _put(waiting, (False, last), stopped)


def _put(
    waiting: "queue.Queue[tuple[bool, Any]]", item: tuple[bool, Any], stopped: threading.Event
) -> bool:
    """Wait for room; whether there was any before nobody wanted it any more."""
    while not stopped.is_set():
        with contextlib.suppress(queue.Full):
            waiting.put(item, timeout=0.1)
            return True
    return False
