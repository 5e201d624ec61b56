"""The same recording several times: by its bytes.

In:  corpora, and by utterance a digest of what its recording holds, segment included.
Out: groups of utterances that are one recording, and what the members disagree about.

One recording under two speakers crosses a fold although speakers do not; under two labels at least
one of them is wrong.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from undertone.corpora.audit.findings import Finding
from undertone.corpora.corpus import Corpus
from undertone.tasks import TASKS

COPY = "the same recording stands there under another speaker or label"
Member = tuple[str, str]  # corpus, utterance


@dataclass(frozen=True)
class Facts:
    """What is told of one utterance."""

    file: str
    speaker: str | None
    label: str


def contents_of(corpus: Corpus) -> dict[str, str]:
    """A digest of each utterance's file and segment; those that cannot be read have none."""
    contents, by_file = {}, dict[str, str | None]()
    columns = (corpus.table[name] for name in ("utterance", "file", "start_s", "end_s"))
    for utterance, file, start_s, end_s in zip(*columns, strict=True):
        if file not in by_file:
            by_file[file] = _digest(Path(corpus.root) / file)
        if (digest := by_file[file]) is not None:
            contents[utterance] = f"{digest} {start_s} {end_s}"
    return contents


def groups(contents: Mapping[Member, str]) -> list[list[Member]]:
    """Members with the same content, two or more, in the order of their first ones."""
    found = defaultdict(list)
    for member, content in contents.items():
        found[content].append(member)
    return [group for group in found.values() if len(group) > 1]


def facts_of(corpus: Corpus) -> dict[Member, Facts]:
    """What a corpus tells of its utterances; the label is of every task that it has labels for."""
    table = corpus.table
    columns = [c for task in TASKS.values() for c in task.label_columns if c in table]
    labels = table[columns].apply(_label, axis=1) if columns else pd.Series("", index=table.index)
    rows = zip(table["utterance"], table["file"], table["speaker"], labels, strict=True)
    return {(corpus.name, name): Facts(file, who, label) for name, file, who, label in rows}


def disagreement(group: Sequence[Member], facts: Mapping[Member, Facts]) -> str:
    """What the members of a group are told differently: "speaker", "label", both or nothing."""
    of_group = [facts[member] for member in group]
    labels = {fact.label for fact in of_group} - {""}
    words = ["speaker"] * (len({fact.speaker for fact in of_group}) > 1)
    return " and ".join([*words, *["label"] * (len(labels) > 1)])


def identical(corpus: Corpus, contents: Mapping[str, str]) -> Iterator[Finding]:
    """Recordings of a corpus that stand there several times."""
    facts = facts_of(corpus)
    found = groups({(corpus.name, name): content for name, content in contents.items()})
    found = [[member for member in group if member in facts] for group in found]
    found = [group for group in found if len(group) > 1]
    disputed = [group for group in found if disagreement(group, facts)]
    if disputed:
        speakers = sum("speaker" in disagreement(group, facts) for group in disputed)
        labels = sum("label" in disagreement(group, facts) for group in disputed)
        several = [
            f"{speakers} under several speakers, so that what is tested would be trained on",
            f"{labels} under several labels, of which one is wrong",
        ]
        told = [words for words, n in zip(several, (speakers, labels), strict=True) if n]
        yield Finding(
            "copies",
            f"{len(disputed)} recordings of {corpus.name} stand there several times with other "
            f"facts: {', '.join(told)}",
            is_lie=True,
            columns=("utterances", "speakers", "labels"),
            rows=tuple(_row(group, facts) for group in disputed),
        )
    if n_repeated := len(found) - len(disputed):
        repeated = [group for group in found if not disagreement(group, facts)]
        yield Finding(
            "repeats",
            f"{n_repeated} recordings stand there several times with the same speaker and label: "
            "they count as often",
            columns=("utterances", "speakers", "labels"),
            rows=tuple(_row(group, facts) for group in repeated),
        )


def disputed_utterances(corpus: Corpus, contents: Mapping[str, str]) -> list[str]:
    """Utterances whose recording stands there under another speaker or label too."""
    facts = facts_of(corpus)
    found = groups({(corpus.name, name): content for name, content in contents.items()})
    kept = ([member for member in group if member in facts] for group in found)
    return [name for group in kept if disagreement(group, facts) for _, name in group]


def _row(group: Sequence[Member], facts: Mapping[Member, Facts]) -> tuple[str, str, str]:
    of_group = [facts[member] for member in group]
    return (
        ", ".join(utterance for _, utterance in group),
        ", ".join(dict.fromkeys(fact.speaker or "unknown" for fact in of_group)),
        ", ".join(dict.fromkeys(fact.label or "none" for fact in of_group)),
    )


def _label(row: pd.Series) -> str:
    known = [(name, value) for name, value in row.items() if value is not None and value == value]
    return " ".join(str(v) if n == "emotion" else f"{n} {v:g}" for n, v in known)


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
