"""How many labels pre-training saves.

In:  paired curves of a pre-trained system and of the same network from scratch.
Out: ``Worth``: from the budget b, scratch needs b + N labels to score what the pre-trained system
     scores at b; N with its interval, or the plain statement that no gain is measurable, and
     how large one may still be.

The scratch curve is made to rise by isotonic regression (equal weights) and joined by straight
lines over the logarithm of the budget; b' is the first budget where it reaches the pre-trained
score at b, and N = b' - b. The same is done in every replicate of the bootstrap, which gives the
interval. Where scratch never gets there within the budgets tried, N is infinite: "at least". Where
it is there already at the smallest budget, b' is that budget.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.intervals import interval

ROUNDING = 1e-12  # scores this close are equal: means are summed in another order
ENOUGH_DRAWS, ENOUGH_SPEAKERS = 5, 6  # from which "worth" and "no gain" are said
Verdict = Literal["gain", "beyond", "none", "loss", "unknown", "early"]


@dataclass(frozen=True)
class Worth:
    """What pre-training is worth at one budget, in labels.

    The verdict is "gain" (N has a value), "beyond" (the gain is real; scratch does not reach it
    within the budgets tried), "none" (the interval of the paired difference holds 0), "loss" (it
    lies below 0), "unknown" (no interval: one speaker) or "early" (too few draws or speakers for
    any of these).
    """

    pretrained: str
    scratch: str
    budget: int
    largest_budget: int
    labels: float  # N; +inf where scratch does not reach the pre-trained score
    low: float
    high: float
    difference: Estimate  # gain in the headline, paired
    verdict: Verdict
    negligible: float = 0.0  # below it a gain is not worth naming

    @property
    def at_least(self) -> int:
        """The most labels that these budgets can show."""
        return self.largest_budget - self.budget

    def phrase(self) -> str:
        """For a table cell or after "is worth"."""
        if self.verdict == "gain":
            return f"{_labels(self.labels)} {self._bracket()}"
        if self.verdict == "beyond" and self.at_least > 0:
            return f"at least {_labels(self.at_least)}"
        return {
            "beyond": "a gain, but no larger budget was tried",
            "none": no_gain(self.difference, self.negligible),
            "loss": "less than nothing: it does harm",
            "unknown": "not known: one speaker gives no interval",
            "early": "a first look",
        }[self.verdict]

    def _bracket(self) -> str:
        if not math.isfinite(self.high):
            return f"[{round(self.low)}, more than {self.at_least}]"
        return f"[{round(self.low)}, {round(self.high)}]"


def worth(curves: Curves, *, pretrained: str, scratch: str, budget: int) -> Worth:
    """What ``pretrained`` is worth over ``scratch`` at ``budget``, by the task's headline."""
    budgets = curves.budgets_of(scratch)
    difference = curves.gain(pretrained, scratch, budget=budget)
    ours, our_replicates = curves.height(pretrained, budget, beside=(scratch,))
    of_scratch = [curves.height(scratch, b, beside=(pretrained,)) for b in budgets]
    reached = budget_reaching(
        ours,
        heights=np.array([height for height, _ in of_scratch]),
        budgets=np.array(budgets),
    )
    resampled = budget_reaching(
        our_replicates,
        heights=np.stack([replicates for _, replicates in of_scratch], axis=-1),
        budgets=np.array(budgets),
    )
    labels = float(reached) - budget
    low, high = interval(resampled - budget, n_speakers=curves.n_speakers)
    return Worth(
        pretrained=pretrained,
        scratch=scratch,
        budget=budget,
        largest_budget=budgets[-1],
        labels=labels,
        low=low,
        high=high,
        difference=difference,
        verdict=_verdict(
            difference, labels, is_early=_is_early(curves, pretrained, scratch, budget)
        ),
        negligible=curves.task.negligible,
    )


def first_look(*, n_draws: int, n_speakers: int, unit: str = "speaker") -> str:
    """What there is too little of to call anything worth something, or nothing; or "".

    >>> first_look(n_draws=3, n_speakers=10), first_look(n_draws=10, n_speakers=10)
    ('3 draws of the labels', '')
    """
    if n_draws < ENOUGH_DRAWS:
        return f"{n_draws} draw{'' if n_draws == 1 else 's'} of the labels"
    return "" if n_speakers >= ENOUGH_SPEAKERS else f"{n_speakers} {unit}s"


def _is_early(curves: Curves, pretrained: str, scratch: str, budget: int) -> bool:
    n_draws = min(len(curves.scored[name, budget].by_draw) for name in (pretrained, scratch))
    return first_look(n_draws=n_draws, n_speakers=curves.n_speakers) != ""


def no_gain(difference: Estimate, negligible: float) -> str:
    """What an interval that does not lie above zero says.

    >>> no_gain(Estimate(0.0, -0.01, 0.012, 10), 0.02)
    'worth nothing here (less than .020)'
    >>> no_gain(Estimate(0.01, -0.01, 0.034, 10), 0.02)
    'no gain measurable; at most +.034'
    """
    if difference.high < negligible:
        return f"worth nothing here (less than {decimal(negligible)})"
    return f"no gain measurable; at most {decimal(difference.high, signed=True)}"


def budget_reaching(
    target: float | np.ndarray, *, heights: np.ndarray, budgets: np.ndarray
) -> np.ndarray:
    """The first budget at which a curve, made to rise, reaches a score.

    Args:
        target: (...) scores.
        heights: (..., n_budgets) score of the curve at each budget.
        budgets: (n_budgets,) ascending.

    Returns:
        (...) budgets; the smallest where the curve starts above the target, +inf where it never
        reaches it.
    """
    curve, wanted = rising(heights), np.asarray(target, dtype=float)[..., None] - ROUNDING
    first = np.argmax(curve >= wanted, axis=-1)[..., None]  # 0 also where there is none
    before = np.maximum(first - 1, 0)
    low, high = (np.take_along_axis(curve, at, axis=-1) for at in (before, first))
    rise = np.where(high > low, high - low, 1)
    share = np.clip((wanted - low) / rise, 0, 1)
    log_budget = np.log(budgets)
    n_labels = np.exp(log_budget[before] + share * (log_budget[first] - log_budget[before]))
    return np.where(wanted <= curve[..., -1:], n_labels, np.inf)[..., 0]


def rising(heights: np.ndarray) -> np.ndarray:
    """(..., n_budgets) the closest curve, in least squares, that never falls.

    Isotonic regression by its min-max formula: at j, the largest over starts i <= j of the smallest
    over ends k >= j of the mean from i to k (Robertson, Wright & Dykstra, 1988, theorem 1.4.4).
    """
    n = heights.shape[-1]
    total = np.concatenate([np.zeros_like(heights[..., :1]), heights.cumsum(axis=-1)], axis=-1)
    risen = np.full(heights.shape, -np.inf)
    for start in range(n):
        means = (total[..., start + 1 :] - total[..., start : start + 1]) / np.arange(
            1, n - start + 1
        )
        smallest = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        risen[..., start:] = np.maximum(risen[..., start:], smallest)
    return risen


def _verdict(difference: Estimate, labels: float, *, is_early: bool) -> Verdict:
    if not difference.has_interval:
        return "unknown"
    if is_early:
        return "early"
    if not difference.excludes_zero:
        return "none"
    if difference.value < 0:
        return "loss"
    return "gain" if math.isfinite(labels) else "beyond"


def _labels(n: float) -> str:
    return f"{round(n)} label{'' if round(n) == 1 else 's'}"
