"""Frames of a corpus, computed once: the cache and the table that reads it.

In:  a corpus and the name of an extractor.
Out: ``FrameTable``: frames by utterance, mapped from disk, and the reasons where there are none.

What was computed is found again by the bytes of the audio file, the segment, and the extractor
with its version and settings; never by a name, a place or a date. See
``docs/decisions/0004-cache-key.md``.
"""

import functools
import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from undertone import audio
from undertone.audio import digests
from undertone.config import cache_folder
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError, as_path, printable, tell
from undertone.features import extractors, shards, stacks, vectors
from undertone.features.altered import VERSION as ALTERATIONS
from undertone.features.extractors import Extractor
from undertone.features.name import FeatureName, parse
from undertone.features.workers import Recording, compute, fill
from undertone.processes import how_many
from undertone.progress import Progress

MANY_FILES = 500  # more than can be read while nobody waits
Source: TypeAlias = shards.Place | np.ndarray | vectors.Unkept


@dataclass(frozen=True, eq=False)
class FrameTable:
    """Frames by utterance; cheap to send to another process.

    Attributes:
        extractor: its name, as in ``features.name``.
        version: of the extractor.
        frames_per_second: of the frames.
        columns: names of the features.
        source: by utterance, in the order of the corpus: where the frames lie, or the frames, or
            what is told of frames that were not kept.
        keys: by utterance: names its audio, segment and extractor, so that a change is seen.
        failures: the reason by utterance that has no frames.
        means: by utterance, where the vectors of an encoder's layers lie (``vectors``).
    """

    extractor: str
    version: int
    frames_per_second: float
    columns: tuple[str, ...]
    source: Mapping[str, Source]
    failures: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    means: Mapping[str, shards.Place] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def utterances(self) -> tuple[str, ...]:
        """Those that have frames, in the order of the corpus."""
        return tuple(self.source)

    @functools.cached_property
    def lengths(self) -> dict[str, int]:
        """Number of frames by utterance."""
        return {
            utterance: len(place) if isinstance(place, np.ndarray) else place.n_frames
            for utterance, place in self.source.items()
        }

    @functools.cached_property
    def contents(self) -> dict[str, str]:
        """By utterance what tells whether two are one recording: some of its frames, and how many.

        Files of other bytes may hold the same samples: with another header, or in another format.
        Frames that do not change, as those of silence, and frames that a corpus brings tell nothing
        of a recording; its key stands in their place.
        """
        return {
            utterance: _looked_at(place) or self.keys.get(utterance, utterance)
            for utterance, place in self.source.items()
        }

    def frames(self, utterance: str) -> np.ndarray:
        """Return (n_frames, n_features) float32, read-only where it is mapped from disk.

        What is stored in half precision is converted.
        """
        if utterance not in self.source:
            reason = self.failures.get(utterance, "it is not in this table")
            raise UndertoneError(
                f"utterance {utterance!r} has no {self.extractor} frames: {reason}"
            )
        place = self.source[utterance]
        if isinstance(place, vectors.Unkept):
            raise UndertoneError(
                f"of {utterance!r} the store keeps means over time of {self.extractor} and no "
                "frames: read them with `undertone.extract(corpus, features, frames=True)`"
            )
        frames = place if isinstance(place, np.ndarray) else shards.read(place)
        return frames.astype(np.float32) if frames.dtype == np.float16 else frames

    def with_others(self, others: Mapping[str, "FrameTable"]) -> "FrameTable":
        """The same with the utterances of other tables of this extractor, each behind a prefix."""
        source, keys, means = dict(self.source), dict(self.keys), dict(self.means)
        for prefix, table in others.items():
            assert table.columns == self.columns, "frames of one extractor"
            source |= {f"{prefix}{name}": place for name, place in table.source.items()}
            keys |= {f"{prefix}{name}": key for name, key in table.keys.items()}
            means |= {f"{prefix}{name}": place for name, place in table.means.items()}
        return replace(self, source=source, keys=keys, means=means)


