"""Many recordings to shards of frames, on all cores.

In:  chunks of recordings that have no frames yet.
Out: shards in a folder; the reason by key for recordings that could not be used.

Work begins in the calling process; what remains after ``SECONDS_ALONE`` goes to fresh processes
(spawned, one thread each). A finished chunk is kept whatever happens next. A worker ends when
the process that started it does.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertone import audio
from undertone.errors import UndertoneError
from undertone.features import shards
from undertone.features.extractors import Extractor

SECONDS_ALONE = 1.0  # about what two processes need to start
CHUNK_RECORDINGS = 16
CHUNK_BYTES = 16_000_000  # of audio
OTHER_FOLDER = "--cache or the environment variable UNDERTONE_CACHE chooses another folder"
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Recording:
    """A file or a segment of one."""

    path: Path
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True)
class Chunk:
    """What one worker does at a time."""

    folder: Path
    extractor: Extractor
    recordings: Mapping[str, Recording]
    n_chunks: int  # that were missing when the work began


def compute(recording: Recording, extractor: Extractor) -> np.ndarray:
    """Return the frames of one recording, (n_frames, n_features) float32."""
    waveform = audio.read(recording.path, start_s=recording.start_s, end_s=recording.end_s)
    frames = np.asarray(extractor.compute(waveform), dtype=np.float32)
    assert frames.ndim == 2
    assert frames.shape[1] == len(extractor.columns)
    return frames


def fill(
    folder: Path,
    recordings: Mapping[str, Recording],
    extractor: Extractor,
    *,
    workers: int,
    advance: Callable[[int], None],
) -> dict[str, str]:
    """Add the frames of recordings to a folder of shards.

    Args:
        folder: of shards.
        recordings: by key.
        extractor: what computes the frames.
        workers: processes; with 1 everything happens in this one.
        advance: told how many recordings are done, as they are.

    Returns:
        Reasons by the keys that have no frames.
    """
    _make(folder)
    grouped = list(_group(recordings))
    chunks = [Chunk(folder, extractor, group, len(grouped)) for group in grouped]
    failures: dict[str, str] = {}
    began = time.monotonic()
    while chunks and (workers == 1 or time.monotonic() - began < SECONDS_ALONE):
        chunk = chunks.pop(0)
        failures |= fill_chunk(chunk)
        advance(len(chunk.recordings))
    for size, found in _fill_in_processes(chunks, workers) if chunks else ():
        failures |= found
        advance(size)
    return failures


def fill_chunk(chunk: Chunk) -> dict[str, str]:
    """Write one shard; return the reasons by the keys that are not in it."""
    frames, failures = {}, {}
    for key, recording in chunk.recordings.items():
        try:
            frames[key] = compute(recording, chunk.extractor)
        except UndertoneError as error:
            failures[key] = str(error)
        except Exception as error:  # one recording must not cost the others hours of work
            failures[key] = f"{recording.path}: {type(error).__name__}: {error} (please report it)"
    if frames:
        _write(chunk, frames)
    return failures


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UndertoneError(
            f"{folder} cannot be made to keep frames in: {error.strerror}; {OTHER_FOLDER}"
        ) from error


def _write(chunk: Chunk, frames: Mapping[str, np.ndarray]) -> None:
    try:
        shards.write(chunk.folder, frames)
    except UndertoneError as error:
        megabytes = sum(rows.nbytes for rows in frames.values()) * chunk.n_chunks / 1e6
        raise UndertoneError(
            f"{error}. This run needs about {megabytes:.0f} MB in {chunk.folder}; {OTHER_FOLDER}"
        ) from error


def _group(recordings: Mapping[str, Recording]) -> Iterator[dict[str, Recording]]:
    group: dict[str, Recording] = {}
    n_bytes = 0
    for key, recording in recordings.items():
        if group and (len(group) == CHUNK_RECORDINGS or n_bytes > CHUNK_BYTES):
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


def _fill_in_processes(chunks: list[Chunk], workers: int) -> Iterator[tuple[int, dict[str, str]]]:
    interruptible = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    with _one_thread_each():
        pool = ProcessPoolExecutor(
            min(workers, len(chunks)),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_follow_parent,
            initargs=(interruptible,),
        )
        try:
            with _deaf_to_interrupts():  # until ``_follow_parent`` has run
                sizes = {pool.submit(fill_chunk, chunk): len(chunk.recordings) for chunk in chunks}
            for future in as_completed(sizes):
                yield sizes[future], future.result()
        except BrokenProcessPool as error:
            raise UndertoneError(
                "a worker process died: the memory was exhausted, it was killed, or the script "
                'that calls extract() does not guard it with `if __name__ == "__main__":`; run it '
                "again (what is finished is kept), with workers=1 to stay in one process"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, rather than print a traceback each."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _follow_parent(interruptible: bool) -> None:
    """In a worker: end without a word on Ctrl-C, and when the parent is gone."""
    if interruptible:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow(sentinel: int) -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=follow, args=(parent.sentinel,), daemon=True).start()
