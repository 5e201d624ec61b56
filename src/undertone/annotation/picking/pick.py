"""Which utterances to label next, and why.

In:  vectors of utterances, or their ``Space``; the labels that are there.
Out: ``Pick``: positions of utterances in the order of their use, each with a plain reason.

Everything depends on the vectors, the labels and the seed; nothing on a truth that nobody gave.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from undertone.annotation.picking.geometry import Space
from undertone.annotation.picking.situation import Situation
from undertone.annotation.picking.strategies import (
    DEFAULT,
    STRATEGIES,
    Strategy,
    strategy_of,
)
from undertone.errors import UndertoneError, describe_some

STRANGE = "like nothing else, perhaps a noise; all others are labelled or picked"
__all__ = ["DEFAULT", "STRATEGIES", "Pick", "Space", "pick"]


@dataclass(frozen=True)
class Pick:
    """An utterance to label.

    Attributes:
        index: its position among the vectors.
        why: a short sentence without an end.
    """

    index: int
    why: str


def pick(
    vectors: np.ndarray | Space,
    *,
    labels: Mapping[int, str] | Sequence[str | None] | np.ndarray | None = None,
    speakers: Sequence[str | None] | None = None,
    recordings: Sequence[str] | None = None,
    emotions: Sequence[str] = (),
    n: int,
    strategy: str = DEFAULT,
    skip: Collection[int] = (),
    seed: int = 0,
) -> list[Pick]:
    """The next utterances to label, the most useful first; fewer than ``n`` where no more are left.

    Args:
        vectors: (n_utterances, n_values), or the space of them, which is worth making once where
            there are thousands; then ``speakers`` and ``recordings`` are the space's.
        labels: emotion by position, or one for each utterance, None where there is none.
        speakers: of each utterance; None where nobody knows.
        recordings: of each utterance.
        emotions: that may be met; those of the labels join them.
        n: how many.
        strategy: a name in ``STRATEGIES``.
        skip: positions that are not to be picked, such as utterances nobody understands.
        seed: names all randomness.

    Raises:
        UndertoneError: a value is no number, there is no such strategy, or a position is none.
    """
    chosen = strategy_of(strategy)
    if n < 1:
        raise UndertoneError(f"the number of picks is a whole number from 1 on, found {n}")
    space = (
        vectors
        if isinstance(vectors, Space)
        else Space.of(vectors, speakers=speakers, recordings=recordings)
    )
    known = _by_position(labels, len(space))
    _check_positions("skip", skip, len(space))
    left_out = np.isin(np.arange(len(space)), [*known, *skip])
    situation = Situation(
        space,
        known=known,
        emotions=tuple(sorted({*map(str, emotions), *known.values()})),
        candidates=np.flatnonzero(~left_out),
        rng=np.random.default_rng([seed, len(known)]),
    )
    return [Pick(int(i), why) for i, why in _chosen(chosen, situation, n)]


def _chosen(strategy: Strategy, situation: Situation, n: int) -> list[tuple[int, str]]:
    """What a strategy chooses among what can be understood, and then among the rest."""
    if strategy.any_utterance:
        return _some(strategy, situation, n)
    like_others = situation.space.like_others[situation.candidates]
    first = _some(strategy, replace(situation, candidates=situation.candidates[like_others]), n)
    rest = replace(situation, candidates=situation.candidates[~like_others])
    return [*first, *((i, STRANGE) for i, _ in _some(strategy, rest, n - len(first)))]


def _some(strategy: Strategy, situation: Situation, n: int) -> list[tuple[int, str]]:
    n = min(n, len(situation.candidates))
    return strategy.choose(situation, n) if n else []


def _by_position(
    labels: Mapping[int, str] | Sequence[str | None] | np.ndarray | None, n: int
) -> dict[int, str]:
    """Emotion by position, in order of positions."""
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        if len(labels) != n:
            raise UndertoneError(
                f"expected a label, or None, for each of {n} utterances; found {len(labels)}"
            )
        labels = {i: label for i, label in enumerate(labels) if _is_label(label)}
    _check_positions("labels", labels, n)
    return {int(i): str(labels[i]) for i in sorted(labels)}


def _is_label(label: object) -> bool:
    return label is not None and label == label and label != ""


def _check_positions(name: str, positions: Collection[int], n: int) -> None:
    if odd := [i for i in positions if not 0 <= i < n]:
        raise UndertoneError(f"{name} are of utterances 0 to {n - 1}; found {describe_some(odd)}")
