"""Harmonic sinusoids: amplitude and phase of every multiple of F0, three periods at a time.

In:  upright samples, one F0 a frame.
Out: ``Sinusoids`` of the frames whose window lies inside the file, and their log spectra.

Frames are analysed voiced or not. A window longer than the FFT (F0 = 1 Hz, in digital silence)
is cut after its first 4096 samples, as in the reference.
Source: McAulay & Quatieri, IEEE TASSP 34(4), 1986 (peak picking).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import fft

from undertone.compiled import njit
from undertone.features.covarep.matlab import blackman, round_half_away
from undertone.features.covarep.srh import Pitch
from undertone.features.covarep.tilt import peak_bins

FFT_LENGTH = 4096
FRAMES_A_BATCH = 32


@dataclass(frozen=True)
class FramePlan:
    """Which frames are analysed; every array is (n_frames,)."""

    centres: np.ndarray  # 0-based samples
    half_lengths: np.ndarray  # samples to either side
    f0_hz: np.ndarray
    n_harmonics: np.ndarray


@dataclass(frozen=True)
class Sinusoids:
    """Ragged harmonics: frame j owns the elements offsets[j] to offsets[j + 1], DC first."""

    centres: np.ndarray  # (n_frames,) 0-based samples
    f0_hz: np.ndarray  # (n_frames,)
    spacing_hz: np.ndarray  # (n_frames,) harmonic k lies at k * spacing_hz
    offsets: np.ndarray  # (n_frames + 1,)
    amplitude: np.ndarray  # (n_elements,)
    phase: np.ndarray  # (n_elements,) in (-pi, pi]


def plan_frames(n_samples: int, sample_rate: int, pitch: Pitch) -> FramePlan:
    """Keep the pitch frames whose window of three periods lies inside the file."""
    f0_hz = pitch.f0_hz
    half = round_half_away(1.5 * sample_rate / f0_hz)
    kept = (pitch.positions - half >= 0) & (pitch.positions + half < n_samples)
    n_harmonics = round_half_away((sample_rate / 2 - f0_hz / 2) / f0_hz)
    return FramePlan(pitch.positions[kept], half[kept], f0_hz[kept], n_harmonics[kept])


def spectra(samples: np.ndarray, plan: FramePlan) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield batches of frames with their complex spectra, (n_batch, FFT_LENGTH / 2 + 1)."""
    for first in range(0, len(plan.centres), FRAMES_A_BATCH):
        batch = slice(first, min(first + FRAMES_A_BATCH, len(plan.centres)))
        frames = np.zeros((batch.stop - first, FFT_LENGTH))
        for row, j in enumerate(range(first, batch.stop)):
            half = plan.half_lengths[j]
            length = min(2 * half + 1, FFT_LENGTH)
            window = blackman(2 * half + 1)
            start = plan.centres[j] - half
            frames[row, :length] = samples[start : start + length] * window[:length] / window.sum()
        yield batch, fft.rfft(frames, axis=1)


def log_magnitude(spectrum: np.ndarray) -> np.ndarray:
    """Natural logarithm of the magnitude; -Inf where it is zero."""
    with np.errstate(divide="ignore"):
        return 0.5 * np.log(spectrum.real**2 + spectrum.imag**2)


class SinusoidsBuilder:
    """Collects the harmonics of batch after batch."""

    def __init__(self, plan: FramePlan, sample_rate: int) -> None:
        self.plan = plan
        self.sample_rate = sample_rate
        self.offsets = np.concatenate([[0], np.cumsum(plan.n_harmonics + 1)])
        self.amplitude = np.empty(self.offsets[-1])
        self.phase = np.empty(self.offsets[-1])
        self.spacing_hz = np.empty(len(plan.centres))

    def add(self, batch: slice, spectrum: np.ndarray, log_spectrum: np.ndarray) -> None:
        bins_a_hertz = FFT_LENGTH / self.sample_rate
        for row, j in enumerate(range(batch.start, batch.stop)):
            own = slice(self.offsets[j], self.offsets[j + 1])
            self.spacing_hz[j] = _pick_harmonics(
                spectrum[row],
                log_spectrum[row],
                (self.plan.f0_hz[j], bins_a_hertz, self.plan.half_lengths[j]),
                (self.amplitude[own], self.phase[own]),
            )

    def build(self) -> Sinusoids:
        plan = self.plan
        return Sinusoids(
            plan.centres, plan.f0_hz, self.spacing_hz, self.offsets, self.amplitude, self.phase
        )


