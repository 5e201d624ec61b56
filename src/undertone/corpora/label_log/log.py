"""A log of labels, as ``undertone label`` writes it: who heard what, when, and what they said.

In:  JSON lines. The first tells what the log is; then each is a label, an undoing of one, or a note
     on a recording that could not be played.
Out: ``Log``: the labels in force, and what is told of torn lines.

A log only ever grows. A label is in force until its own rater undoes it, or labels the same
utterance again: then the later one counts. A line that is no whole line, as a cut of the power
leaves it, is told with its number and set aside; what follows it stands on lines of its own. A line
that stands there twice, by its id, counts once.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from undertone.errors import UndertoneError, describe_some
from undertone.tasks.names import canonical_emotion

MARK, FORMAT = "undertone label log", 1
BEGINS = f'{{"kind":"log","what":"{MARK}"'.encode()  # every log
SUFFIXES = (".jsonl", ".ndjson")
HEAD_BYTES = 65_536  # in which the first line ends
EMOTION, CANNOT_TELL, NOT_SPEECH = ANSWERS = ("emotion", "cannot tell", "not speech")
DIMENSIONS = ("arousal", "valence")
SCALE = (1.0, 5.0)  # of the sliders


@dataclass(frozen=True)
class Label:
    """What one rater said of one utterance.

    Attributes:
        id: of the line; made by the page, so that a label that is sent twice is one.
        rater: who.
        at: when, in UTC, as ISO 8601 has it.
        utterance: its name.
        heard: where it lies: file, start_s, end_s, speaker, and digest of the file.
        answer: one of ``ANSWERS``.
        shares: by emotion, which sum to 1; empty where no emotion was named.
        amounts: arousal and valence on ``SCALE``, where they were given.
        shown: what the page showed, and why it chose this utterance.
    """

    id: str
    rater: str
    at: str
    utterance: str
    heard: Mapping[str, Any]
    answer: str
    shares: Mapping[str, float] = field(default_factory=dict)
    amounts: Mapping[str, float] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def emotion(self) -> str | None:
        """The one with the largest share, the first of equal ones."""
        return max(self.shares, key=self.shares.__getitem__) if self.shares else None

    def to_dict(self) -> dict[str, Any]:
        """The line."""
        named = {"emotion": self.emotion, "shares": dict(self.shares)} if self.shares else {}
        return {
            "kind": "label",
            **{"id": self.id, "rater": self.rater, "at": self.at, "utterance": self.utterance},
            **{"heard": dict(self.heard), "answer": self.answer},
            **named,
            **dict(self.amounts),
            "shown": dict(self.shown),
        }

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> "Label | None":
        """Of a line; None where it is no label that can be used."""
        shares = shares_of(line)
        amounts = {name: line[name] for name in DIMENSIONS if _is_amount(line.get(name))}
        texts = [line.get(name) for name in ("id", "rater", "at", "utterance")]
        if line.get("answer") not in ANSWERS or not all(isinstance(t, str) and t for t in texts):
            return None
        heard = line.get("heard")
        if not isinstance(heard, dict) or not isinstance(heard.get("file"), str):
            return None
        if shares is None or (line["answer"] == EMOTION) != bool(shares):
            return None
        shown = line.get("shown")
        identity, rater, at, utterance = map(str, texts)
        return cls(
            identity,
            rater=rater,
            at=at,
            utterance=utterance,
            heard=heard,
            answer=line["answer"],
            shares=shares,
            amounts=amounts,
            shown=shown if isinstance(shown, dict) else {},
        )


@dataclass
class Log:
    """What a log says.

    Attributes:
        head: its first line; empty where the log is.
        labels: by id, in the order of the lines, those undone among them.
        undone: by id of a label that its rater took back, the id of the line that says so.
        unplayed: why an utterance could not be played, by its name.
        ids: of all lines.
        set_aside: numbers of lines, from 1, that could not be read.
        n_lines: that were read.
    """

    head: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    undone: dict[str, str] = field(default_factory=dict)
    unplayed: dict[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    set_aside: list[int] = field(default_factory=list)
    n_lines: int = 0

    def add(self, content: bytes) -> None:
        """Read more whole lines."""
        for text in content.split(b"\n")[:-1]:
            self.n_lines += 1
            if text.strip():
                self._take(_parsed(text))

    def _take(self, line: dict[str, Any] | None) -> None:
        known = line is not None and line.get("id") in self.ids
        if line is None or not self._understand(line, known=known):
            self.set_aside.append(self.n_lines)

    def _understand(self, line: dict[str, Any], *, known: bool) -> bool:
        """Take in a line; a second one of an id changes nothing."""
        kind, identity = line.get("kind"), line.get("id")
        if kind == "log":
            self.head = self.head or line
            return True
        if not isinstance(identity, str):
            return False
        if known:
            return True
        if kind == "label":
            if (label := Label.of(line)) is None:
                return False
            self.labels[identity] = label
        elif kind == "undo":
            self._undo(line)
        elif kind == "unplayed":
            self.unplayed[str(line.get("utterance"))] = str(line.get("why", ""))
        else:
            return False
        self.ids.add(identity)
        return True

    def _undo(self, line: Mapping[str, Any]) -> None:
        """A rater takes back nobody's label but their own."""
        label = self.labels.get(str(line.get("of")))
        if label is not None and label.rater == line.get("rater"):
            self.undone.setdefault(label.id, str(line["id"]))

    def in_force(self) -> list[Label]:
        """One label a rater and utterance: the last that was not undone."""
        last = {(one.rater, one.utterance): one for one in self.standing()}
        return list(last.values())

    def standing(self) -> Iterator[Label]:
        """Labels that were not undone, in the order of the lines."""
        return (label for name, label in self.labels.items() if name not in self.undone)

    @property
    def raters(self) -> tuple[str, ...]:
        """Whose labels stand, in alphabetical order."""
        return tuple(sorted({label.rater for label in self.standing()}))

    def told(self) -> list[str]:
        """What a reader must know, in sentences."""
        if not self.set_aside:
            return []
        lines = "line" if len(self.set_aside) == 1 else "lines"
        return [
            f"{len(self.set_aside)} {lines} of the log could not be read, as a cut of the power "
            f"leaves them, and were set aside: {lines} {describe_some(self.set_aside, 5)}. All "
            "others count."
        ]


