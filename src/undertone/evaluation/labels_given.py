"""Truth and predictions of one task, read out of the two tables that people hand in.

In:  the truth: speakers, or videos, and a column ``emotion``, or the amounts of a task in columns
     named as its outputs, or ``truth_<output>`` as in a run's predictions; the predictions:
     ``prediction`` or one column ``p_<emotion>`` an emotion, or the same amounts.
Out: ``Labels``: truth and predictions row by row, what was left out and what must be said.

Emotions are read under their canonical names, words such as "no agreement" as empty. A truth that
names no speaker is refused, because an interval would have to pretend that utterances are
independent; where only some utterances lack a speaker, those count together as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from undertone.corpora.columns import UNKNOWN
from undertone.errors import UndertoneError, describe_some
from undertone.evaluation.tables_given import TRUTH, GivenTable, describe_column, join, numbers
from undertone.tasks import CHOICE, TASKS, Task
from undertone.tasks.classes import codes, emotions_of
from undertone.tasks.names import EMOTIONS, canonical_emotion, names_no_emotion

UNKNOWN_SPEAKER = "(unknown)"
SLACK = 1e-5  # of a probability that was rounded
TOTAL_SLACK = 0.01  # of a sum of such
DOUBT = "doubt"  # the column of `undertone predict` that says why an emotion is held back
TRUE = "truth"  # the column of emotions while tables are joined
BY_VIDEO = (
    "speakers are not given: videos are resampled in their place, and counted as speakers; one "
    "person in several videos would make the intervals too narrow"
)


@dataclass(frozen=True)
class Labels:
    """What is scored, row by row.

    Attributes:
        task: with the outputs that occur.
        truth: (n_rows, n_outputs)
        values: (n_rows, n_outputs) what is predicted; of classes 1 for what is chosen; None where
            there are no predictions.
        speakers: (n_rows,) ``UNKNOWN_SPEAKER`` where nobody is named.
        left_out: number of utterances by reason.
        notes: what a reader of the score must know.
    """

    task: Task
    truth: np.ndarray
    values: np.ndarray | None
    speakers: pd.Series
    left_out: dict[str, int]
    notes: tuple[str, ...]


def kind_told(truth: GivenTable) -> type[Task]:
    """The task that the truth has columns for."""
    kinds = [kind for kind in TASKS.values() if _has_labels(truth, kind)]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        raise UndertoneError(
            f"{truth.where} has labels of the tasks {' and '.join(kind.name for kind in kinds)}: "
            "say which is scored with --task (in Python task=…)"
        )
    ways = ", or ".join(map(_describe, TASKS.values()))
    raise UndertoneError(
        f"expected {ways} in {truth.where}; found "
        f"{', '.join(map(str, truth.frame.columns)) or 'none'}"
    )


def read_labels(
    kind: type[Task], truth: GivenTable, prediction: GivenTable | None, *, drop: bool
) -> Labels:
    """Truth and predictions of a task, joined on the utterance.

    Args:
        kind: of the task.
        truth: whose utterances without a label are left out where nothing is predicted.
        prediction: None where nothing is predicted.
        drop: as of ``join``.
    """
    unit = "video" if truth.has("video") and not truth.has("speaker") else "speaker"
    held = () if kind.kind == CHOICE else _label_columns(truth, kind)
    truths = (
        _true_amounts(kind, held, truth) if held else _emotions(truth, "emotion").to_frame(TRUE)
    )
    truths = truths.assign(speaker=_speakers(truth, unit))
    if prediction is None:
        joined = truths.dropna().sort_index()
        n_empty = len(truths) - len(joined)
        left_out = {f"empty in {truth.where}": n_empty} if n_empty else {}
        if joined.empty:
            raise UndertoneError(f"no utterance of {truth.where} has a label of {kind.name}")
    else:
        predictions = (
            numbers(prediction, held)
            if held
            else _predicted_emotions(prediction).to_frame("prediction")
        )
        joined, left_out = join(truths, predictions, truth.where, prediction.where, drop=drop)
    where = "" if prediction is None else prediction.where
    task, true, predicted, notes = (
        _amounts_of(kind(held), joined) if held else _choices_of(kind, joined, where)
    )
    notes = [BY_VIDEO, *notes] if unit == "video" else notes
    return Labels(task, true, predicted, joined["speaker"], left_out, tuple(notes))


Read = tuple[Task, np.ndarray, np.ndarray | None, list[str]]  # task, truth, values, notes


def _choices_of(kind: type[Task], joined: pd.DataFrame, where: str) -> Read:
    """The true and the predicted emotions among those that occur; 1 for each."""
    names = [name for name in (TRUE, "prediction") if name in joined]
    notes = _check_emotions(joined, where) if len(names) > 1 else []
    task = kind(emotions_of(*(joined[name] for name in names)))
    true, *predicted = (
        np.eye(len(task.outputs))[codes(joined[n], emotions=task.outputs, what=f"the {n}")]
        for n in names
    )
    return task, true, predicted[0] if predicted else None, notes


def _amounts_of(task: Task, joined: pd.DataFrame) -> Read:
    true = joined[[TRUTH + output for output in task.outputs]].to_numpy(float)
    if not set(task.outputs) <= set(joined):
        return task, true, None, []
    predicted = joined[list(task.outputs)].to_numpy(float)
    return task, true, predicted, _notes_on_range(task, predicted)


def _has_labels(truth: GivenTable, kind: type[Task]) -> bool:
    if kind.kind == CHOICE:
        return truth.has("emotion")
    return bool(kind.label_columns_in(lambda name: truth.has(name) or truth.has(TRUTH + name)))


def _label_columns(truth: GivenTable, kind: type[Task]) -> tuple[str, ...]:
    """Those of a task's labels that the truth has, or else all, whose lack is then told."""
    held = kind.label_columns_in(lambda name: truth.has(name) or truth.has(TRUTH + name))
    return held or kind.label_columns


