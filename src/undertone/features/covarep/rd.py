"""Rd, the shape of the glottal pulse from tense to lax, and how well the model fits.

In:  harmonic sinusoids.
Out: (n_frames, 2) Rd and its confidence.

The pulse's contribution to the criterion depends on Rd and the number of harmonics only: its
phase, and the minimum phase of its magnitude, which is linear in the log magnitude. Both are
tabulated, and each evaluation is an interpolation.
Source: Degottex, Roebel & Rodet, Phase minimization for glottal model estimation, IEEE TASLP
19(5), 2011.
"""

from functools import lru_cache

import numpy as np

from undertone.compiled import njit
from undertone.features.covarep.lf_model import pulse_spectra
from undertone.features.covarep.sinusoids import Sinusoids

LOWEST, HIGHEST = 0.3, 2.5
TOLERANCE, MOST_ITERATIONS = 0.01, 32
RELATIVE = np.sqrt(np.finfo(float).eps)
GOLDEN = 0.5 * (3.0 - np.sqrt(5.0))
TIE = 1e-9  # of Rd: a vertex this close to the bracket's end is the end, to rounding
HIGHEST_HZ = 8000.0
MARGIN = 2  # table nodes beyond either end, for the cubic
STEP = 0.002  # of the table: its error must not turn the optimiser's steps
GRID = LOWEST + STEP * np.arange(-MARGIN, round((HIGHEST - LOWEST) / STEP) + MARGIN + 1)
N_PHASES = 8  # harmonics whose phases are compared
TABULATED_HARMONICS = 160  # at 50 Hz; more only for the F0 of 1 Hz in digital silence


