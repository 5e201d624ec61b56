"""The whole audit of a corpus, by ear too: what ``undertone audit`` prints.

In:  a labelled corpus, unlabelled corpora, folds, the name of features.
Out: ``Audited``: findings, the recording condition by emotion and by speaker, and how much of the
     emotion it tells.

A forest of trees that hears level, band and silence alone is trained and tested by speaker, as a
recogniser would be. Where its UAR lies above chance, the recording condition tells the emotion, and
a recogniser may do well without hearing a voice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from undertone.corpora import across
from undertone.corpora.audit import Finding, check
from undertone.corpora.audit.copies import contents_of, disagreement, facts_of
from undertone.corpora.audit.findings import MOST_ROWS
from undertone.corpora.audit.fingerprints import Match, matches
from undertone.corpora.audit.listening import MEASURES, OF_THE_LEVEL, Heard, listen
from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import Fold, speaker_folds
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.score import score_rows
from undertone.tasks import Classes

FOLDS = 5
TREES = 100
Pair = tuple[str, str, str, Match]  # one, other, what they differ in
LEAST_LABELS = 20  # with fewer, nothing is told of the condition


@dataclass(frozen=True)
class Told:
    """How much of the emotion something tells.

    Attributes:
        uar: by speaker.
        chance: of guessing.
    """

    uar: Estimate
    chance: float

    @property
    def is_measurable(self) -> bool:
        """Whether the interval lies above chance."""
        return self.uar.has_interval and self.uar.low > self.chance

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"uar": self.uar.to_dict(), "chance": self.chance}


@dataclass(frozen=True)
class Audited:
    """What an audit found.

    Attributes:
        corpus: its name.
        findings: sentences with the rows that show them.
        conditions: median of each measure by emotion, then by speaker; empty without recordings.
        told: what hears the recording condition alone; None where it cannot be measured.
        without_level: the same without the level, which a voice changes too.
    """

    corpus: str
    findings: tuple[Finding, ...]
    conditions: pd.DataFrame
    told: "Told | None" = None
    without_level: "Told | None" = None

    @property
    def has_lies(self) -> bool:
        """Whether a score on this corpus would be a lie."""
        return any(finding.is_lie for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "corpus": self.corpus,
            "findings": [finding.to_dict() for finding in self.findings],
            "conditions": self.conditions.to_dict("records"),
            "told_by_condition": None if self.told is None else self.told.to_dict(),
            "told_without_level": self.without_level and self.without_level.to_dict(),
        }

    def to_markdown(self) -> str:
        """Sentences and tables."""
        parts = [f"# Audit of {self.corpus}\n"]
        for finding in self.findings:
            parts.append(f"* {'**' if finding.is_lie else ''}{finding.what}.")
            parts[-1] += "**" if finding.is_lie else ""
        for finding in self.findings:
            if finding.rows:
                parts.append(f"\n## {finding.name.capitalize()}\n")
                parts += _markdown(finding.columns, finding.rows)
        if len(self.conditions):
            parts.append("\n## Recording conditions\n")
            parts += _markdown(*cells_of(self.conditions))
        return "\n".join(parts) + "\n"


def audit(
    corpus: Corpus,
    unlabelled: Sequence[Corpus] = (),
    *,
    features: str = "",
    n_folds: int = FOLDS,
    seed: int = 0,
    workers: int = 1,
    advance: Callable[[int], None] = lambda n: None,
) -> Audited:
    """Say what a careful colleague would say before any training.

    Args:
        corpus: labelled.
        unlabelled: the pool.
        features: whose encoder may have heard the corpus.
        n_folds: of speakers, over which sentences and conditions are looked at.
        seed: of the folds and of the forest.
        workers: processes; they change no number.
        advance: called with the number of recordings heard since the last call.
    """
    n_speakers = len(corpus.labelled.speakers)
    folds = []
    if corpus.members:
        folds = across.folds(corpus)
    elif n_speakers > 1:
        folds = speaker_folds(corpus, min(n_folds, n_speakers), seed)
    found = check(
        corpus, contents_of(corpus), unlabelled=unlabelled, folds=folds, features=features
    )
    heard = {c.name: listen(c, workers=workers, advance=advance) for c in (corpus, *unlabelled)}
    unread = [u for u, h in heard[corpus.name].items() if h.measures is None]
    found += _unreadable(corpus, unread)
    found += near_copies([corpus, *unlabelled], heard)
    measures = pd.DataFrame.from_dict(
        {u: h.measures for u, h in heard[corpus.name].items() if h.measures is not None},
        orient="index",
        columns=list(MEASURES),
    )
    conditions = by_group(corpus, measures)
    told = told_by_condition(corpus, measures, folds, seed)
    without_level = told_by_condition(corpus, measures.drop(columns=[*OF_THE_LEVEL]), folds, seed)
    if told is not None and without_level is not None:
        found.append(_condition(told, without_level, measures))
    return Audited(corpus.name, tuple(found), conditions, told, without_level)


def near_copies(
    corpora: Sequence[Corpus], heard: Mapping[str, Mapping[str, Heard]]
) -> Iterator[Finding]:
    """Recordings that are one by ear: within the corpus, and between it and the pool."""
    own, facts = corpora[0].name, {k: v for c in corpora for k, v in facts_of(c).items()}
    prints = {
        f"{name}\0{utterance}": h.fingerprint
        for name, of_corpus in heard.items()
        for utterance, h in of_corpus.items()
        if h.fingerprint is not None
    }
    within, disputed, pooled = list[Pair](), list[Pair](), list[Pair]()
    for match in matches(prints):
        one, other = (tuple(name.split("\0", 1)) for name in (match.one, match.other))
        if {one[0], other[0]} == {own}:
            words = disagreement([one, other], facts)  # type: ignore[list-item]
            (disputed if words else within).append((one[1], other[1], words, match))
        elif own in (one[0], other[0]):
            pooled.append((one[1], other[1], "", match))
    kinds = (
        (disputed, "near copies", True, "sound the same under another speaker or label"),
        (within, "near repeats", False, "sound the same, with one speaker and label"),
        (pooled, "heard in the pool", False, "sound the same in the corpus and in the pool"),
    )
    for pairs, name, is_lie, what in kinds:
        if pairs:
            rows = tuple((a, b, words, *_alike(match)) for a, b, words, match in pairs)
            columns = ("utterance", "other", "differ in", "bits that differ", "shift, s")
            yield Finding(name, f"{len(pairs)} pairs of recordings {what}", is_lie, columns, rows)


def by_group(corpus: Corpus, measures: pd.DataFrame) -> pd.DataFrame:
    """Median of each measure by emotion, then by speaker."""
    rows = corpus.table.set_index("utterance").reindex(measures.index)
    tables = []
    for kind in ("emotion", "speaker"):
        if kind in rows and rows[kind].notna().any():
            grouped = measures.groupby(rows[kind].astype(object))
            table = grouped.median().reset_index(names="group")
            table.insert(0, "by", kind)
            table.insert(2, "n", grouped.size().to_numpy())
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def told_by_condition(
    corpus: Corpus, measures: pd.DataFrame, folds: Sequence[Fold], seed: int
) -> Told | None:
    """What a forest on these measures alone reaches; None where there is too little to tell."""
    from sklearn.ensemble import RandomForestClassifier

    rows = corpus.labelled.table
    rows = rows[rows["utterance"].isin(measures.index) & rows["speaker"].notna()]
    if len(rows) < LEAST_LABELS or rows["emotion"].nunique() < 2 or len(folds) < 2:
        return None
    task = Classes.among(rows["emotion"])
    values, tested = [], []
    for fold in folds:
        taught, test = rows[fold.teaches(rows)], rows[fold.tests(rows)]
        if taught["emotion"].nunique() < 2 or test.empty:
            continue
        forest = RandomForestClassifier(
            TREES, min_samples_leaf=3, class_weight="balanced_subsample", random_state=seed
        )
        forest.fit(measures.loc[taught["utterance"]], taught["emotion"])
        chances = np.zeros((len(test), len(task.outputs)))
        known = pd.Index(task.outputs).get_indexer(pd.Index(forest.classes_))
        chances[:, known] = forest.predict_proba(measures.loc[test["utterance"]])
        values.append(chances)
        tested.append(test)
    if not tested:
        return None
    every = pd.concat(tested)
    score = score_rows(
        task, truth=task.truth(every), values=np.concatenate(values), speakers=every["speaker"]
    )
    return Told(score.metrics["uar"], score.floors["chance"]["uar"].value)


def cells_of(conditions: pd.DataFrame) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and cells of the table of conditions."""
    rows = [
        (f"{row['by']} {row['group']}", str(row["n"]), *(_rounded(m, row[m]) for m in MEASURES))
        for _, row in conditions.iterrows()
    ]
    return ("of", "utterances", *MEASURES.values()), rows


