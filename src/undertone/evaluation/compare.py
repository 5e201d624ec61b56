"""Systems of several runs side by side, paired, where the runs share speakers, folds and draws.

In:  ``LABEL=FOLDER:SYSTEM`` of finished runs, of any one task: folders with ``config.toml`` and
     ``predictions.parquet``.
Out: ``Comparison``: every system at every budget that all have, and its paired difference to one,
     in the task's headline metric or another; of several differences p-values that take them
     together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow import parquet

from undertone import seals
from undertone.config import read_toml
from undertone.corpora.disjoint import SPEAKER
from undertone.errors import UndertoneError
from undertone.evaluation.curves import Curves, trace
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.many import p_values_against, say_p, taken_together
from undertone.evaluation.predictions import columns_needed, read_predictions, task_told, unit_told
from undertone.tasks import MEAN, Task

PREDICTIONS = "predictions.parquet"
SHARED = (  # or the draws are not the same
    *("corpus", "proxy", "draws", "folds", "fold_files", "disjoint", "seed"),
)
# The task is read off the predictions: settings may leave it to the corpus.


@dataclass(frozen=True)
class Contestant:
    """A system of a run under the name that the table shows."""

    label: str
    folder: Path
    system: str


@dataclass(frozen=True)
class Comparison:
    """Contestants on the same speakers and draws, in one metric."""

    labels: tuple[str, ...]
    against: str
    curves: Curves
    metric: str
    output: str = MEAN
    part: str = ""  # the official test part, where there are several

    @property
    def budgets(self) -> tuple[int, ...]:
        return self.curves.budgets_of(*self.labels)

    @property
    def metric_label(self) -> str:
        """With the output where it is that of one, and the test part where there are several."""
        of = self.curves.task.metrics[self.metric]
        label = of.label if self.output == MEAN else f"{of.of_output} {self.output}"
        return f"{label} in {self.part}" if self.part else label

    @property
    def caveat(self) -> str:
        """What every reader of its numbers must know."""
        return self.curves.task.caveat

    @property
    def lower_is_better(self) -> bool:
        return self.curves.task.metrics[self.metric].lower_is_better

    def rows(self) -> list[tuple[str, ...]]:
        """A label and its metric at each budget, for all and for chance where there is one."""
        rows = [
            (label, *(str(self._estimate(label, budget)) for budget in self.budgets))
            for label in self.labels
        ]
        if self.output == MEAN and (chance := self.curves.chance(self.metric)) is not None:
            rows.append(("chance", *(decimal(chance) for _ in self.budgets)))
        return rows

    @property
    def others(self) -> tuple[str, ...]:
        """What is held against one."""
        return tuple(label for label in self.labels if label != self.against)

    @cached_property
    def p_values(self) -> dict[str, float]:
        """Of the others with the most labels, after Holm; none of one, whose interval says it."""
        if len(self.others) < 2:
            return {}
        return p_values_against(
            *(self.curves, self.against, self.others),
            budget=self.budgets[-1],
            metric=self.metric,
            output=self.output,
        )

    @property
    def headings(self) -> tuple[str, ...]:
        """Of the differences."""
        p = (f"p with {self.budgets[-1]}, Holm",) if self.p_values else ()
        return (f"difference in {self.metric_label}", *map(str, self.budgets), *p)

    def differences(self) -> list[tuple[str, ...]]:
        """A label and its paired difference in the metric at each budget, for all others.

        Behind the differences stands the p-value, where there are several.
        """
        difference, metric, outputs = self.curves.difference, self.metric, (self.output,)
        return [
            (
                f"{label} − {self.against}",
                *(
                    difference(
                        label, self.against, budget=budget, metric=metric, outputs=outputs
                    ).signed()
                    for budget in self.budgets
                ),
                *([say_p(self.p_values[label])] if self.p_values else []),
            )
            for label in self.others
        ]

    @property
    def together(self) -> str:
        """What stands of several differences when they are taken together; "" of one."""
        return taken_together(self.p_values, budget=self.budgets[-1]) if self.p_values else ""

    def _estimate(self, label: str, budget: int) -> Estimate:
        return self.curves.estimate(label, budget, self.metric, output=self.output)


def parse(text: str) -> Contestant:
    """Read ``LABEL=FOLDER:SYSTEM`` or ``FOLDER:SYSTEM``, whose label is the whole text."""
    label, equals, place = text.partition("=")
    folder, colon, system = (place if equals else text).rpartition(":")
    if not colon or not folder or not system:
        raise UndertoneError(f"compare takes LABEL=FOLDER:SYSTEM, found {text!r}")
    return Contestant(label if equals else text, Path(folder), system)


def compare(
    contestants: Sequence[Contestant],
    against: str | None = None,
    metric: str | None = None,
    *,
    output: str = MEAN,
    part: str = "",
    workers: int = 1,
) -> Comparison:
    """Score contestants together.

    Args:
        contestants: at least two, each under a label of its own.
        against: label that the others are held against; the last by default.
        metric: name of a metric of the runs' task; its headline by default.
        output: of the task, as fear or valence; the mean of all by default.
        part: official test part, where the runs have several; the first by default.
        workers: processes; they change no number.

    Raises:
        UndertoneError: a run lacks the system, or the runs' utterances or draws are not the same.
    """
    labels = tuple(contestant.label for contestant in contestants)
    against = against or labels[-1]
    if len(set(labels)) < max(2, len(labels)):
        raise UndertoneError(
            f"compare needs two systems or more under different labels, found {', '.join(labels)}"
        )
    if against not in labels:
        raise UndertoneError(f"there is no {against!r} to compare with among {', '.join(labels)}")
    table, task = _read_together(contestants)
    table, part = _of_part(table, part)
    if metric is not None and metric not in task.metrics:
        raise UndertoneError(
            f"the task {task.name} has no metric {metric!r}; it has {', '.join(task.metrics)}"
        )
    metric = metric or task.headline
    _check_output(task, metric, output)
    predictions, tested = read_predictions(table, task)
    curves = trace(
        predictions, task=task, truth=tested.truth, speakers=tested.speakers, workers=workers
    )
    return Comparison(labels, against, curves, metric, output, part)


def _check_output(task: Task, metric: str, output: str) -> None:
    if output != MEAN and output not in task.outputs:
        raise UndertoneError(
            f"the task {task.name} has no output {output!r}; it has {', '.join(task.outputs)}"
        )
    if output != MEAN and not task.metrics[metric].of_output:
        by_output = [name for name, of in task.metrics.items() if of.of_output]
        raise UndertoneError(
            f"{task.metrics[metric].label} is of all outputs together: leave --output out, or take "
            f"--metric {' or '.join(by_output)}"
        )


def _of_part(table: pd.DataFrame, part: str) -> tuple[pd.DataFrame, str]:
    """The rows of one test part, and which it is: parts are never put together."""
    parts = sorted(table["part"].unique()) if "part" in table else []
    if part and part not in parts:
        raise UndertoneError(
            f"there is no test part {part!r} in these runs; "
            + (f"there are {', '.join(parts)}" if parts else "leave --part out: there is only one")
        )
    if not parts:
        return table, ""
    return table[table["part"] == (part or parts[0])], part or parts[0]


def _read_together(contestants: Sequence[Contestant]) -> tuple[pd.DataFrame, Task]:
    """The rows of all at the budgets that all have, each under its label in place of the system."""
    first, *others = [_read(contestant) for contestant in contestants]
    for other, contestant in zip(others, contestants[1:], strict=True):
        for name, ours in first.facts.items():
            if ours != (theirs := other.facts[name]):
                raise UndertoneError(
                    f"{contestants[0].folder} and {contestant.folder} cannot be compared: {name} "
                    f"is {ours} in one and {theirs} in the other; compare runs of one task on one "
                    "corpus, with the same draws"
                )
    tables = [run.table for run in (first, *others)]
    common = set.intersection(*(set(table["budget"]) for table in tables))
    if not common:
        labels = ", ".join(contestant.label for contestant in contestants)
        raise UndertoneError(f"{labels} have no budget in common")
    together = pd.concat(tables, ignore_index=True)
    return together[together["budget"].isin(common)], first.task


@dataclass(frozen=True)
class _Run:
    """The rows of a contestant, and what must be the same of all."""

    table: pd.DataFrame
    task: Task
    facts: dict[str, Any]


def _read(contestant: Contestant) -> _Run:
    """The rows of the system, and the columns that are needed: a run may hold millions of rows."""
    folder, system = contestant.folder, contestant.system
    if not (path := folder / PREDICTIONS).is_file():
        raise UndertoneError(f"{folder} holds no finished run: there is no {path}")
    again = "repeat the run's command, which writes it again"
    seals.check_sums([folder / "config.toml", path], again)
    settings = read_toml(folder / "config.toml")
    try:
        columns = parquet.read_schema(path).names
        needed, rows = columns_needed(columns), [("system", "==", system)]
        table = pd.read_parquet(path, columns=needed, filters=rows)
    except (ValueError, OSError) as error:  # arrow's errors derive from these
        raise UndertoneError(f"{path} cannot be read ({error}); {again}") from None
    if table.empty:
        systems = pd.read_parquet(path, columns=["system"])["system"].unique()
        raise UndertoneError(f"{folder} holds no system {system!r}; it holds {', '.join(systems)}")
    if settings.get("vault"):
        raise UndertoneError(
            f"{folder} was tested on the vault {settings['vault']}: its predictions hold no truth "
            "to compare systems by; its report holds the paired differences of its own systems"
        )
    task = task_told(columns, table.get("truth"))
    if proxy := settings.get("proxy"):
        task = task.on(None, str(proxy))
    facts = {name: settings.get(name) or None for name in SHARED}
    if facts["disjoint"] == [SPEAKER]:  # as it was before there was a choice
        facts["disjoint"] = None
    facts |= {"task": task.name, "outputs": ", ".join(task.outputs), "unit": unit_told(columns)}
    return _Run(table.assign(system=contestant.label), task, facts)
