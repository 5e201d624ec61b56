"""What is exchanged: labels of utterances, whoever gave them, on their way in and out.

In:  a log, to be exported; ``Row`` of somebody else's labels, to be imported.
Out: ``Exported``, an utterance each; lines of the log.

What comes in is matched with the clips: by the name of the utterance, else by file and segment,
else by the name of the file alone where only one clip has it. What matches nothing is counted, and
so is what one rater says in two ways. The id of a line is made of what it says, so that the same
import twice changes nothing.
"""

import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from undertone.annotation.clips import Clip, clip_of
from undertone.corpora.label_log.log import EMOTION, NOT_SPEECH, Label, Log
from undertone.corpora.label_log.reader import given_label, known_clips, mean_of
from undertone.errors import UndertoneError, as_path, describe_some, printable

IMPORTED = "imported"  # the rater of labels that name none
ROUNDED_S = 0.02  # within which two segments are the same


@dataclass(frozen=True)
class Exported:
    """An utterance with what its raters said.

    Attributes:
        clip: where it is.
        labels: of each rater.
        shares: by emotion, the mean of the raters.
        amounts: the same.
    """

    clip: Clip
    labels: Sequence[Label]
    shares: Mapping[str, float]
    amounts: Mapping[str, float]

    @property
    def emotion(self) -> str:
        """The one with the largest share; "" where two are ahead together, or none was heard."""
        if not self.shares:
            return ""
        most = max(self.shares.values())
        ahead = [name for name, share in self.shares.items() if share > most - 1e-6]
        return ahead[0] if len(ahead) == 1 else ""


@dataclass(frozen=True)
class Row:
    """A label of somebody else's.

    Attributes:
        file: as it stands there.
        place: where that is, if it is a path.
        start_s: of the segment; None for the beginning.
        end_s: of the segment; None for the end.
        utterance: its name; "" where there is none.
        rater: who; "" where nobody is named.
        shares: by emotion.
        amounts: of arousal and valence.
        answer: as in the log; "" where none was given.
    """

    file: str
    place: Path | None = None
    start_s: float | None = None
    end_s: float | None = None
    utterance: str = ""
    rater: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)
    amounts: Mapping[str, float] = field(default_factory=dict)
    answer: str = EMOTION


def exported(log: Log, path: Path) -> list[Exported]:
    """All utterances that somebody answered, in the order of the clips.

    Raises:
        UndertoneError: there is none.
    """
    labels: dict[str, list[Label]] = {}
    clips = {clip["utterance"]: clip_of(clip, path.parent) for clip in known_clips(path)}
    given = [one for one in (given_label(clip.facts) for clip in clips.values()) if one]
    everyone = [*given, *log.in_force()]
    for label in everyone:
        labels.setdefault(label.utterance, []).append(label)
        if label.utterance not in clips:
            clips[label.utterance] = clip_of(_facts_of(label), path.parent)
    shares = mean_of(everyone, lambda label: label.shares, 0.0)
    amounts = mean_of(everyone, lambda label: label.amounts, None)
    if not labels:
        raise UndertoneError(f"{path} holds no label to export yet")
    return [
        Exported(clip, labels[name], shares.get(name, {}), amounts.get(name, {}))
        for name, clip in clips.items()
        if name in labels
    ]


def _facts_of(label: Label) -> dict[str, Any]:
    facts = {name: None for name in ("start_s", "end_s", "speaker", "sex", "language")}
    return {**facts, **label.heard, "utterance": label.utterance}


def emotions_of(rows: Iterable[Exported]) -> list[str]:
    """All that somebody named, in alphabetical order."""
    return sorted({name for row in rows for name in row.shares})


def is_speech(row: Exported) -> bool:
    """Whether more raters heard an emotion than heard no speech."""
    votes = [label.answer for label in row.labels]
    return votes.count(NOT_SPEECH) == 0 or votes.count(EMOTION) > votes.count(NOT_SPEECH)


