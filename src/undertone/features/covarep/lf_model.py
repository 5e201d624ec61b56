"""The spectrum of the Liljencrants-Fant pulse at the harmonics, as a function of Rd alone.

In:  Rd.
Out: complex spectrum of the flow derivative at harmonics 1, 2, … for a period of 1 and Ee = 1.

Scaling the period scales the spectrum by a positive number, so one table serves every F0.
Sources: Fant, Liljencrants & Lin, STL-QPSR 4, 1985; Fant, STL-QPSR 2-3, 1995 (Rd).
"""

import numpy as np

from undertone.compiled import njit


def pulse_spectra(rds: np.ndarray, harmonics: np.ndarray) -> np.ndarray:
    """(n_rds, n_harmonics) complex spectra.

    Args:
        rds: (n_rds,) shape parameter.
        harmonics: (n_harmonics,) multiples of F0, from 1.
    """
    shapes = np.array([_solve(*instants(rd)) for rd in rds])
    return _transform(shapes, np.asarray(harmonics, dtype=np.float64))


def instants(rd: float) -> tuple[float, float, float]:
    """Return te, tp and ta in periods: main excitation, flow maximum, return phase."""
    rap = (-1 + 4.8 * rd) / 100
    rkp = (22.4 + 11.8 * rd) / 100
    rgp = 1 / (4 * ((0.11 * rd / (0.5 + 1.2 * rkp)) - rap) / rkp)
    tp = 1 / (2 * rgp)
    return tp * (1 + rkp), tp, rap


@njit(cache=True)
def _solve(te, tp, ta):
    """Return te, ta, the return's decay, the opening's growth and its frequency."""
    rest = 1.0 - te
    omega = np.pi / tp
    decay = 1.0 / ta
    for _ in range(100):
        error = 1.0 - np.exp(-decay * rest) - decay * ta
        step = error / (rest * np.exp(-decay * rest) - ta)
        decay -= step
        if abs(step) < 1e-15 * decay:
            break
    area = (1.0 - np.exp(-decay * rest)) / (decay * decay * ta) - rest * np.exp(-decay * rest) / (
        decay * ta
    )
    low, high = 0.0, 0.1
    while _balance(high, omega, te, area) * _balance(low, omega, te, area) > 0.0 and high < 1e9:
        low, high = high, high * 1.1
    for _ in range(200):
        middle = (low + high) / 2
        if _balance(low, omega, te, area) * _balance(middle, omega, te, area) <= 0.0:
            high = middle
        else:
            low = middle
    return np.array([te, ta, decay, (low + high) / 2, omega])


@njit(cache=True)
def _balance(growth, omega, te, area):
    """Zero where the pulse encloses no net area."""
    sine, cosine = np.sin(omega * te), np.cos(omega * te)
    return (
        (growth * growth + omega * omega) * sine * area
        + omega * np.exp(-growth * te)
        + growth * sine
        - omega * cosine
    )


@njit(cache=True)
def _transform(shapes, harmonics):
    out = np.empty((len(shapes), len(harmonics)), dtype=np.complex128)
    for row in range(len(shapes)):
        te, ta, decay, growth, omega = shapes[row]
        sine, cosine = np.sin(omega * te), np.cos(omega * te)
        rest = 1.0 - te
        start = -1.0 / (np.exp(growth * te) * sine)
        for k in range(len(harmonics)):
            q = 2j * np.pi * harmonics[k]
            grown = growth - q
            opening = (
                start
                / (grown * grown + omega * omega)
                * (omega + np.exp(grown * te) * (grown * sine - omega * cosine))
            )
            closing = (
                np.exp(-q * te)
                / (decay * ta * q * (decay + q))
                * (decay * (1.0 - decay * ta) * (1.0 - np.exp(-q * rest)) - decay * ta * q)
            )
            out[row, k] = opening + closing
    return out
