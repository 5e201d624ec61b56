"""The arms of a shift: a system inside a tested corpus, across to it, and on labels of both.

In:  a finished run that tested other corpora, its sweep.
Out: a ``Shift`` a tested corpus. Fits lie in ``shift/<number>/`` of the run's folder, each under
     its identity, so that a run that was stopped goes on.

All arms predict the same utterances. Inside, the tested corpus's speakers are parted into folds as
in a curve of that corpus, and labels are drawn by the same rule. A mixed fit is given the labels of
the run's own draw beside those that the fit inside has in the draw of the same number. The folds
below make sure of who is heard: inside nothing but the tested corpus's other speakers, mixed also
what the run learned from, and the tested speakers nowhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from undertone.corpora import across
from undertone.corpora.corpus import Corpus
from undertone.corpora.disjoint import SENTENCE
from undertone.corpora.folds import Fold, draw_labels, largest_budget, speaker_folds
from undertone.corpora.pool import pool
from undertone.errors import UndertoneError, tell
from undertone.evaluation.curves import Key
from undertone.evaluation.shift import ACROSS, INSIDE, MIXED, Asked, Names, Shift, measure
from undertone.experiment.run import Run
from undertone.experiment.stored import Sweep
from undertone.experiment.sweep import run as run_sweep
from undertone.progress import Progress
from undertone.systems.plan import Cell, Draws, Plan
from undertone.tasks.draws import LabelDraw

FOLDER = "shift"
USUAL = ("descriptors", "layers")  # whose arms take minutes


def shifts(run: Run, sweep: Sweep, *, workers: int, progress: Progress) -> list[Shift]:
    """Measure the shift of every tested corpus; why it is not measured is told.

    Args:
        run: whose corpora are read.
        sweep: of the run, finished.
        workers: processes.
        progress: where the fits are counted.
    """
    if not run.corpus.members or not run.settings.across.shift:
        return []
    if why := _why_not(run):
        tell(f"the shift was not measured: {why}")
        return []
    found = []
    for number, name in enumerate(across.tested_in(run.corpus)):
        arms = Arms(run, sweep, name)
        if why := arms.why_not:
            tell(f"the shift to {name} was not measured: {why}")
            continue
        ours = Sweep(
            arms.plan,
            (arms.system,),
            run.settings.bag(run.task, (arms.system,)),
            run.settings.pretrain,
            run.out / FOLDER / str(number),
            full_draws=run.settings.few_draws,
        )
        run_sweep(ours, workers=workers, progress=progress)
        found.append(arms.shift(ours))
    return found


def _why_not(run: Run) -> str:
    if run.vault:
        return "a vault withholds the truth of the tested speakers"
    if SENTENCE in run.settings.disjoint:
        return "it is made of folds by speaker alone; leave --disjoint out"
    return ""


@dataclass(frozen=True)
class Arms:
    """Who is learned from and tested in each arm of one tested corpus.

    Attributes:
        run: that tested it.
        sweep: of the run.
        tested: name of the corpus.
    """

    run: Run
    sweep: Sweep
    tested: str

    @cached_property
    def system(self) -> str:
        """The one that was asked for, else the recommended one that needs no pre-training."""
        if name := self.run.settings.across.system:
            return name
        hearing = [row for row in self.sweep.rows if row.kind != "floor"] or self.sweep.rows
        at_hand = [row for row in hearing if not row.pretrains]
        recommended = [row for row in at_hand if row.recommended]
        usual = [row for row in at_hand if row.name in USUAL]
        return (recommended or usual or at_hand or hearing)[0].name

    @cached_property
    def own(self) -> Corpus:
        """The tested corpus alone, as the run may use it."""
        return across.only(self.run.corpus, self.tested)

    @cached_property
    def main(self) -> Fold:
        """The run's fold in which it is tested."""
        speakers = set(self.own.table["speaker"])
        return next(fold for fold in self.run.folds if speakers <= set(fold.test_speakers))

    @cached_property
    def inside(self) -> list[Fold]:
        """Folds of the tested corpus's speakers, of whom the others alone are learned from."""
        n_folds = min(self.run.settings.folds, self.own.table["speaker"].nunique())
        folds = speaker_folds(self.own, n_folds, self.run.settings.seed, self.run.task)
        return [self._alone(fold, self._outside([self.tested])) for fold in folds]

    @cached_property
    def mixed(self) -> list[Fold]:
        """The same with everybody whom the run learned from."""
        taught = across.taught_in(self.run.corpus, self.tested)
        outside = self._outside([self.tested, *taught])
        return [
            replace(
                fold,
                index=fold.index + len(self.inside),
                train_speakers=tuple(sorted({*fold.train_speakers, *self.main.train_speakers})),
                unused=outside,
            )
            for fold in self.inside
        ]

    @cached_property
    def budgets(self) -> tuple[int, ...]:
        """Of the run, those that training inside can be given too."""
        return tuple(b for b in sorted(self.run.draws.budgets) if self._can(b))

    @cached_property
    def back(self) -> tuple[int, ...]:
        """Numbers of the tested corpus's labels that are added."""
        return tuple(m for m in self.run.settings.across.back if self._can(m))

    @property
    def at(self) -> int:
        """The number of labels of the run that others are added to."""
        return self.budgets[-1]

    @property
    def why_not(self) -> str:
        """Why there is no shift to be measured; "" where there is."""
        if self.own.table["speaker"].nunique() < 2:
            return "it has one speaker with labels, so that nothing can be trained inside it"
        if not self.budgets:
            return (
                f"its speakers but those tested have {self._most} labels at least, fewer than any "
                "of the budgets: take smaller ones with --budgets"
            )
        return ""

    @cached_property
    def plan(self) -> Plan:
        """Every fit of the arms that the run has not made."""
        run, folds = self.run, [*self.inside, *self.mixed]
        others = [corpus for corpus, _ in run.unlabelled]
        tables = [table for _, table in run.unlabelled]
        transductive = run.settings.transductive
        empty = run.data.plan(
            [(f, pool(run.corpus, others, f, transductive=transductive), tables) for f in folds],
            Draws(()),
            shape=run.settings.encoder,
            seed=run.settings.seed,
        )
        return replace(empty, cells=tuple(self._cells()))

    def shift(self, sweep: Sweep) -> Shift:
        """What the finished fits show."""
        run, table = self.run, self.own.table.set_index("utterance")
        names = [n for n in self.sweep.plan.folds[self.main.index].test if n in table.index]
        rows = table.loc[names]
        label = next(row.label for row in self.sweep.rows if row.name == self.system)
        taught = " + ".join(across.taught_in(run.corpus, self.tested))
        return measure(
            dict(self._predictions(sweep, names)),
            Asked(
                run.task,
                np.stack([self.sweep.plan.truth[name] for name in names]),
                tuple(rows["speaker"]),
                tuple(None if pd.isna(sex) else str(sex) for sex in rows["sex"]),
                run.settings.replicates,
            ),
            Names(taught, self.tested, label),
            at=self.at,
        )

    def _cells(self) -> Iterator[Cell]:
        given = self._given_across()
        for fold, mixed in zip(self.inside, self.mixed, strict=True):
            for draw in range(self.run.draws.n_draws):
                labels = {n: self._draw(fold, n, draw) for n in sorted({*self.budgets, *self.back})}
                for n, of_n in labels.items():
                    yield Cell(fold.index, draw, n, of_n)
                for m in (0, *self.back):
                    both = _together(given[draw], labels[m]) if m else given[draw]
                    yield Cell(mixed.index, draw, self.at + m, both)

    def _given_across(self) -> dict[int, LabelDraw]:
        """The labels of the run with ``at`` of them, by draw."""
        return {
            cell.draw: cell.labels
            for cell in self.sweep.plan.cells
            if (cell.fold, cell.budget) == (self.main.index, self.at)
        }

    def _predictions(self, sweep: Sweep, names: Sequence[str]) -> Iterator[tuple[Key, np.ndarray]]:
        """(n_draws, n_rows, n_outputs) by arm and number of labels; mixed by the labels added."""
        n_inside = len(self.inside)
        inside = [cell for cell in sweep.plan.cells if cell.fold < n_inside]
        mixed = [cell for cell in sweep.plan.cells if cell.fold >= n_inside]
        main = [
            cell
            for cell in self.sweep.plan.cells
            if cell.fold == self.main.index and cell.budget in self.budgets
        ]
        parts = ((INSIDE, sweep, inside, 0), (ACROSS, self.sweep, main, 0))
        for arm, of_arm, cells, less in (*parts, (MIXED, sweep, mixed, self.at)):
            fitted = {
                budget
                for budget in sorted({cell.budget for cell in cells})
                if self.system in {row.name for row in of_arm.rows_with(budget)}
            }
            for budget in sorted(fitted):
                yield (arm, budget - less), self._of(of_arm, cells, budget, names)

    def _of(
        self, sweep: Sweep, cells: Sequence[Cell], budget: int, names: Sequence[str]
    ) -> np.ndarray:
        draws: dict[int, dict[str, np.ndarray]] = {}
        theirs = {cell.name for cell in sweep.cells_of(self.system, budget)}
        for cell in (cell for cell in cells if cell.name in theirs):
            test = sweep.plan.folds[cell.fold].test
            values = sweep.fit(self.system, cell).values
            draws.setdefault(cell.draw, {}).update(zip(test, values, strict=True))
        return np.stack([np.stack([draws[draw][name] for name in names]) for draw in sorted(draws)])

    def _alone(self, fold: Fold, outside: frozenset[str]) -> Fold:
        rows = self.own.table
        tested = rows["utterance"][rows["speaker"].isin(fold.test_speakers)]
        return replace(fold, tested=frozenset(tested), unused=outside)

    def _outside(self, names: Sequence[str]) -> frozenset[str]:
        """Utterances of corpora that are neither learned from nor tested in an arm."""
        table = self.run.corpus.table
        return frozenset(table["utterance"][~table[across.MEMBER].isin(names)])

    def _draw(self, fold: Fold, budget: int, draw: int) -> LabelDraw:
        settings, data = self.run.settings, self.run.data
        return draw_labels(
            data.learned_from(fold),
            fold,
            budget=budget,
            draw=draw,
            seed=settings.seed,
            task=self.run.task,
        )

    @property
    def _most(self) -> int:
        """How many labels every fold inside has."""
        data, task = self.run.data, self.run.task
        return min(largest_budget(data.learned_from(f), f, task) for f in self.inside)

    def _can(self, budget: int) -> bool:
        """Whether every fold inside can be given so many labels."""
        try:
            for fold in self.inside:
                self._draw(fold, budget, 0)
        except UndertoneError:
            return False
        return True


def _together(one: LabelDraw, other: LabelDraw) -> LabelDraw:
    return LabelDraw([*one.train, *other.train], [*one.validation, *other.validation])