def _looked_at(place: Source) -> str:
    """The digest of frames that lie evenly in a recording; empty where they tell nothing."""
    if isinstance(place, vectors.Unkept):
        return place.content
    if isinstance(place, np.ndarray) or place.n_frames == 0:
        return ""
    return vectors.looked_at(shards.read(replace(place, n_layers=1)))


def extract(
    corpus: Corpus,
    extractor: str | FeatureName,
    *,
    folder: Path | str | None = None,
    workers: int | None = None,
    progress: bool = True,
    altered: str = "",
    frames: bool = True,
    verify: bool = False,
) -> FrameTable:
    """Compute the frames that are missing, and return all of them.

    Args:
        corpus: whose utterances are read.
        extractor: its name, as in ``features.name``.
        folder: of the store; ``default_folder()`` by default.
        workers: processes; by default as ``processes.how_many`` says.
        progress: whether to show it on standard error.
        altered: a row of ``features.altered``; recordings as they are by default.
        frames: whether an encoder's frames are kept, or means over time of its layers alone.
        verify: whether every audio file is read, also one that nothing speaks of a change of.

    Raises:
        UndertoneError: nothing could be read, the folder cannot be written, or the disk is full.
    """
    extractor = parse(extractor)
    chosen, folder = extractors.get(extractor), Path(folder or default_folder())
    home = folder / _home_name(extractor, chosen)
    recordings = {
        name: replace(recording, altered=altered)
        for name, recording in recordings_of(corpus).items()
    }
    with Progress(shown=progress) as shown:
        told = corpus.name if verify else ""
        keys, unreadable = keys_of(recordings, shown, folder=folder, verify=told)
        by_key = {key: recordings[u] for u, key in keys.items()}
        known, stored = _find(home, chosen, by_key, frames=frames)
        missing = {key: recording for key, recording in by_key.items() if key not in known}
        failed = {}
        if missing:
            name = f"{extractor} of {corpus.name}" + f", {altered}" * bool(altered)
            shown.add(name, len(by_key), len(by_key) - len(missing))
            failed = fill(
                home,
                by_key,
                chosen,
                missing=missing.keys(),
                workers=1 if chosen.in_this_process else how_many(workers),
                advance=lambda count: shown.advance(name, count),
                stored=stored,
            )
            known, stored = _find(home, chosen, by_key, frames=frames)
            _check_none_lost(home, by_key.keys() - known.keys() - failed.keys())
    failures = {
        utterance: printable(
            unreadable.get(recording.path)
            or failed[key := keys[utterance]].replace(str(missing[key].path), str(recording.path))
        )
        for utterance, recording in recordings.items()
        if keys.get(utterance) not in known
    }
    there = {u: key for u, key in keys.items() if key in known}
    _check_some_worked(corpus, failures)
    return FrameTable(
        extractor=str(extractor),
        version=chosen.version,
        frames_per_second=chosen.frames_per_second,
        columns=chosen.columns,
        source={u: known[key] for u, key in there.items()},
        failures=failures,
        keys={u: f"{home.name} {key}" for u, key in there.items()},
        means={} if stored is None else {u: stored.means[key] for u, key in there.items()},
    )


