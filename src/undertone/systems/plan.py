"""Who is in which pool: the whole of a comparison, before anything is fitted.

In:  a corpus with its frames, folds, what each fold's pool holds, draws of labels.
Out: ``Plan``; of one of its cells the ``Problem`` that a system is given.

A curve and ``finetune`` make the same plan, so that what holds of one holds of the other: in every
fold no utterance of a test speaker is in the pool (unless that was asked for by name), the crowd,
the labels, or the truth that a system sees, and every test utterance is of a test speaker.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import Fold, draw_labels, largest_budget
from undertone.corpora.pool import SKEWED, Pool
from undertone.corpora.ratings import SHARE
from undertone.corpora.sentences import said_on_both_sides
from undertone.errors import UndertoneError
from undertone.features.copies import Copied
from undertone.features.store import FrameTable, recordings_of
from undertone.features.workers import Recording
from undertone.models.encoder import Encoder, EncoderConfig
from undertone.systems.layers import Layers
from undertone.systems.problem import PRETRAINED, Material, Problem
from undertone.systems.words import Words
from undertone.tasks import CHOICE, Task
from undertone.tasks.draws import BALANCED, LabelDraw
from undertone.training.normalise import Normaliser, fill_memory
from undertone.training.seeds import seed_of

LEAST_LEFT = 0.5  # of a fold's labelled training utterances, without sentences of its test
SAID_IN_TEST = "says a sentence of the test: with words it may not be learned from"
Described = dict[tuple[str, str], np.ndarray]
BATCH = 32  # utterances that go through an encoder together


@dataclass(frozen=True)
class Cell:
    """One draw of labels in one fold: every system sees the same.

    Attributes:
        fold: number.
        draw: number.
        budget: under which the cell stands; of all labels the number of the fold with the most.
        labels: the utterances.
    """

    fold: int
    draw: int
    budget: int
    labels: LabelDraw

    @property
    def name(self) -> str:
        """Unique within a run."""
        return f"budget{self.budget:05d}-draw{self.draw:03d}-fold{self.fold:02d}"


@dataclass(frozen=True)
class FoldPlan:
    """Who is tested in a fold, and what may be learned from without labels.

    Attributes:
        test: utterances to predict.
        pool: (frame table, utterances) of each corpus; the labelled one first.
        voices: of each utterance of the pool whose it is; None where unknown.
        crowd: speaker by utterance, of the labelled corpus's training speakers.
        elsewhere: speaker by utterance, of the pool's other corpora that a teacher may guess; names
            are those of ``prefix_of``.
    """

    test: tuple[str, ...]
    pool: tuple[tuple[FrameTable, tuple[str, ...]], ...]
    voices: tuple[str | None, ...]
    crowd: Mapping[str, str]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def frames(self) -> Iterator[np.ndarray]:
        """Of the pool, an utterance at a time."""
        for table, utterances in self.pool:
            for utterance in utterances:
                yield np.asarray(table.frames(utterance))


@dataclass(frozen=True)
class Plan:
    """All that is needed to fit and predict.

    Attributes:
        task: what is predicted.
        frames: of the labelled corpus.
        layers: of a pre-trained encoder, where the frames are its.
        teacher: all layers of an encoder that teaches, where one does.
        truth: (n_outputs,) of each labelled utterance.
        speaker: of each labelled utterance.
        folds: by number.
        cells: the draws of labels.
        shape: of the encoders.
        seed: names all randomness.
        words: of the transcripts, where they are to be used.
        copies: of utterances, which differ from them by the recording alone, where they are used.
        shares: (n_outputs,) of labels in which several emotions have a part, where that is learned
            from; what is tested is held against ``truth`` alone.
        described: vectors that depend on frames alone, made once for all folds.
        recordings: of utterances, where a system hears them.
    """

    task: Task
    frames: FrameTable
    layers: Layers | None
    truth: Mapping[str, np.ndarray]
    speaker: Mapping[str, str]
    folds: Mapping[int, FoldPlan]
    cells: tuple[Cell, ...]
    shape: EncoderConfig
    seed: int
    teacher: Layers | None = None
    words: Words | None = None
    copies: Copied | None = None
    shares: Mapping[str, np.ndarray] = field(default_factory=dict)
    described: Described = field(default_factory=dict, repr=False, compare=False)
    recordings: Mapping[str, Recording] = field(default_factory=dict, repr=False)

    def digest(self) -> str:
        """What the fits depend on beside the settings: truth, speakers, content of the audio."""
        contents = [
            (name, table.keys.get(name))
            for fold in self.folds.values()
            for table, utterances in (
                *fold.pool,
                (self.frames, (*fold.test, *fold.crowd)),  # which no pool need hold
            )
            for name in utterances
        ]
        if self.teacher is not None:
            contents += sorted(self.teacher.table.keys.items())
        truth = sorted((name, tuple(values)) for name, values in self.truth.items())
        tests = [(number, fold.test) for number, fold in self.folds.items()]
        parts: tuple[object, ...] = (
            self.task,
            truth,
            sorted(self.speaker.items()),
            contents,
            tests,
        )
        if self.words is not None:
            parts += (self.words.digest,)
        if self.copies is not None:
            parts += (sorted(self.copies.table.keys.items()),)
        if self.shares:
            parts += (sorted((name, tuple(part)) for name, part in self.shares.items()),)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def material(
        self, fold: int, normaliser: Normaliser, pretrained: Encoder | None = None
    ) -> Material:
        """What a fold offers to all its cells."""
        copies = self.copies
        return Material(
            frames=self.frames.frames if copies is None else self._frames_or_copy,
            columns=self.frames.columns,
            normaliser=normaliser,
            shape=self.shape,
            encoders={} if pretrained is None else {PRETRAINED: pretrained},
            seed=seed_of(self.seed, "fold", fold),
            crowd=self.folds[fold].crowd,
            lazy=fill_memory([(self.frames, self.frames.utterances)], normaliser),
            frames_per_second=self.frames.frames_per_second,
            layers=self.layers,
            teacher=self.teacher,
            elsewhere=self.folds[fold].elsewhere,
            words=self.words,
            recordings=self.recordings,
            copies={} if copies is None else copies.of,
            described=self.described,
            together=_of_like_length(self.frames.lengths)
            | ({} if copies is None else _of_like_length(copies.table.lengths)),
        )

    def _frames_or_copy(self, name: str) -> np.ndarray:
        """(n_frames, n_features) of an utterance or of a copy."""
        assert self.copies is not None
        table = self.copies.table if name in self.copies.table.source else self.frames
        return table.frames(name)

    def problem(self, cell: Cell, material: Material) -> Problem:
        """What every system is given in a cell: the labels of its budget and no others."""
        seen = cell.labels.utterances
        return Problem(
            material=_hearing(material, {name: self.speaker[name] for name in seen}),
            task=self.task,
            labels=cell.labels,
            test=list(self.folds[cell.fold].test),
            truth={name: self.truth[name] for name in seen},
            speaker={name: self.speaker[name] for name in seen},
            seed=seed_of(self.seed, cell.name),
            shares={name: self.shares[name] for name in seen if name in self.shares},
        )


def _hearing(material: Material, labelled: Mapping[str, str]) -> Material:
    """The same, whose crowd holds the labelled utterances, from a lopsided pool or not."""
    if material is None or labelled.keys() <= material.crowd.keys():
        return material
    return replace(material, crowd={**material.crowd, **labelled})


def _of_like_length(lengths: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """By utterance a batch of those of like length, itself among them."""
    order = sorted(lengths, key=lambda name: (lengths[name], name))
    batches = [tuple(order[i : i + BATCH]) for i in range(0, len(order), BATCH)]
    return {name: batch for batch in batches for name in batch}


def prefix_of(number: int, corpus: Corpus) -> str:
    """Of the utterances of an unlabelled corpus, where they stand beside those of the labelled."""
    return f"{number} {corpus.name} "


def shares_of(corpus: Corpus, task: Task) -> dict[str, np.ndarray]:
    """(n_outputs,) by utterance, of those labels of a soft corpus in which emotions are mixed."""
    if not corpus.soft or task.kind != CHOICE:
        return {}
    columns = [f"{SHARE}{name}" for name in task.outputs]
    shares = corpus.table.reindex(columns=columns).fillna(0.0).to_numpy(float)
    whole = shares.sum(axis=1)
    mixed = (whole > 0) & (shares.max(axis=1, initial=0.0) < whole)
    names = corpus.table["utterance"].to_numpy()[mixed]
    return dict(zip(names, shares[mixed] / whole[mixed, None], strict=True))


@dataclass(frozen=True)
class Draws:
    """Which labels are drawn.

    Attributes:
        budgets: numbers of labels; one that stands for all is the number of the fold with the most.
        n_draws: of each budget.
        all_labels: the budget that stands for all; 0 where none does.
        how: balanced over the emotions, or random: of what the fold's pool holds of the corpus.
    """

    budgets: Sequence[int]
    n_draws: int = 1
    all_labels: int = 0
    how: str = BALANCED


@dataclass(frozen=True)
class Data:
    """A corpus whose frames are there.

    Attributes:
        task: what is predicted.
        corpus: every utterance has a label, a known speaker and frames.
        frames: of it, and of utterances without a label.
        layers: of a pre-trained encoder, where the frames are its.
        unlabelled: speaker by utterance, of the corpus's utterances without a label.
        teacher: all layers of an encoder that teaches, where one does.
        others: unlabelled corpora that a teacher may guess, with their frames; the utterances are
            in ``frames``, ``layers`` and ``teacher`` too, behind ``prefix_of``.
        copies: of utterances, which differ from them by the recording alone, where they are used.
        words: of the transcripts, where they are to be used: folds then keep sentences apart, too.
        described: vectors that depend on these frames alone; all plans share them.
    """

    task: Task
    corpus: Corpus
    frames: FrameTable
    layers: Layers | None = None
    unlabelled: Mapping[str, str] = field(default_factory=dict)
    teacher: Layers | None = None
    others: tuple[tuple[Corpus, FrameTable], ...] = ()
    words: Words | None = None
    copies: Copied | None = None
    described: Described = field(default_factory=dict, repr=False, compare=False)

    def plan(
        self,
        folds: Iterable[tuple[Fold, Pool, Sequence[FrameTable]]],
        draws: Draws,
        *,
        shape: EncoderConfig,
        seed: int,
        hears_audio: bool = False,
    ) -> Plan:
        """Which labels each fit sees and which utterances it predicts.

        Args:
            folds: with the pool of each, and the frames of the pool's corpora beside the first.
            draws: of labels, in every fold.
            shape: of the encoders.
            seed: names all randomness.
            hears_audio: whether a system hears the recordings themselves.
        """
        rows, folds = self.corpus.table, list(folds)
        return Plan(
            task=self.task,
            frames=self.frames,
            layers=self.layers,
            truth=dict(zip(rows["utterance"], self.task.truth(rows), strict=True)),
            speaker=dict(zip(rows["utterance"], rows["speaker"], strict=True)),
            folds={fold.index: self._fold(fold, pool, others) for fold, pool, others in folds},
            cells=tuple(self._cells([(fold, pool) for fold, pool, _ in folds], draws, seed)),
            shape=shape,
            seed=seed,
            teacher=self.teacher,
            words=self.words,
            copies=self.copies,
            shares=shares_of(self.corpus, self.task),
            described=self.described,
            recordings=recordings_of(self.corpus) if hears_audio else {},
        )

    def said_in_test(self, fold: Fold) -> set[str]:
        """Utterances of training speakers that say a sentence of the test; none without words.

        They are neither learned from nor in the crowd.

        Raises:
            UndertoneError: little is left of the training speakers' labels without them.
        """
        if self.words is None:
            return set()
        rows, sentences = self.corpus.table, self.words.sentences
        everyone = dict(zip(rows["utterance"], rows["speaker"], strict=True)) | dict(
            self.unlabelled
        )
        learned = [
            name
            for name, who in everyone.items()
            if who in fold.train_speakers and name not in fold.unused
        ]
        tested = rows["utterance"][fold.tests(rows)]
        shared = said_on_both_sides(map(sentences.get, learned), map(sentences.get, tested))
        repeated = {name for name in learned if sentences.get(name) in shared}
        labelled = set(rows["utterance"]) & set(learned)
        left = len(labelled - repeated)
        if left < LEAST_LEFT * len(labelled):
            raise UndertoneError(
                f"{len(shared)} sentences of {self.corpus.name} are said by training and test "
                f"speakers of fold {fold.index} alike, and only {left} of {len(labelled)} labelled "
                "training utterances say others: words that are learned in training must not be "
                "tested. Keep sentences apart with --disjoint speaker,sentence, leave --text out, "
                "or take speech whose speakers say sentences of their own; `undertone finetune "
                "--folds 0` trains a model and leaves it unmeasured"
            )
        return repeated

    def _fold(self, fold: Fold, pool: Pool, others: Sequence[FrameTable]) -> FoldPlan:
        """The crowd: training speakers' part of the pool, and their utterances without a label.

        No test speaker is in it, even where the pool holds test speakers.
        """
        rows, repeated = self.corpus.table, self.said_in_test(fold)
        own = set(pool.parts[0].utterances) - repeated
        unlabelled = [(n, who) for n, who in self.unlabelled.items() if n not in repeated]
        if pool.parts[0].skewed_away:  # nobody knows what is felt there
            unlabelled = []
        return FoldPlan(
            test=tuple(sorted(rows["utterance"][fold.tests(rows)])),
            pool=tuple(
                (table, tuple(part.utterances))
                for table, part in zip((self.frames, *others), pool.parts, strict=True)
            ),
            voices=pool.speakers,
            crowd={
                name: who
                for name, who in zip(rows["utterance"], rows["speaker"], strict=True)
                if name in own and who not in fold.test_speakers
            }
            | {
                name: who
                for name, who in unlabelled
                if who in fold.train_speakers and name not in fold.unused
            },
            elsewhere=dict(self._elsewhere(pool)),
        )

    def _elsewhere(self, pool: Pool) -> Iterator[tuple[str, str]]:
        """Speech of other corpora that no test speaker of the fold may have spoken, and whose."""
        for number, part in enumerate(pool.parts[1:] if self.others else ()):
            voices = part.corpus.voices(part.utterances)
            for name, voice in zip(part.utterances, voices, strict=True):
                yield f"{prefix_of(number, part.corpus)}{name}", voice or part.corpus.name

    def learned_from(self, fold: Fold) -> Corpus:
        """The corpus without utterances that a fold may not draw labels from."""
        names = self.corpus.table["utterance"]
        repeated = self.said_in_test(fold) & set(names)
        return self.corpus.drop(dict.fromkeys(repeated, SAID_IN_TEST)) if repeated else self.corpus

    def _drawn_from(self, fold: Fold, pool: Pool, draws: Draws) -> Corpus:
        """Where labels come from: balanced ones from all, random ones from a pool as it is."""
        corpus, skewed = self.learned_from(fold), pool.parts[0].skewed_away
        if draws.how == BALANCED or not skewed:
            return corpus
        gone = skewed & set(corpus.table["utterance"])
        return corpus.drop(dict.fromkeys(sorted(gone), SKEWED))

    def _cells(self, folds: Sequence[tuple[Fold, Pool]], draws: Draws, seed: int) -> Iterator[Cell]:
        for fold, pool in folds:
            corpus = self._drawn_from(fold, pool, draws)
            most = largest_budget(corpus, fold, self.task)
            for draw in range(draws.n_draws):
                for budget in draws.budgets:
                    labels = draw_labels(
                        corpus,
                        fold,
                        budget=most if budget == draws.all_labels else budget,
                        draw=draw,
                        seed=seed,
                        task=self.task,
                        how=draws.how,
                    )
                    yield Cell(fold.index, draw, budget, labels)
