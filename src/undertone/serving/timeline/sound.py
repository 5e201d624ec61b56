"""A recording of any length, block by block: mono, at the package's rate, memory that stays flat.

In:  a file; one of its channels, or all of them averaged.
Out: blocks of (n_samples,) float32 at ``audio.SAMPLE_RATE``; the stretches that are asked for, cut
     out while the blocks go by; a small copy that browsers play.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from undertone.audio import SAMPLE_RATE, files
from undertone.errors import UndertoneError

MIX = "mix"
LONGEST_S = 24 * 3600.0

Span = tuple[int, int]  # first sample and the one after the last, at ``SAMPLE_RATE``


def n_channels(path: Path) -> int:
    """How many channels a recording has.

    Raises:
        UndertoneError: it cannot be read.
    """
    with contextlib.closing(files.open_sound(path)) as sound:
        first = next(sound.blocks(0, None), None)
    if first is None:
        raise UndertoneError(f"{path} holds no samples; record or export it again")
    return int(first.shape[1])


def told_s(path: Path) -> float | None:
    """Seconds that the header tells; None where it does not know. Raises as ``n_channels``."""
    with contextlib.closing(files.open_sound(path)) as sound:
        return None if sound.n_frames is None else sound.n_frames / sound.rate


def blocks(path: Path, channel: str | int = MIX) -> Iterator[np.ndarray]:
    """(n_samples,) float32 at ``SAMPLE_RATE`` from the beginning to the end.

    Args:
        path: of the recording.
        channel: counted from 1, or ``MIX``.

    Raises:
        UndertoneError: it cannot be read, is longer than a day, has no such channel, or holds what
            is no number.
    """
    with contextlib.closing(files.open_sound(path)) as sound:
        resampled = soxr.ResampleStream(sound.rate, SAMPLE_RATE, 1, dtype="float32")
        done = 0
        for block in sound.blocks(0, None):
            mono = _one_channel(block, channel, path)
            done += len(mono)
            if done > LONGEST_S * sound.rate:
                raise UndertoneError(
                    f"{path} lasts more than {LONGEST_S / 3600:.0f} hours: cut it into days"
                )
            if not np.isfinite(mono).all():
                raise UndertoneError(
                    f"{path} holds samples that are NaN or infinite, about {done / sound.rate:.0f} "
                    "s from its beginning; export it again"
                )
            yield resampled.resample_chunk(mono)
        yield resampled.resample_chunk(np.zeros(0, np.float32), last=True)


def cut(recording: Iterable[np.ndarray], spans: Sequence[Span]) -> Iterator[np.ndarray]:
    """The samples of each span, in the order of ``spans``, whose beginnings must not go back.

    No more than what the spans under way need is held.
    """
    held, first = np.zeros(0, np.float32), 0  # ``held`` begins at sample ``first``
    stream, at_end = iter(recording), False
    for start, stop in spans:
        while first + len(held) < stop and not at_end:
            block = next(stream, None)
            at_end = block is None
            if block is not None:
                kept = held[max(0, start - first) :]
                first += len(held) - len(kept)
                held = np.concatenate([kept, block])
        yield held[max(0, start - first) : stop - first]


def write_copy(path: Path, to: Path) -> None:
    """A mono copy in MPEG layer III, which every browser plays.

    Raises:
        UndertoneError: the recording cannot be read.
    """
    with soundfile.SoundFile(
        to,
        "w",
        SAMPLE_RATE,
        1,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=0.9,
    ) as copy:
        for block in blocks(path):
            copy.write(np.clip(block, -1, 1))


def _one_channel(block: np.ndarray, channel: str | int, path: Path) -> np.ndarray:
    if channel == MIX:
        return block.mean(axis=1, dtype=np.float32)
    number = int(channel)
    if not 1 <= number <= block.shape[1]:
        raise UndertoneError(
            f"{path} has {block.shape[1]} channel(s), and no channel {number}: --channel takes 1 "
            f"to {block.shape[1]}, mix or each"
        )
    return np.ascontiguousarray(block[:, number - 1])
