"""Many fits at once: folds x draws x budgets x systems, one process a core, resumable at every fit.

In:  a ``Plan``: which utterances train, validate and test in each cell, and where the frames are.
Out: ``fits/<system>/<cell>.npz`` in the run's folder, one file a fit, whole or absent, and the
     table of all predictions. What is there already is not computed again; each fit's randomness is
     named by its cell, so that neither the order nor the number of processes changes a number.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import pandas as pd
import torch

from undertone import atomic
from undertone.features.store import FrameTable
from undertone.processes import CONTEXT, process_pool
from undertone.progress import Progress
from undertone.training.cnn import CnnConfig
from undertone.training.discriminant import DiscriminantConfig
from undertone.training.encoder import EncoderConfig
from undertone.training.finetune import FinetuneConfig
from undertone.training.intensities import FITS as INTENSITY_FITS
from undertone.training.layers import Layers
from undertone.training.normalise import (
    Normaliser,
    fill_memory,
    fit_normaliser,
    normalise,
    unchanged,
)
from undertone.training.pretrain import PretrainConfig, Pretraining, pretrain, read_pretraining
from undertone.training.problem import Material, Problem
from undertone.training.seeds import seed_of
from undertone.training.systems import (
    FITS,
    NEEDS_PRETRAINING,
    OF_LAYERS,
    SEES_POOL,
)

TABLES: Mapping[str, Mapping[str, Callable[[Problem], np.ndarray]]] = {
    "classes": FITS,
    "intensities": INTENSITY_FITS,
}
PRETRAINING, FITTING = "pre-training epochs", "fits"


@dataclass(frozen=True)
class Cell:
    """One draw of labels: every system sees the same."""

    fold: int
    draw: int
    budget: int
    train: tuple[str, ...]
    validation: tuple[str, ...]

    @property
    def name(self) -> str:
        """Unique within a run."""
        return f"budget{self.budget:05d}-draw{self.draw:03d}-fold{self.fold:02d}"


@dataclass(frozen=True)
class Plan:
    """All that a worker needs to know.

    Attributes:
        frames: of the labelled corpus.
        pools: by fold, the (frame table, utterances) pairs of the pre-training pool.
        tests: by fold, the utterances to predict.
        cells: the draws of labels.
        systems: names in the table of fits of the task.
        emotion: of each labelled utterance, the position of its emotion; of the task intensities,
            the intensities of all emotions.
        speaker: of each labelled utterance.
        n_classes: emotions.
        shape: of the encoders.
        pretraining: settings.
        finetuning: settings.
        seed: of the run.
        folder: of the run.
        discriminant: settings.
        crowds: by fold, speaker by utterance of the labelled corpus's own part of the pool.
        task: a name in ``TABLES``.
        cnn: settings.
        image_network: folder or name of the network that ``image_cnn`` starts from.
        layers: of a pre-trained encoder, where the frames are its.
        pool_speakers: by fold, the speaker of each utterance of the pool; None where unknown.
    """

    frames: FrameTable
    pools: dict[int, tuple[tuple[FrameTable, tuple[str, ...]], ...]]
    tests: dict[int, tuple[str, ...]]
    cells: tuple[Cell, ...]
    systems: tuple[str, ...]
    emotion: Mapping[str, Any]
    speaker: dict[str, str]
    n_classes: int
    shape: EncoderConfig
    pretraining: PretrainConfig
    finetuning: FinetuneConfig
    seed: int
    folder: Path
    discriminant: DiscriminantConfig = field(default_factory=DiscriminantConfig)
    crowds: dict[int, dict[str, str]] = field(default_factory=dict)
    task: str = "classes"
    cnn: CnnConfig = field(default_factory=CnnConfig)
    image_network: str = ""
    layers: Layers | None = None
    pool_speakers: dict[int, tuple[str | None, ...]] = field(default_factory=dict)

    def path(self, system: str, cell: Cell) -> Path:
        """Where a fit's predictions lie."""
        return self.folder / "fits" / system / f"{cell.name}.npz"

    def encoder_folder(self, fold: int) -> Path:
        """Where a fold's pre-training lies."""
        return self.folder / "encoders" / f"fold{fold:02d}"

    def missing(self, cell: Cell) -> list[str]:
        """Systems whose fit of this cell is not on disk."""
        return [system for system in self.systems if not self.path(system, cell).exists()]

    def digest(self) -> str:
        """What the fits depend on beside the settings: truth, speakers, content of the audio."""
        contents = [
            (name, table.keys.get(name))
            for parts in self.pools.values()
            for table, utterances in parts
            for name in utterances
        ]
        parts = (sorted(self.emotion.items()), sorted(self.speaker.items()), contents, self.tests)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def pool(self, fold: int) -> Iterator[np.ndarray]:
        """Frames of the fold's pool, an utterance at a time."""
        for table, utterances in self.pools[fold]:
            for utterance in utterances:
                yield np.asarray(table.frames(utterance))


