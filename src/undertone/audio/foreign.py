"""What libsndfile does not decode, by ffmpeg where it is installed.

In:  the path of an MP4, WebM, AAC, AMR, WMA, … file.
Out: its rate and blocks of samples.

The program is told which format it gets, so that a play list in disguise opens no other file and no
address; it hears the first sound track alone, and what it writes is read as it comes.
"""

import contextlib
import functools
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from undertone.audio.kinds import DEMUXERS
from undertone.errors import UndertoneError

PROGRAM = "ffmpeg"
INSTALL = "install ffmpeg (on Debian and Ubuntu `apt-get install ffmpeg`)"
LONGEST_S = 24 * 3600  # decoded at most; what is longer is no recording of speech
_BLOCK_VALUES = 1 << 18
_AU_HEADER = struct.Struct(">4s5I")  # ".snd", start of the samples, bytes, encoding, rate, channels


def is_installed() -> bool:
    """Whether ffmpeg is on this machine."""
    return _program() is not None


def can_be_given(kind: str) -> bool:
    """Whether a format is one that ffmpeg decodes here."""
    return kind in DEMUXERS


class Foreign:
    """A file that ffmpeg decodes, from the start to the end."""

    n_frames: int | None = None  # only decoding tells
    rate: int

    def __init__(self, path: Path, kind: str) -> None:
        program = _program()
        assert program is not None, "asked for without being there"
        self._path, self._stack = path, contextlib.ExitStack()
        self._complaint = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        self._process = subprocess.Popen(
            [
                *(program, "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe"),
                *("-threads", "1", "-f", DEMUXERS[kind], "-i", f"file:{path.absolute()}"),
                *("-map", "0:a:0", "-t", str(LONGEST_S), "-c:a", "pcm_f32be", "-f", "au", "pipe:1"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._complaint,
        )
        try:
            self.rate, self._n_channels = self._header()
        except BaseException:
            self.close()
            raise

    def blocks(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """(n, n_channels) float32, from one sample to another or to the end."""
        done, width = 0, 4 * self._n_channels
        whole = _BLOCK_VALUES // self._n_channels * width
        while stop is None or done < stop:
            content = self._output.read(max(width, whole))
            values = np.frombuffer(content[: len(content) // width * width], ">f4")
            block = values.astype(np.float32).reshape(-1, self._n_channels)
            if len(block) == 0:
                self._check_ended()
                return
            first, last = max(0, start - done), None if stop is None else stop - done
            done += len(block)
            if len(kept := block[first:last]):
                yield kept

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()
        self._output.close()
        self._stack.close()

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _header(self) -> tuple[int, int]:
        content = self._output.read(_AU_HEADER.size)
        if len(content) < _AU_HEADER.size:
            raise UndertoneError(
                f"{self._path} cannot be decoded, ffmpeg says: {self._said()}; fetch or export it "
                "again, or leave it out"
            )
        _, begin, _, _, rate, n_channels = _AU_HEADER.unpack(content)
        self._output.read(begin - _AU_HEADER.size)
        return rate, n_channels

    def _check_ended(self) -> None:
        if self._process.wait() != 0 or self._complaint.seek(0, os.SEEK_END):
            raise UndertoneError(
                f"{self._path} is damaged or cut off, ffmpeg says: {self._said()}; fetch it again"
            )

    def _said(self) -> str:
        """The last line of complaint."""
        self._process.wait()
        self._complaint.seek(0)
        lines = self._complaint.read().decode(errors="replace").strip().splitlines()
        if any("matches no streams" in line for line in lines):
            return "it holds no sound track"
        return lines[-1].rpartition("] ")[2].rstrip(".") if lines else "it gave no reason"


@functools.cache
def _program() -> str | None:
    return shutil.which(PROGRAM)
