"""Resonances of the vocal tract, and how harmonics stand to each other: eleven columns.

In:  a waveform (n_samples,) at ``audio.SAMPLE_RATE``, and its F0 a frame, 0 where unvoiced.
Out: (n_frames, 11) float32; ``COLUMNS``: natural logarithms of hertz, and of powers relative to
     each other, so that a gain changes nothing. Between voiced frames values are interpolated.

Linear prediction looks at 0 to 4 kHz alone: the autocorrelation is that of the power spectrum up to
there (selective linear prediction; J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE
63, 1975, section V), after pre-emphasis. Resonances are the roots of the predictor.
H1-H2 and H1-A3 are the first harmonic against the second and against the harmonic nearest the third
resonance (H. Hanson, J. Acoust. Soc. Am. 101, 1997).
"""

import numpy as np
import scipy.fft

from undertone import audio
from undertone.features.framing import hann, windows

WINDOW_LENGTH = 641  # samples, 40 ms: harmonics 60 Hz apart can be told apart
SPECTRUM_SIZE = 1024
HIGHEST_HZ = 4000.0
BIN_HZ = audio.SAMPLE_RATE / SPECTRUM_SIZE
N_BINS = round(HIGHEST_HZ / BIN_HZ) + 1
ORDER = 8  # two an expected resonance, and two for the slope of the voice
N_FORMANTS = 3
PRE_EMPHASIS = 0.97
LOWEST_HZ = 150.0
WIDEST_HZ = 600.0  # a root of a wider band is slope and no resonance
USUAL_HZ = (500.0, 1500.0, 2500.0)  # of a tube of 17 cm, where no resonance was found at all
USUAL_WIDTH_HZ = 150.0
WHITE = 1e-6  # of the power, added to that at lag 0
LEAST = 1e-30

COLUMNS = (
    *(f"log_f{k}" for k in (1, 2, 3)),
    *(f"log_b{k}" for k in (1, 2, 3)),
    *(f"level_f{k}" for k in (1, 2, 3)),
    "h1_h2",
    "h1_a3",
)
SETTINGS = {
    "window_length": WINDOW_LENGTH,
    "spectrum_size": SPECTRUM_SIZE,
    "highest_hz": HIGHEST_HZ,
    "order": ORDER,
    "pre_emphasis": PRE_EMPHASIS,
}


def extract(waveform: np.ndarray, f0_hz: np.ndarray) -> np.ndarray:
    """Columns of every frame; constants where no frame is voiced.

    Args:
        waveform: (n_samples,)
        f0_hz: (n_frames,) 0 where unvoiced.
    """
    voiced = np.flatnonzero(f0_hz)
    if len(voiced) == 0:
        usual = np.zeros(len(COLUMNS))
        usual[:N_FORMANTS] = np.log(USUAL_HZ)
        usual[N_FORMANTS : 2 * N_FORMANTS] = np.log(USUAL_WIDTH_HZ)
        return np.tile(usual.astype(np.float32), (len(f0_hz), 1))
    power = _power(waveform, voiced)
    hz, width_hz = resonances(power)
    values = np.column_stack([np.log(hz), np.log(width_hz), *_levels(power, hz, f0_hz[voiced])])
    frames = np.arange(len(f0_hz))
    return np.column_stack([np.interp(frames, voiced, v) for v in values.T]).astype(np.float32)


