"""One system on one labelled corpus: cross-validated by speaker, then fitted on everything.

In:  a corpus with its frames, perhaps a pre-trained encoder, the name of a system.
Out: the score of the system on speakers it did not know, and a ``Recogniser`` of all speakers.

It is the plan of a curve with one draw and one system, and one more fold in which everybody trains
and nobody is tested.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from undertone import config
from undertone.corpora import across
from undertone.corpora.audit import Finding
from undertone.corpora.disjoint import SENTENCE, Parting, describe
from undertone.corpora.folds import Fold, largest_budget
from undertone.corpora.official import folds_of, parts_of
from undertone.corpora.pool import Pool, pool
from undertone.errors import UndertoneError
from undertone.evaluation.ceiling import ceilings_of
from undertone.evaluation.reliability import Reliability, reliability
from undertone.evaluation.report.reliable import in_markdown
from undertone.evaluation.score import Score, score_rows
from undertone.evaluation.vault import Vault, look_at_score
from undertone.features.name import FeatureName
from undertone.features.upstream.source import find
from undertone.models.encoder import EncoderConfig
from undertone.progress import Progress
from undertone.recogniser.card import Facts, escaped
from undertone.recogniser.folder import Inputs, PretrainedEncoder, Recogniser
from undertone.recogniser.settings import FinetuneSettings
from undertone.recogniser.teaching import describe_teaching, reasons_of
from undertone.recogniser.tested import Tested
from undertone.systems.calibrated import HOW
from undertone.systems.crowd_notes import told_of_fit
from undertone.systems.fitted import Fitted, OnVectors
from undertone.systems.held_out import familiar_of, held_out
from undertone.systems.plan import Cell, Data, Draws, Plan
from undertone.systems.problem import Material, Problem
from undertone.systems.settings import bag_of, makes_copies
from undertone.systems.table import (
    System,
    check_frames,
    check_teacher,
    check_words,
    system_of,
    systems_of,
)
from undertone.tasks import CHOICE
from undertone.training.normalise import fit_normaliser, unchanged


@dataclass(frozen=True)
class Sealed:
    """A vault, and the specification of the corpus that it was made of."""

    vault: Vault
    corpus: str


@dataclass(frozen=True)
class Build:
    """One corpus, one system: cross-validated, then fitted on everything.

    Attributes:
        data: the corpus and its frames.
        features: which frames they are.
        pretrained: encoder, if any.
        settings: of the step.
        sealed: the vault that is tested on, in the place of a cross-validation.
    """

    data: Data
    features: FeatureName
    pretrained: PretrainedEncoder | None
    settings: FinetuneSettings
    sealed: "Sealed | None" = None

    def __post_init__(self) -> None:
        row, given = self.row, self.pretrained is not None
        check_frames(self.data.task, (row.name,), self.features)
        self._check_teacher()
        check_words(self.data.task, (row.name,), given=self.data.words is not None)
        self._check_settings()
        if row.pretrains and not given:
            raise UndertoneError(
                f"the system {row.name} starts from a pre-trained encoder: name its folder, which "
                "`undertone pretrain` writes, with --encoder FOLDER"
            )
        if given and not row.pretrains:
            rows = systems_of(self.data.task).values()
            raise UndertoneError(
                f"the system {row.name} does not start from an encoder: leave --encoder out, or "
                f"take --system {' or '.join(r.name for r in rows if r.pretrains)}"
            )

    def _check_teacher(self) -> None:
        if self.row.stands_alone:
            raise UndertoneError(
                f"the row {self.row.name} hears frames that no model folder can hold, and is for "
                "curves: train with --features, as features='own:NAME' from Python"
            )
        teacher = self.settings.teacher
        check_teacher((self.row.name,), "" if teacher is None else str(teacher))
        if self.row.hears_teacher:
            raise UndertoneError(
                f"the system {self.row.name} hears the frames of its teacher, and is for curves; "
                f"to train the teacher itself leave --system out and take --features {teacher}"
            )
        if self.data.others and not self.row.hears_others:
            rows = systems_of(self.data.task).values()
            raise UndertoneError(
                f"the system {self.row.name} does not use unlabelled corpora: leave --unlabelled "
                f"out, or take --system {' or '.join(r.name for r in rows if r.hears_others)}"
            )
        nobody = not (self.data.others or self.data.unlabelled or self.settings.labels)
        if self.row.needs_teacher and nobody:
            raise UndertoneError(
                f"every utterance of {self.data.corpus.name} has a label that may be used, so that "
                "there is nothing for a teacher to guess: give --labels N, or more speech with "
                "--unlabelled NAME=PATH"
            )

    def _check_settings(self) -> None:
        """What would be passed over beside an encoder is refused."""
        if self.pretrained is None:
            return
        if self.settings.encoder not in (EncoderConfig(), self.pretrained.shape):
            raise UndertoneError(
                "the settings of encoder are those of the folder that --encoder names: leave them "
                "out"
            )
        if self.settings.features not in ("", str(self.features)):
            raise UndertoneError(
                f"the encoder hears {self.features}, found --features {self.settings.features}: "
                "leave --features out"
            )

    def check(self) -> None:
        """Refuse folds, labels and settings that cannot be met, before the frames are there."""
        _ = self.plan, self._settings

    @cached_property
    def row(self) -> System:
        """The system."""
        return system_of(
            *(self.data.task, self.settings.system, self.features),
            pretrained=self.pretrained is not None,
            words=self.data.words is not None,
        )

    @property
    def makes_copies(self) -> bool:
        """Whether the system learns what recordings do to a voice."""
        section = self.row.settings
        return section is not None and makes_copies({section.name: self._settings})

    @cached_property
    def folds(self) -> list[Fold]:
        """Those of the cross-validation, and at the end the one in which everybody trains."""
        corpus, settings = self.data.corpus, self.settings
        if corpus.members:  # the model is the one that is tested: the last fold fits it again
            tested = across.folds(corpus)
            return [*tested, replace(tested[0], index=len(tested))]
        tested = []
        if self.sealed:
            tested = [self.sealed.vault.fold(corpus)]
            return [*tested, Fold(1, (), tested[0].train_speakers)]
        if settings.folds:
            tested = folds_of(corpus, settings.folds, settings.seed, self.data.task)
            if SENTENCE in settings.disjoint:
                by = Parting(corpus, self.data.task, settings.folds, settings.seed)
                tested = by.part(tested)
        everybody = tuple(sorted(corpus.table["speaker"].unique()))
        return [*tested, Fold(len(tested), (), everybody)]

    @cached_property
    def pools(self) -> list[Pool]:
        """What each fold may hear without labels.

        Raises:
            UndertoneError: of a corpus that was given as more speech nothing may be heard.
        """
        others = [other for other, _ in self.data.others]
        pools = [pool(self.data.corpus, others, fold) for fold in self.folds]
        for part in pools[-1].parts[1:]:
            if not part.utterances:
                raise UndertoneError(
                    f"no utterance of {part.corpus.name} can be used beside "
                    f"{self.data.corpus.name}: {reasons_of([part])}; leave it out of --unlabelled"
                )
        return pools

    @cached_property
    def plan(self) -> Plan:
        """Who is in which pool."""
        labels = self.settings.labels
        most = max(
            largest_budget(self.data.learned_from(fold), fold, self.data.task)
            for fold in self.folds
        )
        draws = Draws((labels or most,), all_labels=0 if labels else most)
        tables = [table for _, table in self.data.others]
        return self.data.plan(
            [(fold, pool, tables) for fold, pool in zip(self.folds, self.pools, strict=True)],
            draws,
            shape=self.pretrained.shape if self.pretrained else self.settings.encoder,
            seed=self.settings.seed,
        )

    def cross_validate(self, progress: Progress) -> Score:
        """Each test speaker is predicted by a fit that did not know them."""
        tested = self._predict(progress)
        speakers = [self.plan.speaker[name] for name in tested.names]
        if self.sealed:
            by_name = dict(zip(tested.names, speakers, strict=True))
            asked = f"finetune\n{config.to_toml(self.settings)}"
            values = np.concatenate(tested.values)
            score, looked = look_at_score(
                self.sealed.vault, self.sealed.corpus, asked, tested=by_name, values=values
            )
            return replace(score, notes=(*score.notes, looked.sentence()))
        score, assumed = self._score(tested), self.data.corpus.assumed
        return replace(score, notes=(*score.notes, assumed)) if assumed else score

    def _predict(self, progress: Progress) -> Tested:
        """What is predicted of the test utterances, fold by fold."""
        tested = Tested(self.data.task)
        for cell in self.plan.cells[:-1]:
            problem = self.plan.problem(cell, self._material(cell))
            fitted = self.row.fit(problem, self._settings)
            if self.data.task.kind != CHOICE:
                fitted = self._held_out(problem, fitted)
            tested.add(problem, fitted)
            progress.advance("fits")
        return tested

    def _held_out(self, problem: Problem, fitted: Fitted) -> Fitted:
        """The same with what smaller fits tell, where it holds nothing and they are quick."""
        if fitted.held_out is not None or not isinstance(fitted, OnVectors):
            return fitted
        return replace(fitted, held_out=held_out(problem, self.row.fit, self._settings))

    def _score(self, tested: Tested) -> Score:
        """Of the utterances tested; each official test part by itself."""
        corpus = self.data.corpus
        part = across.parts_of(corpus) if corpus.members else parts_of(corpus)
        of_row = np.array([part.get(name, "") for name in tested.names])
        truth = np.stack([self.plan.truth[name] for name in tested.names])
        speakers = np.array([self.plan.speaker[name] for name in tested.names])
        values, doubts = np.concatenate(tested.values), tested.doubts(self.data)
        first, *others = (
            replace(
                score_rows(
                    self.data.task,
                    truth=truth[of_row == name],
                    values=values[of_row == name],
                    speakers=speakers[of_row == name],
                ),
                part=str(name),
                ceilings=ceilings_of(
                    corpus, self.data.task, np.array(tested.names)[of_row == name].tolist()
                ),
                reliability=self._reliability(
                    values[of_row == name], truth[of_row == name], speakers[of_row == name]
                ),
                silence=tested.told(
                    *(
                        of_row == name,
                        truth[of_row == name],
                        speakers[of_row == name].tolist(),
                        doubts,
                    )
                ),
            )
            for name in np.unique(of_row)
        )
        return replace(first, others=tuple(others))

    def _reliability(
        self, values: np.ndarray, truth: np.ndarray, speakers: np.ndarray
    ) -> Reliability | None:
        """How far probabilities of classes hold."""
        if self.data.task.kind != CHOICE:
            return None
        return reliability(values[None], truth, list(speakers))

    def fit_all(self) -> Recogniser:
        """The system on all speakers."""
        problem = self._of_everybody
        fitted = self.row.fit(problem, self._settings)
        return self._served(self._held_out(problem, fitted), problem)

    def recogniser_of(self, cell: Cell) -> Recogniser:
        """The system on the training speakers of one cell."""
        problem = self.plan.problem(cell, self._material(cell))
        return self._served(self.row.fit(problem, self._settings), problem)

    def _served(self, fitted: Fitted, problem: Problem) -> Recogniser:
        """What can be saved and served of a fit."""
        material = problem.material
        start = fitted.view.start
        return Recogniser(
            Inputs.of(features_read(self.features, fitted), material.normaliser),
            self.plan.shape,
            self.data.task,
            self.row.name,
            fitted,
            encoders={start: material.encoder(start)} if start else {},
            reader=self.data.words.reader if self.data.words and fitted.reads_words else None,
            notes={
                "labels": len(problem.budget),
                **across.notes_of(self.data.corpus),
                "heard": self._heard(material),
                "recipe": config.to_toml(self.settings),
                **self._teacher_notes(),
                **fitted.notes,
                **not_held_out(fitted),
            },
            held_out=fitted.held_out,
            familiar=familiar_of(problem, fitted),
        )

    def _heard(self, material: Material) -> list[str]:
        """Names of the audio of the speakers that it was fitted on, whatever reads it."""
        keys = self.data.frames.keys
        return sorted({short_name(keys.get(n, n).rpartition(" ")[2]) for n in material.crowd})

    def _teacher_notes(self) -> dict[str, Any]:
        if (teacher := self.settings.teacher) is None:
            return {}
        parts = self.pools[-1].parts[1:]
        return {
            "teacher": str(teacher),
            "teacher_digest": find(teacher.every_layer()).digest,
            "guessed_corpora": [part.corpus.name for part in parts],
            "not_guessed": reasons_of(parts),
        }

    def facts(
        self, score: Score | None, recogniser: Recogniser, findings: Sequence[Finding] = ()
    ) -> Facts:
        """What the model card says."""
        inputs, notes = recogniser.inputs, recogniser.notes
        task, n_folds = self.data.task, len(self.folds) - 1
        unit, measured = self.data.corpus.unit, "Not measured: `folds` was 0."
        if score is not None:
            how = (
                "The official folds: scored on their test speakers, by a fit that did not know them"
                if self.data.corpus.official_folds
                else f"Cross-validation of the same system over {n_folds} folds by speaker, each "
                "predicted by a fit that did not know the speaker"
            )
            if apart := describe(self.folds[:-1], self.data.corpus, task):
                how = f"{apart} {how}"
            how = across.of_card(self.data.corpus) or how
            if self.sealed:
                how = (
                    "Tested on the vault's speakers, whose labels nothing was trained on; "
                    f"{score.notes[-1]} Scored"
                )
            fitted_on = f"all {unit}s" if not self.sealed else f"the {unit}s outside the vault"
            measured = (
                f"{how}: {score.tested.replace('speakers', f'{unit}s')}; 95 % intervals over "
                f"{unit}s. The model in this folder was fitted on {fitted_on}."
                + (f" {self.data.corpus.assumed}" if self.data.corpus.assumed else "")
                + "".join(f"\n\nFor comparison, {line}." for line in score.about_raters)
            )
        return Facts(
            title=f"Recogniser of {', '.join(task.outputs)}",
            features=f"{inputs.features}, {len(inputs.columns)} columns",
            method=self._describe(notes) + "".join(f" {line}" for line in describe_teaching(notes)),
            headings=("this model", *score.floors) if score else (),
            scores=score.rows() if score else [],
            measured=measured,
            reliability=in_markdown(score.reliability) if score and score.reliability else "",
            silence=score.silence if score else "",
            audit=[finding.what for finding in findings],
        )

    @cached_property
    def _of_everybody(self) -> Problem:
        """The last cell's, in which everybody trains."""
        cell = self.plan.cells[-1]
        return self.plan.problem(cell, self._material(cell))

    @cached_property
    def _settings(self) -> Any:
        return self.row.own(bag_of(self.data.task, (self.row.name,), self.settings.of_systems))

    def _material(self, cell: Cell) -> Material:
        plan, encoder = self.plan, None
        if self.pretrained is not None:
            normaliser, encoder = self.pretrained.inputs.normaliser, self.pretrained.encoder
        elif self.row.sees_pool:
            normaliser = fit_normaliser(plan.folds[cell.fold].frames(), stride=plan.shape.stride)
        else:
            normaliser = unchanged(len(plan.frames.columns), stride=plan.shape.stride)
        return plan.material(cell.fold, normaliser, encoder)

    def _describe(self, notes: Mapping[str, Any]) -> str:
        labels = self.settings.labels or len(self.data.corpus)
        text = (
            f"Task: {self.data.task.name}. System `{self.row.name}` ({self.row.label}): "
            f"{self.row.description}"
        )
        if self.pretrained:
            pool = ", ".join(map(escaped, self.pretrained.notes["pool"]))
            text += f" The encoder was pre-trained without labels on {pool}."
        if "temperature_from" in notes:
            text += f" {HOW[notes['temperature_from']]}"
        text += "".join(f" {line}" for line in told_of_fit(notes))
        text += f" Labels seen, validation included: {labels}."
        if self.data.words is not None:
            text += "".join(f" {note}" for note in self.data.words.notes)
        heard = set(self.pretrained.notes["pool_audio"]) if self.pretrained else set()
        keys, utterances = self.data.frames.keys, self.data.corpus.table["utterance"]
        if self.data.task.caveat:
            text += f" {self.data.task.caveat}"
        if known := sum(short_name(keys.get(u, u)) in heard for u in utterances):
            text += (
                f" The encoder's pool held the audio of {known} of these utterances, so the "
                "scores below are transductive: tested voices, not their labels, were known."
            )
        return text


def not_held_out(fitted: Fitted) -> dict[str, str]:
    """Why nothing is known of speakers whom a fit did not know; nothing where something is."""
    if fitted.held_out is not None:
        return {}
    if isinstance(fitted, OnVectors):
        return {
            "not_held_out": "its labels are of one speaker, or one speaker has all of an emotion"
        }
    return {"not_held_out": "its system is a network, of which no speaker was held out"}


def features_read(features: FeatureName, fitted: Fitted) -> FeatureName:
    """What a fit reads of the frames it was given: of an encoder one layer, or all."""
    if fitted.view.layer is not None:
        return features.one_layer(fitted.view.layer)
    return features.every_layer() if features.chooses_layer else features


def short_name(key: str) -> str:
    """A name of what a key of the frame store stands for, short enough for a model's notes."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
