"""The embedded corpus: invented speakers whose emotions are prosodic and voice-quality rules.

In:  nothing, or the folder in which the corpus is kept (default ``$UNDERTONE_CACHE``, then
     ``$XDG_CACHE_HOME/undertone``, then ``~/.cache/undertone``). It is generated once.
Out: ``read``: the labelled corpus; ``read_unlabelled``: other speakers of the same kind, no
     emotion known. 16 kHz 16-bit WAV; language "zxx" (no linguistic content), no transcripts.

A test bench for the machinery and no model of real emotion: a number measured here says nothing
about real speech. Level, range, tempo and voice quality go in the directions reviewed by Scherer
(2003, Speech Communication 40), Juslin and Laukka (2003, Psychological Bulletin 129) and Gobl and
Ní Chasaide (2003, Speech Communication 40); the rest is ours: see ``docs/synthesis.md``.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import soundfile

from undertone import atomic, seals
from undertone.audio import SAMPLE_RATE
from undertone.config import cache_folder, expanded
from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.errors import UndertoneError
from undertone.seals import UnsoundError
from undertone.synthesis import Manner, plan_phrase, synthesise

VERSION = 1  # raised whenever a sample of the corpus would change
EMOTIONS = ("anger", "happiness", "neutral", "sadness")
INDEX = "utterances.csv"
SUMS = "sums.json"  # digests of the index and of all files
LICENCE = "CC0 (generated)"
CITATION = "The synthetic corpus of Undertone: LF-model voices, generated, not recorded."
LANGUAGE = "zxx"  # ISO 639-3: no linguistic content
LEVEL_DB = -29.0  # RMS against full scale, before the random gain
GAIN_DB = 2.5  # of the random gain, to either side


class Dimension(NamedTuple):
    """One dimension of a manner: where it rests, how it varies, what each emotion adds."""

    rest: float
    between_speakers: float  # standard deviation
    within_speaker: float  # standard deviation from utterance to utterance
    anger: float = 0.0
    happiness: float = 0.0
    neutral: float = 0.0
    sadness: float = 0.0


# "log" dimensions are natural logarithms of factors.
DIMENSIONS: Mapping[str, Dimension] = {
    "f0_level_st": Dimension(0.0, 1.9, 1.1, 4.2, 5.1, 0.0, -1.0),
    "log_f0_range": Dimension(0.0, 0.21, 0.25, 0.55, 0.85, 0.0, -0.70),
    "declination_st": Dimension(2.0, 0.8, 1.0, 1.3, -1.3, 0.0, 1.0),
    "final_st": Dimension(-1.5, 1.0, 1.5, -1.6, 3.2, 0.0, -0.5),
    "accent_delay_s": Dimension(0.0, 0.013, 0.017, -0.040, 0.040, 0.0, 0.016),
    "log_tempo": Dimension(0.0, 0.085, 0.085, 0.16, 0.13, 0.0, -0.25),
    "pause_s": Dimension(0.10, 0.04, 0.07, -0.06, -0.03, 0.0, 0.16),
    "rd": Dimension(1.25, 0.24, 0.19, -0.60, -0.16, 0.0, 0.64),
    "accent_rd": Dimension(-0.15, 0.085, 0.085, -0.25, -0.08, 0.0, 0.13),
    "accent_db": Dimension(3.0, 1.0, 1.1, 4.0, 2.4, 0.0, -1.9),
    "log_jitter": Dimension(0.0, 0.30, 0.25, 0.70, 0.0, 0.0, 0.40),
    "log_shimmer": Dimension(0.0, 0.25, 0.21, 0.55, 0.08, 0.0, 0.24),
    "log_aspiration": Dimension(0.0, 0.42, 0.30, -0.40, 0.0, 0.0, 0.88),
    "frication_db": Dimension(0.0, 2.1, 1.3, 3.2, 0.8, 0.0, -2.4),
    "smile": Dimension(0.0, 0.010, 0.010, 0.0, 0.064, 0.0, -0.016),
    "log_vowel_space": Dimension(0.0, 0.07, 0.07, 0.16, 0.08, 0.0, -0.25),
}
INTENSITY = (0.75, 1.35)  # how strongly an utterance shows its emotion: uniform in this range
OWN_WAY = 0.25  # how far speakers differ in each effect: standard deviation, as a share of it


@dataclass(frozen=True)
class Part:
    """How many speakers and utterances, and whether their emotions are told."""

    name: str
    n_speakers: int
    n_utterances: int  # a speaker
    first_speaker: int  # speakers are numbered through all parts: no voice occurs twice
    labelled: bool


LABELLED = Part("synthetic", 24, 16, first_speaker=0, labelled=True)
UNLABELLED = Part("synthetic-unlabelled", 30, 10, first_speaker=1000, labelled=False)


@dataclass(frozen=True)
class Speaker:
    """A voice, its habits, its own way with each emotion, and its microphone."""

    name: str
    sex: str
    f0_hz: float
    tract_scale: float
    habits: Mapping[str, float]  # by dimension
    effects: Mapping[str, Mapping[str, float]]  # by emotion, then dimension
    microphone_tilt: float  # first-order filter: above 0 muffled, below 0 sharp
    noise_db: float  # background, against the speech


def read(path: Path | None = None) -> Corpus:
    """The labelled corpus: 24 speakers, 16 utterances each, four emotions in equal shares."""
    return read_part(LABELLED, path)


def read_unlabelled(path: Path | None = None) -> Corpus:
    """Other speakers with the same variety of emotions, none of them told."""
    return read_part(UNLABELLED, path)


def read_part(part: Part, path: Path | None = None) -> Corpus:
    """Read a part from the folder where it is kept; generate it on the first call."""
    home = cache_folder() if path is None else expanded(path)
    root = home / f"{part.name}-v{VERSION}"
    if root.exists() and (why := _fault(root)):
        atomic.set_aside(root, why, "it is generated again")
    if not root.exists():
        _generate(part, root)
    table = pd.read_csv(root / INDEX, dtype={"utterance": str, "speaker": str})
    for column in ("start_s", "end_s"):
        table[column] = np.nan
    table["language"] = LANGUAGE
    table["transcript"] = None
    columns = [*COLUMNS, "emotion"] if part.labelled else list(COLUMNS)
    return Corpus(
        name=part.name,
        root=root,
        table=table[columns],
        licence=LICENCE,
        citation=CITATION,
        synthetic=True,
    )


def _fault(root: Path) -> str:
    """Why the files are not those that were generated; empty where they are."""
    if (content := seals.read(root / SUMS)) is None:
        return f"it has no {SUMS}"
    try:
        sums = seals.unseal(content)
    except UnsoundError as error:
        return f"{SUMS}: {error}"
    for name, digest in sums.items():
        path = root / name
        if not path.is_file() or seals.digest_of_file(path) != digest:
            return f"{name} is not the file that was generated"
    return ""


def invent_speaker(number: int) -> Speaker:
    """The speaker of this number, always the same."""
    rng = np.random.default_rng([VERSION, number])
    sex = "female" if number % 2 else "male"
    middle_hz, middle_scale = (195.0, 1.155) if sex == "female" else (115.0, 1.0)
    return Speaker(
        name=f"s{number:04d}",
        sex=sex,
        f0_hz=middle_hz * 2 ** (rng.uniform(-1, 1) / 12),
        tract_scale=middle_scale * float(np.exp(rng.normal(0, 0.035))),
        habits={name: rng.normal(0, d.between_speakers) for name, d in DIMENSIONS.items()},
        effects={
            emotion: {
                name: getattr(d, emotion) * rng.normal(1, OWN_WAY) for name, d in DIMENSIONS.items()
            }
            for emotion in EMOTIONS
        },
        microphone_tilt=rng.uniform(-0.15, 0.15),
        noise_db=rng.uniform(-45, -33),
    )


def perform(speaker: Speaker, emotion: str, rng: np.random.Generator) -> Manner:
    """How this speaker says one utterance with this emotion."""
    intensity = rng.uniform(*INTENSITY)
    at = {
        name: d.rest
        + speaker.habits[name]
        + intensity * speaker.effects[emotion][name]
        + rng.normal(0, d.within_speaker)
        for name, d in DIMENSIONS.items()
    }
    return Manner(
        f0_hz=speaker.f0_hz * 2 ** (at["f0_level_st"] / 12),
        f0_range_st=3.0 * np.exp(at["log_f0_range"]),
        declination_st=at["declination_st"],
        final_st=at["final_st"],
        accent_delay_s=at["accent_delay_s"],
        syllables_per_s=4.8 * np.exp(at["log_tempo"]),
        pause_s=max(0.0, at["pause_s"]),
        rd=at["rd"],
        accent_rd=at["accent_rd"],
        accent_db=at["accent_db"],
        jitter=0.006 * np.exp(at["log_jitter"]),
        shimmer=0.04 * np.exp(at["log_shimmer"]),
        aspiration=0.012 * np.exp(at["log_aspiration"]),
        frication_db=at["frication_db"],
        tract_scale=speaker.tract_scale,
        smile=at["smile"],
        vowel_space=np.exp(at["log_vowel_space"]),
    )


def utter(speaker: Speaker, emotion: str, seed: list[int]) -> np.ndarray:
    """(n_samples,) float32: one utterance as the speaker's microphone hears it."""
    rng = np.random.default_rng(seed)
    n_syllables = int(rng.integers(5, 10))
    plan = plan_phrase(perform(speaker, emotion, rng), rng, n_syllables=n_syllables)
    speech = synthesise(plan, seed=int(rng.integers(2**32))).waveform.astype(float)
    speech[1:] += speaker.microphone_tilt * speech[:-1]
    speech /= np.sqrt(np.mean(speech**2))
    speech += 10 ** (speaker.noise_db / 20) * rng.standard_normal(len(speech))
    gain_db = LEVEL_DB + rng.uniform(-GAIN_DB, GAIN_DB)
    speech *= 10 ** (gain_db / 20) / np.sqrt(np.mean(speech**2))
    return (speech * min(1.0, 0.98 / np.abs(speech).max())).astype(np.float32)


