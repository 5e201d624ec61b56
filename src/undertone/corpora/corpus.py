"""Who said what: the one table that the rest of the package knows of a corpus.

In:  a table of utterances from a reader.
Out: ``Corpus``: the table with a checked schema, its root, licence and citation, and what was
     left out of it with the reason.

``utterance`` is unique; ``file`` is relative to ``root`` (or absolute) with ``/`` between folders;
``start_s`` and ``end_s`` are seconds, NaN for the whole file; ``language`` is ISO 639-3. What is
unknown is None in text columns, a speaker too: two utterances without a speaker may or may not
share one. Label columns (``emotion``, ``intensity``, …) follow the fixed ones. Rows are joined by
``utterance``, never by position. Names are ``printable``; a file's path is what ``errors.as_path``
brings back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from undertone.errors import UndertoneError, describe_some, printable
from undertone.tasks import Task, task_of

TEXT_COLUMNS = ("utterance", "file", "speaker", "sex", "language", "transcript")
TIME_COLUMNS = ("start_s", "end_s")
COLUMNS = ("utterance", "file", "start_s", "end_s", "speaker", "sex", "language", "transcript")
SEXES = ("female", "male")
MOST_REASONS = 12  # that are told one by one
LONGEST_TOLD = 80  # letters of a name
ALONE = "unknown speaker of "  # before an utterance that counts as a speaker of its own
LEFT_OUT_COLUMNS = ("utterance", "file", "reason")


@dataclass(frozen=True, eq=False, repr=False)
class Corpus:
    """Utterances, where their audio lies, and under which licence."""

    name: str
    root: Path
    table: pd.DataFrame  # COLUMNS and label columns
    licence: str
    citation: str
    synthetic: bool = False
    official_folds: bool = False  # its column split says which speakers train and are tested
    scale: tuple[float, float] | None = None  # of its dimensions, as (1, 7); None where unknown
    proxy: str = ""  # what stands in for ratings of dimensions; empty where people rated
    left_out: pd.DataFrame = field(default_factory=lambda: left_out([]))  # LEFT_OUT_COLUMNS
    fold_by: str = ""  # column whose groups are tested together, as IEMOCAP's sessions
    ratings: pd.DataFrame | None = None  # what each rater heard, as ``corpora.ratings`` has it
    acted: bool = False  # its emotion is what was played, whatever raters heard
    notes: tuple[str, ...] = ()  # sentences that a reader of its scores must know
    soft: bool = False  # shares of its emotions are learned from, not the largest one alone
    assumed: str = ""  # what its speakers rest on, a sentence to stand beside every score
    if_nobody: str = ""  # what to do where no speaker is known, if not what a table needs
    members: tuple["Member", ...] = ()  # what it was joined of, as ``corpora.across`` does

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))
        object.__setattr__(self, "name", printable(self.name))
        object.__setattr__(self, "table", _checked(self.table, self.name))
        if missing := [c for c in LEFT_OUT_COLUMNS if c not in self.left_out]:
            raise UndertoneError(f"{self.name}: left_out has no column {', '.join(missing)}")
        if self.ratings is not None:
            rated = self.ratings["utterance"].isin(self.table["utterance"])
            object.__setattr__(self, "ratings", self.ratings[rated.to_numpy()])

    def __repr__(self) -> str:
        """In a line; the table itself is in ``table``.

        >>> Corpus("a", Path("/a"), pd.DataFrame(columns=list(COLUMNS)), "", "")
        <Corpus a: 0 utterances of 0 speakers>
        """
        left_out = f", {len(self.left_out)} left out" if len(self.left_out) else ""
        speakers = f"{len(self.speakers)} {self.unit}s"
        return f"<Corpus {printable(self.name)}: {len(self)} utterances of {speakers}{left_out}>"

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def labelled(self) -> "Corpus":
        """The part with an emotion; empty where the corpus names none."""
        if "emotion" not in self.table:
            nothing = self.table.iloc[:0].assign(emotion=pd.Series(dtype=object))
            return replace(self, table=nothing)
        return replace(self, table=self.table[self.table["emotion"].notna()])

    @cached_property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that occur, in alphabetical order."""
        return tuple(sorted(self.labelled.table["emotion"].unique()))

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers that are known by name, in alphabetical order."""
        return tuple(who for who in sorted(self.table["speaker"].dropna().unique()) if knows(who))

    def task(self, name: str = "") -> Task:
        """The task that it has labels for, on its own scale; ``name`` as of ``task_of``."""
        return task_of(self.table, self.name, name).on(self.scale, self.proxy)

    @property
    def unit(self) -> str:
        """What a speaker is here: "video" where videos are named in the place of speakers."""
        same = "video" in self.table and (self.table["video"] == self.table["speaker"]).all()
        return "video" if same else "speaker"

    def voices(self, utterances: Sequence[str] | None = None) -> tuple[str | None, ...]:
        """``corpus/speaker`` of these utterances, or of all; None where it is unknown."""
        speaker = dict(zip(self.table["utterance"], self.table["speaker"], strict=True))
        names = speaker if utterances is None else utterances
        of = "" if self.members else f"{self.name}/"  # speakers of a joined one name theirs
        return tuple(None if speaker[name] is None else f"{of}{speaker[name]}" for name in names)

    def drop(self, utterances: Mapping[str, str]) -> "Corpus":
        """The corpus without these utterances; the reason by utterance goes to ``left_out``."""
        dropped = self.table["utterance"].isin(list(utterances))
        if unknown := set(utterances) - set(self.table["utterance"]):
            raise UndertoneError(
                f"{self.name} has no utterance {', '.join(sorted(unknown)[:3])} to leave out"
            )
        excluded = self.table.loc[dropped, ["utterance", "file"]]
        excluded = excluded.assign(reason=excluded["utterance"].map(dict(utterances)))
        return replace(
            self,
            table=self.table[~dropped],
            left_out=left_out([*self.left_out.to_dict("records"), *excluded.to_dict("records")]),
        )

    def with_table(self, table: pd.DataFrame) -> "Corpus":
        """The same corpus with another table."""
        return replace(self, table=table)

    def with_source(self, *, licence: str, citation: str) -> "Corpus":
        """The same corpus, of which is known where it comes from."""
        return replace(self, licence=licence, citation=citation)

    def noting(self, *notes: str) -> "Corpus":
        """The same corpus with more that a reader must know; empty notes are none."""
        return replace(self, notes=(*self.notes, *filter(None, notes)))

    def reasons(self) -> dict[str, int]:
        """How many utterances were left out, by reason."""
        return {str(reason): int(n) for reason, n in self.left_out["reason"].value_counts().items()}

    def told(self) -> list[str]:
        """How it was read where that is not plain, and what was left out, a line each."""
        lines = [f"{self.name}: {note}" for note in self.notes]
        reasons = self.reasons()
        for reason, n in list(reasons.items())[:MOST_REASONS]:
            files = self.left_out.loc[self.left_out["reason"] == reason, "file"].dropna().unique()
            named = f" ({describe_some(map(_shortened, files))})" if len(files) else ""
            lines.append(f"{self.name}: {n} left out: {reason}{named}")
        if others := list(reasons.values())[MOST_REASONS:]:
            lines.append(f"{self.name}: {sum(others)} more left out, for {len(others)} reasons")
        return lines


@dataclass(frozen=True, eq=False)
class Member:
    """A corpus that was joined with others.

    Attributes:
        corpus: as it was read, without what the others have no labels for.
        trains: whether it is learned from.
        tested: whether it is tested.
    """

    corpus: Corpus
    trains: bool
    tested: bool


def _shortened(name: object) -> str:
    text = str(name)
    return text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]}…"


def knows(speaker: str | None) -> bool:
    """Whether this is somebody, and no utterance of nobody knows whom."""
    return speaker is not None and not speaker.startswith(ALONE)


def left_out(records: Iterable[Mapping[Any, object]]) -> pd.DataFrame:
    """A table of exclusions from records of utterance, file and reason."""
    return pd.DataFrame(list(records), columns=list(LEFT_OUT_COLUMNS), dtype=object)


def name_utterances(files: Iterable[str]) -> list[str]:
    """File names without folder and ending; with the folder where two would be the same.

    >>> name_utterances(["wav/03a01Fa.wav", "wav/03a01Nc.wav"])
    ['03a01Fa', '03a01Nc']
    >>> name_utterances(["happy/1.wav", "sad/1.wav"])
    ['happy/1', 'sad/1']
    """
    paths = [PurePosixPath(file) for file in files]
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(set(paths)):
        return stems
    return [str(path.with_suffix("")) for path in paths]


def _checked(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A copy with the schema's columns first and its dtypes."""
    if missing := [column for column in COLUMNS if column not in table]:
        raise UndertoneError(
            f"{name}: the table of utterances needs the columns {', '.join(COLUMNS)}; "
            f"it lacks {', '.join(missing)}"
        )
    table = table[[*COLUMNS, *(c for c in table.columns if c not in COLUMNS)]]
    table = table.reset_index(drop=True)
    for column in table.columns.intersection([*TEXT_COLUMNS, "emotion"]):
        table[column] = _text(table[column], name)
    others = table.select_dtypes(exclude=["number", "bool"])
    table[others.columns] = others.astype(object).where(others.notna(), None)
    for column in TIME_COLUMNS:
        table[column] = pd.to_numeric(table[column]).astype(float)
    _check_rows(table, name)
    return table