def sweep(plan: Plan, *, workers: int, progress: Progress) -> None:
    """Compute every fit of the plan that is not on disk.

    Raises:
        UndertoneError: the disk is full or a worker was killed; what is finished is kept.
    """
    todo = [cell for cell in plan.cells if plan.missing(cell)]
    n_fits = len(plan.cells) * len(plan.systems)
    progress.add(FITTING, n_fits, n_fits - sum(len(plan.missing(cell)) for cell in todo))
    if not todo:
        return
    if NEEDS_PRETRAINING & set(plan.systems):
        progress.add(PRETRAINING, len({c.fold for c in todo}) * plan.pretraining.max_epochs)
    news = CONTEXT.Queue()
    with process_pool(workers, _begin, plan, news) as pool:
        _run(pool, plan, todo, lambda: _pass_on(news, progress))
    _pass_on(news, progress)


def collect(plan: Plan) -> pd.DataFrame:
    """Predictions of every fit: fold, draw, budget, system, utterance, prediction, p_0, p_1, ...

    Rows are ordered by system (as in the plan), budget, draw, fold and utterance.
    """
    tables = []
    for system in plan.systems:
        for cell in sorted(plan.cells, key=lambda cell: cell.name):
            chances = read_fit(plan, system, cell)
            table = pd.DataFrame(chances, columns=[f"p_{k}" for k in range(plan.n_classes)])
            table.insert(0, "prediction", chances.argmax(axis=1))
            table.insert(0, "utterance", plan.tests[cell.fold])
            for name in ("fold", "draw", "budget"):
                table.insert(0, name, getattr(cell, name))
            table.insert(0, "system", system)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def read_fit(plan: Plan, system: str, cell: Cell) -> np.ndarray:
    """(n_test, n_classes) what a fit predicted for the utterances of ``plan.tests``."""
    with np.load(plan.path(system, cell), allow_pickle=False) as stored:
        position = {name: i for i, name in enumerate(stored["utterance"].tolist())}
        return stored["probability"][[position[name] for name in plan.tests[cell.fold]]]


def read_pretrainings(plan: Plan) -> dict[int, Pretraining]:
    """The finished pre-training of each fold whose folder is there."""
    found = {fold: _read_pretraining(plan, fold) for fold in plan.pools}
    return {fold: pretraining for fold, pretraining in found.items() if pretraining is not None}


def read_layers(plan: Plan) -> pd.DataFrame:
    """Which layer each fit saw: system, fold, draw, budget, layer; empty where there are none."""
    rows = [
        (system, cell.fold, cell.draw, cell.budget, int(path.read_text()))
        for system in plan.systems
        for cell in plan.cells
        if (path := _layer_path(plan, system, cell)).exists()
    ]
    return pd.DataFrame(rows, columns=["system", "fold", "draw", "budget", "layer"])


def _read_pretraining(plan: Plan, fold: int) -> Pretraining | None:
    return read_pretraining(
        plan.encoder_folder(fold), n_features=len(plan.frames.columns), shape=plan.shape
    )


def _run(executor: ProcessPoolExecutor, plan: Plan, todo: list[Cell], listen: Any) -> None:
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
                cells = [cell for cell in todo if cell.fold == fold]
                cells.sort(key=lambda cell: -cell.budget)  # long ones first: cores end together
                running |= {executor.submit(_fit, cell): None for cell in cells}


def _pass_on(news: Any, progress: Progress) -> None:
    while True:
        try:
            progress.advance(*news.get_nowait())
        except Empty:
            return


