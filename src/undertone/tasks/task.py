"""What a task is: everything that differs between telling emotions and telling how strong they are.

In:  rows of a corpus's table; labels (n, n_outputs); predictions (n, n_outputs).
Out: outputs and their range, truth, draws of labels, metrics with their headline, floors.

Truth and predictions have one shape everywhere: a column an output. Of the kind ``CHOICE`` the true
output is 1, the others 0, and a prediction holds probabilities; of the kind ``AMOUNTS`` both hold
numbers from ``low`` to ``high``. A new task is one file with a subclass, and its row in ``TASKS``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from undertone.errors import UndertoneError
from undertone.tasks.draws import Asked, LabelDraw
from undertone.tasks.rows import Rows

if TYPE_CHECKING:
    import pandas as pd

CHOICE, AMOUNTS = "choice", "amounts"
MEAN = "mean"  # of the outputs, in the place of an output's name; first on its axis


@dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are.

    Attributes:
        label: short, for tables.
        description: for a heading.
        lower_is_better: as of errors.
        of_output: what it is of one output, such as "recall"; empty where it has a mean alone.
        a_constant_wins: whether a prediction that hears nothing can lead in it.
    """

    label: str
    description: str = ""
    lower_is_better: bool = False
    of_output: str = ""
    a_constant_wins: bool = True


@dataclass(frozen=True)
class Floor:
    """What needs no speech at all.

    Attributes:
        label: what people read.
        description: a sentence.
        fit: labels (n_labels, n_outputs) to the prediction (n_outputs,) for everybody.
    """

    label: str
    description: str
    fit: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class DepthClaim:
    """What is published of the layers of pre-trained encoders: one output needs deeper ones.

    Attributes:
        deep: the output that is said to gain more from depth.
        shallow: the one that is said to gain less.
        caveat: a sentence on when the claim cannot be tested whole.
    """

    deep: str
    shallow: str
    caveat: str