def _text(column: pd.Series, name: str) -> pd.Series:
    text = column.astype(object).where(column.notna(), None)
    odd = text.map(lambda cell: cell is not None and (not isinstance(cell, str) or not cell))
    if odd.any():
        raise UndertoneError(
            f"{name}: column {column.name} must hold text, and None where it is unknown; "
            f"found {text[odd].iloc[0]!r} for {odd.sum()} utterances"
        )
    if column.name == "file":  # as the system wants it back, whatever is in it
        return text
    return text.map(_told if column.name == "transcript" else printable, na_action="ignore")


def _told(text: str) -> str:
    """What somebody said, in as many lines as it stands in; what is no text as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def _check_rows(table: pd.DataFrame, name: str) -> None:
    utterances = table["utterance"]
    start_s = table["start_s"].fillna(0.0)
    wrong = {
        "has no name": utterances.isna(),
        "occurs twice": utterances.duplicated(),
        "names no file": table["file"].isna(),
        "starts before its file": start_s < 0,
        "ends before it starts": table["end_s"].fillna(np.inf) <= start_s,
        f"has a sex that is none of {', '.join(SEXES)} and None": table["sex"].notna()
        & ~table["sex"].isin(SEXES),
    }
    for what, rows in wrong.items():
        if rows.any():
            raise UndertoneError(
                f"{name}: utterance {utterances[rows].iloc[0]!r} {what} "
                f"({rows.sum()} of {len(table)} utterances)"
            )
