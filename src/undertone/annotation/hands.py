"""Which clips are in whose hands, as far as raters of one log must know it of each other.

In:  utterances that the pages of one rater hold.
Out: a small file a rater beside the log; what the others hold now.

Two raters at work at once would choose alike: same labels, same strategy. So each tells what their
pages hold, and the others pass it over, as they pass over what somebody has labelled. It is a
courtesy, not a lock: where it cannot be written or read, two hear the same clip, and both count.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from undertone.corpora.label_log.reader import kept_of

HELD = "hands-"  # begins the name of such a file


class Hands:
    """What one rater tells, and hears of the others."""

    def __init__(self, log: Path, rater: str, lasts_s: float) -> None:
        """Name the place; nothing is written yet.

        Args:
            log: path.
            rater: whose pages they are.
            lasts_s: after which nothing of it holds, unless it is said again.
        """
        self._kept, self._lasts_s = kept_of(log), lasts_s
        name = hashlib.sha256(rater.encode("utf-8", "backslashreplace")).hexdigest()[:16]
        self._own = self._kept / f"{HELD}{name}.json"
        self._told: tuple[frozenset[str], float] = (frozenset(), -lasts_s)

    def tell(self, utterances: Iterable[str]) -> None:
        """Say what is held now; written where that changed, and before it would run out."""
        held, moment = frozenset(utterances), time.monotonic()
        before, at = self._told
        if held == before and (not held or moment - at < self._lasts_s / 3):
            return
        with contextlib.suppress(OSError):
            _write(self._own, {"until": time.time() + self._lasts_s, "held": sorted(held)})
            self._told = held, moment

    def of_others(self) -> set[str]:
        """Utterances that other raters hold."""
        held: set[str] = set()
        for path in self._kept.glob(f"{HELD}*.json"):
            if path != self._own:
                held |= self._of(path)
        return held

    def _of(self, path: Path) -> set[str]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            told = json.loads(path.read_bytes())
            if 0 <= float(told["until"]) - time.time() <= self._lasts_s:
                return {name for name in told["held"] if isinstance(name, str)}
        return set()


def _write(path: Path, told: dict[str, object]) -> None:
    """Whole or not at all for who reads it; nobody needs it after a power cut."""
    partial = path.with_name(f".{path.name}{os.getpid()}")
    try:
        partial.write_text(json.dumps(told))
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