@njit(cache=True)
def _pick_harmonics(spectrum, log_spectrum, where, out):
    """Write amplitudes and phases of DC and harmonics; return their median spacing in Hz."""
    f0_hz, bins_a_hertz, half = where
    spacing = f0_hz * bins_a_hertz
    amplitude, phase = out
    peaks = peak_bins(log_spectrum)
    positions = np.empty(len(peaks))
    for p in range(len(peaks)):
        positions[p] = _refine(log_spectrum, peaks[p])[0]
    n_harmonics = len(amplitude) - 1
    at_bins = _phases_at_bins(spectrum, half, n_harmonics)
    found_hz = np.zeros(n_harmonics + 1)
    amplitude[0], phase[0] = abs(spectrum[0]), np.angle(spectrum[0])
    nearest = 0
    for k in range(1, n_harmonics + 1):
        place = spacing * k
        found_hz[k] = f0_hz * k
        amplitude[k] = np.exp(log_spectrum[int(place + 0.5)])
        while nearest + 1 < len(peaks) and abs(positions[nearest + 1] - place) < abs(
            positions[nearest] - place
        ):
            nearest += 1
        if len(peaks) and abs(positions[nearest] - place) < spacing / 2:
            place = positions[nearest]
            found_hz[k] = place / bins_a_hertz
            amplitude[k] = np.exp(_refine(log_spectrum, peaks[nearest])[1])
        phase[k] = _phase_at(spectrum, place, half, at_bins)
    return np.median(np.diff(found_hz))


@njit(cache=True)
def _refine(log_spectrum, peak):
    """Position and height of the parabola through a peak and its neighbours."""
    before, top, after = log_spectrum[peak - 1], log_spectrum[peak], log_spectrum[peak + 1]
    slope = (after - before) / 2
    bend = after - slope - top
    if bend == 0.0:
        return float(peak), top
    return peak - slope / (2 * bend), top - slope * slope / (4 * bend)


@njit(cache=True)
def _phases_at_bins(spectrum, half, n_harmonics):
    """Phases of all bins, where harmonics are so many that most bins are asked for; else none.

    At 1 Hz, the F0 of digital silence, there are 8,000 harmonics in 2,049 bins.
    """
    if n_harmonics < len(spectrum):
        return np.empty(0)
    phases = np.empty(len(spectrum))
    for place in range(len(spectrum)):
        phases[place] = _phase_at_bin(spectrum, place, half)
    return phases


@njit(cache=True)
def _phase_at_bin(spectrum, place, half):
    turn = 2 * np.pi * half / FFT_LENGTH
    return np.angle(spectrum[place] * np.exp(1j * turn * place))


@njit(cache=True)
def _phase_at(spectrum, place, half, at_bins):
    """Phase relative to the window's centre, between two bins."""
    left = min(int(place), len(spectrum) - 2)
    if len(at_bins):
        first, second = at_bins[left], at_bins[left + 1]
    else:
        first = _phase_at_bin(spectrum, left, half)
        second = _phase_at_bin(spectrum, left + 1, half)
    step = second - first
    if abs(step) > np.pi:
        step -= 2 * np.pi * np.floor(step / (2 * np.pi) + 0.5)
    phase = first + (place - left) * step
    return phase - 2 * np.pi * np.floor(phase / (2 * np.pi) + 0.5)