def _describe(kind: type[Task]) -> str:
    if kind.kind == CHOICE:
        return describe_column("emotion")
    some = "" if kind.needs_all_labels else "some of "
    return f"{some}the columns {', '.join(kind.label_columns)} of the task {kind.name}"


def _speakers(truth: GivenTable, unit: str) -> pd.Series:
    """Whom each utterance is by; a truth that names nobody is refused."""
    speaker = truth.column(unit).map(str, na_action="ignore")
    speaker = speaker.mask(speaker.str.strip().str.lower().isin(UNKNOWN), None)
    if speaker.isna().all():
        raise UndertoneError(
            f"expected the {unit} of each utterance in {truth.where}; the column is empty. "
            f"Without {unit}s there is no honest interval: fill it in, or write one name "
            "everywhere to get values without intervals"
        )
    return speaker.where(speaker.notna(), UNKNOWN_SPEAKER)


def _emotions(table: GivenTable, name: str) -> pd.Series:
    """The column's emotions under their canonical names; "no agreement" and the like are empty."""
    return table.column(name).map(_emotion, na_action="ignore")


def _emotion(label: object) -> str | None:
    return None if names_no_emotion(str(label)) else canonical_emotion(str(label))


def _predicted_emotions(table: GivenTable) -> pd.Series:
    """The predicted emotions: named, or the most probable one; none where that is held back."""
    named = next((name for name in ("prediction", "emotion") if table.has(name)), None)
    probabilities = table.frame.filter(regex="^p_.")
    if probabilities.empty:
        return _emotions(table, named or "prediction")
    values = _by_emotion(probabilities, table.where)
    best = values.to_numpy(dtype=float, na_value=-np.inf).argmax(axis=1)
    likeliest = pd.Series(values.columns.to_numpy(object)[best], index=values.index, dtype=object)
    says = values.notna().all(axis=1) & (values.nunique(axis=1) > 1)
    likeliest = likeliest.where(says)
    if named is not None and table.has(DOUBT):
        silent = table.column(DOUBT).notna() & table.column(named).isna()
        likeliest = likeliest.mask(silent)
    if named is not None:
        _check_agreement(_emotions(table, named), likeliest, values, f"{named} of {table.where}")
    return likeliest


