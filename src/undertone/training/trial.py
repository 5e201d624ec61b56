"""One recipe on one labelled corpus: cross-validated by speaker, then fitted on everything.

In:  a corpus of utterances with emotion and speaker, their frames, perhaps a pre-trained encoder.
Out: the score of the recipe on speakers it did not know, and a ``Recognizer`` of all speakers.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from undertone.config import check_ranges
from undertone.corpora.corpus import Corpus
from undertone.corpora.splits import Fold, draw_labels, largest_budget, speaker_folds
from undertone.corpora.tasks import Task, classes
from undertone.errors import UndertoneError
from undertone.evaluation.score import Score, score
from undertone.features.extractors import get
from undertone.features.store import FrameTable
from undertone.features.upstream.source import PREFIX
from undertone.progress import Progress
from undertone.training.card import Facts
from undertone.training.combined import CombinedClassifier
from undertone.training.discriminant import DiscriminantConfig
from undertone.training.encoder import Encoder, EncoderConfig
from undertone.training.finetune import Classifier, FinetuneConfig, finetune, finetune_head
from undertone.training.normalise import Normaliser, fit_normaliser, unchanged
from undertone.training.problem import Material, Problem
from undertone.training.recognizer import Inputs, PretrainedEncoder, Recognizer
from undertone.training.seeds import seed_of
from undertone.training.systems import FITS, combine, temperature_within

MODES = ("combined", "frozen", "full")


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of the step ``finetune``."""

    mode: str = "combined"  # beside descriptors; frozen: encoder kept; full: everything is trained
    labels: int | None = None  # all by default
    folds: int = 5  # of speakers, for the score on the card; 0 leaves it unmeasured
    features: str = "log_mel"  # where there is no encoder to say so
    seed: int = 0
    encoder: EncoderConfig = field(default_factory=EncoderConfig)  # likewise
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    discriminant: DiscriminantConfig = field(default_factory=DiscriminantConfig)

    def __post_init__(self) -> None:
        check_ranges(self, seed=(0, 2**62), folds=(0, math.inf))
        if self.folds == 1:
            raise UndertoneError("folds must be 2 or more, or 0 to leave the score unmeasured")
        if self.mode not in MODES:
            raise UndertoneError(f"mode must be one of {', '.join(MODES)}, found {self.mode!r}")


@dataclass(frozen=True)
class Trial:
    """One corpus, one recipe: cross-validated, then fitted on everything.

    Attributes:
        corpus: every utterance with emotion and speaker.
        others: speaker by utterance, of the utterances without emotion, for self-training.
        table: frames of all of them.
        pretrained: encoder, if any.
        settings: of the recipe.
        features: name of the extractor.
    """

    corpus: Corpus
    others: dict[str, str]
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
        if self.settings.mode == "combined":
            return "combined" if self.pretrained else "descriptors"
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
        model: Classifier | CombinedClassifier
        if self.settings.mode == "combined":
            model = self._fit_combined(problem)
        else:
            model = self._fit_network(problem)
        extractor = get(self.features)
        inputs = Inputs(
            self.features, extractor.version, extractor.columns, problem.material.normaliser
        )
        notes = {"labels": len(problem.budget), "corpus": self.corpus.name, "mode": self.system}
        return Recognizer(inputs, problem.material.shape, self.task, model, notes)

    def _fit_combined(self, problem: Problem) -> CombinedClassifier:
        name = "pretrained" if self.pretrained else None
        encoder = self.pretrained.encoder if self.pretrained else None
        fitted = combine(problem, name).cooled(temperature_within(problem, name))
        n_descriptors = problem.material.descriptors(problem.budget).shape[1]
        return CombinedClassifier.of(fitted, encoder, n_descriptors)

    def _fit_network(self, problem: Problem) -> Classifier:
        shape, seed = problem.material.shape, self.settings.seed
        encoder = problem.material.encoder("pretrained" if self.pretrained else "random")
        n_classes = len(self.task.outputs)
        if self.settings.mode == "frozen":
            labelled = problem.labelled(problem.budget)
            return finetune_head(
                encoder, labelled=labelled, n_classes=n_classes, pooling=shape.pooling, seed=seed
            )
        return finetune(
            encoder,
            train=problem.labelled(problem.train),
            validation=problem.labelled(problem.validation),
            n_classes=n_classes,
            pooling=shape.pooling,
            settings=self.settings.finetune,
            seed=seed,
        )

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
            discriminant=self.settings.discriminant,
            seed=seed_of(self.settings.seed, "finetune", used.index),
        )

    def _material(self, fold: Fold) -> Material:
        rows = self.corpus.table
        train = rows[rows["speaker"].isin(fold.train_speakers)]
        crowd = dict(zip(train["utterance"], train["speaker"], strict=True))
        crowd |= {name: who for name, who in self.others.items() if who in fold.train_speakers}
        if self.pretrained is not None:
            normaliser, shape = self.pretrained.inputs.normaliser, self.pretrained.shape
            encoder: Encoder | None = self.pretrained.encoder
        else:
            shape, encoder = self.settings.encoder, None
            normaliser = self._fit_normaliser(crowd, shape.stride)
        return Material(
            frames=self.table.frames,
            columns=self.table.columns,
            normaliser=normaliser,
            shape=shape,
            pretrained=encoder,
            seed=self.settings.seed,
            crowd=crowd,
        )

    def _fit_normaliser(self, crowd: Iterable[str], stride: int) -> Normaliser:
        if self.settings.mode == "combined":  # without an encoder: nothing reads steps
            return unchanged(len(self.table.columns), stride=stride)
        return fit_normaliser(map(self.table.frames, crowd), stride=stride)

    def _describe(self) -> str:
        start = (
            f"an encoder pre-trained without labels on {', '.join(self.pretrained.notes['pool'])}"
            if self.pretrained
            else "a random encoder"
        )
        what = "trained with the dense layer" if self.settings.mode == "full" else "kept as it is"
        labels = self.settings.labels or len(self.corpus)
        text = f"A GRU over frames, pooled over time, and one dense layer. Start: {start}, {what}."
        if self.settings.mode == "combined":
            beside = f", beside the pooled outputs of {start}, {what}" if self.pretrained else ""
            described = (
                "Means over time of a pre-trained encoder's layers"
                if self.features.startswith(PREFIX)
                else "Descriptors of the frames"
            )
            text = (
                f"{described}{beside}; a shrunk linear discriminant analysis, "
                "self-trained on the utterances whose labels were not used. How sure the "
                "probabilities are was set by cross-validation on the same labels."
            )
        text += f" Labels seen, validation included: {labels}."
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
            short_name(self.table.keys.get(u, u)) in pool for u in self.corpus.table["utterance"]
        )


def short_name(key: str) -> str:
    """A name of what a key of the frame store stands for, short enough for a model's notes."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