def matched(
    rows: Sequence[Row], clips: Sequence[Clip], *, emotions: Sequence[str], at: str, source: str
) -> tuple[list[Label], list[str]]:
    """Labels of the log from rows of somebody else's, and what is to be said of the others.

    Args:
        rows: to be imported.
        clips: of the log.
        emotions: that are asked for; others are passed over and counted.
        at: when.
        source: what they are read from, for the lines of the log.

    Raises:
        UndertoneError: no row holds a label.
    """
    index, labels = _Index(clips), list[Label]()
    lost: list[str] = []
    strange: dict[str, int] = {}
    answered = _with_answers(rows, source)
    for row in answered:
        clip = index.find(row)
        if clip is None:
            lost.append(row.utterance or row.file)
        elif odd := sorted(set(row.shares) - set(emotions)):
            strange[odd[0]] = strange.get(odd[0], 0) + 1
        else:
            labels.append(_label(row, clip, at, source))
    told = []
    if lost:
        named = describe_some(map(printable, lost))
        told.append(f"{len(lost)} labels are of no clip of this log, and were passed over: {named}")
    if strange:
        named = ", ".join(f"{n} {printable(name)}" for name, n in strange.items())
        told.append(f"labels with emotions that are not asked for were passed over: {named}")
    if n_without := len(rows) - len(answered):
        told.append(f"{n_without} rows without an emotion were passed over")
    return labels, [*told, *_answered_twice(labels)]


def _with_answers(rows: Sequence[Row], source: str) -> list[Row]:
    answered = [row for row in rows if row.answer]
    if not answered:
        raise UndertoneError(
            f"{source} holds no label: it has {len(rows)} rows, and none says an emotion. Fill in "
            "the column emotion, and import it again"
        )
    return answered


def _answered_twice(labels: Sequence[Label]) -> list[str]:
    """What is to be said of clips of which one rater says two things."""
    last = {(one.rater, one.utterance): _content(one) for one in labels}
    changed = {
        one.utterance: None for one in labels if _content(one) != last[one.rater, one.utterance]
    }
    if not changed:
        return []
    return [
        f"{len(changed)} clips have several answers of one rater, of which the last counts: "
        f"{describe_some(map(printable, changed))}. A column rater tells raters apart"
    ]


def not_said_yet(labels: Iterable[Label], log: Log) -> list[Label]:
    """Labels that say something else than what their raters say in the log already."""
    said = {(one.rater, one.utterance): _content(one) for one in log.in_force()}
    return [one for one in labels if said.get((one.rater, one.utterance)) != _content(one)]


def _content(label: Label) -> tuple[Any, ...]:
    shares = {name: round(share, 5) for name, share in label.shares.items() if share}
    return label.answer, shares, dict(label.amounts)


def _label(row: Row, clip: Clip, at: str, source: str) -> Label:
    said = [row.rater, clip.utterance, row.answer, sorted(row.shares.items())]
    said.append(sorted(row.amounts.items()))
    names = ("file", "start_s", "end_s", "speaker", "sex", "language", "transcript")
    return Label(
        str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(said))),
        rater=row.rater or IMPORTED,
        at=at,
        utterance=clip.utterance,
        heard={name: clip.facts[name] for name in names if clip.facts.get(name) is not None},
        answer=row.answer,
        shares=row.shares,
        amounts=row.amounts,
        shown={"imported": source},
    )


class _Index:
    """Clips by where they are and what they are called."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._by_name = {clip.utterance: clip for clip in clips}
        self._by_place: dict[str, list[Clip]] = {}
        self._by_file: dict[str, list[Clip]] = {}
        for clip in clips:
            self._by_place.setdefault(os.path.realpath(clip.file), []).append(clip)
            self._by_file.setdefault(clip.file.name, []).append(clip)

    def find(self, row: Row) -> Clip | None:
        if row.utterance in self._by_name:
            return self._by_name[row.utterance]
        if row.place is not None:
            here = self._by_place.get(os.path.realpath(row.place), [])
            if (found := _of_segment(here, row)) is not None:
                return found
        name = PurePosixPath(as_path(row.file).replace("\\", "/")).name
        alike = self._by_file.get(name, [])
        one_file = len({clip.file for clip in alike}) == 1
        return _of_segment(alike, row) if one_file else None


def _of_segment(clips: Sequence[Clip], row: Row) -> Clip | None:
    """The clip of the same segment; the only one where the row names none."""
    if row.start_s is None and row.end_s is None:
        whole = [clip for clip in clips if clip.start_s is None and clip.end_s is None]
        return (whole or list(clips))[0] if len(whole or clips) == 1 else None
    near = [clip for clip in clips if _same(clip.start_s, row.start_s) and _ends(clip, row)]
    return near[0] if len(near) == 1 else None


def _same(one: float | None, other: float | None) -> bool:
    return abs((one or 0.0) - (other or 0.0)) <= ROUNDED_S


def _ends(clip: Clip, row: Row) -> bool:
    return clip.end_s is None or row.end_s is None or _same(clip.end_s, row.end_s)