def _by_emotion(probabilities: pd.DataFrame, where: str) -> pd.DataFrame:
    """Probabilities as numbers, a column an emotion; those of one emotion are added up.

    Raises:
        UndertoneError: a cell is no probability.
    """
    values = probabilities.apply(pd.to_numeric, errors="coerce").astype(float)
    if odd := int((probabilities.notna() & (probabilities != "") & values.isna()).sum().sum()):
        raise UndertoneError(
            f"expected numbers in the columns {', '.join(probabilities.columns)} of {where}; "
            f"found {odd} cells that are none"
        )
    names = [canonical_emotion(column.removeprefix("p_")) for column in values]
    sums = values.T.groupby(names).sum().T.where(values.notna().all(axis=1))
    outside = ((values < -SLACK) | (values > 1 + SLACK)).any(axis=1)
    wrong = outside | (values.sum(axis=1) > 1 + TOTAL_SLACK)
    if wrong.any():
        raise UndertoneError(
            f"expected probabilities from 0 to 1 that add up to 1 in the columns "
            f"{', '.join(probabilities.columns)} of {where}; found others for "
            f"{describe_some(values.index[wrong])} ({int(wrong.sum())} rows): scores of a network "
            "become probabilities by a softmax"
        )
    return sums


def _check_agreement(
    named: pd.Series, likeliest: pd.Series, values: pd.DataFrame, what: str
) -> None:
    """Refuse a column of emotions that says otherwise than the probabilities beside it."""
    both = named.notna() & likeliest.notna()
    columns = pd.Index(values.columns).get_indexer(pd.Index(named[both]))
    of_both = values[both].to_numpy()
    held = np.where(columns < 0, -np.inf, of_both[np.arange(len(of_both)), columns])
    behind = of_both.max(axis=1, initial=-np.inf) - held > SLACK  # no contradiction where equal
    if behind.any():
        rows = values.index[both][behind]
        raise UndertoneError(
            f"the column {what} says otherwise than its columns p_… for {describe_some(rows)} "
            f"({len(rows)} rows), such as {named[rows[0]]} against {likeliest[rows[0]]}: remove "
            "one of the two; if it holds the truth, score without it"
        )


def _check_emotions(joined: pd.DataFrame, where: str) -> list[str]:
    """Refuse names that are no emotion; note emotions that are never true."""
    never_true = sorted(set(joined["prediction"]) - set(joined["truth"]))
    if unknown := [name for name in never_true if name not in EMOTIONS]:
        raise UndertoneError(
            f"expected the emotions {', '.join(emotions_of(joined['truth']))} in "
            f"{where}; found {describe_some(unknown)}, which is neither among them nor the name "
            "of an emotion known here: map it to one of them"
        )
    return [f"{name} is predicted but never true: counted as wrong" for name in never_true]


def _true_amounts(kind: type[Task], held: Sequence[str], truth: GivenTable) -> pd.DataFrame:
    """The true amounts, each under ``truth_<output>``."""
    true = [TRUTH + output for output in held]
    columns = zip(true, held, strict=True)
    named = [own if truth.has(own) else output for own, output in columns]
    truths = numbers(truth, named).set_axis(true, axis=1)
    outside = ((truths < kind.low) | (truths > kind.high)).any(axis=1)
    if outside.any():
        raise UndertoneError(
            f"expected true {kind.name} from {kind.low:g} to {kind.high:g} in {truth.where}; "
            f"{describe_some(truths.index[outside])} lie outside: is it another scale?"
        )
    return truths


def _notes_on_range(task: Task, predicted: np.ndarray) -> list[str]:
    outside = int(((predicted < task.low) | (predicted > task.high)).sum())
    note = (
        f"{outside} predictions lie outside {task.low:g} to {task.high:g}: clipped where a metric "
        "rounds them, as they are for the rest"
    )
    return [note] if outside else []
