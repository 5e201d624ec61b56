"""The single steps, from corpora to folders: extract, pretrain, finetune.

In:  corpora by specification (``emodb=PATH``) or as objects, settings, a folder to write to.
Out: a filled frame store, an encoder folder, a model folder.
"""

import hashlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from undertone import corpora
from undertone.config import check_ranges
from undertone.corpora.corpus import Corpus
from undertone.corpora.splits import (
    Fold,
    draw_labels,
    known_speakers,
    largest_budget,
    speaker_folds,
)
from undertone.corpora.tasks import Task, classes
from undertone.errors import UndertoneError
from undertone.evaluation.score import Score, score
from undertone.features import mosei, store
from undertone.features.extractors import get
from undertone.features.store import FrameTable
from undertone.progress import Progress
from undertone.training.card import Facts, write_card
from undertone.training.encoder import Encoder, EncoderConfig
from undertone.training.finetune import Classifier, FinetuneConfig, finetune_head
from undertone.training.finetune import finetune as finetune_all
from undertone.training.normalise import fit_normaliser
from undertone.training.pretrain import PretrainConfig
from undertone.training.pretrain import pretrain as pretrain_encoder
from undertone.training.recognizer import Inputs, PretrainedEncoder, Recognizer, load_encoder
from undertone.training.seeds import seed_of
from undertone.training.systems import FITS, Material, Problem


@dataclass(frozen=True)
class Resources:
    """What a step may use of the machine; it never changes a number."""

    cache: Path | None = None  # folder of the frame store; the user's cache folder by default
    workers: int | None = None  # processes; one a core by default
    progress: bool = True


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of the step ``pretrain``."""

    features: str = "log_mel"
    seed: int = 0
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)

    def __post_init__(self) -> None:
        check_ranges(self, seed=(0, 2**62))


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of the step ``finetune``."""

    mode: str = "frozen"  # frozen: a dense layer on the encoder; full: everything is trained
    labels: int | None = None  # all by default
    folds: int = 5  # of speakers, for the score on the card; 0 leaves it unmeasured
    features: str = "log_mel"  # where there is no encoder to say so
    seed: int = 0
    encoder: EncoderConfig = field(default_factory=EncoderConfig)  # likewise
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)

    def __post_init__(self) -> None:
        check_ranges(self, seed=(0, 2**62), folds=(0, math.inf))
        if self.folds == 1:
            raise UndertoneError("folds must be 2 or more, or 0 to leave the score unmeasured")
        if self.mode not in ("frozen", "full"):
            raise UndertoneError(f"mode must be frozen or full, found {self.mode!r}")


def read_frames(corpus: Corpus, features: str, resources: Resources) -> tuple[Corpus, FrameTable]:
    """Frames of a corpus, and the corpus without the utterances that have none."""
    table = extract(corpus, features, resources)
    return corpus.drop(table.failures), table


def extract(
    corpus: str | Corpus, features: str = "log_mel", resources: Resources | None = None
) -> FrameTable:
    """Frames of every utterance of a corpus, from the store or computed into it."""
    resources = resources or Resources()
    opened = _open(corpus)
    if mosei.holds_frames(opened):
        return _read_frames_given(opened, features, resources)
    return store.extract(
        opened,
        features,
        folder=resources.cache,
        workers=resources.workers,
        progress=resources.progress,
    )


def _read_frames_given(corpus: Corpus, features: str, resources: Resources) -> FrameTable:
    """The frames that a corpus without recordings brings, and what was repaired in them."""
    if features != "covarep":
        raise UndertoneError(
            f"{corpus.name} holds covarep frames and no recordings: ask for --features covarep, "
            f"found {features}"
        )
    table, repairs = mosei.read(corpus, folder=resources.cache, progress=resources.progress)
    for line in repairs.lines() if resources.progress else ():
        print(f"{corpus.name}: {line}", file=sys.stderr)
    return table


def extract_corpora(
    specifications: Sequence[str], features: str, resources: Resources
) -> list[str]:
    """Fill the frame store; one line a corpus says what came out."""
    lines = []
    for specification in specifications:
        corpus, table = read_frames(corpora.open(specification), features, resources)
        n_frames = sum(table.lengths.values())
        lines.append(f"{corpus.name}: {len(corpus)} utterances, {n_frames:,} {features} frames")
        lines += [f"  left out: {name}: {why}" for name, why in table.failures.items()]
    return lines


