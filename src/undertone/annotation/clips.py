"""What can be heard: the utterances of a corpus, long recordings as stretches of speech.

In:  a corpus, the emotions that are asked for, the folder beside the log.
Out: ``Clips``: one ``Clip`` an utterance or stretch, and what was left out; kept beside the log, so
     that the next start is quick and the log is a corpus of its own.

What lasts longer than ``LONG_S`` is cut where nobody speaks, by the detector of the timeline, and a
stretch of more than ``MOST_S`` into equal parts. Labels that the corpus has count where they are
among the emotions; clips with other labels are left out, and counted.
"""

import contextlib
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from undertone import atomic
from undertone.audio import SAMPLE_RATE, files
from undertone.audio.streaming import read_parts
from undertone.corpora.corpus import Corpus, knows
from undertone.corpora.label_log.reader import ASSUMED, CLIPS, FOLDERS, file_as_seen_from, kept_of
from undertone.corpora.ratings import SHARE
from undertone.errors import UndertoneError, as_path, describe_some, printable
from undertone.features import speech
from undertone.progress import Progress

LONG_S = 20.0  # what lasts longer is cut
MOST_S = 10.0  # of a stretch
STRETCHES = "stretches.json"
VERSION = 1  # raised whenever other clips come out


@dataclass(frozen=True)
class Clip:
    """What is heard at once.

    Attributes:
        utterance: its name.
        file: whole path.
        start_s: of the segment; None for the beginning.
        end_s: of the segment; None for the end.
        speaker: who; None where nobody knows.
        facts: a row of ``clips.json``.
    """

    utterance: str
    file: Path
    start_s: float | None
    end_s: float | None
    speaker: str | None
    facts: Mapping[str, Any]

    @property
    def emotion(self) -> str | None:
        """What the corpus says."""
        return self.facts.get("emotion")


@dataclass(frozen=True)
class Clips:
    """All that can be heard, and what cannot, in sentences."""

    clips: tuple[Clip, ...]
    told: tuple[str, ...] = ()
    a_speaker_each: bool = False  # somebody said that every recording is another person
    folders_speak: bool = False  # somebody said that every folder holds one person

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Clip:
        return self.clips[index]

    @property
    def speakers(self) -> list[str | None]:
        """Who speaks, a clip each."""
        return [clip.speaker for clip in self.clips]

    @property
    def n_speakers(self) -> int:
        """That are known."""
        return len({who for who in self.speakers if who is not None})


def clips_of(
    corpus: Corpus,
    log: Path,
    *,
    emotions: Sequence[str],
    detector: str = "auto",
    a_speaker_each: bool = False,
    folders_speak: bool = False,
    progress: bool = False,
) -> Clips:
    """The clips of a corpus; ``keep`` writes them beside its log.

    Args:
        corpus: opened.
        log: of its labels.
        emotions: that are asked for.
        detector: of speech, in long recordings.
        a_speaker_each: whether each recording without a speaker is one of its own.
        folders_speak: whether a recording without a speaker is of the one that its folder is of.
        progress: whether to show it.

    Raises:
        UndertoneError: nothing can be heard.
    """
    kept, told = kept_of(log), list(corpus.told())
    rows, others = _asked_for(corpus.table, emotions)
    if others:
        words = ", ".join(f"{n} {printable(name)}" for name, n in others.most_common(6))
        told.append(f"{others.total()} utterances have other labels than --emotions: {words}")
    cut = _Cutter(kept / STRETCHES, speech.chosen(detector))
    found: list[dict[str, Any]] = []
    with Progress(shown=progress) as shown:
        shown.add("recordings looked at", len(rows))
        for row in _records(rows):
            own = _facts_of(row, corpus.root, log.parent)
            if folders_speak:
                own["speaker"] = own["speaker"] or folder_of(row["file"])
            found += _parts_of(own, log.parent, cut)
            shown.advance("recordings looked at")
    told += cut.told()
    if not found:
        raise UndertoneError(
            f"nothing of {corpus.name} can be heard: {'; '.join(told) or 'it is empty'}"
        )
    clips = Clips(
        tuple(clip_of(facts, log.parent) for facts in found),
        tuple(told),
        folders_speak=folders_speak,
    )
    if folders_speak:
        clips = replace(clips, told=(*clips.told, _told_of_folders(clips, corpus)))
    return by_recording(clips) if a_speaker_each else clips


