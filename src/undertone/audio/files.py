"""Opening sound files: which decoder, which of the file's parts, how long it really is.

In:  a path.
Out: ``Sound``: the rate, the number of samples where the header can be believed, and blocks of
     samples from any place to any other. The length of a file is what was decoded.
"""

import contextlib
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile

from undertone.audio import foreign, kinds, parts
from undertone.audio.parts import MAX_PARTS, UNKNOWN_LENGTH, Part, Window
from undertone.errors import UndertoneError, raise_if_exhausted

SLACK_S = 0.1  # sound that may be missing at the end: recorders and copies lose a few bytes
_BLOCK_FRAMES = 1 << 16
_MALFORMED = 3  # libsndfile's SF_ERR_MALFORMED_FILE
_MARK = np.uint32(0x7FC0DEAD)  # a NaN that no file holds: samples that were not decoded


class Sound(Protocol):
    """A file that is being decoded."""

    rate: int
    n_frames: int | None  # samples a channel; None where only decoding tells

    def blocks(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """(n, n_channels) float32, from one sample to another or to the end."""

    def close(self) -> None:
        """End."""


def open_sound(path: Path) -> Sound:
    """Open a file with the decoder that its bytes ask for.

    Raises:
        UndertoneError: nothing is there, or nothing here decodes it.
    """
    _check_is_file(path)
    if kinds.is_pointer(path):
        raise UndertoneError(f"{path} is {kinds.POINTER}")
    kind = kinds.kind_of_file(path)
    if kind in kinds.FOREIGN:
        if foreign.is_installed():
            return foreign.Foreign(path, kind)
        raise UndertoneError(_needs_ffmpeg(path, kind))
    try:
        return Native(path, kind)
    except (soundfile.LibsndfileError, OSError) as error:
        if isinstance(error, OSError):
            raise_if_exhausted(error)
        damaged = getattr(error, "code", None) == _MALFORMED  # which ffmpeg would not tell
        if foreign.can_be_given(kind) and foreign.is_installed() and not damaged:
            return foreign.Foreign(path, kind)
        raise UndertoneError(unreadable(path, error)) from error


class Native:
    """A file that libsndfile decodes, or several that were joined."""

    rate: int
    n_frames: int | None

    def __init__(self, path: Path, kind: str) -> None:
        self._path, self._stack = path, contextlib.ExitStack()
        try:
            found = parts.parts_of(path, kind)
            self._check_parts(found)
            self._files = [self._open(part, alone=len(found) == 1) for part in found]
        except BaseException:
            self._stack.close()
            raise
        self.rate = self._files[0].samplerate
        lengths = [_length(file) for file in self._files]
        known = [n for n in lengths if n is not None]
        self.n_frames = sum(known) if len(known) == len(lengths) else None
        self._check_alike()
        self._check_whole()

    def blocks(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """(n, n_channels) float32, from one sample to another or to the end."""
        begin = 0
        for file in self._files:
            length = _length(file)
            if length is not None and begin + length <= start:
                begin += length
                continue
            yield from _decode(file, max(0, start - begin), None if stop is None else stop - begin)
            if length is None or (stop is not None and begin + length >= stop):
                return
            begin += length

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def _open(self, part: Part, *, alone: bool) -> soundfile.SoundFile:
        if alone and not part.mended:
            with self._path.open("rb"):  # whose errors say what they are
                return self._stack.enter_context(soundfile.SoundFile(_as_bytes(self._path)))
        window = self._stack.enter_context(Window(self._path, part))
        return self._stack.enter_context(soundfile.SoundFile(window))

    def _check_parts(self, found: list[Part]) -> None:
        if len(found) > MAX_PARTS:
            raise UndertoneError(
                f"{self._path} is joined of more than {MAX_PARTS:,} recordings; keep them as files "
                "of their own"
            )
        if strange := sum(part.strange for part in found):
            mended = self._path.with_name(f"{self._path.stem}-whole.wav")
            raise UndertoneError(
                f"{self._path} holds {strange:,} bytes behind the sound that its header tells of: "
                "a recorder that was killed leaves such a file. Write a whole one with "
                f"`ffmpeg -ignore_length 1 -i {shlex.quote(str(self._path))} "
                f"{shlex.quote(str(mended))}`, listen to its end, and use it in place of this"
            )

    def _check_alike(self) -> None:
        if len(kinds_found := {(file.samplerate, file.channels) for file in self._files}) > 1:
            what = " and ".join(f"{rate} Hz with {n} channels" for rate, n in sorted(kinds_found))
            raise UndertoneError(
                f"{self._path} is joined of recordings of {what}; keep them as files of their own"
            )

    def _check_whole(self) -> None:
        """Refuse a file whose header announces more bytes than there are: they were cut off."""
        for file in self._files:
            missing, length = _missing_bytes(file), _length(file)
            if missing and length:
                size = self._path.stat().st_size
                check_missing(self._path, missing / size * length / file.samplerate)


def check_missing(path: Path, seconds: float) -> None:
    """Refuse a file that lacks more than ``SLACK_S`` of sound at its end."""
    if seconds > SLACK_S:
        raise UndertoneError(
            f"{path} is damaged or cut off: its last {seconds:.2f} s are missing; fetch it again"
        )


def unreadable(path: Path, error: Exception) -> str:
    """Why a file cannot be decoded, and what to do."""
    kind = kinds.kind_of_file(path)
    if foreign.can_be_given(kind) and not foreign.is_installed():
        return _needs_ffmpeg(path, kind)
    reason = str(error).rpartition(": ")[2].rstrip(".")
    what = f"it begins like {kind}, and " if kind else ""
    known = ", ".join(s.removeprefix(".") for s in kinds.SUFFIXES + kinds.FOREIGN_SUFFIXES)
    return (
        f"{path} cannot be read as audio ({what}libsndfile says: {reason}); it is damaged, or none "
        f"of {known}: fetch it again, or, if other programs play it, convert it with "
        f"{_conversion(path)}"
    )


def _needs_ffmpeg(path: Path, kind: str) -> str:
    suffix = path.suffix.removeprefix(".").upper()
    named = f", though its name says {suffix}" if suffix not in ("", *kinds.endings(kind)) else ""
    return (
        f"{path} holds {kind}{named}; to read it {foreign.INSTALL} and run the same command again, "
        f"or convert it elsewhere with {_conversion(path)}"
    )


def _conversion(path: Path) -> str:
    """A command that works when pasted: quoted, and never onto the file itself."""
    out = path.with_suffix(".flac")
    out = path.with_name(f"{path.stem}-converted.flac") if out.exists() or out == path else out
    return f"`ffmpeg -i {shlex.quote(str(path))} {shlex.quote(str(out))}`"


def _as_bytes(path: Path) -> Path | bytes:
    """The path as the system has it, also where it is no UTF-8."""
    return path if os.name == "nt" else os.fsencode(path)


def _check_is_file(path: Path) -> None:
    if not path.exists():
        raise UndertoneError(f"there is no audio file {path}: is its name right, and its folder?")
    if path.is_dir():
        raise UndertoneError(f"{path} is a folder where an audio file was expected")
    if path.stat().st_size == 0:
        raise UndertoneError(
            f"{path} is empty (0 bytes); fetch or export it again, or leave it out"
        )


def _length(file: soundfile.SoundFile) -> int | None:
    """Samples a channel as the header tells them; None where it does not know."""
    return None if file.frames >= 2**62 else file.frames


def _missing_bytes(file: soundfile.SoundFile) -> int:
    """How many bytes a header announces beyond those present: libsndfile just stops there.

    Of a WAV the size of its samples counts, because that of the whole is wrong in many files.
    """
    which = r"data" if file.format in {"WAV", "WAVEX"} else r"[\w ]+?"
    found = re.findall(rf"^\s*{which}\s*: (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    pairs = [(int(announced), int(present)) for announced, present in found]
    return max((a - b for a, b in pairs if b < a < UNKNOWN_LENGTH), default=0)


def _decode(file: soundfile.SoundFile, start: int, stop: int | None) -> Iterator[np.ndarray]:
    """Samples from one place to another, by reading up to it where the format cannot seek."""
    at = 0
    if start and file.seekable() and _length(file) is not None:
        file.seek(start)
        at = start
    while stop is None or at < stop:
        block = _next_block(file)
        first, last = max(0, start - at), None if stop is None else stop - at
        at += len(block)
        if len(kept := block[first:last]):
            yield kept
        if len(block) < _BLOCK_FRAMES:
            return


def _next_block(file: soundfile.SoundFile) -> np.ndarray:
    """(n, n_channels) what can be decoded next; fewer than a block at the end only.

    After each read soundfile seeks to where it is, which fails at the end of a FLAC stream that is
    shorter than its header says, or says nothing of its length. What was decoded is there then.
    """
    block = np.empty((_BLOCK_FRAMES, file.channels), np.float32)
    block.view(np.uint32)[:] = _MARK
    try:
        return file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True, out=block)
    except soundfile.LibsndfileError:
        n_decoded = int((block.view(np.uint32)[:, 0] != _MARK).sum())
        return block[:n_decoded]
