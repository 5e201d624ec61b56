"""What was predicted of a recording so far, so that a run that was stopped goes on.

In:  a folder, and all that a prediction depends on.
Out: the values of a window that is known, and what speaks against judging it; a line more for each
     that becomes known.

A line is the sum of its bytes (CRC-32) and JSON, in a file of the identity's digest. One that a
kill cut short, or that does not sum up, is passed over and heard again.
"""

import json
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from undertone import seals


class Kept:
    """Use as a context."""

    def __init__(self, folder: Path | None, identity: dict[str, Any]) -> None:
        """Keep nothing where there is no folder."""
        self._path = None if folder is None else folder / f"{seals.digest_of(identity)[:32]}.jsonl"
        self._known: dict[tuple[float, float], tuple[np.ndarray, str | None]] = {}

    def __enter__(self) -> Self:
        if self._path is None:
            return self
        self._path.parent.mkdir(parents=True, exist_ok=True)
        sound = [line for line in (seals.read(self._path) or b"").splitlines() if _is_sound(line)]
        for line in sound:
            start, end, values, doubt = json.loads(line[9:])
            self._known[start, end] = np.array(values, dtype=float), doubt
        self._file = self._path.open("wb")
        self._file.writelines(line + b"\n" for line in sound)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._path is not None:
            self._file.close()

    def find(self, start_s: float, end_s: float) -> tuple[np.ndarray, str | None] | None:
        """(n_outputs,) of a window and its doubt, if it is known."""
        return self._known.get((start_s, end_s))

    def add(self, start_s: float, end_s: float, values: np.ndarray, doubt: str | None) -> None:
        """Keep (n_outputs,) and what speaks against judging it."""
        if self._path is not None:
            content = json.dumps([start_s, end_s, values.tolist(), doubt]).encode()
            self._file.write(b"%08x %b\n" % (zlib.crc32(content), content))
            self._file.flush()


def _is_sound(line: bytes) -> bool:
    return line[:9] == b"%08x " % zlib.crc32(line[9:])
