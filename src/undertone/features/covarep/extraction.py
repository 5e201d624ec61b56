"""The 74 COVAREP columns of a recording.

In:  (n_samples,) samples in [-1, 1] at any rate from 8 kHz.
Out: ``Analysis``: (n_frames, 74), row k at 5 + 10 k ms, and what could not be computed and why.

Sources: specification of COVAREP's feature extraction; Degottex, Kane, Drugman, Raitio & Scherer,
COVAREP: a collaborative voice analysis repository for speech technologies, ICASSP 2014.
Deliberate differences from the reference are listed in docs/covarep.md.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from undertone.errors import UndertoneError
from undertone.features.covarep.closure import find_closures, smooth_by_period
from undertone.features.covarep.envelope import estimate_envelopes, orders_for
from undertone.features.covarep.grid import (
    grid_positions,
    place_cepstra,
    place_phase_distortion,
    place_pitch,
)
from undertone.features.covarep.hmpd import FEWEST_FRAMES, measure_phase_distortion
from undertone.features.covarep.iaif import filter_inversely
from undertone.features.covarep.matlab import interpolate
from undertone.features.covarep.mdq import measure_dispersion
from undertone.features.covarep.peak_slope import measure_peak_slope
from undertone.features.covarep.polarity import detect_polarity
from undertone.features.covarep.pulse import measure_pulses
from undertone.features.covarep.rd import estimate_rd
from undertone.features.covarep.sinusoids import (
    FramePlan,
    Sinusoids,
    SinusoidsBuilder,
    log_magnitude,
    plan_frames,
    spectra,
)
from undertone.features.covarep.srh import Pitch, sum_harmonics, track_pitch
from undertone.features.covarep.warped_cepstrum import compute_cepstra

COLUMNS = (
    *("F0", "VUV", "NAQ", "QOQ", "H1H2", "PSP", "MDQ", "peakSlope", "Rd", "Rd_conf", "creak"),
    *(f"MCEP_{i}" for i in range(25)),
    *(f"HMPDM_{i}" for i in range(25)),
    *(f"HMPDD_{i}" for i in range(13)),
)
MCEP_ORDER = 24
FEWEST_CLOSURES = 2
GLOTTAL = ("NAQ", "QOQ", "H1H2", "PSP", "MDQ")
LOWEST_RATE = 8_000  # Hz
LONGEST_S = 1200.0  # analysed at once; about 1.3 MB of working memory a second


@dataclass(frozen=True)
class CovarepConfig:
    """Settings of the 74 columns."""

    rd: str = "compatible"  # as in the published features; or "published", as in the paper
    frames_to_clip: int | None = None  # analyse so many frames at a time, each as its own recording
    creak_network: Path | None = None  # the original network's file instead of our own weights
    raw: bool = False  # keep NaN between analysis times and infinite slopes

    def __post_init__(self) -> None:
        if self.rd not in ("compatible", "published"):
            raise UndertoneError(f"rd is {self.rd!r}; expected 'compatible' or 'published'")
        if self.frames_to_clip is not None and self.frames_to_clip < 1:
            raise UndertoneError(f"frames_to_clip is {self.frames_to_clip}; expected 1 or more")


@dataclass(frozen=True)
class Analysis:
    """The columns of a recording."""

    frames: np.ndarray  # (n_frames, 74) float64
    times_s: np.ndarray  # (n_frames,)
    missing: dict[str, str] = field(default_factory=dict)  # column -> why it could not be computed
