"""Many fits at once: folds x draws x budgets x systems, one process a core, resumable at every fit.

In:  a ``Sweep``: the plan, which systems with which settings, the run's folder.
Out: in that folder what ``stored`` tells of. What is there is not computed again; each fit's
     randomness is named by its cell, so that their order changes no number.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from queue import Empty
from typing import Any

import torch

from undertone.experiment.stored import Fit, Sweep
from undertone.features.upstream.batches import one_thread
from undertone.processes import CONTEXT, process_pool
from undertone.processes import one_thread as one_thread_of_blas
from undertone.progress import Progress
from undertone.systems.adapted import ByVoice, predict_row
from undertone.systems.fitted import Fitted
from undertone.systems.plan import Cell
from undertone.systems.problem import Material
from undertone.training.identity import speech_of
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
Tell = Callable[[str, int], None]


def run(sweep: Sweep, *, workers: int, progress: Progress) -> None:
    """Compute every fit that is not on disk; with one worker in this process.

    Raises:
        UndertoneError: the disk is full or a worker was killed; what is finished is kept.
    """
    sweep.set_unsound_aside()
    cells = sweep.plan.cells
    n_missing = [len(sweep.missing(cell)) for cell in cells]
    todo = [cell for cell, n in zip(cells, n_missing, strict=True) if n]
    progress.add(FITTING, sweep.n_fits, sweep.n_fits - sum(n_missing))
    if not todo:
        return
    if sweep.pretrains:
        n_folds = len({cell.fold for cell in todo})
        n_trainings = n_folds + (sweep.shared is not None)
        progress.add(PRETRAINING, n_trainings * sweep.pretraining.max_epochs)
    if workers == 1:
        _run_here(sweep, todo, progress)
        return
    news = CONTEXT.Queue()
    with process_pool(workers, _begin, sweep, news) as executor:
        _run_in(executor, sweep, todo, lambda: _pass_on(news, progress))
    _pass_on(news, progress)


def refit(sweep: Sweep, system: str, cell: Cell) -> tuple[Fitted, Material]:
    """A system as it was fitted in a cell of a finished sweep, and what it was fitted on."""
    (row,) = (row for row in sweep.rows if row.name == system)
    with one_thread():
        material = _Worker(sweep, lambda what, n: None).material_of(cell.fold)
        return row.fit(sweep.plan.problem(cell, material), row.own(sweep.settings)), material


def _run_here(sweep: Sweep, todo: list[Cell], progress: Progress) -> None:
    with one_thread(), one_thread_of_blas():
        worker = _Worker(sweep, progress.advance)
        for fold in sorted({cell.fold for cell in todo}):
            worker.prepare(fold)
            for cell in _long_ones_first(todo, fold):
                worker.fit(cell)


def _run_in(
    executor: ProcessPoolExecutor, sweep: Sweep, todo: list[Cell], listen: Callable[[], None]
) -> None:
    """Pre-train the folds, then fit a fold's cells as soon as its encoder is there."""
    folds = sorted({cell.fold for cell in todo})
    if sweep.shared is not None:
        _await(executor.submit(_prepare_shared), listen)
    running: dict[Future[None], int | None] = {
        executor.submit(_prepare, fold): fold for fold in folds
    }
    while running:
        done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
        listen()
        for future in done:
            future.result()
            fold = running.pop(future)
            if fold is not None:
                cells = _long_ones_first(todo, fold)
                running |= {executor.submit(_fit, cell): None for cell in cells}


def _await(future: Future[None], listen: Callable[[], None]) -> None:
    """The end of one job, while news are passed on."""
    while wait([future], timeout=0.5).not_done:
        listen()
    future.result()


def _long_ones_first(todo: list[Cell], fold: int) -> list[Cell]:
    """A fold's cells, so that cores end together."""
    return sorted((cell for cell in todo if cell.fold == fold), key=lambda cell: -cell.budget)


def _pass_on(news: Any, progress: Progress) -> None:
    while True:
        try:
            progress.advance(*news.get_nowait())
        except Empty:
            return


class _Worker:
    """What a process keeps between jobs."""

    def __init__(self, sweep: Sweep, tell: Tell) -> None:
        self.sweep, self.tell = sweep, tell
        self.fold: int | None = None
        self.material: Material | None = None

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

    def fit(self, cell: Cell) -> None:
        """Fit the systems of a cell that are missing, and keep what they predict."""
        sweep, material = self.sweep, self.material_of(cell.fold)
        problem = sweep.plan.problem(cell, material)
        fits: dict[str, Fitted] = {}  # one that is adapted is the same fit
        for row in sweep.missing(cell):
            name = row.of if isinstance(row, ByVoice) else row.name
            if name not in fits:
                fits[name] = row.fit(problem, row.own(sweep.settings))
            values = predict_row(row, fits[name], plan=sweep.plan, cell=cell, material=material)
            sweep.write_fit(row, cell, Fit(values, fits[name].notes))
            self.tell(FITTING, 1)

    def material_of(self, fold: int) -> Material:
        """The fold's material, kept while its cells come one after the other."""
        if self.material is None or self.fold != fold:
            pretraining = self.sweep.read_pretraining(fold)  # ``prepare`` left it, if asked
            encoder = None if pretraining is None else pretraining.encoder
            if any(row.sees_pool for row in self.sweep.rows):
                normaliser = self._normaliser(fold)
            else:  # systems without a GRU take frames as they are: no pool is read for nothing
                normaliser = unchanged(len(self.sweep.plan.frames.columns), stride=self._stride)
            self.fold, self.material = fold, self.sweep.plan.material(fold, normaliser, encoder)
        return self.material

    def _normaliser(self, fold: int) -> Normaliser:
        of_fold = self.sweep.plan.folds[fold]
        return self.sweep.normaliser(
            fold, lambda: fit_normaliser(of_fold.frames(), stride=self._stride)
        )

    @property
    def _stride(self) -> int:
        return self.sweep.plan.shape.stride


_worker: _Worker


def _begin(sweep: Sweep, news: Any) -> None:
    global _worker
    torch.set_num_threads(1)
    _worker = _Worker(sweep, lambda what, n: news.put((what, n)))


def _prepare_shared() -> None:
    _worker.prepare_shared()


def _prepare(fold: int) -> None:
    _worker.prepare(fold)


def _fit(cell: Cell) -> None:
    _worker.fit(cell)
