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
from collections.abc import Collection, Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from undertone import audio
from undertone.config import cache_folder
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError, as_path, printable, raise_if_exhausted
from undertone.features import extractors, shards
from undertone.features.altered import VERSION as ALTERATIONS
from undertone.features.extractors import Extractor
from undertone.features.name import FeatureName, parse
from undertone.features.workers import Recording, compute, fill
from undertone.processes import available_cores
from undertone.progress import Progress

MANY_FILES = 500  # more than can be hashed while nobody waits
LOOKED_AT = 64  # frames of an utterance that tell it from others


@dataclass(frozen=True, eq=False)
class FrameTable:
    """Frames by utterance; cheap to send to another process.

    Attributes:
        extractor: its name, as in ``features.name``.
        version: of the extractor.
        frames_per_second: of the frames.
        columns: names of the features.
        source: by utterance, in the order of the corpus: where the frames lie, or the frames.
        keys: by utterance: names its audio, segment and extractor, so that a change is seen.
        failures: the reason by utterance that has no frames.
    """

    extractor: str
    version: int
    frames_per_second: float
    columns: tuple[str, ...]
    source: Mapping[str, shards.Place | np.ndarray]
    failures: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

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
        frames = place if isinstance(place, np.ndarray) else shards.read(place)
        return frames.astype(np.float32) if frames.dtype == np.float16 else frames

    def with_others(self, others: Mapping[str, "FrameTable"]) -> "FrameTable":
        """The same with the utterances of other tables of this extractor, each behind a prefix."""
        source, keys = dict(self.source), dict(self.keys)
        for prefix, table in others.items():
            assert table.columns == self.columns, "frames of one extractor"
            source |= {f"{prefix}{name}": place for name, place in table.source.items()}
            keys |= {f"{prefix}{name}": key for name, key in table.keys.items()}
        return replace(self, source=source, keys=keys)


def _looked_at(place: shards.Place | np.ndarray) -> str:
    """The digest of frames that lie evenly in a recording; empty where they tell nothing."""
    if isinstance(place, np.ndarray) or place.n_frames == 0:
        return ""
    rows = shards.read(replace(place, n_layers=1))
    some = rows[np.linspace(0, len(rows) - 1, LOOKED_AT).astype(int)]
    if (some == some[0]).all():
        return ""
    return f"{len(rows)} {hashlib.sha256(some.tobytes()).hexdigest()}"


def extract(
    corpus: Corpus,
    extractor: str | FeatureName,
    *,
    folder: Path | str | None = None,
    workers: int | None = None,
    progress: bool = True,
    altered: str = "",
) -> FrameTable:
    """Compute the frames that are missing, and return all of them.

    Args:
        corpus: whose utterances are read.
        extractor: its name, as in ``features.name``.
        folder: of the store; ``default_folder()`` by default.
        workers: processes; one a core by default.
        progress: whether to show it on standard error.
        altered: a row of ``features.altered``; recordings as they are by default.

    Raises:
        UndertoneError: nothing could be read, the folder cannot be written, or the disk is full.
    """
    extractor = parse(extractor)
    chosen = extractors.get(extractor)
    home = Path(folder or default_folder()) / _home_name(extractor, chosen)
    recordings = {
        name: replace(recording, altered=altered)
        for name, recording in recordings_of(corpus).items()
    }
    with Progress(shown=progress) as shown:
        keys, unreadable = keys_of(recordings, shown)
        by_key = {key: recordings[u] for u, key in keys.items()}
        known = _find(home, chosen, by_key)
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
                workers=1 if chosen.in_this_process else workers or available_cores(),
                advance=lambda count: shown.advance(name, count),
            )
            known = _find(home, chosen, by_key)
            _check_none_lost(home, by_key.keys() - known.keys() - failed.keys())
    failures = {
        utterance: printable(
            unreadable.get(recording.path)
            or failed[key := keys[utterance]].replace(str(missing[key].path), str(recording.path))
        )
        for utterance, recording in recordings.items()
        if keys.get(utterance) not in known
    }
    _check_some_worked(corpus, failures)
    return FrameTable(
        extractor=str(extractor),
        version=chosen.version,
        frames_per_second=chosen.frames_per_second,
        columns=chosen.columns,
        source={u: known[key] for u, key in keys.items() if key in known},
        failures=failures,
        keys={u: f"{home.name} {key}" for u, key in keys.items() if key in known},
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
    recordings: Mapping[str, Recording], shown: Progress
) -> tuple[dict[str, str], dict[Path, str]]:
    """What names the audio of each utterance: bytes and segment; reasons of unreadable files."""
    hashes, reasons = _hash_files({r.path for r in recordings.values()}, shown)
    keys = {u: _key(r, hashes[r.path]) for u, r in recordings.items() if r.path in hashes}
    return keys, reasons


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


def _find(home: Path, extractor: Extractor, keys: Container[str]) -> dict[str, shards.Place]:
    """Where the stored frames lie; of a stack, those of the extractor's layers."""
    known, stack = shards.find(home, extractor.stored_width, keys), extractor.stack
    if stack is None:
        return known
    return {key: place.layers(stack.layers, stack.n_layers) for key, place in known.items()}


def _key(recording: Recording, content: str) -> str:
    segment = f"{content} {recording.start_s!r} {recording.end_s!r}"
    if recording.altered:
        segment += f" {recording.altered} {ALTERATIONS}"
    return hashlib.sha256(segment.encode()).hexdigest()[:32]


def _hash_files(paths: set[Path], shown: Progress) -> tuple[dict[Path, str], dict[Path, str]]:
    """Return the hashes of files, and the reasons for those that cannot be read.

    Raises:
        ExhaustedError: none can be read any more.
    """
    hashes, reasons = {}, {}
    if many := len(paths) >= MANY_FILES:
        shown.add("files read", len(paths))
    with ThreadPoolExecutor() as threads:
        for path, (content, reason) in zip(paths, threads.map(_hash_file, paths), strict=True):
            if reason:
                reasons[path] = reason
            else:
                hashes[path] = content
            if many:
                shown.advance("files read")
    return hashes, reasons


def _hash_file(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), ""
    except OSError as error:
        raise_if_exhausted(error)
        return "", f"{path} cannot be read: {error.strerror}; is the corpus complete?"


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
