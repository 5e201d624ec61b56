"""What two sides of a split share that they must not.

In:  two tables with the columns utterance and speaker, and emotion where it is known.
Out: ``Audit``: speakers and utterances on both sides, unknown speakers, emotions too rare to tell.
"""

from dataclasses import dataclass, replace

import pandas as pd

from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import Fold
from undertone.corpora.official import OF_TEST_SPEAKER
from undertone.errors import describe_some


@dataclass(frozen=True)
class Audit:
    """Leaks (a result on such a split is not to be believed) and warnings."""

    n_train: int
    n_test: int
    shared_speakers: tuple[str, ...]
    shared_utterances: tuple[str, ...]
    n_unknown_speakers_train: int  # utterances
    n_unknown_speakers_test: int  # utterances
    emotions_of_one_utterance: tuple[str, ...]
    emotions_of_one_speaker: tuple[str, ...]
    emotions_never_trained: tuple[str, ...]  # in the test only
    n_withheld: int = 0  # utterances that a partition trains on and whose speakers it tests

    @property
    def leaks(self) -> bool:
        """Whether a speaker or an utterance is on both sides, or may be: nobody knows."""
        may_be = self.n_unknown_speakers_train and self.n_unknown_speakers_test
        return bool(self.shared_speakers or self.shared_utterances or may_be)

    def findings(self) -> list[str]:
        """What is wrong, a sentence each; empty for a clean split."""
        sentences = {
            _both_sides(self.shared_speakers, "speaker"): self.shared_speakers,
            _both_sides(self.shared_utterances, "utterance"): self.shared_utterances,
            "emotions with a single utterance": self.emotions_of_one_utterance,
            "emotions of a single speaker": self.emotions_of_one_speaker,
            "emotions that are tested but never trained": self.emotions_never_trained,
        }
        lines = [f"{text}: {describe_some(names, 5)}" for text, names in sentences.items() if names]
        if self.n_unknown_speakers_train or self.n_unknown_speakers_test:
            lines.append(
                f"unknown speakers: {self.n_unknown_speakers_train} training and "
                f"{self.n_unknown_speakers_test} test utterances"
            )
        if self.n_withheld:
            lines.append(
                "the official partition itself trains on speakers that it tests: their "
                f"{self.n_withheld} training utterances are not used"
            )
        return lines


def audit(train: pd.DataFrame, test: pd.DataFrame) -> Audit:
    """Compare the utterances to learn from, validation included, with those to be tested."""
    columns = ["utterance", "speaker", "emotion"]
    sides = [side.reindex(columns=columns).astype(object) for side in (train, test)]
    by_emotion = pd.concat(sides).dropna(subset="emotion").groupby("emotion")
    taught, asked = (set(side["emotion"].dropna()) for side in sides)
    known = "emotion" in train and "emotion" in test
    return Audit(
        n_train=len(train),
        n_test=len(test),
        shared_speakers=_shared(train["speaker"], test["speaker"]),
        shared_utterances=_shared(train["utterance"], test["utterance"]),
        n_unknown_speakers_train=int(train["speaker"].isna().sum()),
        n_unknown_speakers_test=int(test["speaker"].isna().sum()),
        emotions_of_one_utterance=_alone(by_emotion["utterance"].nunique()),
        emotions_of_one_speaker=_alone(by_emotion["speaker"].nunique()),
        emotions_never_trained=tuple(sorted(asked - taught)) if known else (),
    )


def audit_fold(corpus: Corpus, fold: Fold) -> Audit:
    """The audit of one fold: the labelled utterances of its two groups of speakers."""
    rows = corpus.labelled.table if "emotion" in corpus.table else corpus.table
    found = audit(
        rows[fold.teaches(rows)],
        rows[fold.tests(rows)],
    )
    return replace(found, n_withheld=corpus.reasons().get(OF_TEST_SPEAKER, 0))


def _shared(train: pd.Series, test: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(set(train.dropna()) & set(test.dropna())))


def _alone(counts: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(counts.index[counts == 1]))


def _both_sides(names: tuple[str, ...], noun: str) -> str:
    return f"{len(names)} {noun}{' is' if len(names) == 1 else 's are'} on both sides"
