"""How long a run will take, told before it begins.

In:  a ``Sweep`` of which nothing, or a part, has been computed yet.
Out: ``Forecast``: seconds of one core for pre-training, fits and scores, from a calibration on its
     own frames, as a range: of networks that stop as early as their patience lets them, or never.

The calibration takes two short epochs of pre-training, a short fit of each system on a batch of
labels, and a few scores. Costs are taken to grow with the number of frames, of labels, and of
utterances predicted; vectors of utterances are computed once a fold. What is there already does not
count. No number of the run depends on it.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from undertone.errors import UndertoneError
from undertone.evaluation import intervals
from undertone.evaluation.curves import Truth, score
from undertone.experiment.sweep import Sweep
from undertone.features.upstream.batches import one_thread
from undertone.models.encoder import Encoder
from undertone.systems.plan import Cell
from undertone.systems.problem import Material
from undertone.systems.table import System
from undertone.training.normalise import fit_normaliser
from undertone.training.pretrain import PretrainConfig, pretrain

SAMPLE = 48  # utterances that pre-training and predictions are timed on
LABELS = 64  # of a fit that is timed, or the next budget above
EPOCHS = 2  # of a fit that is timed
REPLICATES = 8  # of scores that are timed
ALWAYS_POSSIBLE = "reconstruction"  # an objective that needs nothing of the pool
Range = tuple[float, float]  # seconds, at least and at most


@dataclass(frozen=True)
class Forecast:
    """Seconds of one core, at least and at most.

    Attributes:
        pretraining: of all folds, with the statistics of their pools.
        fits: with their predictions.
        scoring: of all systems and budgets.
        took: the calibration itself.
    """

    pretraining: Range
    fits: Range
    scoring: float
    took: float

    @property
    def whole(self) -> Range:
        """All of it."""
        both = zip(self.pretraining, self.fits, strict=True)
        low, high = (sum(ends) + self.scoring for ends in both)
        return low, high

    def text(self, workers: int) -> str:
        """For people, before the run begins."""
        whole, pretraining, fits = map(_range, (self.whole, self.pretraining, self.fits))
        spread = f", spread over {workers} processes" if workers > 1 else ""
        return (
            f"Estimated: {whole} of one core{spread}: pre-training {pretraining}, fits {fits}, "
            f"scores {duration(self.scoring)}; calibrated here in {duration(self.took)}. A stopped "
            "run goes on where it was."
        )


def forecast(sweep: Sweep, *, n_replicates: int) -> Forecast | None:
    """How long what is missing will take; None where everything is there."""
    begin = time.perf_counter()
    missing = [(cell, [row.name for row in sweep.missing(cell)]) for cell in sweep.plan.cells]
    if not any(names for _, names in missing):
        return None
    with one_thread():
        sample = Sample(sweep)
        pretraining = sample.pretraining()
        fits = sample.fits(missing)
    scoring = _scoring(sweep, n_replicates)
    return Forecast(pretraining, fits, scoring, time.perf_counter() - begin)


class Sample:
    """Utterances of the first fold's pool, and what they cost."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, fold = sweep, sweep.plan.folds[min(sweep.plan.folds)]
        pool = [(table, name) for table, names in fold.pool for name in names]
        chosen = np.random.default_rng(0).permutation(len(pool))[:SAMPLE]
        begin = time.process_time()
        self.frames = [np.asarray(pool[i][0].frames(pool[i][1])) for i in chosen]
        self.normaliser = fit_normaliser(self.frames, stride=sweep.plan.shape.stride)
        self.reading = time.process_time() - begin
        self.voices = [fold.voices[i] for i in chosen]

    def pretraining(self) -> Range:
        """Every fold's epochs that are missing, and reading its pool for its statistics."""
        sweep = self.sweep
        if not sweep.pretrains:
            return 0.0, 0.0
        n_sampled, epoch = self.n_frames, self.epoch()
        low = high = 0.0
        for number, fold in sweep.plan.folds.items():
            share = sum(t.lengths[n] for t, names in fold.pool for n in names) / n_sampled
            done = sweep.read_pretraining(number)
            n_done = 0 if done is None else len(done.history)
            most = max(0, sweep.pretraining.max_epochs - n_done)
            least = min(most, max(0, sweep.pretraining.patience + 1 - n_done))
            low += share * (self.reading + epoch * least)
            high += share * (self.reading + epoch * most)
        return low, high

    def fits(self, missing: Sequence[tuple[Cell, Sequence[str]]]) -> Range:
        """Every missing fit, from one of each system."""
        low = high = 0.0
        timed = _a_batch_of_labels(self.sweep.plan.cells)
        material = self.material(timed.fold)
        for row in self.sweep.rows:
            if cells := [cell for cell, names in missing if row.name in names]:
                least, most = self._of_system(row, timed, cells, material)
                low, high = low + least, high + most
        return low, high

    @property
    def n_frames(self) -> int:
        return sum(map(len, self.frames))

    def epoch(self) -> float:
        """Of pre-training on the sample: the second of two, when everything is loaded."""
        settings, ticks = self.sweep.pretraining, list[float]()
        steps = [self.normaliser.apply(frames) for frames in self.frames]

        def run(settings: PretrainConfig) -> None:
            pretrain(
                steps,
                shape=self.sweep.plan.shape,
                settings=replace(settings, max_epochs=2, patience=2),
                seed=0,
                speakers=self.voices,
                report=lambda epoch: ticks.append(time.process_time()),
            )

        try:
            run(settings)
        except UndertoneError:  # the sample, unlike the pool, has too little for the objective
            run(replace(settings, objective=ALWAYS_POSSIBLE))
        return ticks[1] - ticks[0]

    def material(self, fold: int) -> Material:
        """Of a fold, with random weights in the place of the encoder that is to be pre-trained."""
        plan, shape = self.sweep.plan, self.sweep.plan.shape
        encoder = Encoder(len(self.normaliser.mean), shape.hidden_units, shape.layers).eval()
        return replace(plan.material(fold, self.normaliser, encoder), together={})

    def _of_system(
        self, row: System, timed: Cell, cells: Sequence[Cell], material: Material
    ) -> Range:
        plan, settings = self.sweep.plan, row.own(self.sweep.settings)
        problem, fitted = plan.problem(timed, material), list[Any]()
        test = problem.test[:: max(1, len(problem.test) // SAMPLE)]
        for _ in range(2):  # the second finds vectors made and kernels compiled
            fitting = _seconds(lambda: fitted.append(row.fit(problem, _short(settings))))
        predicting = _seconds(lambda: fitted[0].predict(material, test)) / len(test)
        growth = sum(len(c.labels.utterances) for c in cells) / len(timed.labels.utterances)
        rest = predicting * _n_predicted(self.sweep, cells, once=bool(fitted[0].view.blocks))
        low, high = _times(settings)
        return fitting * growth * low + rest, fitting * growth * high + rest


def _a_batch_of_labels(cells: Sequence[Cell]) -> Cell:
    """One of the smallest budget that fills a batch, as most of what takes long does."""
    budgets = sorted({cell.budget for cell in cells})
    budget = next((budget for budget in budgets if budget >= LABELS), budgets[-1])
    return next(cell for cell in cells if cell.budget == budget)


def _n_predicted(sweep: Sweep, cells: Sequence[Cell], *, once: bool) -> int:
    """Utterances that go through a system; once a fold where their vectors are kept."""
    folds = Counter(cell.fold for cell in cells)
    return sum((1 if once else n) * len(sweep.plan.folds[f].test) for f, n in folds.items())


def _scoring(sweep: Sweep, n_replicates: int) -> float:
    """All systems at all budgets, from a few replicates of one draw of noise."""
    plan = sweep.plan
    tested = [name for fold in plan.folds.values() for name in fold.test]
    names, speaker = np.unique([plan.speaker[name] for name in tested], return_inverse=True)
    truth = np.stack([plan.truth[name] for name in tested])
    noise = np.random.default_rng(0).random((1, *truth.shape)) * plan.task.high
    measured = Truth(
        plan.task, truth, speaker, intervals.resample(len(names), n_replicates=REPLICATES)
    )
    seconds = _seconds(lambda: score(noise, measured)) / (1 + REPLICATES)
    fits = {(cell.budget, cell.draw) for cell in plan.cells}
    return seconds * n_replicates * len(fits) * len(sweep.systems)


def _short(settings: Any) -> Any:
    """The same settings for a fit of a few epochs, where it has epochs."""
    if not hasattr(settings, "max_epochs"):
        return settings
    few = min(EPOCHS, settings.max_epochs)
    return replace(settings, max_epochs=few, epochs_without_validation=few)


def _times(settings: Any) -> Range:
    """How many short fits a whole one lasts, at least and at most."""
    if not hasattr(settings, "max_epochs"):
        return 1.0, 1.0
    few = min(EPOCHS, settings.max_epochs)
    least = min(settings.patience + 1, settings.max_epochs)
    return least / few, settings.max_epochs / few


def _seconds(job: Callable[[], object]) -> float:
    begin = time.process_time()
    job()
    return time.process_time() - begin


def _range(ends: Range) -> str:
    low, high = map(duration, ends)
    return low if low == high else f"{low} to {high}"


def duration(seconds: float) -> str:
    """Rounded as an estimate is.

    >>> duration(42), duration(400), duration(40_000)
    ('42 s', '7 min', '11.1 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
