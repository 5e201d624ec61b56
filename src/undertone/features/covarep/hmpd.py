"""Harmonic phase distortion: its mean (HMPDM) and deviation (HMPDD) around each frame.

In:  harmonic sinusoids.
Out: (n_frames, 25) angles and (n_frames, 13) cepstra, one a sinusoidal frame.

Frames are 10 ms apart instead of four a period, so the moving averages last 250 and 90 ms. Above a
frame's harmonics the phase is 0 here and random in the reference.
Source: Degottex & Erro, A uniform phase representation for the harmonic model in speech synthesis
applications, EURASIP JASMP 2014:38.
"""

from functools import lru_cache

import numpy as np
from scipy import fft

from undertone.compiled import njit
from undertone.features.covarep.matlab import filter_both_ways, hann, round_half_away
from undertone.features.covarep.sinusoids import Sinusoids
from undertone.features.covarep.warped_cepstrum import compute_cepstra

N_BINS = 513  # of a 1024-point FFT
N_MEANS, DEVIATION_ORDER = 25, 12
MEAN_SPAN, DEVIATION_SPAN, TREND_SPAN = 25, 9, 9  # frames
FEWEST_FRAMES = MEAN_SPAN  # below it the mean cannot be reflected at the ends
FRAMES_A_BLOCK = 64
ALMOST_ONE = 1 - 1e-8  # the mean of almost equal angles
ROUNDING = 2e-15


