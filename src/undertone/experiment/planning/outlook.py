"""What a curve of so many hours, speakers and labels would take on so many cores.

In:  settings of a curve, how much speech there will be, a corpus to calibrate on.
Out: ``Outlook``: processor time, time on the cores, memory and disk of each step; ``plan`` makes it
     from a calibration of about two minutes on this machine.

Pre-training is spread over folds, everything else over its single recordings and fits. Of networks
that stop early the most is told: every epoch that their settings allow is counted in pre-training,
and as many as the calibration took in fits.
"""

import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from undertone import corpora
from undertone.audio import MAX_DURATION_S
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.evaluation import intervals
from undertone.evaluation.curves import Truth, score
from undertone.experiment.forecast import duration
from undertone.experiment.planning.costs import MOST_COPIED, Costs, costs_of
from undertone.experiment.planning.measured import Measured, cut, measure
from undertone.experiment.settings import ALL, CurveSettings
from undertone.processes import available_cores, process_pool
from undertone.progress import Progress
from undertone.systems.table import systems_of
from undertone.tasks import Task

MOST_HOURS = 1e7  # a thousand years
LARGE = 384  # utterances of the larger calibration
SMALL_SHARE = 0.5
FEWEST = 48  # that a calibration is made on
REPLICATES = 8  # of scores that are timed
CLIP_S = 5.0  # of an utterance, where nobody says
CALIBRATION = "small curves"
HEADINGS = ("step", "of one core", "on {cores}", "on disk")
GIB, MIB = 2**30, 2**20


@dataclass(frozen=True)
class Wanted:
    """A corpus that need not be there yet.

    Attributes:
        hours: of its speech.
        speakers: that say it.
        labelled: its utterances with a label, which are drawn from and tested; 0: as many as five
            times the largest number of labels.
        pool_hours: of other corpora without labels, for pre-training alone.
        clip_s: seconds of an utterance; 0: as long as those that are measured, or ``CLIP_S`` where
            synthetic voices are.
        cores: that work on it; 0: those of this machine.
    """

    hours: float
    speakers: int
    labelled: int = 0
    pool_hours: float = 0.0
    clip_s: float = 0.0
    cores: int = 0

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("hours", self.hours, 0.01, MOST_HOURS),
            ("pool-hours", self.pool_hours, 0.0, MOST_HOURS),
            ("clip-seconds", self.clip_s, 0.0, MAX_DURATION_S),
        ):
            if not value >= least:
                raise UndertoneError(f"--{name} must be {least:g} or more, found {value:g}")
            if value > most:
                raise UndertoneError(f"--{name} must be {most:g} or less, found {value:g}")

    @property
    def n_cores(self) -> int:
        return self.cores or available_cores()


@dataclass(frozen=True)
class Step:
    """A part of a run.

    Attributes:
        name: for people.
        core_s: processor seconds.
        at_once: processes that can share it.
        disk: bytes that stay.
    """

    name: str
    core_s: float
    at_once: float = math.inf
    disk: float = 0.0

    def wall_s(self, cores: int) -> float:
        """Seconds on so many cores that do nothing else."""
        return self.core_s / min(cores, self.at_once)


