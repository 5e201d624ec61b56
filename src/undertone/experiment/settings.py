"""What a learning curve is asked for: corpora, task, features, budgets, systems, their settings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from undertone import config
from undertone.config import check_ranges, check_types
from undertone.corpora.across import AcrossSettings
from undertone.corpora.audit import refuse
from undertone.corpora.disjoint import SPEAKER, check_kinds
from undertone.corpora.skew import parse_skew
from undertone.errors import UndertoneError
from undertone.experiment.picks.settings import PicksSettings
from undertone.features.name import FeatureName, parse
from undertone.features.text.reader import TextSettings
from undertone.models.encoder import EncoderConfig
from undertone.models.voices import FEWEST_RECORDINGS
from undertone.systems.adapted import EVERY, ByVoice, rows_by_voice
from undertone.systems.settings import Bag, bag_of, plain_bag, teacher_in
from undertone.systems.system import System
from undertone.systems.table import (
    ALONGSIDE,
    ENCODER,
    FRAMES,
    advised,
    check_frames,
    check_teacher,
    check_words,
    known_names,
    systems_of,
    usual_systems,
    who_sees_pool,
)
from undertone.tasks import CHOICE, TASKS, Task, kind_of
from undertone.tasks.draws import BALANCED, HOWS, RANDOM
from undertone.training.pretrain import PretrainConfig

ALL = "all"


@dataclass(frozen=True)
class CurveSettings:
    """Settings of a learning curve; those of its systems by the name of their section."""

    corpus: str  # that is tested and learned from, NAME=PATH
    task: str = ""  # what is predicted; by default what the corpus has labels for
    proxy: str = ""  # in place of ratings of dimensions: pad, from the emotions of a corpus
    unlabelled: tuple[str, ...] = ()  # more speech to learn from, NAME=PATH
    across: AcrossSettings = field(default_factory=AcrossSettings)  # other corpora are tested
    text: TextSettings = field(default_factory=TextSettings)  # words beside the voice
    features: str = ""  # log_mel, or the frames that the corpus brings
    budgets: tuple[int | str, ...] = (20, 50, 100, 200)  # "all": what the training speakers have
    fit_budgets: bool = False  # those that the corpus cannot give are left out, for all it has
    draws: int = 10  # repetitions of each budget, with other labels
    full_draws: int = 3  # of systems whose every weight is trained; 0: as many as the others
    folds: int = 5  # groups of speakers; each is tested once
    fold_files: str = ""  # folder of EmoBox's folds of this corpus, in place of our own
    seed: int = 0  # names all randomness
    draw: str = BALANCED  # labels of classes: balanced over the emotions, or random, as they come
    picks: PicksSettings = field(default_factory=PicksSettings)  # strategies in place of systems
    skew: str = ""  # for studies: an emotion's share of the unlabelled pool, as neutral=.8
    transductive: bool = False  # pre-train on test speakers too
    adapt: tuple[int | str, ...] = ()  # rows that hear so many recordings of the tested voice
    disjoint: tuple[str, ...] = (SPEAKER,)  # what folds keep apart: also sentences
    vault: str = ""  # file of frozen test speakers; made where there is none
    allow: tuple[str, ...] = ()  # findings of the audit that stop nothing: keys of its ``ALLOWED``
    systems: tuple[str, ...] = ()  # by default those that fit the features
    replicates: int = 0  # of the bootstrap; 0: as many as the task has by default
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    of_systems: Bag = field(default_factory=dict, metadata=config.REST)

    def __post_init__(self) -> None:
        check_types(self)
        object.__setattr__(self, "of_systems", plain_bag(self.of_systems))
        check_no_twins("systems", self.systems)
        check_draws(self)
        check_ranges(self, full_draws=(0, math.inf))
        self._check_adapt()
        refuse([], self.allow)
        check_kinds(self.disjoint)
        if self.draw not in HOWS:
            raise UndertoneError(
                f"draw must be {' or '.join(HOWS)}, found {self.draw!r}: --draw {HOWS[0]}"
            )
        self._check_skew()
        if self.pretrain.shared_pool and not self.unlabelled:
            raise UndertoneError(
                "pretrain.shared_pool pre-trains once on the speech of other corpora: give some "
                "with --unlabelled NAME=PATH, or leave the setting out"
            )
        if self.vault and (self.fold_files or self.proxy or self.disjoint != (SPEAKER,)):
            raise UndertoneError(
                "a vault freezes the test speakers, with all that they say and as people labelled "
                "it: leave --vault out, or --fold-files, --proxy and --disjoint"
            )
        self._check_across()
        self._check_picks()
        if unknown := set(self.systems) - set(known_names()):
            raise UndertoneError(
                f"there is no system {', '.join(sorted(unknown))}; there are "
                f"{', '.join(known_names())}"
            )
        if self.task:
            kind_of(self.task)
        if self.systems:
            self._check_systems()

    def _check_skew(self) -> None:
        if not self.skew:
            return
        parse_skew(self.skew)
        if self.transductive or self.vault:
            raise UndertoneError(
                "--skew makes the pool of training speakers lopsided, from labels that a study "
                "knows: leave --skew out, or --transductive and --vault"
            )

    def resolved(self, task: Task, features: FeatureName) -> "CurveSettings":
        """The same with everything said that is left to task and features.

        Raises:
            UndertoneError: a system cannot do the task, or not on these features.
        """
        if self.picks.asked:
            return self._resolved_for_picks(task, features)
        rows = systems_of(task)
        frames = ENCODER if features.is_upstream else FRAMES
        teacher, words = self.teacher, bool(self.text.model)
        names = self.systems or usual_systems(task, frames, taught=teacher is not None, words=words)
        controls = (control for name in names for control in ALONGSIDE.get(name, ()))
        names = (*names, *(control for control in controls if control in rows))
        if unknown := set(names) - set(rows):
            raise UndertoneError(
                f"there is no system {', '.join(sorted(unknown))} for {task.name}; there are "
                f"{', '.join(rows)}"
            )
        settled = replace(
            self,
            task=task.name,
            features=str(features),
            systems=tuple(name for name in rows if name in names),
            replicates=self.replicates or task.n_replicates,
        )
        if self.skew:
            parse_skew(self.skew).check(task)
        check_frames(task, settled.systems, features)
        check_teacher(settled.systems, "" if teacher is None else str(teacher))
        check_words(task, settled.systems, given=words)
        settled.voiced(task)
        return replace(settled, of_systems=settled.bag(task, settled.systems))

    def _resolved_for_picks(self, task: Task, features: FeatureName) -> "CurveSettings":
        """One system learns from the labels of all strategies, whose rival draws at random."""
        if task.kind != CHOICE:
            raise UndertoneError(
                f"--picks looks for emotions, and the task {task.name} predicts amounts: leave "
                "--picks out, or add --task classes"
            )
        frames = ENCODER if features.is_upstream else FRAMES
        system = advised(task, frames, pretrained=False)
        if others := set(self.systems) - {system, *task.floors}:
            raise UndertoneError(
                f"labels that are picked teach the recommended system, {system}: leave "
                f"{', '.join(sorted(others))} out of --systems"
            )
        names = (system, *task.floors)
        if self.skew:
            parse_skew(self.skew).check(task)
        check_frames(task, names, features)
        return replace(
            self,
            task=task.name,
            features=str(features),
            systems=names,
            draw=RANDOM,
            picks=replace(self.picks, eyes=str(parse(self.picks.eyes or features).settled())),
            replicates=self.replicates or task.n_replicates,
            of_systems=self.bag(task, names),
        )

    def _check_picks(self) -> None:
        """What has no meaning where labels are picked is refused."""
        if not self.picks.asked:
            return
        if ALL in self.budgets:
            raise UndertoneError(
                f"--picks goes on in batches up to a number of labels: name it in place of {ALL}"
            )
        others = {
            "--test-corpus": self.across.asked,
            "--vault": bool(self.vault),
            "--adapt": bool(self.adapt),
            "--text": bool(self.text.model),
            "--teacher": self.teacher is not None,
            "--transductive": self.transductive,
        }
        if given := [name for name, asked in others.items() if asked]:
            raise UndertoneError(
                f"--picks replays how one corpus is labelled: leave {', '.join(given)} out, or "
                "--picks"
            )

    def outlook(self, task: Task, corpus: str, n_folds: int, budgets: Sequence[int]) -> str:
        """How much there is to do, in a sentence."""
        n_draws, picked = self.draws, self.picks.rows if self.picks.asked else ()
        if picked:
            return (
                f"{corpus}: {n_folds * n_draws * len(picked):,} loops of labelling, "
                f"of {n_folds} folds, {n_draws} draws and {len(picked)} strategies"
            )
        rows = systems_of(task)
        systems = [rows[name] for name in self.systems]
        pairs = [(b, s) for b in budgets for s in systems if b >= s.least_labels]
        n_fits = n_folds * sum(self.draws_of(system) for _, system in pairs)
        return (
            f"{corpus}: {n_fits:,} fits, of {n_folds} folds, "
            f"{n_draws} draws, {len(budgets)} budgets and {len(systems)} systems"
        )

    @property
    def few_draws(self) -> int:
        """Draws of systems whose every weight is trained, where these are fewer; 0 elsewhere."""
        return self.full_draws if self.full_draws < self.draws else 0

    def draws_of(self, system: System) -> int:
        """How many draws a system is fitted to."""
        return self.few_draws or self.draws if system.trains_all else self.draws

    @property
    def teacher(self) -> FeatureName | None:
        """Whose encoder teaches, if one does."""
        return teacher_in(self.of_systems)

    def bag(self, task: Task, systems: tuple[str, ...]) -> dict[str, Any]:
        """Settings of these systems by section: what is given, over what the task presets."""
        return bag_of(task, systems, self.of_systems)

    def _check_across(self) -> None:
        """What has no meaning where another corpus is tested is refused."""
        across = self.across
        if across.asked and self.fold_files:
            raise UndertoneError(
                "--fold-files are folds of one corpus: leave them out where another is tested"
            )
        if across.asked and self.text.transcripts:
            raise UndertoneError(
                "--transcripts names utterances of one corpus: where others are tested, give each "
                "corpus a table with a column transcript"
            )
        if across.system and self.systems and across.system not in self.systems:
            raise UndertoneError(
                f"across.system is one of the systems of the run, {', '.join(self.systems)}; found "
                f"{across.system}"
            )
        if self.vault and (across.each or len(across.test) > 1):
            raise UndertoneError(
                "a vault freezes speakers of one corpus: name one --test-corpus beside --vault"
            )

    def voiced(self, task: Task) -> tuple[ByVoice, ...]:
        """Rows of its systems that are adapted to the tested voices."""
        rows, bag = systems_of(task), self.bag(task, self.systems)
        able = [
            rows[name]
            for name in self.systems
            if rows[name].adapts and rows[name].own(bag).centring > 0
        ]
        if self.adapt and not able:
            raise UndertoneError(
                f"--adapt: none of the systems {', '.join(self.systems)} can be adapted to a "
                "voice; of the task classes combined, descriptors and layers can, where "
                "discriminant.centring is above 0, of dimensions descriptors and layers with "
                "--set ridge.centring=5"
            )
        numbers = sorted(int(number) for number in self.adapt if number != ALL)
        numbers += [EVERY] * (ALL in self.adapt)
        return rows_by_voice(able, numbers)

    def _check_adapt(self) -> None:
        check_no_twins("adapt", self.adapt)
        numbers = [number for number in self.adapt if number != ALL]
        if any(not isinstance(n, int) or n < FEWEST_RECORDINGS for n in numbers):
            raise UndertoneError(
                f"--adapt takes numbers of recordings from {FEWEST_RECORDINGS} on, or {ALL}, with "
                f"commas between, such as 3,10,all; found {', '.join(map(str, self.adapt))}"
            )
        if self.adapt and self.vault:
            raise UndertoneError(
                "what is measured on a vault must not listen to its voices: leave --adapt out, or "
                "--vault"
            )

    def _check_systems(self) -> None:
        """Floors are those of the task, or of any where it is not known yet."""
        kinds = [kind for name, kind in TASKS.items() if self.task in ("", name)]
        if not any(set(kind.floors) <= set(self.systems) for kind in kinds):
            floors = ", or ".join(f"{', '.join(kind.floors)} (of {kind.name})" for kind in kinds)
            raise UndertoneError(f"systems must hold {floors}: no curve without its floors")
        if self.unlabelled and not set(who_sees_pool()) & set(self.systems):
            raise UndertoneError(
                f"{', '.join(self.systems)} do not use the unlabelled corpora "
                f"{', '.join(self.unlabelled)}; leave --unlabelled out, or name a system that "
                f"does: {', '.join(who_sees_pool())}"
            )


def check_draws(settings: Any) -> None:
    """Refuse budgets, draws, folds, seeds and replicates that cannot be.

    Args:
        settings: of a run that draws labels: with the fields of these names.
    """
    check_no_twins("budgets", settings.budgets)
    numbers = [budget for budget in settings.budgets if budget != ALL]
    if not settings.budgets or any(not isinstance(n, int) or n < 2 for n in numbers):
        raise UndertoneError(
            f"budgets are numbers of labels from 2 on, or {ALL}, found {settings.budgets}"
        )
    check_ranges(
        settings,
        draws=(1, math.inf),
        folds=(2, math.inf),
        seed=(0, 2**62),
        replicates=(0, math.inf),
    )


def check_no_twins(name: str, values: Sequence[object]) -> None:
    if len(set(values)) < len(values):
        raise UndertoneError(f"{name} holds something twice: {', '.join(map(str, values))}")


def quick_values() -> dict[str, Any]:
    """Settings of a first look: fewer draws, budgets and epochs, probabilities as they come."""
    return {
        "budgets": [20, 100],
        "draws": 3,
        "full_draws": 1,
        "pretrain": {"max_epochs": 12, "patience": 3},
        "finetune": {"max_epochs": 30, "patience": 8},
        "discriminant": {"calibrate": False},  # six fits in place of one, for probabilities alone
    }


def demo_settings(folder: Path | None) -> CurveSettings:
    """The demo: EmoDB if the folder holds it, synthetic voices otherwise."""
    if folder is not None and not folder.is_dir():
        raise UndertoneError(f"--corpora {folder} is not a folder")
    if folder is not None and (folder / "emodb").is_dir():
        unlabelled = [f"{d.name}={d}" for d in [folder / "librispeech"] if d.is_dir()]
        names = {"corpus": f"emodb={folder / 'emodb'}", "unlabelled": unlabelled}
        return config.load(CurveSettings, quick_values() | names)
    names = {"corpus": "synthetic", "unlabelled": ["synthetic-unlabelled"]}
    return config.load(
        CurveSettings, quick_values() | {"budgets": [20, 50, 200], "folds": 3} | names
    )