class _Worker:
    """What a worker process keeps between jobs."""

    plan: Plan
    news: Any
    material: tuple[int, Material] | None = None


def _begin(plan: Plan, news: Any) -> None:
    torch.set_num_threads(1)
    _Worker.plan, _Worker.news = plan, news


def _prepare(fold: int) -> None:
    plan = _Worker.plan
    if NEEDS_PRETRAINING & set(plan.systems):
        told = 0

        def tell(epoch: object) -> None:
            nonlocal told
            told += 1
            _Worker.news.put((PRETRAINING, 1))

        normaliser = _normaliser(plan, fold)
        pretrain(
            normalise(plan.pools[fold], normaliser),
            shape=plan.shape,
            settings=plan.pretraining,
            seed=seed_of(plan.seed, "pretrain", fold),
            speakers=plan.pool_speakers.get(fold),
            folder=plan.encoder_folder(fold),
            report=tell,
        )
        _Worker.news.put((PRETRAINING, plan.pretraining.max_epochs - told))  # stopped early


def _normaliser(plan: Plan, fold: int) -> Normaliser:
    """Statistics of the fold's pool, kept beside its encoder: a large pool is read once."""
    path = plan.encoder_folder(fold) / "normaliser.npz"
    if not path.exists():
        fitted, content = fit_normaliser(plan.pool(fold), stride=plan.shape.stride), BytesIO()
        np.savez(content, mean=fitted.mean, sd=fitted.sd)
        atomic.write_bytes(path, content.getvalue())
    with np.load(path, allow_pickle=False) as stored:
        return Normaliser(stored["mean"], stored["sd"], plan.shape.stride)


def _normaliser_if_used(plan: Plan, fold: int) -> Normaliser:
    """Systems without a GRU take frames as they are: a pool is not read for nothing."""
    if SEES_POOL & set(plan.systems):
        return _normaliser(plan, fold)
    return unchanged(len(plan.frames.columns), stride=plan.shape.stride)


def _layer_path(plan: Plan, system: str, cell: Cell) -> Path:
    return plan.path(system, cell).with_suffix(".layer")


def _fit(cell: Cell) -> None:
    plan = _Worker.plan
    problem = Problem(
        material=_material(plan, cell.fold),
        train=list(cell.train),
        validation=list(cell.validation),
        test=list(plan.tests[cell.fold]),
        truth={name: plan.emotion[name] for name in (*cell.train, *cell.validation)},
        speaker={name: plan.speaker[name] for name in (*cell.train, *cell.validation)},
        n_classes=plan.n_classes,
        finetuning=plan.finetuning,
        discriminant=plan.discriminant,
        seed=seed_of(plan.seed, cell.name),
        cnn=plan.cnn,
        image_network=plan.image_network,
    )
    for system in plan.missing(cell):
        predicted = TABLES[plan.task][system](problem)
        if system in OF_LAYERS and "layer" in problem.notes:
            atomic.write_text(_layer_path(plan, system, cell), str(problem.notes["layer"]))
        _write_fit(plan.path(system, cell), plan.tests[cell.fold], predicted)
        _Worker.news.put((FITTING, 1))


def _material(plan: Plan, fold: int) -> Material:
    """The fold's material, kept while its cells come one after the other."""
    if _Worker.material is None or _Worker.material[0] != fold:
        pretraining = _read_pretraining(plan, fold)  # ``_prepare`` left it, if a system asked
        normaliser = _normaliser_if_used(plan, fold)
        material = Material(
            frames=plan.frames.frames,
            columns=plan.frames.columns,
            normaliser=normaliser,
            shape=plan.shape,
            pretrained=None if pretraining is None else pretraining.encoder,
            seed=seed_of(plan.seed, "fold", fold),
            crowd=plan.crowds.get(fold, {}),
            lazy=fill_memory([(plan.frames, plan.frames.utterances)], normaliser),
            frames_per_second=plan.frames.frames_per_second,
            layers=plan.layers,
        )
        _Worker.material = (fold, material)
    return _Worker.material[1]


def _write_fit(path: Path, utterances: tuple[str, ...], chances: np.ndarray) -> None:
    content = BytesIO()
    np.savez(content, utterance=np.array(utterances), probability=chances.astype(np.float32))
    atomic.write_bytes(path, content.getvalue())
