"""The 74 COVAREP columns of a recording.

In:  (n_samples,) samples in [-1, 1] at any rate from 8 kHz.
Out: ``Analysis``: (n_frames, 74), row k at 5 + 10 k ms, and what could not be computed and why.

Sources: specification of COVAREP's feature extraction; Degottex, Kane, Drugman, Raitio & Scherer,
COVAREP: a collaborative voice analysis repository for speech technologies, ICASSP 2014.
Deliberate differences from the reference are listed in docs/covarep.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from undertone.errors import UndertoneError
from undertone.features.covarep import COLUMNS, HMPDD, HMPDM, MCEP, PULSE, RD, CovarepConfig
from undertone.features.covarep.closure import find_closures, smooth_by_period
from undertone.features.covarep.creak.inputs import compute_inputs, row_positions
from undertone.features.covarep.creak.network import load_network
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
from undertone.processes import one_thread

FEWEST_CLOSURES = 2
FEWEST_CLOSURES = 2
FEWEST_SINUSOIDAL_FRAMES = 2
LOWEST_RATE = 8_000  # Hz
LONGEST_S = 300.0  # analysed at once: about 5 MB of memory a second
CLIP_MARGIN = 100  # frames of context to either side of a clip


@dataclass(frozen=True)
class Analysis:
    """The columns of a recording."""

    frames: np.ndarray  # (n_frames, 74) float64
    times_s: np.ndarray  # (n_frames,)
    missing: dict[str, str] = field(default_factory=dict)  # column -> why it could not be computed


def analyse(samples: np.ndarray, sample_rate: int, config: CovarepConfig | None = None) -> Analysis:
    """Compute the columns of a recording at its own rate.

    Args:
        samples: (n_samples,) full scale at 1.
        sample_rate: Hz.
        config: settings; the defaults reproduce the published features.

    Raises:
        UndertoneError: the rate is too low, or the recording too long to be analysed at once.
    """
    with one_thread():
        return _analyse(samples, sample_rate, config or CovarepConfig())


def _analyse(samples: np.ndarray, sample_rate: int, config: CovarepConfig) -> Analysis:
    _check(samples, sample_rate, config)
    samples = np.ascontiguousarray(samples, dtype=np.float64)
    grid = grid_positions(len(samples), sample_rate)
    frames = np.full((len(grid), len(COLUMNS)), np.nan)
    missing: dict[str, str] = {}
    for own, analysed in _clips(len(grid), config.frames_to_clip):
        hop = grid[1] - grid[0] if len(grid) > 1 else len(samples)
        last = len(samples) if analysed.stop == len(grid) else analysed.stop * hop
        clip = _Clip(samples[analysed.start * hop : last], sample_rate, config)
        start = own.start - analysed.start
        frames[own] = clip.frames[start : start + own.stop - own.start]
        missing |= clip.missing
    return Analysis(frames, (grid - 1) / sample_rate, missing)


def _check(samples: np.ndarray, sample_rate: int, config: CovarepConfig) -> None:
    if sample_rate < LOWEST_RATE:
        raise UndertoneError(f"covarep needs {LOWEST_RATE} Hz or more, found {sample_rate} Hz")
    seconds = len(samples) / sample_rate
    if config.frames_to_clip is None and seconds > LONGEST_S:
        raise UndertoneError(
            f"covarep analyses at most {LONGEST_S / 60:.0f} minutes at once, since several of its "
            f"quantities are of the whole file, and this recording has {seconds / 60:.0f}; "
            "cut it into utterances, or use the features covarep_clips, which analyse a minute "
            "at a time"
        )


def _clips(n_frames: int, frames_to_clip: int | None) -> Iterator[tuple[slice, slice]]:
    """Yield the rows each clip fills, and the rows it is analysed on."""
    size = frames_to_clip or max(n_frames, 1)
    margin = CLIP_MARGIN if frames_to_clip else 0
    for first in range(0, max(n_frames, 1), size):
        last = min(first + size, n_frames)
        yield slice(first, last), slice(max(first - margin, 0), min(last + margin, n_frames))


class _Clip:
    """One analysis: what is global to a recording in the reference is global to this."""

    def __init__(self, samples: np.ndarray, sample_rate: int, config: CovarepConfig) -> None:
        self.rate, self.config = sample_rate, config
        self.grid = grid_positions(len(samples), sample_rate)
        self.frames = np.full((len(self.grid), len(COLUMNS)), np.nan)
        self.missing: dict[str, str] = {}
        polarity = detect_polarity(samples, sample_rate)
        self.samples, self.residual = samples * polarity.sign, polarity.residual
        self.harmonics = sum_harmonics(samples, sample_rate)
        pitch = track_pitch(self.harmonics)
        self._add_pitch(pitch)
        self._add_glottal(pitch)
        self._put(("peakSlope",), *measure_peak_slope(self.samples, sample_rate))
        self._add_harmonic(plan_frames(len(samples), sample_rate, pitch))
        self._add_creak()
        if not config.raw:
            self._clean()

    def _put(self, names: tuple[str, ...], nodes: np.ndarray, values: np.ndarray) -> None:
        values = interpolate(np.asarray(nodes, dtype=float), values, self.grid)
        self.frames[:, _columns(names)] = values.reshape(len(self.grid), -1)

    def _lack(self, names: tuple[str, ...], reason: str) -> None:
        self.missing |= dict.fromkeys(names, reason)

    def _add_pitch(self, pitch: Pitch) -> None:
        if len(pitch.positions):
            self.frames[:, _columns(("F0", "VUV"))] = np.column_stack(place_pitch(pitch, self.grid))
        else:
            self._lack(("F0", "VUV"), "shorter than a pitch frame of 100 ms")

    def _add_glottal(self, pitch: Pitch) -> None:
        if np.isnan(pitch.median_f0_hz):
            self._lack((*PULSE, "MDQ"), "no voiced frame")
            return
        mean_based = smooth_by_period(self.samples, self.rate, pitch.median_f0_hz)
        closures = find_closures(self.residual, mean_based, pitch)[1]
        if len(closures) < FEWEST_CLOSURES:
            self._lack((*PULSE, "MDQ"), "fewer than two glottal closures in voiced speech")
            return
        flow = filter_inversely(self.samples, self.rate, closures)
        self._put(PULSE, closures + 1, measure_pulses(flow, closures, self.rate))
        self._put(("MDQ",), closures, measure_dispersion(self.residual, closures))

    def _add_harmonic(self, plan: FramePlan) -> None:
        if len(plan.centres) < FEWEST_SINUSOIDAL_FRAMES:
            self._lack((*RD, *MCEP, *HMPDM, *HMPDD), "too short for windows of three periods")
            return
        sinusoids, cepstra = _analyse_harmonics(self.samples, self.rate, plan)
        rd = estimate_rd(sinusoids, conjugated=self.config.rd == "compatible")
        self._put(RD, sinusoids.centres, rd)
        self.frames[:, _columns(MCEP)] = place_cepstra(cepstra, len(self.samples), self.grid)
        if len(plan.centres) < FEWEST_FRAMES:
            self._lack((*HMPDM, *HMPDD), f"fewer than {FEWEST_FRAMES} harmonic frames")
            return
        mean, deviation = place_phase_distortion(
            sinusoids,
            measure_phase_distortion(sinusoids, self.rate),
            grid=self.grid,
            sample_rate=self.rate,
        )
        self.frames[:, _columns(HMPDM)] = mean
        self.frames[:, _columns(HMPDD)] = deviation

    def _add_creak(self) -> None:
        inputs = compute_inputs(self.samples, self.residual, self.harmonics, self.rate)
        if inputs is None:
            self._lack(("creak",), "no voiced frame")
            return
        posterior = load_network(self.config.creak_network).apply(inputs)
        self._put(("creak",), row_positions(len(self.samples), self.rate), posterior)

    def _clean(self) -> None:
        """Zero where an analysis gives no value, as published; NaN where there was no analysis."""
        lacking = _columns(tuple(self.missing))
        self.frames[~np.isfinite(self.frames)] = 0.0
        self.frames[:, lacking] = np.nan


def _columns(names: tuple[str, ...]) -> list[int]:
    return [COLUMNS.index(name) for name in names]


def _analyse_harmonics(
    samples: np.ndarray, sample_rate: int, plan: FramePlan
) -> tuple[Sinusoids, np.ndarray]:
    """Sinusoids and (n_frames, 25) cepstra of the true envelope, from the same spectra."""
    builder = SinusoidsBuilder(plan, sample_rate)
    orders = orders_for(plan.f0_hz, sample_rate)
    cepstra = np.empty((len(plan.centres), len(MCEP)))
    for batch, spectrum in spectra(samples, plan):
        log_spectrum = log_magnitude(spectrum)
        builder.add(batch, spectrum, log_spectrum)
        envelopes = np.exp(estimate_envelopes(log_spectrum, orders[batch]))
        cepstra[batch] = compute_cepstra(envelopes, sample_rate, len(MCEP) - 1)
    return builder.build(), cepstra
