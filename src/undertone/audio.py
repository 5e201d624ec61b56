"""Waveforms and the frame grid that every feature shares.

In:  an audio file or an array, any rate and channel count; a segment of either.
Out: mono float32, full scale at 1, at ``SAMPLE_RATE``, shape (n_samples,).

Channels are averaged, then the rate is converted; the level is left as it is. Frame ``i`` is
centred on sample ``i * HOP_LENGTH + HOP_LENGTH // 2 - 1``, counted from 0: 79, 239, ... as in
COVAREP ``feature_extraction/COVAREP_feature_extraction.m``, which counts from 1. A frame exists
when its centre does.

What cannot be used is refused by name rather than guessed at: missing, corrupt, cut off, empty,
silent, too short, too long, not finite, not on the scale of full scale = 1.
"""

import contextlib
import math
import re
from pathlib import Path

import numpy as np
import soundfile
import soxr

from undertone.errors import UndertoneError

SAMPLE_RATE = 16_000  # Hz
HOP_S = 0.010
HOP_LENGTH = round(HOP_S * SAMPLE_RATE)  # 160 samples
FRAMES_PER_SECOND = SAMPLE_RATE // HOP_LENGTH  # 100
FIRST_CENTRE = HOP_LENGTH // 2 - 1  # sample 79
assert HOP_LENGTH * FRAMES_PER_SECOND == SAMPLE_RATE

DECODING_VERSION = 1  # raise it when the same file gives other samples: it enters the cache key
MIN_DURATION_S = 0.1
MAX_DURATION_S = 30 * 60.0
SILENCE_PEAK = 1e-4  # -80 dB of full scale
MAX_PEAK = 16.0  # a float file far above full scale holds integers that nobody scaled
SEGMENT_SLACK_S = 0.1  # a segment may end this much after its file: tables are rounded
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif")

POINTER = "a Git LFS pointer, not sound; run `git lfs pull` in its repository"

_BLOCK_S = 30  # decoded at once
_UNKNOWN_LENGTH = 2**31 - 2**16  # bytes that a WAV announces at least where a pipe wrote it
_POINTER_START, _LARGEST_POINTER = b"version https://git-lfs", 1024  # bytes


