"""What a published comparison of pre-training with scratch claims, and what the numbers here say.

In:  ``IntensityCurves``, the systems to compare, what was published.
Out: ``Answer``s: a question, a word (yes, no, open), and the numbers behind it in a sentence.

A claim holds, or fails, only where a 95 % interval says so; otherwise it stays open. Gains are
written so that more is better: for MAE the reference's less the system's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.intensities import LABELS
from undertone.evaluation.intensity_curves import MEAN, IntensityCurves

LOWER_IS_BETTER = frozenset({"mae"})
YES, NO, OPEN = "yes", "no", "open"


@dataclass(frozen=True)
class Published:
    """A pair of ranges from a paper.

    Attributes:
        metric: a name in ``intensities.METRICS``.
        pretrained: lowest and highest value that the paper gives for its pre-trained system.
        scratch: the same for the network without pre-training.
        each_emotion: whether the range is over the emotions, rather than of their mean.
        where: the number of labels, in the paper's words.
    """

    metric: str
    pretrained: tuple[float, float]
    scratch: tuple[float, float]
    each_emotion: bool
    where: str


@dataclass(frozen=True)
class Claims:
    """What is to be asked.

    Attributes:
        published: numbers.
        gain_most: emotions that gain most from pre-training, by the paper.
        budget: number of labels at which emotions and floors are compared; the nearest is taken.
        pretrained: names of the pre-trained systems, the paper's first.
        scratch: name of the network without pre-training.
        floors: names of the systems that hear nothing.
    """

    published: tuple[Published, ...]
    gain_most: tuple[str, ...]
    budget: int
    pretrained: tuple[str, ...] = ("pretrained_frozen", "pretrained_full")
    scratch: str = "scratch"
    floors: tuple[str, ...] = ("always_0", "median", "mean")

    def budget_among(self, budgets: Sequence[int]) -> int:
        """The largest budget up to the paper's, or the smallest there is."""
        return max((b for b in budgets if b <= self.budget), default=min(budgets))


@dataclass(frozen=True)
class Answer:
    """One claim and what became of it."""

    question: str
    verdict: str
    evidence: str


def gain(
    curves: IntensityCurves,
    system: str,
    reference: str,
    *,
    budget: int,
    metric: str = "mae",
    emotions: Sequence[str] = (MEAN,),
) -> Estimate:
    """How much better ``system`` is; above 0 is better whatever the metric."""
    one, other = (reference, system) if metric in LOWER_IS_BETTER else (system, reference)
    return curves.difference(one, other, budget=budget, metric=metric, emotions=emotions)


def meet(curves: IntensityCurves, system: str, reference: str, metric: str = "mae") -> int | None:
    """The budget from which on no interval of the difference excludes 0; None if there is none."""
    found = None
    for budget in reversed(curves.budgets_of(system, reference)):
        if gain(curves, system, reference, budget=budget, metric=metric).excludes_zero:
            break
        found = budget
    return found


def answers(curves: IntensityCurves, claims: Claims, labels: Mapping[str, str]) -> list[Answer]:
    """Every claim that these systems allow to be asked; ``labels`` names them for people."""
    asked = _Asked(curves, claims, labels)
    there = [s for s in claims.pretrained if curves.budgets_of(s, claims.scratch)]
    return [
        *(
            asked.helps(s, budget)
            for s in there
            for budget in sorted({*curves.budgets[:1], *curves.budgets[-1:]})
        ),
        *(answer for s in there[:1] for answer in (asked.gain_most(s), *asked.narrows(s))),
        *(asked.meet(s) for s in there),
        *asked.published_clear_a_constant(),
        *(asked.clears_a_constant(s) for s in (*there, claims.scratch) if curves.budgets_of(s)),
    ]


