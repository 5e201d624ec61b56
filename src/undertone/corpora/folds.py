"""Which speakers are tested together, and which labels of the others are given.

In:  a labelled corpus, a number of folds, a label budget, a seed.
Out: ``Fold``: speakers to test and speakers to train on, disjoint; draws of training labels.

All depends on the names of speakers and utterances and on the seed, never on the order of rows. An
utterance without a speaker may belong to any speaker: it is neither tested nor trained on.
``known_speakers`` takes such out of a corpus, counted.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.tasks import Task
from undertone.tasks.draws import BALANCED, VALIDATION_SHARE, Asked, LabelDraw

UNKNOWN_SPEAKER = "unknown speaker: it could be on both sides of a fold"
N_SWEEPS = 10  # of exchanges between folds; a few suffice
N_STARTS = 300  # divided by the number of speakers: groupings tried
NAME_SPEAKERS = (
    "write a table with the columns file, speaker and emotion (--corpus table.csv); where each "
    "recording is another person, copy the column file into the column speaker"
)


@dataclass(frozen=True)
class Fold:
    """Speakers to test and speakers to learn from; no one is both.

    Attributes:
        index: number.
        test_speakers: who is tested.
        train_speakers: who is learned from.
        tested: utterances of the test speakers that are tested; all of them where None.
        unused: utterances of the training speakers that nothing may hear in this fold, such as
            those that say a sentence which is tested.
        sentences: that are tested; no other corpus may bring them either.
    """

    index: int
    test_speakers: tuple[str, ...]
    train_speakers: tuple[str, ...]
    name: str = ""  # of the group that is tested, where groups have names, such as a session
    tested: frozenset[str] | None = field(default=None, kw_only=True)
    unused: frozenset[str] = field(default=frozenset(), kw_only=True)
    sentences: frozenset[str] = field(default=frozenset(), kw_only=True)

    def __post_init__(self) -> None:
        assert not set(self.test_speakers) & set(self.train_speakers), "a speaker on both sides"

    def tests(self, rows: pd.DataFrame) -> pd.Series:
        """(n_rows,) whether a row of the corpus is tested."""
        by_speaker = rows["speaker"].isin(self.test_speakers)
        return (
            by_speaker if self.tested is None else by_speaker & rows["utterance"].isin(self.tested)
        )

    def teaches(self, rows: pd.DataFrame) -> pd.Series:
        """(n_rows,) whether a row of the corpus may be learned from."""
        return rows["speaker"].isin(self.train_speakers) & ~rows["utterance"].isin(self.unused)


def known_speakers(corpus: Corpus) -> Corpus:
    """The corpus without utterances of unknown speakers; they are counted in ``left_out``."""
    unknown = corpus.table.loc[corpus.table["speaker"].isna(), "utterance"]
    return corpus.drop(dict.fromkeys(unknown, UNKNOWN_SPEAKER))


def speaker_folds(
    corpus: Corpus, n_folds: int, seed: int = 0, task: Task | None = None
) -> list[Fold]:
    """Every speaker with a label tested in exactly one fold.

    The groups are alike in number of speakers, and as alike as exchanges of two speakers make them
    in utterances, emotions and sexes. Where a corpus has groups of its own, such as sessions, they
    take the place of speakers as long as there are enough of them.

    Args:
        corpus: with emotions and speakers; rows that lack one of them are passed over.
        n_folds: as many as there are speakers leaves one speaker out at a time.
        seed: chooses among groupings that are equally good.
        task: whose labels count; what the corpus has labels for by default.
    """
    task = task or corpus.task()
    rows = labelled_rows(corpus, task)
    n_speakers = rows["speaker"].nunique()
    if n_folds < 2:
        raise UndertoneError(f"the number of folds must be 2 or more, found {n_folds}")
    if n_speakers < 2:
        raise UndertoneError(
            f"{corpus.name} has labels of one known speaker, {rows['speaker'].iloc[0]}: testing on "
            f"unheard speakers needs two or more{_why_so_few(corpus)}"
        )
    if n_folds > n_speakers:
        raise UndertoneError(
            f"{n_folds} folds need {n_folds} speakers with labels; {corpus.name} has "
            f"{n_speakers}{_why_so_few(corpus)}. Add speakers, or take fewer folds with "
            f"--folds {n_speakers}"
        )
    unit = _units(corpus, rows, n_folds)
    units = sorted(unit.unique())
    groups = even_groups(rows, unit, n_folds, seed=seed, task=task)
    if named := unit.name != "speaker" and len(units) == n_folds:
        groups = np.arange(n_folds)  # each group a fold, in the order of their names
    group = unit.map(dict(zip(units, groups, strict=True)))
    return [
        Fold(
            index,
            tuple(sorted(rows["speaker"][group == index].unique())),
            tuple(sorted(rows["speaker"][group != index].unique())),
            name=units[index] if named else "",
        )
        for index in range(n_folds)
    ]


def _units(corpus: Corpus, rows: pd.DataFrame, n_folds: int) -> pd.Series:
    """What stays together, of each row: the speaker, or the corpus's own groups of speakers.

    Groups are kept whole unless more folds are asked for than there are groups.
    """
    if not corpus.fold_by or n_folds > rows[corpus.fold_by].nunique():
        return rows["speaker"]
    n_groups = rows.groupby("speaker")[corpus.fold_by].nunique()
    if (n_groups > 1).any():
        raise UndertoneError(
            f"{corpus.name} has the speaker {n_groups.index[n_groups > 1][0]} in several groups of "
            f"the column {corpus.fold_by}: folds that keep groups and speakers apart cannot be made"
        )
    return rows[corpus.fold_by]


def even_groups(
    rows: pd.DataFrame, unit: pd.Series, n_groups: int, *, seed: int, task: Task
) -> np.ndarray:
    """(n_units,) group of each unit, by name: as alike as exchanges of two units make them."""
    shares, rng = _shares(rows, unit, task), np.random.default_rng([seed, 0])
    tried = [_grouping(shares, n_groups, rng) for _ in range(max(1, N_STARTS // len(shares)))]
    return min(tried, key=lambda of_each: float((_sums(shares, of_each) ** 2).sum()))  # most even


def _why_so_few(corpus: Corpus) -> str:
    """What was left out of a corpus, for messages on what it lacks; "" where nothing was."""
    reasons = corpus.reasons()
    if not reasons:
        return ""
    told = "; ".join(f"{n}: {reason}" for reason, n in list(reasons.items())[:3])
    return f" ({sum(reasons.values())} utterances were left out, of them {told})"


def labelled_rows(corpus: Corpus, task: Task | None = None) -> pd.DataFrame:
    """Rows with a label and a speaker, in the order of their names."""
    task = task or corpus.task()
    rows = corpus.table[task.is_labelled(corpus.table)]
    rows = rows[rows["speaker"].notna()]
    if rows.empty:
        raise UndertoneError(
            f"no labelled utterance of {corpus.name} names its speaker, and a model is tested on "
            f"speakers that it did not learn from: {corpus.if_nobody or NAME_SPEAKERS}"
        )
    return rows.sort_values("utterance", ignore_index=True)


def largest_budget(corpus: Corpus, fold: Fold, task: Task | None = None) -> int:
    """How many labelled utterances the fold's training speakers hold."""
    return int(fold.teaches(labelled_rows(corpus, task)).sum())


