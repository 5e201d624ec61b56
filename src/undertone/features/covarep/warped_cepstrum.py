"""Cepstra of envelopes on a mel-like frequency axis.

In:  (n_frames, n_bins) positive envelopes from 0 Hz to Nyquist.
Out: (n_frames, order + 1) c_0, 2 c_1, 2 c_2, … of the warped log envelope.

The linear amplitudes are interpolated, not their logarithms. These are not SPTK's mel-cepstra.
"""

from functools import lru_cache

import numpy as np

from undertone.compiled import njit

MEL_CORNER_HZ = 700.0
MEL_FACTOR = 1000 / np.log(1 + 1000 / MEL_CORNER_HZ)


def compute_cepstra(envelope: np.ndarray, sample_rate: int, order: int) -> np.ndarray:
    left, share = _warping(envelope.shape[1], sample_rate)
    warped = _warp(envelope, left, share)
    if share[-1] > 1:  # rounding left the last bin outside the nodes
        warped[:, -1] = warped[:, -2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(warped) @ _cosines(envelope.shape[1], order)


@njit(cache=True)
def _warp(envelope, left, share):
    out = np.empty_like(envelope)
    for row in range(len(out)):
        for k in range(out.shape[1]):
            below, above = envelope[row, left[k]], envelope[row, left[k] + 1]
            out[row, k] = below * (1 - share[k]) + above * share[k]
    return out


@lru_cache(maxsize=8)
def _warping(n_bins: int, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """For every bin its place among the bins' scaled mel values: the one below, and the share."""
    # mel(f) = 1000 ln(1 + f / 700) / ln(1 + 1000 / 700), stretched so that Nyquist stays Nyquist. A
    # node is a bin's place on that axis; the query is a bin in Hertz, so that left and share say
    # between which two nodes it lies. left ends at n_bins - 2, because its neighbour is read too.
    hertz = sample_rate / 2 * np.arange(n_bins) / (n_bins - 1)
    mel = MEL_FACTOR * np.log(1 + hertz / MEL_CORNER_HZ)
    nodes = sample_rate / 2 * mel / mel[-1]
    left = np.clip(np.searchsorted(nodes, hertz, side="right") - 1, 0, n_bins - 2)
    return left, (hertz - nodes[left]) / (nodes[left + 1] - nodes[left])


@lru_cache(maxsize=8)
def _cosines(n_bins: int, order: int) -> np.ndarray:
    """(n_bins, order + 1) matrix from a log spectrum's half to its folded cepstrum."""
    # c_n = 1/(2K) sum_k w_k L_k cos(pi k n / K) with K = n_bins - 1, L the log spectrum's half and
    # w_k = 2 but for its two ends, which the whole spectrum has once; c_n stands twice for n > 0.
    k, n = np.arange(n_bins)[:, None], np.arange(order + 1)
    weight = np.where((k == 0) | (k == n_bins - 1), 1, 2) * np.where(n == 0, 1, 2)
    return weight * np.cos(np.pi * k * n / (n_bins - 1)) / (2 * (n_bins - 1))
