"""Predictions by a fit that is adapted to the voice of whom it hears.

In:  a fit that can be adapted, recordings of each speaker of whom no truth is known.
Out: predictions (n_utterances, n_outputs), each by the fit adapted to its speaker's recordings.

It uses the sound of the tested speaker's recordings, never what is true of them: whatever is
measured so is transductive, and no like of what is measured on speakers of whom nothing is known.
The recordings are drawn at random among the speaker's test utterances, anew for each fit, the fewer
among the more; all test utterances are predicted, those listened to among them, as in use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from undertone.systems.fitted import Fitted, OnVectors
from undertone.systems.plan import Cell, Plan
from undertone.systems.problem import Material
from undertone.systems.system import System
from undertone.training.seeds import generator, seed_of

EVERY = 0  # in the place of a number of recordings: all that there are


@dataclass(frozen=True)
class ByVoice(System):
    """A system that is adapted to each tested voice by some of its recordings.

    Attributes:
        of: name of the system as it is fitted.
        recordings: how many of each voice are listened to; ``EVERY`` for all.
    """

    of: str = ""
    recordings: int = EVERY


def by_voice(row: System, recordings: int) -> ByVoice:
    """The row of a system that listens to so many recordings of each tested voice."""
    n = "all" if recordings == EVERY else str(recordings)
    own = {name: value for name, value in vars(row).items() if name != "recommended"}
    return ByVoice(
        **{
            **own,
            "name": f"{row.name}_with_{n}",
            "label": f"with {n} unlabelled recording{'s' * (n != '1')} of the voice",
            "description": f"{row.description} Adapted to the tested voice's audio.",
        },
        of=row.name,
        recordings=recordings,
    )


def recordings_of(plan: Plan, cell: Cell, number: int) -> dict[str, tuple[str, ...]]:
    """By tested speaker of a cell, the utterances that are listened to."""
    test, seed = plan.folds[cell.fold].test, seed_of(plan.seed, cell.name, "recordings")
    found: dict[str, list[str]] = {}
    for name in test:
        found.setdefault(plan.speaker[name], []).append(name)
    return {
        who: tuple(str(name) for name in generator(seed, who).permutation(names))[: number or None]
        for who, names in found.items()
    }


def predict_row(
    row: System, fitted: Fitted, *, plan: Plan, cell: Cell, material: Material
) -> np.ndarray:
    """(n_test, n_outputs) what a row of a sweep predicts in a cell, by what was fitted for it."""
    test = plan.folds[cell.fold].test
    if not isinstance(row, ByVoice):
        return fitted.predict(material, list(test))
    assert isinstance(fitted, OnVectors), "a system is adapted where it reads vectors"
    return predict_adapted(
        fitted,
        material,
        test,
        speaker={name: plan.speaker[name] for name in test},
        recordings=recordings_of(plan, cell, row.recordings),
    )


def predict_adapted(
    fitted: OnVectors,
    material: Material,
    utterances: Sequence[str],
    *,
    speaker: Mapping[str, str],
    recordings: Mapping[str, Sequence[str]],
) -> np.ndarray:
    """(n_utterances, n_outputs) float32.

    Args:
        fitted: can be adapted.
        material: holds utterances and recordings; none of them is in its crowd.
        utterances: to predict.
        speaker: of each utterance.
        recordings: of each speaker, from which their voice is known.
    """
    values: dict[str, np.ndarray] = {}
    for who in dict.fromkeys(speaker[name] for name in utterances):
        voice = fitted.adapted(fitted.view.vectors(material, recordings[who]))
        names = [name for name in utterances if speaker[name] == who]
        values |= dict(zip(names, voice.predict(material, names), strict=True))
    return np.stack([values[name] for name in utterances])


def rows_by_voice(rows: Sequence[System], numbers: Sequence[int]) -> tuple[ByVoice, ...]:
    """A row for each of these systems, controls excepted, and each number of recordings."""
    able = [row for row in rows if row.kind != "control"]
    return tuple(by_voice(row, number) for row in able for number in numbers)
