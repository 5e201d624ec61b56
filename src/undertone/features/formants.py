"""Resonances of the vocal tract, and how harmonics stand to each other: eleven columns.

In:  a waveform (n_samples,) at ``audio.SAMPLE_RATE``, and its F0 a frame, 0 where unvoiced.
Out: (n_frames, 11) float32; ``COLUMNS``: natural logarithms of hertz, and of powers relative to
     each other, so that a gain changes nothing. Between voiced frames values are interpolated.

Linear prediction looks at 0 to 4 kHz alone: the autocorrelation is that of the power spectrum up to
there (selective linear prediction; J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE
63, 1975, section V), after pre-emphasis. Resonances are the roots of the predictor.
H1-H2 and H1-A3 are the first harmonic against the second and against the harmonic nearest the third
resonance (H. Hanson, J. Acoust. Soc. Am. 101, 1997).
"""

import numpy as np
import scipy.fft

from undertone import audio
from undertone.features.framing import hann, windows

WINDOW_LENGTH = 641  # samples, 40 ms: harmonics 60 Hz apart can be told apart
SPECTRUM_SIZE = 1024
HIGHEST_HZ = 4000.0
BIN_HZ = audio.SAMPLE_RATE / SPECTRUM_SIZE
N_BINS = round(HIGHEST_HZ / BIN_HZ) + 1
ORDER = 8  # two an expected resonance, and two for the slope of the voice
N_FORMANTS = 3
PRE_EMPHASIS = 0.97
LOWEST_HZ = 150.0
WIDEST_HZ = 600.0  # a root of a wider band is slope and no resonance
USUAL_HZ = (500.0, 1500.0, 2500.0)  # of a tube of 17 cm, where no resonance was found at all
USUAL_WIDTH_HZ = 150.0
RADIUS = 0.9  # of the circle on which roots are looked for first
ASKEW = 0.05  # by which it is turned: mirrored pairs could not part into two real roots
ROUNDS = 9
ARRIVED = 1e-5  # of a step
WHITE = 1e-6  # of the power, added to that at lag 0
LEAST = 1e-30
BATCH = 64  # frames that are transformed at a time

COLUMNS = (
    *(f"log_f{k}" for k in (1, 2, 3)),
    *(f"log_b{k}" for k in (1, 2, 3)),
    *(f"level_f{k}" for k in (1, 2, 3)),
    "h1_h2",
    "h1_a3",
)
SETTINGS = {
    "window_length": WINDOW_LENGTH,
    "spectrum_size": SPECTRUM_SIZE,
    "highest_hz": HIGHEST_HZ,
    "order": ORDER,
    "pre_emphasis": PRE_EMPHASIS,
}


def extract(waveform: np.ndarray, f0_hz: np.ndarray) -> np.ndarray:
    """Columns of every frame; constants where no frame is voiced.

    Args:
        waveform: (n_samples,)
        f0_hz: (n_frames,) 0 where unvoiced.
    """
    voiced = np.flatnonzero(f0_hz)
    if len(voiced) == 0:
        usual = np.zeros(len(COLUMNS))
        usual[:N_FORMANTS] = np.log(USUAL_HZ)
        usual[N_FORMANTS : 2 * N_FORMANTS] = np.log(USUAL_WIDTH_HZ)
        return np.tile(usual.astype(np.float32), (len(f0_hz), 1))
    power = _power(waveform, voiced)
    hz, width_hz = resonances(power)
    values = np.column_stack([np.log(hz), np.log(width_hz), _levels(power, hz, f0_hz[voiced])])
    frames = np.arange(len(f0_hz))
    return np.column_stack([np.interp(frames, voiced, v) for v in values.T]).astype(np.float32)