@dataclass(frozen=True)
class _Asked:
    curves: IntensityCurves
    claims: Claims
    labels: Mapping[str, str]

    def helps(self, system: str, budget: int) -> Answer:
        found = self._gain(system, budget)
        auc = self._gain(system, budget, metric="presence_auc")
        return Answer(
            f"Is “{self.labels[system]}” better than “{self.labels[self.claims.scratch]}” with "
            f"{budget} labels?",
            _verdict(found),
            f"Gain in MAE {found.signed()}, in AUC of presence {auc.signed()}.",
        )

    def gain_most(self, system: str) -> Answer:
        """The mean gain of the emotions named less that of the others, paired."""
        named, scratch = self.claims.gain_most, self.claims.scratch
        budget = self.claims.budget_among(self.curves.budgets_of(system, scratch))
        others = [emotion for emotion in self.curves.emotions if emotion not in named]
        ours, theirs = (system, budget), (scratch, budget)
        found = self.curves.contrast(
            [(1, theirs, named), (-1, ours, named), (-1, theirs, others), (1, ours, others)]
        )
        gains = {e: self._gain(system, budget, emotions=(e,)).value for e in self.curves.emotions}
        order = sorted(gains, key=lambda emotion: -gains[emotion])
        told = ", ".join(f"{emotion} {decimal(gains[emotion], signed=True)}" for emotion in order)
        return Answer(
            f"Do {_series(named)} gain most (MAE, {budget} labels, “{self.labels[system]}”)?",
            _verdict(found),
            f"Gains: {told}. Theirs less that of the others: {found.signed()}.",
        )

    def narrows(self, system: str) -> Iterator[Answer]:
        first, last, scratch = self.curves.budgets[0], self.curves.budgets[-1], self.claims.scratch
        if first == last:
            return
        mean = (MEAN,)
        found = self.curves.contrast(
            [
                *((1, (scratch, first), mean), (-1, (system, first), mean)),
                *((-1, (scratch, last), mean), (1, (system, last), mean)),
            ]
        )
        gains = {budget: self._gain(system, budget) for budget in (first, last)}
        is_gap = _verdict(gains[first]) == YES
        yield Answer(
            f"Does the gap narrow from {first} to {last} labels (MAE, “{self.labels[system]}”)?",
            _verdict(found) if is_gap else OPEN,
            f"The gain is {gains[first].signed()} with {first} labels and {gains[last].signed()} "
            f"with {last}; "
            + (f"it falls by {found.signed()}." if is_gap else "there is no gap to narrow."),
        )

    def meet(self, system: str) -> Answer:
        scratch = self.claims.scratch
        budgets = self.curves.budgets_of(system, scratch)
        found = {m: meet(self.curves, system, scratch, m) for m in ("mae", "presence_auc")}
        told = "; ".join(f"{LABELS[m]}: {say_meet(at, budgets)}" for m, at in found.items())
        return Answer(
            f"Do “{self.labels[system]}” and “{self.labels[scratch]}” meet in MAE?",
            NO if found["mae"] is None else YES,
            f"{told}.",
        )

    def published_clear_a_constant(self) -> Iterator[Answer]:
        """Whether the published numbers are better than the best constant on this test."""
        budget = self.claims.budget_among(self.curves.budgets)
        for published in self.claims.published if self._floors(budget) else ():
            emotions = self.curves.emotions if published.each_emotion else (MEAN,)
            best = sorted(self._best_floor(budget, published.metric, e)[1] for e in emotions)
            ends = (best[0], best[-1])
            reached = say_range(ends, digits=3) if published.each_emotion else decimal(best[0])
            by_emotion = " by emotion" if published.each_emotion else ""
            yield Answer(
                f"Does the published {LABELS[published.metric]} ({say_range(published.pretrained)}"
                f"{by_emotion}, {published.where}) clear a constant?",
                _all_better(published.metric, published.pretrained, ends),
                f"The best constant reaches {reached}{by_emotion} on this test.",
            )

    def clears_a_constant(self, system: str) -> Answer:
        """Whether a system here is better than the best constant."""
        budget = self.claims.budget_among(self.curves.budgets_of(system))
        told, verdict = [], OPEN
        for metric in ("mae", "accuracy") if self._floors(budget) else ():
            floor, _ = self._best_floor(budget, metric, MEAN)
            found = gain(self.curves, system, floor, budget=budget, metric=metric)
            verdict = _verdict(found) if metric == "mae" else verdict
            told.append(f"{LABELS[metric]} {found.signed()} better than “{self.labels[floor]}”")
        return Answer(
            f"Does “{self.labels[system]}” clear the best constant with {budget} labels (MAE)?",
            verdict,
            "; ".join(told) + ".",
        )

    def _gain(
        self, system: str, budget: int, *, metric: str = "mae", emotions: Sequence[str] = (MEAN,)
    ) -> Estimate:
        return gain(
            self.curves,
            system,
            self.claims.scratch,
            budget=budget,
            metric=metric,
            emotions=emotions,
        )

    def _floors(self, budget: int) -> list[str]:
        return [floor for floor in self.claims.floors if self.curves.has(floor, budget)]

    def _best_floor(self, budget: int, metric: str, emotion: str) -> tuple[str, float]:
        values = {
            floor: self.curves.estimate(floor, budget, metric, emotion=emotion).value
            for floor in self._floors(budget)
        }
        best = (min if metric in LOWER_IS_BETTER else max)(values, key=lambda name: values[name])
        return best, values[best]


def say_meet(budget: int | None, budgets: Sequence[int]) -> str:
    """What ``meet`` found, in words."""
    if budget is None:
        return f"not within {budgets[-1]} labels"
    if budget == budgets[0]:
        return f"cannot be told apart at any budget from {budget} labels on"
    return f"from {budget} labels on"


def _all_better(metric: str, ours: tuple[float, float], theirs: tuple[float, float]) -> str:
    """Whether a whole range is better than another, worse, or neither."""
    if metric in LOWER_IS_BETTER:
        ours, theirs = (-ours[1], -ours[0]), (-theirs[1], -theirs[0])
    if ours[0] > theirs[1]:
        return YES
    return NO if ours[1] < theirs[0] else OPEN


def _verdict(found: Estimate) -> str:
    if not found.excludes_zero:
        return OPEN
    return YES if found.value > 0 else NO


def say_range(ends: tuple[float, float], *, digits: int = 2) -> str:
    """Two ends as a reader of the field writes them: .85–.87."""
    return "–".join(f"{end:.{digits}f}".removeprefix("0") for end in ends)


def _series(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