def draw_labels(
    corpus: Corpus,
    fold: Fold,
    *,
    budget: int,
    draw: int = 0,
    seed: int = 0,
    task: Task | None = None,
    validation_share: float = VALIDATION_SHARE,
    how: str = BALANCED,
) -> LabelDraw:
    """The labels that a system is given in a fold, as its task draws them.

    Args:
        corpus: labelled.
        fold: whose training speakers the labels are of.
        budget: how many, validation included.
        draw: number of the draw; each number is another sample.
        seed: of the whole sweep.
        task: what the corpus has labels for by default.
        validation_share: of the budget; 0 for no validation.
        how: balanced or random.
    """
    task = task or corpus.task()
    rows = labelled_rows(corpus, task)
    rows = rows[fold.teaches(rows)]
    return task.draw(rows, Asked(budget, draw, fold.index, seed, validation_share, how))


def _shares(rows: pd.DataFrame, unit: pd.Series, task: Task) -> np.ndarray:
    """(n_units, n_quantities): each unit's share of the utterances, emotions and sexes.

    Squared deviations are summed later, so that a quantity's weight is its column's scale: the
    emotions together weigh as much as all utterances, and so do the two sexes.
    """
    units, number = np.unique(unit.to_numpy(str), return_inverse=True)
    n_utterances = np.bincount(number).astype(float)
    amounts = np.zeros((len(units), len(task.outputs)))
    np.add.at(amounts, number, task.truth(rows))
    people = rows.assign(unit=number).drop_duplicates("speaker")
    is_of_sex = np.stack(
        [
            np.bincount(people["unit"][people["sex"] == name], minlength=len(units)).astype(float)
            for name in ("female", "male")
        ],
        axis=1,
    )
    quantities = (n_utterances[:, None], amounts, is_of_sex)
    return np.concatenate([_scaled(quantity) for quantity in quantities], axis=1)


def _scaled(quantity: np.ndarray) -> np.ndarray:
    return quantity / np.maximum(quantity.sum(axis=0), 1) / np.sqrt(quantity.shape[1])


def _sums(shares: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(n_groups, n_quantities): what each group's speakers hold together."""
    sums = np.zeros((groups.max() + 1, shares.shape[1]))
    np.add.at(sums, groups, shares)
    return sums


def _grouping(shares: np.ndarray, n_groups: int, rng: np.random.Generator) -> np.ndarray:
    """(n_speakers,) group of each: random, then exchanged in pairs while that evens the sums."""
    n_speakers = len(shares)
    groups = rng.permutation(np.arange(n_speakers) % n_groups)
    for _ in range(N_SWEEPS):
        improved = False
        for one in rng.permutation(n_speakers):
            improved |= _exchange(shares, groups, one)
        if not improved:
            break
    return groups


def _exchange(shares: np.ndarray, groups: np.ndarray, one: int) -> bool:
    """Exchange a speaker with the best other, in place, if the groups' sums become more even.

    With d the difference of the two speakers' shares, the sum over groups of squared sums changes
    by 2 d (sum of one's group - sum of the other's) + 2 d².
    """
    sums = _sums(shares, groups)
    difference = shares - shares[one]
    gap = sums[groups[one]] - sums[groups]
    change = 2 * (difference * gap).sum(axis=1) + 2 * (difference**2).sum(axis=1)
    other = int(np.where(groups == groups[one], 0.0, change).argmin())
    if change[other] >= -1e-12 or groups[other] == groups[one]:
        return False
    groups[one], groups[other] = groups[other], groups[one]
    return True