def shares_of(line: Mapping[str, Any]) -> dict[str, float] | None:
    """The shares that a line tells, scaled to a sum of 1; None where they are none."""
    told = line.get("shares", {})
    if not isinstance(told, dict) or not all(_is_share(value) for value in told.values()):
        return None
    shares: dict[str, float] = {}
    for name, value in told.items():
        emotion = canonical_emotion(str(name))
        shares[emotion] = shares.get(emotion, 0.0) + float(value)
    whole = sum(shares.values())
    if told and not whole > 0:
        return None
    return {name: value / whole for name, value in shares.items() if value > 0}


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def _is_amount(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and SCALE[0] <= value <= SCALE[1]  # type: ignore[operator]


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def is_log(path: Path) -> bool:
    """Whether a file is a log of labels, by its beginning."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            begins = file.read(HEAD_BYTES).split(b"\n")[:2]  # the first may be torn
    except OSError:
        return False
    lines = [line for line in map(_parsed, begins) if line is not None]
    return any(line.get("kind") == "log" and line.get("what") == MARK for line in lines)


def load(path: Path) -> Log:
    """All lines of a log; a last one without an end counts where it is whole.

    Raises:
        UndertoneError: it cannot be read, or is no log of labels.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UndertoneError(f"the log {path} cannot be read: {error.strerror}") from None
    log = Log()
    log.add(content if content.endswith(b"\n") else content + b"\n")
    check_head(log, path)
    return log


def is_torn_head(content: bytes) -> bool:
    """Whether a file holds nothing but the beginning of a log's first line."""
    line = content.rstrip(b"\n")
    return b"\n" not in line and BEGINS.startswith(line[: len(BEGINS)]) and _parsed(line) is None


def check_head(log: Log, path: Path) -> None:
    """Refuse what is no log of labels, or one of a later format."""
    if log.n_lines and log.head.get("what") != MARK:
        raise UndertoneError(
            f"{path} is no log of labels: its first line does not say {MARK!r}; name another file "
            "with --log, or one that is not there yet"
        )
    if log.head and log.head.get("format") != FORMAT:
        raise UndertoneError(
            f"{path} is a log of format {log.head.get('format')}, and this version of Undertone "
            f"reads format {FORMAT}: install the version that wrote it, or a later one"
        )