def pretrain(
    unlabelled: Sequence[str | Corpus],
    out: Path | str,
    settings: PretrainSettings | None = None,
    resources: Resources | None = None,
) -> PretrainedEncoder:
    """Pre-train an encoder on unlabelled speech and write its folder.

    Args:
        unlabelled: corpora, whose labels, if any, are not looked at.
        out: folder; a run that was stopped there goes on.
        settings: of the step.
        resources: of the machine.
    """
    settings, resources, out = settings or PretrainSettings(), resources or Resources(), Path(out)
    read = [read_frames(_open(c), settings.features, resources) for c in unlabelled]
    frames = [table.frames(name) for corpus, table in read for name in corpus.table["utterance"]]
    normaliser = fit_normaliser(frames, stride=settings.encoder.stride)
    with Progress(shown=resources.progress) as progress:
        progress.add("pre-training epochs", settings.pretrain.max_epochs)
        result = pretrain_encoder(
            [normaliser.apply(utterance) for utterance in frames],
            shape=settings.encoder,
            settings=settings.pretrain,
            seed=settings.seed,
            folder=out,
            report=lambda epoch: progress.advance("pre-training epochs"),
        )
    notes = {
        "pool": [corpus.name for corpus, _ in read],
        "pool_audio": [_short(key) for _, table in read for key in table.keys.values()],
        "epoch": result.best.epoch,
        "held_out_loss": result.best.held_out_loss,
        "history": [[e.loss, e.held_out_loss] for e in result.history],
    }
    extractor = get(settings.features)
    inputs = Inputs(settings.features, extractor.version, extractor.columns, normaliser)
    encoder = PretrainedEncoder(inputs, settings.encoder, result.encoder, notes)
    facts = Facts(
        title="Encoder of speech, pre-trained without labels",
        features=f"{settings.features}, {len(extractor.columns)} columns",
        method=_describe_pretraining(settings),
        measured=f"Held-out reconstruction loss {result.best.held_out_loss:.4f} after epoch "
        f"{result.best.epoch + 1} of {len(result.history)}; 0 is perfect. What it is worth for "
        "emotion is what `undertone curve` measures.",
    )
    encoder.save(out, write_card(facts, [corpus for corpus, _ in read]))
    return encoder


def finetune(
    corpus: str | Corpus,
    out: Path | str,
    *,
    encoder: Path | str | None = None,
    settings: FinetuneSettings | None = None,
    resources: Resources | None = None,
) -> tuple[Recognizer, Score | None]:
    """Train a recogniser on labels and write its folder.

    Args:
        corpus: with labels.
        out: folder of the model.
        encoder: folder that ``pretrain`` wrote; without it the network starts at random.
        settings: of the step.
        resources: of the machine.

    Returns:
        The recogniser, trained on all the labels allowed, and the score of the same recipe on
        speakers it did not know, by cross-validation; None where ``folds`` is 0.
    """
    settings, resources = settings or FinetuneSettings(), resources or Resources()
    pretrained = load_encoder(encoder) if encoder is not None else None
    features = pretrained.inputs.features if pretrained else settings.features
    read, table = read_frames(_open(corpus), features, resources)
    job = _Finetuning(usable(read), table, pretrained, settings, features)
    with Progress(shown=resources.progress) as progress:
        progress.add("fits", settings.folds + 1)
        found = job.cross_validate(progress) if settings.folds else None
        recognizer = job.fit_all()
        progress.advance("fits")
    recognizer.save(Path(out), write_card(job.facts(found), [job.corpus]))
    return recognizer, found


