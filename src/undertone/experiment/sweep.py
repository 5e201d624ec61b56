"""Many fits at once: folds x draws x budgets x systems, one process a core, resumable at every fit.

In:  a ``Sweep``: the plan, which systems with which settings, the run's folder.
Out: ``fits/<system>/<cell>.npz`` in the folder, one file a fit, whole or absent: predictions of the
     test utterances, and what the fit noted. What is there already is not computed again; each
     fit's randomness is named by its cell, so that their order changes no number.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from queue import Empty
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from undertone import atomic
from undertone.evaluation.report.paper import series
from undertone.features.upstream.batches import one_thread
from undertone.processes import CONTEXT, process_pool
from undertone.progress import Progress
from undertone.systems.fitted import Fitted
from undertone.systems.plan import Cell, Plan
from undertone.systems.problem import Material
from undertone.systems.table import System, systems_of
from undertone.training.normalise import Normaliser, fit_normaliser, normalise, unchanged
from undertone.training.pretrain import PretrainConfig, Pretraining, pretrain, read_pretraining
from undertone.training.seeds import seed_of

PRETRAINING, FITTING = "pre-training epochs", "fits"
Tell = Callable[[str, int], None]


@dataclass(frozen=True)
class Sweep:
    """All that a worker needs to know.

    Attributes:
        plan: who is in which pool, and the draws of labels.
        systems: names in ``systems.table``, or of ``own`` rows.
        settings: of the systems, by section.
        pretraining: settings.
        folder: of the run.
        own: rows that are in no table.
    """

    plan: Plan
    systems: tuple[str, ...]
    settings: Mapping[str, Any]
    pretraining: PretrainConfig
    folder: Path
    own: tuple[System, ...] = ()

    @property
    def rows(self) -> list[System]:
        """The systems' rows."""
        known = systems_of(self.plan.task) | {row.name: row for row in self.own}
        return [known[name] for name in self.systems]

    def rows_with(self, budget: int) -> list[System]:
        """Those that are fitted to so many labels."""
        return [row for row in self.rows if budget >= row.least_labels]

    @property
    def n_fits(self) -> int:
        return sum(len(self.rows_with(cell.budget)) for cell in self.plan.cells)

    @property
    def pretrains(self) -> bool:
        return any(row.pretrains for row in self.rows)

    def path(self, system: str, cell: Cell) -> Path:
        """Where a fit's predictions lie."""
        return self.folder / "fits" / system / f"{cell.name}.npz"

    def encoder_folder(self, fold: int) -> Path:
        """Where a fold's pre-training lies."""
        return self.folder / "encoders" / f"fold{fold:02d}"

    def missing(self, cell: Cell) -> list[System]:
        """Systems whose fit of this cell is not on disk, or cannot be read whole."""
        test = self.plan.folds[cell.fold].test
        rows = self.rows_with(cell.budget)
        return [row for row in rows if not _is_whole(self.path(row.name, cell), test)]

    def read_pretraining(self, fold: int) -> Pretraining | None:
        """The finished pre-training of a fold; None where there is none."""
        n_features = len(self.plan.frames.columns)
        return read_pretraining(
            self.encoder_folder(fold), n_features=n_features, shape=self.plan.shape
        )


def run(sweep: Sweep, *, workers: int, progress: Progress) -> None:
    """Compute every fit that is not on disk; with one worker in this process.

    Raises:
        UndertoneError: the disk is full or a worker was killed; what is finished is kept.
    """
    cells = sweep.plan.cells
    n_missing = [len(sweep.missing(cell)) for cell in cells]
    todo = [cell for cell, n in zip(cells, n_missing, strict=True) if n]
    progress.add(FITTING, sweep.n_fits, sweep.n_fits - sum(n_missing))
    if not todo:
        return
    if sweep.pretrains:
        n_folds = len({cell.fold for cell in todo})
        progress.add(PRETRAINING, n_folds * sweep.pretraining.max_epochs)
    if workers == 1:
        _run_here(sweep, todo, progress)
        return
    news = CONTEXT.Queue()
    with process_pool(workers, _begin, sweep, news) as executor:
        _run_in(executor, todo, lambda: _pass_on(news, progress))
    _pass_on(news, progress)


