"""How many layers of an encoder are worth keeping, asked of training speakers alone.

In:  an encoder, a labelled corpus, budgets.
Out: the smallest number of layers whose loss against the whole encoder cannot be more than a
     margin: the interval of the paired difference in the task's headline lies above it at every
     budget; and on whose labels that was found.

Speakers of the corpus are cross-validated against each other; of a corpus with official folds these
are its training speakers. Whoever evaluates the smaller encoder must test on others: the choice has
seen the labels of all these. Nothing is cut to ask: the states of a cut encoder are those of the
whole one (``features.upstream.shrink``), and layers weigh what they weigh in the whole.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from undertone import corpora
from undertone.config import check_ranges, check_types
from undertone.corpora.audit import refuse
from undertone.corpora.audit.checks import speakers
from undertone.corpora.audit.copies import contents_of, identical
from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import draw_labels, speaker_folds
from undertone.corpora.official import TRAIN, is_tested
from undertone.corpora.pool import pool
from undertone.errors import UndertoneError, describe_some
from undertone.evaluation.curves import Curves, Key, trace
from undertone.evaluation.estimate import Estimate
from undertone.features.upstream.cut import Chosen
from undertone.features.upstream.shrink import find_whole
from undertone.models.encoder import EncoderConfig
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.reading import read_data, settle, without_frames
from undertone.systems.layers import Layers
from undertone.systems.plan import Cell, Data, Draws, Plan
from undertone.systems.settings import bag_of
from undertone.systems.table import ENCODER, System, advised, read_frames_of_encoder, systems_of
from undertone.tasks import Task
from undertone.training.normalise import unchanged

WHOLE = "whole"
FITTING = "fits"


@dataclass(frozen=True)
class KeepSettings:
    """Settings of the choice."""

    budgets: tuple[int, ...] = (20, 100)  # numbers of labels; at each of them the margin must hold
    draws: int = 10
    folds: int = 5
    margin: float = 0.02  # of the headline that may be lost
    speakers: tuple[str, ...] = ()  # whose labels choose; by default all training speakers
    task: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        if not self.budgets or min(self.budgets) < 2:
            raise UndertoneError(f"budgets are numbers of labels from 2 on, found {self.budgets}")
        check_ranges(self, draws=(1, math.inf), folds=(2, math.inf), margin=(0, 1), seed=(0, 2**62))


@dataclass(frozen=True)
class Kept:
    """What was found.

    Attributes:
        layers: transformer layers that are worth keeping.
        chosen: on whose labels that was found.
        rows: by number of layers that was tried, the gain over the whole encoder at each budget.
        metric: in which.
    """

    layers: int
    chosen: Chosen
    rows: dict[int, tuple[Estimate, ...]] = field(default_factory=dict)
    metric: str = ""


def choose_layers(encoder: str, corpus: str, settings: KeepSettings, resources: Resources) -> Kept:
    """The smallest number of layers that loses less than the margin.

    Raises:
        UndertoneError: fewer layers lose more, or may; or the corpus cannot be read.
    """
    source = find_whole(encoder)
    opened = _training_part(corpora.open(corpus), settings.speakers)
    task, features = settle(opened, settings.task, f"upstream:{source.folder}@all")
    check_labels(opened, task, settings)
    system = advised(task, ENCODER, pretrained=False)
    frames = read_frames_of_encoder(task, [system])
    data = read_data(opened, features, task, resources, frames=frames)
    trial, rows = Trial(data, settings), {}
    sizes = range(1, source.n_layers - 1)
    with Progress(shown=resources.progress) as progress:
        progress.add(FITTING, (1 + len(sizes)) * len(trial.plan.cells))
        tell = lambda: progress.advance(FITTING)  # noqa: E731
        whole = trial.predict(source.n_layers - 1, tell)
        for layers in sizes:
            rows[layers] = trial.gains(trial.predict(layers, tell), whole)
            if all(gain.has_interval and gain.low > -settings.margin for gain in rows[layers]):
                chosen = Chosen(
                    data.corpus.name, data.corpus.speakers, settings.budgets, settings.margin
                )
                return Kept(layers, chosen, rows, task.metrics[task.headline].label)
    raise UndertoneError(
        f"no smaller number of layers is known to lose less than {settings.margin:g} of "
        f"{task.metrics[task.headline].label} on {len(data.corpus.speakers)} "
        f"{data.corpus.unit}s{_closest(rows)}: give --layers K, more --draws, or a larger --margin"
    )


def check_labels(corpus: Corpus, task: Task, settings: KeepSettings) -> None:
    """Refuse names, folds and budgets that a corpus cannot give, before its frames are there.

    Raises:
        UndertoneError: too few speakers, or labels; or one of them under several names.
    """
    refuse([*speakers(corpus), *identical(corpus, contents_of(corpus))])
    labelled = without_frames(corpus, task).corpus
    for fold in speaker_folds(labelled, settings.folds, settings.seed, task):
        for budget in settings.budgets:
            draw_labels(labelled, fold, budget=budget, seed=settings.seed, task=task)


def _closest(rows: dict[int, tuple[Estimate, ...]]) -> str:
    if not rows:
        return ""
    last = max(rows)
    gains = ", ".join(gain.signed() for gain in rows[last])
    return f" (with {last} layers: {gains})"


def _training_part(corpus: Corpus, speakers: tuple[str, ...]) -> Corpus:
    """The utterances of speakers whose labels may choose; the others are counted."""
    rows = corpus.table
    if unknown := set(speakers) - set(corpus.speakers):
        raise UndertoneError(
            f"{corpus.name} has no speaker {describe_some(sorted(unknown))}; it has "
            f"{describe_some(corpus.speakers, 10)}"
        )
    out = rows["speaker"].isna()
    if speakers:
        out |= ~rows["speaker"].isin(speakers)
    if corpus.official_folds:  # whoever is tested there chooses nothing here
        tested = set(rows["speaker"][is_tested(corpus)].dropna())
        out |= (rows["split"] != TRAIN) | rows["speaker"].isin(tested)
    kept = corpus.drop(dict.fromkeys(rows["utterance"][out], "no speaker to choose layers on"))
    return replace(kept, official_folds=False)


class Trial:
    """The same labels, folds and test speakers for any number of layers."""

    def __init__(self, data: Data, settings: KeepSettings) -> None:
        self.data, self.settings, task = data, settings, data.task
        self.row: System = systems_of(task)[advised(task, ENCODER, pretrained=False)]
        self.own: Any = self.row.own(bag_of(task, (self.row.name,), {}))
        folds = speaker_folds(data.corpus, settings.folds, settings.seed, task)
        self.plan: Plan = data.plan(
            [(fold, pool(data.corpus, [], fold), []) for fold in folds],
            Draws(settings.budgets, settings.draws),
            shape=EncoderConfig(),
            seed=settings.seed,
        )

    def predict(self, layers: int, tell: Callable[[], None]) -> dict[int, np.ndarray]:
        """(n_draws, n_rows, n_outputs) by budget, of the first so many transformer layers."""
        assert isinstance(self.data.layers, Layers), "an encoder has layers"
        cut = replace(self.data.layers, candidates=range(layers + 1))
        plan, found = replace(self.plan, layers=cut), dict[tuple[int, int], list[np.ndarray]]()
        for cell in plan.cells:  # fold by fold
            found.setdefault((cell.budget, cell.draw), []).append(self._fit(plan, cell))
            tell()
        return {
            budget: np.stack(
                [np.concatenate(found[budget, draw]) for draw in range(self.settings.draws)]
            )
            for budget in self.settings.budgets
        }

    def _fit(self, plan: Plan, cell: Cell) -> np.ndarray:
        normaliser = unchanged(len(plan.frames.columns), stride=plan.shape.stride)
        problem = plan.problem(cell, plan.material(cell.fold, normaliser))
        return self.row.fit(problem, self.own).predict(problem.material, problem.test)

    def gains(
        self, cut: dict[int, np.ndarray], whole: dict[int, np.ndarray]
    ) -> tuple[Estimate, ...]:
        """Over the whole encoder, paired, at each budget."""
        predictions: dict[Key, np.ndarray] = {("cut", b): values for b, values in cut.items()}
        predictions |= {(WHOLE, b): values for b, values in whole.items()}
        curves = self._trace(predictions)
        return tuple(curves.gain("cut", WHOLE, budget=b) for b in self.settings.budgets)

    def scores(self, by_label: dict[str, dict[int, np.ndarray]]) -> dict[str, list[Estimate]]:
        """The headline of each at each budget."""
        curves = self._trace(
            {(label, b): values for label, of in by_label.items() for b, values in of.items()}
        )
        return {
            label: [curves.estimate(label, b) for b in self.settings.budgets] for label in by_label
        }

    def _trace(self, predictions: dict[Key, np.ndarray]) -> Curves:
        tested = [name for fold in self.plan.folds.values() for name in fold.test]
        return trace(
            predictions,
            task=self.data.task,
            truth=np.stack([self.plan.truth[name] for name in tested]),
            speakers=[self.plan.speaker[name] for name in tested],
        )


def table_of(kept: Kept) -> Iterator[tuple[str, ...]]:
    """A row for each number of layers that was tried."""
    for layers, gains in kept.rows.items():
        yield (f"{layers}", *(gain.signed() for gain in gains))
