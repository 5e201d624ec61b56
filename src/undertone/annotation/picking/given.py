"""Labels that are there already: the corpus's own, a table, an export of Label Studio.

In:  a corpus, and where its labels are.
Out: ``Given``: emotion by utterance, utterances that somebody could not label, and in sentences
     what was passed over.

Rows and tasks name an utterance, or a file: by its path from the corpus's folder, by its whole path
or, where only one utterance has it, by its name alone. Names that Label Studio puts before uploaded
files are taken off.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from undertone.corpora import tables
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError, as_text, describe_some
from undertone.tasks.names import canonical_emotion, names_no_emotion

OWN, NONE = "emotion", "none"  # the corpus's own column; no labels at all
UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before a file's name
KEPT = "surrogateescape"  # bytes of a path that are no UTF-8
SERVED = "d"  # the part of an address in which Label Studio names a local file
NAMES = ("utterance", "file", "emotion")


@dataclass(frozen=True)
class Given:
    """Labels of a corpus.

    Attributes:
        labels: emotion by utterance.
        skip: utterances that somebody saw and could not label.
        notes: what was passed over, in sentences.
    """

    labels: Mapping[str, str]
    skip: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass
class _Found:
    """Labels while they are read; several people may have labelled one utterance."""

    votes: dict[str, Counter[str]] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    not_there: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)  # names that several utterances have

    def vote(self, utterance: str, emotion: str) -> None:
        self.votes.setdefault(utterance, Counter())[emotion] += 1


def labels_of(corpus: Corpus, where: str = OWN) -> Given:
    """The labels of a corpus's utterances.

    Args:
        corpus: as it was read.
        where: ``emotion`` for its own column, ``none``, or the path of a table or an export.

    Raises:
        UndertoneError: there is no such file, or it holds no labels.
    """
    if where == NONE:
        return Given({})
    if where == OWN:
        return Given(_own(corpus))
    path = Path(where)
    if not path.exists():
        raise UndertoneError(
            f"--labels takes {OWN} (the corpus's own column), {NONE}, or the path of a table or of "
            f"a JSON export of Label Studio; there is no file {where}"
        )
    exported = _exported(path)
    found = _Found()
    names = _Names(corpus)
    for reference, emotions, unreadable in (
        _of_tasks(exported, path) if exported is not None else _of_rows(path)
    ):
        _note(found, names, reference, emotions=emotions, unreadable=unreadable)
    return _settled(found, path)


def _own(corpus: Corpus) -> dict[str, str]:
    if "emotion" not in corpus.table:
        return {}
    rows = corpus.table[corpus.table["emotion"].notna()]
    return dict(zip(rows["utterance"], rows["emotion"], strict=True))


class _Names:
    """What an utterance may be called in a table of labels."""

    def __init__(self, corpus: Corpus) -> None:
        rows = corpus.table
        self.utterances = set(rows["utterance"])
        self.by_file: dict[str, list[str]] = {}
        root = corpus.root.resolve()
        for name, file in zip(rows["utterance"], rows["file"], strict=True):
            plain = PurePosixPath(str(file).replace("\\", "/"))
            for text in {str(plain), str(root / plain), plain.name, plain.stem}:
                self.by_file.setdefault(text, []).append(name)

    def find(self, reference: str) -> list[str]:
        """Utterances of a name: one, none, or several that share it."""
        if reference in self.utterances:
            return [reference]
        for text in _spellings(reference):
            if text in self.by_file:
                return self.by_file[text]
        return []


def _spellings(reference: str) -> Iterator[str]:
    """A path as given, as an address names it, and its last part without what was put before."""
    text = reference.strip().replace("\\", "/")
    yield text.removeprefix("./")
    try:
        address = urlsplit(text)
    except ValueError:  # brackets that stand for no host: a plain path, if anything
        address = urlsplit("")._replace(path=text)
    if address.query:
        served = dict(p.partition("=")[::2] for p in address.query.split("&")).get(SERVED, "")
        text = as_text(unquote(served, errors=KEPT))
        yield text
        yield f"/{text}"
    elif address.scheme or "%" in text:
        text = as_text(unquote(address.path, errors=KEPT))
        yield text
    last = PurePosixPath(text).name
    yield last
    yield UPLOADED.sub("", last)


def _note(
    found: _Found, names: _Names, reference: str, *, emotions: Iterable[str], unreadable: bool
) -> None:
    utterances = names.find(reference)
    emotions = [canonical_emotion(text) for text in emotions if not names_no_emotion(text)]
    if not emotions and not unreadable:
        return
    if len(utterances) != 1:
        (found.doubtful if utterances else found.not_there).append(reference)
        return
    for emotion in emotions:
        found.vote(utterances[0], emotion)
    if unreadable and not emotions:
        found.skipped.add(utterances[0])


def _settled(found: _Found, path: Path) -> Given:
    """What most said; where as many said something else, nobody knows."""
    labels, split = {}, []
    for utterance, votes in found.votes.items():
        (emotion, most), *others = votes.most_common(2)
        if others and others[0][1] == most:
            split.append(utterance)
        else:
            labels[utterance] = emotion
    notes = []
    if found.not_there:
        notes.append(
            f"{len(found.not_there)} labels in {path} are of files that the corpus does not hold "
            f"({describe_some(found.not_there)}): they do not count"
        )
    if found.doubtful:
        notes.append(
            f"{len(found.doubtful)} labels in {path} are of names that several utterances have "
            f"({describe_some(found.doubtful)}): they do not count; name the utterances"
        )
    if split:
        notes.append(
            f"{len(split)} utterances in {path} have as many labels of one emotion as of another "
            f"({describe_some(split)}): they count as not labelled"
        )
    return Given(labels, frozenset(found.skipped - labels.keys()), tuple(notes))


Entry = tuple[str, list[str], bool]  # a name, emotions, whether somebody could not tell


def _of_rows(path: Path) -> Iterator[Entry]:
    cells = tables.read(path, NAMES).cells
    cells = cells.rename(columns={name: str(name).strip().casefold() for name in cells.columns})
    name = next((column for column in ("utterance", "file") if column in cells), None)
    if name is None or "emotion" not in cells:
        raise UndertoneError(
            f"{path} is to say what was labelled how: expected a column utterance or file, and a "
            f"column emotion; found {', '.join(map(str, cells.columns)) or 'none'}"
        )
    for row in cells.to_dict("records"):
        yield str(row[name] or row.get("file", "")), [str(row["emotion"])], False


def _exported(path: Path) -> list[Any] | None:
    """The tasks of an export; None where the file is another table."""
    if path.suffix.lower() != ".json":
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UndertoneError(f"{path} cannot be read as JSON: {error}") from None
    tasks = content if isinstance(content, list) else [content]
    if not all(isinstance(task, Mapping) for task in tasks):
        raise UndertoneError(f"{path} is no export of Label Studio: expected a list of tasks")
    return list(tasks)


def _of_tasks(tasks: list[Any], path: Path) -> Iterator[Entry]:
    """Of the full export, whose tasks have annotations, and of the short one (JSON-MIN)."""
    for task in tasks:
        data = task.get("data", task)
        reference = _reference(data if isinstance(data, Mapping) else {})
        if reference is None:
            raise UndertoneError(
                f"a task in {path} names no recording: expected one of utterance, audio or file "
                f"among {', '.join(map(str, data)) if isinstance(data, Mapping) else data!r}"
            )
        if "annotations" not in task and "completions" not in task:
            yield reference, list(_choices(task.get("emotion", task.get("choice")))), False
            continue
        for one in task.get("annotations") or task.get("completions") or ():
            results = one.get("result") or ()
            emotions = [e for r in results for e in _choices(r.get("value", {}).get("choices"))]
            yield reference, emotions, bool(one.get("was_cancelled"))


def _reference(data: Mapping[str, Any]) -> str | None:
    named = (data.get(name) for name in ("utterance", "audio", "file"))
    return next((text for text in named if isinstance(text, str) and text.strip()), None)


def _choices(value: Any) -> Iterator[str]:
    """A choice, several, or none, however an export writes them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _choices(value.get("choices"))
    elif isinstance(value, list):
        yield from (text for text in value if isinstance(text, str))
