"""Folds that come with a corpus: a published partition, or groups that are tested together.

In:  a corpus whose column ``split`` says train, valid, or test, test1, …; or any labelled corpus.
Out: the corpus as its partition may be used, and its folds.

There is one official fold: what trains is the same whatever is tested. Several test parts (test1,
test2) are predicted by the same fits and scored apart, because they are other populations; who is
in which is told by the column. Nothing is chosen on the validation part, which is not used.

A partition may be used where its own table would not do for folds of ours: who speaks in a training
utterance may be unknown, because the partition vouches that nobody tested does. Such an utterance
counts as a speaker of its own. Tested it is never: without a speaker there is no interval. Where
the table itself has a speaker on both sides, the training utterances of that speaker are left out.
"""

import pandas as pd

from undertone.corpora.corpus import ALONE, Corpus
from undertone.corpora.folds import Fold, speaker_folds
from undertone.errors import UndertoneError
from undertone.tasks import Task

TRAIN, TEST = "train", "test"  # a test part begins so
VALIDATION_UNUSED = {"valid": "in the official validation fold: not used"}
IN_NO_FOLD = "in no official fold: not used"
OF_TEST_SPEAKER = "official training utterance of an official test speaker: not used"


def folds_of(corpus: Corpus, n_folds: int, seed: int, task: Task) -> list[Fold]:
    """The official fold of a corpus that has one, else folds of ours.

    Args:
        corpus: with labels of the task.
        n_folds: of our own.
        seed: of our own.
        task: whose labels count.
    """
    return official_folds(corpus) or speaker_folds(corpus, n_folds, seed, task)


def official_folds(corpus: Corpus) -> list[Fold]:
    """The one fold that a corpus's column ``split`` tells; none where its folds are not official.

    Raises:
        UndertoneError: nobody trains or nobody is tested.
    """
    if not corpus.official_folds:
        return []
    tested = is_tested(corpus)
    rows = {TEST: corpus.table[tested], TRAIN: corpus.table[corpus.table["split"] == TRAIN]}
    speakers = {part: set(of_part["speaker"].dropna()) for part, of_part in rows.items()}
    for part, names in speakers.items():
        if not names:
            raise UndertoneError(
                f"no utterance of the official {part} part of {corpus.name} in {corpus.root} has a "
                "label, a known speaker and frames: are labels, folds and audio (or features) of "
                "the same release?"
            )
    train = speakers[TRAIN] - speakers[TEST]
    return [Fold(0, tuple(sorted(speakers[TEST])), tuple(sorted(train)))]


def in_official_folds(corpus: Corpus) -> Corpus:
    """The corpus as its official partition may be used; what is not used is counted."""
    if not corpus.official_folds:
        return corpus
    table = corpus.table
    trains, tested = table["split"] == TRAIN, is_tested(corpus)
    unused = table[~trains & ~tested]
    reasons = unused["split"].map(VALIDATION_UNUSED, na_action="ignore").fillna(IN_NO_FOLD)
    on_both_sides = set(table["speaker"][tested].dropna()) & set(table["speaker"][trains].dropna())
    withheld = table["utterance"][trains & table["speaker"].isin(on_both_sides)]
    used = corpus.drop(
        dict(zip(unused["utterance"], reasons, strict=True))
        | dict.fromkeys(withheld, OF_TEST_SPEAKER)
    )
    return used.with_table(_each_alone(used.table))


def is_tested(corpus: Corpus) -> pd.Series:
    """(n_utterances,) whether an utterance is in an official test part."""
    return corpus.table["split"].map(lambda split: str(split).startswith(TEST))


def parts_of(corpus: Corpus) -> dict[str, str]:
    """The official test part of each utterance that is tested; empty where there is only one."""
    if not corpus.official_folds:
        return {}
    tested = corpus.table[is_tested(corpus)]
    if tested["split"].nunique() < 2:
        return {}
    return dict(zip(tested["utterance"], tested["split"], strict=True))


def _each_alone(table: pd.DataFrame) -> pd.DataFrame:
    """Training utterances of unknown speakers count as speakers of their own."""
    nobody = table["speaker"].isna() & (table["split"] == TRAIN)
    return table.assign(speaker=table["speaker"].mask(nobody, ALONE + table["utterance"]))
