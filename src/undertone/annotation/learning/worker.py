"""The process that learns while somebody labels: it listens to everything, then fits when told.

In:  a log, settings on the command line; a line on standard input for each round of learning.
Out: in the folder beside the log: ``vectors.npz``, ``learning.json``, ``model``; each whole or
     absent.

It ends when its standard input does, whatever it is at: no parent leaves it behind.
"""

import argparse
import io
import json
import os
import queue
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from undertone import atomic
from undertone.annotation.learning.fitting import Learned, Lesson, learn
from undertone.annotation.learning.places import (
    FAILED,
    LEARNING,
    LISTENING,
    MODEL,
    READY,
    STATE,
    VECTORS,
)
from undertone.annotation.log import now
from undertone.annotation.picking.heard import hear
from undertone.corpora.label_log import reader
from undertone.errors import UndertoneError, tell
from undertone.features.name import parse
from undertone.reading import USUAL_FEATURES, Resources

NICENESS = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Listen once, then learn whenever a line comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--emotions", required=True)
    parser.add_argument("--features", default="")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--chosen", action="store_true")
    given = parser.parse_args(arguments)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    rounds = _rounds()
    lesson = Lesson(
        tuple(json.loads(given.emotions)),
        given.features,
        Resources(given.cache, workers=1, progress=False),
        chosen=given.chosen,
    )
    kept = reader.kept_of(given.log)
    work = _Work(given.log, kept, lesson)
    work.listen()
    while rounds.get():
        work.learn()


def _rounds() -> "queue.Queue[str]":
    """Lines of standard input as they come, several at once as one; at its end the process ends."""
    lines: queue.Queue[str] = queue.Queue()

    def follow() -> None:
        for line in sys.stdin:
            if lines.empty():
                lines.put(line)
        os._exit(0)

    threading.Thread(target=follow, daemon=True).start()
    return lines


class _Work:
    def __init__(self, log: Path, kept: Path, lesson: Lesson) -> None:
        self.log, self.kept, self.lesson = log, kept, lesson
        self.last: dict[str, Any] = _last(kept / STATE)

    def listen(self) -> None:
        """Vectors of all clips, by which the next ones are chosen."""
        self._tell(LISTENING)
        try:
            corpus = reader.read(self.log)
            name = parse(self.lesson.features or USUAL_FEATURES).settled()
            heard = hear(corpus, name, self.lesson.resources)
            content = io.BytesIO()
            np.savez(
                content,
                vectors=np.stack(list(heard.vectors.values())),
                utterances=np.array(list(heard.vectors), dtype=str),
                emphasis=heard.emphasis,
            )
            atomic.write_bytes(self.kept / VECTORS, content.getvalue())
            self._tell(READY)
        except UndertoneError as error:
            self._fail(error)

    def learn(self) -> None:
        """A round."""
        self._tell(LEARNING)
        try:
            learned = learn(self.log, self.lesson, self.kept / MODEL, self._report).to_dict()
            self.last = {**learned, "at": now(), "history": self._history(learned)}
            self._tell(READY)
        except UndertoneError as error:
            self._fail(error)

    def _report(self, learned: Learned) -> None:
        """Model and score, with what was said ahead in the round before."""
        ahead = [
            one for one in self.last.get("sentences", []) if one.get("kind") in ("next", "speakers")
        ]
        told = learned.to_dict()
        self.last = {**self.last, **told, "curve": self.last.get("curve", [])}
        self.last["sentences"] = [*told["sentences"], *ahead]
        self._tell(LEARNING)

    def _history(self, learned: dict[str, Any]) -> list[dict[str, Any]]:
        """The scores of all rounds."""
        known = [one for one in self.last.get("history", []) if isinstance(one, dict)]
        if learned["score"] is None:
            return known
        score = {key: learned["score"][key] for key in ("value", "low", "high")}
        return [*known, {"labels": learned["n_labels"], **score}][-200:]

    def _fail(self, error: UndertoneError) -> None:
        tell(str(error))
        self._tell(FAILED, str(error))

    def _tell(self, state: str, why: str = "") -> None:
        content = json.dumps({**self.last, "state": state, "why": why})
        atomic.write_text(self.kept / STATE, content)


def _last(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


if __name__ == "__main__":
    main()
