"""In which order a sweep makes its fits: the answer first, what costs most last.

In:  a ``Sweep`` of which nothing, or a part, has been computed yet.
Out: jobs, a cell each with the systems that are fitted together there.

First come what is recommended without pre-training and the floors, then what is recommended with
it, then the other systems, and last those whose every weight is trained. Within each the first draw
of all folds comes first, so that what is there at any time can be scored on all speakers. No number
depends on the order: each fit's randomness is named by its cell.
"""

from collections import defaultdict
from dataclasses import dataclass

from undertone.experiment.stored import Sweep
from undertone.systems.adapted import ByVoice
from undertone.systems.plan import Cell
from undertone.systems.system import System

FIRST, RECOMMENDED, REST, COSTLY = range(4)
MOST_AT_ONCE = 100_000  # utterances, over all folds, whose vectors a process keeps


@dataclass(frozen=True)
class Job:
    """Systems that are fitted to the labels of a cell, one after the other.

    Attributes:
        cell: the draw of labels.
        systems: names of rows.
        stage: of the order.
        pretrained: whether one of them starts from the fold's encoder.
        sees_pool: whether statistics of the fold's pool enter into one of them.
    """

    cell: Cell
    systems: tuple[str, ...]
    stage: int
    pretrained: bool
    sees_pool: bool


def jobs_of(sweep: Sweep) -> list[Job]:
    """All fits that are missing, in their order."""
    stages = _stages(sweep)
    jobs = []
    for cell in sweep.plan.cells:
        by_stage: dict[int, list[System]] = defaultdict(list)
        for row in sweep.missing(cell):
            by_stage[stages[_fitted_as(row)]].append(row)
        jobs += [_job(cell, rows, stage) for stage, rows in by_stage.items()]
    return sorted(jobs, key=_by_draw if keeps_folds(sweep) else _by_fold)


def keeps_folds(sweep: Sweep) -> bool:
    """Whether a process keeps the vectors of all folds, so that it may go from one to another."""
    n = sum(len(fold.crowd) + len(fold.test) for fold in sweep.plan.folds.values())
    return n <= MOST_AT_ONCE


def leading(sweep: Sweep) -> list[str]:
    """Names of the systems whose scores are told while fits go on, the best known first."""
    stages = _stages(sweep)
    rows = [row for row in sweep.rows if row.kind != "floor"]
    return [row.name for stage in (RECOMMENDED, FIRST) for row in rows if stages[row.name] == stage]


def _stages(sweep: Sweep) -> dict[str, int]:
    """By name of a row. Without any that is recommended, the first that pre-trains nothing is."""
    recommended = {row.name for row in sweep.rows if row.recommended}
    cheap = [r for r in sweep.rows if not (r.sees_pool or r.trains_all or r.kind == "floor")]
    if not recommended & {row.name for row in cheap}:
        alike = [row for row in cheap if row.kind == "classic"] or cheap
        recommended |= {row.name for row in alike[:1]}
    return {row.name: _stage(row, recommended) for row in sweep.rows}


def _stage(row: System, recommended: set[str]) -> int:
    if row.trains_all:
        return COSTLY
    if row.kind == "floor":
        return FIRST
    if row.name in recommended:
        return RECOMMENDED if row.sees_pool else FIRST
    return REST


def _fitted_as(row: System) -> str:
    """The row whose fit it is: one that is adapted to a voice is fitted with it."""
    return row.of if isinstance(row, ByVoice) else row.name


def _job(cell: Cell, rows: list[System], stage: int) -> Job:
    return Job(
        cell,
        tuple(row.name for row in rows),
        stage,
        pretrained=any(row.pretrains for row in rows),
        sees_pool=any(row.sees_pool for row in rows),
    )


def _by_draw(job: Job) -> tuple[int, ...]:
    return job.stage, job.cell.draw, job.cell.fold, -job.cell.budget


def _by_fold(job: Job) -> tuple[int, ...]:
    return job.stage, job.cell.fold, job.cell.draw, -job.cell.budget
