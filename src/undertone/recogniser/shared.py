"""The fits of a build: one after the other here, side by side where a cluster was joined.

In:  a build and cells of its plan.
Out: the problem and the fit of each cell, in order.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from undertone import jobs
from undertone.systems.fitted import Fitted
from undertone.systems.plan import Cell
from undertone.systems.problem import Problem

if TYPE_CHECKING:
    from undertone.recogniser.build import Build

_build: "list[Build]" = []  # of this worker


def fits(build: "Build", cells: Sequence[Cell]) -> Iterator[tuple[Problem, Fitted]]:
    """Problems with their fits; a vault's truth stays in this process."""
    if build.sealed or not jobs.cores_elsewhere():
        for cell in cells:
            problem = build.problem(cell)
            yield problem, build.fit(problem)
        return
    with jobs.shared_out(len(cells), _begin, build) as pool:
        futures = [pool.submit(_fit, cell) for cell in cells]
        for cell, future in zip(cells, futures, strict=True):
            yield build.problem(cell), future.result()


def _begin(build: "Build") -> None:
    _build[:] = [build]


def _fit(cell: Cell) -> Fitted:
    return _build[0].fit(_build[0].problem(cell))
