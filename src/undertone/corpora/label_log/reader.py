"""The corpus that a log labels.

In:  a log of labels, and the utterances that lie beside it, in the folder that ``kept_of`` names:
     they are the unlabelled rest of the corpus, and hold labels that were there before.
Out: ``Corpus``: a row an utterance, the shares of its emotions and the ratings.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import pandas as pd

from undertone.corpora import csv, ratings
from undertone.corpora.corpus import Corpus
from undertone.corpora.label_log.log import (
    DIMENSIONS,
    EMOTION,
    NOT_SPEECH,
    SCALE,
    Label,
    Log,
    load,
)
from undertone.errors import UndertoneError

GIVEN = "corpus"  # the rater of labels that were there before
CLIPS = "clips.json"
ASSUMED = "each_recording_a_speaker"  # in it: somebody said that every recording is another person
AS_YOU_SAID = "Every recording counts as another person, as whoever labelled it said"
IF_SO = "The score holds if every recording is another person, as whoever labelled it said."
FACTS = ("utterance", "file", "start_s", "end_s", "speaker", "sex", "language", "transcript")


def kept_of(log: Path) -> Path:
    """The folder beside a log with what is computed of it; it may be deleted."""
    return log.with_name(f"{log.stem}.kept")


def read(path: Path, *, name: str | None = None) -> Corpus:
    """The corpus that a log labels.

    Args:
        path: of the log.
        name: of the corpus; the log's own by default.

    Raises:
        UndertoneError: the log cannot be read, or none of its recordings is there.
    """
    path = Path(path)
    return corpus_of(load(path), path, name=name)


def corpus_of(log: Log, path: Path, *, name: str | None = None) -> Corpus:
    """The same of a log that was read."""
    clips, labels = known_clips(path), log.in_force()
    given = [one for one in map(given_label, clips) if one is not None]
    rows = {str(clip["utterance"]): {key: clip.get(key) for key in FACTS} for clip in clips}
    for label in labels:
        rows.setdefault(label.utterance, {"utterance": label.utterance, **_facts(label.heard)})
    if not rows:
        raise UndertoneError(
            f"{path} holds no label yet: `undertone label --corpus NAME=PATH --log {path}` opens "
            "the page"
        )
    everyone = [*given, *labels]
    cells = _cells(rows, everyone)
    assumed = [f"{AS_YOU_SAID}."] if speakers_assumed(path) else []
    corpus = csv.from_cells(cells, path, name=name or path.stem, notes=[*log.told(), *assumed])
    known = corpus.table["utterance"]
    told = replace(
        corpus,
        ratings=_ratings([one for one in everyone if one.shares]),
        soft=True,
        assumed=IF_SO if assumed else "",
        if_nobody=name_speakers(path),
        scale=SCALE if set(DIMENSIONS) & set(cells) else None,
    )
    said = _not_speech(everyone)
    return told.drop({u: "its raters heard no speech" for u in said & set(known)})


def given_label(clip: Mapping[str, Any]) -> Label | None:
    """What a clip's own corpus says of it; None where it says nothing."""
    if not clip.get("emotion"):
        return None
    utterance = str(clip["utterance"])
    shares = clip.get("shares") or {str(clip["emotion"]): 1.0}
    return Label(f"{GIVEN} {utterance}", GIVEN, "", utterance, clip, EMOTION, dict(shares))


def name_speakers(path: Path) -> str:
    """What to do where a log knows no speaker."""
    log = quote(str(path))
    return (
        "write who speaks into the table that it was begun with, or into metadata.csv (columns "
        "file and speaker) in the folder of its recordings, and start `undertone label --log "
        f"{log} --corpus PATH` again; where each recording is another person, start `undertone "
        f"label --log {log} --each-recording-a-speaker`. All labels stay"
    )


def speakers_assumed(path: Path) -> bool:
    """Whether somebody said that every recording of a log is another person."""
    return _kept(path).get(ASSUMED) is True


def known_clips(path: Path) -> list[dict[str, Any]]:
    """The utterances that lie beside a log; none where nothing was kept, or it is damaged."""
    try:
        clips = _kept(path)["clips"]
        return [clip for clip in clips if isinstance(clip.get("utterance"), str)]
    except (KeyError, TypeError, AttributeError):
        return []


