"""What a published comparison of pre-training with scratch claims, and what the numbers here say.

In:  ``Curves``, the systems to compare, what was published.
Out: ``Answer``s: a question, a word (yes, no, open), and the numbers behind it in a sentence.

A claim holds, or fails, only where a 95 % interval says so; otherwise it stays open. Gains are
written so that more is better: of errors the reference's less the system's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import Estimate, decimal
from undertone.tasks import MEAN, Task

YES, NO, OPEN = "yes", "no", "open"


@dataclass(frozen=True)
class Published:
    """A pair of ranges from a paper.

    Attributes:
        metric: a name among the task's metrics.
        pretrained: lowest and highest value that the paper gives for its pre-trained system.
        scratch: the same for the network without pre-training.
        each_output: whether the range is over the outputs, rather than of their mean.
        where: the number of labels, in the paper's words.
    """

    metric: str
    pretrained: tuple[float, float]
    scratch: tuple[float, float]
    each_output: bool
    where: str


@dataclass(frozen=True)
class Claims:
    """What a paper claims.

    Attributes:
        published: numbers.
        gain_most: outputs that gain most from pre-training, by the paper.
        budget: number of labels at which outputs and floors are compared; the nearest is taken.
        pretrained: names of the pre-trained systems, the paper's first.
        scratch: name of the network without pre-training.
    """

    published: tuple[Published, ...]
    gain_most: tuple[str, ...]
    budget: int
    pretrained: tuple[str, ...] = ("pretrained_frozen", "pretrained_full")
    scratch: str = "scratch"

    def budget_among(self, budgets: Sequence[int]) -> int:
        """The largest budget up to the paper's, or the smallest there is."""
        return max((b for b in budgets if b <= self.budget), default=min(budgets))


@dataclass(frozen=True)
class Answer:
    """One claim and what became of it."""

    question: str
    verdict: str
    evidence: str


def meet(curves: Curves, system: str, reference: str, metric: str | None = None) -> int | None:
    """The budget from which on no interval of the difference excludes 0; None if there is none."""
    meeting = None
    for budget in reversed(curves.budgets_of(system, reference)):
        if curves.difference(system, reference, budget=budget, metric=metric).excludes_zero:
            break
        meeting = budget
    return meeting


def answers(curves: Curves, claims: Claims, labels: Mapping[str, str]) -> list[Answer]:
    """Every claim that these systems allow to be tested; ``labels`` names them for people."""
    tested = _Tested(curves, claims, labels)
    compared = [s for s in claims.pretrained if curves.budgets_of(s, claims.scratch)]
    return [
        *(
            tested.helps(s, budget)
            for s in compared
            for budget in sorted({*curves.budgets[:1], *curves.budgets[-1:]})
        ),
        *(answer for s in compared[:1] for answer in (*tested.gain_most(s), *tested.narrows(s))),
        *(tested.meet(s) for s in compared),
        *tested.published_clear_a_constant(),
        *(tested.clears_a_constant(s) for s in (*compared, claims.scratch) if curves.budgets_of(s)),
    ]