def resonances(power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hertz and bandwidth of the three lowest resonances of each frame.

    Args:
        power: (n_frames, N_BINS) of the spectrum up to ``HIGHEST_HZ``.

    Returns:
        (n_frames, N_FORMANTS) each; where fewer were found, interpolated between frames.
    """
    phase = np.pi * np.arange(N_BINS) / (N_BINS - 1)  # at the rate of 2 HIGHEST_HZ
    of_emphasis = np.pi * np.arange(N_BINS) / (SPECTRUM_SIZE // 2)
    emphasis = 1 + PRE_EMPHASIS**2 - 2 * PRE_EMPHASIS * np.cos(of_emphasis)
    lags = (power * emphasis) @ np.cos(np.outer(phase, np.arange(ORDER + 1)))
    lags[:, 0] = lags[:, 0] * (1 + WHITE) + LEAST
    companion = np.zeros((len(power), ORDER, ORDER))
    companion[:, 0] = -predictor(lags)[:, 1:]
    companion[:, np.arange(1, ORDER), np.arange(ORDER - 1)] = 1
    roots = np.linalg.eigvals(companion)
    hz = np.angle(roots) * HIGHEST_HZ / np.pi
    width_hz = -np.log(np.maximum(np.abs(roots), 1e-6)) * 2 * HIGHEST_HZ / np.pi
    found = (hz > LOWEST_HZ) & (hz < 0.98 * HIGHEST_HZ) & (width_hz < WIDEST_HZ)
    order = np.argsort(np.where(found, hz, np.inf), axis=1)[:, :N_FORMANTS]
    there = np.take_along_axis(found, order, axis=1)
    hz = _filled(np.take_along_axis(hz, order, axis=1), there, USUAL_HZ)
    width_hz = np.take_along_axis(width_hz, order, axis=1)
    return hz, np.maximum(_filled(width_hz, there, (USUAL_WIDTH_HZ,) * N_FORMANTS), 10.0)


def predictor(lags: np.ndarray) -> np.ndarray:
    """(n_frames, ORDER + 1) 1, a_1, ...: the Levinson-Durbin recursion on autocorrelations.

    Args:
        lags: (n_frames, ORDER + 1) that at 0 greater than the others.
    """
    n, order = len(lags), lags.shape[1] - 1
    a = np.zeros((n, order + 1))
    a[:, 0], error = 1, lags[:, 0].copy()
    for i in range(1, order + 1):
        # k_i = -(r_i + sum_j a_j r_(i-j)) / E; a_j += k_i a_(i-j); E *= 1 - k_i^2
        reflection = -np.einsum("nj,nj->n", a[:, :i], lags[:, i:0:-1]) / np.maximum(error, LEAST)
        a[:, 1 : i + 1] += reflection[:, None] * a[:, i - 1 :: -1][:, :i]
        error *= np.maximum(1 - reflection**2, 1e-9)
    return a


def _power(waveform: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """(n_voiced, N_BINS) power spectrum of the voiced frames up to ``HIGHEST_HZ``."""
    window, first, found = hann(WINDOW_LENGTH), 0, []
    for frames in windows(waveform.astype(np.float32, copy=False), WINDOW_LENGTH):
        of_batch = voiced[(voiced >= first) & (voiced < first + len(frames))] - first
        spectrum = scipy.fft.rfft(frames[of_batch] * window, SPECTRUM_SIZE)[:, :N_BINS]
        found.append(spectrum.real.astype(float) ** 2 + spectrum.imag.astype(float) ** 2)
        first += len(frames)
    return np.concatenate(found) + LEAST


def _levels(power: np.ndarray, hz: np.ndarray, f0_hz: np.ndarray) -> list[np.ndarray]:
    """Harmonics nearest the resonances over the frame's power; H1-H2; H1-A3."""
    reach_hz = np.maximum(f0_hz / 2, BIN_HZ)
    widest = int(reach_hz.max() / BIN_HZ) + 1  # bins to either side that anything can lie in
    beyond = np.full((len(power), widest), LEAST)
    padded = np.concatenate([beyond, power, beyond], axis=1)
    around, rows = np.arange(-widest, widest + 1), np.arange(len(power))[:, None]

    def peak(at_hz: np.ndarray) -> np.ndarray:
        bins = np.clip(np.rint(at_hz / BIN_HZ).astype(int), 0, N_BINS - 1)[:, None] + around
        near = np.abs(bins * BIN_HZ - at_hz[:, None]) <= reach_hz[:, None]
        found: np.ndarray = np.log(np.where(near, padded[rows, bins + widest], LEAST).max(axis=1))
        return found

    total = np.log(power.sum(axis=1))
    first, third = peak(f0_hz), peak(hz[:, 2])
    return [
        *(peak(hz[:, k]) - total for k in range(N_FORMANTS)),
        first - peak(2 * f0_hz),
        first - third,
    ]


def _filled(values: np.ndarray, there: np.ndarray, otherwise: tuple[float, ...]) -> np.ndarray:
    """(n_frames, N_FORMANTS) where not ``there``, a straight line between frames where it is."""
    filled, frames = np.empty(values.shape), np.arange(len(values))
    for k in range(values.shape[1]):
        known = np.flatnonzero(there[:, k])
        filled[:, k] = np.interp(frames, known, values[known, k]) if len(known) else otherwise[k]
    return filled