def _rounded(measure: str, value: float) -> str:
    """Decibels and hertz without decimals, so that a narrow terminal cuts none of them off."""
    return f"{value:.0f}" if measure.endswith(("_db", "_hz")) else f"{value:.2f}"


def _condition(told: Told, without_level: Told, measures: pd.DataFrame) -> Finding:
    verdict = "tells" if told.is_measurable else "does not measurably tell"
    what = (
        f"the recording condition {verdict} the emotion: level, band and silence alone reach UAR "
        f"{told.uar}, band and silence without the level {without_level.uar}; chance is "
        f"{decimal(told.chance)}"
    )
    spread = [
        (label, f"{measures[name].quantile(0.05):.4g}", f"{measures[name].quantile(0.95):.4g}")
        for name, label in MEASURES.items()
    ]
    return Finding("condition", what, False, ("measure", "5 %", "95 %"), tuple(spread))


def _unreadable(corpus: Corpus, utterances: Sequence[str]) -> Iterator[Finding]:
    if utterances:
        file = dict(zip(corpus.table["utterance"], corpus.table["file"], strict=True))
        yield Finding(
            "unreadable",
            f"{len(utterances)} recordings of {corpus.name} cannot be used; "
            "`undertone extract` says why",
            columns=("utterance", "file"),
            rows=tuple((name, file[name]) for name in utterances),
        )


def _alike(match: Match) -> tuple[str, str]:
    return f"{match.different:.1%}", f"{match.shift_s:+.2f}"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return (
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
        )

    more = len(rows) - MOST_ROWS
    shown = [line(columns), "|" + "---|" * len(columns), *map(line, rows[:MOST_ROWS])]
    return [*shown, *([f"\nand {more} more"] if more > 0 else [])]
