"""Laws of published partitions: who trains, who is tested, and who is nobody."""

from dataclasses import replace

import numpy as np
import pytest
from corpora_fakes import fake_corpus, fake_table

from undertone.corpora.audit import audit_fold
from undertone.corpora.corpus import ALONE, knows
from undertone.corpora.folds import Fold, speaker_folds
from undertone.corpora.official import (
    OF_TEST_SPEAKER,
    folds_of,
    in_official_folds,
    official_folds,
    parts_of,
)
from undertone.corpora.pool import pool
from undertone.errors import UndertoneError
from undertone.reading import usable
from undertone.tasks import Classes

PARTS = ("train",) * 4 + ("valid", "test1", "test2", "test3")
TASK = Classes(("anger", "happiness", "neutral", "sadness"))


def corpus_of(rng=None, share_unknown=0.0, share_moved=0.0):
    """Eight speakers, one part each but test3, which is withheld; some rows are of nobody known.

    ``share_moved`` of the utterances lie in another part than their speaker's.
    """
    table = fake_table(n_speakers=8, n_each=3)
    table["split"] = [PARTS[int(who[1:])] for who in table["speaker"]]
    table.loc[table["split"] == "test3", "emotion"] = None
    if rng is not None:
        table.loc[rng.random(len(table)) < share_unknown, "speaker"] = None
        moved = rng.random(len(table)) < share_moved
        table.loc[moved, "split"] = rng.choice(PARTS[:-1], moved.sum())
    return replace(fake_corpus(table), official_folds=True)


def test_all_test_parts_are_of_one_fold_and_told_apart():
    corpus = usable(in_official_folds(corpus_of()), TASK)
    train = ("s00", "s01", "s02", "s03")
    assert official_folds(corpus) == [Fold(0, ("s05", "s06"), train)]
    assert folds_of(corpus, 5, 0, TASK) == official_folds(corpus)
    parts = parts_of(corpus)
    assert set(parts.values()) == {"test1", "test2"}
    assert {name[:3]: part for name, part in parts.items()} == {"s05": "test1", "s06": "test2"}
    one = corpus.with_table(corpus.table[corpus.table["split"] != "test2"])
    assert parts_of(one) == {}
    assert parts_of(fake_corpus()) == {}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_partition_does_nobody_is_on_both_sides(seed):
    """Of known speakers by name, of unknown ones because none of them is tested."""
    rng = np.random.default_rng(seed)
    raw = corpus_of(rng, share_unknown=0.2, share_moved=0.1 * (seed % 3))
    corpus = usable(in_official_folds(raw), TASK)
    (fold,) = official_folds(corpus)
    table = corpus.table
    tested = table[table["speaker"].isin(fold.test_speakers)]
    trained = table[table["speaker"].isin(fold.train_speakers)]
    assert len(tested) + len(trained) == len(table)
    assert set(tested["split"]) <= {"test1", "test2"}
    assert set(trained["split"]) == {"train"}
    assert not set(tested["speaker"]) & set(trained["speaker"])
    assert all(map(knows, fold.test_speakers))
    was = raw.table.set_index("utterance")["speaker"]
    assert was[tested["utterance"]].notna().all()
    unknown = trained[~trained["speaker"].map(knows)]
    assert was[unknown["utterance"]].isna().all()
    trains = raw.labelled.table[raw.labelled.table["split"] == "train"]
    assert len(unknown) == trains["speaker"].isna().sum()
    assert unknown["speaker"].is_unique
    assert not set(corpus.speakers) & set(unknown["speaker"])
    pooled = set(pool(corpus, [], fold).parts[0].utterances)
    assert pooled == set(trained["utterance"])
    left = corpus.left_out["utterance"]
    assert left.is_unique
    assert {*left, *table["utterance"]} == set(raw.table["utterance"])


@pytest.mark.parametrize("seed", range(10))
def test_in_folds_of_ours_nobody_unknown_takes_part(seed):
    rng = np.random.default_rng(seed)
    corpus = replace(corpus_of(rng, share_unknown=0.3), official_folds=False)
    unknown = set(corpus.table["utterance"][corpus.table["speaker"].isna()])
    corpus = usable(in_official_folds(corpus), TASK)
    for n_folds in (2, 3, 5):
        for fold in speaker_folds(corpus, n_folds, seed, TASK):
            everybody = {*fold.test_speakers, *fold.train_speakers}
            assert all(map(knows, everybody))
            rows = corpus.table[corpus.table["speaker"].isin(everybody)]
            assert not unknown & set(rows["utterance"])


def test_a_partition_that_is_none_is_told():
    table = corpus_of().table.copy()
    moved = table.index[table["speaker"] == "s05"][:5]
    table.loc[moved, "split"] = "train"
    corpus = usable(in_official_folds(replace(corpus_of(), table=table)), TASK)
    (fold,) = official_folds(corpus)
    assert "s05" in fold.test_speakers
    assert corpus.reasons()[OF_TEST_SPEAKER] == 5
    assert audit_fold(corpus, fold).findings() == [
        "the official partition itself trains on speakers that it tests: their 5 training "
        "utterances are not used"
    ]
    raw = replace(corpus_of(), table=table)
    assert official_folds(raw)[0].train_speakers == ("s00", "s01", "s02", "s03")


def test_utterances_of_nobody_are_speakers_of_their_own_while_they_train():
    table = corpus_of().table.copy()
    nobody = table.index[table["speaker"].isin(["s00", "s06"])][::4]
    table.loc[nobody, "speaker"] = None
    corpus = in_official_folds(replace(corpus_of(), table=table))
    names = corpus.table.set_index("utterance")["speaker"]
    assert names["s00-anger-0"] == f"{ALONE}s00-anger-0"
    assert names["s06-anger-0"] is None
    assert len(corpus.speakers) == 7  # s04 develops
    (fold,) = official_folds(usable(corpus, TASK))
    assert f"{ALONE}s00-anger-0" in fold.train_speakers


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_partition_without_a_side_is_refused(part):
    table = corpus_of().table
    table = table[~table["split"].str.startswith(part)]
    with pytest.raises(UndertoneError, match=f"no utterance of the official {part} part of fake"):
        official_folds(replace(corpus_of(), table=table))
