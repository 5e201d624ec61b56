"""Predictions of a run as a table, and back.

In:  by system and budget the predictions (n_draws, n_rows, n_outputs), and what they are of.
Out: ``predictions.parquet``, one row an utterance of a fit, its truth beside it, and
     ``results.parquet``, one row a fit and metric (of amounts: and output).

Of classes a row holds ``prediction``, ``p_<emotion>``, ``speaker`` and ``truth``; of amounts the
outputs by name, the speaker (``video`` where the corpus names videos) and ``truth_<output>``.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from undertone.errors import UndertoneError, describe_some
from undertone.evaluation.curves import Curves, Key
from undertone.tasks import AMOUNTS, CHOICE, MEAN, TASKS, Classes, Task
from undertone.tasks.classes import codes
from undertone.tasks.rows import Rows

UNITS = ("speaker", "video")  # what is resampled, as the column is called


@dataclass(frozen=True)
class Tested:
    """The utterances that every system of a run predicts.

    Attributes:
        task: what is predicted.
        utterances: (n_rows,) names.
        speakers: (n_rows,)
        truth: (n_rows, n_outputs)
        folds: (n_rows,) the fold whose fits predict each.
        unit: "speaker", or "video" where the corpus does not tell who speaks.
        parts: (n_rows,) the official test part of each, as test1; empty where there is only one.
    """

    task: Task
    utterances: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: np.ndarray
    folds: tuple[int, ...]
    unit: str = "speaker"
    parts: tuple[str, ...] = ()

    def apart(self) -> dict[str, np.ndarray]:
        """(n_rows,) which rows are of each test part, by name; "" where there is only one."""
        if not self.parts:
            return {"": np.ones(len(self.utterances), dtype=bool)}
        parts = np.array(self.parts)
        return {str(name): parts == name for name in np.unique(parts)}

    @property
    def crossed(self) -> bool:
        """Whether several folds take turns."""
        return len(set(self.folds)) > 1


def predictions_table(predictions: Mapping[Key, np.ndarray], tested: Tested) -> pd.DataFrame:
    """One row an utterance of a fit, by system, budget, draw, fold and utterance as given."""
    systems = list(dict.fromkeys(system for system, _ in predictions))
    order = np.argsort(tested.folds, kind="stable")
    parts = []
    for (system, budget), draws in predictions.items():
        for draw, values in enumerate(draws):
            keys = {"system": system, "budget": budget, "draw": draw}
            part = pd.DataFrame(keys, index=range(len(values)))
            part["fold"] = np.array(tested.folds)[order]
            part["utterance"] = np.array(tested.utterances, dtype=object)[order]
            parts.append(pd.concat([part, _columns(tested.task, values[order])], axis=1))
    table = pd.concat(parts, ignore_index=True)
    if tested.task.kind == AMOUNTS:  # many rows: names as numbers
        table["system"] = pd.Categorical(table["system"], categories=systems)
        table = table if tested.crossed else table.drop(columns="fold")
    table = table.merge(_truth_table(tested), on="utterance", how="left", validate="many_to_one")
    texts = [name for name in ("utterance", tested.unit, "part", "truth") if name in table]
    return table.astype(dict.fromkeys(texts, object))


def results_table(
    predictions: Mapping[Key, np.ndarray], tested: Tested, curves: Curves
) -> pd.DataFrame:
    """One row a fit and metric.

    Args:
        predictions: (n_draws, n_rows, n_outputs) by system and budget.
        tested: what they are of.
        curves: scored from them; where one fold is all there is, a draw's score is its fit's.

    Returns:
        Of classes the columns system, budget, draw, fold, metric, value, n_utterances, n_speakers;
        of amounts system, budget, draw, (fold,) metric, emotion, value, the outputs before their
        mean. Where there are several test parts, also part, a row each.
    """
    folds = np.array(tested.folds)
    rows = [
        (*row, part)
        for (system, budget), draws in predictions.items()
        for draw, values in enumerate(tested.task.decide(draws))
        for fold in np.unique(folds)
        for part, of_part in tested.apart().items()
        if ((folds == fold) & of_part).any()  # a fold may test one part alone
        for row in _fit_rows(
            (system, budget, draw, int(fold)),
            _measured(values, tested, (folds == fold) & of_part)
            if tested.crossed or tested.parts
            else curves.scored[system, budget].by_draw[draw],
            np.array(tested.speakers)[(folds == fold) & of_part],
            tested.task,
        )
    ]
    names = ("system", "budget", "draw", "fold", "metric", "emotion", "value")
    table = pd.DataFrame(rows, columns=[*names, "n_utterances", "n_speakers", "part"])
    table = table if tested.parts else table.drop(columns="part")
    if tested.task.kind == CHOICE:
        return table[table["emotion"] == MEAN].drop(columns="emotion").reset_index(drop=True)
    table = table.drop(columns=["n_utterances", "n_speakers"])
    return table if tested.crossed else table.drop(columns="fold")


def read_predictions(
    table: pd.DataFrame, task: Task | None = None
) -> tuple[dict[Key, np.ndarray], Tested]:
    """What ``predictions_table`` was made of; of classes 1 for what was chosen.

    Args:
        table: rows of some systems or all; of classes the columns ``p_<emotion>`` may lack.
        task: where they do; by default the one that the columns name.

    Raises:
        UndertoneError: systems could not be compared utterance by utterance.
    """
    task = task or task_told(list(table.columns), table.get("truth"))
    unit = unit_told(table.columns)
    _check(table, task, unit)
    first = table.drop_duplicates("utterance").sort_values("utterance", ignore_index=True)
    truth, values = _truth_columns(task), list(_value_columns(task))
    tested = Tested(
        task=task,
        utterances=tuple(first["utterance"]),
        speakers=tuple(first[unit].astype(str)),
        truth=_as_array(task, first[truth], "the truth"),
        folds=tuple(first["fold"]) if "fold" in first else (0,) * len(first),
        unit=unit,
        parts=tuple(first["part"]) if "part" in first else (),
    )
    table = table.sort_values(["draw", "utterance"], kind="stable")
    fits = table.groupby(["system", "budget"], sort=False, observed=True)
    predictions = {
        (str(system), int(str(budget))): _as_array(task, fit[values], "the prediction").reshape(
            fit["draw"].nunique(), len(first), -1
        )
        for (system, budget), fit in fits
    }
    return predictions, tested


def task_told(columns: Sequence[str], truth: pd.Series | None = None) -> Task:
    """The task whose outputs the columns of a predictions table name.

    Args:
        columns: names.
        truth: the column of that name; it is asked where no column ``p_<emotion>`` is there.
    """
    if {"truth", "prediction"} & set(columns):
        named = [c.removeprefix("p_") for c in columns if c.startswith("p_")]
        return Classes.among(named or ([] if truth is None else truth.dropna()))
    outputs = tuple(c.removeprefix("truth_") for c in columns if c.startswith("truth_"))
    for kind in TASKS.values():
        if (
            kind.kind == AMOUNTS
            and outputs
            and outputs == kind.label_columns_in(outputs.__contains__)
        ):
            return kind(outputs)
    raise UndertoneError(
        "expected a predictions table with a column truth, or with the columns truth_<output> of a "
        f"task ({', '.join(TASKS)}); found {', '.join(map(str, columns))}"
    )


def unit_told(columns: Container[str]) -> str:
    """What is resampled, by the columns of a predictions table."""
    return next((name for name in UNITS if name in columns), UNITS[0])


def columns_needed(columns: Sequence[str]) -> list[str]:
    """Those of a predictions table that ``read_predictions`` reads."""
    keys = {"system", "budget", "draw", "fold", "part", "utterance", "truth", "prediction", *UNITS}
    outputs = {c.removeprefix("truth_") for c in columns if c.startswith("truth_")}
    return [c for c in columns if c in keys | outputs or c.startswith("truth_")]


def _check(table: pd.DataFrame, task: Task, unit: str) -> None:
    """Refuse a table on which systems could not be compared utterance by utterance."""
    names = ["utterance", unit, *_truth_columns(task)]
    needed = ["system", "budget", "draw", *names, *_value_columns(task)]
    if missing := [column for column in needed if column not in table]:
        raise UndertoneError(
            f"expected a predictions table with the columns {', '.join(needed)}; it lacks "
            f"{', '.join(missing)} and has {', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise UndertoneError("expected predictions of at least one fit; the table has no rows")
    empty = table[needed].isna().sum()
    if empty.any():
        where = ", ".join(f"{n} in {column}" for column, n in empty[empty > 0].items())
        raise UndertoneError(f"expected no empty cells in the predictions table; found {where}")
    _check_utterances(table, names + [name for name in ("fold", "part") if name in table], unit)
    _check_draws(table)


def _columns(task: Task, values: np.ndarray) -> pd.DataFrame:
    if task.kind == AMOUNTS:
        return pd.DataFrame(values, columns=list(task.outputs))
    names = np.array(task.outputs, dtype=object)[values.argmax(axis=1)]
    table = pd.DataFrame(values, columns=[f"p_{output}" for output in task.outputs])
    table.insert(0, "prediction", names)
    return table


def _truth_table(tested: Tested) -> pd.DataFrame:
    task = tested.task
    table = pd.DataFrame({"utterance": tested.utterances, tested.unit: tested.speakers})
    if tested.parts:
        table["part"] = np.array(tested.parts, dtype=object)
    columns = _truth_columns(task)
    if task.kind == AMOUNTS:
        return pd.concat([table, pd.DataFrame(tested.truth, columns=columns)], axis=1)
    hidden = np.isnan(tested.truth).any(axis=1)  # in a vault
    position = np.where(hidden, -1, np.nan_to_num(tested.truth).argmax(axis=1))
    return table.assign(truth=np.array([*task.outputs, None], dtype=object)[position])


def _truth_columns(task: Task) -> list[str]:
    return ["truth"] if task.kind == CHOICE else [f"truth_{output}" for output in task.outputs]


def _value_columns(task: Task) -> list[str]:
    return ["prediction"] if task.kind == CHOICE else list(task.outputs)


def _as_array(task: Task, columns: pd.DataFrame, what: str) -> np.ndarray:
    if task.kind == AMOUNTS:
        return columns.to_numpy(float)
    return np.eye(len(task.outputs))[codes(columns.iloc[:, 0], emotions=task.outputs, what=what)]


def _measured(values: np.ndarray, tested: Tested, of_fold: np.ndarray) -> np.ndarray:
    """(n_metrics, 1 + n_outputs) of the rows of one fold."""
    names, speaker = np.unique(np.array(tested.speakers)[of_fold], return_inverse=True)
    rows = Rows(tested.truth[of_fold], values[of_fold], speaker)
    return tested.task.measure(rows, np.ones((1, len(names))))[0]


def _fit_rows(
    key: tuple[str, int, int, int], measured: np.ndarray, speakers: np.ndarray, task: Task
) -> list[tuple]:
    """Metric by metric, the outputs and then their mean; how many rows of how many speakers."""
    n_utterances, n_speakers = len(speakers), len(set(speakers))
    return [
        (*key, metric, output, float(value), n_utterances, n_speakers)
        for metric, (mean, *by_output) in zip(task.metrics, measured, strict=True)
        for output, value in zip((*task.outputs, MEAN), (*by_output, mean), strict=True)
    ]


def _check_utterances(table: pd.DataFrame, names: list[str], unit: str) -> None:
    """Each draw of each system predicts every utterance once; all tell the same of it."""
    once = table[names].drop_duplicates()
    if len(twice := once["utterance"][once["utterance"].duplicated()]):
        raise UndertoneError(
            f"expected one truth, {unit} and fold of an utterance; "
            f"{describe_some(twice.unique())} have several in the predictions table: were two "
            "corpora, or two copies of one, mixed under the same names?"
        )
    fits = table.groupby(["system", "budget", "draw"], sort=True, observed=True)["utterance"]
    sizes = fits.agg(["size", "nunique"])
    wrong = sizes[(sizes != len(once)).any(axis=1)]
    if len(wrong):
        system, budget, draw = wrong.index[0]
        own = fits.get_group(wrong.index[0])
        odd = own[own.duplicated()].tolist() or sorted(set(once["utterance"]) - set(own))
        raise UndertoneError(
            f"expected each of {len(once)} utterances once for every system, budget and draw; "
            f"system {system} at budget {budget}, draw {draw} has {len(own)} rows of "
            f"{own.nunique()} utterances, not so {describe_some(odd)}: fit the folds that lack, or "
            "leave the system, budget or utterances out for all"
        )


def _check_draws(table: pd.DataFrame) -> None:
    """At one budget all systems were given the same draws, or the first of them."""
    fits = table[["budget", "system", "draw"]].drop_duplicates().astype({"system": str})
    for budget, at_budget in fits.groupby("budget"):
        drawn = {
            str(system): sorted(of_system["draw"])
            for system, of_system in at_budget.groupby("system")
        }
        longest = max(drawn.values(), key=len)
        if any(numbers != longest[: len(numbers)] for numbers in drawn.values()):
            told = (f"{name}: {', '.join(map(str, numbers))}" for name, numbers in drawn.items())
            raise UndertoneError(
                f"expected the same draws for every system at budget {budget}, or the first of "
                f"them; found {'; '.join(told)}: "
                "a paired comparison needs the draws that all systems have in common"
            )
