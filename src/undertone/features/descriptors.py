"""One vector an utterance, richer than its functionals: timbre, melody, rhythm and durations.

In:  frames (n_frames, n_features), perhaps with NaN, and the names of their columns.
Out: (n_values,) float32, finite; how many and what depends on the columns alone.

Every column is described by its ``functionals``. What the columns are adds to that: cepstra of the
mel bands (``mel_*``), over the utterance, over its voiced frames, and how they move; how F0 moves;
how long voicing, speech and pauses last; and the modulation spectrum, the power of energy, bands
and F0 at the rates at which syllables, stress and tremor come. Frames are 10 ms apart. The columns
of a pre-trained encoder are described by their means alone.

Sources: the modulation bands follow Houtgast & Steeneken (J. Acoust. Soc. Am. 77, 1985), 0.5 to
16 Hz in speech; durations and F0 movement are of the kind of eGeMAPS (Eyben et al., 2016).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft

from undertone.audio import FRAMES_PER_SECOND
from undertone.features.functionals import functionals
from undertone.features.upstream.source import layers_of
from undertone.features.vectors import mean_sd

N_CEPSTRA = 20
DELTA_REACH = 2  # frames before and after
LOUD_RANGE = 3 * np.log(10)  # 30 dB below the loud frames, in natural logarithms of power
MODULATION_BANDS_HZ = ((0.5, 1.5), (1.5, 3), (3, 5), (5, 8), (8, 12), (12, 20))
MODULATION_SIZE = 512
BANDS_A_GROUP = 8  # mel bands that share a modulation spectrum
FEWEST = 3  # frames that can be described


@dataclass(frozen=True)
class Speech:
    """What is known of the frames by the names of their columns.

    Attributes:
        mel: (n_frames, n_bands) log powers.
        energy: (n_frames,) log power.
        log_f0: (n_frames,) natural logarithm of F0 in Hz.
        voiced: (n_frames,) whether the voice sounds.
        loud: (n_frames,) whether anybody speaks.
    """

    mel: np.ndarray
    energy: np.ndarray
    log_f0: np.ndarray
    voiced: np.ndarray
    loud: np.ndarray


def describe(frames: np.ndarray, columns: Sequence[str]) -> np.ndarray:
    """Describe the frames of one utterance."""
    if layers_of(tuple(columns)) is not None:
        return mean_sd(frames)[: len(columns)]
    parts = [functionals(frames, columns)]
    if (speech := _speech(frames, columns)) is not None:
        parts += [part(speech) for part in PARTS]
    return np.concatenate(parts).astype(np.float32)


def emphasis(columns: Sequence[str], n_values: int, *, n_layers: int | None = None) -> np.ndarray:
    """(n_values,) what each descriptor counts: 1, but for the layers of a pre-trained encoder.

    Of these the middle ones count most and the first and last least, by a triangle over their
    place, squared: the middle layers tell what speech sounds like (docs/experiments.md). The place
    is that in the whole encoder, of which some may have been taken or cut away. A layer alone
    counts 1.

    Args:
        columns: names.
        n_values: descriptors.
        n_layers: of the whole encoder, with what enters them; as many as are named by default.
    """
    layers = layers_of(tuple(columns))
    if layers is None:
        return np.ones(n_values)
    names, place = np.unique(layers, return_inverse=True)
    if len(names) == 1:
        return np.ones(n_values)
    if n_layers is not None:
        place = layers
    triangle = 1 - np.abs(2 * (place + 1) / ((n_layers or len(names)) + 1) - 1)
    return triangle**2


def cepstra(speech: Speech) -> np.ndarray:
    """(8 * N_CEPSTRA,) functionals of the cepstra."""
    return functionals(_cepstra(speech.mel))


def cepstra_of_voice(speech: Speech) -> np.ndarray:
    """(2 * N_CEPSTRA,) mean and standard deviation over voiced frames; over all if few are."""
    few = speech.voiced.sum() < FEWEST
    values = _cepstra(speech.mel[slice(None) if few else speech.voiced])
    return np.concatenate([values.mean(axis=0), values.std(axis=0)])


def cepstra_in_motion(speech: Speech) -> np.ndarray:
    """(3 * N_CEPSTRA,) standard deviation, 90th and 10th percentile of the change over 40 ms."""
    values, span = _cepstra(speech.mel), 2 * DELTA_REACH
    if len(values) < span + FEWEST:
        return np.zeros(3 * values.shape[1])
    change = values[span:] - values[:-span]
    return np.concatenate([change.std(axis=0), *np.percentile(change, (90, 10), axis=0)])


def f0_in_motion(speech: Speech) -> np.ndarray:
    """(6,) range; size, spread, 90th and 10th percentile of the change a frame; slope a second."""
    log_f0, voiced = speech.log_f0, speech.voiced
    change = np.diff(log_f0)[voiced[1:] & voiced[:-1]]
    if voiced.sum() < FEWEST or len(change) < 2:
        return np.zeros(6)
    rise, fall = np.percentile(change, (90, 10))
    slope = np.polyfit(np.flatnonzero(voiced) / FRAMES_PER_SECOND, log_f0[voiced], 1)[0]
    span = np.ptp(log_f0[voiced])
    return np.array([span, np.abs(change).mean(), change.std(), rise, fall, slope])


def durations(speech: Speech) -> np.ndarray:
    """(8,) length, voiced stretches a second and their length, shares, pauses and their length."""
    n_frames = len(speech.energy)
    voices, pauses = _runs(speech.voiced), _runs(~speech.loud)
    return np.array(
        [
            np.log(n_frames),
            len(voices) * FRAMES_PER_SECOND / n_frames,
            np.log1p(voices.mean()) if len(voices) else 0.0,
            np.log1p(voices.std()) if len(voices) else 0.0,
            speech.voiced.mean(),
            speech.loud.mean(),
            np.log1p(pauses.mean()) if len(pauses) else 0.0,
            len(pauses) * FRAMES_PER_SECOND / n_frames,
        ]
    )


def modulation(speech: Speech) -> np.ndarray:
    """(n_bands * n_signals,) log power of energy, groups of mel bands and F0 by modulation rate."""
    starts = range(0, speech.mel.shape[1], BANDS_A_GROUP)
    groups = [speech.mel[:, start : start + BANDS_A_GROUP].mean(axis=1) for start in starts]
    signals = np.stack([speech.energy, *groups, speech.log_f0])
    signals = (signals - signals.mean(axis=1, keepdims=True)) * np.hanning(signals.shape[1])
    size = max(MODULATION_SIZE, scipy.fft.next_fast_len(signals.shape[1], real=True))
    power = np.abs(scipy.fft.rfft(signals, size)) ** 2 * MODULATION_SIZE / size
    rates_hz = np.arange(power.shape[1]) * FRAMES_PER_SECOND / size
    sums = [
        power[:, (low <= rates_hz) & (rates_hz < high)].sum(axis=1)
        for low, high in MODULATION_BANDS_HZ
    ]
    return np.log(np.stack(sums) / signals.shape[1] + 1e-6).ravel()


PARTS: tuple[Callable[[Speech], np.ndarray], ...] = (
    cepstra,
    cepstra_of_voice,
    cepstra_in_motion,
    f0_in_motion,
    durations,
    modulation,
)


def _speech(frames: np.ndarray, columns: Sequence[str]) -> Speech | None:
    """None where the columns are not those of log-mel bands with F0."""
    bands = [i for i, name in enumerate(columns) if name.startswith("mel_")]
    names = ("log_energy", "log_f0", "voiced")
    if not bands or not set(names) <= set(columns):
        return None
    values = np.nan_to_num(np.asarray(frames, dtype=np.float64), posinf=0.0, neginf=0.0)
    energy, log_f0, voiced = (values[:, list(columns).index(name)] for name in names)
    loud = energy > np.percentile(energy, 95) - LOUD_RANGE
    return Speech(values[:, bands], energy, log_f0, voiced > 0.5, loud)


def _cepstra(mel: np.ndarray) -> np.ndarray:
    return scipy.fft.dct(mel, axis=1, norm="ortho")[:, :N_CEPSTRA]


def _runs(where: np.ndarray) -> np.ndarray:
    """Lengths of the stretches of True."""
    edges = np.diff(np.concatenate([[0], where.astype(int), [0]]))
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
