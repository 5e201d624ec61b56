"""Syllables and prosody: how a speaker says a phrase of no language.

In:  a ``Manner`` (F0 level and movement, tempo, voice quality) and a random generator, which
     chooses the syllables, where the accents fall and the pause.
Out: a ``Plan`` for ``undertone.synthesis.voice.synthesise``.

Syllables are consonant + vowel (+ consonant); every segment has targets, and the targets are
smoothed into movements. F0 is a level in Hz with movements in semitones: a falling line, an
accent on about every second syllable, a final rise or fall, and a slow drift.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from undertone.synthesis.glottis import RD_RANGE
from undertone.synthesis.voice import (
    F0_RANGE_HZ,
    PLAN_RATE,
    UPPER_FORMANTS_HZ,
    VOWEL_FORMANTS_HZ,
    Plan,
)


@dataclass(frozen=True)
class Manner:
    """How a phrase is said: what the speaker, the emotion and the moment add up to."""

    f0_hz: float = 120.0  # level
    f0_range_st: float = 3.0  # height of an accent
    declination_st: float = 2.0  # fall over the phrase
    final_st: float = -1.5  # movement over the last 0.25 s
    accent_delay_s: float = 0.0  # of the accent's peak after the middle of its vowel
    syllables_per_s: float = 4.8
    pause_s: float = 0.1  # in the middle, between words
    rd: float = 1.1
    accent_rd: float = -0.2  # added to Rd at an accent
    accent_db: float = 3.0
    jitter: float = 0.006
    shimmer: float = 0.04
    aspiration: float = 0.01
    frication_db: float = 0.0
    tract_scale: float = 1.0
    smile: float = 0.0  # share added to the upper formants, and half as much to the first
    vowel_space: float = 1.0  # distance of vowels from the neutral vowel


class Segment(NamedTuple):
    """Targets of a stretch of speech."""

    duration_s: float
    formants_hz: tuple[float, float, float]
    strength: float = 0.0
    frication: float = 0.0
    frication_hz: float = 4000.0
    breath: float = 0.0


NEUTRAL_VOWEL_HZ = (500.0, 1450.0, 2450.0)
CONSONANTS: Mapping[str, tuple[Segment, ...]] = {
    "s": (Segment(0.10, (320, 1700, 2600), frication=0.05, frication_hz=5800),),
    "ʃ": (Segment(0.10, (300, 1800, 2500), frication=0.06, frication_hz=3000),),
    "f": (Segment(0.09, (340, 1100, 2100), frication=0.015, frication_hz=6500),),
    "h": (Segment(0.06, (500, 1450, 2450), breath=0.06),),
    "t": (
        Segment(0.06, (320, 1750, 2600)),
        Segment(0.018, (320, 1750, 2600), frication=0.07, frication_hz=4800),
        Segment(0.02, (350, 1700, 2600), breath=0.05),
    ),
    "k": (
        Segment(0.06, (300, 1900, 2400)),
        Segment(0.022, (300, 1900, 2400), frication=0.07, frication_hz=2200),
        Segment(0.025, (350, 1800, 2400), breath=0.05),
    ),
    "p": (Segment(0.07, (300, 900, 2200)), Segment(0.02, (300, 900, 2200), breath=0.06)),
    "b": (Segment(0.06, (220, 900, 2200), strength=0.12),),
    "d": (
        Segment(0.05, (220, 1700, 2600), strength=0.12),
        Segment(0.01, (250, 1700, 2600), strength=0.2, frication=0.03, frication_hz=4500),
    ),
    "m": (Segment(0.07, (260, 1100, 2200), strength=0.3),),
    "n": (Segment(0.065, (260, 1550, 2500), strength=0.3),),
    "l": (Segment(0.06, (360, 1200, 2700), strength=0.5),),
    "w": (Segment(0.06, (300, 720, 2200), strength=0.5),),
    "j": (Segment(0.06, (280, 2150, 2950), strength=0.5),),
    "z": (Segment(0.07, (300, 1700, 2600), strength=0.25, frication=0.025, frication_hz=5500),),
}
CODAS = ("s", "n", "m", "l", "t", "ʃ")
VOWEL_S = 0.125  # at a tempo of 1
REFERENCE_TEMPO = 4.8  # syllables per second of the durations above
SMOOTHING_S = {"formants": 0.05, "strength": 0.024, "frication": 0.012, "breath": 0.02}
LONGEST_S = 0.25  # of the final movement


def plan_phrase(manner: Manner, rng: np.random.Generator, *, n_syllables: int = 7) -> Plan:
    """Choose syllables and plan how they are said; ends on 40 ms of silence."""
    segments, vowel_index = _segments(manner, rng, n_syllables)
    lengths = [max(1, round(segment.duration_s * PLAN_RATE)) for segment in segments]
    middles = (np.cumsum(lengths) - np.array(lengths) / 2)[vowel_index]
    accents = _accents(middles, sum(lengths), manner, rng)
    return Plan(
        f0_hz=_f0(accents, manner, rng),
        rd=_rd(accents, manner),
        strength=_strength(segments, lengths, accents * manner.accent_db),
        formants_hz=_formants(segments, lengths, manner),
        aspiration=manner.aspiration
        * _smooth(np.repeat([s.strength for s in segments], lengths), SMOOTHING_S["strength"])
        + _smooth(np.repeat([s.breath for s in segments], lengths), SMOOTHING_S["breath"]),
        frication=10 ** (manner.frication_db / 20)
        * _smooth(np.repeat([s.frication for s in segments], lengths), SMOOTHING_S["frication"]),
        frication_hz=np.repeat([s.frication_hz for s in segments], lengths),
        jitter=float(np.clip(manner.jitter, 0, 0.05)),
        shimmer=float(np.clip(manner.shimmer, 0, 0.2)),
    )


def _segments(
    manner: Manner, rng: np.random.Generator, n_syllables: int
) -> tuple[list[Segment], np.ndarray]:
    """Segments of the phrase and the index of each vowel among them."""
    stretch = REFERENCE_TEMPO / manner.syllables_per_s
    pause_after = int(rng.integers(2, max(3, n_syllables - 1)))
    silence = Segment(0.04, NEUTRAL_VOWEL_HZ)
    segments, vowels = [silence], []
    for syllable in range(n_syllables):
        segments += [_longer(s, stretch) for s in CONSONANTS[str(rng.choice(list(CONSONANTS)))]]
        vowels.append(len(segments))
        lengthening = 1.45 if syllable == n_syllables - 1 else float(rng.uniform(0.7, 1.25))
        name = str(rng.choice(list(VOWEL_FORMANTS_HZ)))
        segments.append(Segment(VOWEL_S * stretch * lengthening, VOWEL_FORMANTS_HZ[name], 1.0))
        if rng.random() < 0.3:
            segments += [_longer(s, stretch) for s in CONSONANTS[str(rng.choice(CODAS))]]
        if syllable == pause_after and manner.pause_s > 0.02:
            segments.append(silence._replace(duration_s=manner.pause_s))
    return [*segments, silence], np.array(vowels)


def _longer(segment: Segment, stretch: float) -> Segment:
    """Consonants follow the tempo half as much as vowels do."""
    return segment._replace(duration_s=segment.duration_s * stretch**0.5)


def _accents(
    middles: np.ndarray, n_points: int, manner: Manner, rng: np.random.Generator
) -> np.ndarray:
    """(n_points,) prominence, about 1 at the peak of an accent."""
    stressed = (np.arange(len(middles)) + rng.integers(2)) % 2 == 0
    stressed ^= rng.random(len(middles)) < 0.15
    heights = np.where(stressed, rng.normal(1, 0.25, len(middles)), rng.normal(0.1, 0.1))
    width = 0.075 * PLAN_RATE * REFERENCE_TEMPO / manner.syllables_per_s
    peaks = middles + manner.accent_delay_s * PLAN_RATE
    distance = (np.arange(n_points)[:, None] - peaks) / width
    return np.exp(-0.5 * distance**2) @ heights


def _f0(accents: np.ndarray, manner: Manner, rng: np.random.Generator) -> np.ndarray:
    n_points = len(accents)
    drift = np.interp(np.linspace(0, 1, n_points), np.linspace(0, 1, 8), rng.normal(0, 0.35, 8))
    movement_st = (
        manner.f0_range_st * accents
        + manner.declination_st * np.linspace(0.5, -0.5, n_points)
        + manner.final_st * _ending(n_points)
        + _smooth(drift, 0.1)
    )
    return np.clip(manner.f0_hz * 2 ** (movement_st / 12), F0_RANGE_HZ[0] + 15, 600.0)


def _rd(accents: np.ndarray, manner: Manner) -> np.ndarray:
    relaxed = manner.rd + manner.accent_rd * accents + 0.25 * _ending(len(accents))
    return np.clip(relaxed, RD_RANGE[0] + 0.02, RD_RANGE[1])


def _ending(n_points: int) -> np.ndarray:
    """(n_points,) 0, rising to 1 over the last quarter of a second."""
    left_s = np.arange(n_points)[::-1] / PLAN_RATE
    return np.clip(1 - left_s / LONGEST_S, 0, 1) ** 2


def _strength(segments: list[Segment], lengths: list[int], accents_db: np.ndarray) -> np.ndarray:
    strength = _smooth(np.repeat([s.strength for s in segments], lengths), SMOOTHING_S["strength"])
    decline_db = np.linspace(1, -2, len(strength))
    louder = strength * 10 ** ((accents_db + decline_db) / 20)
    return np.where(louder > 0.03, louder, 0.0)


def _formants(segments: list[Segment], lengths: list[int], manner: Manner) -> np.ndarray:
    targets = np.log([segment.formants_hz for segment in segments])
    neutral = np.log(NEUTRAL_VOWEL_HZ)
    targets = neutral + manner.vowel_space * (targets - neutral)
    tracks = [_smooth(np.repeat(t, lengths), SMOOTHING_S["formants"]) for t in targets.T]
    upper = [np.full(len(tracks[0]), np.log(hz)) for hz in UPPER_FORMANTS_HZ]
    spread = manner.smile * np.array([0.5] + [1.0] * (len(tracks) + len(upper) - 1))
    return manner.tract_scale * (1 + spread) * np.exp(np.stack(tracks + upper, axis=1))


def _smooth(track: np.ndarray, duration_s: float) -> np.ndarray:
    """Weighted by a raised cosine of this duration; the ends are held."""
    n_points = max(3, round(duration_s * PLAN_RATE)) | 1
    window = np.hanning(n_points + 2)[1:-1]
    held = np.pad(track, n_points // 2, mode="edge")
    return np.convolve(held, window / window.sum(), mode="valid")
