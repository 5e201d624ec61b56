"""The linear-prediction residual: what is left of speech without its spectral envelope.

In:  (n_samples,) float64 samples.
Out: (n_samples,) float64, peak 1; NaN over frames that are digital silence.

Frames of 25 ms every 5 ms are windowed, inverse-filtered, brought back to their energy and
overlap-added without compensation for the window.
Source: specification, LP residual.
"""

import numpy as np

from undertone.compiled import njit
from undertone.features.covarep.kernels import filter_fir, predict_linearly
from undertone.features.covarep.matlab import hanning, round_int

FRAME_S = 0.025
HOP_S = 0.005


def order_for(sample_rate: int) -> int:
    """Prediction order of every step but pitch: 18 at 16 kHz."""
    return round_int(sample_rate / 1000) + 2


def compute_residual(
    samples: np.ndarray,
    sample_rate: int,
    order: int,
    *,
    predicted_from: np.ndarray | None = None,
) -> np.ndarray:
    """Inverse-filter speech frame by frame.

    Args:
        samples: (n_samples,) what is filtered.
        sample_rate: Hz.
        order: of the prediction.
        predicted_from: (n_samples,) signal whose frames give the filters; `samples` by default.
    """
    window = hanning(round_int(FRAME_S * sample_rate) + 1)
    source = samples if predicted_from is None else np.ascontiguousarray(predicted_from)
    residual = _overlap_add(samples, source, window, (round_int(HOP_S * sample_rate), order))
    peak = np.nanmax(np.abs(residual), initial=0.0)
    return residual / peak if peak > 0 else np.full_like(residual, np.nan)


@njit(cache=True)
def _overlap_add(samples, source, window, steps):
    hop, order = steps
    n, length = len(samples), len(window)
    total = np.zeros(n)
    error = np.empty(length)
    for start in range(0, n - length, hop):
        frame = samples[start : start + length] * window
        coefficients = predict_linearly(source[start : start + length] * window, order)
        filter_fir(coefficients, frame, error)
        energy = np.sum(error * error)
        gain = np.sqrt(np.sum(frame * frame) / energy) if energy != 0.0 else np.nan
        for i in range(length):
            total[start + i] += gain * error[i]
    return total
