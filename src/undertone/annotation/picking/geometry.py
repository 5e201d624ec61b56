"""Utterances as points: what sounds alike lies together, whoever speaks.

In:  vectors (n_utterances, n_values), what each value counts, who speaks.
Out: ``Space``: points on few axes, and how typical each is of its surroundings.

Each speaker's own mean is taken off first (``models.voices``): clusters are then of how something
is said, not of who says it. Values become z-scores, and the axes are those along which these differ
most (principal components). Whoever picks many times makes the space once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from undertone.errors import UndertoneError, describe_some
from undertone.models.crowd import Crowd, scaled
from undertone.models.voices import Voices

COUNT = 5.0  # recordings that take half of a speaker's own mean off
N_AXES = 200  # that a model of the labels reads
N_NEAR_AXES = 30  # that distances are taken along
NEIGHBOURS = 20  # by which an utterance is typical
STRANGE = 2.0  # times as far from its neighbours as most: a noise, a slip of the microphone
EXACT = 2_000  # utterances up to which axes are found exactly
ROUNDS = 4  # of the search for axes of more


@dataclass(frozen=True)
class Space:
    """Utterances as points.

    Attributes:
        points: (n_utterances, n_axes) float32, about their mean, the axes in order of variance.
        speakers: (n_utterances,) who speaks; None where nobody knows.
        recordings: (n_utterances,) the recording that each is of.
    """

    points: np.ndarray
    speakers: np.ndarray
    recordings: np.ndarray

    @classmethod
    def of(
        cls,
        vectors: np.ndarray,
        *,
        speakers: Sequence[str | None] | None = None,
        recordings: Sequence[str] | None = None,
        emphasis: np.ndarray | None = None,
    ) -> Self:
        """The space of some utterances.

        Args:
            vectors: (n_utterances, n_values).
            speakers: of each; None where nobody knows.
            recordings: of each; without them each is a recording of its own.
            emphasis: (n_values,) what each value counts; all the same by default.

        Raises:
            UndertoneError: a value is no number, or the lengths differ.
        """
        vectors = np.asarray(vectors)
        who = _one_each("speakers", speakers, len(vectors))
        _check(vectors)
        emphasis = np.ones(vectors.shape[1]) if emphasis is None else np.asarray(emphasis)
        apart = Voices.of(vectors, list(who), count=COUNT).apart(vectors, list(who))
        nobody = Crowd(apart, who, np.ones(len(apart), dtype=bool))
        mean, sd = nobody.mean_and_sd()
        scores = scaled(apart, mean=mean, sd=sd, emphasis=emphasis).astype(np.float32)
        which = [str(i) for i in range(len(vectors))] if recordings is None else recordings
        return cls(_on_axes(scores), who, _one_each("recordings", which, len(vectors)))

    def __len__(self) -> int:
        return len(self.points)

    @property
    def near(self) -> np.ndarray:
        """(n_utterances, n_near_axes) points between which distances are taken."""
        return self.points[:, :N_NEAR_AXES]

    @cached_property
    def typicality(self) -> np.ndarray:
        """(n_utterances,) one over the mean distance to the nearest neighbours."""
        n = min(NEIGHBOURS, len(self) - 1)
        if n < 1:
            return np.ones(len(self))
        from sklearn.neighbors import NearestNeighbors  # not for serving

        search = NearestNeighbors(n_neighbors=n + 1, algorithm="brute").fit(self.near)
        distances, _ = search.kneighbors(self.near)
        return 1 / np.maximum(distances[:, 1:].mean(axis=1), 1e-9)

    @cached_property
    def like_others(self) -> np.ndarray:
        """(n_utterances,) whether something else sounds like it.

        What is ``STRANGE`` times as far from its neighbours as the median utterance is a noise more
        often than an emotion; rare emotions are up to 1.9 times as far.
        """
        found: np.ndarray = STRANGE * self.typicality >= np.median(self.typicality)
        return found


def _one_each(name: str, values: Sequence[str | None] | None, n: int) -> np.ndarray:
    """(n,) texts, None where there is none."""
    found = np.full(n, None, dtype=object)
    if values is None:
        return found
    if len(values) != n:
        raise UndertoneError(
            f"expected one of {name} for each of {n} utterances; found {len(values)}"
        )
    for i, value in enumerate(values):
        found[i] = None if value is None or value != value else str(value)
    return found


def _check(vectors: np.ndarray) -> None:
    if vectors.ndim != 2 or not vectors.size:
        raise UndertoneError(
            f"expected vectors (n_utterances, n_values) to pick among; found {vectors.shape}"
        )
    odd = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(odd):
        raise UndertoneError(
            f"the vectors of utterances {describe_some(odd)} hold values that are no numbers: "
            "leave these utterances out of the corpus, or extract them again"
        )


def _on_axes(scores: np.ndarray) -> np.ndarray:
    """(n, n_axes) principal components of (n, n_values) z-scores."""
    about = scores - scores.mean(axis=0)
    n_axes = min(N_AXES, *about.shape)
    if len(about) <= EXACT:
        values, vectors = np.linalg.eigh(about @ about.T)
        found = vectors[:, ::-1][:, :n_axes] * np.sqrt(np.maximum(values[::-1][:n_axes], 0))
    else:
        from sklearn.utils.extmath import randomized_svd  # not for serving

        left, sizes, _ = randomized_svd(about, n_axes, n_iter=ROUNDS, random_state=0)
        found = left * sizes
    signs = np.sign(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])])
    return np.ascontiguousarray(found * np.where(signs == 0, 1, signs), dtype=np.float32)
