"""Strategies: which utterances to label next, a table to read.

In:  a ``Situation``, how many.
Out: positions in the order of their use, each with the reason in words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from undertone.annotation.picking import rival
from undertone.annotation.picking.situation import Situation
from undertone.errors import UndertoneError

FIRST = 10  # labels, before which no model is asked
UNTYPICAL = 0.05  # of the candidates, which are never far enough
UNSURE = 0.25  # of the candidates, among which a batch is spread
LEAST_UNSURE = 5  # times a batch, where a quarter of the candidates is less
NEAREST = 3  # to the centre of a group, among which the speaker who was heard least is taken
SMALL = 1e-12
Chosen = list[tuple[int, str]]


@dataclass(frozen=True)
class Strategy:
    """One way to pick.

    Attributes:
        name: on the command line.
        label: what people read.
        about: a sentence.
        choose: a situation and a number to that many candidates and reasons.
        theirs: whether it is scikit-activeml's.
        any_utterance: whether it picks what is like nothing else as soon as any other.
    """

    name: str
    label: str
    about: str
    choose: Callable[[Situation, int], Chosen]
    theirs: bool = False
    any_utterance: bool = False


def at_random(situation: Situation, n: int) -> Chosen:
    """Whatever comes."""
    order = situation.rng.permutation(situation.candidates)[:n]
    return [(int(i), "drawn at random") for i in order]


def spread(situation: Situation, n: int) -> Chosen:
    """Half of them typical of large groups, half far from all that is labelled or picked.

    The typical ones tell what most recordings are. Where nine in ten are of one emotion they are
    all of that; those far from everything find the others.
    """
    near = central(situation, (n + 1) // 2)
    return [*near, *farthest(situation, n - len(near), beside=[i for i, _ in near])]


def central(situation: Situation, n: int) -> Chosen:
    """The middle of each of the largest groups in which nothing is labelled.

    As many groups are made as there are labels and picks, so that some hold no label (TypiClust:
    Hacohen et al., "Active learning on a budget: opposite strategies suit high and low budgets",
    ICML 2022, arXiv 2202.02794).
    """
    points = situation.space.near
    group = groups_of(points, len(situation.known) + n, situation.rng)
    centres = [points[group == k].mean(axis=0) for k in range(group.max() + 1)]

    def middle(members: np.ndarray, k: int) -> int:
        distance = ((points[members] - centres[k]) ** 2).sum(axis=1)
        nearest = members[np.argsort(distance, kind="stable")[:NEAREST]]
        return int(nearest[situation.heard_least(nearest, by_speaker=True)])

    return _of_groups(situation, group, n, take=middle)


def typical(situation: Situation, n: int) -> Chosen:
    """As ``central``, but the one with the nearest neighbours of each group: TypiClust itself."""
    group = groups_of(situation.space.near, len(situation.known) + n, situation.rng)
    typicality = situation.space.typicality
    return _of_groups(
        situation, group, n, take=lambda members, k: int(members[typicality[members].argmax()])
    )


def _of_groups(
    situation: Situation, group: np.ndarray, n: int, *, take: Callable[[np.ndarray, int], int]
) -> Chosen:
    """One candidate of a group after the other: fewest labels first, of those the largest."""
    n_groups = group.max() + 1
    labelled = np.bincount(group[situation.labelled], minlength=n_groups)
    size = np.bincount(group, minlength=n_groups)
    left = situation.candidates.copy()
    chosen: Chosen = []
    while len(chosen) < n and len(left):
        possible = np.bincount(group[left], minlength=n_groups) > 0
        best = int(np.lexsort((-size, labelled, ~possible))[0])
        taken = take(left[group[left] == best], best)
        chosen.append((taken, _typical_of(int(size[best]), int(labelled[best]))))
        left = left[left != taken]
        labelled[best] += 1
    return chosen


def _typical_of(size: int, n_labelled: int) -> str:
    if size == 1:
        return "nothing else sounds like this"
    found = f"of which {n_labelled} labelled" if n_labelled else "none of which is labelled"
    return f"typical of {size} recordings that sound alike, {found}"


def farthest(situation: Situation, n: int, beside: Sequence[int] = ()) -> Chosen:
    """Each as far as can be from whatever is labelled or picked; the least typical come last.

    k-centre: Sener and Savarese, "Active learning for convolutional neural networks: a core-set
    approach", ICLR 2018, arXiv 1708.00489. The first is drawn.

    Args:
        situation: what is known.
        n: how many.
        beside: positions that are picked already.
    """
    space = situation.space
    candidates = np.setdiff1d(situation.candidates, np.asarray(beside, dtype=int))
    points = space.near[candidates].astype(np.float64)
    distance = np.full(len(candidates), np.inf)
    for centre in space.near[[*situation.labelled, *beside]]:
        distance = np.minimum(distance, ((points - centre) ** 2).sum(axis=1))
    if len(candidates):
        typicality = space.typicality[candidates]
        distance[typicality < np.quantile(typicality, UNTYPICAL)] *= SMALL
    chosen: Chosen = []
    for _ in range(min(n, len(candidates))):
        if np.isinf(distance).all():
            taken, why = int(situation.rng.integers(len(candidates))), "drawn to begin with"
        else:
            taken, why = int(distance.argmax()), "nothing labelled sounds like this"
        chosen.append((int(candidates[taken]), why))
        distance = np.minimum(distance, ((points - points[taken]) ** 2).sum(axis=1))
        distance[taken] = -1
    return chosen


def unsure(situation: Situation, n: int) -> Chosen:
    """Those of which a model of the labels knows least; spread where there is no model."""
    if not _has_model(situation):
        return spread(situation, n)
    order = np.argsort(-entropy(situation.probabilities), kind="stable")[:n]
    return [_between(situation, row) for row in order]


def unsure_and_spread(situation: Situation, n: int) -> Chosen:
    """Spread at first; then unsure ones that are far from each other.

    The most unsure quarter of the candidates is grouped, and what is nearest to the centre of each
    group is picked. An utterance counts in its group as much as it is unsure (CLUE: Prabhu et al.,
    "Active domain adaptation via clustering uncertainty-weighted embeddings", ICCV 2021, arXiv
    2010.08666). Groups keep away from what is unsure because nobody could understand it: that lies
    apart from the rest.
    """
    if not _has_model(situation):
        return spread(situation, n)
    candidates, found = situation.candidates, entropy(situation.probabilities)
    most = min(len(found), max(LEAST_UNSURE * n, round(UNSURE * len(found))))
    rows = np.argsort(-found, kind="stable")[:most]
    points = situation.space.near[candidates[rows]]
    group = groups_of(points, n, situation.rng, weights=found[rows])
    chosen = []
    for k in range(group.max() + 1):
        members = np.flatnonzero(group == k)
        centre = np.average(points[members], axis=0, weights=found[rows[members]] + SMALL)
        order = members[np.argsort(((points[members] - centre) ** 2).sum(axis=1), kind="stable")]
        chosen.append(int(order[situation.heard_least(candidates[rows[order]])]))
    others = [row for row in range(most) if row not in set(chosen)]
    return [_between(situation, int(rows[row])) for row in [*sorted(chosen), *others][:n]]


def _has_model(situation: Situation) -> bool:
    return situation.n_emotions >= 2 and len(situation.known) >= FIRST


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """(n,) of (n, n_emotions)."""
    found: np.ndarray = -(probabilities * np.log(np.maximum(probabilities, SMALL))).sum(axis=1)
    return np.maximum(found, 0)


def _between(situation: Situation, row: int) -> tuple[int, str]:
    values = situation.probabilities[row]
    second, first = np.argsort(values, kind="stable")[-2:]
    names = situation.emotions[first], situation.emotions[second]
    shares = ", ".join(f"{values[k]:.2f}".removeprefix("0") for k in (first, second))
    return int(situation.candidates[row]), f"between {names[0]} and {names[1]} ({shares})"


def groups_of(
    points: np.ndarray, n: int, rng: np.random.Generator, weights: np.ndarray | None = None
) -> np.ndarray:
    """(n_points,) the number of the group that each is in (k-means); no group is empty."""
    from sklearn.cluster import KMeans  # not for serving

    n = min(n, len(np.unique(points, axis=0)))
    if weights is not None:
        weights = weights + SMALL
    search = KMeans(n, n_init=1, max_iter=50, random_state=int(rng.integers(2**31)))
    found = search.fit_predict(points.astype(np.float64), sample_weight=weights)
    return np.unique(found, return_inverse=True)[1]


STRATEGIES: dict[str, Strategy] = {
    one.name: one
    for one in (
        Strategy("random", "random", "Whatever comes.", at_random, any_utterance=True),
        Strategy(
            "typical",
            "typical",
            "The most typical recording of each large group in which nothing is labelled.",
            typical,
        ),
        Strategy(
            "spread",
            "spread",
            "Half typical of large groups in which nothing is labelled, half far from everything.",
            spread,
        ),
        Strategy(
            "unsure",
            "unsure",
            "Spread up to 10 labels; then those of which a model of the labels knows least.",
            unsure,
        ),
        Strategy(
            "unsure+spread",
            "unsure and spread",
            "Spread up to 10 labels; then unsure ones that are far from each other.",
            unsure_and_spread,
        ),
        Strategy(
            "badge",
            "BADGE",
            "Far from each other in what a label would change (scikit-activeml's Badge).",
            rival.badge,
            theirs=True,
            any_utterance=True,
        ),
        Strategy(
            "typiclust",
            "TypiClust",
            "Typical of groups in which nothing is labelled (scikit-activeml's TypiClust).",
            rival.typiclust,
            theirs=True,
            any_utterance=True,
        ),
        Strategy(
            "coreset",
            "core-set",
            "Each far from all that is labelled or picked (scikit-activeml's CoreSet).",
            rival.coreset,
            theirs=True,
            any_utterance=True,
        ),
    )
}
DEFAULT = "unsure+spread"


def strategy_of(name: str) -> Strategy:
    """The row of a name.

    Raises:
        UndertoneError: there is none.
    """
    if name not in STRATEGIES:
        raise UndertoneError(f"there is no strategy {name!r}; there are {', '.join(STRATEGIES)}")
    return STRATEGIES[name]
