"""Folds that share neither voices nor sentences.

In:  folds of speakers; a corpus that tells what is said, by transcript or by its file names.
Out: more folds: in each, the sentences that are tested are said by nobody who is learned from.

A corpus in which everybody says the same ten sentences tests no new words. Sentences that several
groups of speakers say are parted into groups of their own; a fold tests one group of speakers on
one group of sentences, and nothing in it hears those sentences, with labels or without. Every
utterance is tested once. A sentence that one group of speakers alone says needs no parting, so that
a corpus of free speech keeps its folds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import Fold, even_groups, labelled_rows
from undertone.corpora.sentences import sentence_of
from undertone.errors import UndertoneError
from undertone.tasks import Task

SPEAKER, SENTENCE = "speaker", "sentence"
KINDS = (SPEAKER, SENTENCE)  # what folds may keep apart
NOBODY_KNOWS = "nobody knows what is said: it could be on both sides of a fold"


def check_kinds(kinds: Sequence[str]) -> None:
    """Refuse anything but speakers, or speakers and sentences.

    Raises:
        UndertoneError: speakers are not among the kinds, or a kind is not known.
    """
    if set(kinds) - set(KINDS) or SPEAKER not in kinds:
        raise UndertoneError(
            f"--disjoint takes speaker, or speaker,sentence; found {','.join(kinds) or 'nothing'}: "
            "folds always keep speakers apart"
        )


def known_sentences(corpus: Corpus) -> Corpus:
    """The corpus without utterances of which nobody knows what is said; counted.

    Raises:
        UndertoneError: that is so of all of them.
    """
    said = sentence_of(corpus.table)
    if said.isna().all():
        raise UndertoneError(
            f"{corpus.name} does not tell what is said: folds that share no sentence need a column "
            "transcript (or sentence, a code); without one, leave --disjoint out"
        )
    return corpus.drop(dict.fromkeys(corpus.table["utterance"][said.isna()], NOBODY_KNOWS))


@dataclass(frozen=True)
class Parting:
    """What sentences are parted by.

    Attributes:
        corpus: after ``known_sentences``.
        task: whose labels count.
        n_groups: of sentences, at most; as many as there are where there are fewer.
        seed: chooses among groupings that are equally good.
    """

    corpus: Corpus
    task: Task
    n_groups: int
    seed: int = 0

    @cached_property
    def said(self) -> pd.Series:
        """The sentence by utterance."""
        names = pd.Index(self.corpus.table["utterance"])
        return pd.Series(sentence_of(self.corpus.table).to_numpy(), index=names)

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """Rows with labels and speakers."""
        return labelled_rows(self.corpus, self.task)

    def part(self, folds: Sequence[Fold]) -> list[Fold]:
        """Folds of speakers, split so that none tests a sentence that it has heard.

        Raises:
            UndertoneError: everybody says the same one sentence.
        """
        shared = self._shared(folds)
        if not shared:
            return list(folds)
        if len(shared) == 1:
            raise UndertoneError(
                f"{self.corpus.name} cannot be parted by sentence: one alone, {shared[0]!r}, is "
                "said on both sides of its folds; leave --disjoint out"
            )
        group = self._groups(shared)
        every = [fold for of_speakers in folds for fold in self._by_group(of_speakers, group)]
        return [replace(fold, index=index) for index, fold in enumerate(every)]

    def _shared(self, folds: Sequence[Fold]) -> list[str]:
        """Sentences on both sides of a fold."""
        rows, shared = self.labelled, set[str]()
        for fold in folds:
            test, taught = (rows["utterance"][side(rows)] for side in (fold.tests, fold.teaches))
            shared |= set(self.said[test]) & set(self.said[taught])
        return sorted(shared)

    def _groups(self, shared: Sequence[str]) -> dict[str, int]:
        """The group of each shared sentence, as alike in utterances and emotions as can be."""
        said = self.said[self.labelled["utterance"]].to_numpy()
        rows = self.labelled.assign(said=said)
        rows = rows[rows["said"].isin(shared)].reset_index(drop=True)
        n_groups = min(self.n_groups, len(shared))
        numbers = even_groups(rows, rows["said"], n_groups, seed=self.seed, task=self.task)
        return dict(zip(shared, map(int, numbers), strict=True))

    def _by_group(self, fold: Fold, group: Mapping[str, int]) -> Iterator[Fold]:
        """A fold a group of sentences; sentences of nobody else stand with the first group."""
        rows = self.labelled
        of_row = self.said[rows["utterance"]].map(group).fillna(-1).to_numpy()
        tests, teaches = fold.tests(rows).to_numpy(), fold.teaches(rows).to_numpy()
        for number in sorted(set(group.values())):
            tested = tests & ((of_row == number) | ((of_row == -1) & (number == 0)))
            unused = teaches & (of_row == number)
            if tested.any():
                names = rows["utterance"][tested]
                yield replace(
                    fold,
                    tested=frozenset(names),
                    unused=fold.unused | frozenset(rows["utterance"][unused]),
                    sentences=frozenset(self.said[names]),
                )


def describe(folds: Sequence[Fold], corpus: Corpus, task: Task) -> str:
    """A sentence on what these folds keep apart beside speakers; "" where nothing."""
    if not any(fold.sentences for fold in folds):
        return ""
    rows = labelled_rows(corpus, task)
    shares = [
        fold.teaches(rows).sum() / rows["speaker"].isin(fold.train_speakers).sum() for fold in folds
    ]
    n_speakers = len({fold.test_speakers for fold in folds})
    return (
        f"Folds share neither speakers nor sentences: {len(folds)} folds, of {n_speakers} groups "
        "of speakers by groups of sentences, and every utterance is tested once. What is learned "
        "from says no tested sentence, with a label or without; that leaves "
        f"{sum(shares) / len(shares):.0%} of the training speakers' labels."
    )
