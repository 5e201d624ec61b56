"""The Liljencrants-Fant (LF) model of the glottal source.

In:  Rd, the shape of the pulse from tense (0.3) to lax (2.7), and the period.
Out: the pulse's timing and constants, its derivative flow, or the flow of a train of pulses.

Time is counted in periods and the excitation strength Ee is 1: the derivative flow of a pulse
is ``E0 exp(alpha t) sin(pi t / tp)`` up to its negative peak -1 at ``te``, the closure instant,
and returns as ``-(exp(-epsilon (t - te)) - exp(-epsilon (1 - te))) / (epsilon ta)`` to 0 at 1.

Source: Fant, Liljencrants and Lin (1985), A four-parameter model of glottal flow, STL-QPSR 26(4);
Fant (1995), The LF-model revisited, STL-QPSR 36(2-3), for Rd.
"""

from dataclasses import dataclass

import numpy as np

from undertone.audio import SAMPLE_RATE
from undertone.compiled import njit
from undertone.errors import UndertoneError

RD_RANGE = (0.3, 2.7)  # where Fant's regression of Ra, Rk and Rg on Rd holds


@dataclass(frozen=True)
class LFShape:
    """Timing (in periods) and constants (per period) of a pulse with Ee = 1."""

    tp: float  # peak of the flow
    te: float  # negative peak of the derivative flow: the closure instant
    ta: float  # effective duration of the return phase
    alpha: float  # growth in the open phase
    epsilon: float  # decay in the return phase
    e0: float  # scale of the open phase


def lf_shape(rd: float) -> LFShape:
    """Solve the LF model for one Rd."""
    if not RD_RANGE[0] <= rd <= RD_RANGE[1]:
        raise UndertoneError(f"Rd must lie in {RD_RANGE[0]} to {RD_RANGE[1]}, found {rd}")
    return LFShape(*_solve(float(rd)))


def lf_pulse(f0_hz: float, rd: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Derivative flow of one period, at the instants ``n / sample_rate``.

    Returns:
        (round(sample_rate / f0_hz),) with negative peak -1 at the closure instant.
    """
    shape = lf_shape(rd)
    time = np.arange(round(sample_rate / f0_hz)) * f0_hz / sample_rate
    rest = np.exp(-shape.epsilon * (1 - shape.te))
    growing = shape.e0 * np.exp(shape.alpha * time) * np.sin(np.pi * time / shape.tp)
    returning = np.exp(-shape.epsilon * np.maximum(time - shape.te, 0)) - rest
    return np.where(time < shape.te, growing, -returning / (shape.epsilon * shape.ta))


@njit(cache=True, nogil=True)
def _solve(rd: float) -> tuple[float, float, float, float, float, float]:
    """The fields of ``LFShape``: Fant (1995), eqs. 2 to 4, then the two implicit equations."""
    ra = (-1 + 4.8 * rd) / 100
    rk = (22.4 + 11.8 * rd) / 100
    rg = 0.25 * rk / (0.11 * rd / (0.5 + 1.2 * rk) - ra)
    tp = 0.5 / rg
    te = tp * (1 + rk)
    epsilon = _solve_epsilon(ra, 1 - te)
    alpha = _solve_alpha(tp, te, _return_area(ra, 1 - te, epsilon))
    e0 = -1 / (np.exp(alpha * te) * np.sin(np.pi * te / tp))
    return tp, te, ra, alpha, epsilon, e0


@njit(cache=True, nogil=True)
def _solve_epsilon(ta: float, closed: float) -> float:
    """The positive root of ``epsilon ta = 1 - exp(-epsilon closed)``, by Newton from above."""
    epsilon = 1 / ta
    for _ in range(50):
        decay = np.exp(-epsilon * closed)
        step = (epsilon * ta - 1 + decay) / (ta - closed * decay)
        epsilon -= step
        if abs(step) < 1e-13 * epsilon:
            break
    return epsilon


@njit(cache=True, nogil=True)
def _return_area(ta: float, closed: float, epsilon: float) -> float:
    decay = np.exp(-epsilon * closed)
    return -((1 - decay) / epsilon - closed * decay) / (epsilon * ta)


@njit(cache=True, nogil=True)
def _solve_alpha(tp: float, te: float, return_area: float) -> float:
    """The alpha at which open and return phase have opposite areas, by bisection."""
    low, high = -60.0, 300.0  # wider than RD_RANGE ever needs; the area falls as alpha grows
    for _ in range(60):
        middle = 0.5 * (low + high)
        if _open_area(tp, te, middle) + return_area > 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@njit(cache=True, nogil=True)
def _open_area(tp: float, te: float, alpha: float) -> float:
    omega = np.pi / tp
    sine, cosine = np.sin(omega * te), np.cos(omega * te)
    growth = alpha * sine - omega * cosine + omega * np.exp(-alpha * te)
    return -growth / (sine * (alpha**2 + omega**2))


@njit(cache=True, nogil=True)
def flow_at_edges(pulses: np.ndarray, n_samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Glottal flow of a train of pulses at the edges ``n - 1/2`` between samples.

    The difference of two neighbours is the mean derivative flow over that sample: pulses start
    between samples without rounding, areas balance exactly, and aliasing is low.

    Args:
        pulses: (n_pulses, 4) start and period in samples, Rd, Ee; pulses do not overlap.

    Returns:
        (n_samples + 1,) flow; (n_samples + 1,) openness: flow as a share of its peak, 1 outside
        pulses; (n_pulses,) closure instants in samples.
    """
    flow, openness = np.zeros(n_samples + 1), np.ones(n_samples + 1)
    closures = np.empty(len(pulses))
    for k in range(len(pulses)):
        start, period, rd, strength = pulses[k]
        tp, te, ta, alpha, epsilon, e0 = _solve(rd)
        closures[k] = start + te * period
        omega = np.pi / tp
        scale = e0 / (alpha**2 + omega**2)
        peak = scale * omega * (np.exp(alpha * tp) + 1)
        rest = np.exp(-epsilon * (1 - te))
        first = max(0, int(np.ceil(start + 0.5)))
        last = min(n_samples, int(np.floor(start + period + 0.5)))
        for edge in range(first, last + 1):
            time = (edge - 0.5 - start) / period
            if time < te:
                phase = omega * time
                growth = alpha * np.sin(phase) - omega * np.cos(phase)
                value = scale * (np.exp(alpha * time) * growth + omega)
            else:
                decay = np.exp(-epsilon * (time - te)) - rest
                value = (decay / epsilon - (1 - time) * rest) / (epsilon * ta)
            flow[edge] = value * strength * period
            openness[edge] = min(1.0, max(0.0, value / peak))
    return flow, openness, closures
