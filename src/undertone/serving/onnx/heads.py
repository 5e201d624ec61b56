"""Heads on one vector an utterance, in a graph: each computes what its class in ``models`` does.

In:  vectors (batch, n_values) float32.
Out: values (batch, n_outputs) float32, probabilities or amounts.
"""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from undertone.models.crowd import FURTHEST
from undertone.models.crowd_ridge import CrowdRidge
from undertone.models.discriminant import Discriminant
from undertone.models.heads import NEVER, Head, Logistic, Ridge, SupportVectors
from undertone.serving.onnx.nodes import DOUBLE, FLOAT, Value


def apply(head: Head, vectors: Value) -> Value:
    """What a head says of vectors."""
    return HEADS[type(head)](head, vectors)


def _discriminant(head: Discriminant, vectors: Value) -> Value:
    scores = _in_crowd(head, vectors) @ head.weight.T + head.bias
    return scores.softmax().to(FLOAT)


def _crowd_ridge(head: CrowdRidge, vectors: Value) -> Value:
    return _clipped(_in_crowd(head, vectors) @ head.weight.T + head.bias, head.range)


def _in_crowd(head: Discriminant | CrowdRidge, vectors: Value) -> Value:
    scored = (vectors.to(DOUBLE) - head.mean) / head.sd
    return scored.at_least(-FURTHEST).at_most(FURTHEST) * head.emphasis


def _logistic(head: Logistic, vectors: Value) -> Value:
    scores = ((vectors - head.mean) / head.sd).to(DOUBLE) @ head.weight + head.bias
    return _probabilities(scores, head.present, n_scores=head.weight.shape[1])


def _ridge(head: Ridge, vectors: Value) -> Value:
    scored = (vectors.to(DOUBLE) - head.mean) / head.sd
    return _clipped(scored @ head.weight + head.bias, head.range)


def _support_vectors(head: SupportVectors, vectors: Value) -> Value:
    scaled = ((vectors - head.mean) / head.sd).to(DOUBLE)
    squares = (scaled * scaled).sum(1, keep=True) + (head.support**2).sum(axis=1)
    distance = (squares - scaled @ (2 * head.support.T)).at_least(0)
    pairs = (distance * -head.gamma).exp() @ head.weight + head.bias
    n_present = int(head.present.sum())
    if n_present == 2:
        return _probabilities(pairs, head.present, n_scores=1)
    scores = _one_against_rest(pairs, n_present)
    return _probabilities(scores, head.present, n_scores=n_present)


def _one_against_rest(pairs: Value, n_present: int) -> Value:
    """As ``models.heads``: votes, ties broken by the sum of decisions."""
    first, second = np.zeros((2, len(list(combinations(range(n_present), 2))), n_present))
    for pair, (i, j) in enumerate(combinations(range(n_present), 2)):
        first[pair, i], second[pair, j] = 1, 1
    won = (pairs >= 0).to(DOUBLE)
    votes = won @ (first - second) + second.sum(axis=0)
    sums = pairs @ (first - second)
    return votes + sums / ((sums.called("Abs") + 1) * 3)


def _probabilities(scores: Value, present: np.ndarray, *, n_scores: int) -> Value:
    if n_scores == 1:
        scores = scores @ np.array([[-0.5, 0.5]])
    places = np.eye(len(present))[present.astype(bool)]
    return (scores @ places + NEVER * (1 - places.sum(axis=0))).softmax().to(FLOAT)


def _clipped(amounts: Value, limits: np.ndarray) -> Value:
    low, high = limits
    return amounts.at_least(low).at_most(high).to(FLOAT)


HEADS: Mapping[type[Head], Callable[[Any, Value], Value]] = {
    Discriminant: _discriminant,
    CrowdRidge: _crowd_ridge,
    Logistic: _logistic,
    Ridge: _ridge,
    SupportVectors: _support_vectors,
}
