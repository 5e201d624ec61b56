"""The systems that a curve compares, ``finetune`` trains, ``predict`` runs and a card names.

In:  a ``Problem``: one fold's material and one draw of labels; the system's settings.
Out: ``Fitted``.

A new system is a fit, in this file or one of its own, and its row in ``ROWS``. The floors of a task
are the task's own and come last.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from undertone.errors import UndertoneError, needs
from undertone.evaluation.report.result import Contrast, Pair
from undertone.features import samples
from undertone.features.name import FeatureName
from undertone.models.heads import Constant
from undertone.systems import fits, taught_rows, tuned, word_rows
from undertone.systems.calibrated import calibrated
from undertone.systems.fitted import Fitted, OnVectors
from undertone.systems.problem import PRETRAINED, RANDOM, Problem
from undertone.systems.system import (
    CNN,
    DISCRIMINANT,
    ENCODER,
    FINETUNE,
    FRAMES,
    LORA,
    PICTURE,
    RIDGE,
    TUNING,
    Section,
    System,
    own_rows,
)
from undertone.systems.view import View
from undertone.tasks import AMOUNTS, CHOICE, TASKS, Dimensions, Task

__all__ = ["ENCODER", "FRAMES", "ROWS", "Section", "System", "systems_of"]


ROWS: tuple[System, ...] = (
    System(
        "combined",
        "descriptors + pre-trained",
        "pretrained",
        "Descriptors of the frames beside mean and sd of the pre-trained GRU's outputs, in a "
        "shrunk linear discriminant analysis, self-trained where unlabelled training speech "
        "sounds like the labels.",
        calibrated(partial(fits.fit_combined, start=PRETRAINED)),
        DISCRIMINANT,
        tasks=(CHOICE,),
        pretrains=True,
        sees_pool=True,
        recommended=True,
        hears_others=True,
        adapts=True,
    ),
    System(
        "combined_random",
        "descriptors + random",
        "control",
        "The same with a random GRU.",
        calibrated(partial(fits.fit_combined, start=RANDOM)),
        DISCRIMINANT,
        tasks=(CHOICE,),
        sees_pool=True,
        hears_others=True,
        adapts=True,
    ),
    System(
        "descriptors",
        "descriptors alone",
        "classic",
        "Descriptors of the frames in a shrunk linear discriminant analysis, self-trained where "
        "unlabelled training speech sounds like the labels.",
        calibrated(fits.fit_combined),
        DISCRIMINANT,
        tasks=(CHOICE,),
        hears_others=True,
        adapts=True,
        reads_means=True,
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
        trains_all=True,
    ),
    System(
        "scratch",
        "from scratch",
        "scratch",
        "The identical network from random weights, same labels, same schedule.",
        partial(fits.fit_full, start=RANDOM),
        FINETUNE,
        sees_pool=True,
        trains_all=True,
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
    *word_rows.ROWS,
    System(
        "descriptors",
        "descriptors + ridge",
        "classic",
        "Descriptors of the frames as z-scores of the training speakers' speech, ridge regression "
        "with a fixed penalty, its predictions spread as the labels are.",
        fits.fit_ridge_in_crowd,
        RIDGE,
        tasks=(Dimensions.name,),
        hears_others=True,
        recommended=True,
        adapts=True,
        reads_means=True,
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
        hears_others=True,
        usual=(ENCODER,),
        recommended=True,
        adapts=True,
        reads_means=True,
    ),
    System(
        "layers",
        "all layers",
        "classic",
        "Means over time of all layers, the middle ones counting most, in a shrunk linear "
        "discriminant analysis, self-trained where unlabelled training speech sounds like the "
        "labels.",
        calibrated(fits.fit_combined),
        DISCRIMINANT,
        tasks=(CHOICE,),
        usual=(ENCODER,),
        recommended=True,
        hears_others=True,
        adapts=True,
        reads_means=True,
    ),
    System(
        "labels_alone",
        "without self-training",
        "control",
        "The discriminant analysis on descriptors or all layers, whose crowd gives scale and "
        "speakers and teaches nothing.",
        calibrated(fits.fit_on_labels_alone),
        DISCRIMINANT,
        tasks=(CHOICE,),
        usual=(FRAMES, ENCODER),
        hears_others=True,
        reads_means=True,
    ),
    System(
        "linear",
        "linear",
        "classic",
        "Mean and standard deviation of the frames over time, a linear head.",
        partial(fits.fit_linear, block="mean_sd"),
        usual=(ENCODER,),
        one_layer=True,
        reads_means=True,
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
        reads_means=True,
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
    System(
        "encoder_full",
        "encoder, fine-tuned",
        "classic",
        "The encoder itself under a dense layer, all behind its convolutions trained on labels.",
        tuned.fit_encoder,
        TUNING,
        usual=(),
        hears_audio=True,
        trains_all=True,
        reads_means=True,
    ),
    System(
        "encoder_lora",
        "encoder, low-rank",
        "classic",
        "The same by low-rank changes to the weights of its attention (LoRA).",
        tuned.fit_encoder,
        LORA,
        usual=(),
        hears_audio=True,
        trains_all=True,
        reads_means=True,
    ),
    *taught_rows.of_teaching(CHOICE),
    *taught_rows.of_teaching(AMOUNTS),
)
SIMPLEST_FIRST = (  # what a curve recommends is the first of these that is not measurably worse
    "functionals_ridge",  # a linear model of what frames are on average
    "functionals_logistic",
    "linear",
    "functionals_svm",
    "svm",
    "descriptors",  # one with a crowd of unlabelled voices
    "layers",
    "text_alone",  # a second encoder, and a transcript of whatever is predicted
    "audio_text",
    "audio_text_train",
    "taught",
    "scratch",  # networks that are trained for minutes
    "cnn",
    "image_cnn",
    "pretrained_frozen",  # and pre-trained for longer
    "combined",
    "pretrained_full",
    "encoder_lora",  # a whole encoder, trained further
    "encoder_full",
)
TUNED = "training the encoder"  # what a contrast is about
PAIRS = (
    Pair("combined", "combined_random", "beside descriptors"),
    Pair("pretrained_full", "scratch", "all weights trained"),
    Pair("pretrained_frozen", "random_frozen", "encoder frozen"),
    Pair(  # the published comparison: it also changes what is trained
        "pretrained_frozen", "scratch", "frozen against trained from scratch", like_with_like=False
    ),
)
CONTRASTS = (
    Contrast("layers", "labels_alone", "labels alone", "self-training"),
    Contrast("descriptors", "labels_alone", "labels alone", "self-training"),
    Contrast("encoder_full", "layers", "all layers, nothing of the encoder trained", TUNED),
    Contrast("encoder_lora", "layers", "all layers, nothing of the encoder trained", TUNED),
    Contrast("taught", "layers", "the same student untaught"),
    Contrast("taught", "descriptors", "the same student untaught"),
    Contrast("taught", "taught_by_itself", "the teacher taught by itself"),
    Contrast("taught", "teacher", "the teacher"),
    Contrast("audio_text", "layers", "the voice alone", "words"),
    Contrast("audio_text", "descriptors", "the voice alone", "words"),
    Contrast("audio_text", "text_alone", "the words alone", "words"),
    Contrast("audio_text", "text_shuffled", "somebody else's words", "words"),
    Contrast("audio_text_train", "layers", "the voice alone", "words"),
    Contrast("audio_text_train", "descriptors", "the voice alone", "words"),
)
ALONGSIDE = {  # no row without its control, where the task has it
    "descriptors": ("labels_alone",),
    "layers": ("labels_alone",),
    "taught": ("taught_by_itself",),
    "audio_text": ("text_shuffled",),
}


def systems_of(task: Task) -> dict[str, System]:
    """The rows that can do a task, then its floors."""
    floors = (
        System(
            *(name, floor.label, "floor", floor.description, fit),
            usual=(FRAMES, ENCODER),
            reads_means=True,
        )
        for name, floor in task.floors.items()
        for fit in [partial(fit_floor, floor=name)]
    )
    rows = (row for row in (*ROWS, *own_rows()) if {task.kind, task.name} & set(row.tasks))
    return {row.name: row for row in (*rows, *floors)}


def known_names() -> tuple[str, ...]:
    """Of all rows, whatever they can do, and of all floors."""
    floors = (name for kind in TASKS.values() for name in kind.floors)
    names = (row.name for row in (*ROWS, *own_rows()))
    return tuple(dict.fromkeys((*names, *floors)))


def who_sees_pool() -> tuple[str, ...]:
    """Names of the systems that use unlabelled corpora."""
    return tuple(dict.fromkeys(row.name for row in ROWS if row.sees_pool or row.hears_others))


def usual_systems(
    task: Task, frames: str, *, taught: bool = False, words: bool = False
) -> tuple[str, ...]:
    """What a curve on ``FRAMES`` or on those of an ``ENCODER`` holds by default."""
    return tuple(
        name
        for name, row in systems_of(task).items()
        if frames in row.usual
        and not row.stands_alone
        and (taught or not row.needs_teacher)
        and (words or not row.reads_words)
    )


def read_frames_of_encoder(task: Task, names: Sequence[str]) -> bool:
    """Whether one of these systems reads an encoder's frames, and not only means over time."""
    rows = systems_of(task)
    return any(not rows[name].reads_means for name in names)


