"""Tested on other corpora: several corpora joined into one, and folds that keep them apart.

In:  corpora to learn from and corpora to test; what is predicted.
Out: one ``Corpus`` whose utterances and speakers stand behind the names of their corpora, with the
     outputs that all of them have; its folds. Folds, pools, draws and plans then need not know that
     there were several.

Nothing of a tested corpus is heard while anything is learned: its speakers are the test speakers
of the fold, so that pools, crowds and normalisers leave them out as they do those of any fold.
Speakers of one name in two corpora are two people, unless ``one_person`` says otherwise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from undertone.config import check_types
from undertone.corpora.corpus import Corpus, Member, left_out
from undertone.corpora.folds import Fold
from undertone.corpora.names import fold as fold_name
from undertone.corpora.official import TRAIN, in_official_folds, is_tested
from undertone.corpora.sentences import CODE
from undertone.corpora.shared import check_speakers, on_one_scale, tasks_of, with_shared_emotions
from undertone.errors import UndertoneError, as_path, as_text, describe_some
from undertone.tasks import CHOICE

MEMBER = "corpus"  # column: the name of the corpus that an utterance came from
UNUSED_PART = "in an official fold that does not serve here: not used"


@dataclass(frozen=True)
class AcrossSettings:
    """Settings of a test on other corpora; off while nothing is tested."""

    test: tuple[str, ...] = ()  # corpora that are tested, NAME=PATH; never learned from
    beside: tuple[str, ...] = ()  # corpora that are learned from beside the first
    each: bool = False  # leave one corpus out: every one is tested in turn
    one_person: bool = False  # speakers of one name in two corpora are one person
    scale: tuple[float, ...] = ()  # of the dimensions of corpora that tell none, as [1, 5]
    shift: bool = True  # set it beside training inside the tested corpus
    system: str = ""  # whose shift is measured; the recommended one
    back: tuple[int, ...] = (10, 20, 50, 100, 200)  # labels of the tested corpus that are added

    def __post_init__(self) -> None:
        check_types(self)
        if self.each and self.test:
            raise UndertoneError(
                "--leave-one-corpus-out tests every corpus in turn: name them all with --corpus, "
                "and leave --test-corpus out"
            )
        if self.each and not self.beside:
            raise UndertoneError(
                "--leave-one-corpus-out needs two corpora or more: --corpus A=PATH --corpus B=PATH"
            )
        if self.beside and not self.asked:
            raise UndertoneError(
                "several corpora are learned from where others are tested: add --test-corpus "
                "NAME=PATH, or --leave-one-corpus-out; to pool them, write one table of them"
            )
        if self.scale and not (len(self.scale) == 2 and self.scale[0] < self.scale[1]):
            raise UndertoneError(
                f"across.scale is lowest and highest, as [1, 5]; found {self.scale}"
            )
        if any(n < 1 for n in self.back) or list(self.back) != sorted(set(self.back)):
            raise UndertoneError(
                f"across.back holds rising numbers of labels from 1 on, found {self.back}"
            )

    @property
    def asked(self) -> bool:
        """Whether another corpus is tested."""
        return bool(self.test or self.each)


def join(
    corpora: Sequence[Corpus],
    n_taught: int,
    *,
    task: str = "",
    settings: AcrossSettings | None = None,
    outputs: Sequence[str] | None = None,
) -> Corpus:
    """One corpus of several, with what all of them have labels for.

    Args:
        corpora: those to learn from first; with ``settings.each`` all are both.
        n_taught: how many of them are learned from.
        task: what is predicted; by default the first task that all have labels for.
        settings: of the test.
        outputs: of the last corpus, where its own labels do not tell them: a vault holds them.

    Raises:
        UndertoneError: two are one corpus, one has no labels or nobody knows whose they are, no
            two emotions are shared, or the scales of amounts cannot be brought together.
    """
    settings = settings or AcrossSettings()
    _check_apart(corpora, n_taught)
    members = [
        Member(one, trains=settings.each or i < n_taught, tested=settings.each or i >= n_taught)
        for i, one in enumerate(corpora)
    ]
    members = [replace(member, corpus=_in_its_part(member)) for member in members]
    tasks = tasks_of(members if outputs is None else members[:-1], task)
    if outputs is not None:
        tasks.append(replace(tasks[0], outputs=tuple(outputs)))
    if tasks[0].kind == CHOICE:
        parts, notes = with_shared_emotions(members, [of.outputs for of in tasks])
    else:
        parts, notes = on_one_scale(members, tasks, settings.scale)
    check_speakers(parts if outputs is None else parts[:-1], tasks[0].name)
    return _joined(parts, notes, settings)


def folds(corpus: Corpus) -> list[Fold]:
    """Who is tested and who is learned from: one fold, or with every corpus in turn one each."""
    tested = [m for m in corpus.members if m.tested]
    if any(m.trains for m in tested):
        groups = [(m.corpus.name, {m.corpus.name}) for m in tested]
    else:
        groups = [(" + ".join(m.corpus.name for m in tested), {m.corpus.name for m in tested})]
    return [_fold(corpus, i, *group) for i, group in enumerate(groups)]


def taught_in(corpus: Corpus, tested: str) -> tuple[str, ...]:
    """Names of the corpora that are learned from where ``tested`` is tested."""
    return tuple(m.corpus.name for m in corpus.members if m.trains and m.corpus.name != tested)


def tested_in(corpus: Corpus) -> tuple[str, ...]:
    """Names of the corpora that are tested."""
    return tuple(m.corpus.name for m in corpus.members if m.tested)


def parts_of(corpus: Corpus) -> dict[str, str]:
    """The tested corpus, and its official part, of each utterance; empty where there is one."""
    names, table = tested_in(corpus), corpus.table
    rows = table[table[MEMBER].isin(names)]
    split = rows["split"] if "split" in rows else pd.Series(None, index=rows.index, dtype=object)
    official = {m.corpus.name for m in corpus.members if m.corpus.official_folds}
    part = [
        f"{name} {of}" if name in official and isinstance(of, str) and of != TRAIN else name
        for name, of in zip(rows[MEMBER], split, strict=True)
    ]
    return dict(zip(rows["utterance"], part, strict=True)) if len(set(part)) > 1 else {}


def only(corpus: Corpus, name: str) -> Corpus:
    """The part of a joined corpus that came from one, with that one's own groups of speakers."""
    (member,) = (m for m in corpus.members if m.corpus.name == name)
    rows = corpus.table[corpus.table[MEMBER] == name]
    return replace(corpus, table=rows, fold_by=member.corpus.fold_by)


