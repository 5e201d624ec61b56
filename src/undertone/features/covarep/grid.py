"""One row every 10 ms: every column is interpolated from its own time base to the common grid.

In:  values with their positions, in 1-based samples.
Out: (n_frames,) or (n_frames, n_columns) on the grid, NaN where the time base does not reach.

Row k lies at sample ``round(0.005 * rate) + k * round(0.01 * rate)``, counted from 1: 5, 15, 25 ms.
"""

import numpy as np

from undertone.features.covarep.matlab import interpolate, round_half_away, round_int, wrap
from undertone.features.covarep.sinusoids import Sinusoids
from undertone.features.covarep.srh import Pitch

STEP_S = 0.005  # of the intermediate grid that phase distortion passes through


def grid_positions(n_samples: int, sample_rate: int) -> np.ndarray:
    """(n_frames,) 1-based sample positions of the rows."""
    return np.arange(round_int(0.005 * sample_rate), n_samples + 1, round_int(0.01 * sample_rate))


def place_pitch(pitch: Pitch, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return F0 and voicing on the grid; voiced if either neighbour is."""
    f0_hz = interpolate(pitch.positions, pitch.f0_hz, grid)
    voicing = interpolate(pitch.positions, pitch.voiced.astype(float), grid)
    return f0_hz, np.where(np.isnan(voicing), 0.0, voicing >= 0.5)


def place_cepstra(cepstra: np.ndarray, n_samples: int, grid: np.ndarray) -> np.ndarray:
    """Stretch the frames over the whole file, as the reference does, whatever their times."""
    nodes = round_half_away(np.linspace(1, n_samples, len(cepstra))).astype(float)
    return interpolate(nodes, cepstra, grid)


def place_phase_distortion(
    sinusoids: Sinusoids,
    measured: tuple[np.ndarray, np.ndarray],
    *,
    grid: np.ndarray,
    sample_rate: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate means (angles) and deviations to 5 ms steps, and from there to the grid."""
    mean, deviation = measured
    times_s = sinusoids.centres / sample_rate
    steps_s = STEP_S * np.arange(int(times_s[-1] / STEP_S) + 2)
    steps_s = steps_s[(steps_s >= times_s[0]) & (steps_s <= times_s[-1])]
    rows_s = (grid - 1) / sample_rate
    for nodes_s, asked_s in ((times_s, steps_s), (steps_s, rows_s)):
        mean = wrap(interpolate(nodes_s, np.unwrap(mean, axis=0), asked_s))
        deviation = interpolate(nodes_s, deviation, asked_s)
    return mean, deviation
