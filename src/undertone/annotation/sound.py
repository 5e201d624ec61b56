"""The sound of a clip, as the page plays it, and the digest of what was heard.

In:  a ``Clip``.
Out: a WAV file in memory, 16 kHz, mono, 16 bits: what a model of the clip hears, too.
"""

import hashlib
import io
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import soundfile

from undertone import audio
from undertone.annotation.clips import Clip
from undertone.errors import UndertoneError

MOST_KEPT = 16  # clips in memory


class Sounds:
    """Sounds that were asked for lately, and digests of their files."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._heard: dict[str, str] = {}
        self._digests: dict[Path, tuple[tuple[int, int], str]] = {}
        self._lock = threading.Lock()

    def wav(self, clip: Clip) -> bytes:
        """The sound as it lies on the disk now.

        Raises:
            UndertoneError: it is gone, or cannot be decoded.
        """
        key = (clip.utterance, digest := self.digest(clip))
        self._heard[clip.utterance] = digest
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        content = encoded(clip)
        with self._lock:
            self._kept[key] = content
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return content

    def digest_heard(self, clip: Clip) -> str:
        """Of the file as it was when it was last played: it may be gone by now."""
        return self._heard.get(clip.utterance) or self.digest(clip)

    def digest(self, clip: Clip) -> str:
        """Of the bytes of the file; raises as ``wav``."""
        try:
            status = clip.file.stat()
            state = (status.st_size, status.st_mtime_ns)
            known = self._digests.get(clip.file)
            if known is None or known[0] != state:
                with clip.file.open("rb") as file:
                    known = (state, f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
                self._digests[clip.file] = known
            return known[1]
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UndertoneError(f"{clip.file} cannot be read: {why}") from None


def encoded(clip: Clip) -> bytes:
    """A WAV file of a clip; what is beyond full scale is brought back to it."""
    waveform = audio.read(clip.file, start_s=clip.start_s or 0.0, end_s=clip.end_s)
    loudest = float(np.abs(waveform).max())
    content = io.BytesIO()
    soundfile.write(
        content,
        waveform / max(1.0, loudest),
        audio.SAMPLE_RATE,
        format="WAV",
        subtype="PCM_16",
    )
    return content.getvalue()
