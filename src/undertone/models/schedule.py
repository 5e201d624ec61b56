"""Settings that every supervised training has, and those of networks that see segments."""

import math
from dataclasses import dataclass
from typing import ClassVar

from undertone.config import check_ranges


@dataclass(frozen=True)
class Schedule:
    """How long and in which steps a network is trained."""

    section: ClassVar[str] = ""  # of the settings that hold it; none where nobody sets it
    learning_rate: float = 1e-3  # of Adam
    batch_size: int = 16  # utterances, or segments of them
    clip_norm: float = 1.0  # longest gradient
    max_epochs: int = 60  # passes over the labels
    patience: int = 12  # epochs without a better validation loss
    epochs_without_validation: int = 25  # where the budget is too small to validate

    def __post_init__(self) -> None:
        check_ranges(
            self,
            learning_rate=(1e-9, 10),
            batch_size=(1, math.inf),
            clip_norm=(1e-9, math.inf),
            max_epochs=(1, math.inf),
            patience=(1, math.inf),
            epochs_without_validation=(1, math.inf),
        )


@dataclass(frozen=True)
class SegmentSchedule(Schedule):
    """The same on segments of utterances."""

    segment_s: float = 4.0  # length of a segment
    overlap: float = 0.5  # of neighbouring segments

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, segment_s=(0.1, 600), overlap=(0, 0.95))