@dataclass(frozen=True)
class Outlook:
    """What is expected.

    Attributes:
        wanted: asked for.
        utterances: of the corpus.
        n_fits: of the curve.
        steps: in the order in which they are made.
        peak: bytes of memory of one process at most; 0 where this system does not tell.
        calibrated_on: utterances, of the larger calibration.
        pretraining_least_s: processor seconds where every fold stops as early as it may.
    """

    wanted: Wanted
    utterances: int
    n_fits: int
    steps: tuple[Step, ...]
    peak: float
    calibrated_on: int
    pretraining_least_s: float

    @property
    def core_s(self) -> float:
        """Processor seconds of all steps."""
        return sum(step.core_s for step in self.steps)

    def rows(self) -> list[tuple[str, ...]]:
        """One a step, and their sum."""
        cores = self.wanted.n_cores
        whole = Step("all of it", self.core_s, disk=sum(step.disk for step in self.steps))
        wall = sum(step.wall_s(cores) for step in self.steps)
        rows = [_row(step, step.wall_s(cores)) for step in self.steps]
        return [*rows, _row(whole, wall)]

    @property
    def headings(self) -> tuple[str, ...]:
        cores = self.wanted.n_cores
        of_cores = f"{cores} core{'s' * (cores > 1)}"
        return tuple(heading.format(cores=of_cores) for heading in HEADINGS)

    def sentences(self) -> Iterator[str]:
        """What the table does not say."""
        cores = self.wanted.n_cores
        yield (
            f"{self.utterances:,} utterances of {self.wanted.speakers:,} speakers, {self.n_fits:,} "
            f"fits. It was measured on {self.calibrated_on} utterances and carried on in straight "
            f"lines, {self.utterances / self.calibrated_on:,.1f} times as far."
        )
        if self.peak:
            yield (
                f"A process holds up to {_size(self.peak)} of memory, {cores} of them "
                f"{_size(self.peak * cores)}."
            )
        slowest = max(self.steps, key=lambda step: step.wall_s(cores))
        yield f"What takes longest is {slowest.name}{_why(slowest, cores)}."
        if self.pretraining_least_s:
            yield (
                "Pre-training counts every epoch that it may take; where its held-out loss stops "
                f"falling at once it takes {duration(self.pretraining_least_s)} of one core."
            )

    def to_dict(self) -> dict[str, Any]:
        """For programs; seconds and bytes."""
        cores = self.wanted.n_cores
        return {
            "cores": cores,
            "utterances": self.utterances,
            "fits": self.n_fits,
            "peak_bytes_a_process": round(self.peak),
            "core_seconds": self.core_s,
            "steps": [
                {
                    "name": step.name,
                    "core_seconds": step.core_s,
                    "seconds": step.wall_s(cores),
                    "disk_bytes": round(step.disk),
                }
                for step in self.steps
            ],
            "sentences": list(self.sentences()),
        }


def plan(
    wanted: Wanted, settings: CurveSettings, *, most: int = LARGE, progress: bool = True
) -> Outlook:
    """Calibrate on two small curves, and tell what a large one takes.

    Args:
        wanted: how much speech there will be.
        settings: of the curve, whose corpus is the one to calibrate on.
        most: utterances to calibrate on.
        progress: whether to show it.

    Raises:
        UndertoneError: the corpus is too small to calibrate on, or the budgets cannot be met.
    """
    opened = corpora.open(settings.corpus)
    task = opened.task(settings.task)
    _check(wanted, settings, opened)
    small, large = _calibrate(cut(opened, most), settings, progress=progress)
    costs = costs_of(small, large)
    if opened.synthetic and not wanted.clip_s:
        wanted = replace(wanted, clip_s=CLIP_S)
    return outlook(wanted, settings, costs, task=task, calibrated=large)


def _check(wanted: Wanted, settings: CurveSettings, corpus: Corpus) -> None:
    if ignored := [name for name, is_set in _not_foreseen(settings).items() if is_set]:
        raise UndertoneError(
            f"plan foresees a curve that compares systems on folds of one corpus, and none with "
            f"{' and '.join(ignored)}: leave {'them' if len(ignored) > 1 else 'it'} out"
        )
    if wanted.speakers < settings.folds:
        few, least = wanted.speakers, settings.folds
        raise UndertoneError(
            f"--speakers must be {least} or more, one a fold; found {few}: "
            + (f"--folds {few}" if few > 1 else f"--speakers {least}")
        )
    if clip_s := wanted.clip_s or (CLIP_S if corpus.synthetic else 0.0):
        _check_labels(wanted, settings, clip_s)
    if len(corpus) < FEWEST:
        raise UndertoneError(
            f"{corpus.name} has {len(corpus)} utterances, and a calibration takes {FEWEST} or "
            "more: leave --corpus out, and it is made on synthetic voices"
        )


