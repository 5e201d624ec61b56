"""Which clip comes next, ready before it is asked for.

In:  the clips, vectors of them as soon as there are any, what is labelled, by whom.
Out: ``Choice``: a clip's number, and why it comes now.

Choices are made in the background and wait in a queue, so that a key press never waits for one. Of
a second rater a share is of clips that somebody else has labelled: without these nobody could tell
how far the two agree. What the other heard is not told.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from undertone.annotation.picking.pick import DEFAULT, Space, pick
from undertone.errors import UndertoneError, tell

AHEAD = 6  # choices that wait
FEW = 3  # at which more are made
AT_RANDOM = "drawn at random, while the recordings are still being listened to"
IN_A_HURRY = "drawn at random: the next choices are not ready yet"
AGAIN = "another rater listens to it, too: it tells how far you agree"


@dataclass(frozen=True)
class Choice:
    """A clip, and the reason."""

    index: int
    why: str


@dataclass(frozen=True)
class Known:
    """What a choice may look at.

    Attributes:
        labels: emotion by number of the clip, of all raters.
        mine: numbers of clips that this rater is done with.
        taken: numbers that are not to be chosen: leased, or without sound.
        others: numbers of clips that other raters labelled, or hold.
    """

    labels: Mapping[int, str]
    mine: Collection[int]
    taken: Collection[int]
    others: Collection[int]


@dataclass(frozen=True)
class Aim:
    """How to choose.

    Attributes:
        emotions: that are asked for.
        strategy: a name in ``picking.strategies``.
        again: share of clips that another rater has labelled.
        seed: names all randomness.
    """

    emotions: Sequence[str]
    strategy: str = DEFAULT
    again: float = 0.3
    seed: int = 0


@dataclass
class Chooser:
    """A queue of choices.

    Attributes:
        speakers: of each clip.
        recordings: of each clip.
        aim: how to choose.
        know: what is known now.
    """

    speakers: Sequence[str | None]
    recordings: Sequence[str]
    aim: Aim
    know: Callable[[], Known]
    space: Space | None = None
    _queue: list[Choice] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _at_work: bool = False
    _made_of: int = 0  # labels that the queue's choices knew

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.aim.seed)

    def hear(self, vectors: np.ndarray, emphasis: np.ndarray | None = None) -> None:
        """Take in vectors of all clips.

        Args:
            vectors: (n_clips, n_values); a row of NaN is a clip without one.
            emphasis: (n_values,) what each value counts.
        """
        known = np.isfinite(vectors).all(axis=1)
        usual = vectors[known].mean(axis=0) if known.any() else 0.0
        self.space = Space.of(
            np.where(known[:, None], vectors, usual),
            speakers=self.speakers,
            recordings=self.recordings,
            emphasis=emphasis,
        )
        with self._lock:
            self._queue.clear()
        self.prepare()

    def take(self, n: int, besides: Collection[int], known: Known | None = None) -> list[Choice]:
        """The next choices; fewer where no more clips are left.

        What waited is looked at again: somebody may have answered it, or hold it, by now. What
        another rater took meanwhile is no new clip; only those that were chosen to be heard again
        are.

        Args:
            n: how many.
            besides: clips that must not be among them.
            known: what is known now; asked for by default.
        """
        known = self.know() if known is None else known
        free = self._free(known, besides)
        chosen: list[Choice] = []
        with self._lock:
            while self._queue and len(chosen) < n:
                choice = self._queue.pop(0)
                if choice.index in free and (
                    choice.why == AGAIN or choice.index not in known.others
                ):
                    chosen.append(choice)
                    free.discard(choice.index)
        while free and len(chosen) < n:
            choice = self._one(known, sorted(free))
            chosen.append(choice)
            free.discard(choice.index)
        if len(self._queue) < FEW or abs(len(known.labels) - self._made_of) >= AHEAD:
            self.prepare()
        return chosen

    def prepare(self) -> None:
        """Make more choices in the background."""
        with self._lock:
            if self._at_work or self.space is None:
                return
            self._at_work = True
        threading.Thread(target=self._prepare, daemon=True).start()

    def _prepare(self) -> None:
        try:
            known = self.know()
            chosen = self._picked(known)
            with self._lock:
                self._queue, self._made_of = chosen, len(known.labels)
        except UndertoneError as error:
            tell(f"{error}: clips are drawn at random")
        finally:
            self._at_work = False

    def _picked(self, known: Known) -> list[Choice]:
        """By the strategy, and some that another rater labelled among them."""
        assert self.space is not None
        again = sorted(set(known.others) - set(known.mine) - set(known.taken))
        with_label = {i: known.labels[i] for i in sorted(known.labels)}
        found = pick(
            self.space,
            labels=with_label,
            emotions=self.aim.emotions,
            n=AHEAD,
            strategy=self.aim.strategy,
            skip=sorted({*known.mine, *known.taken, *known.others}),
            seed=self.aim.seed,
        )
        chosen = [Choice(one.index, one.why) for one in found]
        for at in range(len(chosen) + 1):
            if again and self._rng.random() < self.aim.again:
                i = int(again.pop(int(self._rng.integers(len(again)))))
                chosen.insert(at, Choice(i, AGAIN))
        return chosen

    def _one(self, known: Known, free: Sequence[int]) -> Choice:
        """Of a speaker with few labels, at random: what needs no vectors."""
        again = sorted(set(known.others) & set(free))
        new = sorted(set(free) - set(known.others))
        if again and (not new or self._rng.random() < self.aim.again):
            return Choice(int(self._rng.choice(again)), AGAIN)
        done: dict[str | None, int] = {}
        for i in {*known.labels, *known.mine, *known.taken}:
            done[self.speakers[i]] = done.get(self.speakers[i], 0) + 1
        fewest = min(done.get(self.speakers[i], 0) for i in new)
        candidates = [i for i in new if done.get(self.speakers[i], 0) == fewest]
        why = AT_RANDOM if self.space is None else IN_A_HURRY
        return Choice(int(self._rng.choice(candidates)), why)

    def _free(self, known: Known, besides: Collection[int]) -> set[int]:
        given = set(known.labels) - set(known.others)  # by the corpus: nobody need hear them
        all_clips = set(range(len(self.speakers)))
        return all_clips - given - set(known.mine) - set(known.taken) - set(besides)
