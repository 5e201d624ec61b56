"""Many fits at once: folds x draws x budgets x systems, one process a core, resumable at every fit.

In:  a ``Sweep``: the plan, which systems with which settings, the run's folder.
Out: in that folder what ``stored`` tells of. What is there is not computed again; each fit's
     randomness is named by its cell, so that their order (``order``) changes no number.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from undertone import jobs
from undertone.errors import UndertoneError
from undertone.experiment.order import Job, jobs_of, keeps_folds
from undertone.experiment.stored import Fit, Sweep
from undertone.features.upstream.batches import one_thread
from undertone.jobs import Pool
from undertone.processes import one_thread as one_thread_of_blas
from undertone.progress import Progress
from undertone.systems.adapted import ByVoice, predict_row
from undertone.systems.fitted import Fitted
from undertone.systems.plan import Cell
from undertone.systems.problem import Material
from undertone.training.identity import computed_by, speech_of
from undertone.training.normalise import (
    Normaliser,
    Parts,
    fit_normaliser,
    frames_of,
    normalise,
    unchanged,
)
from undertone.training.pretrain import Start, pretrain
from undertone.training.seeds import seed_of

PRETRAINING, FITTING = "pre-training epochs", "fits"
SHARED = -1  # in the place of a fold: the pre-training that all folds continue
Tell = Callable[[str, int], None]
OnFit = Callable[[Cell, Sequence[str]], None]


def run(
    sweep: Sweep, *, workers: int, progress: Progress, fitted: OnFit = lambda cell, names: None
) -> None:
    """Compute every fit that is not on disk; with one worker in this process.

    Args:
        sweep: plan, systems, settings, folder.
        workers: processes.
        progress: of epochs and fits.
        fitted: told of each cell and the systems that are on disk for it now.

    Raises:
        UndertoneError: the disk is full or a worker was killed; what is finished is kept.
    """
    sweep.set_unsound_aside()
    todo = jobs_of(sweep)
    n_missing = sum(len(job.systems) for job in todo)
    progress.add(FITTING, sweep.n_fits, sweep.n_fits - n_missing)
    if not todo:
        return
    if sweep.pretrains:
        n_folds = len({job.cell.fold for job in todo if job.sees_pool})
        n_trainings = n_folds + (n_folds > 0 and sweep.shared is not None)
        progress.add(PRETRAINING, n_trainings * sweep.pretraining.max_epochs)
    if workers == 1 and not jobs.cores_elsewhere():
        _run_here(sweep, todo, progress, fitted)
        return
    at_once = 2 * max(workers, jobs.cores_elsewhere())
    with jobs.shared_out(workers, _begin, sweep, computed_by(), folder=sweep.folder) as pool:
        items = _with_folds(todo, shared=sweep.shared is not None)
        _run_in(pool, items, at_once, listen=lambda: _pass_on(pool, progress), fitted=fitted)
    _pass_on(pool, progress)  # what was still on its way when the last job was done


def refit(sweep: Sweep, system: str, cell: Cell) -> tuple[Fitted, Material]:
    """A system as it was fitted in a cell of a finished sweep, and what it was fitted on."""
    (row,) = (row for row in sweep.rows if row.name == system)
    with one_thread():
        worker = _Worker(sweep, lambda what, n: None)
        sees_pool = any(row.sees_pool for row in sweep.rows)
        material = worker.material_of(cell.fold, sees_pool=sees_pool)
        return row.fit(sweep.plan.problem(cell, material), row.own(sweep.settings)), material


def predict_apart(
    sweep: Sweep, system: str, cells: Sequence[Cell]
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """By fold and draw, predictions of the fold's test utterances by fits that are not kept."""
    (row,) = (row for row in sweep.rows if row.name == system)
    with one_thread(), one_thread_of_blas():
        worker = _Worker(sweep, lambda what, n: None)
        for cell in sorted(cells, key=lambda cell: cell.fold):
            material = worker.material_of(cell.fold, sees_pool=row.sees_pool)
            fitted = row.fit(sweep.plan.problem(cell, material), row.own(sweep.settings))
            values = fitted.predict(material, list(sweep.plan.folds[cell.fold].test))
            yield (cell.fold, cell.draw), values


