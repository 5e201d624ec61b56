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
from numba import njit

from undertone.features.covarep.lf_model import pulse_spectra
from undertone.features.covarep.sinusoids import Sinusoids

LOWEST, HIGHEST = 0.3, 2.5
TOLERANCE, MOST_ITERATIONS = 0.01, 32
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
            n = np.count_nonzero(np.arange(len(phase)) * sinusoids.spacing_hz[j] <= HIGHEST_HZ) - 1
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


def _indices(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Harmonic and sign of the first phases of a spectrum mirrored at harmonic n."""
    index = np.arange(min(2 * n - 1, N_PHASES) + 1)
    return np.where(index <= n, index, 2 * n - index), np.where(index <= n, 1.0, -1.0)


def _mirror(phase: np.ndarray, n: int) -> np.ndarray:
    """Phases 0, 1, … of the mirrored spectrum, whose element n is real and positive."""
    harmonic, sign = _indices(n)
    return np.where((harmonic == 0) | (harmonic == n), 0.0, sign * phase[..., harmonic])


@lru_cache(maxsize=512)
def _minimum_phase(n: int) -> np.ndarray:
    """(n_phases, n + 1) matrix from a log magnitude at harmonics 0 … n to its minimum phase.

    Folding the real cepstrum of 2n points is a discrete Hilbert transform with this kernel.
    """
    harmonic, sign = _indices(n)
    k = np.arange(n + 1)
    weight = np.where((k == 0) | (k == n), 1.0, 2.0)
    return -sign[:, None] * weight / (2 * n) * (
        _cotangent(harmonic[:, None] + k, n) + _cotangent(harmonic[:, None] - k, n)
    )


def _cotangent(m: np.ndarray, n: int) -> np.ndarray:
    odd = m % 2 == 1
    return np.where(odd, 1 / np.tan(np.pi * np.where(odd, m, 1) / (2 * n)), 0.0)


@lru_cache(maxsize=1024)
def _model_phases(n: int, conjugated: bool) -> np.ndarray:
    """(n_grid, n_phases) what the pulse adds to the criterion's phases, for every Rd of the grid."""
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
    golden = 0.5 * (3.0 - np.sqrt(5.0))
    low, high = LOWEST, HIGHEST
    best = second = third = low + golden * (high - low)
    best_error = second_error = third_error = _error(best, observed, model)
    move = last_move = 0.0
    for _ in range(MOST_ITERATIONS - 1):
        middle = 0.5 * (low + high)
        fine = 1.4901161193847656e-08 * abs(best) + TOLERANCE / 3
        if abs(best - middle) <= 2 * fine - 0.5 * (high - low):
            break
        is_golden = True
        if abs(last_move) > fine:
            r = (best - second) * (best_error - third_error)
            q = (best - third) * (best_error - second_error)
            p = (best - third) * q - (best - second) * r
            q = 2 * (q - r)
            p, q = (-p if q > 0 else p), abs(q)
            r, last_move = last_move, move
            if abs(p) < abs(0.5 * q * r) and q * (low - best) < p < q * (high - best):
                is_golden = False
                move = p / q
                place = best + move
                if place - low < 2 * fine or high - place < 2 * fine:
                    move = fine if middle >= best else -fine
        if is_golden:
            last_move = (low if best >= middle else high) - best
            move = golden * last_move
        place = best + (1.0 if move >= 0 else -1.0) * max(abs(move), fine)
        error = _error(place, observed, model)
        if error <= best_error:
            low, high = (best, high) if place >= best else (low, best)
            third, third_error = second, second_error
            second, second_error = best, best_error
            best, best_error = place, error
        else:
            low, high = (place, high) if place < best else (low, place)
            if error <= second_error or second == best:
                third, third_error = second, second_error
                second, second_error = place, error
            elif error <= third_error or third == best or third == second:
                third, third_error = place, error
    return best, best_error
