"""EmoBox's published fold files, read so that they can be audited, and used where they are sound.

In:  the folder of one corpus: ``fold_1/emodb_train_fold_1.json`` (a mapping by utterance) or
     ``.jsonl`` (a record a line); ``fold1`` as well as ``fold_1``, ``wav`` or ``audio``, ``emo`` or
     ``label``; ``label_map.json`` and ``data.seg.wrd.stm`` are used where they are there.
Out: ``PublishedFold`` tables with utterance, file, start_s, end_s, speaker and emotion.

The speaker is read off the file name by each corpus's own grammar, else from the ``.stm`` list
(id, channel, speaker, …). EmoBox: Ma et al. (2024), Interspeech. Most of its folds are not disjoint
in speakers: see ``corpora.audit``.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from undertone.config import parse_json
from undertone.corpora import emodb, ravdess
from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import Fold, labelled_rows
from undertone.corpora.texts import read_text
from undertone.errors import UndertoneError
from undertone.tasks.names import canonical_emotion, names_no_emotion

FOLD = re.compile(r"fold_?(\d+)")
FILE = re.compile(r"(?P<corpus>.+)_(?P<side>train|valid|test)_fold_?\d+\.jsonl?")
COLUMNS = ("utterance", "file", "start_s", "end_s", "speaker", "emotion")
# The talker of IEMOCAP is the last letter; the first is who wore the motion-capture markers.
SPEAKERS: Mapping[str, re.Pattern[str]] = {
    "emodb": emodb.GRAMMAR,
    "ravdess": ravdess.GRAMMAR,
    "cremad": re.compile(r"(?P<speaker>10\d\d)[_-][A-Z]{3}[_-][A-Z]{3}[_-](LO|MD|HI|XX?)"),
    "shemo": re.compile(r"(?P<speaker>[FM]\d\d)[AFHNSW]\d+"),
    "iemocap": re.compile(r"(?P<speaker>Ses0[1-5])[FM]_.+_(?P<talker>[FM])\w*\d+"),
}


@dataclass(frozen=True)
class PublishedFold:
    """One fold as it was published: tables with ``COLUMNS``."""

    index: int  # from 1, as published
    train: pd.DataFrame
    test: pd.DataFrame
    validation: pd.DataFrame  # empty for most corpora


def speaker_of(corpus: str, stem: str) -> str | None:
    """The speaker in a file's name by the grammar of its corpus; None where it tells none.

    >>> speaker_of("iemocap", "Ses01F_impro01_M000"), speaker_of("cremad", "1001_IEO_ANG_HI")
    ('Ses01M', '1001')
    """
    if corpus not in SPEAKERS or (match := SPEAKERS[corpus].fullmatch(stem)) is None:
        return None
    return match["speaker"] + match.groupdict().get("talker", "")


def read_folds(folder: Path) -> list[PublishedFold]:
    """All folds of one corpus, such as EmoBox's ``data/emodb``, in the order of their numbers."""
    folder = Path(folder)
    places = {
        int(match[1]): place
        for place in sorted(folder.glob("fold*"))
        if (match := FOLD.fullmatch(place.name)) and place.is_dir()
    }
    if not places:
        raise UndertoneError(
            f"expected EmoBox folds (fold_1, fold_2, …) in {folder}, found none; "
            "name the folder of one corpus, such as data/emodb"
        )
    mapped = folder / "label_map.json"
    labels = _json(read_text(mapped), mapped) if mapped.is_file() else {}
    listed = _listed_speakers(folder)
    return [_read_fold(places[index], index, labels, listed) for index in sorted(places)]


