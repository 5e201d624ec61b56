"""The COVAREP frames of CMU-MOSEI, cut to its labelled segments, from ``CMU_MOSEI_COVAREP.csd``.

In:  a corpus of ``corpora.mosei`` and the file it names: 74 features every 10 ms, by video.
Out: ``FrameTable`` of ragged, never padded sequences mapped from disk, and ``Repairs``: what was
     wrong with the file and what was done about it.

A frame belongs to a segment if its centre lies in it (start <= centre < end), so that no frame
is in two segments that touch. In a file aligned to segments (identifiers ``video[k]``) all rows
of an identifier are its segment's, provided that they overlap it in time, or have no times (NaN):
another release may number the segments otherwise.

The file is read once, a video at a time, in memory that does not grow with it; the frames go into
shards as those of the frame store do, in a folder of their own that is whole or absent. They are
found again by the content of the file and the segments asked for.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from undertone import atomic, seals
from undertone.corpora import csd
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.features import shards
from undertone.features.mosei_repairs import COLUMNS, Repairs, Tally
from undertone.features.store import FrameTable, default_folder
from undertone.progress import Progress
from undertone.seals import UnsoundError

NAME = "mosei_covarep"
NAME_OF_FRAMES = "covarep"  # the extractor whose columns they have
VERSION = 2
SHARD_BYTES = 32 * 2**20  # of frames held before they are written
FINISHED = "finished"  # the file that makes an import one; it holds repairs and failures
AGAIN = "the file is read again"
NO_VIDEO = "the file has no frames of its video"
NO_FRAME = "no frame lies in its segment"
OTHER_SEGMENT = "the frames of this number lie in another segment of the video"


def read(
    corpus: Corpus, *, folder: Path | str | None = None, progress: bool = True
) -> tuple[FrameTable, Repairs]:
    """Frames of every segment; imported on the first call, found again on later ones.

    Args:
        corpus: of ``corpora.mosei.read``.
        folder: of the store; ``store.default_folder()`` by default.
        progress: whether to show it on standard error.

    Raises:
        UndertoneError: the file is not there, is no computational sequence, or holds no frame of
            any segment.
    """
    path = _file_of(corpus)
    home = Path(folder or default_folder()) / f"{NAME}-v{VERSION}-{_key(path, corpus.table)}"
    imported = _imported(home, corpus)
    if imported is None:
        _import(path, corpus.table, home, progress)
        imported = _imported(home, corpus)
    if imported is None:
        raise UndertoneError(
            f"what was just written to {home} is damaged: is the disk sound? --cache chooses "
            "another folder"
        )
    places, repairs, failures = imported
    utterances = corpus.table["utterance"]
    if not places:
        raise UndertoneError(
            f"{path} holds no frame of any of the {len(corpus)} segments; the first, "
            f"{next(iter(failures))}: {next(iter(failures.values()))}. "
            + "; ".join(repairs.lines())
        )
    table = FrameTable(
        extractor=NAME,
        version=VERSION,
        frames_per_second=max(1, round(1 / repairs.hop_s)),
        columns=COLUMNS,
        source={name: places[name] for name in utterances if name in places},
        failures=failures,
        keys={name: f"{home.name} {name}" for name in utterances if name in places},
    )
    return table, repairs


def _imported(
    home: Path, corpus: Corpus
) -> tuple[dict[str, shards.Place], Repairs, dict[str, str]] | None:
    """What an earlier import left; None where there is none, or not a whole one any more."""
    if (content := seals.read(home / FINISHED)) is None:
        return None
    try:
        report = seals.unseal(content)
    except UnsoundError as error:
        atomic.set_aside(home / FINISHED, str(error), AGAIN)
        return None
    places, failures = shards.find(home, len(COLUMNS)), report["failures"]
    lost = [u for u in corpus.table["utterance"] if u not in places and u not in failures]
    if lost:
        atomic.set_aside(home / FINISHED, f"{len(lost)} of its segments are gone", AGAIN)
        return None
    return places, Repairs.of_json(report["repairs"]), failures


def holds_frames(corpus: Corpus) -> bool:
    """Whether the corpus names a computational sequence instead of recordings."""
    return bool(corpus.table["file"].str.contains(r"\.csd(?:\.csd)?$").any())


def _file_of(corpus: Corpus) -> Path:
    files = corpus.table["file"].unique()
    if len(files) != 1 or "video" not in corpus.table:
        raise UndertoneError(f"{corpus.name} is no corpus of corpora.mosei: read it as mosei=PATH")
    path = corpus.root / files[0]
    if not path.is_file():
        raise UndertoneError(
            f"expected the frames of {corpus.name} at {path}; there is no such file. Copy the "
            "COVAREP computational sequence of the CMU Multimodal SDK there"
        )
    return path


def _key(path: Path, table: pd.DataFrame) -> str:
    segments = table[["utterance", "start_s", "end_s"]].to_csv(index=False)
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(f"{content}\n{segments}".encode()).hexdigest()[:16]


def _import(path: Path, table: pd.DataFrame, home: Path, progress: bool) -> None:
    """Fill a folder beside ``home``, then rename it."""
    partial = home.with_name(f"{home.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    try:
        tally = Tally()
        with csd.open(path) as sequence, Progress(shown=progress) as shown:
            segments = _segments(sequence, table)
            tally.compare({csd.parted(i)[0] for i in sequence.identifiers}, set(table["video"]))
            shown.add("videos of mosei", len(segments))
            writer = _Writer(partial)
            for identifier, rows in segments.items():
                for utterance, frames in _cut(sequence, identifier, rows, tally):
                    writer.add(utterance, frames)
                shown.advance("videos of mosei")
            writer.flush()
        known = tally.kept | set(tally.failures)
        tally.failures |= {name: NO_VIDEO for name in table["utterance"] if name not in known}
        repairs = asdict(tally.repairs())
        report = seals.seal({"repairs": repairs, "failures": tally.failures})
        atomic.write_text(partial / FINISHED, json.dumps(report))
        if seals.read(home / FINISHED) is None:  # else another process was faster
            if home.exists():
                atomic.set_aside(home, f"it has no {FINISHED}", AGAIN)
            partial.rename(home)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _segments(sequence: csd.Sequence, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Segments to be cut by the identifier that holds them: their own, or their video's."""
    own = table["utterance"].map(sequence.__contains__)
    identifier = table["utterance"].where(own, table["video"])
    held = table[identifier.map(sequence.__contains__)]
    return dict(iter(held.groupby(identifier[held.index], sort=False)))