@dataclass(frozen=True)
class _Finetuning:
    """One corpus, one recipe: cross-validated, then fitted on everything."""

    corpus: Corpus
    table: FrameTable
    pretrained: PretrainedEncoder | None
    settings: FinetuneSettings
    features: str

    @property
    def task(self) -> Task:
        return classes(self.corpus.emotions)

    @property
    def system(self) -> str:
        start = "pretrained" if self.pretrained else "random"
        if self.settings.mode == "frozen":
            return f"{start}_frozen"
        return "pretrained_full" if self.pretrained else "scratch"

    def cross_validate(self, progress: Progress) -> Score:
        """Each speaker is predicted by a fit that did not know them."""
        tables = []
        for fold in speaker_folds(self.corpus, self.settings.folds, self.settings.seed):
            problem = self._problem(fold)
            chances = FITS[self.system](problem)
            names = np.array(self.task.outputs)[chances.argmax(axis=1)]
            tables.append(pd.DataFrame({"utterance": problem.test, "prediction": names}))
            progress.advance("fits")
        truth = self.corpus.table[["utterance", "speaker", "emotion"]]
        predictions = pd.concat(tables)
        tested = truth[truth["utterance"].isin(predictions["utterance"])]
        return score(truth=tested, prediction=predictions)

    def fit_all(self) -> Recognizer:
        """The recipe on all speakers."""
        problem = self._problem(None)
        shape, seed = problem.material.shape, self.settings.seed
        encoder = problem.material.encoder("pretrained" if self.pretrained else "random")
        n_classes = len(self.task.outputs)
        if self.settings.mode == "frozen":
            labelled = problem.labelled(problem.budget)
            model: Classifier = finetune_head(
                encoder, labelled=labelled, n_classes=n_classes, pooling=shape.pooling, seed=seed
            )
        else:
            model = finetune_all(
                encoder,
                train=problem.labelled(problem.train),
                validation=problem.labelled(problem.validation),
                n_classes=n_classes,
                pooling=shape.pooling,
                settings=self.settings.finetune,
                seed=seed,
            )
        extractor = get(self.features)
        inputs = Inputs(
            self.features, extractor.version, extractor.columns, problem.material.normaliser
        )
        notes = {"labels": len(problem.budget), "corpus": self.corpus.name, "mode": self.system}
        return Recognizer(inputs, shape, self.task, model, notes)

    def facts(self, found: Score | None) -> Facts:
        """What the model card says."""
        measured = (
            "Not measured: `folds` was 0."
            if found is None
            else f"Cross-validation of the same recipe over {self.settings.folds} groups of "
            f"speakers, {found.n_utterances} utterances of {found.n_speakers} speakers, each "
            "predicted by a fit that did not know the speaker; 95 % intervals over speakers. The "
            "model in this folder was fitted on all speakers."
        )
        return Facts(
            title=f"Recogniser of {', '.join(self.task.outputs)}",
            features=f"{self.features}, {len(get(self.features).columns)} columns",
            method=self._describe(),
            scores=[] if found is None else found.rows(),
            measured=measured,
        )

    def _problem(self, fold: Fold | None) -> Problem:
        """One fold's labels and test speakers; all speakers' labels and no test if None."""
        everyone = Fold(self.settings.folds, (), self.corpus.speakers)  # the folds' successor
        used, rows = fold or everyone, self.corpus.table
        possible = largest_budget(self.corpus, used)
        budget = possible if self.settings.labels is None else self.settings.labels
        draw = draw_labels(self.corpus, used, budget=budget, draw=0, seed=self.settings.seed)
        emotion = {name: i for i, name in enumerate(self.task.outputs)}
        seen = rows[rows["utterance"].isin(draw.utterances)]
        return Problem(
            material=self._material(used),
            train=draw.train,
            validation=draw.validation,
            test=rows.loc[rows["speaker"].isin(used.test_speakers), "utterance"].tolist(),
            truth=dict(zip(seen["utterance"], seen["emotion"].map(emotion), strict=True)),
            speaker=dict(zip(seen["utterance"], seen["speaker"], strict=True)),
            n_classes=len(self.task.outputs),
            finetuning=self.settings.finetune,
            seed=seed_of(self.settings.seed, "finetune", used.index),
        )

    def _material(self, fold: Fold) -> Material:
        if self.pretrained is not None:
            normaliser, shape = self.pretrained.inputs.normaliser, self.pretrained.shape
            encoder: Encoder | None = self.pretrained.encoder
        else:
            rows, shape, encoder = self.corpus.table, self.settings.encoder, None
            train = rows.loc[rows["speaker"].isin(fold.train_speakers), "utterance"]
            normaliser = fit_normaliser(map(self.table.frames, train), stride=shape.stride)
        return Material(
            frames=self.table.frames,
            columns=self.table.columns,
            normaliser=normaliser,
            shape=shape,
            pretrained=encoder,
            seed=self.settings.seed,
        )

    def _describe(self) -> str:
        start = (
            f"an encoder pre-trained without labels on {', '.join(self.pretrained.notes['pool'])}"
            if self.pretrained
            else "a random encoder"
        )
        what = "kept as it is" if self.settings.mode == "frozen" else "trained with the dense layer"
        labels = self.settings.labels or len(self.corpus)
        text = (
            f"A GRU over frames, pooled over time, and one dense layer. Start: {start}, {what}. "
            f"Labels seen, validation included: {labels}."
        )
        if known := self._known_to_the_encoder():
            text += (
                f" The encoder's pool held the audio of {known} of these utterances, so the "
                "scores below are transductive: tested voices, not their labels, were known."
            )
        return text

    def _known_to_the_encoder(self) -> int:
        """Utterances whose audio, by content, was in the encoder's pool."""
        pool = set(self.pretrained.notes["pool_audio"]) if self.pretrained else set()
        return sum(
            _short(self.table.keys.get(u, u)) in pool for u in self.corpus.table["utterance"]
        )


def usable(corpus: Corpus) -> Corpus:
    """The utterances with emotion and speaker; the others are counted in ``left_out``."""
    unlabelled = set(corpus.table["utterance"]) - set(corpus.labelled.table["utterance"])
    if len(unlabelled) == len(corpus):
        raise UndertoneError(f"{corpus.name} has no emotion labels: it can only be a pool")
    known = known_speakers(corpus.drop(dict.fromkeys(unlabelled, "no emotion label")))
    if not len(known):
        raise UndertoneError(
            f"no labelled utterance of {corpus.name} names its speaker: folds that keep speakers "
            "apart need a column speaker"
        )
    return known


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _open(corpus: str | Corpus) -> Corpus:
    return corpora.open(corpus) if isinstance(corpus, str) else corpus


def _describe_pretraining(settings: PretrainSettings) -> str:
    shape, training = settings.encoder, settings.pretrain
    return (
        f"{shape.layers} GRU layers of {shape.hidden_units} units on steps of "
        f"{10 * shape.stride} ms. {training.mask_share:.0%} of the steps of each sequence were "
        "hidden as consecutive stretches and reconstructed by a dense layer "
        f"({training.distance.upper()}), after arXiv 2307.12343."
    )
