"""Golden outputs of the COVAREP reference, and its intermediate results as our steps take them."""

import functools
from pathlib import Path

import numpy as np
import soundfile

from undertone.features.covarep import sinusoids
from undertone.features.covarep.iaif import filter_inversely
from undertone.features.covarep.polarity import Polarity, detect_polarity
from undertone.features.covarep.srh import HarmonicSums, Pitch, sum_harmonics

NAMES = (
    *("arctic_a0007", "edge_8k", "edge_inverted", "edge_noise", "edge_quiet", "edge_short_0p90s"),
    *("edge_stereo", "edge_zeropad", "emodb_03a01Wa", "emodb_08a01Wa", "emodb_09a07Ta"),
    *("emodb_11a02Fb", "emodb_13a01Fd", "emodb_14a01Na", "espeak_m_16k", "kerstin_16k"),
    "kerstin_44k1",
)
SILENT = ("edge_quiet", "edge_zeropad", "emodb_13a01Fd", "espeak_m_16k")  # digitally, somewhere
WITH_STEPS = tuple(n for n in NAMES if not n.startswith("edge"))  # debugging keys


class Golden:
    """One recording with everything the reference computed on the way, and our first steps."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        with np.load(folder / f"{name}.npz") as stored:
            self.keys = {key: stored[key] for key in stored.files}
        samples, self.sample_rate = soundfile.read(folder / f"{name}.wav", always_2d=True)
        self.samples = np.ascontiguousarray(samples[:, 0])  # the reference reads one channel

    def __getitem__(self, key: str) -> np.ndarray:
        return self.keys[key]

    @property
    def upright(self) -> np.ndarray:
        return self.samples * float(self["polarity"])

    @property
    def closures(self) -> np.ndarray:
        return self["gci"].astype(np.int64)

    @property
    def pitch(self) -> Pitch:
        return Pitch(
            positions=np.round(self["srh_time"] * self.sample_rate).astype(np.int64),
            f0_hz=self["srh_f0"],
            strength=self["srh_val"],
            voiced=self["srh_vuv"] > 0,
            median_f0_hz=float(self["F0med"]),
        )

    @functools.cached_property
    def polarity(self) -> Polarity:
        return detect_polarity(self.samples, self.sample_rate)

    @functools.cached_property
    def harmonics(self) -> HarmonicSums:
        return sum_harmonics(self.samples, self.sample_rate)

    @functools.cached_property
    def flow(self) -> np.ndarray:
        return filter_inversely(self.upright, self.sample_rate, self.closures)

    @functools.cached_property
    def sinusoids(self) -> sinusoids.Sinusoids:
        plan = sinusoids.plan_frames(len(self.samples), self.sample_rate, self.pitch)
        builder = sinusoids.SinusoidsBuilder(plan, self.sample_rate)
        for batch, spectrum in sinusoids.spectra(self.upright, plan):
            builder.add(batch, spectrum, sinusoids.log_magnitude(spectrum))
        return builder.build()