def advised(task: Task, frames: str, *, pretrained: bool, words: bool = False) -> str:
    """What we would train, from a pre-trained encoder or without one, with words or without.

    It is the first row that is recommended, or else a classic one, or else any.
    """
    rows = [
        row
        for row in systems_of(task).values()
        if frames in row.usual
        and not row.stands_alone
        and row.pretrains == pretrained
        and not row.needs_teacher
        and (words or not row.reads_words)
        and row.kind not in ("control", "floor")
    ]
    best = [row for row in rows if row.recommended] or [r for r in rows if r.kind == "classic"]
    return (best or rows)[0].name


def system_of(
    task: Task, name: str, features: FeatureName, *, pretrained: bool, words: bool = False
) -> System:
    """The row of a system that is trained alone; of none the advised one.

    Raises:
        UndertoneError: there is no such system for the task.
    """
    rows, frames = systems_of(task), ENCODER if features.is_upstream else FRAMES
    name = name or advised(task, frames, pretrained=pretrained, words=words)
    if name not in rows:
        raise UndertoneError(
            f"there is no system {name!r} for {task.name}; there are {', '.join(rows)}"
        )
    return rows[name]


def check_frames(task: Task, names: Sequence[str], features: FeatureName) -> None:
    """Refuse systems that cannot be fitted on these frames.

    Raises:
        UndertoneError: a layer is to be chosen for one that needs it named, or all layers are
            missing for one that reads them.
    """
    rows = systems_of(task)
    tuning = [name for name in names if rows[name].hears_audio]
    if tuning:
        tuned.check_tunable(features, tuning)
        if "encoder_lora" in tuning:
            needs("peft", extra="lora", what="low-rank changes to an encoder")
    if str(features) == samples.NAME:
        raise UndertoneError(
            f"{samples.NAME} is what a model that carries an encoder hears; to train one name the "
            "encoder, as --features upstream:MODEL@all --system encoder_lora"
        )
    others = [n for n in names if ENCODER not in rows[n].usual and n not in tuning]
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