def estimate_rd(sinusoids: Sinusoids, *, conjugated: bool) -> np.ndarray:
    """(n_frames, 2) Rd and confidence.

    Args:
        sinusoids: of the upright signal.
        conjugated: divide by the conjugate of the pulse's spectrum, as the reference does by
            mistake and the published features therefore do, instead of the spectrum itself.
    """
    out = np.empty((len(sinusoids.centres), 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        for j in range(len(out)):
            own = slice(sinusoids.offsets[j], sinusoids.offsets[j + 1])
            amplitude, phase = sinusoids.amplitude[own], sinusoids.phase[own]
            heard = np.arange(len(phase)) * sinusoids.spacing_hz[j] <= HIGHEST_HZ
            n = int(np.count_nonzero(heard)) - 1
            amplitude, phase = amplitude[: n + 1], phase[: n + 1]
            observed = phase[: N_PHASES + 1].copy()
            observed[0] = 0.0
            observed = _mirror(observed, n) - _minimum_phase(n) @ _with_ends(np.log(amplitude))
            out[j] = _minimise(observed, _model_phases(n, conjugated))
    out[:, 1] = 1 - np.sqrt(out[:, 1]) / np.pi
    return out


def _with_ends(log_magnitude: np.ndarray) -> np.ndarray:
    """Replace DC by its neighbour and the last harmonic by the one before, along the last axis."""
    log_magnitude = log_magnitude.copy()
    log_magnitude[..., 0] = log_magnitude[..., 1]
    log_magnitude[..., -1] = log_magnitude[..., -2]
    return log_magnitude


@lru_cache(maxsize=512)
def _indices(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Harmonic and sign of the first phases of a spectrum mirrored at harmonic n."""
    index = np.arange(min(2 * n - 1, N_PHASES) + 1)
    return np.where(index <= n, index, 2 * n - index), np.where(index <= n, 1.0, -1.0)


def _mirror(phase: np.ndarray, n: int) -> np.ndarray:
    """Phases 0, 1, … of the mirrored spectrum, whose element n is real and positive."""
    harmonic, sign = _indices(n)
    return np.where(harmonic % n == 0, 0.0, sign * phase[..., harmonic])


@lru_cache(maxsize=512)
def _minimum_phase(n: int) -> np.ndarray:
    """(n_phases, n + 1) matrix from a log magnitude at harmonics 0 … n to its minimum phase.

    Folding the real cepstrum of 2n points is a discrete Hilbert transform with this kernel.
    """
    # phase_h = -1/(2n) sum_k L_k (cot(pi (h + k) / 2n) + cot(pi (h - k) / 2n)) over odd h ± k,
    # with L the log magnitude, 0 < k < n twice because the spectrum is mirrored at n.
    harmonic, sign = _indices(n)
    k = np.arange(n + 1)
    weight = np.where((k == 0) | (k == n), 1.0, 2.0)
    return (
        -sign[:, None]
        * weight
        / (2 * n)
        * (_cotangent(harmonic[:, None] + k, n) + _cotangent(harmonic[:, None] - k, n))
    )


def _cotangent(m: np.ndarray, n: int) -> np.ndarray:
    odd = m % 2 == 1
    return np.where(odd, 1 / np.tan(np.pi * np.where(odd, m, 1) / (2 * n)), 0.0)


@lru_cache(maxsize=1024)
def _model_phases(n: int, conjugated: bool) -> np.ndarray:
    """(n_grid, n_phases) what the pulse adds to the criterion's phases, for the grid's Rd."""
    phase = np.zeros((len(GRID), min(n, N_PHASES) + 1))
    phase[:, 1:] = np.unwrap(np.angle(_table(1)[:, : phase.shape[1] - 1]), axis=0)
    phase = _mirror(phase if conjugated else -phase, n)
    hilbert = _minimum_phase(n)
    # DC stands for harmonic 1, and the last harmonic for the one before
    hilbert = np.column_stack([hilbert[:, 1] + hilbert[:, 0], hilbert[:, 2:]])
    hilbert[:, -2] += hilbert[:, -1]
    hilbert[:, -1] = 0.0
    for first in range(0, n, TABULATED_HARMONICS):
        block = hilbert[:, first : first + TABULATED_HARMONICS]
        log_magnitude = np.log(np.abs(_table(first + 1)[:, : block.shape[1]]))
        phase = phase + log_magnitude @ block.T
    return phase


@lru_cache(maxsize=2)
def _table(first: int) -> np.ndarray:
    """(n_grid, TABULATED_HARMONICS) pulse spectra from harmonic ``first`` on."""
    return pulse_spectra(GRID, np.arange(first, first + TABULATED_HARMONICS))


@njit(cache=True)
def _error(rd, observed, model):
    """Mean square deviation of the phase differences from a straight line."""
    # The criterion of Degottex et al. 2011: psi_k is the phase that is observed less the phase that
    # the pulse of this Rd would have. A delay adds k times a constant, which the second difference
    # psi_k - psi_{k-1} - psi_1 does not see. It is wrapped, squared and averaged over k = 2, ….
    # The pulse's phases between table nodes are the cubic through four of them (Lagrange's weights
    # at -1, 0, 1 and 2); node stays inside so that all four exist.
    place = (rd - LOWEST) / STEP + MARGIN
    node = min(max(int(place), 1), len(model) - 3)
    t = place - node
    before, here = -t * (t - 1) * (t - 2) / 6, (t + 1) * (t - 1) * (t - 2) / 2
    after, beyond = -(t + 1) * t * (t - 2) / 2, (t + 1) * t * (t - 1) / 6
    total = previous = first = 0.0
    n = len(observed)
    for i in range(1, n):
        phase = observed[i] + (
            before * model[node - 1, i]
            + here * model[node, i]
            + after * model[node + 1, i]
            + beyond * model[node + 2, i]
        )
        if i == 1:
            first = phase
        else:
            step = phase - previous - first
            step -= 2 * np.pi * np.floor(step / (2 * np.pi) + 0.5)
            total += step * step
        previous = phase
    return total / (n - 2)


@njit(cache=True)
def _minimise(observed, model):
    """Return the minimum's place and value (Brent: golden sections and parabolas)."""
    low, high = LOWEST, HIGHEST
    start = low + GOLDEN * (high - low)
    places = np.full(3, start)  # the best so far, the second, the third
    errors = np.full(3, _error(start, observed, model))
    move = last_move = 0.0
    for _ in range(MOST_ITERATIONS - 1):
        best, middle = places[0], 0.5 * (low + high)
        fine = RELATIVE * abs(best) + TOLERANCE / 3
        if abs(best - middle) <= 2 * fine - 0.5 * (high - low):
            break
        parabolic = _vertex(places, errors, (low, high, last_move if abs(last_move) > fine else 0))
        if np.isnan(parabolic):
            last_move = (low if best >= middle else high) - best
            move = GOLDEN * last_move
        else:
            last_move, move = move, parabolic
            if min(best + move - low, high - best - move) < 2 * fine:
                move = fine if middle >= best else -fine
        place = best + (1.0 if move >= 0 else -1.0) * max(abs(move), fine)
        error = _error(place, observed, model)
        if (error <= errors[0]) == (place >= best):
            low = min(place, best)
        else:
            high = max(place, best)
        _rank(place, error, places, errors)
    return places[0], errors[0]


@njit(cache=True)
def _vertex(places, errors, limits):
    """Move to the vertex of the parabola through three points; NaN where it is of no use.

    A vertex whose error was too large to be kept has become an end of the bracket, and the next
    parabola, through the same points, has the same vertex: whether it lies inside is 0 < 0, and
    rounding answers. It counts as inside here, always, so that no result hangs on the last bit.
    """
    # With x the best place, w and v the next two, the move to the vertex is -p / q where
    # p = (x - v)^2 (f(x) - f(w)) - (x - w)^2 (f(x) - f(v)) and
    # q = 2 ((x - v) (f(x) - f(w)) - (x - w) (f(x) - f(v))); it is taken where it is shorter than
    # half of the move before the last (Brent, Algorithms for minimization without derivatives,
    # 1973, chapter 5).
    low, high, last_move = limits
    best = places[0]
    r = (best - places[1]) * (errors[0] - errors[2])
    q = (best - places[2]) * (errors[0] - errors[1])
    p = (best - places[2]) * q - (best - places[1]) * r
    q = 2 * (q - r)
    p, q = (-p if q > 0 else p), abs(q)
    inside = q * (low - best - TIE) < p < q * (high - best + TIE)
    if abs(p) < abs(0.5 * q * last_move) and inside:
        return p / q
    return np.nan


@njit(cache=True)
def _rank(place, error, places, errors):
    """Insert a point among the best three; of equals the newer comes first."""
    if error <= errors[0]:
        rank = 0
    elif error <= errors[1] or places[1] == places[0]:
        rank = 1
    elif error <= errors[2] or places[2] == places[0] or places[2] == places[1]:
        rank = 2
    else:
        return
    for k in range(2, rank, -1):
        places[k], errors[k] = places[k - 1], errors[k - 1]
    places[rank], errors[rank] = place, error