def _kept(path: Path) -> dict[str, Any]:
    """What was kept of the clips; nothing where it is damaged."""
    try:
        kept = json.loads((kept_of(path) / CLIPS).read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def all_labels(log: Log, path: Path) -> list[Label]:
    """Those that the utterances' own corpus says, and those in force."""
    given = (given_label(clip) for clip in known_clips(path))
    return [*(one for one in given if one is not None), *log.in_force()]


def n_with_emotion(labels: Iterable[Label]) -> int:
    """Utterances that somebody says an emotion of."""
    return len({label.utterance for label in labels if label.shares})


def digest_of(labels: Iterable[Label]) -> str:
    """Of what a model would learn from labels: who heard what, in whatever order."""
    said = sorted(
        [one.utterance, one.rater, one.answer, *map(list, sorted(one.shares.items()))]
        for one in labels
        if one.shares or one.answer == NOT_SPEECH
    )
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _facts(heard: Mapping[str, Any]) -> dict[str, Any]:
    return {key: heard.get(key) for key in FACTS[1:]}


def _cells(rows: Mapping[str, dict[str, Any]], labels: Sequence[Label]) -> pd.DataFrame:
    """A table of text, as one would be written by hand: a row an utterance."""
    shares = mean_of(labels, lambda label: label.shares, 0.0)
    amounts = mean_of(labels, lambda label: label.amounts, None)
    emotions = sorted({emotion for of_one in shares.values() for emotion in of_one})
    table = pd.DataFrame(
        {
            **{key: [_text(row.get(key)) for row in rows.values()] for key in FACTS},
            **{
                f"{ratings.SHARE}{emotion}": [
                    str(shares[name].get(emotion, 0.0)) if name in shares else "" for name in rows
                ]
                for emotion in emotions
            },
            **{
                key: [_text(amounts.get(name, {}).get(key)) for name in rows]
                for key in DIMENSIONS
                if any(key in one for one in amounts.values())
            },
        },
        dtype=object,
    )
    return table if emotions else table.assign(emotion="")


def mean_of(
    labels: Iterable[Label], values: Callable[[Label], Mapping[str, float]], absent: float | None
) -> dict[str, dict[str, float]]:
    """By utterance the mean over its raters.

    Args:
        labels: of any raters.
        values: of a label; raters without any do not count.
        absent: what a value is that a rater with others does not name; None where it is not known.
    """
    told: dict[str, dict[str, list[float]]] = {}
    n_raters: dict[str, int] = {}
    for label in labels:
        if own := values(label):
            n_raters[label.utterance] = n_raters.get(label.utterance, 0) + 1
            of_utterance = told.setdefault(label.utterance, {})
            for key, value in own.items():
                of_utterance.setdefault(key, []).append(value)
    return {
        utterance: {
            key: (sum(named) + (absent or 0.0) * (n_raters[utterance] - len(named)))
            / (len(named) if absent is None else n_raters[utterance])
            for key, named in by_key.items()
        }
        for utterance, by_key in told.items()
    }


def _text(value: object) -> str:
    """A cell; empty where nothing is known."""
    missing = value is None or value == "" or (isinstance(value, float) and value != value)
    return "" if missing else str(value)


def _ratings(labels: Sequence[Label]) -> pd.DataFrame | None:
    """A row an emotion that a rater named first; None where nobody labelled."""
    if not labels:
        return None
    return ratings.compact(
        pd.DataFrame(
            {
                "utterance": [one.utterance for one in labels],
                "rater": [one.rater for one in labels],
                "emotion": [one.emotion for one in labels],
            }
        )
    )


def _not_speech(labels: Iterable[Label]) -> set[str]:
    """Utterances in which at least as many raters heard no speech as heard an emotion."""
    votes: dict[str, int] = {}
    for label in labels:
        by_answer = {NOT_SPEECH: 1, EMOTION: -1}
        votes[label.utterance] = votes.get(label.utterance, 0) + by_answer.get(label.answer, 0)
    heard = {label.utterance for label in labels if label.answer == NOT_SPEECH}
    return {utterance for utterance in heard if votes[utterance] >= 0}


def file_as_seen_from(folder: Path, file: Path) -> str:
    """A path as a log tells it: relative to its folder where it lies below, else whole."""
    file, folder = Path(os.path.abspath(file)), Path(os.path.abspath(folder))
    return file.relative_to(folder).as_posix() if folder in file.parents else file.as_posix()
