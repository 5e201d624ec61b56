"""The rows of the systems that an encoder beside the frames teaches."""

from dataclasses import replace
from functools import partial

from undertone.systems.calibrated import calibrated
from undertone.systems.problem import TEACHER
from undertone.systems.system import ENCODER, FRAMES, TAUGHT, System
from undertone.systems.taught import fit_taught, fit_teacher
from undertone.tasks import CHOICE


def of_teaching(kind: str) -> tuple[System, ...]:
    """What a teacher taught, the control, and the teacher itself, of one kind of tasks."""
    rows = (
        System(
            "taught",
            "taught",
            "classic",
            "The same kind of system on the same vectors, fitted on the labels and on the surest "
            "guesses of the teacher about unlabelled training speech.",
            fit_taught,
        ),
        System(
            "taught_by_itself",
            "teacher taught by itself",
            "control",
            "The teacher's own vectors, fitted on the labels and on its own guesses in the same "
            "way: what the guesses are worth without a smaller student.",
            partial(fit_taught, block=TEACHER),
            hears_teacher=True,
        ),
        System(
            "teacher",
            "teacher",
            "control",
            "The recommended system on all layers of the teacher, fitted on the labels.",
            fit_teacher,
            hears_teacher=True,
        ),
    )
    return tuple(
        replace(
            row,
            fit=calibrated(row.fit) if kind == CHOICE else row.fit,
            settings=TAUGHT,
            tasks=(kind,),
            usual=(FRAMES, ENCODER),
            hears_others=True,
            needs_teacher=True,
            reads_means=True,
        )
        for row in rows
    )
