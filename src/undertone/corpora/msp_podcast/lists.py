"""The older layout: three lists.

In:  ``labels.txt``: ``MSP-PODCAST_0001_0008.wav; N; A:2.200000; V:4.000000; D:2.600000;`` and below
     it a line a rater, ``WORKER0000001; Neutral; Neutral,Confused; A:1.0; V:4.0; D:3.0;``;
     ``Partitions.txt``: ``Train; MSP-PODCAST_0001_0008.wav``; ``Speaker_ids.txt``: first
     ``Speaker_12; Male``, then ``MSP-PODCAST_0001_0008.wav;12``. Spaces vary.
Out: letter and amounts by file and the ratings; the part of each file; its speaker and sex.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from undertone.corpora.columns import SEXES
from undertone.corpora.msp_podcast.words import (
    AMOUNTS,
    SCALE,
    emotion_of,
    letter_of,
    speaker_of,
    split_of,
)
from undertone.corpora.scale import amounts
from undertone.corpora.texts import read_text
from undertone.errors import UndertoneError

LABELS, PARTITIONS, SPEAKERS = "labels.txt", "Partitions.txt", "Speaker_ids.txt"
PREFIXES = ("A", "V", "D")  # in the order of ``AMOUNTS``
Rating = tuple[str, str, str | None, float, float, float]  # utterance, rater, emotion, amounts
RATER = "WORKER"


@dataclass(frozen=True)
class Labels:
    """What ``labels.txt`` tells.

    Attributes:
        table: letter and amounts by file.
        ratings: a row a rater and utterance.
    """

    table: pd.DataFrame
    ratings: list[Rating]


def read_labels(path: Path) -> Labels:
    """The labels of each file and of each rater."""
    rows: dict[str, tuple] = {}
    ratings: list[Rating] = []
    utterance = ""
    for number, parts in _lines(path):
        if utterance and parts[0].startswith(RATER):
            ratings.append(rating_of(utterance, parts, path, number))
            continue
        if not parts[0].lower().endswith(".wav"):
            raise _odd(path, number, parts, "'FILE.wav; N; A:2.2; V:4.0; D:2.6;' or a rater's line")
        if parts[0] in rows:
            raise _odd(path, number, parts, f"{parts[0]} once")
        values = _amounts(parts, path, number)
        rows[parts[0]] = (letter_of(parts[1], path, number), *values)
        utterance = PurePosixPath(parts[0]).stem
    table = pd.DataFrame(rows.values(), index=list(rows), columns=["letter", *AMOUNTS])
    return Labels(table, ratings)


def rating_of(utterance: str, parts: list[str], path: Path, line: int) -> Rating:
    """One rating of the parts of a line: rater, first choice, other words, amounts."""
    arousal, valence, dominance = _amounts(parts, path, line)
    return utterance, parts[0], emotion_of(parts[1]), arousal, valence, dominance


def parts_of(line: str) -> list[str]:
    """The parts of a line; a ; at its end begins no other part."""
    return [part.strip() for part in line.strip().removesuffix(";").split(";")]


def read_partitions(path: Path) -> dict[str, str | None]:
    """The part of each file."""
    splits: dict[str, str | None] = {}
    for number, parts in _lines(path):
        if len(parts) != 2:
            raise _odd(path, number, parts, "'Train; FILE.wav'")
        split = split_of(parts[0], path, number)
        if splits.setdefault(parts[1], split) != split:
            raise _odd(path, number, parts, f"{parts[1]} in one part")
    return splits


def read_speakers(path: Path) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """The speaker of each file that has one, and the sex of each speaker."""
    speakers: dict[str, str | None] = {}
    sexes: dict[str, str | None] = {}
    for number, parts in _lines(path):
        if len(parts) != 2:
            raise _odd(path, number, parts, "'Speaker_12; Male' or 'FILE.wav; 12'")
        if not parts[0].lower().endswith(".wav"):
            if (who := speaker_of(parts[0])) is not None:
                sexes[who] = SEXES.get(parts[1].lower())
            continue
        speaker = speaker_of(parts[1])
        if speakers.setdefault(parts[0], speaker) != speaker:
            raise _odd(path, number, parts, f"one speaker of {parts[0]}")
    return speakers, sexes


def together(
    labels: pd.DataFrame,
    splits: Mapping[str, str | None],
    speakers: Mapping[str, str | None],
    sexes: Mapping[str, str | None],
) -> pd.DataFrame:
    """``words.COLUMNS`` by file."""
    own = [speakers.get(file) for file in labels.index]
    told = {
        "split": [splits.get(file) for file in labels.index],
        "speaker": own,
        "sex": [None if who is None else sexes.get(who) for who in own],
    }
    return labels.join(pd.DataFrame(told, index=labels.index, dtype=object))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and parts of each line that is not blank."""
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            yield number, parts_of(line)


def _amounts(parts: list[str], path: Path, line: int) -> list[float]:
    """The numbers behind A:, V: and D: at the end of a line, in whatever order they stand."""
    named = (part.partition(":") for part in parts[2:][-len(PREFIXES) :])
    cells = {prefix.strip(): cell for prefix, _, cell in named}
    if set(cells) != set(PREFIXES):
        raise _odd(path, line, parts, "'A:2.2; V:4.0; D:2.6;' at the end")
    return amounts([cells[prefix] for prefix in PREFIXES], SCALE, path, line)


def _odd(path: Path, number: int, parts: list[str], expected: str) -> UndertoneError:
    return UndertoneError(
        f"{path}, line {number}: expected {expected}, found '{'; '.join(parts)[:100]}': is the "
        "copy damaged?"
    )
