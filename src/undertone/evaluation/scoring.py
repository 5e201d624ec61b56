"""What every task's scoring is given and gives back.

In:  ``Request``: the table of truths, the table of predictions, how to treat them.
Out: ``Score``: metrics with intervals over speakers, floors, and counts of what was left out.

Where only some utterances lack a speaker, those count together as one speaker.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import pandas as pd

from undertone.corpora.columns import UNKNOWN
from undertone.errors import UndertoneError
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.tables import Table

UNKNOWN_SPEAKER = "(unknown)"


@dataclass(frozen=True)
class Request:
    """The two tables and how to treat them."""

    truth: Table
    prediction: Table
    drop: bool
    n_replicates: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Score(ABC):
    """How good predictions are, what needs no speech at all would score, and what was left out."""

    task: str
    metrics: dict[str, Estimate]
    floors: dict[str, dict[str, Estimate]]  # "constant", … -> metrics
    n_utterances: int
    n_speakers: int
    left_out: dict[str, int] = field(default_factory=dict)  # reason -> utterances
    notes: tuple[str, ...] = ()

    @abstractmethod
    def rows(self) -> list[tuple[str, ...]]:
        """What, prediction, then one cell a floor: the table a person reads."""

    def details(self) -> dict[str, object]:
        """What the task adds to the JSON."""
        return {}

    def to_dict(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "task": self.task,
            "n_utterances": self.n_utterances,
            "n_speakers": self.n_speakers,
            "metrics": plain(self.metrics),
            "floors": {name: plain(floor) for name, floor in self.floors.items()},
            **self.details(),
            "left_out": self.left_out,
            "notes": list(self.notes),
        }


def plain(found: dict[str, Estimate]) -> dict[str, dict[str, float | int | None]]:
    """Estimates as JSON."""
    return {name: estimate.to_dict() for name, estimate in found.items()}


def speakers(truth: Table, name: str = "speaker") -> pd.Series:
    """Whom each utterance is by; a truth that names nobody is refused."""
    speaker = truth.column(name).map(str, na_action="ignore")
    speaker = speaker.mask(speaker.str.strip().str.lower().isin(UNKNOWN), None)
    if speaker.isna().all():
        raise UndertoneError(
            f"expected the {name} of each utterance in {truth.where}; the column is empty. "
            f"Without {name}s there is no honest interval: fill it in, or write one name "
            "everywhere to get values without intervals"
        )
    return speaker.where(speaker.notna(), UNKNOWN_SPEAKER)


def notes_on_speakers(speaker: pd.Series) -> list[str]:
    """What a reader of the intervals must know about the speakers."""
    notes = []
    if n_unknown := int((speaker == UNKNOWN_SPEAKER).sum()):
        notes.append(f"{n_unknown} utterances name no speaker: they count as one speaker together")
    if speaker.nunique() == 1:
        notes.append("one speaker: no interval, because one speaker says nothing of the next")
    return notes
