"""The learning process as the page's server sees it: started, told to learn, read, ended.

In:  a log, emotions, features; how many labels there are.
Out: what the last round came to; vectors of all clips, once they are there.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import filelock
import numpy as np

from undertone import atomic
from undertone.annotation.learning.places import ASKED, FAILED, JOURNAL, STATE, VECTORS
from undertone.corpora.label_log.reader import kept_of

EVERY = 5  # labels, before it learns again
PATIENCE_S = 60.0  # that the end waits for the last labels to be learned
LOOK_S = 0.1  # how often it looks
WORKER = "undertone.annotation.learning.worker"
STOPPED = (
    "The learning stopped; labels are saved all the same. Its last words are in learning.log, in "
    "the folder beside the log; start again to go on with it."
)


@dataclass(frozen=True)
class Vectors:
    """Vectors (n_utterances, n_values) by name, and what each value counts."""

    vectors: np.ndarray
    utterances: tuple[str, ...]
    emphasis: np.ndarray


class Learner:
    """One process a log, whoever serves pages of it; nothing waits for it."""

    def __init__(
        self,
        log: Path,
        emotions: Sequence[str],
        *,
        features: str = "",
        cache: Path | None = None,
        chosen: bool = False,
    ) -> None:
        """Name the log; nothing starts yet.

        Args:
            log: path.
            emotions: that are asked for.
            features: which frames.
            cache: folder of the frame store.
            chosen: whether a strategy chooses the clips, rather than chance.
        """
        self._kept, self._told = kept_of(log), -EVERY
        self._seen_vectors = 0.0
        self._lock = filelock.FileLock(self._kept / f".learning{atomic.LOCK}")
        self._command = [
            *(sys.executable, "-m", WORKER, str(log.absolute())),
            *("--emotions", json.dumps(list(emotions)), "--features", features),
            *(("--cache", str(Path(cache).absolute())) if cache else ()),
            *(("--chosen",) if chosen else ()),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._journal: IO[bytes] | None = None

    def start(self) -> None:
        """Begin to listen to everything, unless another server of this log does."""
        self._kept.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except (filelock.Timeout, OSError):
            return
        (self._kept / VECTORS).unlink(missing_ok=True)
        self._journal = (self._kept / JOURNAL).open("wb")
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=self._journal,
            stderr=self._journal,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is ours alone
        )

    def tell(self, n_labels: int) -> None:
        """Learn again, if there are enough new labels, or some were taken back."""
        if abs(n_labels - self._told) >= EVERY and self._ask():
            self._told = n_labels

    def finish(self, patience_s: float = PATIENCE_S) -> None:
        """Learn once more, and wait for it."""
        asked = self._ask()
        deadline = time.monotonic() + patience_s
        while asked and self.is_at_work() and time.monotonic() < deadline:
            if self.state().get(ASKED) == asked:
                return
            time.sleep(LOOK_S)

    def _ask(self) -> str:
        """The name of a round that was asked for; "" where nobody is at work."""
        if self._process is None:
            self.start()  # the other server may have ended
        if not self.is_at_work():
            return ""
        assert self._process is not None
        assert self._process.stdin is not None
        asked = uuid.uuid4().hex
        try:
            self._process.stdin.write(f"{asked}\n".encode())
            self._process.stdin.flush()
        except OSError:
            return ""
        return asked

    def state(self) -> dict[str, Any]:
        """What the page shows of it."""
        try:
            known = json.loads((self._kept / STATE).read_bytes())
        except (OSError, ValueError):
            known = {}
        if self._process is not None and not self.is_at_work():
            return {**known, "state": FAILED, "why": STOPPED}
        return dict(known)

    def heard(self) -> Vectors | None:
        """The vectors, once when they are there; None before and after."""
        try:
            moment = (self._kept / VECTORS).stat().st_mtime
            if moment == self._seen_vectors:
                return None
            with np.load(self._kept / VECTORS, allow_pickle=False) as kept:
                names = tuple(map(str, kept["utterances"]))
                found = Vectors(kept["vectors"], names, kept["emphasis"])
        except (OSError, ValueError, KeyError):
            return None
        self._seen_vectors = moment
        return found

    def stop(self) -> None:
        """End it, whatever it is at."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
        if self._journal is not None:
            self._journal.close()
        self._lock.release()

    def is_at_work(self) -> bool:
        """Whether this server's process lives; another server of the log may have its own."""
        return self._process is not None and self._process.poll() is None
