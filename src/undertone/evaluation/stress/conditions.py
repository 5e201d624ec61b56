"""What is done to recordings: one row a condition.

In:  a waveform (n_samples,) at ``audio.SAMPLE_RATE``, and ``Chance``.
Out: another waveform, float32.

A new condition is one more row. ``VERSION`` is raised when a row gives other sound: what was
predicted before is then predicted again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import soxr

from undertone.audio import SAMPLE_RATE, alterations, rooms
from undertone.errors import UndertoneError

VERSION = 1
CLEAN = "clean"
OFFSET = 0.05  # of full scale
CLIPPED_AT = 0.25  # of the loudest sample
SPEED = 0.05
N_VOICES = 6  # that babble
SNRS_DB = (20.0, 10.0, 5.0, 0.0)


@dataclass(frozen=True)
class Chance:
    """What a condition may draw from.

    Attributes:
        rng: of this utterance and condition.
        voices: speech of other people.
    """

    rng: np.random.Generator
    voices: Sequence[np.ndarray] = ()


@dataclass(frozen=True)
class Condition:
    """One thing that happens to recordings.

    Attributes:
        name: as an option names it.
        group: what conditions beside it have in common.
        label: as a person reads it.
        apply: a waveform and chance to a waveform.
        needs_voices: whether other people must speak.
        needs_ffmpeg: whether a codec is asked for.
    """

    name: str
    group: str
    label: str
    apply: Callable[[np.ndarray, Chance], np.ndarray]
    needs_voices: bool = False
    needs_ffmpeg: bool = False


def padded(
    waveform: np.ndarray, chance: Chance, *, seconds: float, level_db: float | None = None
) -> np.ndarray:
    """With silence before and behind: zeros, or noise so much below the speech throughout."""
    around = np.pad(waveform, round(seconds * SAMPLE_RATE))
    if level_db is None:
        return around
    return alterations.with_noise(around, chance.rng, snr_db=-level_db)


def gated(waveform: np.ndarray, chance: Chance) -> np.ndarray:
    """With zeros in its pauses."""
    return alterations.gated(waveform)


def offset(waveform: np.ndarray, chance: Chance) -> np.ndarray:
    """With a constant added."""
    return (waveform + OFFSET).astype(np.float32)


def louder(waveform: np.ndarray, chance: Chance, *, decibels: float) -> np.ndarray:
    """At another level, beyond full scale if need be."""
    return (waveform * 10 ** (decibels / 20)).astype(np.float32)


def clipped(waveform: np.ndarray, chance: Chance) -> np.ndarray:
    """Cut off at a share of its loudest sample."""
    most = CLIPPED_AT * np.abs(waveform).max()
    return waveform.clip(-most, most).astype(np.float32)


def noisy(waveform: np.ndarray, chance: Chance, *, snr_db: float, tilt: float) -> np.ndarray:
    """With noise, white or sloping as that of rooms."""
    return alterations.with_noise(waveform, chance.rng, snr_db=snr_db, tilt=tilt)


def babbling(waveform: np.ndarray, chance: Chance, *, snr_db: float) -> np.ndarray:
    """With other people who speak at once."""
    others = rooms.babble(chance.voices, len(waveform), chance.rng)
    return alterations.mixed(waveform, others, snr_db=snr_db)


def reverberant(waveform: np.ndarray, chance: Chance, *, decay_s: float) -> np.ndarray:
    """In a room of its own."""
    return rooms.reverberant(waveform, chance.rng, decay_s=decay_s)


def telephoned(waveform: np.ndarray, chance: Chance) -> np.ndarray:
    """Over a telephone."""
    return alterations.telephoned(waveform)


def coded(waveform: np.ndarray, chance: Chance, *, codec: str, kilobits: int) -> np.ndarray:
    """Through a codec and back."""
    return rooms.coded(waveform, codec=codec, kilobits=kilobits)


def cut(waveform: np.ndarray, chance: Chance, *, seconds: float) -> np.ndarray:
    """So many seconds from anywhere in it; all of what is shorter."""
    n = round(seconds * SAMPLE_RATE)
    first = int(chance.rng.integers(max(1, len(waveform) - n + 1)))
    return waveform[first : first + n]


def at_speed(waveform: np.ndarray, chance: Chance, *, faster: float) -> np.ndarray:
    """Played faster or slower, its pitch with it."""
    played = soxr.resample(waveform, SAMPLE_RATE * (1 + faster), SAMPLE_RATE)
    return played.astype(np.float32, copy=False)


def _silences() -> Iterator[Condition]:
    for seconds in (0.2, 1.0, 2.0, 5.0):
        of = partial(padded, seconds=seconds)
        label = f"zeros, {seconds:g} s before and behind"
        yield Condition(f"zeros-{seconds:g}s", "silence", label, of)
    for level_db in (-60.0, -50.0, -40.0):
        label = f"noise at {level_db:g} dB, 2 s before and behind"
        of = partial(padded, seconds=2.0, level_db=level_db)
        yield Condition(f"hiss{level_db:g}dB", "silence", label, of)
    yield Condition("gated", "silence", "zeros in pauses", gated)


def _levels() -> Iterator[Condition]:
    yield Condition("offset", "level", f"offset of {OFFSET:g}", offset)
    for decibels in (-20.0, 10.0):
        label, of = f"gain of {decibels:+g} dB", partial(louder, decibels=decibels)
        yield Condition(f"gain{decibels:+g}dB", "level", label, of)
    yield Condition("clipped", "level", "clipped at a quarter of its peak", clipped)


def _noises() -> Iterator[Condition]:
    for name, tilt in (("white", 0.0), ("room", 0.75)):
        for snr_db in SNRS_DB:
            of = partial(noisy, snr_db=snr_db, tilt=tilt)
            yield Condition(f"{name}-{snr_db:g}dB", "noise", f"{name} noise, {snr_db:g} dB", of)
    for snr_db in SNRS_DB:
        of = partial(babbling, snr_db=snr_db)
        label = f"{N_VOICES} others speaking, {snr_db:g} dB"
        yield Condition(f"babble-{snr_db:g}dB", "noise", label, of, needs_voices=True)


def _rooms_and_lines() -> Iterator[Condition]:
    for decay_s in (0.3, 0.6, 1.0):
        of = partial(reverberant, decay_s=decay_s)
        label = f"a room of {decay_s:g} s of reverberation"
        yield Condition(f"room-{decay_s:g}s", "room", label, of)
    yield Condition("telephone", "line", "telephone, 8 kHz in eight bits", telephoned)
    for codec, kilobits in (("mp3", 32), ("mp3", 16), ("opus", 16), ("opus", 8)):
        label, of = f"{codec} at {kilobits} kbit/s", partial(coded, codec=codec, kilobits=kilobits)
        yield Condition(f"{codec}-{kilobits}k", "line", label, of, needs_ffmpeg=True)


def _pieces() -> Iterator[Condition]:
    for seconds in (1.0, 2.0):
        of = partial(cut, seconds=seconds)
        yield Condition(f"cut-{seconds:g}s", "cut", f"{seconds:g} s of it", of)
    for faster in (-SPEED, SPEED):
        label, of = f"speed {faster:+.0%}", partial(at_speed, faster=faster)
        yield Condition(f"speed{faster * 100:+g}", "speed", label, of)


TABLE = (*_silences(), *_levels(), *_noises(), *_rooms_and_lines(), *_pieces())
CONDITIONS = {row.name: row for row in TABLE}


def chosen(names: Sequence[str]) -> tuple[Condition, ...]:
    """Rows by their names or by those of their groups, in the order of the table; all by default.

    Raises:
        UndertoneError: there is no such condition.
    """
    groups = {row.group for row in CONDITIONS.values()}
    if unknown := [name for name in names if name not in {*CONDITIONS, *groups}]:
        raise UndertoneError(
            f"there is no condition {', '.join(unknown)}; there are {', '.join(CONDITIONS)}, and "
            f"the groups {', '.join(sorted(groups))}"
        )
    return tuple(
        row for row in CONDITIONS.values() if not names or {row.name, row.group} & set(names)
    )
