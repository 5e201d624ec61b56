"""Many recordings to shards of frames, on all cores.

In:  chunks of recordings that have no frames yet.
Out: shards in a folder; the reason by key for recordings that could not be used.

Work begins in the calling process; what remains after ``SECONDS_ALONE`` goes to fresh processes
(``undertone.processes``). A finished chunk is kept whatever happens next.
"""

import contextlib
import math
import time
from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from undertone import audio, jobs
from undertone.errors import ExhaustedError, UndertoneError
from undertone.features import shards, stacks
from undertone.features.altered import ALTERED
from undertone.features.extractors import Extractor, Stack
from undertone.processes import one_thread

SECONDS_ALONE = 1.0  # about what two processes need to start
CHUNK_RECORDINGS = 16
LARGEST_CHUNK = 256
CHUNKS = 1000  # about, of a large corpus
CHUNK_BYTES = 16_000_000  # of audio
OTHER_FOLDER = "--cache or the environment variable UNDERTONE_CACHE chooses another folder"


@dataclass(frozen=True)
class Recording:
    """A file or a segment of one, as it is or altered."""

    path: Path
    start_s: float = 0.0
    end_s: float | None = None
    altered: str = ""  # a row of ``ALTERED``; as it is by default


@dataclass(frozen=True)
class Chunk:
    """What one worker does at a time."""

    folder: Path
    extractor: Extractor
    recordings: Mapping[str, Recording]
    n_chunks: int  # that were missing when the work began
    lacking: stacks.Lacking | None = None  # of an encoder, what is to be kept


def compute(recording: Recording, extractor: Extractor) -> np.ndarray:
    """Return the frames of one recording, (n_frames, n_features) float32."""
    return compute_waveform(read(recording), extractor)


def compute_waveform(waveform: np.ndarray, extractor: Extractor) -> np.ndarray:
    """Return the frames of a waveform as ``audio`` gives it, (n_frames, n_features) float32."""
    with one_thread():
        frames = np.asarray(extractor.compute(waveform), dtype=np.float32)
    assert frames.ndim == 2
    assert frames.shape[1] == len(extractor.columns)
    return frames


