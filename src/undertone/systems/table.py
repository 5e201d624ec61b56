"""The systems that a curve compares, ``finetune`` trains, ``predict`` runs and a card names.

In:  a ``Problem``: one fold's material and one draw of labels; the system's settings.
Out: ``Fitted``.

A new system is a fit, in this file or one of its own, and its row in ``ROWS``. The floors of a task
are the task's own and come last.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from undertone.errors import UndertoneError
from undertone.evaluation.report.result import KINDS, Compared, Pair
from undertone.features.name import FeatureName
from undertone.models.cnn import CnnConfig
from undertone.models.crowd_ridge import RidgeConfig
from undertone.models.discriminant import DiscriminantConfig
from undertone.models.heads import Constant
from undertone.models.picture import PictureConfig
from undertone.systems import fits
from undertone.systems.fitted import Fitted, OnVectors, View
from undertone.systems.problem import PRETRAINED, RANDOM, Problem
from undertone.tasks import AMOUNTS, CHOICE, TASKS, Dimensions, Task
from undertone.training.supervised import FinetuneConfig

FRAMES, ENCODER = "frames", "encoder"  # whose frames: an extractor's, a pre-trained encoder's
Fit = Callable[[Problem, Any], Fitted]


@dataclass(frozen=True)
class Section:
    """Settings of some systems: the name of their section, and their class."""

    name: str
    kind: type


FINETUNE = Section("finetune", FinetuneConfig)
DISCRIMINANT = Section("discriminant", DiscriminantConfig)
RIDGE = Section("ridge", RidgeConfig)
CNN = Section("cnn", CnnConfig)
PICTURE = Section("picture", PictureConfig)


@dataclass(frozen=True)
class System(Compared):
    """One way to learn from labels and predict.

    Attributes:
        fit: a problem and settings to what was fitted.
        settings: its section; None where it has none.
        tasks: kinds of tasks, or names of tasks.
        usual: on whose frames a curve holds it by default.
        pretrains: whether it starts from an encoder pre-trained on the pool.
        sees_pool: whether statistics of the pool enter.
        one_layer: whether it reads one layer of an encoder, chosen on labels where none is named.
        overconfident: whether its probabilities want a temperature before they are served.
    """

    fit: Fit
    settings: Section | None = None
    tasks: tuple[str, ...] = (CHOICE, AMOUNTS)
    usual: tuple[str, ...] = (FRAMES,)
    pretrains: bool = False
    sees_pool: bool = False
    one_layer: bool = False
    overconfident: bool = False

    def __post_init__(self) -> None:
        assert self.kind in KINDS, f"system {self.name} is of kind {self.kind!r}, none of {KINDS}"
        assert self.sees_pool or not self.pretrains, "who pre-trains on the pool sees it"

    def own(self, bag: Mapping[str, Any]) -> Any:
        """What its fit is given of settings by section; None where it has no settings."""
        return None if self.settings is None else bag[self.settings.name]


ROWS: tuple[System, ...] = (
    System(
        "combined",
        "descriptors + pre-trained",
        "pretrained",
        "Descriptors of the frames beside mean and sd of the pre-trained GRU's outputs, in a "
        "shrunk linear discriminant analysis, self-trained on unlabelled training speech.",
        partial(fits.fit_combined, start=PRETRAINED),
        DISCRIMINANT,
        tasks=(CHOICE,),
        pretrains=True,
        sees_pool=True,
        recommended=True,
        overconfident=True,
    ),
    System(
        "combined_random",
        "descriptors + random",
        "control",
        "The same with a random GRU.",
        partial(fits.fit_combined, start=RANDOM),
        DISCRIMINANT,
        tasks=(CHOICE,),
        sees_pool=True,
        overconfident=True,
    ),
    System(
        "descriptors",
        "descriptors alone",
        "classic",
        "The same discriminant analysis, self-trained, on the descriptors alone.",
        fits.fit_combined,
        DISCRIMINANT,
        tasks=(CHOICE,),
        overconfident=True,
    ),
    System(
        "pretrained_frozen",
        "pre-trained, frozen",
        "pretrained",
        "The pre-trained GRU kept as it is; a linear head on its pooled outputs.",
        partial(fits.fit_frozen, start=PRETRAINED),
        FINETUNE,
        pretrains=True,
        sees_pool=True,
    ),
    System(
        "pretrained_full",
        "pre-trained, fine-tuned",
        "pretrained",
        "The pre-trained GRU and a new dense layer, all weights trained on the labels.",
        partial(fits.fit_full, start=PRETRAINED),
        FINETUNE,
        pretrains=True,
        sees_pool=True,
    ),
    System(
        "scratch",
        "from scratch",
        "scratch",
        "The identical network from random weights, same labels, same schedule.",
        partial(fits.fit_full, start=RANDOM),
        FINETUNE,
        sees_pool=True,
    ),
    System(
        "random_frozen",
        "random, frozen",
        "control",
        "A random GRU kept as it is; a linear head on its pooled outputs.",
        partial(fits.fit_frozen, start=RANDOM),
        FINETUNE,
        sees_pool=True,
    ),
    System(
        "functionals_logistic",
        "functionals + logistic",
        "classic",
        "Statistics of the frames over time, logistic regression.",
        partial(fits.fit_linear, block="functionals"),
        tasks=(CHOICE,),
    ),
    System(
        "functionals_svm",
        "functionals + SVM",
        "classic",
        "The same statistics, support vector machine with a radial kernel.",
        partial(fits.fit_kernel, block="functionals"),
        tasks=(CHOICE,),
        usual=(),
    ),
    System(
        "functionals_ridge",
        "functionals + ridge",
        "classic",
        "Statistics of the frames over time, ridge regression.",
        partial(fits.fit_linear, block="functionals"),
        tasks=(AMOUNTS,),
    ),
    System(
        "descriptors",
        "descriptors + ridge",
        "classic",
        "Descriptors of the frames as z-scores of the training speakers' speech, ridge regression "
        "with a fixed penalty, its predictions spread as the labels are.",
        fits.fit_ridge_in_crowd,
        RIDGE,
        tasks=(Dimensions.name,),
        recommended=True,
    ),
    System(
        "layers",
        "all layers",
        "classic",
        "Means over time of all layers, the middle ones counting most, as z-scores of the training "
        "speakers' speech, ridge regression with a fixed penalty, its spread that of the labels.",
        fits.fit_ridge_in_crowd,
        RIDGE,
        tasks=(Dimensions.name,),
        usual=(ENCODER,),
        recommended=True,
    ),
    System(
        "layers",
        "all layers",
        "classic",
        "Means over time of all layers, the middle ones counting most, in a shrunk linear "
        "discriminant analysis, self-trained on unlabelled training speech.",
        fits.fit_combined,
        DISCRIMINANT,
        tasks=(CHOICE,),
        usual=(ENCODER,),
        recommended=True,
        overconfident=True,
    ),
    System(
        "linear",
        "linear",
        "classic",
        "Mean and standard deviation of the frames over time, a linear head.",
        partial(fits.fit_linear, block="mean_sd"),
        usual=(ENCODER,),
        one_layer=True,
    ),
    System(
        "svm",
        "SVM",
        "classic",
        "The same vectors, support vector machine with a radial kernel.",
        partial(fits.fit_kernel, block="mean_sd"),
        tasks=(CHOICE,),
        usual=(ENCODER,),
        one_layer=True,
    ),
    System(
        "cnn",
        "CNN",
        "scratch",
        "A convolutional network on overlapping segments of the frames.",
        fits.fit_segments,
        CNN,
        usual=(ENCODER,),
        one_layer=True,
    ),
    System(
        "image_cnn",
        "picture network",
        "classic",
        "A ResNet for pictures, fine-tuned on log-mel images of segments.",
        fits.fit_pictures,
        PICTURE,
        usual=(),
    ),
)
PAIRS = (
    Pair("combined", "combined_random", "beside descriptors"),
    Pair("pretrained_full", "scratch", "all weights trained"),
    Pair("pretrained_frozen", "random_frozen", "encoder frozen"),
    Pair(  # the published comparison: it also changes what is trained
        "pretrained_frozen", "scratch", "frozen against trained from scratch", like_with_like=False
    ),
)


def systems_of(task: Task) -> dict[str, System]:
    """The rows that can do a task, then its floors."""
    floors = (
        System(name, floor.label, "floor", floor.description, fit, usual=(FRAMES, ENCODER))
        for name, floor in task.floors.items()
        for fit in [partial(fit_floor, floor=name)]
    )
    rows = (row for row in ROWS if {task.kind, task.name} & set(row.tasks))
    return {row.name: row for row in (*rows, *floors)}


def known_names() -> tuple[str, ...]:
    """Of all rows, whatever they can do, and of all floors."""
    floors = (name for kind in TASKS.values() for name in kind.floors)
    return tuple(dict.fromkeys((*(row.name for row in ROWS), *floors)))


def who_sees_pool() -> tuple[str, ...]:
    """Names of the systems that use unlabelled corpora."""
    return tuple(row.name for row in ROWS if row.sees_pool)


def usual_systems(task: Task, frames: str) -> tuple[str, ...]:
    """What a curve on ``FRAMES`` or on those of an ``ENCODER`` holds by default."""
    return tuple(name for name, row in systems_of(task).items() if frames in row.usual)


def advised(task: Task, frames: str, *, pretrained: bool) -> str:
    """What we would train, from a pre-trained encoder or without one.

    It is the first row that is recommended, or else a classic one, or else any.
    """
    rows = [
        row
        for row in systems_of(task).values()
        if frames in row.usual
        and row.pretrains == pretrained
        and row.kind not in ("control", "floor")
    ]
    best = [row for row in rows if row.recommended] or [r for r in rows if r.kind == "classic"]
    return (best or rows)[0].name


def check_frames(task: Task, names: Sequence[str], features: FeatureName) -> None:
    """Refuse systems that cannot be fitted on these frames.

    Raises:
        UndertoneError: a layer is to be chosen for one that needs it named, or all layers are
            missing for one that reads them.
    """
    rows = systems_of(task)
    others = [name for name in names if ENCODER not in rows[name].usual]
    if features.chooses_layer and others:
        may = [name for name, row in rows.items() if ENCODER in row.usual]
        raise UndertoneError(
            f"@auto is for {', '.join(may)}; for {', '.join(sorted(others))} name one layer, as "
            f"--features {features.one_layer(1)}"
        )
    if "layers" in names and not features.is_upstream:
        raise UndertoneError(
            "the system layers needs the frames of a pre-trained encoder: "
            f"--features upstream:MODEL@auto, found {features}"
        )


def pairs_among(systems: Sequence[str]) -> tuple[Pair, ...]:
    """The pairs whose systems are both there."""
    return tuple(pair for pair in PAIRS if {pair.pretrained, pair.scratch} <= set(systems))


def sections() -> Mapping[str, Section]:
    """Settings of systems, by the name of their section."""
    return {row.settings.name: row.settings for row in ROWS if row.settings is not None}


def fit_floor(problem: Problem, settings: None, *, floor: str) -> Fitted:
    """What needs no speech: the same for everybody, fitted on the labels of the budget."""
    fit = problem.task.floors[floor].fit
    return OnVectors(View(), Constant(fit(problem.truths(problem.budget))))