def check_teacher(names: Sequence[str], teacher: str) -> None:
    """Refuse a teacher that nobody learns from, and a pupil without one.

    Raises:
        UndertoneError: one is there without the other.
    """
    pupils = {row.name for row in ROWS if row.needs_teacher}
    if (taught := pupils & set(names)) and not teacher:
        raise UndertoneError(
            f"the system {', '.join(sorted(taught))} needs a teacher: --teacher "
            "upstream:MODEL@all, or the setting taught.teacher"
        )
    if teacher and not taught:
        raise UndertoneError(
            f"{', '.join(names)} learn from no teacher: leave {teacher} out, or name a system "
            f"that does: {', '.join(sorted(pupils))}"
        )


def contrasts_among(systems: Sequence[str]) -> tuple[Contrast, ...]:
    """The contrasts whose systems are both there."""
    return tuple(c for c in CONTRASTS if {c.ours, c.other} <= set(systems))


def check_words(task: Task, names: Sequence[str], *, given: bool) -> None:
    """Refuse systems that read transcripts where there are none, and transcripts that none reads.

    Raises:
        UndertoneError: names the systems, or the option that they need.
    """
    readers = [name for name, row in systems_of(task).items() if row.reads_words]
    if not given and (asked := [name for name in names if name in readers]):
        raise UndertoneError(
            f"{', '.join(asked)} read transcripts: name an encoder of text, as --text "
            "sentence-transformers/all-MiniLM-L6-v2"
        )
    if given and not set(names) & set(readers):
        raise UndertoneError(
            f"{', '.join(names)} read no transcripts: leave --text out, or name a system that "
            f"does: {', '.join(readers)}"
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
