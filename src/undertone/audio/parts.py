"""Where the sound of a file lies: recordings joined end to end, headers that were never finished.

In:  the path of a file that libsndfile decodes.
Out: ``Part``: a stretch of the file that is a recording of its own, and what its header should say.

Decoders stop where the header tells them to. A stream joined to another (``cat a.ogg b.ogg``, as
recorders and downloads do), and the sound of a recorder that was killed before it wrote how much
there is, would be passed over without a word. Sources of the layouts: RIFF (Microsoft, 1991), Ogg
(RFC 3533), FLAC (RFC 9639), AIFF (Apple, 1989), the Xing tag of MP3 as LAME writes it.
"""

import io
import itertools
import mmap
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

UNKNOWN_LENGTH = 2**31 - 2**16  # bytes that a header announces at least where a pipe wrote it
STREAMINFO = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")  # that may follow the sound
MIN_JOINED = 1_000  # bytes; less is no recording
MAX_PARTS = 1_000  # of one file; more is no recording either


@dataclass(frozen=True)
class Part:
    """A stretch of a file.

    Attributes:
        start: byte.
        stop: byte after the last.
        mended: bytes that the header should hold, by their place in the part.
        strange: bytes behind the sound that are neither tags nor chunks: sound that the header
            does not count, or anything else.
    """

    start: int
    stop: int
    mended: Mapping[int, bytes] = field(default_factory=dict)
    strange: int = 0


class Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, path: Path, part: Part) -> None:
        self._file, self._part, self._at = path.open("rb"), part, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = (0, self._at, self._part.stop - self._part.start)[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = max(0, min(len(buffer), self._part.stop - self._part.start - self._at))
        self._file.seek(self._part.start + self._at)
        content = bytearray(self._file.read(size))
        for place, mended in self._part.mended.items():
            for i, byte in enumerate(mended, place - self._at):
                if 0 <= i < len(content):
                    content[i] = byte
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


def parts_of(path: Path, kind: str) -> list[Part]:
    """The recordings in a file, one after the other; a single whole part for most files.

    Args:
        path: of the file.
        kind: its format, as ``kinds.kind_of`` tells it.
    """
    size = path.stat().st_size
    find = _FINDERS.get(kind)
    if find is None or size == 0:
        return [Part(0, size)]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return list(itertools.islice(find(content, size), MAX_PARTS + 1)) or [Part(0, size)]


def _riff(content: mmap.mmap, size: int) -> Iterator[Part]:
    """RIFF: a size behind "RIFF", then chunks of name, size and content, padded to even sizes."""
    start = 0
    while start < size:
        place = _data_chunk(content, start, size)
        if place is None:
            break
        (announced,) = struct.unpack_from("<I", content, place - 4)
        stop = place + announced + announced % 2
        if announced >= UNKNOWN_LENGTH or stop >= size:
            yield Part(start, size)
            return
        if (joined := _joined_riff(content, start, stop)) is not None:
            yield Part(start, joined)
            start = joined
            continue
        yield _finished(content, start, size, place=place, stop=stop)
        return


def _data_chunk(content: mmap.mmap, start: int, size: int) -> int | None:
    """Where the samples of the RIFF that starts here begin; None where there are none."""
    at = start + 12
    while at + 8 <= size:
        if content[at : at + 4] == b"data":
            return at + 8
        (length,) = struct.unpack_from("<I", content, at + 4)
        at += 8 + length + length % 2
    return None


def _joined_riff(content: mmap.mmap, start: int, stop: int) -> int | None:
    """Where the next RIFF begins, if there is one behind this: right behind it or its chunks."""
    (announced,) = struct.unpack_from("<I", content, start + 4)
    for place in (stop, stop - 1, start + 8 + announced, start + 8 + announced + announced % 2):
        if content[place : place + 4] == b"RIFF" and content[place + 8 : place + 12] == b"WAVE":
            return place
    return None


def _finished(content: mmap.mmap, start: int, size: int, *, place: int, stop: int) -> Part:
    """The part with the size of its samples put right where a recorder left it at 0."""
    behind = content[stop : stop + MIN_JOINED]
    if size - stop < MIN_JOINED or not behind.strip(b"\0") or _are_chunks(content, stop, size):
        return Part(start, size)
    if stop > place:
        return Part(start, size, strange=size - stop)
    whole = struct.pack("<I", min(size - place, 2**32 - 1))
    riff = struct.pack("<I", min(size - start - 8, 2**32 - 1))
    return Part(start, size, {place - 4 - start: whole, 4: riff})


def _are_chunks(content: mmap.mmap, at: int, size: int) -> bool:
    """Whether tags or chunks, and nothing else, lie between a place and the end."""
    while at + 8 <= size:
        name = content[at : at + 4]
        if any(name.startswith(tag[:4]) for tag in TAGS):
            return True
        (length,) = struct.unpack_from("<I", content, at + 4)
        if not all(32 <= letter < 127 for letter in name) or at + 8 + length > size + 1:
            return False
        at += 8 + length + length % 2
    return True


def _aiff(content: mmap.mmap, size: int) -> Iterator[Part]:
    start = 0
    while start + 12 <= size and content[start : start + 4] == b"FORM":
        (announced,) = struct.unpack_from(">I", content, start + 4)
        stop = start + 8 + announced + announced % 2
        if content[stop : stop + 4] != b"FORM":
            stop = size
        yield Part(start, stop)
        start = stop


def _flac(content: mmap.mmap, size: int) -> Iterator[Part]:
    """A stream begins with a mark and a block of 34 bytes that describes it."""
    starts = [0]
    for mark in STREAMINFO:
        at = content.find(mark, 4)
        while at >= 0:
            starts.append(at)
            at = content.find(mark, at + 1)
    starts.sort()
    yield from (Part(a, b) for a, b in zip(starts, [*starts[1:], size], strict=True))


def _ogg(content: mmap.mmap, size: int) -> Iterator[Part]:
    """A page whose flag says "first of a stream", behind pages that are not, begins a new link."""
    start, at, inside = 0, 0, False
    while at + 27 <= size and content[at : at + 4] == b"OggS":
        is_first = bool(content[at + 5] & 2)
        if is_first and inside:
            yield Part(start, at)
            start = at
        inside = not is_first
        n_segments = content[at + 26]
        at += 27 + n_segments + sum(content[at + 27 : at + 27 + n_segments])
    yield Part(start, size)


def _mp3(content: mmap.mmap, size: int) -> Iterator[Part]:
    """The tag "Xing" or "Info" in the first frame may tell the bytes of its stream."""
    start = 0
    while (length := _xing_bytes(content, start)) and start + length + MIN_JOINED < size:
        stop = _next_frame(content, start + length)
        if stop is None or stop <= start:
            break
        yield Part(start, stop)
        start = stop
    yield Part(start, size)


def _xing_bytes(content: mmap.mmap, start: int) -> int:
    """Bytes from the start of a stream to its end, as its tag tells them; 0 where none does."""
    head = content[start : start + 10]
    first = start
    if head[:3] == b"ID3":  # its size in four bytes of seven bits
        first += 10 + sum((byte & 127) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
    frame = content[first : first + 200]
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or len(frame) < at + 16 or not frame[at + 7] & 2:
        return 0
    has_frames = bool(frame[at + 7] & 1)
    (n_bytes,) = struct.unpack_from(">I", frame, at + 8 + 4 * has_frames)
    return first - start + n_bytes


def _next_frame(content: mmap.mmap, place: int) -> int | None:
    """Where a stream begins at this place, give or take a few bytes; None where tags follow."""
    for at in range(place - 8, place + 9):
        head = content[at : at + 4]
        if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1] & 0xE6 == 0xE2):
            return at
    return None


_FINDERS: Mapping[str, Callable[[mmap.mmap, int], Iterator[Part]]] = {
    "WAV": _riff,
    "AIFF": _aiff,
    "FLAC": _flac,
    "Ogg": _ogg,
    "MP3": _mp3,
}
