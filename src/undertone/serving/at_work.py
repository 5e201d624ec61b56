"""Rows on several processes, in the order given; a row that kills its process costs itself alone.

In:  items with their transcripts.
Out: predictions in the same order.

When a process dies, nobody knows of which row: those that were on their way are predicted one at a
time in a process of their own, and the one that kills that, too, is told as such.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from undertone import jobs
from undertone.errors import UndertoneError
from undertone.processes import process_pool
from undertone.serving.given import Item
from undertone.serving.predict import Prediction, failed, predict_item
from undertone.serving.sureness import Judge, Terms

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from undertone.recogniser.folder import Recogniser

ROWS_AHEAD = 4  # a process, so that none waits for work
MOST_DEATHS = 5  # rows in a row: then it is not the recordings' fault
NOBODY_LIVES = (
    f"{MOST_DEATHS} processes died one after the other: the memory was exhausted, they were "
    "killed, or the script that calls Undertone does not guard it with "
    '`if __name__ == "__main__":`; run it again (what is finished is kept), with fewer --workers'
)
Told = tuple[Item, str | None]  # with its transcript
_at_work: "list[tuple[Recogniser, str, Judge]]" = []  # of this process


@dataclass(frozen=True)
class _Ways:
    """How rows are predicted: by how many processes, the model's name, how sure an answer is."""

    workers: int
    name: str
    terms: Terms


def in_processes(
    recogniser: "Recogniser",
    told: Iterable[Told],
    *,
    workers: int,
    name: str,
    terms: Terms | None = None,
) -> Iterator[Prediction]:
    """Predictions of all rows.

    Args:
        recogniser: that predicts.
        told: rows.
        workers: processes.
        name: of the model, in commands that notes name.
        terms: how sure an answer must be.

    Raises:
        UndertoneError: processes die whatever they are given.
    """
    rows, n_dead = iter(told), 0
    ways = _Ways(workers, name, terms or Terms())
    if jobs.cores_elsewhere():
        yield from _elsewhere(recogniser, rows, ways)
        return
    alone = replace(ways, workers=0)
    while on_the_way := (yield from _until_one_dies(recogniser, rows, ways)).on_the_way:
        suspects = iter(on_the_way)
        while (end := (yield from _until_one_dies(recogniser, suspects, alone))).on_the_way:
            n_dead = 1 if end.n_made else n_dead + 1
            if n_dead == MOST_DEATHS:
                raise UndertoneError(NOBODY_LIVES)
            (row,) = end.on_the_way
            yield failed(row[0], _died(row[0]))


def _elsewhere(recogniser: "Recogniser", rows: Iterator[Told], ways: _Ways) -> Iterator[Prediction]:
    """Predictions in order from a cluster, which tries a row that ended its process elsewhere."""
    waiting: deque[tuple[Told, Future[Prediction]]] = deque()
    n_dead, most = 0, ROWS_AHEAD * jobs.cores_elsewhere()
    with jobs.shared_out(1, _begin, recogniser, ways.name, ways.terms) as pool:
        while True:
            _submit(pool, rows, waiting, most)
            if not waiting:
                return
            (item, _), future = waiting.popleft()
            try:
                yield future.result()
                n_dead = 0
            except jobs.DiedError:
                if (n_dead := n_dead + 1) == MOST_DEATHS:
                    raise
                yield failed(item, _died(item))
            pool.news()  # what rows wrote to standard error


@dataclass(frozen=True)
class _End:
    """How the work of a pool ended.

    Attributes:
        n_made: rows that it predicted.
        on_the_way: rows that were at work when a process died; none where no row is left.
    """

    n_made: int
    on_the_way: list[Told]


def _until_one_dies(
    recogniser: "Recogniser", rows: Iterator[Told], ways: _Ways
) -> Generator[Prediction, None, _End]:
    """Predictions in order, on as many processes; with 0 on one, one row at a time."""
    waiting: deque[tuple[Told, Future[Prediction]]] = deque()
    n_made, most = 0, ROWS_AHEAD * ways.workers or 1
    with process_pool(ways.workers or 1, _begin, recogniser, ways.name, ways.terms) as pool:
        try:
            while True:
                _submit(pool, rows, waiting, most)
                if not waiting:
                    return _End(n_made, [])
                yield waiting[0][1].result()
                waiting.popleft()
                n_made += 1
        except BrokenProcessPool:
            pass
    return _End(n_made, [row for row, _ in waiting])


def _submit(
    pool: "Executor | jobs.Pool",
    rows: Iterator[Told],
    waiting: "deque[tuple[Told, Future[Prediction]]]",
    most: int,
) -> None:
    while len(waiting) < most and (row := next(rows, None)) is not None:
        future: Future[Prediction] = Future()
        waiting.append((row, future))
        waiting[-1] = (row, pool.submit(_predict, *row))


def _died(item: Item) -> str:
    return (
        f"{item.file} ended the process that read it: it is damaged or made to harm, or the memory "
        "was exhausted; leave it out"
    )


def _begin(recogniser: "Recogniser", name: str, terms: Terms) -> None:
    _at_work[:] = [(recogniser, name, Judge.of(recogniser, terms))]


def _predict(item: Item, transcript: str | None) -> Prediction:
    recogniser, name, judge = _at_work[0]
    return predict_item(recogniser, item, lambda: transcript, name=name, judge=judge)