def fill(
    folder: Path,
    recordings: Mapping[str, Recording],
    extractor: Extractor,
    *,
    missing: Container[str],
    workers: int,
    advance: Callable[[int], None],
    stored: stacks.Stored | None = None,
) -> dict[str, str]:
    """Add the frames of recordings to a folder of shards.

    Args:
        folder: of shards.
        recordings: by key, all of a corpus: which of them are computed together depends on nothing
            else, so that a run that was stopped goes on to the same frames.
        extractor: what computes the frames.
        missing: keys that have no frames yet.
        workers: processes; with 1 everything happens in this one.
        advance: called with the number of recordings done since the last call.
        stored: of an encoder, what lies in the folder.

    Returns:
        Reasons by the keys that have no frames.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UndertoneError(
            f"{folder} cannot be made to keep frames in: {error.strerror}; {OTHER_FOLDER}"
        ) from error
    groups = (
        {key: recording for key, recording in group.items() if key in missing}
        for group in _group(recordings)
    )
    grouped = [group for group in groups if group]
    chunks = [
        Chunk(
            *(folder, extractor, group, len(grouped)),
            lacking=None if stored is None else stored.lacking(group),
        )
        for group in grouped
    ]
    failures: dict[str, str] = {}
    began = time.monotonic()
    alone_s = 0.0 if jobs.cores_elsewhere() else math.inf if workers == 1 else SECONDS_ALONE
    alone_s = math.inf if extractor.in_this_process else alone_s  # no other knows its function
    while chunks and time.monotonic() - began < alone_s:
        chunk = chunks.pop(0)
        failures |= fill_chunk(chunk)
        advance(len(chunk.recordings))
    if not chunks:
        return failures
    with jobs.shared_out(min(workers, len(chunks)), folder=folder) as pool:
        sizes = {pool.submit(fill_chunk, chunk): len(chunk.recordings) for chunk in chunks}
        for future in as_completed(sizes):
            failures |= future.result()
            advance(sizes[future])
    return failures


def fill_chunk(chunk: Chunk) -> dict[str, str]:
    """Write what comes of a chunk; return the reasons by the keys that are not in it."""
    chunk = _unstored(chunk) if jobs.is_again() else chunk
    stack = chunk.extractor.stack
    if stack is None:
        frames, failures = _each(chunk.recordings, lambda r: compute(r, chunk.extractor))
        with _told_how_much(chunk, sum(rows.nbytes for rows in frames.values())):
            if frames:
                shards.write(chunk.folder, frames)
        return failures
    layers, failures = _compute_stack(chunk.recordings, stack)
    assert chunk.lacking is not None, "of an encoder it is said what is to be kept"
    with _told_how_much(chunk, stacks.n_bytes(layers, chunk.lacking)):
        stacks.write(chunk.folder, layers, chunk.lacking)
    return failures


def _unstored(chunk: Chunk) -> Chunk:
    """What is left of a chunk whose worker died; perhaps it died after it had written."""
    recordings, stack, lacking = chunk.recordings, chunk.extractor.stack, chunk.lacking
    if stack is None or lacking is None:
        known = shards.find(chunk.folder, chunk.extractor.stored_width, recordings)
        left = {key: one for key, one in recordings.items() if key not in known}
        return replace(chunk, recordings=left)
    shape = stacks.Shape(stack.n_layers, stack.width)
    stored = stacks.find(chunk.folder, shape, recordings.keys(), wanted=lacking.wanted)
    left = {key: one for key, one in recordings.items() if key not in stored.whole}
    return replace(chunk, recordings=left, lacking=stored.lacking(left))


def _each(
    recordings: Mapping[str, Recording], do: Callable[[Recording], np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """What comes of each recording, and the reasons where nothing does."""
    results, failures = {}, {}
    for key, recording in recordings.items():
        try:
            results[key] = do(recording)
        except ExhaustedError:
            raise
        except UndertoneError as error:
            failures[key] = str(error)
        except Exception as error:  # one recording must not cost the others hours of work
            failures[key] = f"{recording.path}: {type(error).__name__}: {error} (please report it)"
    return results, failures


def _compute_stack(
    recordings: Mapping[str, Recording], stack: Stack
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All layers, (n_layers, n_frames, width): as a batch if it can be."""
    waveforms, failures = _each(recordings, read)
    try:
        layers = dict(zip(waveforms, stack.compute(list(waveforms.values())), strict=True))
    except ExhaustedError:
        raise
    except Exception:  # find out whose fault it is
        alone = {key: recordings[key] for key in waveforms}
        layers, others = _each(alone, lambda recording: stack.compute([read(recording)])[0])
        failures |= others
    return layers, failures


def read(recording: Recording) -> np.ndarray:
    waveform = audio.read(recording.path, start_s=recording.start_s, end_s=recording.end_s)
    return ALTERED[recording.altered](waveform) if recording.altered else waveform


@contextlib.contextmanager
def _told_how_much(chunk: Chunk, n_bytes: int) -> Iterator[None]:
    """Where something cannot be written, say what the whole run needs."""
    try:
        yield
    except UndertoneError as error:
        megabytes = n_bytes * chunk.n_chunks / 1e6
        raise UndertoneError(
            f"{error}. This run needs about {megabytes:.0f} MB in {chunk.folder}; {OTHER_FOLDER}"
        ) from error


def _group(recordings: Mapping[str, Recording]) -> Iterator[dict[str, Recording]]:
    """Recordings that are computed and stored together; more of them in a large corpus."""
    most = max(CHUNK_RECORDINGS, min(LARGEST_CHUNK, len(recordings) // CHUNKS))
    group: dict[str, Recording] = {}
    n_bytes = 0
    for key, recording in recordings.items():
        if group and (len(group) == most or n_bytes > CHUNK_BYTES):
            yield group
            group, n_bytes = {}, 0
        group[key] = recording
        n_bytes += _n_bytes(recording)
    if group:
        yield group


def _n_bytes(recording: Recording) -> int:
    """How much audio there is to read, about: it decides when a chunk is full."""
    if recording.end_s is not None:
        return round(2 * audio.SAMPLE_RATE * (recording.end_s - recording.start_s))
    with contextlib.suppress(OSError):
        return recording.path.stat().st_size
    return 0
