"""What each rater heard, and what all raters of an utterance come to.

In:  a row a rating: utterance, rater (None where it is not told who), and an emotion or amounts.
Out: ratings in little memory, as ``Corpus.ratings`` holds them; by utterance the share of the
     ratings that each emotion has, and the emotion that most raters heard.

A rater who names several emotions of one utterance has one vote all the same, in equal parts.
Ratings without a rater's name are of as many raters. Where two emotions are ahead together there is
no majority: nobody can say what such an utterance is.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

SHARE = "share_"  # before an emotion, of a column of shares
KEYS = ("utterance", "rater")
TIE = 1e-6  # parts of votes are sums of fractions


def compact(ratings: pd.DataFrame) -> pd.DataFrame:
    """The same rows in little memory: a million take some twenty megabytes.

    Args:
        ratings: with the columns utterance, rater, and emotion or amounts, which are numbers.
    """
    table = ratings.reset_index(drop=True)
    for name in table.columns:
        is_text = name in (*KEYS, "emotion")
        table[name] = table[name].astype("category" if is_text else np.float32)
    return table


def of_counts(counts: pd.DataFrame) -> pd.DataFrame:
    """Ratings of raters without a name.

    Args:
        counts: how many heard each emotion; an utterance a row, named by the index.
    """
    cells = counts.to_numpy(int).ravel()
    return compact(
        pd.DataFrame(
            {
                "utterance": np.repeat(np.repeat(counts.index, counts.shape[1]), cells),
                "rater": pd.Series(None, index=range(cells.sum()), dtype=object),
                "emotion": np.repeat(np.tile(counts.columns, len(counts)), cells),
            }
        )
    )


def votes(ratings: pd.DataFrame) -> np.ndarray:
    """(n_ratings,) the part of a rater's one vote on an utterance that each of these is."""
    named = ratings["rater"].notna()
    n_of_rater = ratings[named].groupby(list(KEYS), observed=True)["utterance"].transform("size")
    parts = np.ones(len(ratings))
    parts[named.to_numpy()] = 1 / n_of_rater.to_numpy(float)
    return parts


def counts(ratings: pd.DataFrame, emotions: Sequence[str] = ()) -> pd.DataFrame:
    """Votes by utterance and emotion.

    Args:
        ratings: some; rows without an emotion are passed over.
        emotions: columns of the result; those that occur, in alphabetical order, by default.
    """
    heard = ratings[ratings["emotion"].notna().to_numpy()]
    table = (
        heard.assign(votes=votes(heard))
        .pivot_table(
            index="utterance", columns="emotion", values="votes", aggfunc="sum", observed=True
        )
        .fillna(0.0)
    )
    table.columns = table.columns.astype(object)
    table.index = table.index.astype(object)
    return table.reindex(columns=list(emotions) or sorted(table.columns), fill_value=0.0)


def shares(of_counts: pd.DataFrame) -> pd.DataFrame:
    """Columns ``share_<emotion>`` by utterance; they sum to 1."""
    return of_counts.div(of_counts.sum(axis=1), axis=0).add_prefix(SHARE)


def majority(of_counts: pd.DataFrame) -> pd.Series:
    """The emotion with most votes by utterance; None where several have most, or nobody voted.

    Args:
        of_counts: votes or shares; an utterance a row, an emotion a column.
    """
    cells = of_counts.to_numpy(float)
    most = cells.max(axis=1, initial=0.0)
    alone = (cells >= most[:, None] - TIE).sum(axis=1) == 1
    names = np.array([str(name).removeprefix(SHARE) for name in of_counts.columns], dtype=object)
    chosen = np.where(alone & (most > 0), names[cells.argmax(axis=1)], None)
    return pd.Series(chosen, index=of_counts.index, dtype=object)


def shares_of(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of shares of a corpus's table."""
    return table[[name for name in table.columns if str(name).startswith(SHARE)]]