def _not_foreseen(settings: CurveSettings) -> dict[str, bool]:
    """Settings of which no cost is measured, and whether they are given."""
    across = settings.across
    return {
        "picks": bool(settings.picks.strategies),
        "other corpora (across)": bool(across.test or across.beside or across.each),
        "adapt": bool(settings.adapt),
        "vault": bool(settings.vault),
        "fold_files": bool(settings.fold_files),
    }


def _check_labels(wanted: Wanted, settings: CurveSettings, clip_s: float) -> None:
    """Refuse more labels than there are utterances of this length, or than the folds can give."""
    utterances = _n_utterances(wanted, clip_s)
    if wanted.labelled > utterances:
        raise UndertoneError(
            f"--labelled {wanted.labelled:,} are more than the {utterances:,} utterances of "
            f"{clip_s:.3g} s that --hours {wanted.hours:g} hold: --labelled {utterances}"
        )
    most = max((int(b) for b in settings.budgets if b != ALL), default=0)
    labelled = wanted.labelled or min(5 * most, utterances)
    if (drawn_from := labelled * (settings.folds - 1) // settings.folds) < most:
        needed = math.ceil(most * settings.folds / (settings.folds - 1))
        step = (
            f"--labelled {2 * most}"
            if wanted.labelled and utterances >= 2 * most
            else f"--hours {math.ceil(needed * clip_s / 36) / 100:g}, or smaller --budgets"
        )
        raise UndertoneError(
            f"{most} labels are to be drawn of the training speakers of {settings.folds} folds, "
            f"and {labelled} with a label leave them {drawn_from}: {step}"
        )


def _n_utterances(wanted: Wanted, clip_s: float) -> int:
    return max(wanted.speakers, round(wanted.hours * 3600 / clip_s))


def _calibrate(
    corpus: Corpus, settings: CurveSettings, *, progress: bool
) -> tuple[Measured, Measured]:
    """Each size in a process of its own, one after the other."""
    n_large, measured = len(corpus), []
    with Progress(shown=progress) as shown, tempfile.TemporaryDirectory() as folder:
        shown.add(CALIBRATION, 2)
        for n in (round(SMALL_SHARE * n_large), n_large):
            with process_pool(1) as pool:
                job = pool.submit(measure, cut(corpus, n), settings, Path(folder) / str(n))
                measured.append(job.result())
            shown.advance(CALIBRATION)
    return measured[0], measured[1]


def outlook(
    wanted: Wanted, settings: CurveSettings, costs: Costs, *, task: Task, calibrated: Measured
) -> Outlook:
    """What a curve of this size takes, at these costs.

    Raises:
        UndertoneError: utterances as long as these are too few for the labels.
    """
    _check_labels(wanted, settings, wanted.clip_s or calibrated.audio_s / calibrated.utterances)
    size = _size_of(wanted, settings, calibrated)
    extracting = Step(
        "reading and features",
        costs.extracting * size.audio_s,
        disk=costs.cached * size.audio_s,
    )
    heard = costs.with_copies(size.utterances)
    copied_s = wanted.hours * 3600 * min(1.0, MOST_COPIED / size.utterances)
    copying = Step(
        "copies that differ by the recording",
        costs.copying * copied_s,
        disk=costs.copied * copied_s,
    )
    epoch = costs.epoch * size.pool_s * costs.frames_a_second
    folds, pretraining = settings.folds, settings.pretrain
    pretrain = Step("pre-training", folds * pretraining.max_epochs * epoch, at_once=folds)
    vectors = Step(
        "vectors of utterances, in every process",
        costs.vectors.at(heard) * wanted.n_cores + costs.planning.at(size.utterances),
    )
    fits = list(_fits(settings, costs, task, size))
    scoring = Step("scores and intervals", _scoring(settings, task, size, len(fits)))
    copies = [copying] if costs.copies else []
    steps = (extracting, *copies, *([pretrain] if epoch else []), vectors, *fits, scoring)
    least = folds * min(pretraining.max_epochs, pretraining.patience + 1) * epoch
    return Outlook(
        wanted=wanted,
        utterances=size.utterances,
        n_fits=sum(size.n_fits(settings, task, name) for name in costs.fits),
        steps=steps,
        peak=costs.peak.at(heard) if calibrated.peak else 0.0,
        calibrated_on=calibrated.utterances,
        pretraining_least_s=least,
    )


@dataclass(frozen=True)
class _Size:
    """Of the corpus that is wanted."""

    utterances: int
    speakers: int
    labelled: int
    audio_s: float  # with the pool
    pool_s: float  # that one fold pre-trains on

    def n_fits(self, settings: CurveSettings, task: Task, system: str) -> int:
        """Of a system, over folds, draws and budgets."""
        row = systems_of(task)[system]
        budgets = [b for b in _budgets(settings, self.labelled) if b >= row.least_labels]
        return settings.folds * settings.draws_of(row) * len(budgets)


def _size_of(wanted: Wanted, settings: CurveSettings, calibrated: Measured) -> _Size:
    clip_s = wanted.clip_s or calibrated.audio_s / calibrated.utterances
    seconds, rest = wanted.hours * 3600, wanted.pool_hours * 3600
    utterances = _n_utterances(wanted, clip_s)
    most = max((int(b) for b in settings.budgets if b != ALL), default=utterances)
    labelled = min(wanted.labelled or 5 * most, utterances)
    training = seconds * (settings.folds - 1) / settings.folds
    return _Size(utterances, wanted.speakers, labelled, seconds + rest, training + rest)


def _budgets(settings: CurveSettings, labelled: int) -> list[int]:
    every = labelled * (settings.folds - 1) // settings.folds
    return [every if budget == ALL else int(budget) for budget in settings.budgets]


def _fits(settings: CurveSettings, costs: Costs, task: Task, size: _Size) -> Iterator[Step]:
    """A step a system; each fold tests its share of what is labelled."""
    rows, tested = systems_of(task), size.labelled / settings.folds
    crowd = size.utterances * (settings.folds - 1) // settings.folds
    for name, cost in costs.fits.items():
        budgets = [b for b in _budgets(settings, size.labelled) if b >= rows[name].least_labels]
        of_one = sum(cost.seconds(labels=b, crowd=crowd, tested=tested) for b in budgets)
        times = settings.folds * settings.draws_of(rows[name])
        disk = times * len(budgets) * cost.size.at(tested)
        yield Step(f"fits: {rows[name].label}", times * of_one, disk=disk)


def _scoring(settings: CurveSettings, task: Task, size: _Size, n_systems: int) -> float:
    """From a few replicates of one draw of noise, of as many speakers and utterances."""
    rng = np.random.default_rng(0)
    labelled, n_speakers = size.labelled, min(size.speakers, size.labelled)
    speaker = np.arange(labelled) % n_speakers
    width = len(task.outputs)
    truth = (rng.integers(width, size=labelled)[:, None] == np.arange(width)) * task.high
    noise = rng.random((1, labelled, width)) * task.high
    weights = intervals.resample(n_speakers, n_replicates=REPLICATES)
    begin = time.process_time()
    score(noise, Truth(task, truth.astype(np.float32), speaker, weights))
    of_one = (time.process_time() - begin) / (1 + REPLICATES)
    n_replicates = settings.replicates or task.n_replicates
    return of_one * n_replicates * settings.draws * len(settings.budgets) * n_systems


def _why(step: Step, cores: int) -> str:
    if step.at_once >= cores:
        return ", which more cores shorten"
    return f", which no more than {step.at_once:.0f} processes share"


def _row(step: Step, wall_s: float) -> tuple[str, ...]:
    disk = _size(step.disk) if step.disk >= MIB / 10 else "–"
    return step.name, duration(step.core_s), duration(wall_s), disk


def _size(n_bytes: float) -> str:
    """Rounded as an estimate is.

    >>> _size(3 * 2**30), _size(40 * 2**20)
    ('3.0 GiB', '40 MiB')
    """
    return f"{n_bytes / GIB:,.1f} GiB" if n_bytes >= GIB else f"{n_bytes / MIB:,.0f} MiB"
