"""What a learning curve is asked for: corpora, features, budgets, systems, and their settings."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from undertone import config
from undertone.config import check_ranges
from undertone.errors import UndertoneError
from undertone.features.upstream.source import PREFIX, asks_to_choose
from undertone.training.cnn import CnnConfig
from undertone.training.discriminant import DiscriminantConfig
from undertone.training.encoder import EncoderConfig
from undertone.training.finetune import FinetuneConfig
from undertone.training.pretrain import PretrainConfig
from undertone.training.systems import (
    DEFAULT_SYSTEMS,
    FITS,
    OF_LAYERS,
    SEES_POOL,
    UPSTREAM_SYSTEMS,
)

ALL = "all"


@dataclass(frozen=True)
class CurveSettings:
    """Settings of a learning curve."""

    corpus: str
    unlabelled: tuple[str, ...] = ()
    features: str = "log_mel"
    budgets: tuple[int | str, ...] = (20, 50, 100, 200)  # "all": what the training speakers have
    draws: int = 10
    folds: int = 5
    fold_files: str = ""  # folder of EmoBox's folds of this corpus, in place of our own
    seed: int = 0
    transductive: bool = False  # pre-train on test speakers too
    systems: tuple[str, ...] = ()  # by default those that fit the features
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    discriminant: DiscriminantConfig = field(default_factory=DiscriminantConfig)
    cnn: CnnConfig = field(default_factory=CnnConfig)
    image_network: str = ""  # folder or hub name of the ResNet that image_cnn starts from

    def __post_init__(self) -> None:
        if not self.systems:
            upstream = self.features.startswith(PREFIX)
            usual = UPSTREAM_SYSTEMS if upstream else DEFAULT_SYSTEMS
            object.__setattr__(self, "systems", usual)
        self._check_systems()
        for name in ("systems", "budgets"):
            if len(set(values := getattr(self, name))) < len(values):
                raise UndertoneError(f"{name} holds something twice: {', '.join(map(str, values))}")
        if not self.budgets or any(b != ALL and not _is_number(b) for b in self.budgets):
            raise UndertoneError(
                f"budgets are numbers of labels from 2 on, or {ALL}, found {self.budgets}"
            )
        check_ranges(self, draws=(1, math.inf), folds=(2, math.inf), seed=(0, 2**62))

    def _check_systems(self) -> None:
        if unknown := set(self.systems) - set(FITS):
            raise UndertoneError(
                f"there is no system {', '.join(sorted(unknown))}; there are {', '.join(FITS)}"
            )
        if "constant" not in self.systems:
            raise UndertoneError("systems must hold constant: no curve without its floor")
        if self.unlabelled and not SEES_POOL & set(self.systems):
            raise UndertoneError(
                f"{', '.join(self.systems)} do not use the unlabelled corpora "
                f"{', '.join(self.unlabelled)}; leave --unlabelled out, or name a system that "
                f"does: {', '.join(name for name in FITS if name in SEES_POOL)}"
            )
        if asks_to_choose(self.features) and (others := set(self.systems) - set(UPSTREAM_SYSTEMS)):
            raise UndertoneError(
                f"@auto chooses a layer for {', '.join(OF_LAYERS)}; {', '.join(sorted(others))} "
                "need one layer: name it, as @6"
            )
        if "layers" in self.systems and not self.features.startswith(PREFIX):
            raise UndertoneError(
                "the system layers needs the frames of a pre-trained encoder: "
                f"--features {PREFIX}MODEL@auto, found {self.features}"
            )


def _is_number(budget: int | str) -> bool:
    return isinstance(budget, int) and budget >= 2


def quick_values() -> dict[str, Any]:
    """Settings of a first look: fewer draws, budgets and epochs."""
    return {
        "budgets": [20, 100],
        "draws": 3,
        "pretrain": {"max_epochs": 12, "patience": 3},
        "finetune": {"max_epochs": 30, "patience": 8},
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
