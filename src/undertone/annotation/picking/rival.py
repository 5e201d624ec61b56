"""Strategies of scikit-activeml, an extra, on the same space and the same model.

In:  a ``Situation``, how many.
Out: positions and reasons, as of any strategy.
"""

from typing import Any

import numpy as np

from undertone.annotation.picking.situation import Situation
from undertone.errors import needs

Chosen = list[tuple[int, str]]


def typiclust(situation: Situation, n: int) -> Chosen:
    """TypiClust with as many neighbours as ours."""
    pool = _pool("typiclust")
    strategy = pool.TypiClust(random_state=_state(situation), k=20)
    return _queried(situation, n, strategy, why="typical of a group in which nothing is labelled")


def coreset(situation: Situation, n: int) -> Chosen:
    """CoreSet."""
    pool = _pool("coreset")
    strategy = pool.CoreSet(random_state=_state(situation))
    return _queried(situation, n, strategy, why="nothing labelled sounds like this")


def badge(situation: Situation, n: int) -> Chosen:
    """Badge, of the discriminant analysis; TypiClust where there is no model yet."""
    if situation.n_emotions < 2:
        return typiclust(situation, n)
    pool = _pool("badge")
    strategy = pool.Badge(random_state=_state(situation))
    return _queried(
        situation, n, strategy, why="a label would teach much here", clf=_given(situation)
    )


def _pool(name: str) -> Any:
    needs("skactiveml", extra="picks", what=f"picks by {name}")
    import skactiveml.pool

    return skactiveml.pool


def _state(situation: Situation) -> int:
    return int(situation.rng.integers(2**31))


def _queried(situation: Situation, n: int, strategy: Any, *, why: str, clf: Any = None) -> Chosen:
    labels = np.full(len(situation.space), np.nan)
    labels[situation.labelled] = situation.truth
    more = {} if clf is None else {"clf": clf, "fit_clf": False}
    found = strategy.query(
        X=situation.space.near,
        y=labels,
        candidates=situation.candidates,
        batch_size=n,
        **more,
    )
    return [(int(i), why) for i in found]


def _given(situation: Situation) -> Any:
    """A classifier of scikit-activeml that says what our model says of the candidates."""
    from skactiveml.base import SkactivemlClassifier

    class Given(SkactivemlClassifier):
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Given":  # noqa: N803
            return self

        def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
            return situation.probabilities

    return Given(classes=list(range(len(situation.emotions))), missing_label=np.nan)