def resonances(power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hertz and bandwidth of the three lowest resonances of each frame.

    Args:
        power: (n_frames, N_BINS) of the spectrum up to ``HIGHEST_HZ``.

    Returns:
        (n_frames, N_FORMANTS) each; where fewer were found, interpolated between frames.
    """
    phase = np.pi * np.arange(N_BINS) / (N_BINS - 1)  # at the rate of 2 HIGHEST_HZ
    of_emphasis = np.pi * np.arange(N_BINS) / (SPECTRUM_SIZE // 2)
    emphasis = 1 + PRE_EMPHASIS**2 - 2 * PRE_EMPHASIS * np.cos(of_emphasis)
    lags = power @ (emphasis[:, None] * np.cos(np.outer(phase, np.arange(ORDER + 1))))
    lags[:, 0] = lags[:, 0] * (1 + WHITE) + LEAST
    roots = np.ascontiguousarray(roots_of(predictor(lags)).T)
    hz = np.angle(roots) * HIGHEST_HZ / np.pi
    width_hz = -np.log(np.maximum(np.abs(roots), 1e-6)) * 2 * HIGHEST_HZ / np.pi
    found = (hz > LOWEST_HZ) & (hz < 0.98 * HIGHEST_HZ) & (width_hz < WIDEST_HZ)
    order = np.argsort(np.where(found, hz, np.inf), axis=1)[:, :N_FORMANTS]
    there = np.take_along_axis(found, order, axis=1)
    hz = _filled(np.take_along_axis(hz, order, axis=1), there, USUAL_HZ)
    width_hz = np.take_along_axis(width_hz, order, axis=1)
    return hz, np.maximum(_filled(width_hz, there, (USUAL_WIDTH_HZ,) * N_FORMANTS), 10.0)


def predictor(lags: np.ndarray) -> np.ndarray:
    """(n_frames, ORDER + 1) 1, a_1, ...: the Levinson-Durbin recursion on autocorrelations.

    Args:
        lags: (n_frames, ORDER + 1) that at 0 greater than the others.
    """
    n, order = len(lags), lags.shape[1] - 1
    a = np.zeros((n, order + 1))
    a[:, 0], error = 1, lags[:, 0].copy()
    for i in range(1, order + 1):
        # k_i = -(r_i + sum_j a_j r_(i-j)) / E; a_j += k_i a_(i-j); E *= 1 - k_i^2
        reflection = -np.einsum("nj,nj->n", a[:, :i], lags[:, i:0:-1]) / np.maximum(error, LEAST)
        a[:, 1 : i + 1] += reflection[:, None] * a[:, i - 1 :: -1][:, :i]
        error *= np.maximum(1 - reflection**2, 1e-9)
    return a


def roots_of(polynomials: np.ndarray) -> np.ndarray:
    """(order, n) complex roots of polynomials, found for all of them side by side.

    Every root z_i takes Newton's step, from which the other roots push it away (O. Aberth,
    "Iteration methods for finding all zeros of a polynomial simultaneously", Math. Comp. 27, 1973):

        w_i = p(z_i) / p'(z_i),   z_i -= w_i / (1 - w_i sum_{j != i} 1 / (z_i - z_j)),

    which leaves of an error its cube. What has not arrived after ``ROUNDS`` is found as the
    eigenvalues of the companion matrix, which cost three times as much.

    Args:
        polynomials: (n, order + 1) real coefficients, that of the highest power first, which is 1;
            an even order.
    """
    n, order = len(polynomials), polynomials.shape[1] - 1
    turn = np.pi * (2 * np.arange(order) + 1) / order + ASKEW
    at = np.repeat(RADIUS * np.exp(1j * turn)[:, None], n, axis=1)
    found, moving, a = np.empty((order, n), complex), np.arange(n), polynomials.T.copy()
    with np.errstate(all="ignore"):  # what meets another root or a flat place does not arrive
        for _ in range(ROUNDS):
            step = _newton(a, at)
            step /= 1 - step * _push(at)
            at -= step
            arrived = (np.abs(step) < ARRIVED).all(axis=0)
            if arrived.any():
                found[:, moving[arrived]] = at[:, arrived]
                moving, a, at = moving[~arrived], a[:, ~arrived], at[:, ~arrived]
    if len(moving):
        found[:, moving] = _eigenvalues(polynomials[moving])
    return found


def _newton(a: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(order, n) p(z) / p'(z) by Horner's rule."""
    value = at + a[1]
    slope = value + at
    value *= at
    value += a[2]
    for coefficient in a[3:]:
        slope *= at
        slope += value
        value *= at
        value += coefficient
    value /= slope
    return value