def folder_of(file: str) -> str | None:
    """The folder of a corpus that a file lies in, the first below its root; None in the root."""
    first, _, rest = file.partition("/")
    return first if rest and first else None


def _told_of_folders(clips: Clips, corpus: Corpus) -> str:
    """Who speaks by the folders.

    Raises:
        UndertoneError: they tell no two speakers.
    """
    names = sorted({name for name in clips.speakers if name is not None})
    if len(names) < 2:
        raise UndertoneError(
            f"--each-folder-a-speaker: expected recordings in {corpus.root}/SPEAKER/, of two "
            f"speakers or more; found {len(names)}"
        )
    return (
        f"Every folder counts as one speaker, as you said: {len(names)} speakers, "
        f"{describe_some(map(printable, names))}"
    )


def by_recording(clips: Clips) -> Clips:
    """The same where every recording is another person; speakers that are known stay."""
    own = [
        clip if clip.speaker is not None else _spoken_by(clip, str(clip.facts["file"]))
        for clip in clips.clips
    ]
    assumed = clips.a_speaker_each or None in clips.speakers
    return replace(clips, clips=tuple(own), a_speaker_each=assumed)


def _spoken_by(clip: Clip, speaker: str) -> Clip:
    return replace(clip, speaker=speaker, facts={**clip.facts, "speaker": speaker})


def clip_of(facts: Mapping[str, Any], folder: Path) -> Clip:
    """A clip of its row; ``folder`` is where its path starts."""
    return Clip(
        str(facts["utterance"]),
        folder / as_path(str(facts["file"])),
        facts["start_s"],
        facts["end_s"],
        facts["speaker"],
        facts,
    )


def _asked_for(table: pd.DataFrame, emotions: Sequence[str]) -> tuple[pd.DataFrame, Counter[str]]:
    """The rows that may be asked for, and how many have which other label."""
    if "emotion" not in table:
        return table, Counter()
    other = table["emotion"].notna() & ~table["emotion"].isin(list(emotions))
    return table[~other], Counter(table["emotion"][other])


def keep(clips: Clips, log: Path) -> None:
    """Write the clips beside a log: its corpus is then known without the one it was made of."""
    facts = [clip.facts for clip in clips.clips]
    atomic.write_text(
        kept_of(log) / CLIPS,
        json.dumps(
            {ASSUMED: clips.a_speaker_each, FOLDERS: clips.folders_speak, "clips": facts}, indent=0
        ),
    )


