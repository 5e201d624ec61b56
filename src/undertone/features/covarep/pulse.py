"""Four parameters of the glottal pulse at every closure: NAQ, QOQ, H1H2 and PSP.

In:  glottal flow and derivative, closures.
Out: (n_closures, 4); zero where the local F0 is not between 20 and 500 Hz.
Sources: Alku, Bäckström & Vilkman, JASA 112, 2002 (NAQ); Hacki, 1989 (QOQ); Hanson, JASA 101,
1997 (H1H2); Alku, Strik & Vilkman, Speech Communication 22, 1997 (PSP).
"""

from functools import lru_cache

import numpy as np
from scipy import fft

from undertone.compiled import njit
from undertone.features.covarep.matlab import round_int
from undertone.features.covarep.tilt import measure_tilt

LOWEST_HZ, HIGHEST_HZ = 20, 500
PARABOLIC_LENGTH = 2048
CYCLES_A_BATCH = 16


def measure_pulses(flow: np.ndarray, closures: np.ndarray, sample_rate: int) -> np.ndarray:
    """(n_closures, 4) NAQ, QOQ, H1H2, PSP.

    Args:
        flow: (2, n_samples) glottal flow and derivative.
        closures: (n_closures,) 0-based, at least two.
        sample_rate: Hz.
    """
    periods = closure_periods(closures)
    out = np.zeros((len(closures), 4))
    f0_hz = sample_rate / periods
    usable = (f0_hz > LOWEST_HZ) & (f0_hz < HIGHEST_HZ)
    out[:, :2] = _measure_time(flow, closures, usable, round_int(0.0005 * sample_rate))
    out[usable, 2] = measure_tilt(flow[1], closures[usable], periods[usable], sample_rate)
    usable[0] = False
    out[usable, 3] = _measure_parabola(flow[0], closures[usable], periods[usable], sample_rate)
    return out


def closure_periods(closures: np.ndarray) -> np.ndarray:
    """(n_closures,) samples since the closure before; the first takes the second's."""
    periods = np.diff(closures)
    return np.concatenate([periods[:1], periods])


@njit(cache=True)
def _measure_time(flow, closures, usable, margin):
    out = np.zeros((len(closures), 2))
    n = flow.shape[1]
    for k in range(len(closures)):
        if not usable[k]:
            continue
        first, last = closures[k - 1] if k else 0, closures[k]
        period = closures[k] - closures[k - 1] if k else closures[1] - closures[0]
        cycle = flow[0, first : last + 1].copy()
        length = len(cycle)
        base, slope = cycle[0], (cycle[-1] - cycle[0]) / (length - 1)
        for i in range(length):
            cycle[i] -= base + slope * i
        top = np.argmax(cycle)
        height = cycle[top]
        stop = last + margin + 1 if last + margin < n else last + 1
        steepest = np.max(np.abs(flow[1, first:stop]))
        out[k, 0] = height / (steepest * period)
        left = right = top + 1  # 1-based
        while left > 3 and cycle[left - 1] > height / 2:
            left -= 1
        while right < length - 2 and cycle[right - 1] > height / 2:
            right += 1
        out[k, 1] = (right - left) / period
    return out


def _measure_parabola(
    flow: np.ndarray, closures: np.ndarray, periods: np.ndarray, sample_rate: int
) -> np.ndarray:
    """Curvature of the cycle's spectrum at its low end, over that of a rectangle as long."""
    top_bin = int(np.floor((sample_rate / 2 - 1) * (PARABOLIC_LENGTH - 1) / (sample_rate - 1)))
    cycles = []
    for closure, period in zip(closures, periods, strict=True):
        cycle = flow[closure - period : closure + 1]
        cycle = cycle - cycle.min()
        cycles.append(cycle / cycle.max())
    rectangles = [_rectangle(int(period), top_bin) for period in periods]
    return _curvatures(cycles, top_bin) / rectangles


@lru_cache(maxsize=4096)
def _rectangle(length: int, top_bin: int) -> float:
    return _curvatures([np.full(length, 1 / length)], top_bin)[0]


def _curvatures(cycles: list[np.ndarray], top_bin: int) -> np.ndarray:
    """(n_cycles,) of the spectra's low ends, in dB a squared bin."""
    out = np.empty(len(cycles))
    padded = np.zeros((min(CYCLES_A_BATCH, len(cycles)), PARABOLIC_LENGTH))
    for first in range(0, len(cycles), CYCLES_A_BATCH):
        batch = cycles[first : first + CYCLES_A_BATCH]
        for row, cycle in enumerate(batch):
            padded[row, : len(cycle)] = cycle[:PARABOLIC_LENGTH]
            padded[row, len(cycle) :] = 0.0
        spectra = fft.rfft(padded[: len(batch)], axis=1)
        for row, cycle in enumerate(batch):
            spectrum = spectra[row]
            if len(cycle) > PARABOLIC_LENGTH:  # above 41 kHz
                cycle = np.where(np.arange(len(cycle)) == PARABOLIC_LENGTH - 1, 0.0, cycle)
                spectrum = fft.rfft(cycle)
            out[first + row] = _fit_parabola(spectrum[: top_bin + 1])
    return out


@njit(cache=True)
def _fit_parabola(spectrum):
    """Widen a parabola's range in bins until its relative squared error reaches 1 %."""
    level = np.empty(len(spectrum))
    sum_x = sum_xx = sum_xk2 = sum_k2 = sum_k4 = 0.0
    curvature = np.nan
    for k in range(len(level)):
        level[k] = 10 * np.log10(spectrum[k].real ** 2 + spectrum[k].imag ** 2)
        square = float(k * k)
        sum_x += level[k]
        sum_xx += level[k] * level[k]
        sum_xk2 += level[k] * square
        sum_k2 += square
        sum_k4 += square * square
        n = k + 1
        if n < 3:
            continue
        curvature = (n * sum_xk2 - sum_x * sum_k2) / (n * sum_k4 - sum_k2 * sum_k2)
        offset = (sum_x - curvature * sum_k2) / n
        error = 0.0
        for j in range(n):
            error += (level[j] - curvature * j * j - offset) ** 2
        if not error / sum_xx < 0.01:
            break
    return curvature
