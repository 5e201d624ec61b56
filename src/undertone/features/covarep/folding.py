"""Cosine sums of few coefficients: a curve is folded until one small matrix serves all of it.

In:  (n_rows, N_BINS) real curves over the bins of a spectrum's half.
Out: their cosine coefficients 0, 1, …, and curves from coefficients.

Sums and differences about the middle bin hold the even and the odd coefficients. The differences,
times twice a cosine, become sums of neighbouring odd coefficients over a curve half as long, since
cos (2m + 1)x + cos (2m - 1)x = 2 cos x cos 2mx. Four such folds leave 16 strands of 129 values, and
one matrix turns each strand into its coefficients. Bins where strands meet stand in two of them and
count half. Inside, a curve is an array (STRANDS, LENGTH).
Source: Lee, A new algorithm to compute the discrete cosine transform, IEEE TASSP 32(6), 1984.
"""

import numpy as np

from undertone.compiled import njit
from undertone.features.covarep.kernels import REASSOCIATE, add_scaled, multiply_add

N_BINS = 2049
STRANDS = 16
LENGTH = (N_BINS - 1) // STRANDS + 1
QUAD = 4 * LENGTH  # four strands that the two outer folds lay upon each other
NOWHERE = -1e300  # below every curve
FAST = {"reassoc", "contract", "nnan", "nsz"}


def _strip() -> np.ndarray:
    """(STRANDS, LENGTH) bins of a strip folded to and fro."""
    j, hop = np.arange(LENGTH), LENGTH - 1
    return np.array([s * hop + j if s % 2 == 0 else (s + 1) * hop - j for s in range(STRANDS)])


def _factors(first: int, second: int, length: int) -> np.ndarray:
    """(3 * LENGTH,) of a fold of ``length`` bins for two strands, and of the next for the first."""
    strip = _strip()
    turns = [strip[first] / length, strip[second] / length, 2 * strip[first] / length]
    return 2 * np.cos(np.pi * np.concatenate(turns))


def _matrix() -> np.ndarray:
    """(LENGTH, LENGTH) the cosine of each coefficient of a strand."""
    j = np.arange(LENGTH)
    return np.cos(np.pi * j[:, None] * j / (LENGTH - 1))


