from collections import Counter

import numpy as np
import pandas as pd
import pytest
from corpora_fakes import fake_corpus, fake_table

from undertone.corpora import ratings


def heard(*rows: tuple) -> pd.DataFrame:
    return ratings.compact(pd.DataFrame(rows, columns=["utterance", "rater", "emotion"]))


def test_shares_and_majority_are_those_of_the_definition(rng):
    names = np.array(["anger", "fear", "sadness"])
    rows = [(f"u{u}", f"r{r}", names[rng.integers(3)]) for u in range(40) for r in range(1 + u % 5)]
    counts = ratings.counts(heard(*rows))
    shares, majority = ratings.shares(counts), ratings.majority(counts)
    for u in range(40):
        votes = Counter(emotion for utterance, _, emotion in rows if utterance == f"u{u}")
        first, *others = votes.most_common()
        tied = bool(others) and others[0][1] == first[1]
        assert majority[f"u{u}"] == (None if tied else first[0])
        for name in names:
            assert shares.loc[f"u{u}", f"share_{name}"] == votes[name] / votes.total()


def test_a_rater_of_two_emotions_has_one_vote():
    two = heard(("u", "r1", "anger"), ("u", "r1", "fear"), ("u", "r2", "fear"))
    assert ratings.votes(two).tolist() == [0.5, 0.5, 1]
    assert ratings.shares(ratings.counts(two)).loc["u"].tolist() == [0.25, 0.75]
    unnamed = heard(("u", None, "anger"), ("u", None, "fear"), ("u", None, "fear"))
    assert ratings.votes(unnamed).tolist() == [1, 1, 1]


def test_thirds_of_votes_tie_as_whole_ones_do():
    rows = [("u", "r1", name) for name in ("anger", "fear", "sadness")]
    rows += [("u", "r2", name) for name in ("anger", "fear", "sadness")]
    assert ratings.majority(ratings.counts(heard(*rows)))["u"] is None


def test_counts_become_ratings_and_counts_again():
    counts = pd.DataFrame(
        {"anger": [2, 0], "fear": [1, 4]}, index=pd.Index(["a", "b"], name="utterance")
    )
    made = ratings.of_counts(counts)
    assert made["rater"].isna().all()
    pd.testing.assert_frame_equal(
        ratings.counts(made), counts.astype(float), check_names=False, check_index_type=False
    )
    assert ratings.counts(made, ("fear", "other")).loc["b"].tolist() == [4, 0]


def test_nobody_who_votes_is_no_majority():
    nothing = pd.DataFrame({"anger": [0.0], "fear": [0.0]}, index=["u"])
    assert ratings.majority(nothing)["u"] is None
    assert len(ratings.counts(heard(("u", "r", None)))) == 0


def test_a_million_ratings_are_small(rng):
    n = 1_000_000
    table = ratings.compact(
        pd.DataFrame(
            {
                "utterance": np.repeat([f"MSP-PODCAST_{i:04d}_0001" for i in range(n // 10)], 10),
                "rater": np.tile([f"WORKER{i:08d}" for i in range(1000)], n // 1000),
                "emotion": np.tile(["anger", "fear"], n // 2),
                **dict.fromkeys(("arousal", "valence", "dominance"), 4.0),
            }
        )
    )
    assert table.memory_usage(deep=True).sum() < 35_000_000
    assert table["arousal"].dtype == np.float32


@pytest.mark.parametrize("drop", [0, 3])
def test_a_corpus_holds_ratings_of_its_own_utterances_alone(drop):
    table = fake_table(n_speakers=2)
    names = table["utterance"].tolist()
    rated = heard(*((name, "r", "anger") for name in [*names, "somebody-else"]))
    corpus = fake_corpus(table)
    corpus = type(corpus)(**{**vars(corpus), "ratings": rated})
    corpus = corpus.drop(dict.fromkeys(names[:drop], "why not"))
    assert corpus.ratings["utterance"].tolist() == names[drop:]
    assert len(corpus.labelled.ratings) == len(names) - drop
