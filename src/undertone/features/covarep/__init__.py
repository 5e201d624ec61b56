"""The 74 COVAREP columns, as in the published CMU features, from a specification of the reference.

In:  (n_samples,) waveform at 16 kHz.
Out: (n_frames, 74) on the grid that all features share.

What cannot be computed for a recording is NaN in its columns, and logged. ``analyse`` of the module
``extraction`` works at any rate from 8 kHz and also returns the reasons. Deliberate differences
from the reference are listed in docs/covarep.md.
"""

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from undertone.audio import SAMPLE_RATE
from undertone.errors import UndertoneError

PULSE = ("NAQ", "QOQ", "H1H2", "PSP")
RD = ("Rd", "Rd_conf")
MCEP = tuple(f"MCEP_{i}" for i in range(25))
HMPDM = tuple(f"HMPDM_{i}" for i in range(25))
HMPDD = tuple(f"HMPDD_{i}" for i in range(13))
COLUMNS = ("F0", "VUV", *PULSE, "MDQ", "peakSlope", *RD, "creak", *MCEP, *HMPDM, *HMPDD)
VERSION = 2
FRAMES_A_CLIP = 6000  # of the features covarep_clips: one minute


@dataclass(frozen=True)
class CovarepConfig:
    """Settings of the 74 columns.

    Attributes:
        rd: "compatible" as in the published features, or "published" as in the paper.
        frames_to_clip: analyse so many frames at a time, each stretch as its own recording.
        creak_network: a file with the original network instead of our own weights.
        raw: keep NaN between analysis times and infinite slopes.
    """

    rd: str = "compatible"
    frames_to_clip: int | None = None
    creak_network: str | None = None
    raw: bool = False

    def __post_init__(self) -> None:
        if self.rd not in ("compatible", "published"):
            raise UndertoneError(f"rd is {self.rd!r}; expected 'compatible' or 'published'")
        if self.frames_to_clip is not None and self.frames_to_clip < 1:
            raise UndertoneError(f"frames_to_clip is {self.frames_to_clip}; expected 1 or more")

    def settings(self) -> dict[str, Any]:
        """What distinguishes these frames from others in a cache."""
        return asdict(self)


COMPATIBLE = CovarepConfig()
PUBLISHED = CovarepConfig(rd="published")
CLIPS = CovarepConfig(frames_to_clip=FRAMES_A_CLIP)


def extract(waveform: np.ndarray, config: CovarepConfig = COMPATIBLE) -> np.ndarray:
    """(n_frames, 74) float32 of a waveform at 16 kHz."""
    from undertone.features.covarep.extraction import analyse  # compiles kernels

    analysis = analyse(waveform, SAMPLE_RATE, config)
    for reason in dict.fromkeys(analysis.missing.values()):
        names = [name for name, why in analysis.missing.items() if why == reason]
        logging.getLogger(__name__).warning(
            "no %s in a recording of %.2f s: %s",
            names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}",
            len(waveform) / SAMPLE_RATE,
            reason,
        )
    return analysis.frames.astype(np.float32)
