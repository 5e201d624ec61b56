"""Speech polarity: +1 where glottal closures point down as usual, -1 in an inverted recording.

In:  (n_samples,) samples.
Out: ``Polarity``: the sign, and the residual of the upright signal, which later steps reuse.
Source: Drugman, Residual excitation skewness for automatic speech polarity detection,
IEEE Signal Processing Letters 20(4), 2013.
"""

from dataclasses import dataclass

import numpy as np

from undertone.features.covarep.matlab import elliptic_highpass, filter_both_ways
from undertone.features.covarep.residual import compute_residual, order_for


@dataclass(frozen=True)
class Polarity:
    """Which way up a recording is."""

    sign: float  # +1 or -1
    residual: np.ndarray  # (n_samples,) of the upright signal, NaN in digital silence


def detect_polarity(samples: np.ndarray, sample_rate: int) -> Polarity:
    """Compare how skewed two residuals are, one of them predicted without the low frequencies."""
    order = order_for(sample_rate)
    high = filter_both_ways(*elliptic_highpass(480.0, 500.0, sample_rate), samples)
    rough = compute_residual(samples, sample_rate, order, predicted_from=high)
    residual = compute_residual(samples, sample_rate, order)
    sign = -1.0 if _skewness(residual) < _skewness(rough) else 1.0
    return Polarity(sign=sign, residual=residual * sign)


def _skewness(values: np.ndarray) -> float:
    centred = np.nan_to_num(values)
    centred = centred - centred.mean()
    square = centred * centred
    power = np.mean(square)
    return float(np.mean(square * centred) / power**1.5) if power > 0 else 0.0
