"""Fitted heads on one vector an utterance, as plain arrays: saved and served without scikit-learn.

In:  vectors (n_utterances, n_values).
Out: predictions (n_utterances, n_outputs) float32, probabilities or amounts.

Each head computes what scikit-learn's estimator does, in the precision of the vectors; weights are
kept as (n_values, n_scores), in the order in which that product sums.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import ClassVar, Self

import numpy as np
from scipy.special import softmax

MASK = ("classes",)  # axes of an array that says yes or no of each class
NEVER = -1e4  # the score of an emotion that the labels did not hold


class Head(ABC):
    """What a fit leaves: a dataclass of arrays.

    Attributes:
        axes: names of the axes of each array; those of one name are of one length.
    """

    axes: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @abstractmethod
    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_outputs) float32 of (n_utterances, n_values)."""

    def moved(self, taken: np.ndarray) -> Self:
        """The same for vectors from which (n_values,) is to be taken off before.

        Of heads that hold the mean of what they were fitted on: x - taken - mean.
        """
        mean = getattr(self, "mean", None)
        assert mean is not None, f"{type(self).__name__} knows no mean"
        return replace(self, mean=mean + taken)  # type: ignore[type-var]

    def tensors(self) -> dict[str, np.ndarray]:
        """Its arrays by name; ``restore`` takes them back."""
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return {name: np.asarray(getattr(self, name), order="C") for name in names}

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray]) -> Self:
        """The head whose arrays these are.

        Raises:
            ValueError: their shapes or types do not fit together.
        """
        own = {field.name: tensors[field.name] for field in fields(cls)}  # type: ignore[arg-type]
        lengths: dict[str, int] = {}
        for name, axes in cls.axes.items():
            array = own[name]
            pairs = zip(axes, array.shape, strict=False)
            if array.shape != tuple(lengths.setdefault(axis, n) for axis, n in pairs):
                raise ValueError(f"its weights {name} are of shape {array.shape}")
            if array.ndim != len(axes) or array.dtype not in _types(axes):
                raise ValueError(f"its weights {name} are {array.ndim}-fold {array.dtype}")
        return cls(**own)


def _types(axes: tuple[str, ...]) -> tuple[type, ...]:
    return (np.bool_,) if axes == MASK else (np.float32, np.float64)


@dataclass(frozen=True)
class Logistic(Head):
    """A logistic regression on z-scores.

    Attributes:
        mean: (n_values,) of the vectors fitted to.
        sd: (n_values,) likewise.
        weight: (n_values, n_scores) of z-scores; one score where the labels held two classes.
        bias: (n_scores,).
        present: (n_outputs,) whether the labels held the class.
    """

    axes = {  # noqa: RUF012
        "mean": ("values",),
        "sd": ("values",),
        "weight": ("values", "scores"),
        "bias": ("scores",),
        "present": MASK,
    }
    mean: np.ndarray
    sd: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    present: np.ndarray

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_outputs) probabilities."""
        scores = _scaled(vectors, self.mean, self.sd) @ self.weight + self.bias
        return _probabilities(scores, self.present)


@dataclass(frozen=True)
class SupportVectors(Head):
    """A support vector machine with a radial kernel on z-scores; its probabilities are ordinal.

    Attributes:
        mean: (n_values,) of the vectors fitted to.
        sd: (n_values,) likewise.
        support: (n_support, n_values) z-scores.
        weight: (n_support, n_pairs) of each pair of classes, 0 where of neither.
        bias: (n_pairs,).
        gamma: () width of the kernel exp(-gamma * squared distance).
        present: (n_outputs,) whether the labels held the class.
    """

    axes = {  # noqa: RUF012
        "mean": ("values",),
        "sd": ("values",),
        "support": ("support", "values"),
        "weight": ("support", "pairs"),
        "bias": ("pairs",),
        "gamma": (),
        "present": MASK,
    }
    mean: np.ndarray
    sd: np.ndarray
    support: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    gamma: np.ndarray
    present: np.ndarray

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_outputs) probabilities; not calibrated."""
        return _probabilities(self.scores(vectors), self.present)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, 1) of the second of two classes, or (n_utterances, n_present)."""
        from scipy.spatial.distance import cdist  # which no other head needs

        scaled = _scaled(vectors, self.mean, self.sd).astype(np.float64)
        kernel = np.exp(-self.gamma * cdist(scaled, self.support, "sqeuclidean"))
        pairs = kernel @ self.weight + self.bias
        n_present = int(self.present.sum())
        return pairs if n_present == 2 else _one_against_rest(pairs, n_present)


@dataclass(frozen=True)
class Ridge(Head):
    """A ridge regression on z-scores, clipped.

    Attributes:
        mean: (n_values,) of the vectors fitted to.
        sd: (n_values,) likewise.
        weight: (n_values, n_outputs) of z-scores.
        bias: (n_outputs,).
        range: (2,) lowest and highest amount.
    """

    axes = {  # noqa: RUF012
        "mean": ("values",),
        "sd": ("values",),
        "weight": ("values", "outputs"),
        "bias": ("outputs",),
        "range": ("ends",),
    }
    mean: np.ndarray
    sd: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    range: np.ndarray

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_outputs) amounts."""
        scaled = _scaled(vectors.astype(np.float64), self.mean, self.sd)
        return np.clip(scaled @ self.weight + self.bias, *self.range).astype(np.float32)


@dataclass(frozen=True)
class Constant(Head):
    """The same for everybody.

    Attributes:
        values: (n_outputs,).
    """

    axes = {"values": ("outputs",)}  # noqa: RUF012
    values: np.ndarray

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_outputs), whatever the vectors are."""
        return np.tile(self.values, (len(vectors), 1)).astype(np.float32)


def check_width(vectors: np.ndarray, mean: np.ndarray) -> None:
    """Refuse vectors of another length than a head was fitted to, before NumPy repeats values."""
    if vectors.shape[1] != len(mean):
        raise ValueError(f"its vectors have {len(mean)} values, the features give {len(vectors.T)}")


def _scaled(vectors: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Z-scores in the precision of the vectors, as StandardScaler computes them."""
    check_width(vectors, mean)
    kind = vectors.dtype if vectors.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    scaled = vectors.astype(kind)
    scaled -= mean.astype(kind)
    scaled /= sd.astype(kind)
    return scaled


def _probabilities(scores: np.ndarray, present: np.ndarray) -> np.ndarray:
    if scores.shape[1] == 1:
        scores = np.concatenate([-scores, scores], axis=1) / 2
    of_all = np.full((len(scores), len(present)), NEVER)
    of_all[:, present.astype(bool)] = scores
    return softmax(of_all, axis=1).astype(np.float32)


def _one_against_rest(pairs: np.ndarray, n_present: int) -> np.ndarray:
    """(n_utterances, n_present) votes of (n_utterances, n_pairs) decisions, ties broken.

    A pair (i, j) votes for i where its decision is not negative. The sum of a class's decisions,
    squeezed into (-1/3, 1/3), orders classes of equally many votes, and never others.
    """
    votes, sums = np.zeros((2, len(pairs), n_present))
    for pair, (i, j) in enumerate(combinations(range(n_present), 2)):
        decision = pairs[:, pair]
        sums[:, i] += decision
        sums[:, j] -= decision
        votes[:, i] += decision >= 0
        votes[:, j] += decision < 0
    return votes + sums / (3 * (np.abs(sums) + 1))