def _push(at: np.ndarray) -> np.ndarray:
    """(order, n) sum over the other roots of 1 / (z_i - z_j); each pair is divided once."""
    order, push, around = len(at), np.zeros_like(at), np.concatenate([at, at])
    for k in range(1, order // 2):
        apart = np.reciprocal(at - around[k : k + order])  # root i less root i + k
        push += apart
        push[k:] -= apart[:-k]
        push[:k] -= apart[-k:]
    half = order // 2
    apart = np.reciprocal(at[:half] - at[half:])
    push[:half] += apart
    push[half:] -= apart
    return push


def _eigenvalues(polynomials: np.ndarray) -> np.ndarray:
    """(order, n) those of the companion matrices."""
    n, order = len(polynomials), polynomials.shape[1] - 1
    companion = np.zeros((n, order, order))
    companion[:, 0] = -polynomials[:, 1:]
    companion[:, np.arange(1, order), np.arange(order - 1)] = 1
    roots: np.ndarray = np.linalg.eigvals(companion).T.astype(complex)
    return roots


def _power(waveform: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """(n_voiced, N_BINS) power spectrum of the voiced frames up to ``HIGHEST_HZ``."""
    window, found = hann(WINDOW_LENGTH), []
    waveform = waveform.astype(np.float32, copy=False)
    for frames in windows(waveform, WINDOW_LENGTH, BATCH, frames=voiced):
        spectrum = scipy.fft.rfft(frames * window, SPECTRUM_SIZE)[:, :N_BINS]
        found.append(np.square(spectrum.real) + np.square(spectrum.imag))
    return np.concatenate(found).astype(float) + LEAST


def _levels(power: np.ndarray, hz: np.ndarray, f0_hz: np.ndarray) -> np.ndarray:
    """(n_frames, N_FORMANTS + 2) of harmonics: three levels, H1-H2, H1-A3.

    A level is that of the harmonic nearest a resonance, over the frame's power; a harmonic is the
    highest bin within half of F0.
    """
    at_hz = np.column_stack([hz, f0_hz, 2 * f0_hz])
    reach_hz = np.maximum(f0_hz / 2, BIN_HZ)[:, None]
    first = np.ceil((at_hz - reach_hz) / BIN_HZ).astype(int)
    last = np.floor((at_hz + reach_hz) / BIN_HZ).astype(int)
    peak = np.log(_highest(power, np.clip(first, 0, N_BINS - 1), np.clip(last, 0, N_BINS - 1)))
    of_first, of_second = peak[:, N_FORMANTS], peak[:, N_FORMANTS + 1]
    total = np.log(power.sum(axis=1))
    return np.column_stack(
        [
            peak[:, :N_FORMANTS] - total[:, None],
            of_first - of_second,
            of_first - peak[:, N_FORMANTS - 1],
        ]
    )


def _highest(power: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(n, n_ranges) the greatest of each row from one bin up to another.

    Maxima of 1, 2, 4, ... bins are kept; every range is two of these that may overlap.

    Args:
        power: (n, n_bins)
        first, last: (n, n_ranges) bins, both within the range.
    """
    found, length, bins = np.zeros(first.shape), last - first + 1, 1
    while True:
        of_length = (length >= bins) & (length < 2 * bins)
        row, place = np.nonzero(of_length)
        begin, end = first[row, place], last[row, place] - bins + 1
        found[row, place] = np.maximum(power[row, begin], power[row, end])
        if bins * 2 > length.max(initial=1):
            return found
        power = np.maximum(power[:, :-bins], power[:, bins:])
        bins *= 2


def _filled(values: np.ndarray, there: np.ndarray, otherwise: tuple[float, ...]) -> np.ndarray:
    """(n_frames, N_FORMANTS) where not ``there``, a straight line between frames where it is."""
    filled, frames = np.empty(values.shape), np.arange(len(values))
    for k in range(values.shape[1]):
        known = np.flatnonzero(there[:, k])
        filled[:, k] = np.interp(frames, known, values[known, k]) if len(known) else otherwise[k]
    return filled