def note(corpus: Corpus, *, transductive: bool = False) -> str:
    """A sentence on what was learned from and what was tested."""
    names = [m.corpus.name for m in corpus.members]
    if any(m.trains and m.tested for m in corpus.members):
        how = f"Each of {', '.join(names)} was tested by fits that learned from the others alone"
    else:
        taught = [m.corpus.name for m in corpus.members if m.trains]
        how = f"All labels are of {', '.join(taught)}; {', '.join(tested_in(corpus))} was tested"
    if transductive:
        return f"{how}; without labels the tested corpus was heard in pre-training, as was asked."
    return f"{how}. No recording of a tested corpus was heard while anything was learned."


def notes_of(corpus: Corpus) -> dict[str, Any]:
    """What a model keeps of the corpora that it learned from and was tested on."""
    if not corpus.members:
        return {"corpus": corpus.name}
    taught = [m.corpus.name for m in corpus.members if m.trains]
    return {"corpus": " + ".join(taught), "tested_on": list(tested_in(corpus))}


def of_card(corpus: Corpus) -> str:
    """How the score of a model came about that was tested on other corpora; "" of one corpus."""
    if not corpus.members:
        return ""
    taught, tested = notes_of(corpus)["corpus"], " + ".join(tested_in(corpus))
    return (
        f"Tested on another corpus: this model learned from {taught} alone, and no recording of "
        f"{tested} was heard while it learned. On {tested}"
    )


def _check_apart(corpora: Sequence[Corpus], n_taught: int) -> None:
    names = [one.name for one in corpora]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UndertoneError(
            f"two corpora are called {twice}: a corpus that is tested must be another one; give "
            "them different names, as --test-corpus OTHER=PATH"
        )
    files = [_recordings(one) for one in corpora]
    for i, one in enumerate(files):
        for j in range(i + 1, len(files)):
            if one and one == files[j]:
                what = "tested and learned from" if j >= n_taught else "named"
                raise UndertoneError(
                    f"{names[i]} and {names[j]} are the same recordings: one corpus would be "
                    f"{what} twice; to test speakers of one corpus leave --test-corpus out"
                )


def _recordings(corpus: Corpus) -> set[tuple[Path, str]]:
    root = corpus.root.resolve()
    columns = (corpus.table[name] for name in ("file", "start_s", "end_s"))
    return {(root / as_path(file), f"{a} {b}") for file, a, b in zip(*columns, strict=True)}