def _run_here(sweep: Sweep, todo: list[Job], progress: Progress, fitted: OnFit) -> None:
    with one_thread(), one_thread_of_blas():
        worker, prepared = _Worker(sweep, progress.advance), set[int]()
        for job in todo:
            if job.sees_pool and job.cell.fold not in prepared:
                worker.prepare(job.cell.fold)
                prepared.add(job.cell.fold)
            worker.fit(job)
            fitted(job.cell, job.systems)


def _run_in(
    pool: Pool,
    todo: "list[Job | int]",
    at_once: int,
    *,
    listen: Callable[[], None],
    fitted: OnFit,
) -> None:
    """In their order, but for those that wait for a fold's encoder, which go on when it is there.

    Folds are pre-trained behind the jobs that see no pool of the first stage; few jobs are given
    away ahead, so that what comes first in the order is next.
    """
    waiting, prepared, running = list(todo), set[int](), dict[Future[None], Job | int]()
    shared = {SHARED} & {item for item in waiting if isinstance(item, int)}
    while waiting or running:
        ready = (i for i, item in enumerate(waiting) if _is_ready(item, prepared, shared))
        next_ones = list(islice(ready, max(0, at_once - len(running))))
        for item in [waiting[i] for i in next_ones]:
            is_fold = isinstance(item, int)
            future = pool.submit(_prepare, item) if is_fold else pool.submit(_fit, item)
            running[future] = item
        for i in reversed(next_ones):
            del waiting[i]
        done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
        listen()
        for future in done:
            future.result()
            item = running.pop(future)
            if isinstance(item, int):
                prepared.add(item)
            else:
                fitted(item.cell, item.systems)


def _with_folds(todo: list[Job], *, shared: bool) -> list[Job | int]:
    """The jobs, and in front of the first that sees a pool the folds of all that do."""
    folds = list(dict.fromkeys(job.cell.fold for job in todo if job.sees_pool))
    folds = [SHARED, *folds] if shared and folds else folds
    first = next((i for i, job in enumerate(todo) if job.sees_pool), len(todo))
    return [*todo[:first], *folds, *todo[first:]]


def _is_ready(item: Job | int, prepared: set[int], waited_for: set[int]) -> bool:
    """A fold waits for what all folds share, a job that sees a pool for its fold."""
    if isinstance(item, int):
        return item == SHARED or SHARED not in waited_for - prepared
    return not item.sees_pool or item.cell.fold in prepared


def _pass_on(pool: Pool, progress: Progress) -> None:
    for what, n in pool.news():
        progress.advance(what, n)


