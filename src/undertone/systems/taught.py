"""Systems that a teacher taught: a stronger encoder guesses, a smaller one learns its guesses.

In:  a ``Problem`` whose material has a teacher, and ``TaughtConfig``.
Out: ``Fitted``, which hears the student's frames alone.

1. The recommended system is fitted on the teacher's layers and the labels of the budget.
2. It scores the other utterances of the training speakers, and unlabelled speech of other corpora
   where some is given.
3. The surest share of these, at most equally many an emotion, joins the labels, which weigh more.
   Of amounts all join, with what the teacher predicts of them.
4. The same kind of system is fitted on the student's vectors of all these, once.

So no label beyond the budget is used and no test speaker is heard. It is distillation of outputs
(Hinton, Vinyals and Dean, arXiv 1503.02531) in the manner of self-training (Yarowsky, 1995; Xie et
al., arXiv 1911.04252), with the rule of ``discriminant.surest``. Part of its gain is one more round
of self-training on good guesses: ``block=TEACHER`` teaches the teacher's own vectors the same way,
which is the control.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from undertone.config import check_ranges, load
from undertone.features.name import EVERY, parse_encoder
from undertone.models.crowd_ridge import RidgeConfig
from undertone.models.discriminant import Discriminant, DiscriminantConfig, surest
from undertone.systems.fits import Lesson, fit_combined, fit_ridge_in_crowd
from undertone.systems.fitted import OnVectors
from undertone.systems.problem import DESCRIPTORS, TEACHER, Problem
from undertone.tasks import CHOICE, Task


@dataclass(frozen=True)
class TaughtConfig:
    """Settings of teaching."""

    teacher: str = ""  # features whose system teaches, as upstream:MODEL@all
    crowd_share: float = 0.8  # of the guesses that join the labels, the surest ones
    label_weight: int = 3  # of a given label against a guess

    def __post_init__(self) -> None:
        check_ranges(self, crowd_share=(1e-3, 1), label_weight=(1, 10_000))
        if self.teacher:  # named in full, from whatever folder it is read
            teacher = parse_encoder(self.teacher, layers=EVERY).settled()
            object.__setattr__(self, "teacher", str(teacher))


def fit_teacher(problem: Problem, settings: TaughtConfig) -> OnVectors:
    """The recommended system on the teacher's layers."""
    if problem.task.kind == CHOICE:
        return fit_combined(problem, DiscriminantConfig(), block=TEACHER)
    return fit_ridge_in_crowd(problem, _ridge(problem.task), block=TEACHER)


def fit_taught(problem: Problem, settings: TaughtConfig, *, block: str = DESCRIPTORS) -> OnVectors:
    """A fit on the labels and on what the teacher guessed."""
    lesson, remarks = prepare_lesson(problem, settings)
    if problem.task.kind == CHOICE:
        once = DiscriminantConfig(rounds=0)
        fitted = fit_combined(problem, once, block=block, lesson=lesson)
    else:
        fitted = fit_ridge_in_crowd(problem, _ridge(problem.task), block=block, lesson=lesson)
    return replace(fitted, remarks=remarks)


def prepare_lesson(problem: Problem, settings: TaughtConfig) -> tuple[Lesson, dict[str, Any]]:
    """The budget's labels and the teacher's guesses; how many these are, and which."""
    material, given = problem.material, problem.budget
    seen = set(given)
    others = [name for name in material.crowd if name not in seen] + list(material.elsewhere)
    teacher = fit_teacher(problem, settings)
    guesses = np.zeros((0, problem.n_outputs))
    guessed: Sequence[str] = []
    remarks: dict[str, Any] = {}
    if others and problem.task.kind == CHOICE:
        assert isinstance(teacher.head, Discriminant), "fit_combined fits one"
        scores = teacher.head.scores(teacher.view.vectors(material, others))
        positions, found = surest(scores, settings.crowd_share)
        guessed, guesses = [others[i] for i in positions], np.eye(problem.n_outputs)[found]
        remarks["guesses"] = _counts(problem, scores, others)
    elif others:
        guessed, guesses = others, teacher.predict(material, others)
    lesson = Lesson(
        [*given, *guessed],
        np.concatenate([problem.truths(given), guesses]),
        np.concatenate([np.full(len(given), float(settings.label_weight)), np.ones(len(guessed))]),
    )
    return lesson, {"taught": len(guessed), **remarks}


def lopsided(guesses: dict[str, int]) -> str | None:
    """The output that more than half of the guesses are, if there is one.

    >>> lopsided({"anger": 3, "neutral": 9}), lopsided({"anger": 1, "neutral": 1})
    ('neutral', None)
    """
    most = max(guesses, key=guesses.__getitem__, default=None)
    return most if most is not None and 2 * guesses[most] > sum(guesses.values()) else None


def _counts(problem: Problem, scores: np.ndarray, others: Sequence[str]) -> dict[str, int]:
    """How often each output was guessed: of other corpora's speech where some was given."""
    elsewhere = problem.material.elsewhere
    asked = np.array([name in elsewhere for name in others]) if elsewhere else slice(None)
    counts = np.bincount(scores[asked].argmax(axis=1), minlength=problem.n_outputs)
    return dict(zip(problem.task.outputs, counts.tolist(), strict=True))


def _ridge(task: Task) -> RidgeConfig:
    return load(RidgeConfig, task.presets.get("ridge", {}))
