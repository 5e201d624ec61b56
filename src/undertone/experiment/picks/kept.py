"""Loops that are kept: one file each, whole or absent; a stopped run goes on.

In:  ``Replays``, the jobs, a folder.
Out: ``replays/<strategy>/<loop>.npz`` in the folder; each names inside what it is of. One that is
     damaged or of something else is set aside, and its loop is gone through again.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from undertone import atomic, seals
from undertone.errors import UndertoneError
from undertone.experiment.picks.replay import Job, OfFold, Replayed, Replays
from undertone.jobs import cores_elsewhere, is_again, shared_out
from undertone.processes import one_thread
from undertone.progress import Progress
from undertone.seals import UnsoundError
from undertone.training.identity import computed_by

LOOPS = "loops"
FOLDER = "replays"


@dataclass(frozen=True)
class Kept:
    """The loops of a run, in its folder.

    Attributes:
        replays: what they share.
        strategies: that are compared.
        n_draws: loops of each strategy in each fold.
        folder: of the run.
    """

    replays: Replays
    strategies: tuple[str, ...]
    n_draws: int
    folder: Path

    @property
    def jobs(self) -> list[Job]:
        """Fold by fold, so that what loops of a fold share is made once."""
        return [
            Job(strategy, fold, draw)
            for fold in sorted(self.replays.plan.folds)
            for strategy in self.strategies
            for draw in range(self.n_draws)
        ]

    def path(self, job: Job) -> Path:
        """Where a loop lies."""
        return self.folder / FOLDER / job.strategy / f"{job.name}.npz"

    def identity(self, job: Job) -> dict[str, Any]:
        """What a loop is, and all that it depends on."""
        replays = self.replays
        return {
            "strategy": job.strategy,
            "loop": job.name,
            "budgets": list(replays.budgets),
            "batch": replays.batch,
            "system": asdict(replays.settings),
            "seed": replays.plan.seed,
            "data": self._data,
            **computed_by(),
        }

    def write(self, job: Job, replayed: Replayed) -> None:
        """Keep a loop."""
        arrays = {
            "order": np.array(replayed.order),
            "values": replayed.values,
            "taught": replayed.taught,
            "utterance": np.array(self.replays.plan.folds[job.fold].test),
        }
        seals.write_record(self.path(job), arrays, self.identity(job))

    def read(self, job: Job) -> Replayed | None:
        """A loop; None where it is not there.

        Raises:
            UnsoundError: it is damaged, or of something else.
        """
        found = seals.read_record(self.path(job), self.identity(job))
        if found is None:
            return None
        if found["utterance"].tolist() != list(self.replays.plan.folds[job.fold].test):
            raise UnsoundError("it is of other utterances")
        return Replayed(tuple(found["order"].tolist()), found["values"], found["taught"])

    def missing(self) -> list[Job]:
        """Loops that are still to be gone through; what cannot be believed is set aside."""
        return [job for job in self.jobs if not self.has(job)]

    def loop(self, job: Job) -> Replayed:
        """A loop of a finished run."""
        try:
            found, why = self.read(job), "it is gone"
        except UnsoundError as error:
            found, why = None, str(error)
        if found is None:
            raise UndertoneError(
                f"{self.path(job)} was changed while the run was at work ({why}); run the same "
                "command again, which computes it anew"
            )
        return found

    def has(self, job: Job) -> bool:
        try:
            return self.read(job) is not None
        except UnsoundError as error:
            atomic.set_aside(self.path(job), str(error))
            return False

    @cached_property
    def _data(self) -> str:
        """Digest of what all loops depend on: the plan, and what the strategies hear."""
        heard = sorted(self.replays.heard.contents.items())
        return seals.digest_of([self.replays.plan.digest(), self.replays.eyes, heard])


def go_through(kept: Kept, *, workers: int, progress: Progress) -> None:
    """Go through every loop that is not on disk; with one worker in this process."""
    todo = kept.missing()
    n_loops = len(kept.jobs)
    progress.add(LOOPS, n_loops, n_loops - len(todo))
    if not cores_elsewhere() and (workers == 1 or len(todo) < 2):
        with one_thread():
            worker = _Worker(kept)
            for job in todo:
                worker.do(job)
                progress.advance(LOOPS)
        return
    with shared_out(workers, _begin, kept, folder=kept.folder) as pool:
        for future in as_completed([pool.submit(_do, chunk) for chunk in _chunks(todo)]):
            progress.advance(LOOPS, future.result())


def _chunks(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Loops of one fold and strategy, which a process does in one go."""
    chunk: list[Job] = []
    for job in jobs:
        if chunk and (job.fold, job.strategy) != (chunk[0].fold, chunk[0].strategy):
            yield chunk
            chunk = []
        chunk.append(job)
    if chunk:
        yield chunk


class _Worker:
    """What a process keeps between loops."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.of_fold: OfFold | None = None

    def do(self, job: Job) -> None:
        if self.of_fold is None or self.of_fold.fold != job.fold:
            self.of_fold = self.kept.replays.of_fold(job.fold)
        self.kept.write(job, self.of_fold.replay(job))


_worker: _Worker


def _begin(kept: Kept) -> None:
    global _worker
    _worker = _Worker(kept)


def _do(jobs: list[Job]) -> int:
    with one_thread():
        for job in jobs:
            if not is_again() or not _worker.kept.has(job):
                _worker.do(job)
    return len(jobs)
