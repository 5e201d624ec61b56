"""CREMA-D: English, acted, 91 actors, twelve sentences, and what thousands of people heard in them.

In:  the user's copy: ``AudioWAV/1001_IEO_ANG_HI.wav``, 7,442 files, or as many as are there; beside
     that folder ``VideoDemographics.csv`` and, there or in ``processedResults/``,
     ``tabulatedVotes.csv`` or ``summaryTable.csv``, each where it is at hand.
Out: ``Corpus`` with the label columns emotion (what was acted), level, sentence, age, race,
     ethnicity, and of the people who heard the voice alone: voice_emotion, ``share_<emotion>`` and
     ratings. ``heard=True`` takes what they heard as the emotion, and keeps acted_emotion.

The grammar of a file name: actor - sentence - emotion - level (XX: not specified). A row number of
``tabulatedVotes.csv`` tells by its first of six digits what was shown: 1 the voice, 2 the face, 3
both. Most people hear another emotion than was acted in more than half of the files.
Source: Cao et al. (2014), IEEE Transactions on Affective Computing 5(4).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from undertone.corpora import columns, grammar, ratings
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError

GRAMMAR = re.compile(
    r"(?P<speaker>10\d\d)_(?P<sentence>[A-Z]{3})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_"
    r"(?P<level>LO|MD|HI|XX?)"
)
EMOTIONS: Mapping[str, str] = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
LETTERS: Mapping[str, str] = {code[0]: emotion for code, emotion in EMOTIONS.items()}  # of votes
LEVELS: Mapping[str, str] = {"LO": "low", "MD": "medium", "HI": "high"}
SENTENCES: Mapping[str, str] = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
AUDIO, DEMOGRAPHICS = "AudioWAV", "VideoDemographics.csv"
COUNTS, SUMMARY = "tabulatedVotes.csv", "summaryTable.csv"
SHOWN: Mapping[str, str] = {"1": "voice", "2": "face", "3": "both"}


@dataclass(frozen=True)
class Votes:
    """What people heard in the voices.

    Attributes:
        emotion: by utterance, the one with most votes; None where several have most.
        counts: by utterance and emotion; None where only the summary is at hand.
    """

    emotion: pd.Series
    counts: pd.DataFrame | None


def read(path: Path, *, heard: bool = False) -> Corpus:
    """The corpus in a folder, or as much of it as is there.

    Args:
        path: the folder that holds ``AudioWAV``, or one of audio files.
        heard: take what most listeners heard as the emotion; by default what was acted.
    """
    root = Path(path)
    root = root / AUDIO if (root / AUDIO).is_dir() else root
    named = grammar.read(root, read_name, example="1001_IEO_ANG_HI.wav", corpus="CREMA-D")
    table, votes = named.table, find_votes(root)
    if (people := grammar.find_beside(root, DEMOGRAPHICS)) is not None:
        _describe(table, read_demographics(people))
    if heard and votes is None:
        raise UndertoneError(
            f"what listeners heard is told by processedResults/{COUNTS}, which is neither in "
            f"{root} nor beside it: copy it there from the corpus, or read crema-d={root} for the "
            "emotions that were acted"
        )
    rated = None if votes is None else _add_votes(table, votes)
    notes = _take_what_was_heard(table) if heard else ()
    return Corpus(
        name="crema-d-voice" if heard else "crema-d",
        root=root,
        table=table,
        licence="ODbL 1.0 (the database), DbCL 1.0 (its contents)",
        citation="Cao, Cooper, Keutmann, Gur, Nenkova and Verma (2014), CREMA-D: crowd-sourced "
        "emotional multimodal actors dataset, IEEE Transactions on Affective Computing 5(4).",
        left_out=named.left_out,
        ratings=rated,
        acted=not heard,
        notes=notes,
    )


def read_name(stem: str) -> dict[str, str | None] | None:
    """What a file name without ending tells; None where it is no name of CREMA-D.

    >>> read_name("1001_IEO_ANG_HI")["emotion"], read_name("1001_IEO_ANG_HI")["level"]
    ('anger', 'high')
    """
    match = GRAMMAR.fullmatch(stem)
    if match is None:
        return None
    return {
        "speaker": match["speaker"],
        "language": "eng",
        "transcript": SENTENCES.get(match["sentence"]),
        "emotion": EMOTIONS[match["emotion"]],
        "sentence": match["sentence"],
        "level": LEVELS.get(match["level"]),
    }


def read_demographics(path: Path) -> pd.DataFrame:
    """Columns sex, age, race and ethnicity by actor."""
    cells = columns.read_cells(path).rename(columns=str.lower)
    columns.require(cells, ("actorid", "age", "sex", "race", "ethnicity"), path)
    people = columns.standardise(cells).set_index("actorid")
    people["age"] = pd.to_numeric(people["age"], errors="coerce").astype(float)
    return people[["sex", "age", "race", "ethnicity"]]


def find_votes(root: Path) -> Votes | None:
    """The votes on the voices that lie in the folder, beside it, or in ``processedResults``."""
    for name, read_table in ((COUNTS, read_counts), (SUMMARY, read_summary)):
        for place in (name, f"processedResults/{name}"):
            if (path := grammar.find_beside(root, place)) is not None:
                return read_table(path)
    return None


def read_counts(path: Path) -> Votes:
    """The votes on the voices of ``tabulatedVotes.csv``.

    Raises:
        UndertoneError: a column is missing, a row does not tell what was shown, or a count is none.
    """
    cells = columns.read_cells(path)
    columns.require(cells, ("file", *LETTERS), path)
    shown = cells.iloc[:, 0].str.strip().where(lambda text: text.str.fullmatch(r"[123]\d{5}"))
    if shown.isna().any():
        raise UndertoneError(
            f"expected row numbers of six digits in the first column of {path}, of which the first "
            f"tells what was shown ({', '.join(f'{n} {what}' for n, what in SHOWN.items())}); "
            f"found {cells.iloc[:, 0][shown.isna()].iloc[0]!r} in line "
            f"{shown.index[shown.isna()][0] + 2}"
        )
    of_voice = cells[shown.str[0].map(SHOWN) == "voice"].set_index("file")
    counts = of_voice[list(LETTERS)].apply(pd.to_numeric, errors="coerce")
    wrong = (counts.isna() | (counts < 0) | (counts % 1 != 0)).any(
        axis=1
    ) | counts.index.duplicated()
    if wrong.any():
        raise UndertoneError(
            f"expected whole numbers of votes once a file and thing shown in {path}; found "
            f"{', '.join(of_voice[list(LETTERS)][wrong].iloc[0])} for the voice of "
            f"{counts.index[wrong][0]}"
        )
    counts = counts.astype(int).rename(columns=LETTERS)
    counts.index.name = "utterance"
    return Votes(ratings.majority(counts), counts)


def read_summary(path: Path) -> Votes:
    """What most heard by ``summaryTable.csv``; ``A:D`` is a tie."""
    cells = columns.read_cells(path)
    columns.require(cells, ("file", "VoiceVote"), path)
    letters = cells.set_index("file")["VoiceVote"].str.strip()
    if odd := sorted(set(":".join(letters).split(":")) - LETTERS.keys()):
        raise UndertoneError(
            f"expected the letters {', '.join(LETTERS)} in the column VoiceVote of {path}, with : "
            f"between those of a tie; found {odd[0]!r}"
        )
    emotion = letters.map(LETTERS)
    return Votes(emotion.astype(object).where(emotion.notna(), None), None)


def _describe(table: pd.DataFrame, people: pd.DataFrame) -> None:
    for column in people:
        values = table["speaker"].map(people[column])
        table[column] = values if column == "age" else values.astype(object)


def _add_votes(table: pd.DataFrame, votes: Votes) -> pd.DataFrame | None:
    """Columns of what was heard, joined by the name of the file; an XX may be cut to X.

    Returns:
        The ratings, where the votes are counted.
    """
    names = table["utterance"].str.replace(r"_X$", "_XX", regex=True)
    table["voice_emotion"] = names.map(votes.emotion).astype(object)
    if votes.counts is None:
        return None
    counts = votes.counts.reindex(names).set_axis(table["utterance"]).dropna().astype(int)
    for column, values in ratings.shares(counts).items():
        table[column] = table["utterance"].map(values)
    return ratings.of_counts(counts)


def _take_what_was_heard(table: pd.DataFrame) -> tuple[str, ...]:
    """Exchange the emotions in place."""
    table["acted_emotion"] = table["emotion"]
    table["emotion"] = table["voice_emotion"].where(table["voice_emotion"].notna(), None)
    n_none = int(table["emotion"].isna().sum())
    return (f"{n_none} utterances have no emotion: as many listeners heard one as another.",)
