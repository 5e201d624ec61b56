"""What a row of the table of systems is, and the sections of settings that rows share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from undertone.evaluation.report.result import KINDS, Compared
from undertone.models.cnn import CnnConfig
from undertone.models.crowd_ridge import RidgeConfig
from undertone.models.discriminant import DiscriminantConfig
from undertone.models.picture import PictureConfig
from undertone.systems.fitted import Fitted
from undertone.systems.problem import Problem
from undertone.systems.taught import TaughtConfig
from undertone.tasks import AMOUNTS, CHOICE
from undertone.training.supervised import FinetuneConfig
from undertone.training.tuning import LoraTuningConfig, TuningConfig

FRAMES, ENCODER = "frames", "encoder"  # whose frames: an extractor's, a pre-trained encoder's
Fit = Callable[[Problem, Any], Fitted]


@dataclass(frozen=True)
class Section:
    """Settings of some systems: the name of their section, and their class."""

    name: str
    kind: type


FINETUNE = Section(FinetuneConfig.section, FinetuneConfig)
DISCRIMINANT = Section("discriminant", DiscriminantConfig)
RIDGE = Section("ridge", RidgeConfig)
CNN = Section(CnnConfig.section, CnnConfig)
PICTURE = Section(PictureConfig.section, PictureConfig)
TAUGHT = Section("taught", TaughtConfig)
TUNING = Section(TuningConfig.section, TuningConfig)
LORA = Section(LoraTuningConfig.section, LoraTuningConfig)


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
        hears_others: whether unlabelled corpora join its crowd.
        needs_teacher: whether an encoder beside the frames teaches it.
        hears_teacher: whether it hears that encoder to predict, too.
        reads_words: whether it is fitted on transcripts.
        reads_means: whether of an encoder's frames it reads means over time alone, so that no frame
            need be kept.
        hears_audio: whether it trains the encoder of the frames itself, on the recordings.
        adapts: whether its fits can be adapted to a voice, by recordings without labels.
        trains_all: whether every weight of a network is trained, which costs more than all else
            together: a curve fits it to a few of its draws, by default.
        least_labels: of a budget; with fewer it says nothing and is left out.
        reads: digest of what it hears beside the frames of the curve; "" where it hears nothing.
    """

    fit: Fit
    settings: Section | None = None
    tasks: tuple[str, ...] = (CHOICE, AMOUNTS)
    usual: tuple[str, ...] = (FRAMES,)
    pretrains: bool = False
    sees_pool: bool = False
    one_layer: bool = False
    hears_others: bool = False
    needs_teacher: bool = False
    hears_teacher: bool = False
    reads_words: bool = False
    reads_means: bool = False
    hears_audio: bool = False
    adapts: bool = False
    trains_all: bool = False
    least_labels: int = 0
    reads: str = ""

    def __post_init__(self) -> None:
        assert self.kind in KINDS, f"system {self.name} is of kind {self.kind!r}, none of {KINDS}"
        assert self.sees_pool or not self.pretrains, "who pre-trains on the pool sees it"

    def own(self, bag: Mapping[str, Any]) -> Any:
        """What its fit is given of settings by section; None where it has no settings."""
        return None if self.settings is None else bag[self.settings.name]


_own: dict[str, tuple[System, ...]] = {}


def own_rows() -> tuple[System, ...]:
    """Rows that the user added to this process, by ``own_rows.add_row``."""
    return tuple(row for rows in _own.values() for row in rows)


def put_own_rows(name: str, rows: tuple[System, ...]) -> None:
    """Add rows of one name, a row a kind of task, or put them in the place of such rows."""
    _own[name] = rows
