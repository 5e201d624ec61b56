"""The utterances that a system gets most wrong.

In:  predictions of one system at one budget (n_draws, n_rows, n_outputs), and what they are of.
Out: ``Miss``es, the worst first; their sound where it is asked for.

Of a choice the worst are those whose true class was given the lowest probability, the mean over
draws; of amounts those with the largest error, the mean over draws and outputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from undertone.evaluation.estimate import decimal
from undertone.evaluation.predictions import Tested
from undertone.tasks import CHOICE, Task

WORST = 10  # utterances that are shown


@dataclass(frozen=True)
class Miss:
    """An utterance that is told wrongly.

    Attributes:
        utterance: name.
        speaker: name.
        truth: in words.
        said: in words.
        sound: an MP3 file of it; empty where it was left out.
        cut: whether the sound is only its beginning.
    """

    utterance: str
    speaker: str
    truth: str
    said: str
    sound: bytes = b""
    cut: bool = False


def worst(predictions: np.ndarray, tested: Tested, rows: np.ndarray) -> Iterator[Miss]:
    """The worst among some rows; of a choice only those that are wrong on the mean of the draws.

    Args:
        predictions: (n_draws, n_rows, n_outputs)
        tested: what they are of.
        rows: (n_rows,) whether a row is meant.
    """
    task, mean = tested.task, predictions.mean(axis=0)
    if task.kind == CHOICE:
        badness = 1 - (mean * tested.truth).sum(axis=1)
        is_wrong = mean.argmax(axis=1) != tested.truth.argmax(axis=1)
    else:
        badness = np.abs(predictions - tested.truth).mean(axis=(0, 2))
        is_wrong = badness > 0
    shown = [i for i in np.argsort(-badness, kind="stable") if rows[i] and is_wrong[i]]
    for i in shown[:WORST]:
        yield Miss(
            tested.utterances[i],
            tested.speakers[i],
            _true(task, tested.truth[i]),
            _said(task, mean[i], tested.truth[i]),
        )


def _true(task: Task, truth: np.ndarray) -> str:
    return task.outputs[int(truth.argmax())] if task.kind == CHOICE else _amounts(task, truth)


def _said(task: Task, mean: np.ndarray, truth: np.ndarray) -> str:
    """The likeliest class with its probability and that of the true one; or amounts."""
    if task.kind != CHOICE:
        return _amounts(task, mean)
    likeliest = int(mean.argmax())
    true = task.outputs[int(truth.argmax())]
    return (
        f"{task.outputs[likeliest]} {decimal(mean[likeliest])} "
        f"({true} {decimal(float((mean * truth).sum()))})"
    )


def _amounts(task: Task, values: np.ndarray) -> str:
    return ", ".join(f"{o} {v:.2f}" for o, v in zip(task.outputs, values, strict=True))
