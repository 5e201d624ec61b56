"""The processes of a service: each hears one thing at a time, and may die of it.

In:  jobs.
Out: outcomes. A process that dies, or needs too long, is replaced. A job whose process died is done
     once more by another, and what kills two is told to be deadly. Moments of streams come before
     recordings, those of one stream to one process unless that is at work, and while streams are
     open one process is kept free of recordings.
"""

import asyncio
import contextlib
import pickle
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING

from undertone.errors import UndertoneError, tell
from undertone.processes import CONTEXT, end_with_parent, start_alone
from undertone.serving.live import Moment
from undertone.serving.service.jobs import Job, Outcome, done
from undertone.serving.service.refusals import BROKEN, UNAVAILABLE, UNUSABLE, Refusal

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

READY_S = 120.0  # for a process to load the model, on a busy machine
AGAIN_S = 1.0
LOOK_S = 1.0  # whether a process without work lives
NOBODY_LIVES = (
    "no process with the model could be started: the memory is exhausted or it was killed; start "
    "the service with fewer --workers"
)
TRIES = 2
MOST_STREAMS = 1000  # of which it is remembered what process heard them
WARM_S = 1.0  # of noise, that compiles and loads what the first answer needs


class DiedError(Exception):
    """A process died of its job."""


class TooLongError(Exception):
    """A process was killed because it needed too long."""


@dataclass(eq=False)
class _Asked:
    """A job, and who waits for it."""

    job: Job
    answer: "asyncio.Future[Outcome]"
    n_deaths: int = 0


class Worker:
    """One process."""

    def __init__(self, recogniser: bytes, model: str) -> None:
        self._ours, theirs = CONTEXT.Pipe()
        self.process: SpawnProcess = start_alone(_work, theirs, recogniser, model)
        theirs.close()

    def be_ready(self) -> None:
        """Wait for the model; raises as ``do``."""
        self._receive(READY_S)

    def do(self, job: Job, most_s: float) -> Outcome:
        """Have a job done.

        Raises:
            DiedError: the process is gone.
            TooLongError: it needed too long, and was killed.
        """
        try:
            self._ours.send(job)
        except (BrokenPipeError, ConnectionError, EOFError):
            raise DiedError from None
        return self._receive(most_s)

    def kill(self) -> None:
        """End it, whatever it is at."""
        self.process.kill()
        self.process.join()
        self._ours.close()

    def _receive(self, most_s: float) -> Outcome:
        ready = wait([self._ours, self.process.sentinel], most_s)
        try:
            if self._ours in ready:
                outcome: Outcome = self._ours.recv()
                return outcome
        except (EOFError, ConnectionError, pickle.UnpicklingError):
            raise DiedError from None
        if ready:
            raise DiedError
        self.process.kill()
        raise TooLongError