@dataclass(frozen=True)
class _Tested:
    """The claims, put to the curves one by one."""

    curves: Curves
    claims: Claims
    labels: Mapping[str, str]

    @property
    def task(self) -> Task:
        return self.curves.task

    @property
    def headline(self) -> str:
        return self.task.metrics[self.task.headline].label

    @property
    def metrics(self) -> list[str]:
        """The headline, and the metric that the task sets beside it."""
        return [name for name in (self.task.headline, self.task.beside) if name]

    def helps(self, system: str, budget: int) -> Answer:
        gains = {metric: self._gain(system, budget, metric) for metric in self.metrics}
        text = ", in ".join(f"{self._label(m)} {gain.signed()}" for m, gain in gains.items())
        return Answer(
            f"Is “{self.labels[system]}” better than “{self.labels[self.claims.scratch]}” with "
            f"{budget} labels?",
            _verdict(gains[self.task.headline]),
            f"Gain in {text}.",
        )

    def gain_most(self, system: str) -> Iterator[Answer]:
        """The mean gain of the outputs named less that of the others, paired."""
        named, scratch = self.claims.gain_most, self.claims.scratch
        others = [output for output in self.task.outputs if output not in named]
        if not named or not others:
            return
        budget = self.claims.budget_among(self.curves.budgets_of(system, scratch))
        lead = self._sum_of_gains([(1, system, budget, named), (-1, system, budget, others)])
        gains = {o: self._gain(system, budget, outputs=(o,)).value for o in self.task.outputs}
        order = sorted(gains, key=lambda output: -gains[output])
        text = ", ".join(f"{output} {decimal(gains[output], signed=True)}" for output in order)
        yield Answer(
            f"{'Do' if len(named) > 1 else 'Does'} {series(named)} gain most ({self.headline}, "
            f"{budget} labels, “{self.labels[system]}”)?",
            _verdict(lead),
            f"Gains: {text}. Theirs less that of the others: {lead.signed()}.",
        )

    def narrows(self, system: str) -> Iterator[Answer]:
        first, last = self.curves.budgets[0], self.curves.budgets[-1]
        if first == last:
            return
        fall = self._sum_of_gains([(1, system, first, (MEAN,)), (-1, system, last, (MEAN,))])
        gains = {budget: self._gain(system, budget) for budget in (first, last)}
        is_gap = _verdict(gains[first]) == YES
        yield Answer(
            f"Does the gap narrow from {first} to {last} labels ({self.headline}, "
            f"“{self.labels[system]}”)?",
            _verdict(fall) if is_gap else OPEN,
            f"The gain is {gains[first].signed()} with {first} labels and {gains[last].signed()} "
            f"with {last}; "
            + (f"it falls by {fall.signed()}." if is_gap else "there is no gap to narrow."),
        )

    def meet(self, system: str) -> Answer:
        scratch = self.claims.scratch
        budgets = self.curves.budgets_of(system, scratch)
        meetings = {m: meet(self.curves, system, scratch, m) for m in self.metrics}
        text = "; ".join(f"{self._label(m)}: {say_meet(at, budgets)}" for m, at in meetings.items())
        return Answer(
            f"Do “{self.labels[system]}” and “{self.labels[scratch]}” meet in {self.headline}?",
            NO if meetings[self.task.headline] is None else YES,
            f"{text}.",
        )

    def published_clear_a_constant(self) -> Iterator[Answer]:
        """Whether the published numbers are better than the best constant on this test."""
        budget = self.claims.budget_among(self.curves.budgets)
        for published in self.claims.published if self._floors(budget) else ():
            outputs = self.task.outputs if published.each_output else (MEAN,)
            best = sorted(self._best_floor(budget, published.metric, o)[1] for o in outputs)
            ends = (best[0], best[-1])
            reached = say_range(ends, digits=3) if published.each_output else decimal(best[0])
            by_output = f" by {self.task.each}" if published.each_output else ""
            lower_is_better = self.task.metrics[published.metric].lower_is_better
            yield Answer(
                f"Does the published {self._label(published.metric)} "
                f"({say_range(published.pretrained)}{by_output}, {published.where}) clear a "
                "constant?",
                _all_better(published.pretrained, ends, lower_is_better=lower_is_better),
                f"The best constant reaches {reached}{by_output} on this test.",
            )

    def clears_a_constant(self, system: str) -> Answer:
        """Whether a system here is better than the best constant."""
        budget = self.claims.budget_among(self.curves.budgets_of(system))
        parts, verdict = [], OPEN
        published = (number.metric for number in self.claims.published)
        metrics = dict.fromkeys((self.task.headline, *published))
        for metric in metrics if self._floors(budget) else ():
            floor, _ = self._best_floor(budget, metric, MEAN)
            gain = self.curves.gain(system, floor, budget=budget, metric=metric)
            verdict = _verdict(gain) if metric == self.task.headline else verdict
            parts.append(
                f"{self._label(metric)} {gain.signed()} better than “{self.labels[floor]}”"
            )
        return Answer(
            f"Does “{self.labels[system]}” clear the best constant with {budget} labels "
            f"({self.headline})?",
            verdict,
            "; ".join(parts) + ".",
        )

    def _label(self, metric: str) -> str:
        return self.task.metrics[metric].label

    def _gain(
        self,
        system: str,
        budget: int,
        metric: str | None = None,
        *,
        outputs: Sequence[str] = (MEAN,),
    ) -> Estimate:
        return self.curves.gain(
            system, self.claims.scratch, budget=budget, metric=metric, outputs=outputs
        )

    def _sum_of_gains(self, terms: Sequence[tuple[int, str, int, Sequence[str]]]) -> Estimate:
        """Of (factor, system, budget, outputs averaged over), each gain over scratch, paired."""
        turn = -1 if self.task.metrics[self.task.headline].lower_is_better else 1
        return self.curves.contrast(
            [
                (side * turn * factor, (name, budget), outputs)
                for factor, system, budget, outputs in terms
                for side, name in ((1, system), (-1, self.claims.scratch))
            ]
        )

    def _floors(self, budget: int) -> list[str]:
        return [floor for floor in self.task.floors if self.curves.has(floor, budget)]

    def _best_floor(self, budget: int, metric: str, output: str) -> tuple[str, float]:
        values = {
            floor: self.curves.estimate(floor, budget, metric, output=output).value
            for floor in self._floors(budget)
        }
        better = min if self.task.metrics[metric].lower_is_better else max
        best = better(values, key=lambda name: values[name])
        return best, values[best]


def say_meet(budget: int | None, budgets: Sequence[int]) -> str:
    """What ``meet`` gives, in words."""
    if budget is None:
        return f"not within {budgets[-1]} labels"
    if budget == budgets[0]:
        return f"cannot be told apart at any budget from {budget} labels on"
    return f"from {budget} labels on"


def say_range(ends: tuple[float, float], *, digits: int = 2) -> str:
    """Two ends as a reader of the field writes them: .85–.87."""
    return "–".join(f"{end:.{digits}f}".removeprefix("0") for end in ends)


def series(words: Sequence[str]) -> str:
    """Words as one reads them out.

    >>> series(["happy", "sad", "anger"])
    'happy, sad and anger'
    """
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _all_better(
    ours: tuple[float, float], theirs: tuple[float, float], *, lower_is_better: bool
) -> str:
    """Whether a whole range is better than another, worse, or neither."""
    if lower_is_better:
        ours, theirs = (-ours[1], -ours[0]), (-theirs[1], -theirs[0])
    if ours[0] > theirs[1]:
        return YES
    return NO if ours[1] < theirs[0] else OPEN


def _verdict(gain: Estimate) -> str:
    if not gain.excludes_zero:
        return OPEN
    return YES if gain.value > 0 else NO
