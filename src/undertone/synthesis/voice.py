"""A voice: LF pulses, aspiration and frication through time-varying formants.

In:  a ``Plan``: tracks at ``PLAN_RATE`` points per second, joined by straight lines.
Out: a ``Voice``: the waveform at ``SAMPLE_RATE`` and the truth on the frame grid of
     ``undertone.audio``; instants in samples, with fractions, counted from 0.

Jitter and shimmer are "local": the expected mean absolute difference of consecutive periods
(strengths) over their mean, as shares. The tract is a cascade of second-order resonators of unit
gain at 0 Hz (Klatt, 1980, JASA 67); vowels are the men's means of Peterson and Barney (1952,
JASA 24). The derivative flow holds the lips' radiation. Nothing delays the waveform.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from undertone.audio import HOP_LENGTH, SAMPLE_RATE
from undertone.compiled import njit
from undertone.errors import UndertoneError
from undertone.synthesis.glottis import RD_RANGE, flow_at_edges

PLAN_RATE = 1000  # points a second
POINT_LENGTH = SAMPLE_RATE // PLAN_RATE  # samples from point to point
assert POINT_LENGTH * PLAN_RATE == SAMPLE_RATE

F0_RANGE_HZ = (40.0, 800.0)
PEAK = 0.5  # of the waveform
HIGHEST_FORMANT_HZ = 7800.0
CLOSED_ASPIRATION = 0.3  # noise while the glottis is closed, as a share of noise at full flow
MEAN_DIFFERENCE = 2 / np.sqrt(np.pi)  # E|a - b| of two standard normal numbers
UPPER_FORMANTS_HZ = (3500.0, 4500.0, 5500.0, 6500.0)

VOWEL_FORMANTS_HZ: Mapping[str, tuple[float, float, float]] = {
    "i": (270, 2290, 3010),
    "ɪ": (390, 1990, 2550),
    "ɛ": (530, 1840, 2480),
    "æ": (660, 1720, 2410),
    "a": (730, 1090, 2440),
    "ɔ": (570, 840, 2410),
    "ʊ": (440, 1020, 2240),
    "u": (300, 870, 2240),
    "ʌ": (640, 1190, 2390),
}


@dataclass(frozen=True)
class Plan:
    """What a voice is to do, at ``PLAN_RATE`` points per second."""

    f0_hz: np.ndarray  # (n_points,)
    rd: np.ndarray  # (n_points,)
    strength: np.ndarray  # (n_points,) Ee; 0 where there is no voicing
    formants_hz: np.ndarray  # (n_points, n_formants)
    aspiration: np.ndarray  # (n_points,) standard deviation of the noise at full flow; Ee is 1
    frication: np.ndarray  # (n_points,) standard deviation of the noise at the constriction
    frication_hz: np.ndarray  # (n_points,) its resonance
    jitter: float = 0.0
    shimmer: float = 0.0


@dataclass(frozen=True)
class Voice:
    """A waveform and the truth that made it; frames are those of ``undertone.audio``."""

    waveform: np.ndarray  # (n_samples,) float32, peak 0.5
    f0_hz: np.ndarray  # (n_frames,) 1 / period at the centre of the frame, NaN where unvoiced
    rd: np.ndarray  # (n_frames,) NaN where unvoiced
    voiced: np.ndarray  # (n_frames,) bool
    closure_instants: np.ndarray  # (n_pulses,) samples, with fractions
    periods_s: np.ndarray  # (n_pulses,)
    strengths: np.ndarray  # (n_pulses,) Ee
    derivative_flow: np.ndarray  # (n_samples,) the source without noise, in units of Ee


def vowel(
    *,
    f0_hz: ArrayLike = 120.0,
    rd: ArrayLike = 1.0,
    duration_s: float = 1.0,
    name: str = "a",
    tract_scale: float = 1.0,
    jitter: float = 0.0,
    shimmer: float = 0.0,
    aspiration: float = 0.0,
    seed: int = 0,
) -> Voice:
    """A sustained vowel.

    Args:
        f0_hz: a number, or (n,) a contour over the whole duration. Likewise ``rd``.
        name: a key of ``VOWEL_FORMANTS_HZ``.
        tract_scale: factor on all formants: 1 is a man's tract, about 1.17 a woman's.
    """
    if name not in VOWEL_FORMANTS_HZ:
        raise UndertoneError(f"no vowel {name!r}; there are {', '.join(VOWEL_FORMANTS_HZ)}")
    n_points = round(duration_s * PLAN_RATE)
    nothing = np.zeros(n_points)
    formants_hz = tract_scale * np.array(VOWEL_FORMANTS_HZ[name] + UPPER_FORMANTS_HZ)
    plan = Plan(
        f0_hz=_spread(f0_hz, n_points),
        rd=_spread(rd, n_points),
        strength=nothing + 1,
        formants_hz=np.tile(formants_hz, (n_points, 1)),
        aspiration=nothing + aspiration,
        frication=nothing,
        frication_hz=nothing + 4000,
        jitter=jitter,
        shimmer=shimmer,
    )
    return synthesise(plan, seed=seed)


def synthesise(plan: Plan, *, seed: int = 0) -> Voice:
    """Speak a plan; the same plan and seed give the same samples."""
    _check(plan)
    rng = np.random.default_rng(seed)
    n_samples = len(plan.f0_hz) * POINT_LENGTH
    pulses = _pulses(plan, rng)
    starts, periods, rd, strengths = pulses.T
    flow, openness, closures = flow_at_edges(pulses, n_samples)
    derivative_flow = np.diff(flow)
    modulation = CLOSED_ASPIRATION + (1 - CLOSED_ASPIRATION) * openness[1:]
    breath = _at_samples(plan.aspiration) * modulation * rng.standard_normal(n_samples)
    bandwidths_hz = 50 + 0.035 * plan.formants_hz
    sound = _resonate(derivative_flow + breath, plan.formants_hz, bandwidths_hz)
    sound += _fricate(plan, rng)
    frame_pulses = _pulse_at_frames(starts, periods, n_samples)
    voiced = frame_pulses >= 0
    return Voice(
        waveform=(sound * (PEAK / max(np.abs(sound).max(), 1e-9))).astype(np.float32),
        f0_hz=_take(SAMPLE_RATE / periods, frame_pulses),
        rd=_take(rd, frame_pulses),
        voiced=voiced,
        closure_instants=closures,
        periods_s=periods / SAMPLE_RATE,
        strengths=strengths,
        derivative_flow=derivative_flow,
    )


def _spread(values: ArrayLike, n_points: int) -> np.ndarray:
    knots = np.atleast_1d(np.asarray(values, dtype=float))
    return np.interp(np.linspace(0, 1, n_points), np.linspace(0, 1, len(knots)), knots)


def _check(plan: Plan) -> None:
    if len(plan.f0_hz) < PLAN_RATE // 10:
        raise UndertoneError(f"a voice lasts at least 0.1 s, found {len(plan.f0_hz) / PLAN_RATE} s")
    for track, (low, high), unit in (
        (plan.f0_hz, F0_RANGE_HZ, "F0 in Hz"),
        (plan.rd, RD_RANGE, "Rd"),
        (np.array([plan.jitter]), (0.0, 0.1), "jitter"),
        (np.array([plan.shimmer]), (0.0, 0.3), "shimmer"),
    ):
        if not (low <= track.min() and track.max() <= high):
            raise UndertoneError(
                f"{unit} must lie in {low} to {high}, found {track.min()} to {track.max()}"
            )


def _pulses(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """(n_pulses, 4) start and period in samples, Rd, Ee."""
    most = int(1.6 * plan.f0_hz.max() * len(plan.f0_hz) / PLAN_RATE) + 8
    luck = np.clip(rng.standard_normal((2, most)), -3, 3) / MEAN_DIFFERENCE
    turns, factors = 1 + plan.jitter * luck[0], 1 + plan.shimmer * luck[1]
    f0 = plan.f0_hz / SAMPLE_RATE
    starts, periods = _pulse_times(f0, plan.strength, turns)
    point = np.arange(len(f0)) * float(POINT_LENGTH)
    rd = np.interp(starts, point, plan.rd)
    strengths = np.interp(starts + periods / 2, point, plan.strength) * factors[: len(starts)]
    return np.stack([starts, periods, rd, strengths], axis=1)


@njit(cache=True, nogil=True)
def _pulse_times(
    f0: np.ndarray, strength: np.ndarray, turns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Start and period of each pulse in samples; ``f0`` is in turns per sample.

    A pulse lasts until F0 has integrated to its number of turns, by the midpoint rule: exact on
    every straight stretch of F0.
    """
    starts, periods = np.empty(len(turns)), np.empty(len(turns))
    n_samples = len(f0) * POINT_LENGTH
    now, count = 0.0, 0
    while now < n_samples and count < len(turns):
        if strength[int(now) // POINT_LENGTH] <= 0:
            now = (int(now) // POINT_LENGTH + 1.0) * POINT_LENGTH
            continue
        period = turns[count] / f0[int(now) // POINT_LENGTH]
        for _ in range(6):
            middle = min((now + period / 2) / POINT_LENGTH, len(f0) - 1.001)
            point = int(middle)
            share = middle - point
            period = turns[count] / ((1 - share) * f0[point] + share * f0[point + 1])
        if now + period > n_samples:
            break
        starts[count], periods[count] = now, period
        now += period
        count += 1
    return starts[:count].copy(), periods[:count].copy()


@njit(cache=True, nogil=True)
def _resonate(source: np.ndarray, formants_hz: np.ndarray, bandwidths_hz: np.ndarray) -> np.ndarray:
    """A cascade of resonators whose coefficients change at every point of the plan."""
    sound = source.copy()
    for k in range(formants_hz.shape[1]):
        before, before_that = 0.0, 0.0
        for point in range(formants_hz.shape[0]):
            radius = np.exp(-np.pi * bandwidths_hz[point, k] / SAMPLE_RATE)
            angle = 2 * np.pi * min(formants_hz[point, k], HIGHEST_FORMANT_HZ) / SAMPLE_RATE
            b, c = 2 * radius * np.cos(angle), -radius * radius
            a = 1 - b - c
            for n in range(point * POINT_LENGTH, (point + 1) * POINT_LENGTH):
                value = a * sound[n] + b * before + c * before_that
                before_that, before = before, value
                sound[n] = value
    return sound


def _fricate(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Noise of a constriction: one wide resonance, first difference against low frequencies."""
    resonance_hz = plan.frication_hz[:, None]
    noise = _at_samples(plan.frication) * rng.standard_normal(len(plan.f0_hz) * POINT_LENGTH)
    return np.diff(_resonate(noise, resonance_hz, 0.4 * resonance_hz), prepend=0.0)


def _at_samples(track: np.ndarray) -> np.ndarray:
    return np.interp(
        np.arange(len(track) * POINT_LENGTH), np.arange(len(track)) * POINT_LENGTH, track
    )


def _pulse_at_frames(starts: np.ndarray, periods: np.ndarray, n_samples: int) -> np.ndarray:
    """(n_frames,) index of the pulse at the centre of each frame, -1 for none."""
    centres = np.arange(HOP_LENGTH // 2 - 1, n_samples, HOP_LENGTH)
    if not len(starts):
        return np.full(len(centres), -1)
    pulse = np.searchsorted(starts, centres, side="right") - 1
    inside = (pulse >= 0) & (centres < (starts + periods)[pulse])
    return np.where(inside, pulse, -1)


def _take(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Values at an index, NaN where it is -1."""
    return np.append(values, np.nan)[index]
