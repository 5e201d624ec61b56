"""Ragged utterances in batches: of like length, longest first, padded with zeros at the end.

In:  steps of utterances, each (n_steps, n_features).
Out: (batch, n_steps, n_features) float32 with lengths (batch,), longest first.

Neighbours in length share a batch, so that little is computed on padding; which neighbours, and in
which order the batches come, is random.
"""

from collections.abc import Sequence

import numpy as np
import torch

OF_A_SPEAKER = 8  # utterances together in a batch by speaker: enough to tell them apart


def plan_batches(
    lengths: Sequence[int], batch_size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Positions of one epoch's batches: each position once, like lengths together."""
    jitter = rng.uniform(0.85, 1.15, size=len(lengths))  # so that batches differ between epochs
    order = np.argsort(np.asarray(lengths) * jitter, kind="stable")
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    rng.shuffle(batches)
    return batches


def plan_by_speaker(
    speakers: Sequence[int], batch_size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Positions of one epoch's batches: each once, up to ``OF_A_SPEAKER`` of a speaker together.

    A batch ends with the group that fills it, so it may be longer by less than a group.
    """
    numbers, groups = np.asarray(speakers), []
    for number in np.unique(numbers):
        order = rng.permutation(np.flatnonzero(numbers == number))
        groups += [order[i : i + OF_A_SPEAKER] for i in range(0, len(order), OF_A_SPEAKER)]
    batches: list[list[int]] = [[]]
    for i in rng.permutation(len(groups)):
        if len(batches[-1]) >= batch_size:
            batches.append([])
        batches[-1].extend(groups[i])
    return [np.array(batch) for batch in batches]


def in_order(lengths: Sequence[int], batch_size: int) -> list[np.ndarray]:
    """Positions in batches of like length, without chance: for evaluation."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def of_one_length(
    lengths: Sequence[int], batch_size: int, rng: np.random.Generator | None
) -> list[np.ndarray]:
    """Positions in batches without any padding; in random order with ``rng``."""
    batches: list[np.ndarray] = []
    for length in np.unique(lengths):
        positions = np.flatnonzero(np.asarray(lengths) == length)
        if rng is not None:
            rng.shuffle(positions)
        batches += [positions[i : i + batch_size] for i in range(0, len(positions), batch_size)]
    if rng is not None:
        rng.shuffle(batches)
    return batches


def longest_first(positions: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
    """The same positions, longest utterance first."""
    return positions[np.argsort(-np.asarray(lengths)[positions], kind="stable")]


def pad(steps: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack utterances of several lengths.

    Args:
        steps: each (n_steps, n_features), longest first.

    Returns:
        (batch, n_steps, n_features) float32 padded with zeros, and (batch,) int64 lengths.
    """
    lengths = [len(utterance) for utterance in steps]
    stacked = np.zeros((len(steps), max(lengths), steps[0].shape[1]), dtype=np.float32)
    for row, utterance in enumerate(steps):
        stacked[row, : len(utterance)] = utterance
    return torch.from_numpy(stacked), torch.tensor(lengths)


def is_real(lengths: torch.Tensor, n_steps: int) -> torch.Tensor:
    """(batch, n_steps) 1 where a step belongs to its utterance, 0 where it is padding."""
    return (torch.arange(n_steps)[None, :] < lengths[:, None]).float()
