"""Whether a recording is speech at all, and enough of it, told by its ``log_mel`` frames.

In:  frames of ``log_mel``, or its columns before the formants; or a waveform.
Out: ``Evidence``: what was measured; ``Doubt``: why there is nothing to judge, in a word and in a
     sentence.

Speech moves: its pitch glides from frame to frame where notes and hums stand still, and the shape
of its spectrum changes where noise and machines keep theirs. Six numbers, each with a bound that
speech of three corpora kept, also over a telephone and in noise 10 dB below it, and that tones,
tunes, chords, sirens, noise and clicks failed (docs/probabilities.md). A song with words passes,
and so does a babble of voices. Whispering has no pitch and is taken for no speech.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.audio import FRAMES_PER_SECOND
from undertone.features import log_mel

NO_SPEECH, TOO_SHORT, TOO_NOISY = "no speech", "too short", "too noisy"
SHORTEST_S = 0.3  # of speech
FEWEST_VOICED = 8  # frames
LEAST_VOICING = 0.6  # mean strength of the voiced frames: chance finds .5 in noise
LEAST_MOVING = 0.3  # share of voiced frames after which the pitch moves on
STILL = 0.1  # semitones from frame to frame: less is no motion
LEAST_FLUX_DB = 1.5  # mean change of a band from frame to frame, its share of the power
LEAST_VARIETY_DB = 2.9  # standard deviation of the same over the speech
LEAST_BREADTH = 6.0  # bands that a voiced frame fills: a whistle fills three
BREADTH_DB = 25.0  # below its strongest band a band is not filled
HIGHEST_FLOOR_DB = -2.5  # the quiet tenth of the recording beside the speech
FLOOR_SHARE = 10  # per cent of the frames
OF_NEPERS = 10 / np.log(10)  # dB in a natural logarithm of power
NEEDED = ("log_energy", "log_f0", "voicing", "voiced")


@dataclass(frozen=True)
class Evidence:
    """What tells speech from other sounds.

    Attributes:
        speech_s: seconds within 30 dB of the level of the speech.
        voiced_s: seconds of them with a pitch.
        voicing: mean strength of the pitch.
        moving: share of voiced frames after which the pitch moves on.
        flux_db: mean change of the spectrum's shape from frame to frame.
        variety_db: how much the shape varies over the speech.
        breadth: bands that a voiced frame fills, of forty, in the mean.
        floor_db: level of the quiet tenth beside that of the speech.
    """

    speech_s: float
    voiced_s: float
    voicing: float
    moving: float
    flux_db: float
    variety_db: float
    breadth: float
    floor_db: float


@dataclass(frozen=True)
class Doubt:
    """Why there is nothing to judge: a word for tables, a sentence for people."""

    what: str
    why: str


def doubt_of(evidence: Evidence) -> Doubt | None:
    """What speaks against judging a recording; None where nothing does."""
    if evidence.speech_s < SHORTEST_S:
        return Doubt(
            TOO_SHORT,
            f"it holds {evidence.speech_s:.2f} s of sound that could be speech, less than "
            f"{SHORTEST_S:g} s",
        )
    if not _is_spoken(evidence):
        return Doubt(NO_SPEECH, "no voiced speech was found in it")
    if evidence.floor_db > HIGHEST_FLOOR_DB:
        return Doubt(
            TOO_NOISY,
            f"its quiet moments are {-evidence.floor_db:.0f} dB below its speech: noise covers it",
        )
    return None


def hear(waveform: np.ndarray) -> Evidence:
    """The evidence of a waveform as ``audio`` gives it."""
    return evidence_of(log_mel.of_voice(waveform), log_mel.COLUMNS)


def evidence_of(frames: np.ndarray, columns: Sequence[str]) -> Evidence:
    """The evidence of (n_frames, n_features) frames of ``log_mel``, which these columns begin."""
    at = {name: list(columns).index(name) for name in NEEDED}
    level = frames[:, at["log_energy"]]
    spoken = log_mel.is_spoken(level)
    voiced = spoken & (frames[:, at["voiced"]] > 0.5)
    shape = OF_NEPERS * (frames[:, : log_mel.N_BANDS] - level[:, None])
    together, sounding = (which[1:] & which[:-1] for which in (spoken, voiced))
    bands = frames[voiced, : log_mel.N_BANDS]
    filled = OF_NEPERS * (bands - bands.max(axis=1, keepdims=True)) > -BREADTH_DB
    flux = np.abs(np.diff(shape, axis=0))[together]
    steps = np.abs(np.diff(12 / np.log(2) * frames[:, at["log_f0"]]))[sounding]
    return Evidence(
        speech_s=float(spoken.sum()) / FRAMES_PER_SECOND,
        voiced_s=float(voiced.sum()) / FRAMES_PER_SECOND,
        voicing=_mean(frames[voiced, at["voicing"]]),
        moving=_mean(steps > STILL),
        flux_db=_mean(flux),
        variety_db=_mean(shape[spoken].std(axis=0)) if spoken.any() else 0.0,
        breadth=_mean(filled.sum(axis=1)),
        floor_db=_floor_db(OF_NEPERS * level, spoken),
    )


def _is_spoken(evidence: Evidence) -> bool:
    return (
        evidence.voiced_s >= FEWEST_VOICED / FRAMES_PER_SECOND
        and evidence.voicing >= LEAST_VOICING
        and evidence.moving >= LEAST_MOVING
        and evidence.flux_db >= LEAST_FLUX_DB
        and evidence.variety_db >= LEAST_VARIETY_DB
        and evidence.breadth >= LEAST_BREADTH
    )


def _floor_db(level_db: np.ndarray, spoken: np.ndarray) -> float:
    """The quiet tenth from the first to the last spoken frame.

    Silence that a gate or an editor left says nothing of the noise, and is left out.
    """
    if not spoken.any():
        return 0.0
    first, last = np.flatnonzero(spoken)[[0, -1]]
    within = level_db[first : last + 1]
    heard = within[within > 0.1 - log_mel.ENERGY_FLOOR_DB]
    return float(np.percentile(heard, FLOOR_SHARE))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