def measure_phase_distortion(
    sinusoids: Sinusoids, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the compressed mean and deviation, (n_frames, 25) and (n_frames, 13)."""
    cosine, sine = phase_distortion(sinusoids, sample_rate)
    mean = compress_mean(smooth(cosine, _box(MEAN_SPAN)), smooth(sine, _box(MEAN_SPAN)))
    deviation = measure_deviation(cosine, sine)
    deviation[:, 0] = deviation[:, 1]
    deviation[deviation == 0] = 0.001
    return mean, compute_cepstra(deviation, sample_rate, DEVIATION_ORDER)


def phase_distortion(sinusoids: Sinusoids, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """(n_frames, N_BINS) cosine and sine of the phase distortion in Hertz."""
    n = len(sinusoids.centres)
    bin_hz = sample_rate / 2 / (N_BINS - 1)
    cosine, sine = np.empty((n, N_BINS)), np.empty((n, N_BINS))
    for first in range(0, n, FRAMES_A_BLOCK):
        rows = np.arange(first, min(first + FRAMES_A_BLOCK, n))
        tract_phase = _minimum_phase(_log_envelopes(sinusoids, rows, bin_hz))
        for row, j in enumerate(rows):
            own = slice(sinusoids.offsets[j], sinusoids.offsets[j + 1])
            steps = (sinusoids.f0_hz[j] / bin_hz, sinusoids.spacing_hz[j] / bin_hz)
            _distort(sinusoids.phase[own], tract_phase[row], steps, (cosine[j], sine[j]))
    return cosine, sine


def measure_deviation(cosine: np.ndarray, sine: np.ndarray) -> np.ndarray:
    """(n_frames, N_BINS) circular standard deviation around the slow trend."""
    taps = np.convolve(hann(TREND_SPAN), hann(TREND_SPAN)) / hann(TREND_SPAN).sum() ** 2
    trend_cosine = smooth(_median_over_time(cosine), taps)
    trend_sine = smooth(_median_over_time(sine), taps)
    around_cosine, around_sine = np.empty_like(cosine), np.empty_like(sine)
    _turn_back((cosine, sine), (trend_cosine, trend_sine), (around_cosine, around_sine))
    taps = _box(DEVIATION_SPAN)
    length = np.hypot(smooth(around_cosine, taps), smooth(around_sine, taps))
    _settle_rounding(length, around_cosine, around_sine)
    # The circular standard deviation, sqrt(-2 ln |mean of exp(j angle)|) (Fisher, Statistical
    # analysis of circular data, 1993; Degottex & Erro 2014, on the phase distortion deviation).
    return np.sqrt(-2 * np.log(length))


def _settle_rounding(length: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> None:
    """Repeat the filter in the reference's own order where only rounding separates it from 1."""
    length[length > 1 - ROUNDING] = 1.0
    columns = np.flatnonzero(((length > ALMOST_ONE) & (length < 1)).any(axis=0))
    if len(columns) == 0:
        return
    angle = np.arctan2(sine[:, columns], cosine[:, columns])
    box, one = np.full(DEVIATION_SPAN, 1 / DEVIATION_SPAN), np.ones(1)
    again = np.hypot(
        filter_both_ways(box, one, np.cos(angle)), filter_both_ways(box, one, np.sin(angle))
    )
    length[:, columns] = np.minimum(again, 1.0)


def compress_mean(cosine: np.ndarray, sine: np.ndarray) -> np.ndarray:
    """(n_frames, N_MEANS) circular means over groups of bins, single at first and wide at last."""
    length = np.hypot(cosine, sine)
    silent = length == 0
    length[silent] = 1.0
    groups = _groups()
    sine = (sine / length)[:, : len(groups)] @ groups
    cosine = (np.where(silent, 1.0, cosine) / length)[:, : len(groups)] @ groups
    return np.arctan2(sine, cosine)


def smooth(values: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Filter over time with symmetric taps, the ends continued by point reflection."""
    n, reach = len(values), len(taps) // 2
    before = 2 * values[0] - values[reach:0:-1]
    after = 2 * values[-1] - values[-2 : -reach - 2 : -1]
    extended = np.concatenate([before, values, after])
    band = np.zeros((FRAMES_A_BLOCK, FRAMES_A_BLOCK + 2 * reach))
    for row in range(FRAMES_A_BLOCK):
        band[row, row : row + len(taps)] = taps
    out = np.empty_like(values)
    for first in range(0, n, FRAMES_A_BLOCK):
        size = min(FRAMES_A_BLOCK, n - first)
        stretch = extended[first : first + size + 2 * reach]
        np.matmul(band[:size, : len(stretch)], stretch, out=out[first : first + size])
    return out


def _box(span: int) -> np.ndarray:
    """Taps of a moving average run forwards and backwards."""
    return np.convolve(np.ones(span), np.ones(span)) / span**2


def _log_envelopes(sinusoids: Sinusoids, rows: np.ndarray, bin_hz: float) -> np.ndarray:
    """(n_rows, N_BINS) straight lines between the harmonics' log amplitudes, flat at both ends."""
    out = np.empty((len(rows), N_BINS))
    with np.errstate(divide="ignore"):
        for row, j in enumerate(rows):
            amplitude = sinusoids.amplitude[sinusoids.offsets[j] + 1 : sinusoids.offsets[j + 1]]
            log_amplitude = np.log(amplitude / np.sqrt(sinusoids.f0_hz[j]))
            _draw_lines(log_amplitude, sinusoids.spacing_hz[j] / bin_hz, out[row])
    return out


def _minimum_phase(log_envelopes: np.ndarray) -> np.ndarray:
    # The minimum phase of a log magnitude is the imaginary part of the transform of its cepstrum
    # folded to the right: c_0 and the middle one once, 0 < n < N/2 twice, the others not at all
    # (Oppenheim & Schafer, Discrete-time signal processing, on the complex cepstrum).
    cepstra = fft.irfft(log_envelopes, axis=1)
    cepstra[:, 1 : N_BINS - 1] *= 2
    cepstra[:, N_BINS:] = 0
    return fft.rfft(cepstra, axis=1).imag


@lru_cache(maxsize=1)
def _groups() -> np.ndarray:
    """(n_bins, N_MEANS) which of bins 0, 1, … below Nyquist belong to which mean."""
    t = np.arange(0, 1.005, 0.01)[:, None]
    knots = np.array([[8.0, 8.0], [25.0, 25.0], [512.0, 25.0]])
    curve = (1 - t) ** 2 * knots[0] + 2 * (1 - t) * t * knots[1] + t**2 * knots[2]
    harmonic = np.arange(1, N_BINS)
    high = harmonic > 8
    harmonic[high] = round_half_away(np.interp(harmonic[high], curve[:, 0], curve[:, 1]))
    return (harmonic[:, None] == np.arange(1, N_MEANS + 1)).astype(float)


@njit(cache=True)
def _draw_lines(log_amplitude, spacing, out):
    """Interpolate harmonics 1, 2, … of the given spacing in bins; the first also stands at 0."""
    n = len(log_amplitude)
    for k in range(len(out)):
        place = k / spacing
        left = int(place)
        if left < 1:
            out[k] = log_amplitude[0]
        elif left >= n:
            out[k] = log_amplitude[n - 1]
        else:
            before, after = log_amplitude[left - 1], log_amplitude[left]
            out[k] = before + (place - left) * (after - before)


@njit(cache=True)
def _distort(phase, tract_phase, steps, out):
    """Write cosine and sine of the phases' second difference over frequency."""
    # Degottex & Erro 2014, on phase distortion: theta_k = phi_k - arg V(k f0) is the source's phase
    # at harmonic k, V the tract's minimum phase. Relative to the first harmonic it is
    # theta_k - k theta_1, and its step from harmonic to harmonic, PD_k, knows no place in time.
    # Each value is the branch of PD_k that is nearest to the one before, so that the straight line
    # between them is the short way around the circle. PD_1 is 0 by definition: node 1 stands just
    # below f0, node n + 2 above the last harmonic, where the angle returns to 0.
    f0, spacing = steps  # in bins
    n = len(phase) - 1
    nodes = np.zeros(n + 3)
    values = np.zeros(n + 3)
    nodes[1] = 0.95 * f0
    previous = first = 0.0
    for k in range(1, n + 1):
        place = k * spacing
        left = min(int(place), len(tract_phase) - 2)
        tract = tract_phase[left] + (place - left) * (tract_phase[left + 1] - tract_phase[left])
        source = phase[k] - (tract if place <= len(tract_phase) - 1 else 0.0)
        if k == 1:
            first = source
        step = source - k * first - previous
        nodes[k + 1] = k * f0
        values[k + 1] = values[k] + _wrap(_wrap(step) - values[k])
        previous = source - k * first
    nodes[n + 2] = (n + 1) * f0
    values[n + 2] = values[n + 1] + _wrap(-values[n + 1])
    left = 0
    for k in range(len(tract_phase)):
        while left < n + 1 and nodes[left + 1] <= k:
            left += 1
        angle = 0.0
        if k <= nodes[n + 2]:
            share = (k - nodes[left]) / (nodes[left + 1] - nodes[left])
            angle = values[left] + share * (values[left + 1] - values[left])
            angle = 0.0 if np.isnan(angle) else angle
        out[0][k], out[1][k] = np.cos(angle), np.sin(angle)


@njit(cache=True)
def _wrap(angle):
    return angle - 2 * np.pi * np.floor(angle / (2 * np.pi) + 0.5)


@njit(cache=True)
def _turn_back(vectors, trend, out):
    """Turn unit vectors back by the trend's angle, 0 where the trend has none."""
    for j in range(vectors[0].shape[0]):
        for k in range(vectors[0].shape[1]):
            c, s = trend[0][j, k], trend[1][j, k]
            length = np.sqrt(c * c + s * s)
            if length > 0.0:
                c, s = c / length, s / length
            else:
                c, s = 1.0, 0.0
            out[0][j, k] = vectors[0][j, k] * c + vectors[1][j, k] * s
            out[1][j, k] = vectors[1][j, k] * c - vectors[0][j, k] * s


def _median_over_time(values: np.ndarray) -> np.ndarray:
    """Median of 9 frames, zeros beyond the ends."""
    n, half = len(values), TREND_SPAN // 2
    padded = np.zeros((n + 2 * half, values.shape[1]))
    padded[half:-half] = values
    return _median_of_nine(padded)


# Exchanges after which the median of nine numbers stands in the middle (Paeth, Graphics Gems, 1990)
EXCHANGES = np.array(
    [
        (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3),
        (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
    ]
)  # fmt: skip


@njit(cache=True)
def _median_of_nine(padded):
    n, width = len(padded) - 8, padded.shape[1]
    out = np.empty((n, width))
    work = np.empty((9, width))
    for row in range(n):
        work[:] = padded[row : row + 9]
        for e in range(len(EXCHANGES)):
            low, high = work[EXCHANGES[e, 0]], work[EXCHANGES[e, 1]]
            for k in range(width):
                a, b = low[k], high[k]
                low[k] = a if a < b else b
                high[k] = b if a < b else a
        out[row] = work[4]
    return out
