"""Unlabelled utterances cut into the sequences that pre-training sees.

In:  steps of utterances, each (n_steps, n_features), and who speaks.
Out: ``Crop``: what is trained on and what is held out, cut to a length, or in two parts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from undertone.models import padding
from undertone.training.seeds import generator


class Crop(NamedTuple):
    """A sequence and whose it is.

    Attributes:
        steps: (n_steps, n_features).
        speaker: a number.
    """

    steps: np.ndarray
    speaker: int

    def part(self, steps: slice) -> "Crop":
        """A stretch of it."""
        return Crop(self.steps[steps], self.speaker)


def with_speakers(
    utterances: Sequence[np.ndarray], speakers: Sequence[str | None] | None
) -> list[Crop]:
    """Utterances with the numbers of their speakers; an unknown one has a number of its own."""
    names = speakers if speakers is not None else [None] * len(utterances)
    keys = [(i, "") if name is None else (-1, name) for i, name in enumerate(names)]
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return [Crop(steps, numbers[key]) for steps, key in zip(utterances, keys, strict=True)]


def hold_out(utterances: list[Crop], share: float, seed: int) -> tuple[list[Crop], list[Crop]]:
    """What is trained on, and a share of the utterances that is not; at least one of each."""
    order = generator(seed, "held-out utterances").permutation(len(utterances))
    n_held_out = min(len(utterances) - 1, max(1, round(share * len(utterances))))
    held_out = set(order[:n_held_out].tolist())
    train = [whole for i, whole in enumerate(utterances) if i not in held_out]
    return train, [utterances[i] for i in sorted(held_out)]


def cut(utterances: list[Crop], crop_steps: int, rng: np.random.Generator) -> list[Crop]:
    """Consecutive crops from a random start; what is shorter than a crop is used whole."""
    crops = []
    for whole in utterances:
        n_steps = len(whole.steps)
        start = int(rng.integers(0, n_steps % crop_steps + 1)) if n_steps > crop_steps else 0
        starts = range(start, start + crop_steps * max(1, n_steps // crop_steps), crop_steps)
        crops += [whole.part(slice(first, first + crop_steps)) for first in starts]
    return crops


def in_parts(crops: list[Crop], rng: np.random.Generator) -> tuple[list[Crop], np.ndarray]:
    """Each crop cut once in its middle third, longest part first; and the crop of each part."""
    parts, owners = [], []
    for owner, crop in enumerate(crops):
        n_steps = len(crop.steps)
        third = n_steps // 3
        middle = int(rng.integers(third, n_steps - third + 1)) if third else n_steps
        for part in (crop.part(slice(middle)), crop.part(slice(middle, None))):
            if len(part.steps):
                parts.append(part)
                owners.append(owner)
    order = np.argsort([-len(part.steps) for part in parts], kind="stable")
    return [parts[i] for i in order], np.array(owners)[order]


def pick(crops: list[Crop], positions: np.ndarray) -> list[Crop]:
    """The crops at some positions, longest first."""
    return [crops[i] for i in padding.longest_first(positions, [len(c.steps) for c in crops])]
