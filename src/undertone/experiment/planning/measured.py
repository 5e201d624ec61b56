"""One small curve, a step at a time, with what each step costs: what a plan is made from.

In:  a corpus, cut to a size; settings of a curve; a folder that is thrown away afterwards.
Out: ``Measured``: processor seconds, bytes on disk and in memory, with what they grow with.

Each size is measured in a process of its own, which computes on one thread: its peak of memory is
its own, and code is compiled before the clock starts. Nothing is kept.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import largest_budget
from undertone.experiment.forecast import Sample
from undertone.experiment.run import Run
from undertone.experiment.settings import ALL, CurveSettings
from undertone.experiment.stored import Fit, Sweep
from undertone.features.upstream.batches import one_thread
from undertone.processes import one_thread as one_thread_of_blas
from undertone.reading import Resources, read_data, read_frames, settle, with_copies
from undertone.systems.plan import Cell
from undertone.systems.problem import Material
from undertone.systems.settings import learn_from_copies
from undertone.systems.system import System
from undertone.systems.table import systems_of

WARMED_BY = 8  # utterances whose frames compile what is to be timed
FEWEST_LABELS = 12
QUICK_S = 0.2  # a fit that takes less is timed again


@dataclass(frozen=True)
class Timed:
    """One fit.

    Attributes:
        system: its name.
        labels: that it learned from.
        crowd: utterances of the training speakers.
        fitting: processor seconds.
        predicting: processor seconds a tested utterance.
        size: bytes that it leaves on disk.
        tested: utterances.
    """

    system: str
    labels: int
    crowd: int
    fitting: float
    predicting: float
    size: int
    tested: int


@dataclass(frozen=True)
class Measured:
    """A small curve.

    Attributes:
        utterances: of its corpus.
        audio_s: seconds of speech.
        extracting: processor seconds of reading recordings and computing frames.
        cached: bytes of the frame store.
        planning: processor seconds of folds, pools, draws and audit.
        epoch: processor seconds of one epoch of pre-training, a frame; 0 without.
        vectors: processor seconds of what is made of utterances once, whatever the labels.
        fits: each system at each number of labels.
        peak: bytes of memory; 0 where the system does not tell.
        frames_a_second: of audio.
        copies: of utterances, which differ from them by the recording alone.
        copying: processor seconds of making them and their frames.
        copied: bytes of these frames.
    """

    utterances: int
    audio_s: float
    extracting: float
    cached: int
    planning: float
    epoch: float
    vectors: float
    fits: tuple[Timed, ...]
    peak: int
    frames_a_second: float
    copies: int = 0
    copying: float = 0.0
    copied: int = 0


def cut(corpus: Corpus, n_utterances: int) -> Corpus:
    """So many utterances of it: as equally many of each speaker as may be, labelled ones first."""
    table = corpus.table.sample(frac=1.0, random_state=0)
    if "emotion" in table:
        table = table.sort_values("emotion", key=lambda c: c.isna(), kind="stable")
    turn = table.groupby("speaker", dropna=False).cumcount()
    kept = table.loc[turn.sort_values(kind="stable").index[:n_utterances]]
    return corpus.with_table(corpus.table.loc[sorted(kept.index)])


def measure(corpus: Corpus, settings: CurveSettings, folder: Path) -> Measured:
    """Time every step of a curve once; see the module."""
    with one_thread(), one_thread_of_blas():
        task, features = settle(corpus, settings.task, settings.features)
        settings = replace(settings.resolved(task, features), draws=1)
        resources = Resources(folder / "frames", workers=1, progress=False)
        read_frames(cut(corpus, WARMED_BY), features, replace(resources, cache=folder / "warm"))
        clock = _Clock()
        data = read_data(corpus, features, task, resources, teacher=settings.teacher)
        extracting, cached = clock.lap(), _bytes_in(folder / "frames")
        rows = systems_of(task)
        if learn_from_copies([rows[name] for name in settings.systems], settings.of_systems):
            data = with_copies(data, features, resources)
        copying, copied = clock.lap(), _bytes_in(folder / "frames") - cached
        budgets = _two_budgets(Run(settings, folder, data))
        run = Run(replace(settings, budgets=budgets, fit_budgets=False), folder / "run", data)
        sweep = run.sweep(run.plan())
        _ = run.findings
        planning = clock.lap()
        sample = Sample(sweep)
        epoch = sample.epoch() / sample.n_frames if sweep.pretrains else 0.0
        material = sample.material(min(sweep.plan.folds))
        vectors, fits = _fits(sweep, material)
        frames = data.frames
        return Measured(
            utterances=len(data.corpus),
            audio_s=sum(frames.lengths.values()) / frames.frames_per_second,
            extracting=extracting,
            cached=cached,
            planning=planning,
            epoch=epoch,
            vectors=vectors,
            fits=fits,
            peak=_peak(),
            frames_a_second=frames.frames_per_second,
            copies=0 if data.copies is None else len(data.copies.table.source),
            copying=copying,
            copied=copied,
        )


def _two_budgets(run: Run) -> tuple[int, int]:
    """Numbers of labels that this corpus can give, as near as may be to those asked for."""
    most = min(largest_budget(run.data.learned_from(f), f, run.task) for f in run.folds)
    asked = [int(budget) for budget in run.settings.budgets if budget != ALL]
    high = min(max([*asked, FEWEST_LABELS + 1]), most)
    return min(max(FEWEST_LABELS, min([*asked, most // 3])), high - 1), high


def _fits(sweep: Sweep, material: Material) -> tuple[float, tuple[Timed, ...]]:
    """Every system, at two budgets; and what the first of the fits made for the others."""
    cells = [c for c in sweep.plan.cells if c.fold == min(sweep.plan.folds)]
    cells = sorted(cells, key=lambda cell: cell.budget)
    first = {row.name: _fit(sweep, row, cells[-1], material) for row in _rows(sweep, cells[-1])}
    timed = [_fit(sweep, r, c, material) for c in cells for r in _rows(sweep, c)]
    again = {one.system: one for one in timed if one.labels == first[one.system].labels}
    made = (
        first[name].fitting - one.fitting + (first[name].predicting - one.predicting) * one.tested
        for name, one in again.items()
    )
    return max(0.0, sum(made)), tuple(timed)


def _rows(sweep: Sweep, cell: Cell) -> Sequence[System]:
    return [row for row in sweep.rows if cell.budget >= row.least_labels]


def _fit(sweep: Sweep, row: System, cell: Cell, material: Material) -> Timed:
    problem, own = sweep.plan.problem(cell, material), row.own(sweep.settings)
    clock = _Clock()
    fitted = row.fit(problem, own)
    fitting = clock.lap()
    if fitting < QUICK_S:
        fitted = row.fit(problem, own)
        fitting = min(fitting, clock.lap())
    values = fitted.predict(material, problem.test)
    predicting = clock.lap() / len(problem.test)
    sweep.write_fit(row, cell, Fit(values, fitted.notes))
    n_labels, n_crowd = len(cell.labels.utterances), len(sweep.plan.folds[cell.fold].crowd)
    size = sweep.path(row.name, cell).stat().st_size
    return Timed(row.name, n_labels, n_crowd, fitting, predicting, size, len(problem.test))


class _Clock:
    """Processor seconds of this process and of those that it waited for."""

    def __init__(self) -> None:
        self._last = self._now()

    def lap(self) -> float:
        """Since the last time."""
        before, self._last = self._last, self._now()
        return self._last - before

    def _now(self) -> float:
        times = os.times()
        return time.process_time() + times.children_user + times.children_system


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _peak() -> int:
    """The most memory that this process has held."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
