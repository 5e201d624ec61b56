"""What speech sounds like: statistics of mel bands and of their cepstra.

In:  ``Speech``.
Out: (n_values,).
"""

import numpy as np
import scipy.fft

from undertone.features.descriptors.speech import Speech, changes, mean_and_sd, statistics

N_CEPSTRA = 20
SPAN = 4  # frames over which a cepstrum moves


def bands(speech: Speech) -> np.ndarray:
    """(8 * n_bands,) statistics of the mel bands."""
    return statistics(speech.mel, speech.spoken)


def cepstra(speech: Speech) -> np.ndarray:
    """(8 * N_CEPSTRA,) statistics of the cepstra."""
    return statistics(_cepstra(speech.mel), speech.spoken)


def cepstra_of_voice(speech: Speech) -> np.ndarray:
    """(2 * N_CEPSTRA,) mean and standard deviation over voiced frames."""
    return mean_and_sd(_cepstra(speech.mel), speech.sounding)


def cepstra_in_motion(speech: Speech) -> np.ndarray:
    """(3 * N_CEPSTRA,) standard deviation, 90th and 10th percentile of the change over 40 ms."""
    change = changes(_cepstra(speech.mel), speech.spoken, SPAN)
    if len(change) < 2:
        return np.zeros(3 * change.shape[1])
    return np.concatenate([change.std(axis=0), *np.percentile(change, (90, 10), axis=0)])


def _cepstra(mel: np.ndarray) -> np.ndarray:
    found: np.ndarray = scipy.fft.dct(mel, axis=1, norm="ortho")[:, :N_CEPSTRA]
    return found