def _is_whole(path: Path, test: Sequence[str]) -> bool:
    """Whether a file holds a fit's predictions of these utterances; a damaged one is made again."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            utterances, values, _ = (stored[name] for name in ("utterance", "values", "notes"))
            return sorted(utterances.tolist()) == sorted(test) and len(values) == len(test)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return False


def read_fit(sweep: Sweep, system: str, cell: Cell) -> np.ndarray:
    """(n_test, n_outputs) what a fit predicted for the test utterances of its fold."""
    with np.load(sweep.path(system, cell), allow_pickle=False) as stored:
        position = {name: i for i, name in enumerate(stored["utterance"].tolist())}
        return stored["values"][[position[name] for name in sweep.plan.folds[cell.fold].test]]


def read_notes(sweep: Sweep, system: str, cell: Cell) -> dict[str, Any]:
    """What a fit noted."""
    with np.load(sweep.path(system, cell), allow_pickle=False) as stored:
        notes: dict[str, Any] = json.loads(str(stored["notes"]))
    return notes


def refit(sweep: Sweep, system: str, cell: Cell) -> tuple[Fitted, Material]:
    """A system as it was fitted in a cell of a finished sweep, and what it was fitted on."""
    (row,) = (row for row in sweep.rows if row.name == system)
    with one_thread():
        material = _Worker(sweep, lambda what, n: None).material_of(cell.fold)
        return row.fit(sweep.plan.problem(cell, material), row.own(sweep.settings)), material


def layer_notes(sweep: Sweep) -> Iterator[str]:
    """How often the fits chose which layer, a sentence a budget; nothing where none was chosen."""
    layers, counts = sweep.plan.layers, dict[int, Counter[int]]()
    choosing = [row.name for row in sweep.rows if row.one_layer]
    if layers is None or len(layers.candidates) == 1:
        return
    for cell in sweep.plan.cells:
        for system in choosing:
            notes = read_notes(sweep, system, cell)
            if "layer" in notes:  # the same for every system of a cell
                counts.setdefault(cell.budget, Counter())[notes["layer"]] += 1
                break
    if counts:
        yield (
            f"Each fit chose one of {len(layers.candidates)} layers of the encoder by "
            "cross-validation of a linear model on its own labels, by speaker where there were "
            f"enough; {series([row.label for row in sweep.rows if row.one_layer])} saw that layer."
        )
    for budget, of_budget in sorted(counts.items()):
        chosen = ", ".join(f"layer {layer} in {n}" for layer, n in sorted(of_budget.items()))
        yield f"With {budget} labels, {of_budget.total()} fits chose: {chosen}."


def _run_here(sweep: Sweep, todo: list[Cell], progress: Progress) -> None:
    with one_thread():
        worker = _Worker(sweep, progress.advance)
        for fold in sorted({cell.fold for cell in todo}):
            worker.prepare(fold)
            for cell in _long_ones_first(todo, fold):
                worker.fit(cell)


def _run_in(executor: ProcessPoolExecutor, todo: list[Cell], listen: Callable[[], None]) -> None:
    """Pre-train the folds, then fit a fold's cells as soon as its encoder is there."""
    folds = sorted({cell.fold for cell in todo})
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
        sweep, of_fold = self.sweep, self.sweep.plan.folds[fold]
        if not sweep.pretrains:
            return
        n_told = 0

        def tell(epoch: object) -> None:
            nonlocal n_told
            n_told += 1
            self.tell(PRETRAINING, 1)

        pretrain(
            normalise(of_fold.pool, self._normaliser(fold)),
            shape=sweep.plan.shape,
            settings=sweep.pretraining,
            seed=seed_of(sweep.plan.seed, "pretrain", fold),
            speakers=of_fold.voices,
            folder=sweep.encoder_folder(fold),
            report=tell,
        )
        self.tell(PRETRAINING, sweep.pretraining.max_epochs - n_told)  # stopped early

    def fit(self, cell: Cell) -> None:
        """Fit the systems of a cell that are missing, and keep what they predict."""
        sweep, material = self.sweep, self.material_of(cell.fold)
        problem = sweep.plan.problem(cell, material)
        for row in sweep.missing(cell):
            fitted = row.fit(problem, row.own(sweep.settings))
            values = fitted.predict(material, problem.test)
            _write(sweep.path(row.name, cell), problem.test, values, fitted.notes)
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
        """Statistics of the fold's pool, kept beside its encoder: a large pool is read once."""
        path, stride = self.sweep.encoder_folder(fold) / "normaliser.npz", self._stride
        if not path.exists():
            frames, content = self.sweep.plan.folds[fold].frames(), BytesIO()
            fitted = fit_normaliser(frames, stride=stride)
            np.savez(content, mean=fitted.mean, sd=fitted.sd)
            atomic.write_bytes(path, content.getvalue())
        with np.load(path, allow_pickle=False) as stored:
            return Normaliser(stored["mean"], stored["sd"], stride)

    @property
    def _stride(self) -> int:
        return self.sweep.plan.shape.stride


_worker: _Worker


def _begin(sweep: Sweep, news: Any) -> None:
    global _worker
    torch.set_num_threads(1)
    _worker = _Worker(sweep, lambda what, n: news.put((what, n)))


def _prepare(fold: int) -> None:
    _worker.prepare(fold)


def _fit(cell: Cell) -> None:
    _worker.fit(cell)


def _write(path: Path, utterances: list[str], values: np.ndarray, notes: dict[str, Any]) -> None:
    content = BytesIO()
    np.savez(
        content,
        utterance=np.array(utterances),
        values=values.astype(np.float32),
        notes=json.dumps(notes),
    )
    atomic.write_bytes(path, content.getvalue())