def _records(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for record in rows.to_dict("records"):
        yield {str(name): value for name, value in record.items()}


def _facts_of(row: Mapping[str, Any], root: Path, folder: Path) -> dict[str, Any]:
    """A row of ``clips.json``; ``folder`` is where its path starts."""
    return {
        "utterance": row["utterance"],
        "file": file_as_seen_from(folder, Path(root) / as_path(row["file"])),
        "start_s": _or_none(row["start_s"]),
        "end_s": _or_none(row["end_s"]),
        "speaker": _known(row["speaker"]),
        **{name: row[name] for name in ("sex", "language", "transcript")},
        **_labels_of(row),
    }


def _parts_of(own: dict[str, Any], folder: Path, cut: "_Cutter") -> Iterator[dict[str, Any]]:
    """An utterance, or its stretches of speech where it is long and has no label."""
    path = folder / as_path(own["file"])
    stretches = [] if own.get("emotion") else cut.stretches(path, own["start_s"], own["end_s"])
    if stretches is None:
        return
    if not stretches:
        yield own
    for start_s, end_s in stretches:
        name = f"{own['utterance']}@{start_s:.3f}-{end_s:.3f}"
        yield {**own, "utterance": name, "start_s": start_s, "end_s": end_s, "transcript": None}


def _labels_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the corpus says, if it says something."""
    if not row.get("emotion"):
        return {}
    shares = {
        name.removeprefix(SHARE): float(value)
        for name, value in row.items()
        if str(name).startswith(SHARE) and value == value and value
    }
    return {"emotion": row["emotion"], **({"shares": shares} if shares else {})}


def _known(speaker: str | None) -> str | None:
    return speaker if knows(speaker) else None


def _or_none(seconds: float) -> float | None:
    return None if math.isnan(seconds) else float(seconds)


class _Cutter:
    """Stretches of speech in long recordings, each found once."""

    def __init__(self, path: Path, detector: str) -> None:
        self._path, self._detector = path, detector
        self._known = _read_known(path)
        self._n_cut, self._silent, self._broken = 0, list[str](), list[str]()

    def stretches(
        self, path: Path, start_s: float | None, end_s: float | None
    ) -> list[tuple[float, float]] | None:
        """Of what is long; an empty list of what is short, None where nobody speaks."""
        lasts_s = _lasts_s(path, start_s, end_s)
        if lasts_s is None or lasts_s <= LONG_S:
            return []
        key = self._key(path, start_s, end_s)
        if key not in self._known:
            try:
                self._known[key] = self._find(path, start_s, end_s)
            except UndertoneError as error:
                self._broken.append(str(error))
                return None
            atomic.write_text(self._path, json.dumps(self._known))
        self._n_cut += 1
        if not self._known[key]:
            self._silent.append(path.name)
            return None
        return [(a, b) for a, b in self._known[key]]

    def told(self) -> Iterator[str]:
        """What was cut, and where nobody speaks."""
        if self._n_cut:
            yield f"{self._n_cut} long recordings are heard as stretches of speech"
        if self._silent:
            yield f"nobody speaks in {describe_some(map(printable, self._silent))}: left out"
        if self._broken:
            yield f"{len(self._broken)} recordings cannot be used: {describe_some(self._broken, 2)}"

    def _key(self, path: Path, start_s: float | None, end_s: float | None) -> str:
        """What names a recording as it is on the disk."""
        with contextlib.suppress(OSError):
            status = path.stat()
            facts = [str(path), status.st_size, status.st_mtime_ns, start_s, end_s, self._detector]
            text = json.dumps([*facts, VERSION, LONG_S, MOST_S])
            return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:24]
        return str(path)

    def _find(
        self, path: Path, start_s: float | None, end_s: float | None
    ) -> list[tuple[float, float]]:
        begin = start_s or 0.0
        parts = read_parts(path, start_s=begin, end_s=end_s)
        blocks = (
            np.zeros(round(part.lasts_s * SAMPLE_RATE), np.float32)
            if part.waveform is None
            else part.waveform
            for part in parts
        )
        found = speech.find_speech(blocks, self._detector)
        return [
            (round(begin + a, 3), round(begin + b, 3))
            for stretch in found
            for a, b in equal_parts(stretch.start_s, stretch.end_s)
        ]


def equal_parts(start_s: float, end_s: float) -> list[tuple[float, float]]:
    """A stretch in as few equal parts as are no longer than ``MOST_S``.

    >>> equal_parts(0.0, 25.0)[:2]
    [(0.0, 8.333333333333334), (8.333333333333334, 16.666666666666668)]
    """
    n = max(1, math.ceil((end_s - start_s) / MOST_S - 1e-9))
    step = (end_s - start_s) / n
    return [(start_s + i * step, start_s + (i + 1) * step) for i in range(n)]


def _lasts_s(path: Path, start_s: float | None, end_s: float | None) -> float | None:
    """Seconds, as the header tells them; None where nobody knows before it is decoded."""
    begin = start_s or 0.0
    if end_s is not None:
        return end_s - begin
    try:
        with contextlib.closing(files.open_sound(path)) as sound:
            return None if sound.n_frames is None else sound.n_frames / sound.rate - begin
    except (UndertoneError, OSError):
        return None


def _read_known(path: Path) -> dict[str, list[tuple[float, float]]]:
    try:
        known = json.loads(path.read_bytes())
        return {str(k): [(float(a), float(b)) for a, b in v] for k, v in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
