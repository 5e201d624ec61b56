"""Systems of several runs side by side, paired, where the runs share speakers, folds and draws.

In:  ``LABEL=FOLDER:SYSTEM`` of finished runs: folders with ``config.toml`` and
     ``predictions.parquet``.
Out: ``Comparison``: every system at every budget that all have, and its paired difference to one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from undertone.config import read_toml
from undertone.errors import UndertoneError
from undertone.evaluation.curve import COLUMNS, Curves, trace
from undertone.evaluation.estimate import decimal

SHARED = ("corpus", "draws", "folds", "fold_files", "seed")  # or the draws are not the same


@dataclass(frozen=True)
class Contestant:
    """A system of a run under the name that the table shows."""

    label: str
    folder: Path
    system: str


@dataclass(frozen=True)
class Comparison:
    """Contestants on the same speakers and draws."""

    labels: tuple[str, ...]
    against: str
    curves: Curves

    @property
    def budgets(self) -> tuple[int, ...]:
        return self.curves.budgets_of(*self.labels)

    def rows(self) -> list[tuple[str, ...]]:
        """A label and its UAR at each budget, for everyone and for chance."""
        chance = decimal(self.curves.chance())
        found = [
            (label, *(str(self.curves.estimate(label, budget)) for budget in self.budgets))
            for label in self.labels
        ]
        return [*found, ("chance", *(chance for _ in self.budgets))]

    def differences(self) -> list[tuple[str, ...]]:
        """A label and its paired difference in UAR at each budget, for all others."""
        return [
            (
                f"{label} − {self.against}",
                *(
                    self.curves.difference(label, self.against, budget=budget).signed()
                    for budget in self.budgets
                ),
            )
            for label in self.labels
            if label != self.against
        ]


def parse(text: str) -> Contestant:
    """Read ``LABEL=FOLDER:SYSTEM`` or ``FOLDER:SYSTEM``, whose label is the whole text."""
    label, equals, place = text.partition("=")
    folder, colon, system = (place if equals else text).rpartition(":")
    if not colon or not folder or not system:
        raise UndertoneError(f"compare takes LABEL=FOLDER:SYSTEM, found {text!r}")
    return Contestant(label if equals else text, Path(folder), system)


def compare(contestants: Sequence[Contestant], against: str | None = None) -> Comparison:
    """Score contestants together.

    Args:
        contestants: at least two, each under a label of its own.
        against: label that the others are held against; the last by default.

    Raises:
        UndertoneError: a run lacks the system, or the runs' draws are not the same.
    """
    labels = tuple(contestant.label for contestant in contestants)
    if len(set(labels)) < max(2, len(labels)):
        raise UndertoneError(
            f"compare needs two systems or more under different labels, found {', '.join(labels)}"
        )
    against = against or labels[-1]
    if against not in labels:
        raise UndertoneError(f"there is no {against!r} to compare with among {', '.join(labels)}")
    table = pd.concat([_predictions(contestant) for contestant in contestants], ignore_index=True)
    _check_same_draws(contestants)
    common = set.intersection(*(set(t["budget"]) for _, t in table.groupby("system")))
    if not common:
        raise UndertoneError(f"{', '.join(labels)} have no budget in common")
    table = table[table["budget"].isin(common)]
    return Comparison(labels, against, trace(table, emotions=sorted(table["truth"].unique())))


def _predictions(contestant: Contestant) -> pd.DataFrame:
    path = contestant.folder / "predictions.parquet"
    if not path.is_file():
        raise UndertoneError(f"{contestant.folder} holds no finished run: there is no {path}")
    table = pd.read_parquet(path, columns=list(COLUMNS))
    found = table[table["system"] == contestant.system]
    if found.empty:
        raise UndertoneError(
            f"{contestant.folder} holds no system {contestant.system!r}; it holds "
            f"{', '.join(table['system'].unique())}"
        )
    return found.assign(system=contestant.label)


def _check_same_draws(contestants: Sequence[Contestant]) -> None:
    first, *others = contestants
    expected = read_toml(first.folder / "config.toml")
    for other in others:
        settings = read_toml(other.folder / "config.toml")
        for name in SHARED:
            ours, theirs = expected.get(name) or None, settings.get(name) or None
            if ours != theirs:
                raise UndertoneError(
                    f"the draws of {first.folder} and {other.folder} are not the same: {name} is "
                    f"{ours} in one and {theirs} in the other"
                )
