"""Pre-training that folds share: once on the speech outside the labelled corpus, continued a fold.

In:  a plan: of each fold the pool, its first part of the labelled corpus.
Out: ``Outside``: the utterances of other corpora that every fold may hear, and none of whose
     speakers is one of the labelled corpus.

What is learned of it is learned before anybody knows who is tested: no fold could have told it
anything. A fold goes on from there with its own part alone, which holds no test speaker.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from undertone.errors import UndertoneError
from undertone.features.store import FrameTable
from undertone.systems.plan import FoldPlan


@dataclass(frozen=True)
class Outside:
    """Speech that folds share.

    Attributes:
        parts: frame table and utterances of each corpus.
        voices: of each utterance whose it is; None where unknown.
    """

    parts: tuple[tuple[FrameTable, tuple[str, ...]], ...]
    voices: tuple[str | None, ...]

    @property
    def n_utterances(self) -> int:
        """Of all corpora."""
        return len(self.voices)


def outside(folds: Mapping[int, FoldPlan]) -> Outside:
    """What every fold may hear, of people who are not in the labelled corpus.

    Args:
        folds: whose pools hold the labelled corpus's part first.

    Raises:
        UndertoneError: there is nothing that all folds may hear.
    """
    plans = list(folds.values())
    known = {voice for of_fold in plans for voice in own_voices(of_fold) if voice is not None}
    allowed: list[set[str]] = [
        set.intersection(*({*of_fold.pool[i][1]} for of_fold in plans))
        for i in range(1, len(plans[0].pool))
    ]
    parts, voices = [], list[str | None]()
    position = len(plans[0].pool[0][1])
    for (table, names), heard in zip(plans[0].pool[1:], allowed, strict=True):
        theirs = plans[0].voices[position : position + len(names)]
        position += len(names)
        kept = [
            (name, voice)
            for name, voice in zip(names, theirs, strict=True)
            if name in heard and voice not in known
        ]
        parts.append((table, tuple(name for name, _ in kept)))
        voices += [voice for _, voice in kept]
    if len(voices) < 2:
        raise UndertoneError(
            "pretrain.shared_pool pre-trains once on speech of other corpora, found "
            f"{len(voices)} utterances that every fold may hear: give more with --unlabelled "
            "NAME=PATH, or leave the setting out"
        )
    return Outside(tuple(parts), tuple(voices))


def own(of_fold: FoldPlan) -> tuple[tuple[FrameTable, tuple[str, ...]], ...]:
    """The labelled corpus's part of a fold's pool."""
    return of_fold.pool[:1]


def own_voices(of_fold: FoldPlan) -> tuple[str | None, ...]:
    """Of each utterance of ``own`` whose it is."""
    return of_fold.voices[: len(of_fold.pool[0][1])]
