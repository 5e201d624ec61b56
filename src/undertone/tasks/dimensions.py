"""The task "dimensions": how aroused, how pleasant and how dominant speech sounds.

In:  columns ``arousal``, ``valence``, ``dominance`` of a corpus's table, or some of them, on any
     scale; ``Rows`` of truth and prediction.
Out: CCC, Pearson's correlation and mean absolute error, as the mean of the dimensions and of each.

CCC is that of all test utterances of all folds together, never a mean over folds: the few speakers
of one fold span too little. An utterance counts as labelled where it has all dimensions that the
corpus has. Predictions are on the corpus's own scale and leave its range where they are unsure of
it: they are clipped where they are shown to people, and scored as they are.

A corpus whose utterances have emotions alone can be given a **proxy**: the place of each emotion
in the circumplex, one value for all its utterances. It is a choice of emotions in disguise, and
every table says so.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from undertone.tasks.agreement import TINY, ccc, mae, pearson
from undertone.tasks.draws import Asked, LabelDraw, draw_anyhow
from undertone.tasks.rows import Rows, mean_of_those_that_exist
from undertone.tasks.task import AMOUNTS, DepthClaim, Floor, Metric, Task

if TYPE_CHECKING:
    import pandas as pd

DIMENSIONS = ("arousal", "valence", "dominance")
RowsMetric = Callable[[Rows, np.ndarray], np.ndarray]
METRICS: Mapping[str, RowsMetric] = {"ccc": ccc, "pearson": pearson, "mae": mae}
PROXIES: Mapping[str, Mapping[str, tuple[float, float, float]]] = {
    # Arousal, valence (their pleasure) and dominance of words for emotions, from -1 to 1: Russell
    # and Mehrabian, J. Research in Personality 11, 1977. Calm is their "relaxed", neutral is the
    # origin by definition; boredom was taken from memory and never checked.
    "pad": {
        "anger": (0.59, -0.51, 0.25),
        "happiness": (0.51, 0.81, 0.46),
        "sadness": (-0.27, -0.63, -0.33),
        "fear": (0.60, -0.64, -0.43),
        "disgust": (0.35, -0.60, 0.11),
        "surprise": (0.67, 0.40, -0.13),
        "calm": (-0.46, 0.68, 0.06),
        "neutral": (0.0, 0.0, 0.0),
        "boredom": (-0.62, -0.65, -0.33),
    }
}
PROXY_RANGE = (-1.0, 1.0)


@dataclass(frozen=True)
class Dimensions(Task):
    """Telling arousal, valence and dominance, or some of them.

    Attributes:
        low: the lowest value of the corpus's scale.
        high: the highest one.
        proxy: what stands in for ratings, a key of ``PROXIES``; empty where people rated.
    """

    name = "dimensions"
    kind = AMOUNTS
    label_columns = DIMENSIONS
    label_names: ClassVar = {
        "arousal": ("arousal", "activation", "act", "emoact"),
        "valence": ("valence", "val", "emoval", "pleasure"),
        "dominance": ("dominance", "dom", "emodom"),
    }
    needs_all_labels = False
    distance = "ccc"
    clipped = False
    headline = "ccc"
    also_by_output = ("pearson", "mae")
    negligible = 0.02
    each = "dimension"
    depth_claim = DepthClaim(
        "valence",
        "arousal",
        "Where speakers read given sentences, valence that lies in words cannot show.",
    )
    floors: ClassVar = {
        "mean": Floor(
            "mean", "The mean of the labels of the budget, always.", lambda y: y.mean(axis=0)
        )
    }
    presets: ClassVar = {
        "finetune": {
            "distance": distance,
            "batch_size": 200,  # the whole of a small budget: a CCC of few rows says nothing
            "max_epochs": 100,
            "patience": 15,
            "head_dropout": 0.0,
            "label_smoothing": 0.0,
        },
        "cnn": {"batch_size": 64},
        "ridge": {"match_spread": True},
    }

    outputs: tuple[str, ...] = DIMENSIONS
    low: float = -math.inf  # type: ignore[misc]  # a corpus has its own scale
    high: float = math.inf  # type: ignore[misc]
    proxy: str = ""  # type: ignore[misc]

    @classmethod
    def of(cls, table: "pd.DataFrame") -> Self | None:
        """Of the dimensions that the table has values of, on the scale that these span."""
        held = tuple(
            n for n in DIMENSIONS if n in table and (table.empty or table[n].notna().any())
        )
        if not held:
            return None
        import pandas as pd

        numbers = table[list(held)].apply(pd.to_numeric, errors="coerce").to_numpy(float)
        if not len(numbers):
            return cls(held)
        return cls(held, float(np.nanmin(numbers)), float(np.nanmax(numbers)))

    def on(self, scale: tuple[float, float] | None, proxy: str = "") -> Self:
        """The same on the scale that a corpus's reader knows, and on its proxy."""
        low, high = scale or (self.low, self.high)
        return replace(self, low=low, high=high, proxy=proxy)

    @property
    def metrics(self) -> Mapping[str, Metric]:  # type: ignore[override]
        """Their labels name the proxy, so that no table can leave it out."""
        return {
            "ccc": self._metric("CCC", "concordance correlation", a_constant_wins=False),
            "pearson": self._metric("Pearson", "Pearson's correlation", a_constant_wins=False),
            "mae": self._metric("MAE", "mean absolute error", lower_is_better=True),
        }

    @property
    def caveat(self) -> str:  # type: ignore[override]
        """What every reader of the numbers must know; empty of ratings."""
        if not self.proxy:
            return ""
        return (
            f"The dimensions are a proxy ({self.proxy}): one value per emotion, no ratings. It is "
            "a choice of emotions in disguise: no score on it may stand beside scores on ratings."
        )

    def truth(self, rows: "pd.DataFrame") -> np.ndarray:
        """As the table holds it."""
        return rows[list(self.outputs)].to_numpy(float)

    def draw(self, rows: "pd.DataFrame", asked: Asked) -> LabelDraw:
        """Each utterance as likely as any other; a label is all dimensions of an utterance."""
        return draw_anyhow(rows, asked)

    def measure(self, rows: Rows, weights: np.ndarray) -> np.ndarray:
        """Each metric of ``METRICS`` as the mean of the dimensions, then by dimension."""
        values = [metric(rows, weights) for metric in METRICS.values()]
        return np.stack([np.column_stack([mean_of_those_that_exist(v), v]) for v in values], axis=1)

    def remarks(self, *, truth: np.ndarray, prediction: np.ndarray) -> tuple[str, ...]:
        """How closely two dimensions go together: one that copies another scores well on both."""
        pairs = [
            f"{one} and {other} {_correlation(truth, i, j)} in the labels, "
            f"{_correlation(prediction, i, j)} in the predictions"
            for (i, one), (j, other) in combinations(enumerate(self.outputs), 2)
        ]
        return (f"Correlation of the dimensions: {'; '.join(pairs)}.",) if pairs else ()

    def _metric(
        self, label: str, description: str, *, lower_is_better: bool = False, **flags: bool
    ) -> Metric:
        of_proxy, proxy = (" of a proxy", "proxy: ") if self.proxy else ("", "")
        return Metric(
            f"{label}{of_proxy}",
            f"{proxy}{label}, {description}"
            + f"{' (one value per emotion, no ratings)' * bool(proxy)}",
            lower_is_better=lower_is_better,
            of_output=f"{label}{of_proxy}",
            **flags,
        )


def _correlation(values: np.ndarray, one: int, other: int) -> str:
    """Pearson's correlation of two columns; "none" where one of them never changes."""
    sds = values.std(axis=0)
    if min(sds[one], sds[other]) < TINY:
        return "none"
    return f"{np.corrcoef(values[:, one], values[:, other])[0, 1]:.2f}"
