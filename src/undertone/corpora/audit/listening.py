"""What is heard of a recording beside the speech: its level, its band, its silence, its print.

In:  the recordings of corpora.
Out: ``Heard`` by utterance.

All of it is measured on what ``audio`` decodes, mono at 16 kHz, so that the upper band ends at
8 kHz. Frames are 25 ms long, 10 ms apart.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertone import audio
from undertone.corpora.audit.fingerprints import Print, fingerprint
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.processes import one_thread, process_pool

FRAME, STEP = 400, 160  # samples
QUIETEST, LOUDEST = 10, 90  # percentiles of the frames' levels
FLOOR_DB = -120.0
SILENT_DB = 40.0  # below the loud frames: no speech
CEILING_DB = 70.0  # below the strongest bin: above the band
CHUNK = 32  # recordings that a process hears at a time
MEASURES: Mapping[str, str] = {  # name to what people read
    "level_db": "loud dB",  # of the loud frames, against full scale
    "peak_db": "peak dB",
    "background_db": "quiet dB",  # of the quiet frames
    "band_hz": "band Hz",  # its upper end
    "before_s": "before s",  # silence
    "after_s": "behind s",
    "silent": "silent",  # share of the frames
}
OF_THE_LEVEL = ("level_db", "peak_db")  # which a voice changes too


@dataclass(frozen=True)
class Heard:
    """What one recording is like; both are None where it cannot be read."""

    measures: dict[str, float] | None
    fingerprint: Print | None


@dataclass(frozen=True)
class Recording:
    """A file or a segment of one."""

    path: Path
    start_s: float
    end_s: float


def listen(
    corpus: Corpus, *, workers: int, advance: Callable[[int], None] = lambda n: None
) -> dict[str, Heard]:
    """Hear every utterance of a corpus.

    Args:
        corpus: with recordings.
        workers: processes; with 1 everything happens in this one.
        advance: called with the number of recordings heard since the last call.
    """
    columns = (corpus.table[name] for name in ("utterance", "file", "start_s", "end_s"))
    todo = [
        (utterance, Recording(Path(corpus.root) / file, start_s, end_s))
        for utterance, file, start_s, end_s in zip(*columns, strict=True)
    ]
    chunks = [todo[i : i + CHUNK] for i in range(0, len(todo), CHUNK)]
    heard: dict[str, Heard] = {}
    if workers == 1 or len(chunks) < 2:
        for chunk in chunks:
            heard |= _hear(chunk)
            advance(len(chunk))
        return heard
    with process_pool(min(workers, len(chunks))) as executor:
        sizes = {executor.submit(_hear, chunk): len(chunk) for chunk in chunks}
        for future in as_completed(sizes):
            heard |= future.result()
            advance(sizes[future])
    return {utterance: heard[utterance] for utterance, _ in todo}


def measure(waveform: np.ndarray) -> dict[str, float]:
    """The ``MEASURES`` of (n_samples,) at ``audio.SAMPLE_RATE``."""
    padded = np.pad(waveform, (0, max(0, FRAME - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::STEP]
    levels = np.maximum(_decibel(np.mean(frames**2, axis=1)), FLOOR_DB)
    loud = float(np.percentile(levels, LOUDEST))
    speaks = np.flatnonzero(levels > loud - SILENT_DB)
    return {
        "level_db": loud,
        "peak_db": max(FLOOR_DB, float(2 * _decibel(np.abs(waveform).max()))),
        "background_db": float(np.percentile(levels, QUIETEST)),
        "band_hz": _band_hz(frames, levels),
        "before_s": int(speaks[0]) * STEP / audio.SAMPLE_RATE,
        "after_s": (len(levels) - 1 - int(speaks[-1])) * STEP / audio.SAMPLE_RATE,
        "silent": 1 - len(speaks) / len(levels),
    }


def _band_hz(frames: np.ndarray, levels: np.ndarray) -> float:
    """The highest frequency whose mean power is less than ``CEILING_DB`` below the strongest.

    Of the loud half of the frames; smoothed over 11 bins, so that one line of hum is no band.
    """
    loud = frames[levels >= np.median(levels)][:2_000]
    power = (np.abs(np.fft.rfft(loud * np.hanning(FRAME), 512)) ** 2).mean(axis=0)
    smooth = np.convolve(power, np.ones(11) / 11, mode="same")
    above = np.flatnonzero(_decibel(smooth) > _decibel(smooth.max()) - CEILING_DB)
    return float(above[-1]) * audio.SAMPLE_RATE / 512


def _decibel(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 1e-30))


def _hear(chunk: Sequence[tuple[str, Recording]]) -> dict[str, Heard]:
    heard = {}
    with one_thread():
        for utterance, recording in chunk:
            end_s = None if math.isnan(recording.end_s) else recording.end_s
            try:
                waveform = audio.read(recording.path, start_s=recording.start_s, end_s=end_s)
                heard[utterance] = Heard(measure(waveform), fingerprint(waveform))
            except UndertoneError:
                heard[utterance] = Heard(None, None)
    return heard
