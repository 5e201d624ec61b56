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
    ASKED,
    FAILED,
    HOLDS,
    HOLDS_OF,
    LEARNING,
    LISTENING,
    MODEL,
    READY,
    STATE,
    TRIED,
    TRIED_OF,
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
    while True:
        work.learn(_latest(rounds))


def _latest(rounds: "queue.Queue[str]") -> str:
    """Which round is asked for, as the last of the lines that wait tells it."""
    line = rounds.get()
    while not rounds.empty():
        line = rounds.get()
    return line.strip()


def _rounds() -> "queue.Queue[str]":
    """Lines of standard input as they come; at its end the process ends."""
    lines: queue.Queue[str] = queue.Queue()

    def follow() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=follow, daemon=True).start()
    return lines


class _Work:
    def __init__(self, log: Path, kept: Path, lesson: Lesson) -> None:
        self.log, self.kept, self.lesson = log, kept, lesson
        self.last: dict[str, Any] = _last(kept / STATE)
        self._asked = ""

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

    def learn(self, asked: str) -> None:
        """A round.

        Args:
            asked: what it is called.
        """
        self._asked = asked
        self._tell(LEARNING)
        try:
            done = learn(self.log, self.lesson, self.kept / MODEL, self._report)
            learned = done.to_dict()
            history = self._history(learned)
            self.last = {**learned, "at": now(), "history": history, **self._holds(done)}
            self.last[ASKED] = asked
            self._tell(READY)
        except UndertoneError as error:
            self.last[ASKED] = asked
            self._fail(error)

    def _holds(self, learned: Learned) -> dict[str, Any]:
        """Of which labels this round was, and the model that lies there."""
        now = {HOLDS: learned.n_given, HOLDS_OF: learned.said}
        before = {HOLDS: 0, HOLDS_OF: ""}
        if (self.kept / MODEL).is_dir():
            before = {key: self.last.get(key, nothing) for key, nothing in before.items()}
        holds = now if learned.model else before
        return {TRIED: learned.n_given, TRIED_OF: learned.said, **holds}

    def _report(self, learned: Learned) -> None:
        """Model and score, with what was said ahead in the round before."""
        ahead = [
            one for one in self.last.get("sentences", []) if one.get("kind") in ("next", "speakers")
        ]
        told = learned.to_dict()
        curve = self.last.get("curve", [])
        self.last = {**self.last, **told, "curve": curve, **self._holds(learned)}
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
