"""What makes recordings of one voice alike: no hum, no offset, powers relative to the speech.

In:  a waveform (n_samples,); powers (n_frames,) or (n_frames, n_bands) on the frame grid.
Out: the waveform without what lies below speech; levels in natural logarithms of power.

A level of speech is that of its powerful frames, each counting as much as its power: silence has
none and counts nothing, however much of it there is. A percentile over all frames would move with
every second of silence.
"""

import numpy as np
import scipy.fft

from undertone import audio

CORNER_HZ = 60.0  # below the voice, above hum and offset
RING_S = 0.2  # after which the filter has died away
CLICK = 7  # frames: what sounds in fewer than half of them raises no level
LEAST = 1e-30  # power that float32 still holds


def high_pass(waveform: np.ndarray) -> np.ndarray:
    """The waveform less its mean, through a high-pass filter without delay.

    It is a Butterworth filter of order 2, run forwards and backwards, which weighs the frequency f
    by |H(f)|^2 = 1 / (1 + (60 Hz / f)^4). Beyond both ends there is silence.

    Args:
        waveform: (n_samples,)

    Returns:
        (n_samples,) float32.
    """
    ring = round(RING_S * audio.SAMPLE_RATE)
    size = scipy.fft.next_fast_len(len(waveform) + ring, real=True)
    spectrum = scipy.fft.rfft((waveform - waveform.mean()).astype(np.float32), size)
    hz = np.arange(len(spectrum)) * (audio.SAMPLE_RATE / size)
    hz[0] = 1e-3
    below = np.square(CORNER_HZ / hz)
    gain = (1 / (1 + below * below)).astype(np.float32)
    filtered: np.ndarray = scipy.fft.irfft(spectrum * gain, size)[: len(waveform)]
    return filtered


def level(powers: np.ndarray) -> np.ndarray:
    """L = sum p ln p / sum p over the frames, of powers p without clicks, a band at a time.

    Args:
        powers: (n_frames, n_bands) not negative.

    Returns:
        (n_bands,) natural logarithms; that of ``LEAST`` where there is no power at all.
    """
    steady = without_clicks(powers)
    steady = np.where(steady.any(axis=0), steady, powers)
    weights = np.maximum(steady.astype(np.float64), LEAST)
    levels: np.ndarray = (weights * np.log(weights)).sum(axis=0) / weights.sum(axis=0)
    return levels


def without_clicks(powers: np.ndarray) -> np.ndarray:
    """(n_frames, n_bands) running medians over ``CLICK`` frames, with silence beyond both ends."""
    padded = np.pad(powers, ((CLICK // 2, CLICK // 2), (0, 0)))
    around = [padded[k : k + len(powers)] for k in range(CLICK)]
    return _median(around)


def _median(values: list[np.ndarray]) -> np.ndarray:
    """The median of an odd number of arrays, element by element.

    The least and the greatest of more than half of all, and of one, is not the median: both leave,
    and the next array takes their place, until three are left.
    """
    keep = len(values) // 2 + 2
    left, waiting = list(values[:keep]), list(values[keep:])
    while True:
        _to_ends(left)
        left = left[1:-1]
        if not waiting:
            return left[0]
        left.append(waiting.pop())


def _to_ends(values: list[np.ndarray]) -> None:
    """Bring the least to the front and the greatest to the back, element by element."""
    for place in range(1, len(values)):
        low, high = values[0], values[place]
        values[0], values[place] = np.minimum(low, high), np.maximum(low, high)
    for place in range(1, len(values) - 1):
        low, high = values[place], values[-1]
        values[place], values[-1] = np.minimum(low, high), np.maximum(low, high)
