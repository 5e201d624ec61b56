"""What is predicted: the tasks, and which of them a corpus has labels for.

In:  a corpus's table, or a name and outputs.
Out: a ``Task``.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from undertone.errors import UndertoneError
from undertone.tasks.classes import Classes
from undertone.tasks.dimensions import Dimensions
from undertone.tasks.intensities import Intensities
from undertone.tasks.task import AMOUNTS, CHOICE, MEAN, Task

if TYPE_CHECKING:
    import pandas as pd

TASKS: Mapping[str, type[Task]] = {kind.name: kind for kind in (Classes, Intensities, Dimensions)}

__all__ = [
    *("AMOUNTS", "CHOICE", "MEAN", "TASKS"),
    *("Classes", "Dimensions", "Intensities", "Task", "kind_of"),
    "AMOUNTS",
    "CHOICE",
    "MEAN",
]


def kind_of(name: str) -> type[Task]:
    """The task of a name."""
    if name not in TASKS:
        raise UndertoneError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
    return TASKS[name]


def task_of(table: "pd.DataFrame", where: str, name: str = "") -> Task:
    """The task that a corpus has labels for.

    Args:
        table: of the corpus.
        where: name of the corpus, for messages.
        name: of the task, where it is said; else the first for which there are labels.

    Raises:
        UndertoneError: there are none, or none for the task said.
    """
    errors: list[UndertoneError] = []
    for kind in [kind_of(name)] if name else TASKS.values():
        try:
            if (task := kind.of(table)) is not None:
                return task
        except UndertoneError as error:  # labels of this kind that will not do; others may
            errors.append(error)
    if errors:
        raise errors[0]
    if name:
        raise UndertoneError(f"{where} has no labels for the task {name}{_ways_out(table, name)}")
    raise UndertoneError(
        f"{where} has no emotion labels: it can only be a pool. Fill in the column emotion of its "
        "table, or label it by ear: undertone label --corpus PATH --emotions anger,happiness,"
        "neutral,sadness --log labels.jsonl; labels.jsonl is then the --corpus"
    )


def _ways_out(table: "pd.DataFrame", name: str) -> str:
    """What can be done where a corpus has no labels for a task."""
    others = [kind.name for kind in TASKS.values() if kind.name != name and _has(kind, table)]
    ways = [f"--task {other}, for which it has labels" for other in others]
    if name == Dimensions.name and Classes.name in others:
        ways.append("--proxy pad, which gives each emotion a place")
    return f": take {', or '.join(ways)}" if ways else ": it can only be a pool"


def _has(kind: type[Task], table: "pd.DataFrame") -> bool:
    try:
        return kind.of(table) is not None
    except UndertoneError:  # labels that will not do
        return False
