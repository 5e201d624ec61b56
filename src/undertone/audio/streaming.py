"""A recording of any length, part by part, so that memory does not grow with it.

In:  an audio file, or a segment of one; one of its channels, or all of them averaged.
Out: ``Stretch``: waveforms as ``audio.read`` gives them, one after the other.

A part is ``PART_S`` long; the last one may be shorter, and takes up what would be too short to
stand alone. A recording of up to ``PART_S + SHORTEST_S`` is one part, equal to what ``audio.read``
gives. A silent part is told as such, as long as any other is not.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertone import audio
from undertone.audio import files
from undertone.errors import UndertoneError

PART_S = 60.0
SHORTEST_S = 10.0
LONGEST_S = 24 * 3600.0  # what is longer is no recording of speech


@dataclass(frozen=True)
class Stretch:
    """A part of a recording.

    Attributes:
        waveform: (n_samples,) at ``audio.SAMPLE_RATE``; None where nothing is heard.
        lasts_s: seconds.
    """

    waveform: np.ndarray | None
    lasts_s: float


def n_channels(path: Path | str) -> int:
    """How many channels a recording has.

    Raises:
        UndertoneError: it cannot be read, or holds no samples.
    """
    with contextlib.closing(files.open_sound(Path(path))) as sound:
        first = next(iter(sound.blocks(0, None)), None)
    if first is None:
        raise UndertoneError(f"{path} holds no samples; record or export it again, or leave it out")
    return int(first.shape[1])


def read_parts(
    path: Path | str,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    channel: int | None = None,
) -> Iterator[Stretch]:
    """Decode a file, or its segment, part by part.

    Args:
        path: of the file.
        start_s: of the segment.
        end_s: of the segment; None for the end of the file.
        channel: counted from 1; None for the mean of all.

    Raises:
        UndertoneError: it cannot be used, has no such channel, or is silent throughout.
    """
    path = Path(path)
    silent: np.ndarray | None = None
    rate, heard = audio.SAMPLE_RATE, False
    for samples, rate in _parts(path, start_s, end_s, channel):
        if len(samples) and np.abs(samples).max() < audio.SILENCE_PEAK:
            silent = samples
            yield Stretch(None, len(samples) / rate)
            continue
        heard = True
        yield Stretch(audio.from_array(samples, rate, name=str(path)), len(samples) / rate)
    if not heard:
        audio.from_array(np.zeros(0) if silent is None else silent, rate, name=str(path))


def parts_of_waveform(waveform: np.ndarray) -> Iterator[Stretch]:
    """The same of (n_samples,) at ``audio.SAMPLE_RATE`` that are in memory."""
    most, least = round(PART_S * audio.SAMPLE_RATE), round(SHORTEST_S * audio.SAMPLE_RATE)
    while len(waveform):
        part = waveform[: most if len(waveform) >= most + least else None]
        is_silent = np.abs(part).max() < audio.SILENCE_PEAK
        yield Stretch(None if is_silent else part, len(part) / audio.SAMPLE_RATE)
        waveform = waveform[len(part) :]


def _parts(
    path: Path, start_s: float, end_s: float | None, channel: int | None
) -> Iterator[tuple[np.ndarray, int]]:
    """(n,) mono samples of each part at the rate of the file, and that rate."""
    with contextlib.closing(files.open_sound(path)) as sound:
        start, stop = audio.segment(sound, path, start_s, end_s)
        most = min(round(PART_S * sound.rate), audio.MAX_SAMPLES)
        least, longest = round(SHORTEST_S * sound.rate), round(LONGEST_S * sound.rate)
        held, n_held, done = [], 0, 0
        for block in sound.blocks(start, stop):
            held.append(_one_channel(block, channel, path))
            n_held, done = n_held + len(block), done + len(block)
            if done > longest:
                raise UndertoneError(f"{path} lasts more than {LONGEST_S / 3600:.0f} hours")
            while n_held >= most + least:
                together = np.concatenate(held)
                yield together[:most], sound.rate
                held, n_held = [together[most:]], n_held - most
        if stop is not None:
            audio.check_reached(sound, path, start=start, stop=stop, n_decoded=done)
        yield np.concatenate(held) if held else np.zeros(0, np.float32), sound.rate


def _one_channel(block: np.ndarray, channel: int | None, path: Path) -> np.ndarray:
    """(n,) of (n, n_channels)."""
    if channel is None:
        return audio.mixed(block)
    if channel > block.shape[1]:
        raise UndertoneError(
            f"{path} has {block.shape[1]} channel{'s' * (block.shape[1] > 1)}, and no channel "
            f"{channel}; leave the channel out, or name one that it has"
        )
    return audio.mixed(block[:, channel - 1])