def extract_file(
    path: Path | str,
    extractor: str | FeatureName,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the frames of one recording, without the store.

    Returns:
        (n_frames, n_features) frames and (n_frames,) their centres in seconds from ``start_s``.
    """
    chosen = extractors.get(extractor)
    frames = compute(Recording(Path(path), start_s, end_s), chosen)
    return frames, chosen.times_s(len(frames))


def default_folder() -> Path:
    """``frames`` in the package's folder of caches."""
    return cache_folder() / "frames"


def recordings_of(corpus: Corpus) -> dict[str, Recording]:
    """Where the audio of each utterance is."""
    columns = (corpus.table[name] for name in ("utterance", "file", "start_s", "end_s"))
    return {
        utterance: Recording(
            Path(corpus.root) / as_path(file),
            0.0 if math.isnan(start_s) else float(start_s),
            None if math.isnan(end_s) else float(end_s),
        )
        for utterance, file, start_s, end_s in zip(*columns, strict=True)
    }


def keys_of(
    recordings: Mapping[str, Recording],
    shown: Progress,
    *,
    folder: Path | str | None = None,
    verify: str = "",
) -> tuple[dict[str, str], dict[Path, str]]:
    """What names the audio of each utterance: bytes and segment; reasons of unreadable files.

    Args:
        recordings: by utterance.
        shown: where progress is told.
        folder: of the store, where digests of files are remembered; without it all are read.
        verify: the name of a corpus whose files are all read; what differs from what is remembered
            is told.

    Raises:
        ExhaustedError: no file can be read any more.
    """
    paths = {recording.path for recording in recordings.values()}
    if many := len(paths) >= MANY_FILES:
        shown.add("files looked at", len(paths))
    done = digests.read(
        paths,
        None if folder is None else Path(folder) / digests.FOLDER,
        verify=bool(verify),
        advance=lambda: shown.advance("files looked at") if many else None,
    )
    if verify:
        tell(digests.told(done, verify))
    hashes = done.digests
    keys = {u: _key(r, hashes[r.path]) for u, r in recordings.items() if r.path in hashes}
    return keys, done.reasons


def _home_name(name: FeatureName, extractor: Extractor) -> str:
    """The folder of everything that one extractor with its settings has computed."""
    stack = extractor.stack
    what = {
        "columns": extractor.columns if stack is None else [stack.n_layers, stack.width],
        "settings": extractor.settings,
        "decoding": audio.DECODING_VERSION,
        "sample_rate": audio.SAMPLE_RATE,
        "hop_length": audio.HOP_LENGTH,
        "shards": shards.VERSION,
    }
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    called = str(name).replace(":", "-") if stack is None else stack.name
    return f"{called}-v{extractor.version}-{digest[:12]}"


def _find(
    home: Path, extractor: Extractor, keys: Collection[str], *, frames: bool
) -> tuple[Mapping[str, shards.Place | vectors.Unkept], stacks.Stored | None]:
    """By key the stored frames, or what is told of them; of an encoder all that lies there."""
    stack = extractor.stack
    if stack is None:
        return shards.find(home, extractor.stored_width, keys), None
    shape = stacks.Shape(stack.n_layers, stack.width)
    wanted = stack.layers if frames else stacks.NOTHING
    stored = stacks.find(home, shape, keys, wanted=wanted)
    return stored.whole, stored


def _key(recording: Recording, content: str) -> str:
    segment = f"{content} {recording.start_s!r} {recording.end_s!r}"
    if recording.altered:
        segment += f" {recording.altered} {ALTERATIONS}"
    return hashlib.sha256(segment.encode()).hexdigest()[:32]


def _check_none_lost(home: Path, lost: Collection[str]) -> None:
    if lost:
        raise UndertoneError(
            f"frames of {len(lost)} recordings were written to {home} and are not there any more: "
            "somebody deletes there. Run the same command again, if need be with another folder "
            "after --cache"
        )


def _check_some_worked(corpus: Corpus, failures: Mapping[str, str]) -> None:
    if len(corpus.table) == 0:
        raise UndertoneError(f"{corpus.name} has no utterances to extract features of")
    if len(failures) == len(corpus.table):
        first = next(iter(failures.values()))
        if len(failures) > 1 and len(set(failures.values())) == 1 and str(corpus.root) not in first:
            raise UndertoneError(first)  # of all at once: an encoder that cannot be loaded
        raise UndertoneError(
            f"none of the {len(failures)} utterances of {corpus.name} in {corpus.root} could be "
            f"used; the first: {first}"
        )