class _Worker:
    """What a process keeps between jobs."""

    def __init__(self, sweep: Sweep, tell: Tell) -> None:
        self.sweep, self.tell = sweep, tell
        self.materials: dict[tuple[int, bool], Material] = {}

    def prepare(self, fold: int) -> None:
        """Pre-train the fold's encoder, where a system starts from it."""
        sweep = self.sweep
        if not sweep.pretrains:
            return
        parts, voices = sweep.learned_from(fold)
        sweep.read_pretraining(fold)  # which sets aside what is of something else
        self._pretrain(
            *(parts, voices, self._normaliser(fold)),
            seed=seed_of(sweep.plan.seed, "pretrain", fold),
            folder=sweep.encoder_folder(fold),
            start=self.prepare_shared(),
        )

    def prepare_shared(self) -> Start | None:
        """The pre-training that folds share, made where it is not there; None of no such one."""
        sweep = self.sweep
        if sweep.shared is None:
            return None
        if (done := sweep.read_start()) is not None:
            return done
        parts = sweep.shared.parts
        normaliser = sweep.shared_normaliser(
            lambda: fit_normaliser(frames_of(parts), stride=self._stride)
        )
        self._pretrain(
            *(parts, sweep.shared.voices, normaliser),
            seed=seed_of(sweep.plan.seed, "pretrain", "shared"),
            folder=sweep.shared_folder,
        )
        return sweep.read_start()

    def _pretrain(
        self,
        parts: Parts,
        voices: Sequence[str | None],
        normaliser: Normaliser,
        *,
        seed: int,
        folder: Path,
        start: Start | None = None,
    ) -> None:
        sweep, n_told = self.sweep, 0

        def tell(epoch: object) -> None:
            nonlocal n_told
            n_told += 1
            self.tell(PRETRAINING, 1)

        pretrain(
            normalise(parts, normaliser),
            shape=sweep.plan.shape,
            settings=sweep.pretraining,
            seed=seed,
            speakers=voices,
            speech=speech_of(parts),
            folder=folder,
            report=tell,
            start=start,
        )
        self.tell(PRETRAINING, sweep.pretraining.max_epochs - n_told)  # stopped early

    def fit(self, job: Job) -> None:
        """Fit the systems of a job, and keep what they predict; not what a dead worker kept."""
        sweep, cell, names = self.sweep, job.cell, set(job.systems)
        if jobs.is_again():
            names &= {row.name for row in sweep.missing(cell)}
        material = self.material_of(cell.fold, sees_pool=job.sees_pool)
        problem = sweep.plan.problem(cell, material)
        fits: dict[str, Fitted] = {}  # one that is adapted is the same fit
        for row in sweep.rows_in(cell):
            if row.name not in names:
                continue
            name = row.of if isinstance(row, ByVoice) else row.name
            if name not in fits:
                fits[name] = row.fit(problem, row.own(sweep.settings))
            values = predict_row(row, fits[name], plan=sweep.plan, cell=cell, material=material)
            sweep.write_fit(row, cell, Fit(values, fits[name].notes))
            self.tell(FITTING, 1)

    def material_of(self, fold: int, *, sees_pool: bool) -> Material:
        """The fold's material, kept for its other cells; without a GRU no pool is read for it."""
        key = (fold, sees_pool)
        if key not in self.materials:
            if not keeps_folds(self.sweep):
                self.materials.clear()
            plan = self.sweep.plan
            if sees_pool:
                pretraining = self.sweep.read_pretraining(fold)  # ``prepare`` left it, if asked
                encoder = None if pretraining is None else pretraining.encoder
                self.materials[key] = plan.material(fold, self._normaliser(fold), encoder)
            else:
                as_they_are = unchanged(len(plan.frames.columns), stride=self._stride)
                self.materials[key] = plan.material(fold, as_they_are)
        for other, material in self.materials.items():
            if other != key:
                material.forget_steps()
        return self.materials[key]

    def _normaliser(self, fold: int) -> Normaliser:
        of_fold = self.sweep.plan.folds[fold]
        return self.sweep.normaliser(
            fold, lambda: fit_normaliser(of_fold.frames(), stride=self._stride)
        )

    @property
    def _stride(self) -> int:
        return self.sweep.plan.shape.stride


_worker: _Worker


def _begin(sweep: Sweep, asked: dict[str, str]) -> None:
    global _worker
    torch.set_num_threads(1)
    if (ours := computed_by()) != asked:
        raise UndertoneError(
            f"a worker would compute other numbers, with {ours} in place of {asked}: give all "
            "machines the same compiler and the same UNDERTONE_KERNEL"
        )
    _worker = _Worker(sweep, jobs.report)


def _prepare(fold: int) -> None:
    if fold == SHARED:
        _worker.prepare_shared()
    else:
        _worker.prepare(fold)


def _fit(job: Job) -> None:
    _worker.fit(job)