def _generate(part: Part, root: Path) -> None:
    """Write a part whole: into a folder of another name, renamed when it is complete."""
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        partial_root = Path(tempfile.mkdtemp(prefix=f"{root.name}.partial-", dir=root.parent))
    except OSError as error:
        raise UndertoneError(
            f"cannot write the {part.name} corpus to {root.parent}: {error}; "
            "name a writable folder in UNDERTONE_CACHE"
        ) from error
    try:
        table = _table(part)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            list(pool.map(partial(_write_utterance, partial_root), table.to_dict("records")))
        shown = ["utterance", "file", "speaker", "sex"] + ["emotion"] * part.labelled
        table[shown].to_csv(partial_root / INDEX, index=False)
        sums = {n: seals.digest_of_file(partial_root / n) for n in (INDEX, *table["file"])}
        atomic.write_text(partial_root / SUMS, json.dumps(seals.seal(sums)))
        partial_root.chmod(0o755)
        _move_unless_there(partial_root, root)
    finally:
        shutil.rmtree(partial_root, ignore_errors=True)


def _move_unless_there(partial_root: Path, root: Path) -> None:
    """Another process may have been faster: then its files stay, which are the same."""
    try:
        partial_root.rename(root)
    except OSError:
        if not root.is_dir():
            raise


def _table(part: Part) -> pd.DataFrame:
    """One row an utterance; emotions are in equal shares, and file names do not tell them."""
    rows = []
    for number in range(part.first_speaker, part.first_speaker + part.n_speakers):
        speaker = invent_speaker(number)
        emotions = np.resize(EMOTIONS, part.n_utterances)
        order = np.random.default_rng([VERSION, number, 1]).permutation(part.n_utterances)
        for index, emotion in enumerate(emotions[order]):
            utterance = f"{speaker.name}-{index:02d}"
            file = f"{speaker.name}/{utterance}.wav"
            rows.append((utterance, file, speaker.name, speaker.sex, str(emotion), number, index))
    names = ["utterance", "file", "speaker", "sex", "emotion", "number", "index"]
    return pd.DataFrame(rows, columns=names)


def _write_utterance(root: Path, row: dict) -> None:
    speaker = invent_speaker(row["number"])
    waveform = utter(speaker, row["emotion"], [VERSION, row["number"], 2, row["index"]])
    file = root / row["file"]
    file.parent.mkdir(exist_ok=True)
    soundfile.write(file, waveform, SAMPLE_RATE, subtype="PCM_16")
