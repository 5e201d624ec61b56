"""Everything a sweep hands to its report, and its numbers as one table.

In:  predictions of all fits, and what was read, left out, set and seeded.
Out: ``CurveResult``; ``results_table`` with one row a fit and metric.

The evidence rules are checked here: a result has a constant floor, and its predictions hold the
systems and budgets that it announces.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import pandas as pd

from undertone.errors import UndertoneError
from undertone.evaluation import intervals
from undertone.evaluation.classes import METRICS, codes
from undertone.evaluation.curve import Curves, check, trace
from undertone.evaluation.worth import Worth, worth

Kind = Literal["pretrained", "scratch", "control", "classic", "floor"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class System:
    """One way to predict: ``name`` is the key in the predictions, ``label`` what people read."""

    name: str
    label: str
    kind: Kind
    description: str
    recommended: bool = False  # what we would use

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UndertoneError(
                f"system {self.name} is of kind {self.kind!r}; the kinds are {', '.join(KINDS)}"
            )


@dataclass(frozen=True)
class Pair:
    """A pre-trained system and the same network without pre-training.

    Where the two differ in nothing but the start, the pair is like with like; only such pairs tell
    what pre-training is worth. The others are shown, but do not enter the verdict.
    """

    pretrained: str
    scratch: str
    label: str = ""  # "encoder frozen", "all weights trained"
    like_with_like: bool = True


@dataclass(frozen=True)
class Source:
    """A corpus that was read: where its voices come from and how to cite it."""

    name: str
    role: str  # "labelled", "unlabelled pool"
    licence: str
    citation: str
    synthetic: bool = False
    n_utterances: int = 0
    n_speakers: int = 0


@dataclass(frozen=True)
class CurveResult:
    """A finished sweep."""

    title: str
    sources: tuple[Source, ...]
    emotions: tuple[str, ...]
    predictions: pd.DataFrame  # curve.COLUMNS and p_<emotion>
    systems: tuple[System, ...]
    pairs: tuple[Pair, ...]  # the headline pair first
    budgets: tuple[int, ...]
    n_draws: int
    folds: tuple[tuple[str, ...], ...]  # the test speakers of each fold
    left_out: pd.DataFrame  # any columns; one row a reason, with its count
    settings: str  # TOML
    seeds: dict[str, int]
    versions: dict[str, str]
    command: str
    pretraining: pd.DataFrame  # any columns; one row a fold
    seconds: dict[str, float]  # stage -> wall time
    warnings: tuple[str, ...] = ()
    transductive: bool = False  # the unlabelled pool held test speakers, as the user asked
    n_replicates: int = intervals.N_REPLICATES
    bootstrap_seed: int = 0
    notes: tuple[str, ...] = field(default=())  # sentences for the method section

    def __post_init__(self) -> None:
        check(self.predictions)
        self._check_systems()
        found = tuple(sorted(self.predictions["budget"].unique()))
        if found != tuple(sorted(self.budgets)):
            raise UndertoneError(
                f"expected predictions at the budgets {', '.join(map(str, self.budgets))}; found "
                f"{', '.join(map(str, found))}"
            )

    @property
    def synthetic(self) -> bool:
        return any(source.synthetic for source in self.sources)

    @cached_property
    def curves(self) -> Curves:
        """Scored once; the report, the plot and the table all read it."""
        return trace(
            self.predictions,
            emotions=self.emotions,
            n_replicates=self.n_replicates,
            seed=self.bootstrap_seed,
        )

    @cached_property
    def worths(self) -> tuple[tuple[Pair, tuple[Worth, ...]], ...]:
        """For each pair, what pre-training is worth at each budget that both have."""
        return tuple(
            (
                pair,
                tuple(
                    worth(self.curves, pretrained=pair.pretrained, scratch=pair.scratch, budget=b)
                    for b in self.curves.budgets_of(pair.pretrained, pair.scratch)
                ),
            )
            for pair in self.pairs
        )

    def system(self, name: str) -> System:
        return next(system for system in self.systems if system.name == name)

    def of_kind(self, *kinds: str) -> tuple[str, ...]:
        """Names of the systems of these kinds, in order."""
        return tuple(system.name for system in self.systems if system.kind in kinds)

    def _check_systems(self) -> None:
        announced = [system.name for system in self.systems]
        found = set(self.predictions["system"].unique())
        if set(announced) != found or len(announced) != len(found):
            raise UndertoneError(
                f"expected predictions of the systems {', '.join(announced)}; found "
                f"{', '.join(sorted(found))}"
            )
        if not self.of_kind("floor"):
            raise UndertoneError(
                "expected a system of kind floor, the constant predictor fitted on the same "
                "labels: without it a reader cannot tell a score from none"
            )
        unknown = {n for p in self.pairs for n in (p.pretrained, p.scratch)} - set(announced)
        if unknown:
            raise UndertoneError(
                f"expected pairs among the systems {', '.join(announced)}; found "
                f"{', '.join(sorted(unknown))}"
            )


def results_table(result: CurveResult) -> pd.DataFrame:
    """One row a fit and metric, for ``results.parquet``.

    Returns:
        Columns system, budget, draw, fold, metric, value, n_utterances, n_speakers, sorted by
        the order of the systems, then budget, draw, fold, then the order of the metrics.
    """
    predictions = result.predictions
    n = len(result.emotions)
    truth = codes(predictions["truth"], emotions=result.emotions, what="the truth")
    guess = codes(predictions["prediction"], emotions=result.emotions, what="the prediction")
    order = {system.name: i for i, system in enumerate(result.systems)}
    fits = pd.DataFrame(
        {
            "order": predictions["system"].astype(str).map(order).to_numpy(),
            **{column: predictions[column].to_numpy() for column in ("budget", "draw", "fold")},
            "speaker": predictions["speaker"].astype(str).to_numpy(),
            "cell": truth * n + guess,
        }
    )
    rows = [
        (*_fit(result, key), name, float(metric(counts)), len(fit), fit["speaker"].nunique())
        for key, fit in fits.groupby(["order", "budget", "draw", "fold"], sort=True)
        for counts in [np.bincount(fit["cell"], minlength=n * n).reshape(n, n)]
        for name, metric in METRICS.items()
    ]
    columns = ["system", "budget", "draw", "fold", "metric", "value", "n_utterances", "n_speakers"]
    return pd.DataFrame(rows, columns=columns)


def _fit(result: CurveResult, key: tuple) -> tuple:
    order, *rest = key
    return (result.systems[order].name, *rest)
