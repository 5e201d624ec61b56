"""A learning curve whose corpora are read: its folds, draws, plan, and what its report shows.

In:  one labelled corpus, any number of unlabelled ones, settings, the folder of the run.
Out: ``Run``; ``open_run`` refuses what cannot be met before anything is computed.

A corpus with official folds is tested on them: labels are drawn from its training part, encoders
are pre-trained on it, and its validation part is not used, because whatever is chosen is chosen
inside the label budget.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from shlex import quote

import numpy as np
import pandas as pd

from undertone import config, corpora
from undertone.corpora import across, emobox
from undertone.corpora.audit import Finding, audit_fold, check, refuse
from undertone.corpora.corpus import Corpus
from undertone.corpora.disjoint import SENTENCE, Parting, describe
from undertone.corpora.folds import Fold, draw_labels, largest_budget
from undertone.corpora.official import folds_of, parts_of
from undertone.corpora.pool import Pool, pool
from undertone.corpora.skew import parse_skew, skewed
from undertone.errors import tell
from undertone.evaluation.apart import ceilings_apart, trace_apart
from undertone.evaluation.ceiling import Ceiling
from undertone.evaluation.curves import Curves, Key
from undertone.evaluation.predictions import Tested, results_table
from undertone.evaluation.report.paper import Paper
from undertone.evaluation.report.result import Adapted, Compared, CurveResult, Source
from undertone.evaluation.vault import Looked, Vault, look_at_curves
from undertone.experiment import folder, next_step
from undertone.experiment.distilling import refuse_heard
from undertone.experiment.heard import chosen_on_tested, encoders_of, teacher_note
from undertone.experiment.opened import (
    BY_VIDEO,
    as_named_at_home,
    of_vault,
    open_corpora,
    role_of,
    with_absolute_paths,
)
from undertone.experiment.pool_notes import (
    contrasts_at_work,
    crowd_notes,
    few_draws_note,
    how_drawn,
    self_training_lines,
    untested_note,
)
from undertone.experiment.pretrained import pretraining_table, unbeaten
from undertone.experiment.settings import ALL, CurveSettings
from undertone.experiment.stored import Sweep, layer_notes
from undertone.experiment.word_notes import word_notes
from undertone.features.store import FrameTable
from undertone.features.upstream.source import Upstream
from undertone.pipeline import Resources
from undertone.reading import (
    Guard,
    check_encoders,
    read_data,
    settle,
    tell_findings,
    tell_of_encoders,
    with_copies,
    without_frames,
)
from undertone.systems.plan import Data, Draws, Plan
from undertone.systems.settings import learn_from_copies
from undertone.systems.table import (
    SIMPLEST_FIRST,
    pairs_among,
    read_frames_of_encoder,
    systems_of,
)
from undertone.tasks import Task


def open_run(
    settings: CurveSettings,
    out: Path | str,
    resources: Resources,
    *,
    held: Callable[[CurveSettings], object] = lambda settled: settled,
    frames: bool | None = None,
) -> "Run":
    """Read the corpora and their frames; nothing is trained and nothing written to the folder.

    Args:
        settings: of the run.
        out: its folder.
        resources: of the machine.
        held: the settings, once all is settled, to those that the folder holds.
        frames: whether an encoder's frames are read, and not only means over time; by default as
            the systems of the settings say.

    Raises:
        UndertoneError: as ``curve``.
    """
    settings = with_absolute_paths(settings)
    opened, vault = open_corpora(settings)
    task, features = settle(opened, settings.task, settings.features)
    task = vault.as_task(task) if vault and not opened.members else task
    settings = settings.resolved(task, features)
    config.to_toml(settings)  # refuses a path that no settings file can hold
    folder.check(Path(out), held(settings))
    check_encoders(features, settings.teacher)
    if not settings.transductive:
        for tested in [m.corpus for m in opened.members if m.tested] or [opened]:
            refuse_heard(tested, encoders_of(settings))
    frozen = _frozen(opened, vault)
    if vault is None and SENTENCE not in settings.disjoint:
        planned = Run(settings, Path(out), without_frames(opened, task))
        if not settings.picks.asked:  # whose loops end where a pool does
            planned.check_draws()
        if resources.progress:
            tell(planned.outlook())
            tell_of_encoders(opened, features, taught=bool(settings.teacher))
    data = read_data(
        *(opened, features, task, resources),
        teacher=settings.teacher,
        others=[corpora.open(name) for name in settings.unlabelled],
        text=settings.text,
        guard=Guard(settings.allow, settings.disjoint, frozen, settings.transductive),
        frames=read_frames_of_encoder(task, settings.systems) if frames is None else frames,
    )
    rows = systems_of(task)
    if learn_from_copies([rows[name] for name in settings.systems], settings.of_systems):
        data = with_copies(data, features, resources)
    run = Run(settings, Path(out), data, data.others, vault)
    refuse(run.findings, settings.allow)
    tell_findings(run.findings)
    return run


def _frozen(corpus: Corpus, vault: Vault | None) -> tuple[str, ...]:
    """Speakers whose truth a vault withholds, as the corpus names them."""
    if vault is None:
        return ()
    return across.folds(corpus)[0].test_speakers if corpus.members else vault.speakers


@dataclass(frozen=True)
class Run:
    """A run whose corpora are read and whose frames are there."""

    settings: CurveSettings
    out: Path
    data: Data
    unlabelled: tuple[tuple[Corpus, FrameTable], ...] = ()
    vault: Vault | None = None

    @property
    def task(self) -> Task:
        return self.data.task

    @property
    def corpus(self) -> Corpus:
        return self.data.corpus

    @cached_property
    def folds(self) -> list[Fold]:
        """Of speakers, or of speakers and sentences."""
        settings, folds = self.settings, self._folds_of_speakers
        if SENTENCE not in settings.disjoint:
            return folds
        return Parting(self.corpus, self.task, settings.folds, settings.seed).part(folds)

    @property
    def _folds_of_speakers(self) -> list[Fold]:
        if self.corpus.members:
            return across.folds(self.corpus)
        if self.vault:
            return [self.vault.fold(self.corpus)]
        if self.settings.fold_files:
            return emobox.disjoint_folds(Path(self.settings.fold_files), self.corpus)
        return folds_of(self.corpus, self.settings.folds, self.settings.seed, self.task)

    @cached_property
    def draws(self) -> Draws:
        """Numbers of labels; all of them by the number of the fold that has the most."""
        wanted = self._budgets
        most = max(self._largest) if ALL in wanted else 0
        budgets = (most if budget == ALL else int(budget) for budget in wanted)
        how = self.settings.draw
        return Draws(tuple(dict.fromkeys(budgets)), self.settings.draws, most, how)

    @property
    def _budgets(self) -> tuple[int | str, ...]:
        """Those asked for; of the usual ones those that every fold can give, or all it has."""
        wanted = self.settings.budgets
        if not self.settings.fit_budgets:
            return wanted
        kept = tuple(b for b in wanted if b == ALL or int(b) <= min(self._largest))
        return kept if kept == wanted else tuple(dict.fromkeys([*kept, ALL]))

    @cached_property
    def _largest(self) -> list[int]:
        """The most labels that can be drawn, by fold."""
        return [
            largest_budget(self.data.learned_from(fold), fold, self.task) for fold in self.folds
        ]

    def _budget_note(self) -> Iterator[str]:
        left_out = [str(b) for b in self.settings.budgets if b not in self._budgets]
        if left_out:
            yield (
                f"the training speakers of a fold hold {min(self._largest)} labels or more, up "
                f"to {max(self._largest)}: the usual {' and '.join(left_out)} cannot be drawn, and "
                "all of them are taken instead"
            )

    @cached_property
    def pools(self) -> list[Pool]:
        others = [corpus for corpus, _ in self.unlabelled]
        transductive = self.settings.transductive
        pools = [pool(self.corpus, others, fold, transductive=transductive) for fold in self.folds]
        if not self.settings.skew:
            return pools
        skew, seed = parse_skew(self.settings.skew), self.settings.seed
        return [
            skewed(of_fold, skew, seed=seed, fold=fold.index)
            for fold, of_fold in zip(self.folds, pools, strict=True)
        ]

    def check_draws(self) -> None:
        """Refuse folds and budgets that the corpus cannot give, before its frames are there."""
        for fold in self.folds:
            most = largest_budget(self.corpus, fold, self.task)
            for budget in self.draws.budgets:
                draw_labels(
                    self.corpus,
                    fold,
                    budget=most if budget == self.draws.all_labels else budget,
                    seed=self.settings.seed,
                    task=self.task,
                    how=self.settings.draw,
                )

    def outlook(self) -> str:
        """How much there is to do."""
        of_corpus = (self.task, self.corpus.name, len(self.folds), self.draws.budgets)
        return self.settings.outlook(*of_corpus)

    @cached_property
    def findings(self) -> list[Finding]:
        """What the audit of the data found."""
        return check(
            self.corpus,
            self.data.frames.contents,
            unlabelled=[corpus for corpus, _ in self.unlabelled],
            folds=self.folds,
            features=self.settings.features,
        )

    def plan(self) -> Plan:
        """Which labels each fit sees and which utterances it predicts."""
        others = [table for _, table in self.unlabelled]
        return self.data.plan(
            [(fold, of_fold, others) for fold, of_fold in zip(self.folds, self.pools, strict=True)],
            Draws(()) if self.settings.picks.asked else self.draws,  # loops draw labels as they go
            shape=self.settings.encoder,
            seed=self.settings.seed,
            hears_audio=any(systems_of(self.task)[n].hears_audio for n in self.settings.systems),
        )

    def sweep(self, plan: Plan) -> Sweep:
        """The plan with the systems of the settings."""
        systems = self.settings.systems
        bag = self.settings.bag(self.task, systems)
        voiced = self.settings.voiced(self.task)
        own = tuple(row for row in systems_of(self.task).values() if row.stands_alone)
        parts, few = (plan, systems, bag, self.settings.pretrain, self.out), self.settings.few_draws
        return Sweep(*parts, own=own, voiced=voiced, full_draws=few)

    def predictions(
        self, sweep: Sweep, systems: Sequence[str] | None = None, *, draws: int | None = None
    ) -> dict[Key, np.ndarray]:
        """(n_draws, n_tested, n_outputs) by system and budget, fold by fold as in ``tested``.

        Args:
            sweep: whose fits are there.
            systems: names; by default all.
            draws: the first so many; by default all that a system has.
        """
        names = sweep.systems if systems is None else systems
        return {
            (system, budget): np.stack(values)
            for system in names
            for budget in sorted(self.draws.budgets)
            if (values := sweep.predictions(system, budget, draws))
        }

    def tested(self, plan: Plan) -> Tested:
        """Every test utterance, fold by fold."""
        names = [(name, number) for number, fold in plan.folds.items() for name in fold.test]
        utterances, corpus = tuple(name for name, _ in names), self.corpus
        parts = across.parts_of(corpus) if corpus.members else parts_of(corpus)
        return Tested(
            task=self.task,
            utterances=utterances,
            speakers=tuple(plan.speaker[name] for name in utterances),
            truth=np.stack([plan.truth[name] for name in utterances]),
            folds=tuple(number for _, number in names),
            unit=self.corpus.unit,
            parts=tuple(parts[name] for name in utterances) if parts else (),
        )

    def adapted(
        self, sweep: Sweep, known: Mapping[Key, np.ndarray], tested: Tested, workers: int
    ) -> tuple[Adapted, dict[Key, np.ndarray]]:
        """What listened to the tested voices, beside the same fits that did not (``known``)."""
        heard = self.predictions(sweep, [row.name for row in sweep.voiced])
        without = {row.of for row in sweep.voiced}
        beside = {key: values for key, values in known.items() if key[0] in without}
        n_replicates = self.settings.replicates
        curves = trace_apart(beside | heard, tested, n_replicates=n_replicates, workers=workers)
        return Adapted(sweep.voiced, {row.name: row.of for row in sweep.voiced}, curves), heard

    def score(
        self,
        predictions: Mapping[Key, np.ndarray],
        tested: Tested,
        workers: int,
        advance: Callable[[int], None],
    ) -> tuple[dict[str, Curves], pd.DataFrame, Looked | None]:
        """Curves by test part and the table of results; whoever holds a vault's truth scores it."""
        n_replicates = self.settings.replicates
        if self.vault is None:
            curves = trace_apart(
                predictions,
                tested,
                n_replicates=n_replicates,
                workers=workers,
                advance=lambda: advance(1),
            )
            first = next(iter(curves.values()))
            return curves, results_table(predictions, tested, first), None
        curves, table, looked = look_at_curves(
            self.vault,
            of_vault(self.settings),
            f"curve\n{config.to_toml(self.settings)}",
            tested=as_named_at_home(self.corpus, tested),
            predictions=predictions,
            n_replicates=n_replicates,
        )
        advance(len(predictions) * len(curves))
        return curves, table, looked

    def result(
        self,
        sweep: Sweep,
        curves: Mapping[str, Curves],
        seconds: dict[str, float],
        paper: Paper | None = None,
        *,
        compared: tuple[Compared, ...] | None = None,
    ) -> CurveResult:
        """What the report shows of a finished run, whose curves are given by test part.

        Args:
            sweep: its fits.
            curves: scores.
            seconds: by stage.
            paper: that is reproduced.
            compared: what the curves compare, where these are not the systems of the sweep.
        """
        settings = self.settings
        (part, first), *others = curves.items()
        command = paper.command if paper else "undertone curve"
        found = {fold: sweep.read_pretraining(fold) for fold in sweep.plan.folds}
        pretrainings = {fold: done for fold, done in found.items() if done is not None}
        findings = [what for f in self.folds for what in audit_fold(self.corpus, f).findings()]
        encoders = self.encoders
        return CurveResult(
            title=paper.title if paper else f"Learning curve of {self._name}",
            sources=tuple(self._sources()),
            curves=first,
            part=part,
            elsewhere=dict(others),
            systems=compared or tuple(row for row in sweep.rows if first.budgets_of(row.name)),
            pairs=pairs_among(sweep.systems),
            contrasts=tuple(contrasts_at_work(sweep)),
            remarks=tuple(self_training_lines(sweep, first)),
            n_draws=settings.draws,
            folds=tuple(fold.test_speakers for fold in self.folds),
            fold_names=tuple(fold.name for fold in self.folds),
            ceilings=self._ceilings(sweep.plan),
            left_out=self._left_out(),
            settings=config.to_toml(settings),
            seeds={"run": settings.seed, "bootstrap": 0},
            versions=folder.versions(),
            command=f"{command} --config {quote(str(self.out / folder.SETTINGS))} --out FOLDER",
            training=next_step.commands(settings, sweep.rows),
            pretraining=pretraining_table(pretrainings),
            seconds=seconds,
            warnings=(
                *filter(None, [self.task.caveat]),
                *dict.fromkeys([*findings, *chosen_on_tested(encoders, self.corpus, self.folds)]),
                *unbeaten(pretrainings),
            ),
            audit=tuple(self.findings),
            transductive=settings.transductive,
            notes=(
                *(
                    f"{corpus.name}: {note}"
                    for corpus in [self.corpus, *(corpus for corpus, _ in self.unlabelled)]
                    for note in corpus.notes
                ),
                *self._across_note(),
                *self._budget_note(),
                *([BY_VIDEO] if self.corpus.unit == "video" else []),
                *filter(None, [describe(self.folds, self.corpus, self.task)]),
                *layer_notes(sweep),
                *teacher_note(settings),
                *how_drawn(
                    sweep.plan, "" if settings.picks.asked else settings.draw, settings.skew
                ),
                *crowd_notes(sweep),
                *few_draws_note(sweep, settings.draws),
                *untested_note(sweep),
                *word_notes(sweep, self.data, self.folds),
            ),
            paper=paper,
            unit=self.corpus.unit,
            simplest_first=SIMPLEST_FIRST,
        )

    def _ceilings(self, plan: Plan) -> dict[str, tuple[Ceiling, ...]]:
        """What one rater scores; a vault does not tell what its raters heard."""
        if self.vault or self.corpus.members:
            return {}
        return ceilings_apart(self.corpus, self.tested(plan), self.settings.replicates)

    @property
    def encoders(self) -> list[Upstream]:
        """Pre-trained ones that are heard: of the frames, and of the teacher."""
        return encoders_of(self.settings)

    @property
    def _name(self) -> str:
        """Of the corpus, or of all and what was done with them."""
        if not self.corpus.members:
            return self.corpus.name
        if self.settings.across.each:
            return f"{self.corpus.name}, each tested by the others"
        taught, tested = self.corpus.name.split(" → ")
        return f"{taught}, tested on {tested}"

    def _across_note(self) -> Iterator[str]:
        if self.corpus.members:
            yield across.note(self.corpus, transductive=self.settings.transductive)

    def _sources(self) -> Iterator[Source]:
        """Corpora with what was done with them; of joined ones each by itself."""
        read = [(across.only(self.corpus, m.corpus.name), m) for m in self.corpus.members]
        named = [(replace(part, name=m.corpus.name), m) for part, m in read]
        roles = [
            *([(part, role_of(m)) for part, m in named] or [(self.corpus, "labelled")]),
            *((corpus, "unlabelled pool") for corpus, _ in self.unlabelled),
        ]
        for corpus, role in roles:
            own = next((m.corpus for _, m in named if m.corpus.name == corpus.name), corpus)
            yield Source(
                name=corpus.name,
                role=role,
                licence=own.licence,
                citation=own.citation,
                synthetic=own.synthetic,
                n_utterances=len(corpus),
                n_speakers=len(corpus.speakers),
            )

    def _left_out(self) -> pd.DataFrame:
        """One row a corpus and reason; a pool's exclusions are counted over the folds."""
        rows = [
            (corpus.name, reason, count)
            for corpus in [self.corpus, *(corpus for corpus, _ in self.unlabelled)]
            for reason, count in corpus.reasons().items()
        ]
        counts = Counter(
            (part.corpus.name, f"from the pool: {reason}")
            for of_fold in self.pools
            for part in of_fold.parts
            for reason in part.left_out.values()
        )
        rows += [(name, f"{why} (sum over folds)", n) for (name, why), n in counts.items()]
        return pd.DataFrame(rows, columns=["corpus", "reason", "utterances"])
