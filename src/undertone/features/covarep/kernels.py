"""Compiled leaves that several steps share: linear prediction of one windowed frame.

In / Out: contiguous float64 arrays. No validation, no Python objects.
Source: Makhoul, Linear prediction: a tutorial review, Proc. IEEE 63(4), 1975.
"""

import numpy as np

from undertone.compiled import njit

REASSOCIATE = {"reassoc", "contract"}  # lets sums vectorise; NaN and Inf keep their meaning


@njit(cache=True, fastmath=REASSOCIATE)
def autocorrelate(frame, n_lags, out):
    """Write the first ``n_lags`` lags (0, 1, …) of a frame's raw autocorrelation to ``out``."""
    for lag in range(n_lags):
        out[lag] = multiply_add(frame[: len(frame) - lag], frame[lag:])


@njit(cache=True, fastmath=REASSOCIATE)
def multiply_add(first, second):
    """Return the scalar product; slices of equal length keep index arithmetic out of the loop."""
    total = 0.0
    for i in range(len(first)):
        total += first[i] * second[i]
    return total


@njit(cache=True, fastmath=REASSOCIATE)
def add_scaled(values, weight, out):
    """Add the values times a weight to ``out``."""
    for i in range(len(out)):
        out[i] += weight * values[i]


@njit(cache=True)
def levinson(correlation, order, coefficients, previous):
    """Write the prediction-error filter (order + 1,) to ``coefficients``; NaN for a zero frame."""
    # Durbin's recursion (Makhoul 1975, section II): with r the autocorrelation and E the error,
    # k_i = -(r_i + sum_{0<j<i} a_j r_{i-j}) / E_{i-1};  a_i = k_i;
    # a_j <- a_j + k_i a_{i-j} for 0 < j < i;  E_i = E_{i-1} (1 - k_i^2).
    coefficients[0] = 1.0
    error = correlation[0]
    for i in range(1, order + 1):
        total = correlation[i]
        for j in range(1, i):
            total += coefficients[j] * correlation[i - j]
        reflection = -total / error if error != 0.0 else np.nan
        for j in range(1, i):
            previous[j] = coefficients[j]
        for j in range(1, i):
            coefficients[j] = previous[j] + reflection * previous[i - j]
        coefficients[i] = reflection
        error *= 1.0 - reflection * reflection


@njit(cache=True)
def predict_linearly(frame, order):
    """Return the prediction-error filter (order + 1,) of a frame; NaN for a zero frame."""
    correlation = np.zeros(order + 1)
    autocorrelate(frame, min(order + 1, len(frame)), correlation)
    coefficients = np.empty(order + 1)
    levinson(correlation, order, coefficients, np.empty(order + 1))
    return coefficients


@njit(cache=True, fastmath=REASSOCIATE)
def filter_fir(coefficients, frame, out):
    """Write the filtered frame (zero initial state) to ``out``."""
    n = len(frame)
    out[:] = 0.0
    for tap in range(min(len(coefficients), n)):
        add_scaled(frame[: n - tap], coefficients[tap], out[tap:])
