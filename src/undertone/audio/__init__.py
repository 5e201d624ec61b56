"""Waveforms and the frame grid that every feature shares.

In:  an audio file or an array, any rate and channel count; a segment of either.
Out: mono float32, full scale at 1, at ``SAMPLE_RATE``, shape (n_samples,).

Channels are averaged, then the rate is converted; the level is left as it is. Frame ``i`` is
centred on sample ``i * HOP_LENGTH + HOP_LENGTH // 2 - 1``, counted from 0: 79, 239, ... as in
COVAREP ``feature_extraction/COVAREP_feature_extraction.m``, which counts from 1. A frame exists
when its centre does.

What cannot be used is refused by name rather than guessed at: missing, corrupt, cut off, empty,
silent, too short, too long, not finite, not on the scale of full scale = 1. ``files`` decodes,
``parts`` finds what headers do not tell of, ``foreign`` asks ffmpeg, ``kinds`` knows formats;
``streaming`` reads what is longer part by part.
"""

import contextlib
import math
import shlex
from pathlib import Path

import numpy as np
import soxr

from undertone.audio import files, kinds
from undertone.errors import UndertoneError

SAMPLE_RATE = 16_000  # Hz
HOP_S = 0.010
HOP_LENGTH = round(HOP_S * SAMPLE_RATE)  # 160 samples
FRAMES_PER_SECOND = SAMPLE_RATE // HOP_LENGTH  # 100
FIRST_CENTRE = HOP_LENGTH // 2 - 1  # sample 79
assert HOP_LENGTH * FRAMES_PER_SECOND == SAMPLE_RATE

DECODING_VERSION = 2  # raise it when the same file gives other samples: it enters the cache key
MIN_DURATION_S = 0.1
MAX_DURATION_S = 30 * 60.0
MAX_SAMPLES = round(MAX_DURATION_S * 48_000)  # of a channel: half an hour at the highest usual rate
SILENCE_PEAK = 1e-4  # -80 dB of full scale
MAX_PEAK = 16.0  # a float file far above full scale holds integers that nobody scaled
FAR_S = 1e9  # beyond every recording
SEGMENT_SLACK_S = files.SLACK_S  # a segment may end this much after its file: tables are rounded
AUDIO_SUFFIXES = kinds.SUFFIXES  # decoded without ffmpeg
POINTER, is_pointer = kinds.POINTER, kinds.is_pointer


