"""Everything a run hands to its report.

In:  the curves of a run, the systems it compares, and what was read, left out, set and seeded.
Out: ``CurveResult``, of any task.

The evidence rules are checked here: a result has a floor, and its curves hold the systems that it
announces.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from undertone.corpora.audit import Finding
from undertone.errors import UndertoneError
from undertone.evaluation.ceiling import Ceiling
from undertone.evaluation.coverage import Covered
from undertone.evaluation.curves import Curves, Key
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.groups import People
from undertone.evaluation.misses import Miss
from undertone.evaluation.reliability import Reliable
from undertone.evaluation.report.advice import Advice, advise
from undertone.evaluation.report.claims import answers
from undertone.evaluation.report.paper import Answer, Paper
from undertone.evaluation.shift import Shift
from undertone.evaluation.worth import Worth, first_look, worth
from undertone.tasks import Task
from undertone.tasks.task import Metric

N_LEADING = 3
KINDS = ("pretrained", "scratch", "control", "classic", "floor")


@dataclass(frozen=True)
class Compared:
    """One way to predict.

    Attributes:
        name: in settings, tables of predictions, curves and model folders.
        label: what people read.
        kind: one of ``KINDS``.
        description: a sentence.
        recommended: what we would use.
        stands_alone: whether it hears what no model folder can hold: it is for curves.
    """

    name: str
    label: str
    kind: str
    description: str
    recommended: bool = field(default=False, kw_only=True)
    stands_alone: bool = field(default=False, kw_only=True)


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
class Contrast:
    """Two systems whose paired difference is shown apart from what pre-training is worth."""

    ours: str
    other: str
    label: str  # of the other, as "the same student untaught"
    about: str = "a teacher"  # what the difference tells the worth of, a key of ``tables.WORTHS``


@dataclass(frozen=True)
class Adapted:
    """What was adapted to the tested voices' audio, apart from all that knew nothing of them.

    Attributes:
        rows: the systems that were.
        of: by name of a row, the system that it was before it was adapted.
        curves: of both, by test part.
    """

    rows: tuple[Compared, ...]
    of: Mapping[str, str]
    curves: Mapping[str, Curves]


@dataclass(frozen=True)
class Picked:
    """How labels were picked, where the systems of a result are strategies.

    Attributes:
        rival: the strategy that all others are measured by.
        found: share of the emotions that had a label, the mean over loops, by strategy and budget.
        system: what people read for the system that learned from the labels.
        batch: labels between two picks.
    """

    rival: str
    found: Mapping[Key, float]
    system: str
    batch: int


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


@dataclass(frozen=True, repr=False)
class CurveResult:
    """A finished run."""

    title: str
    sources: tuple[Source, ...]
    curves: Curves
    systems: tuple[Compared, ...]
    pairs: tuple[Pair, ...]  # the headline pair first
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
    audit: tuple[Finding, ...] = ()  # of the data
    transductive: bool = False  # the unlabelled pool held test speakers, as the user asked
    notes: tuple[str, ...] = ()  # sentences for the method section
    remarks: tuple[str, ...] = ()  # sentences for the opening, after the findings
    reliability: tuple[Reliable, ...] = ()  # of systems and budgets, of classes
    contrasts: tuple[Contrast, ...] = ()
    paper: Paper | None = None
    unit: str = "speaker"  # what is resampled; "video" where the corpus does not tell who speaks
    part: str = ""  # the official test part that the curves are of, where there are several
    elsewhere: Mapping[str, Curves] = field(default_factory=dict)  # of the other parts, by name
    fold_names: tuple[str, ...] = ()  # where folds have names
    ceilings: Mapping[str, tuple[Ceiling, ...]] = field(default_factory=dict)  # by test part
    shifts: tuple[Shift, ...] = ()  # where other corpora are tested: what that costs
    covered: tuple[Covered, ...] = ()  # sets of the systems that make them, of emotions
    adapted: Adapted | None = None  # to the tested voices' audio, where that was asked for
    picked: Picked | None = None  # where the systems are strategies that picked labels
    people: People | None = None  # whom the recommended system tells how well
    misses: tuple[Miss, ...] = ()  # what it tells worst
    sounds: bool = True  # whether these may be heard in the report
    more_speakers: Estimate | None = None  # what two more would bring the recommended system
    advised: Advice | None = None  # where it was decided on another test part
    training: Mapping[str, str] = field(default_factory=dict)  # commands by name of the system
    simplest_first: tuple[str, ...] = ()  # names of systems; others are less simple, in their order

    def __repr__(self) -> str:
        systems = ", ".join(system.name for system in self.systems)
        budgets = ", ".join(map(str, self.budgets))
        return f"<CurveResult {self.title!r}: {systems}; {budgets} labels>"

    def __post_init__(self) -> None:
        announced = [system.name for system in self.systems]
        held = {system for system, _ in self.curves.scored}
        if set(announced) != held or len(announced) != len(held):
            raise UndertoneError(
                f"expected predictions of the systems {', '.join(announced)}; found "
                f"{', '.join(sorted(held))}"
            )
        if not self.of_kind("floor"):
            raise UndertoneError(
                "expected a system of kind floor, the constant predictor fitted on the same "
                "labels: without it a reader cannot tell a score from none"
            )
        paired = {n for p in self.pairs for n in (p.pretrained, p.scratch)}
        unknown = (paired | {n for c in self.contrasts for n in (c.ours, c.other)}) - set(announced)
        if unknown:
            raise UndertoneError(
                f"expected pairs among the systems {', '.join(announced)}; found "
                f"{', '.join(sorted(unknown))}"
            )

    @property
    def task(self) -> Task:
        return self.curves.task

    @property
    def headline(self) -> Metric:
        """The metric of the curve and the verdict."""
        return self.task.metrics[self.task.headline]

    @property
    def budgets(self) -> tuple[int, ...]:
        return self.curves.budgets

    @property
    def budget(self) -> int:
        """The one at which outputs are told apart: near the paper's, else the largest."""
        return self.paper.claims.budget_among(self.budgets) if self.paper else self.budgets[-1]

    @property
    def synthetic(self) -> bool:
        return any(source.synthetic for source in self.sources)

    @property
    def n_replicates(self) -> int:
        return len(next(iter(self.curves.scored.values())).replicates)

    @property
    def summary(self) -> str:
        """What was tested, in a line."""
        curves = self.curves
        sources = ", ".join(f"{source.name} ({source.role})" for source in self.sources)
        of_part = f" in {self.part}" if self.part else ""
        return (
            f"{sources} · {len(self.task.outputs)} {self.task.name} · "
            f"{curves.n_utterances} test utterances of {count(curves.n_speakers, self.unit)}"
            f"{of_part} · {count(self.n_draws, 'draw')} of the labels"
        )

    @property
    def where(self) -> str:
        """The corpora that every claim of this run was measured on."""
        by_role: dict[str, list[str]] = {}
        for source in self.sources:
            by_role.setdefault(source.role, []).append(source.name)
        told = [
            ("tested by the others", "tested in turn on {}, each by labels of the others"),
            ("labelled", "measured on {}"),
            ("tested", "measured on {}"),
            ("learned from", "with labels of {}"),
            ("unlabelled pool", "with {} heard without labels"),
        ]
        parts = [text.format(", ".join(by_role[role])) for role, text in told if role in by_role]
        text = ", ".join(parts)
        return text[:1].upper() + text[1:]

    @property
    def ceiling(self) -> Ceiling | None:
        """What one rater scores on the truth that the systems are scored on."""
        of_part = self.ceilings.get(self.part, ())
        return next((of_rater for of_rater in of_part if of_rater.comparable), None)

    def of_elsewhere(self) -> "Iterator[tuple[str, CurveResult]]":
        """The same run on each other test part."""
        for part, curves in self.elsewhere.items():
            yield (
                part,
                replace(
                    self, curves=curves, part=part, elsewhere={}, shifts=(), advised=self.advice
                ),
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

    @cached_property
    def advice(self) -> Advice | None:
        """What the run recommends; None where strategies are compared, or floors alone."""
        if self.advised is not None:
            return self.advised
        return None if self.picked else advise(self.curves, self.candidates)

    @property
    def candidates(self) -> tuple[str, ...]:
        """Names of the systems that may be recommended, simplest first: no floor, no control."""
        rank = {name: i for i, name in enumerate(self.simplest_first)}
        names = [s.name for s in self.systems if s.kind not in ("control", "floor")]
        return tuple(sorted(names, key=lambda name: rank.get(name, len(rank))))

    @cached_property
    def leading(self) -> tuple[str, ...]:
        """Three systems that tell most: the recommended, the best, the network from scratch."""
        curves, budget = self.curves, self.budgets[-1]
        there = [s.name for s in self.systems if s.kind != "floor" and curves.has(s.name, budget)]
        first = [] if self.advice is None else [self.advice.system, self.advice.best]
        if self.picked:
            first = [self.picked.rival]
        first += [name for name in self.of_kind("scratch") if name in there]
        rest = sorted(
            (name for name in there if self.picked or name in self.candidates),
            key=lambda name: -curves.height(name, budget)[0],
        )
        return tuple(dict.fromkeys([*first, *rest, *there]))[:N_LEADING]

    @property
    def first_look(self) -> str:
        """Why nothing is called worth something or nothing, as "3 draws of the labels"; or ""."""
        return first_look(n_draws=self.n_draws, n_speakers=self.curves.n_speakers, unit=self.unit)

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """What becomes of the paper's claims."""
        if self.paper is None:
            return ()
        labels = {system.name: system.label for system in self.systems}
        found = answers(self.curves, self.paper.claims, labels)
        return tuple(replace(one, evidence=f"{one.evidence} {self.where}.") for one in found)

    def system(self, name: str) -> Compared:
        return next(system for system in self.systems if system.name == name)

    def label(self, name: str) -> str:
        """What people read for a system's name."""
        return self.system(name).label

    def of_kind(self, *kinds: str) -> tuple[str, ...]:
        """Names of the systems of these kinds, in order."""
        return tuple(system.name for system in self.systems if system.kind in kinds)


def count(n: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "label"), count(20, "label")
    ('1 label', '20 labels')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"