def _cut(
    sequence: csd.Sequence, identifier: str, rows: pd.DataFrame, tally: "Tally"
) -> Iterator[tuple[str, np.ndarray]]:
    """Utterances of one identifier with their frames, (n_frames, 74) float32."""
    utterances = rows["utterance"].tolist()
    try:
        entry = sequence.read(identifier)
    except UndertoneError as error:
        tally.fail(utterances, str(error))
        return
    n_rows, width = entry.features.shape
    if width != len(COLUMNS):
        tally.n_other_width[str(width)] += n_rows
        tally.fail(utterances, f"its video has {width} features instead of {len(COLUMNS)}")
        return
    centres_s = entry.intervals_s.mean(axis=1)
    if n_rows > 1 and (hop_s := float(np.median(np.diff(np.sort(centres_s))))) > 0:  # not NaN
        tally.hops_s.append(hop_s)
    aligned = csd.parted(identifier)[1] is not None
    inside = np.zeros(n_rows, dtype=bool)
    for name, start_s, end_s in rows[["utterance", "start_s", "end_s"]].itertuples(index=False):
        chosen = (start_s <= centres_s) & (centres_s < end_s)
        if aligned and (chosen.any() or np.isnan(centres_s).all()):
            chosen[:] = True
        if not chosen.any():
            tally.fail([name], OTHER_SEGMENT if aligned and n_rows else NO_FRAME)
            continue
        inside |= chosen
        in_time = np.flatnonzero(chosen)[np.argsort(centres_s[chosen], kind="stable")]
        yield name, tally.repair(name, entry.features[in_time])
    tally.n_frames_outside += int((~inside).sum())


class _Writer:
    """Frames into shards of a bounded size."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._held, self._bytes = folder, dict[str, np.ndarray](), 0

    def add(self, utterance: str, frames: np.ndarray) -> None:
        self._held[utterance] = frames
        self._bytes += frames.nbytes
        if self._bytes >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._held:
            shards.write(self._folder, self._held)
        self._held, self._bytes = {}, 0