def n_frames(n_samples: int) -> int:
    """How many frames of the grid have their centre inside ``n_samples``, and at least one.

    >>> n_frames(16_000), n_frames(79), n_frames(80), n_frames(239), n_frames(240)
    (100, 1, 1, 1, 2)
    """
    return max(1, (n_samples - FIRST_CENTRE - 1) // HOP_LENGTH + 1)


def read(path: Path | str, *, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    """Decode a file, or its segment from ``start_s`` to ``end_s``, as mono at ``SAMPLE_RATE``."""
    path = Path(path)
    with contextlib.closing(files.open_sound(path)) as sound:
        start, stop = segment(sound, path, start_s, end_s)
        samples = _decode(sound, path, start=start, stop=stop)
        return from_array(samples, sound.rate, name=str(path))


def from_array(samples: np.ndarray, sample_rate: int, *, name: str = "the array") -> np.ndarray:
    """Check samples and return them as mono at ``SAMPLE_RATE``: what ``read`` does once decoded.

    Args:
        samples: (n_samples,) or (n_samples, n_channels) floats, full scale 1, or signed integers.
        sample_rate: Hz.
        name: what an error calls the samples.
    """
    samples = _numbers(samples, sample_rate, name)
    _check_length(name, len(samples), sample_rate)
    mono = mixed(samples)
    seconds = len(mono) / sample_rate
    if len(mono) == 0:
        raise UndertoneError(f"{name} holds no samples; record or export it again, or leave it out")
    if seconds < MIN_DURATION_S:
        raise UndertoneError(
            f"{name} is too short: {1000 * seconds:.0f} ms, where at least "
            f"{1000 * MIN_DURATION_S:.0f} ms are needed; leave it out or join it to its neighbour"
        )
    _check_level(mono, name)
    if sample_rate == SAMPLE_RATE:
        return mono
    return soxr.resample(mono, sample_rate, SAMPLE_RATE).astype(np.float32, copy=False)


def _numbers(samples: object, sample_rate: object, name: str) -> np.ndarray:
    """The samples as an array, if they are numbers with a rate."""
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, int | float | np.number):
        raise UndertoneError(f"the sample rate of {name} is in Hz, as 16000; found {sample_rate!r}")
    if not 0 < sample_rate < math.inf:
        raise UndertoneError(f"the sample rate of {name} is above 0 Hz, found {sample_rate}")
    try:
        found = np.asarray(samples)
    except ValueError:  # rows of several lengths
        found = np.zeros(1, dtype=object)
    if found.ndim not in (1, 2) or found.dtype.kind not in "fiu":
        raise UndertoneError(
            f"{name} has the shape {found.shape} and holds {found.dtype}; expected (n_samples,) or "
            "(n_samples, n_channels) floats or integers"
        )
    return found


def silence_around_s(waveform: np.ndarray) -> float:
    """Seconds before and behind the sound of (n_samples,) in which nothing is heard at all.

    >>> silence_around_s(np.concatenate([np.zeros(16_000), np.ones(16_000), np.zeros(8_000)]))
    1.5
    """
    heard = np.flatnonzero(np.abs(waveform) >= SILENCE_PEAK)
    n_between = heard[-1] - heard[0] + 1 if len(heard) else 0
    return (len(waveform) - int(n_between)) / SAMPLE_RATE


def segment(
    sound: files.Sound, path: Path, start_s: float, end_s: float | None
) -> tuple[int, int | None]:
    """Return the first sample and the one after the last, at the rate of the file."""
    end_s = None if end_s is None or math.isnan(end_s) else end_s
    start_s = 0.0 if math.isnan(start_s) else start_s
    start = _sample(start_s, sound.rate)
    stop = None if end_s is None else _sample(end_s, sound.rate)
    longest = sound.n_frames
    if longest is None:
        fits = start >= 0 and (stop is None or start < stop)
    else:
        stop = longest if stop is None else stop
        slack = round(SEGMENT_SLACK_S * sound.rate)
        fits = longest == 0 or (0 <= start < min(stop, longest) and stop <= longest + slack)
    if not fits:
        lasts_s = None if longest is None else longest / sound.rate
        raise UndertoneError(_no_segment(path, start_s=start_s, end_s=end_s, lasts_s=lasts_s))
    return start, stop if longest is None or stop is None else min(stop, longest)


def _sample(seconds: float, rate: int) -> int:
    """The sample at a time, which may be any number; what is beyond all recordings stays so."""
    return round(min(max(seconds, -1.0), FAR_S) * rate)


def _no_segment(path: Path, *, start_s: float, end_s: float | None, lasts_s: float | None) -> str:
    lasts = "" if lasts_s is None else f"lasts {lasts_s:.3f} s and "
    end = "its end" if end_s is None else f"{end_s:.3f} s"
    return (
        f"{path} {lasts}has no segment from {start_s:.3f} s to {end}; check start and end of this "
        "row, which are seconds"
    )


def _decode(sound: files.Sound, path: Path, *, start: int, stop: int | None) -> np.ndarray:
    """(n,) mono, block by block, so that a stereo recording never lies in memory twice."""
    most = min(round(MAX_DURATION_S * sound.rate), MAX_SAMPLES)
    if stop is not None:
        _check_length(path, stop - start, sound.rate)
    mono = np.empty(0 if stop is None else stop - start, np.float32)
    done = 0
    for block in sound.blocks(start, stop):
        if done + len(block) > most:
            _check_length(path, done + len(block), sound.rate)
            raise UndertoneError(_too_long(path, None))
        if done + len(block) > len(mono):
            mono.resize(max(2 * len(mono), done + len(block)), refcheck=False)
        mono[done : done + len(block)] = mixed(block)
        done += len(block)
    if stop is not None:
        check_reached(sound, path, start=start, stop=stop, n_decoded=done)
    return mono[:done]


def check_reached(sound: files.Sound, path: Path, *, start: int, stop: int, n_decoded: int) -> None:
    """What is missing of a segment was cut off, or was never there where no header told."""
    missing_s = (stop - start - n_decoded) / sound.rate
    if sound.n_frames is not None:
        files.check_missing(path, missing_s)
    elif missing_s > SEGMENT_SLACK_S:
        start_s, end_s = start / sound.rate, stop / sound.rate
        lasts_s = (start + n_decoded) / sound.rate if n_decoded else None
        raise UndertoneError(_no_segment(path, start_s=start_s, end_s=end_s, lasts_s=lasts_s))


def mixed(samples: np.ndarray) -> np.ndarray:
    """(n,) float32 of (n,) or (n, n_channels), which are averaged."""
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


def _check_length(name: Path | str, n_samples: int, sample_rate: int) -> None:
    """Refuse what is too long for an utterance, or has more samples than memory should hold."""
    if (seconds := n_samples / sample_rate) > MAX_DURATION_S:
        raise UndertoneError(_too_long(name, seconds))
    if n_samples > MAX_SAMPLES:
        raise UndertoneError(
            f"{name} has {n_samples / 1e6:.0f} million samples a channel at {sample_rate:,} Hz, "
            f"where at most {MAX_SAMPLES / 1e6:.0f} million are read: bring it to "
            f"{SAMPLE_RATE:,} Hz first"
        )


def _decibel(peak: float) -> str:
    return f"{20 * math.log10(peak):.0f} dB" if peak > 0 else "zero"


def _too_long(name: Path | str, seconds: float | None) -> str:
    most = f"{MAX_DURATION_S / 60:.0f}"
    lasts = f"more than {most}" if seconds is None else f"{seconds / 60:.0f}"
    source = Path(name)
    pieces = source.with_name(f"{source.stem.replace('%', '%%')}-%03d.wav")
    return (
        f"{name} lasts {lasts} minutes, where an utterance lasts at most {most}; cut it into "
        f"pieces, for example of 10 s with `ffmpeg -i {shlex.quote(str(source))} -f segment "
        f"-segment_time 10 {shlex.quote(str(pieces))}`; a corpus may list segments of it in a "
        "table with the columns file, start, end (seconds), one row an utterance"
    )