@dataclass(frozen=True)
class Task(ABC):
    """What is predicted.

    Attributes:
        outputs: names, in the order of the columns of truth and predictions.
        kind: ``CHOICE`` or ``AMOUNTS``.
        label_columns: of a table that holds its labels; of amounts named as the outputs.
        label_names: of a column of amounts, what it may be called, in lower case.
        needs_all_labels: whether a table must have all these columns, or some will do.
        metrics: by name, in the order of their axis.
        headline: the metric that a curve is drawn of and a verdict rests on.
        also_by_output: metrics that a table shows by output beside the headline.
        negligible: below it a gain is not worth naming: only where an interval ends below it may
            something be called worth nothing.
        beside: a second metric that is drawn and asked after, one that no constant wins; or "".
        each: what one output is called.
        floors: by name.
        low: smallest amount.
        high: largest amount.
        distance: that networks make small, a name in ``losses.AMOUNT_LOSSES``; of amounts.
        clipped: whether predictions of amounts are kept in this range before they are scored.
        proxy: what stands in for what people said; empty where they did.
        caveat: what every reader of its numbers must know; or "".
        depth_claim: what is published of its outputs and the layers of encoders, if anything.
        n_replicates: of the bootstrap, by default.
        presets: values of settings, by section, where this task's defaults are not everybody's.
    """

    outputs: tuple[str, ...]

    name: ClassVar[str]
    kind: ClassVar[str]
    label_columns: ClassVar[tuple[str, ...]]
    label_names: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    needs_all_labels: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, Metric]]
    headline: ClassVar[str]
    also_by_output: ClassVar[tuple[str, ...]] = ()
    negligible: ClassVar[float]
    beside: ClassVar[str] = ""
    each: ClassVar[str] = "emotion"
    floors: ClassVar[Mapping[str, Floor]]
    low: ClassVar[float] = 0.0
    high: ClassVar[float] = 1.0
    distance: ClassVar[str] = "l1"
    clipped: ClassVar[bool] = True
    proxy: ClassVar[str] = ""
    caveat: ClassVar[str] = ""
    depth_claim: ClassVar[DepthClaim | None] = None
    n_replicates: ClassVar[int] = 2_000
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __post_init__(self) -> None:
        if len(set(self.outputs)) < len(self.outputs):
            raise UndertoneError(f"task {self.name} has an output twice: {', '.join(self.outputs)}")

    @classmethod
    @abstractmethod
    def of(cls, table: "pd.DataFrame") -> Self | None:
        """The task that a corpus's table holds labels for; None where it holds none."""

    @classmethod
    def label_columns_in(cls, has: Callable[[str], bool]) -> tuple[str, ...]:
        """Those of its label columns that a table has, where they are enough; else none."""
        held = tuple(name for name in cls.label_columns if has(name))
        return held if len(held) == len(cls.label_columns) or not cls.needs_all_labels else ()

    @classmethod
    def names_of(cls, column: str) -> tuple[str, ...]:
        """What a label column may be called, in lower case."""
        return cls.label_names.get(column, (column,))

    def on(self, scale: tuple[float, float] | None, proxy: str = "") -> Self:
        """The same on a corpus's own scale and proxy, where the task has none of its own."""
        return self

    @abstractmethod
    def truth(self, rows: "pd.DataFrame") -> np.ndarray:
        """(n_rows, n_outputs) of rows of a corpus's table; NaN where there is no label."""

    @abstractmethod
    def draw(self, rows: "pd.DataFrame", asked: Asked) -> LabelDraw:
        """Which of these labelled utterances of the training speakers a system is given."""

    @abstractmethod
    def measure(self, rows: Rows, weights: np.ndarray) -> np.ndarray:
        """Every metric in each weighting of the speakers.

        Args:
            rows: truth, and predictions as ``decide`` gives them.
            weights: (n_weights, n_speakers)

        Returns:
            (n_weights, n_metrics, 1 + n_outputs), the mean first; NaN where it does not exist.
        """

    def decide(self, values: np.ndarray) -> np.ndarray:
        """What predictions (..., n_outputs) come to: the likeliest class; amounts as they are."""
        return values

    def chance(self, truth: np.ndarray) -> np.ndarray | None:
        """(n_rows, n_outputs) of guessing without labels; None where nothing can be guessed."""
        return None

    def remarks(self, *, truth: np.ndarray, prediction: np.ndarray) -> tuple[str, ...]:
        """What a reader should know of (n_rows, n_outputs) beside the metrics, in sentences."""
        return ()

    def speakers_behind(self, rows: Rows) -> np.ndarray:
        """(1 + n_outputs,) how many speakers stand behind the mean and behind each output."""
        return np.full(1 + len(self.outputs), rows.n_speakers)

    def is_labelled(self, rows: "pd.DataFrame") -> np.ndarray:
        """(n_rows,) whether a row has a label."""
        return ~np.isnan(self.truth(rows)).any(axis=1)

    def check_truth(self, rows: "pd.DataFrame", where: str) -> None:
        """Refuse labels that are no numbers of the task's range.

        Args:
            rows: of a corpus's table.
            where: name of the corpus, for the message.

        Raises:
            UndertoneError: names the first of them.
        """
        import pandas as pd

        for column in self.outputs if self.kind == AMOUNTS else ():
            numbers = pd.to_numeric(rows[column], errors="coerce").astype(float)
            wrong = (numbers.isna() & rows[column].notna()) | ~numbers.fillna(self.low).between(
                self.low, self.high
            )
            if wrong.any():
                raise UndertoneError(
                    f"{where} has {rows[column][wrong].iloc[0]!r} as {column} of "
                    f"{rows['utterance'][wrong].iloc[0]} ({int(wrong.sum())} such cells); the task "
                    f"{self.name} takes numbers from {self.low:g} to {self.high:g}: mend or empty "
                    "those cells"
                )

    def position(self, output: str) -> int:
        """Of an output, or of ``MEAN``, on the last axis of ``measure``."""
        return (MEAN, *self.outputs).index(output)
