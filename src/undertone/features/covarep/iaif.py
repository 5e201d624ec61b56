"""Glottal flow by iterative adaptive inverse filtering around every closure.

In:  upright samples, closures.
Out: (2, n_samples) glottal flow and its derivative, overlap-added and not normalised.

A frame reaches one period to either side of its closure. The period before a closure is not
limited: after a pause it can last seconds, in the reference and here.
Source: Alku, Glottal wave analysis with pitch synchronous iterative adaptive inverse filtering,
Speech Communication 11, 1992.
"""

from functools import lru_cache

import numpy as np
from scipy import signal

from undertone.compiled import njit
from undertone.features.covarep.kernels import add_scaled, filter_fir, predict_linearly
from undertone.features.covarep.matlab import round_int

LEAK = 0.99  # of the integrator that cancels lip radiation


def filter_inversely(samples: np.ndarray, sample_rate: int, closures: np.ndarray) -> np.ndarray:
    """Estimate flow and derivative, (2, n_samples), around (n_closures,) 0-based `closures`."""
    tract_order = 2 * round_int(sample_rate / 2000) + 4
    source_order = 2 * round_int(sample_rate / 4000)
    return _overlap_add(samples, closures, _highpass(sample_rate), (tract_order, source_order))


@lru_cache(maxsize=8)
def _highpass(sample_rate: int) -> np.ndarray:
    order = round_int(300 / 16_000 * sample_rate)
    order += order % 2
    return signal.firls(order + 1, [0, 40, 70, sample_rate / 2], [0, 0, 1, 1], fs=sample_rate)


@njit(cache=True)
def _overlap_add(samples, closures, highpass, orders):
    n = len(samples)
    flow = np.zeros((2, n))
    for k in range(len(closures)):
        period = closures[k] - closures[k - 1] if k else closures[1] - closures[0]
        centre = closures[k] - 1  # the reference reads the 0-based number as a 1-based one
        first, last = max(centre - period, 0), min(centre + period, n - 1)
        if last - first + 1 > orders[0]:
            _add_frame(samples[first : last + 1], highpass, orders, flow[:, first : last + 1])
    return flow


@njit(cache=True)
def _add_frame(samples, highpass, orders, flow):
    tract_order, source_order = orders
    length = len(samples)
    window = 0.5 * (1.0 - np.cos(2.0 * np.pi * np.arange(1, length + 1) / (length + 1)))
    pad = tract_order + 1
    padded = np.empty(pad + length)
    _filter_centred(samples * window, highpass, padded[pad:])
    start = padded[pad]
    for i in range(pad):
        padded[i] = start * (2.0 * i / (pad - 1) - 1.0)
    filtered = np.empty(pad + length)

    # Alku 1992, the two rounds of the method, with S the speech and 1/A the inverse filters:
    # 1. the tilt of source and lips is a first-order prediction of S, and is taken off;
    # 2. A_1, of the tract's order, predicts the rest; S / A_1, integrated, is a first flow;
    # 3. the flow's own prediction, of low order, is the source; it is taken off S, integrated;
    # 4. A_2 predicts the rest. S / A_2 is the derivative of the flow, its integral the flow.
    # The samples before the frame are a straight ramp, from minus its first value up to it.
    filter_fir(predict_linearly(padded[pad:] * window, 1), padded, filtered)
    tract = predict_linearly(filtered[pad:] * window, tract_order)
    filter_fir(tract, padded, filtered)
    _integrate(filtered)
    source = predict_linearly(filtered[pad:] * window, source_order)
    filter_fir(source, padded, filtered)
    _integrate(filtered)
    tract = predict_linearly(filtered[pad:] * window, tract_order)
    filter_fir(tract, padded, filtered)
    flow[1] += filtered[pad:]
    _integrate(filtered)
    flow[0] += filtered[pad:]


@njit(cache=True)
def _filter_centred(frame, taps, out):
    """Write the filtered frame to ``out``; the delay of the symmetric filter is compensated."""
    n, delay = len(frame), len(taps) // 2
    out[:] = 0.0
    for tap in range(max(0, delay - n + 1), min(len(taps), delay + n)):
        shift = tap - delay
        if shift >= 0:
            add_scaled(frame[: n - shift], taps[tap], out[shift:])
        else:
            add_scaled(frame[-shift:], taps[tap], out[: n + shift])


@njit(cache=True)
def _integrate(values):
    for i in range(1, len(values)):
        values[i] += LEAK * values[i - 1]