@dataclass
class Workers:
    """So many processes with one model.

    Attributes:
        recogniser: that they have.
        model: its name, in commands that notes name.
        n: processes.
        work_s: that one job may take.
        n_streams: how many streams are open.
        n_deaths: of processes, so far.
    """

    recogniser: "Recogniser"
    model: str
    n: int
    work_s: float
    n_streams: Callable[[], int] = lambda: 0
    n_deaths: int = 0
    _moments: deque[_Asked] = field(default_factory=deque)
    _files: deque[_Asked] = field(default_factory=deque)
    _at_work: dict[int, Worker] = field(default_factory=dict)
    _busy: set[int] = field(default_factory=set)
    _heard: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _n_files: int = 0
    _is_over: bool = False

    async def start(self) -> None:
        """Start them all.

        Raises:
            UndertoneError: the first does not begin.
        """
        self._changed = asyncio.Condition()
        self._threads = ThreadPoolExecutor(self.n)
        self._packed = pickle.dumps(self.recogniser)
        began = [asyncio.create_task(self._new(i)) for i in range(self.n)]
        try:
            await asyncio.gather(*began)
        except BaseException as error:  # an interrupt, too, leaves no process behind
            self.kill()
            await asyncio.gather(*began, return_exceptions=True)
            if isinstance(error, DiedError | TooLongError):
                raise UndertoneError(NOBODY_LIVES) from None
            raise
        self._runners = [asyncio.create_task(self._run(i)) for i in range(self.n)]

    @property
    def n_alive(self) -> int:
        """Processes that live."""
        return sum(worker.process.is_alive() for worker in self._at_work.values())

    @property
    def n_waiting(self) -> int:
        """Jobs that wait for a process."""
        return len(self._moments) + len(self._files)

    async def do(self, job: Job) -> Outcome:
        """Have a job done.

        Raises:
            Refusal: no process did it.
        """
        asked = _Asked(job, asyncio.get_running_loop().create_future())
        async with self._changed:
            (self._moments if isinstance(job, Moment) else self._files).append(asked)
            self._changed.notify_all()
        return await asked.answer

    def kill(self) -> None:
        """End all processes, those that begin just now among them."""
        self._is_over = True
        for worker in self._at_work.values():
            with contextlib.suppress(OSError, ValueError):
                worker.kill()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def close(self) -> None:
        """End what runs, and all processes."""
        for runner in self._runners:
            runner.cancel()
        for asked in (*self._moments, *self._files):
            asked.answer.cancel()
        await asyncio.to_thread(self.kill)
        await asyncio.gather(*self._runners, return_exceptions=True)

    async def _run(self, i: int) -> None:
        """What feeds one process, and replaces it."""
        while True:
            asked = await self._next(i)
            is_file = asked is not None and not isinstance(asked.job, Moment)
            try:
                if not self._at_work[i].process.is_alive():  # it was killed while it had no work
                    await self._replace(i)
                if asked is not None:
                    await self._ask(i, asked)
            except Exception as error:  # whoever asked must not wait for ever
                if asked is not None:
                    _refuse(asked, Refusal(BROKEN, f"{type(error).__name__}: {error}"))
                await self._replace(i)
            finally:
                async with self._changed:
                    self._busy.discard(i)
                    self._n_files -= is_file
                    self._changed.notify_all()

    async def _ask(self, i: int, asked: _Asked) -> None:
        loop = asyncio.get_running_loop()
        while not asked.answer.done():
            do = self._at_work[i].do
            try:
                _set(asked, await loop.run_in_executor(self._threads, do, asked.job, self.work_s))
                return
            except TooLongError:
                _refuse(asked, _took_too_long(asked.job, self.work_s))
            except DiedError:
                asked.n_deaths += 1
                if asked.n_deaths == TRIES:
                    _refuse(asked, _deadly(asked.job))
            await self._replace(i)

    async def _replace(self, i: int) -> None:
        """A new process in the place of one that is gone; tried until there is one."""
        self.n_deaths += 1
        while not self._is_over:
            await asyncio.to_thread(self._at_work[i].kill)
            with contextlib.suppress(DiedError, TooLongError, OSError):
                await self._new(i)
                tell("a process of the service was gone; another one has taken its place")
                return
            await asyncio.sleep(AGAIN_S)

    async def _new(self, i: int) -> None:
        def begin() -> None:
            self._at_work[i] = Worker(self._packed, self.model)
            if self._is_over:
                self._at_work[i].kill()
                raise DiedError
            self._at_work[i].be_ready()

        await asyncio.get_running_loop().run_in_executor(self._threads, begin)

    async def _next(self, i: int) -> _Asked | None:
        """A job that is i's to do now; None after a while, so that it is looked after."""
        async with self._changed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait_for(lambda: self._found(i) is not None)
            asked = self._found(i)
            if asked is None:
                pass
            elif isinstance(asked.job, Moment):
                self._moments.remove(asked)
                self._heard[asked.job.stream] = i
                self._heard.move_to_end(asked.job.stream)
                if len(self._heard) > MOST_STREAMS:
                    self._heard.popitem(last=False)
            else:
                self._files.remove(asked)
                self._n_files += 1
            self._busy.add(i)
            self._changed.notify_all()  # what waits for this process may go to another now
            return asked

    def _found(self, i: int) -> _Asked | None:
        """What a process is to do next."""
        for jobs in (self._moments, self._files):
            while jobs and jobs[0].answer.done():  # who asked is gone
                jobs.popleft()
        for asked in self._moments:
            assert isinstance(asked.job, Moment)
            other = self._heard.get(asked.job.stream, i)
            if other == i or other in self._busy:
                return asked
        most = self.n - 1 if self.n > 1 and self.n_streams() else self.n
        return self._files[0] if self._files and self._n_files < most else None


def _set(asked: _Asked, outcome: Outcome) -> None:
    if not asked.answer.done():
        asked.answer.set_result(outcome)


def _refuse(asked: _Asked, why: Refusal) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(why)


def _name(job: Job) -> str:
    return "this moment of the stream" if isinstance(job, Moment) else job.name


def _took_too_long(job: Job, most_s: float) -> Refusal:
    return Refusal(
        UNAVAILABLE,
        f"{_name(job)} took more than {most_s:g} s and was stopped: send a shorter recording, or "
        "start the service with a larger --max-work-seconds",
        AGAIN_S,
    )


def _deadly(job: Job) -> Refusal:
    if isinstance(job, Moment):
        return Refusal(UNAVAILABLE, "the processes that listened died: begin again", AGAIN_S)
    return Refusal(
        UNUSABLE,
        f"{job.name} ended {TRIES} processes that read it, one after the other: it is damaged or "
        "made to harm, or the memory was exhausted",
        kind="deadly",
    )


def _work(connection: Connection, packed: bytes, model: str) -> None:
    """What a process does until the service is gone."""
    end_with_parent()
    recogniser = pickle.loads(packed)
    _warm(recogniser)
    connection.send(Outcome({}))
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(done(recogniser, job, model=model))


def _warm(recogniser: "Recogniser") -> None:
    import numpy as np

    from undertone.audio import SAMPLE_RATE
    from undertone.serving.given import Item
    from undertone.serving.predict import predict_item

    noise = np.random.default_rng(0).normal(0, 0.01, round(WARM_S * SAMPLE_RATE))
    predict_item(recogniser, Item("noise", samples=noise.astype(np.float32), rate=SAMPLE_RATE))