POSITIONS = _strip()[[s for k in range(4) for s in (k, 7 - k, 8 + k, 15 - k)]]
OUTER = np.stack([_factors(k, 7 - k, N_BINS - 1) for k in range(4)])
INNER = _factors(0, 1, (N_BINS - 1) // 4)
WEIGHTS = np.where(np.arange(LENGTH) % (LENGTH - 1) == 0, 0.5, 1.0)
TO_CURVE = _matrix()
TO_COEFFICIENTS = _matrix() * WEIGHTS / (N_BINS - 1)


@njit(cache=True)
def nowhere():
    """(STRANDS, LENGTH) strands of a curve below every other."""
    strands = np.zeros((STRANDS, LENGTH))
    strands[0] = NOWHERE
    return strands


@njit(cache=True)
def lay_out(curve):
    """(STRANDS, LENGTH) values of a curve along the strip, not folded yet."""
    out = np.empty((STRANDS, LENGTH))
    flat, bins = out.reshape(-1), POSITIONS.reshape(-1)
    for i in range(len(flat)):
        flat[i] = curve[bins[i]]
    return out


@njit(cache=True, fastmath=REASSOCIATE)
def transform(strands, parts):
    """Write the strands' first coefficients, (STRANDS, n); return the curve's highest one."""
    for s in range(STRANDS):
        for m in range(parts.shape[1]):
            parts[s, m] = multiply_add(strands[s], TO_COEFFICIENTS[m])
    return multiply_add(strands[0], TO_COEFFICIENTS[LENGTH - 1])


@njit(cache=True, fastmath=REASSOCIATE)
def transform_back(parts, strands):
    """Write the strands with the given first coefficients."""
    for s in range(STRANDS):
        strands[s] = parts[s, 0]
        for m in range(1, parts.shape[1]):
            add_scaled(TO_CURVE[m], parts[s, m], strands[s])


@njit(cache=True)
def gather(parts, out):
    """Write a curve's coefficients to ``out``, (STRANDS * n,), from (STRANDS, n) of strands."""
    n = parts.shape[1]
    work = parts.copy().reshape(-1)
    size, blocks = n, STRANDS // 2
    while blocks > 0:
        for b in range(blocks):
            _interleave(work[2 * b * size :], size, out[2 * b * size :])
        work[:] = out
        size, blocks = 2 * size, blocks // 2


@njit(cache=True)
def _interleave(halves, size, out):
    """Even coefficients stand first, then the sums of the odd one and the one before it."""
    # The sums of neighbouring odd coefficients are s_m = c_{2m+1} + c_{2m-1}, and c_{-1} = c_1 by
    # symmetry: c_1 = s_0 / 2, then c_{2m+1} = s_m - c_{2m-1}.
    odd = halves[size] / 2
    out[0], out[1] = halves[0], odd
    for m in range(1, size):
        odd = halves[size + m] - odd
        out[2 * m], out[2 * m + 1] = halves[m], odd


@njit(cache=True)
def spread(coefficients, parts):
    """Write (STRANDS, n) coefficients of strands from (STRANDS * n,) of a curve."""
    work, out = coefficients.copy(), parts.reshape(-1)
    size = len(work) // 2
    blocks = 1
    while blocks < STRANDS:
        for b in range(blocks):
            _separate(work[2 * b * size :], size, out[2 * b * size :])
        work[:] = out
        size, blocks = size // 2, 2 * blocks


@njit(cache=True)
def _separate(coefficients, size, out):
    odd = 0.0
    for m in range(size - 1, -1, -1):
        odd = coefficients[2 * m + 1] - odd
        out[m], out[size + m] = coefficients[2 * m], odd
    out[size] /= 2


@njit(cache=True)
def unfold(strands):
    """Return the (N_BINS,) curve whose folded strands are given."""
    out, work = np.empty(N_BINS), np.empty(STRANDS * LENGTH)
    flat, bins = strands.reshape(-1), POSITIONS.reshape(-1)
    for k in range(4):
        _open_inner(flat[k * QUAD : (k + 1) * QUAD], INNER, work[k * LENGTH :])
    for k in range(4):
        _open_outer(work[k * QUAD : (k + 1) * QUAD], OUTER[k])
    for i in range(len(work)):
        out[bins[i]] = work[i]
    return out


@njit(cache=True)
def lift(strands, raised, target, tolerance):
    """Raise a curve to the one whose strands are given, and fold it in their place.

    Args:
        strands: (STRANDS, LENGTH) folded; replaced.
        raised: (STRANDS, LENGTH) laid out; raised where it is lower.
        target: (STRANDS, LENGTH) laid out.
        tolerance: how much the target may exceed the given curve.

    Returns:
        Where the target exceeds it by more, counted, and the raised curve's sum of squares, the
        first and the last bin's halved.
    """
    work = np.empty(STRANDS * LENGTH)
    flat, high, aim = strands.reshape(-1), raised.reshape(-1), target.reshape(-1)
    for k in range(4):
        _open_inner(flat[k * QUAD : (k + 1) * QUAD], INNER, work[k * LENGTH :])
    count, power = 0, 0.0
    for k in range(4):
        own = slice(k * QUAD, (k + 1) * QUAD)
        _open_outer(work[own], OUTER[k])
        above, squares = _raise(work[own], high[own], aim[own], tolerance)
        count, power = count + above, power + squares
        _close_outer(work[own], OUTER[k])
    for k in range(4):
        _close_inner(work[k * LENGTH :], INNER, flat[k * QUAD : (k + 1) * QUAD])
    for s in range(STRANDS):
        first, last = raised[s, 0], raised[s, LENGTH - 1]
        power -= (first * first + last * last) / 2
    return count, power


@njit(cache=True, fastmath=FAST)
def _raise(work, raised, target, tolerance):
    count, power = 0, 0.0
    for i in range(QUAD):
        given, value = work[i], raised[i]
        count += target[i] - given > tolerance  # a largest excess would not vectorise
        value = given if given > value else value
        raised[i] = work[i] = value
        power += value * value
    return count, power


@njit(cache=True, fastmath=FAST)
def _open_inner(strands, factors, out):
    # Two folds undone at once (Lee 1984). With e the even and o the odd part of a curve of 2L + 1
    # bins, x_j = e_j + 2 cos(pi j / 2L) o_j and, at the mirrored bin, e_j - 2 cos(pi j / 2L) o_j.
    # a + b and a - b are the inner fold of the even part, at j and its mirror, c + d and c - d that
    # of the odd part; third is the inner fold's factor, the other two are the outer one's.
    for j in range(LENGTH):
        third = factors[2 * LENGTH + j]
        a, b = strands[j], third * strands[LENGTH + j]
        c, d = strands[2 * LENGTH + j], third * strands[3 * LENGTH + j]
        first, second = factors[j] * (c + d), factors[LENGTH + j] * (c - d)
        out[j], out[12 * LENGTH + j] = a + b + first, a + b - first
        out[4 * LENGTH + j], out[8 * LENGTH + j] = a - b + second, a - b - second


@njit(cache=True, fastmath=FAST)
def _open_outer(work, factors):
    for j in range(LENGTH):
        third = factors[2 * LENGTH + j]
        a, b = work[j], third * work[LENGTH + j]
        c, d = work[2 * LENGTH + j], third * work[3 * LENGTH + j]
        first, second = factors[j] * (c + d), factors[LENGTH + j] * (c - d)
        work[j], work[3 * LENGTH + j] = a + b + first, a + b - first
        work[LENGTH + j], work[2 * LENGTH + j] = a - b + second, a - b - second


@njit(cache=True, fastmath=FAST)
def _close_outer(work, factors):
    for j in range(LENGTH):
        a, b, c, d = work[j], work[LENGTH + j], work[2 * LENGTH + j], work[3 * LENGTH + j]
        third, first, second = factors[2 * LENGTH + j], factors[j] * (a - d), factors[LENGTH + j]
        second *= b - c
        work[j], work[LENGTH + j] = a + d + (b + c), third * (a + d - (b + c))
        work[2 * LENGTH + j], work[3 * LENGTH + j] = first + second, third * (first - second)


@njit(cache=True, fastmath=FAST)
def _close_inner(work, factors, out):
    for j in range(LENGTH):
        a, b = work[j], work[4 * LENGTH + j]
        c, d = work[8 * LENGTH + j], work[12 * LENGTH + j]
        third, first, second = factors[2 * LENGTH + j], factors[j] * (a - d), factors[LENGTH + j]
        second *= b - c
        out[j], out[LENGTH + j] = a + d + (b + c), third * (a + d - (b + c))
        out[2 * LENGTH + j], out[3 * LENGTH + j] = first + second, third * (first - second)
