"""What a file holds, by its first bytes and by the ending of its name.

In:  a path, or the first bytes of a file.
Out: the name of the format, and which decoder takes it.

``SUFFIXES`` are decoded here, ``FOREIGN_SUFFIXES`` by ffmpeg where it is installed. The bytes have
the last word: recordings are renamed more often than converted.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

SUFFIXES = (
    *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".aifc"),
    *(".w64", ".rf64", ".bwf", ".au", ".snd", ".caf", ".sph", ".nist", ".voc"),
)
FOREIGN_SUFFIXES = (
    *(".m4a", ".m4b", ".mp4", ".mov", ".3gp", ".3g2", ".aac", ".amr", ".awb", ".webm", ".weba"),
    *(".mkv", ".mka", ".wma", ".ac3", ".mp2", ".spx", ".avi"),
)
HEAD_BYTES = 64
FOREIGN = ("MP4", "WebM", "AAC", "AMR", "WMA", "AC-3", "AVI")  # which libsndfile does not know
_ENDINGS: Mapping[str, tuple[str, ...]] = {  # beside the format's own name
    "MP4": ("M4A", "M4B", "MOV", "3GP", "3G2"),
    "WebM": ("WEBA", "MKV", "MKA"),
    "Ogg": ("OGA", "OPUS", "SPX"),
    "AMR": ("AWB", "3GP"),
    "AC-3": ("AC3",),
}
DEMUXERS: Mapping[str, str] = {  # formats that ffmpeg may be given, and its word for each
    "MP4": "mov",
    "WebM": "matroska",
    "AAC": "aac",
    "AMR": "amr",
    "WMA": "asf",
    "AC-3": "ac3",
    "AVI": "avi",
    "Ogg": "ogg",
    "CAF": "caf",
    "WAV": "wav",
    "MP3": "mp3",
}
POINTER = "a Git LFS pointer, not sound; run `git lfs pull` in its repository"
_POINTER, _LARGEST_POINTER = "Git LFS pointer", 1024  # bytes
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", _POINTER),
    (b"RIFF", "WAV"),
    (b"RF64", "RF64"),
    (b"riff\x2e\x91\xcf\x11", "W64"),
    (b"fLaC", "FLAC"),
    (b"OggS", "Ogg"),
    (b"FORM", "AIFF"),
    (b".snd", "AU"),
    (b"caff", "CAF"),
    (b"NIST_1A", "NIST"),
    (b"Creative Voice File", "VOC"),
    (b"\x1a\x45\xdf\xa3", "WebM"),
    (b"#!AMR", "AMR"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
    (b"\x0b\x77", "AC-3"),
    (b"ADIF", "AAC"),
    (b"ID3", "MP3"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
)


def kind_of(head: bytes) -> str:
    """The format that a file's first bytes are of; "" where they tell none.

    >>> kind_of(b"....ftypM4A "), kind_of(b"OggS"), kind_of(b"RIFF....AVI "), kind_of(b"hello")
    ('MP4', 'Ogg', 'AVI', '')
    """
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "AVI"
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return "MP4"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "AAC"  # 12 bits of synchronisation and layer 0: ADTS
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "MP3"
    return ""


def is_pointer(path: Path) -> bool:
    """Whether a file only stands for one that Git LFS has not fetched; large files are not read."""
    with contextlib.suppress(OSError):
        if path.stat().st_size <= _LARGEST_POINTER:
            return kind_of_file(path) == _POINTER
    return False


def endings(kind: str) -> tuple[str, ...]:
    """Under which endings a format goes, in capitals without the dot."""
    return (kind.upper(), *_ENDINGS.get(kind, ()))


def kind_of_file(path: Path) -> str:
    """The format of a file; "" where it tells none or cannot be read."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return kind_of(file.read(HEAD_BYTES))
    return ""