def n_frames(n_samples: int) -> int:
    """How many frames of the grid have their centre inside ``n_samples``, and at least one.

    >>> n_frames(16_000), n_frames(79), n_frames(80), n_frames(239), n_frames(240)
    (100, 1, 1, 1, 2)
    """
    return max(1, (n_samples - FIRST_CENTRE - 1) // HOP_LENGTH + 1)


def read(path: Path | str, *, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    """Decode a file, or its segment from ``start_s`` to ``end_s``, as mono at ``SAMPLE_RATE``."""
    path = Path(path)
    with _open(path) as file:
        start, stop = _segment(file, path, start_s, end_s)
        seconds = (stop - start) / file.samplerate
        if seconds > MAX_DURATION_S:
            raise UndertoneError(_too_long(path, seconds))
        samples = _decode(file, path, start=start, stop=stop)
        return from_array(samples, file.samplerate, name=str(path))


def is_pointer(path: Path) -> bool:
    """Whether a file only stands for one that Git LFS has not fetched; large files are not read."""
    with contextlib.suppress(OSError):
        if path.stat().st_size <= _LARGEST_POINTER:
            with path.open("rb") as file:
                return file.read(len(_POINTER_START)) == _POINTER_START
    return False


def from_array(samples: np.ndarray, sample_rate: int, *, name: str = "the array") -> np.ndarray:
    """Check samples and return them as mono at ``SAMPLE_RATE``: what ``read`` does once decoded.

    Args:
        samples: (n_samples,) or (n_samples, n_channels) floats, full scale 1, or signed integers.
        sample_rate: Hz.
        name: what an error calls the samples.
    """
    mono = _mono(np.asarray(samples))
    seconds = len(mono) / sample_rate
    if len(mono) == 0:
        raise UndertoneError(f"{name} holds no samples; record or export it again, or leave it out")
    if seconds < MIN_DURATION_S:
        raise UndertoneError(
            f"{name} is too short: {1000 * seconds:.0f} ms, where at least "
            f"{1000 * MIN_DURATION_S:.0f} ms are needed; leave it out or join it to its neighbour"
        )
    if seconds > MAX_DURATION_S:
        raise UndertoneError(_too_long(name, seconds))
    _check_level(mono, name)
    if sample_rate == SAMPLE_RATE:
        return mono
    return soxr.resample(mono, sample_rate, SAMPLE_RATE).astype(np.float32, copy=False)


def _open(path: Path) -> soundfile.SoundFile:
    if not path.exists():
        raise UndertoneError(
            f"there is no audio file {path}; is the corpus complete, and is this its folder?"
        )
    if path.is_dir():
        raise UndertoneError(f"{path} is a folder where an audio file was expected")
    if path.stat().st_size == 0:
        raise UndertoneError(
            f"{path} is empty (0 bytes); fetch or export it again, or leave it out"
        )
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise UndertoneError(_unreadable(path, error)) from error
    if missing := _missing_bytes(file):
        file.close()
        raise UndertoneError(
            f"{path} is cut off: {missing} bytes of sound are missing; fetch it again"
        )
    return file


def _unreadable(path: Path, error: Exception) -> str:
    if is_pointer(path):
        return f"{path} is {POINTER}"
    known = ", ".join(suffix.removeprefix(".") for suffix in AUDIO_SUFFIXES)
    reason = str(error).rpartition(": ")[2].rstrip(".")
    return (
        f"{path} cannot be read as audio ({reason}); it may be damaged, or not one of {known}: "
        f"convert it, for example with `ffmpeg -i {path.name} {path.stem}.flac`"
    )


def _missing_bytes(file: soundfile.SoundFile) -> int:
    """How many bytes a WAV header announces beyond those present: libsndfile just stops there."""
    announcement = re.search(r"^\s*data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if file.format not in {"WAV", "WAVEX"} or not announcement:
        return 0
    announced, present = map(int, announcement.groups())
    return announced - present if present < announced < _UNKNOWN_LENGTH else 0


def _segment(
    file: soundfile.SoundFile, path: Path, start_s: float, end_s: float | None
) -> tuple[int, int]:
    """Return the first sample and the one after the last, at the rate of the file."""
    whole_s = file.frames / file.samplerate
    end_s = whole_s if end_s is None or math.isnan(end_s) else end_s
    start_s = 0.0 if math.isnan(start_s) else start_s
    if not (file.frames == 0 or 0 <= start_s < end_s <= whole_s + SEGMENT_SLACK_S):
        raise UndertoneError(
            f"{path} lasts {whole_s:.3f} s and has no segment from {start_s:.3f} s "
            f"to {end_s:.3f} s; check start and end of this row, which are seconds"
        )
    return round(start_s * file.samplerate), min(round(end_s * file.samplerate), file.frames)


def _decode(file: soundfile.SoundFile, path: Path, *, start: int, stop: int) -> np.ndarray:
    """Decode block by block, so that a stereo recording never lies in memory twice."""
    try:
        file.seek(start)
        mono = np.empty(stop - start, np.float32)
        done = 0
        while done < len(mono):
            block = file.read(min(_BLOCK_S * file.samplerate, len(mono) - done), dtype="float32")
            if len(block) == 0:
                break
            mono[done : done + len(block)] = _mono(block)
            done += len(block)
    except soundfile.LibsndfileError as error:
        raise UndertoneError(_unreadable(path, error)) from error
    missing_s = (len(mono) - done) / file.samplerate
    if missing_s > SEGMENT_SLACK_S:
        raise UndertoneError(
            f"{path} is cut off: its last {missing_s:.2f} s are missing; fetch it again"
        )
    return mono[:done]


def _mono(samples: np.ndarray) -> np.ndarray:
    if np.issubdtype(samples.dtype, np.signedinteger):
        samples = samples / np.float32(-float(np.iinfo(samples.dtype).min))
    samples = samples.astype(np.float32, copy=False)
    with np.errstate(invalid="ignore"):  # infinities that cancel are found with the level
        return samples if samples.ndim == 1 else samples.mean(axis=1, dtype=np.float32)


def _check_level(mono: np.ndarray, name: str) -> None:
    peak = float(max(mono.max(), -mono.min()))
    if not math.isfinite(peak):
        bad = int(np.count_nonzero(~np.isfinite(mono)))
        raise UndertoneError(
            f"{name} holds {bad} samples that are NaN or infinite; export it again"
        )
    if peak < SILENCE_PEAK:
        raise UndertoneError(
            f"{name} is silent: its peak is {_decibel(peak)}, where more than "
            f"{_decibel(SILENCE_PEAK)} of full scale are needed; check the microphone or the "
            "channel, or leave it out"
        )
    if peak > MAX_PEAK:
        raise UndertoneError(
            f"{name} reaches {peak:.0f} where full scale is 1; divide it by its full scale"
        )


def _decibel(peak: float) -> str:
    return f"{20 * math.log10(peak):.0f} dB" if peak > 0 else "zero"


def _too_long(name: Path | str, seconds: float) -> str:
    return (
        f"{name} lasts {seconds / 60:.0f} minutes, where an utterance lasts at most "
        f"{MAX_DURATION_S / 60:.0f}; cut it into utterances: list it in a CSV with the columns "
        "file, start, end (seconds), one row an utterance"
    )
