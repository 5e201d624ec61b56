"""The 36 inputs of the creak network: 12 measures, their differences, and theirs again.

In:  upright samples, their residual, harmonic sums.
Out: (n_rows, 36); row m, counted from 1, stands at m * 10 ms.
Source: Drugman, Kane & Gobl 2014; Kane, Drugman & Gobl, Computer Speech & Language 27(4), 2013.
"""

import numpy as np

from undertone.features.covarep.creak import frames, ishi, resonators
from undertone.features.covarep.matlab import round_half_away, round_int
from undertone.features.covarep.srh import LOWEST_CREAK_HZ, HarmonicSums, track_pitch

NAMES = (
    *("H2-H1", "residual_peak_prominence", "zero_crossing_rate", "intra_frame_periodicity"),
    *("inter_pulse_similarity", "power_fall", "power_rise", "F0", "mean_F0", "energy"),
    *("power_spread", "creak_F0"),
)
HOP_S = 0.010


def row_positions(n_samples: int, sample_rate: int) -> np.ndarray:
    """(n_rows,) 1-based sample positions."""
    hop = round_int(HOP_S * sample_rate)
    return np.arange(hop, n_samples + 1, hop)


def compute_inputs(
    samples: np.ndarray, residual: np.ndarray, harmonics: HarmonicSums, sample_rate: int
) -> np.ndarray | None:
    """Return (n_rows, 36), or None where no frame is voiced.

    Args:
        samples: (n_samples,) upright.
        residual: (n_samples,) of order 18 at 16 kHz, NaN in digital silence.
        harmonics: from the pitch tracker.
        sample_rate: Hz.
    """
    pitch = track_pitch(harmonics, LOWEST_CREAK_HZ)
    if np.isnan(pitch.median_f0_hz):
        return None
    n, residual = len(samples), np.nan_to_num(residual)
    positions = row_positions(n, sample_rate)
    energy = frames.log_energy(samples, sample_rate)
    difference, own_f0 = resonators.trace_harmonics(residual, sample_rate, pitch.median_f0_hz)
    blunt = resonators.resonate(residual, sample_rate, pitch.median_f0_hz, resonators.BLUNT)
    everywhere = frames.stretch(energy, n, np.arange(1, n + 1))
    prominence = resonators.peak_prominence(
        blunt, everywhere, (sample_rate, pitch.median_f0_hz), positions
    )
    spread_rows = round_half_away(np.linspace(1, n, len(positions)))
    static = np.column_stack(
        [
            frames.stretch(difference, n, positions),
            prominence,
            frames.zero_crossings(samples, sample_rate, positions),
            ishi.measure_pulses(samples, sample_rate, spread_rows),
            frames.stretch(pitch.f0_hz, len(positions), np.arange(1, len(positions) + 1)),
            np.full(len(positions), pitch.median_f0_hz),
            everywhere[positions - 1],
            frames.stretch(frames.power_spread(samples, sample_rate), n, positions),
            frames.stretch(own_f0, n, positions),
        ]
    )
    delta = np.diff(static, axis=0, prepend=static[:1])
    return np.hstack([static, delta, np.diff(delta, axis=0, prepend=delta[:1])])