def _in_its_part(member: Member) -> Corpus:
    """Of a corpus with official folds, the training part where it teaches, the test where not."""
    corpus = in_official_folds(member.corpus)
    if not corpus.official_folds or (member.trains and member.tested):
        return corpus
    tested = is_tested(corpus)
    names = corpus.table["utterance"][~tested if member.tested else tested]
    return corpus.drop(dict.fromkeys(names, UNUSED_PART))


def _joined(parts: Sequence[Member], notes: Sequence[str], settings: AcrossSettings) -> Corpus:
    first, last = parts[0].corpus, parts[-1].corpus
    taught = " + ".join(m.corpus.name for m in parts if m.trains)
    tested = " + ".join(m.corpus.name for m in parts if m.tested)
    tables = [_table(m.corpus, one_person=settings.one_person) for m in parts]
    gone = [record for m in parts for record in _left_out(m.corpus)]
    notes = [*notes, *(f"{m.corpus.name}: {text}" for m in parts for text in m.corpus.notes)]
    corpus = Corpus(
        name=taught if settings.each else f"{taught} → {tested}",
        root=Path("/"),
        table=pd.concat(tables, ignore_index=True),
        licence="; ".join(dict.fromkeys(m.corpus.licence for m in parts)),
        citation=" ".join(dict.fromkeys(m.corpus.citation for m in parts)),
        synthetic=any(m.corpus.synthetic for m in parts),
        scale=last.scale,
        proxy=first.proxy,
        left_out=left_out(gone),
        notes=tuple(notes),
        members=tuple(parts),
    )
    return corpus.noting(*_same_names(corpus, one_person=settings.one_person))


def _table(corpus: Corpus, *, one_person: bool) -> pd.DataFrame:
    """Rows behind the corpus's name; files by their whole path."""
    table, name = corpus.table, corpus.name
    speaker = table["speaker"].map(fold_name, na_action="ignore")
    if not one_person:
        speaker = table["speaker"].map(lambda who: f"{name}/{who}", na_action="ignore")
    named: dict[str, Any] = {
        "utterance": name + "/" + table["utterance"],
        "file": table["file"].map(lambda file: _whole(corpus, file)),
        "speaker": speaker.astype(object).where(table["speaker"].notna(), None),
        MEMBER: name,
    }
    if CODE in table:  # codes of two corpora are two languages
        code = table[CODE].map(lambda code: f"{name} {code}", na_action="ignore")
        named[CODE] = code.astype(object).where(table[CODE].notna(), None)
    return table.assign(**named)


def _whole(corpus: Corpus, file: str) -> str:
    return f"{as_text(str(corpus.root.resolve())).rstrip('/')}/{file}"


def _left_out(corpus: Corpus) -> Iterator[dict[str, object]]:
    for row in corpus.left_out.to_dict("records"):
        file = row["file"]
        yield {
            "utterance": row["utterance"] and f"{corpus.name}/{row['utterance']}",
            "file": _whole(corpus, file) if isinstance(file, str) else file,
            "reason": f"of {corpus.name}, {row['reason']}",
        }


def _same_names(corpus: Corpus, *, one_person: bool) -> Iterator[str]:
    """What was made of speakers of one name."""
    names = [{fold_name(who) for who in m.corpus.table["speaker"].dropna()} for m in corpus.members]
    shared = sorted({n for i, a in enumerate(names) for b in names[i + 1 :] for n in a & b})
    if not shared:
        return
    told = f"{len(shared)} names of speakers stand in several corpora ({describe_some(shared)})"
    if one_person:
        yield (
            f"{told} and are one person each, as was said: nothing is learned from them where they "
            "are tested."
        )
    else:
        yield (
            f"{told}: they are taken for different people; --same-speakers says that they are not."
        )


def _fold(corpus: Corpus, index: int, name: str, tested: set[str]) -> Fold:
    table = corpus.table[corpus.table["speaker"].notna()]
    is_tested_here = table[MEMBER].isin(tested)
    who = set(table["speaker"][is_tested_here])
    others = table[~is_tested_here]
    taught = set(others["speaker"]) - who
    if not taught:
        raise UndertoneError(
            f"every speaker that would be learned from is tested in {name} too: leave "
            "--same-speakers out, or learn from another corpus"
        )
    crossed = bool(who & set(others["speaker"]))
    return Fold(
        index,
        tuple(sorted(who)),
        tuple(sorted(taught)),
        name=name,
        tested=frozenset(table["utterance"][is_tested_here]) if crossed else None,
    )