def disjoint_folds(folder: Path, corpus: Corpus) -> list[Fold]:
    """The published folds of a corpus as folds of speakers, where they keep speakers apart.

    Args:
        folder: as of ``read_folds``.
        corpus: with emotions and speakers; its utterances are the names of the published files.

    Raises:
        UndertoneError: a speaker is on both sides of a fold or tested twice, or the test sides
            hold other utterances than the corpus.
    """
    published = read_folds(folder)
    rows = labelled_rows(corpus)
    tested = [rows[rows["utterance"].isin(_names(fold.test))] for fold in published]
    times = Counter(speaker for of_one in tested for speaker in of_one["speaker"].unique())
    if shared := sorted(speaker for speaker, n in times.items() if n > 1):
        raise UndertoneError(
            f"the folds in {folder} test {len(shared)} of {len(times)} speakers in several folds "
            f"({', '.join(shared[:5])}): what they are tested with has heard them; leave the "
            "folds' folder out for folds that keep speakers apart"
        )
    n_published = sum(len(fold.test) for fold in published)
    if not (sum(map(len, tested)) == n_published == len(rows)):
        raise UndertoneError(
            f"the folds in {folder} test {n_published} utterances, {corpus.name} has {len(rows)} "
            f"with emotion and speaker, and {sum(map(len, tested))} are the same: are they of this "
            "corpus, and is your copy whole?"
        )
    everyone = set(rows["speaker"])
    return [
        Fold(index, tuple(sorted(own)), tuple(sorted(everyone - own)))
        for index, own in enumerate(set(of_one["speaker"]) for of_one in tested)
    ]


def _names(table: pd.DataFrame) -> set[str]:
    """The utterances' names: their files' without folder and ending."""
    return {PurePosixPath(file).stem for file in table["file"]}


def _read_fold(
    place: Path, index: int, labels: Mapping[str, str], listed: Mapping[str, str]
) -> PublishedFold:
    # Some folds were published twice, as fold1 and fold_1: the first name in order is read.
    sides: dict[str, tuple[Path, re.Match[str]]] = {}
    for path in sorted(place.iterdir(), reverse=True):
        if match := FILE.fullmatch(path.name):
            sides[match["side"]] = path, match
    if missing := {"train", "test"} - sides.keys():
        raise UndertoneError(f"{place} has no {' and no '.join(sorted(missing))} list of a fold")
    tables = {
        match["side"]: _table(_records(path), match["corpus"], labels=labels, listed=listed)
        for path, match in sides.values()
    }
    nothing = pd.DataFrame(columns=list(COLUMNS), dtype=object)
    return PublishedFold(index, tables["train"], tables["test"], tables.get("valid", nothing))


def _records(path: Path) -> list[dict]:
    """Records with their key, from a mapping, a list, or a record a line."""
    text = read_text(path)
    if path.suffix == ".jsonl" and not text.lstrip().startswith("["):
        return [_json(line, path) for line in text.splitlines() if line.strip()]
    content = _json(text, path)
    if isinstance(content, Mapping):
        return [{"key": key, **record} for key, record in content.items()]
    return list(content)


def _json(text: str, path: Path) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise UndertoneError(f"{path} is not valid JSON: {error}") from None


def _table(
    records: list[dict], corpus: str, *, labels: Mapping[str, str], listed: Mapping[str, str]
) -> pd.DataFrame:
    rows = []
    for record in records:
        file, label = _either(record, "wav", "audio"), _either(record, "emo", "label")
        speaker = speaker_of(corpus, PurePosixPath(file).stem) or listed.get(record["key"])
        emotion = None if names_no_emotion(label) else canonical_emotion(labels.get(label, label))
        times = (record.get("start_time"), record.get("end_time"))
        rows.append((record["key"], file, *times, speaker, emotion))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"speaker": object})


def _either(record: Mapping[str, str], first: str, second: str) -> str:
    if first in record or second in record:
        return record[first if first in record else second]
    raise UndertoneError(
        f"expected {first} or {second} of each utterance, found {', '.join(record)} of "
        f"{record.get('key')}"
    )


def _listed_speakers(folder: Path) -> Mapping[str, str]:
    path = folder / "data.seg.wrd.stm"
    if not path.is_file():
        return {}
    lines = [line.split(maxsplit=3) for line in read_text(path).splitlines()]
    return {line[0]: line[2] for line in lines if len(line) > 2}
