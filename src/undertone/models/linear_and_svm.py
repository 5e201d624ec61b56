"""The classic rivals: one vector an utterance, and a linear or kernel head on it.

In:  vectors (n_utterances, n_values), the truth about them, speakers.
Out: a ``Head`` of plain arrays, fitted by scikit-learn. The strength of a classifier is chosen by
     cross-validation on the same labels, by speaker where there are enough of them, that of a
     regression by leave-one-out, so that nothing but the budget is ever seen.
"""

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedGroupKFold,
    cross_val_predict,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from undertone.models import heads
from undertone.models.heads import Logistic, SupportVectors

PENALTIES = (0.001, 0.01, 0.1, 1.0)  # C of the logistic regression
SVM_COSTS = (1.0, 10.0)  # C of the support vector machine
SVM_WIDTHS = (0.3, 1.0)  # its gamma, times 1 / number of values
RIDGE_PENALTIES = tuple(10.0**power for power in range(0, 7))  # alpha, on z-scored vectors
MAX_FOLDS = 5
MIDDLING_PENALTY = 1e3
LEAST_PROBABILITY = 1e-4  # what a label counts that a model held impossible


def fit_logistic(
    vectors: np.ndarray, truth: np.ndarray, *, n_outputs: int, speakers: np.ndarray, seed: int
) -> Logistic:
    """Multinomial logistic regression with an L2 penalty on z-scored vectors.

    Args:
        vectors: (n_labels, n_values).
        truth: (n_labels,) positions of the emotions.
        n_outputs: emotions; one without a label is never predicted.
        speakers: (n_labels,) who spoke.
        seed: of the folds.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    grid = {"logisticregression__C": list(PENALTIES)}
    return _logistic(_fit(model, grid, vectors, _Truth(truth, speakers, seed)), n_outputs)


def fit_svm(
    vectors: np.ndarray, truth: np.ndarray, *, n_outputs: int, speakers: np.ndarray, seed: int
) -> SupportVectors:
    """Support vector machine with a radial kernel on z-scored vectors; see ``fit_logistic``."""
    gammas = [width / vectors.shape[1] for width in SVM_WIDTHS]
    model = make_pipeline(StandardScaler(), SVC(C=1.0, gamma=gammas[-1], class_weight="balanced"))
    grid = {"svc__C": list(SVM_COSTS), "svc__gamma": gammas}
    return _support_vectors(_fit(model, grid, vectors, _Truth(truth, speakers, seed)), n_outputs)


def fit_ridge(vectors: np.ndarray, truth: np.ndarray, *, low: float, high: float) -> heads.Ridge:
    """Ridge regression on z-scored vectors, its penalty by leave-one-out.

    Args:
        vectors: (n_labels, n_values).
        truth: (n_labels, n_outputs) amounts.
        low: the lowest amount.
        high: the highest amount.
    """
    model = make_pipeline(StandardScaler(), RidgeCV(RIDGE_PENALTIES))
    scaler, ridge = model.fit(vectors.astype(np.float64), truth)
    return heads.Ridge(
        scaler.mean_,
        scaler.scale_,
        weight=np.ascontiguousarray(np.atleast_2d(ridge.coef_).T),
        bias=np.atleast_1d(ridge.intercept_),
        range=np.array([low, high], dtype=np.float64),
    )


def out_of_fold_likelihood(
    vectors: np.ndarray, truth: np.ndarray, *, speakers: np.ndarray, seed: int
) -> float:
    """Mean log probability of labels that a logistic regression of middling penalty did not see.

    NaN where there are too few labels to hold any out.
    """
    data = _Truth(truth, speakers, seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    logs = []
    for train, test in data.splits(vectors):
        head = _logistic(model.fit(vectors[train], truth[train]), int(truth.max()) + 1)
        of_the_truth = head.predict(vectors[test])[np.arange(len(test)), truth[test]]
        logs.append(np.log(np.maximum(of_the_truth, LEAST_PROBABILITY)))
    return float(np.concatenate(logs).mean()) if logs else float("nan")


def out_of_fold_fit(vectors: np.ndarray, truth: np.ndarray, *, speakers: np.ndarray) -> float:
    """Less the mean squared error of a ridge regression on amounts of speakers that it did not see.

    NaN where all labels are of one speaker.
    """
    n_folds = min(MAX_FOLDS, len(np.unique(speakers)))
    if n_folds < 2:
        return float("nan")
    model = make_pipeline(StandardScaler(), Ridge(MIDDLING_PENALTY))
    predicted = cross_val_predict(model, vectors, truth, groups=speakers, cv=GroupKFold(n_folds))
    return -float(((predicted - truth) ** 2).mean())


def _logistic(pipeline: Pipeline, n_outputs: int) -> Logistic:
    scaler, logistic = pipeline
    return Logistic(
        scaler.mean_,
        scaler.scale_,
        weight=np.ascontiguousarray(logistic.coef_.T),
        bias=logistic.intercept_,
        present=np.isin(np.arange(n_outputs), logistic.classes_),
    )


def _support_vectors(pipeline: Pipeline, n_outputs: int) -> SupportVectors:
    """Its coefficients spread over the pairs of classes, so that one product gives them all.

    A support vector of class i has one coefficient for each other class: for j in row j - 1 where
    j > i, else in row j (https://scikit-learn.org/stable/modules/svm.html#multi-class-classification).
    """
    scaler, machine = pipeline
    owner = np.repeat(np.arange(len(machine.n_support_)), machine.n_support_)
    pairs = list(combinations(range(len(machine.n_support_)), 2))
    weight = np.zeros((len(owner), len(pairs)))
    for pair, (i, j) in enumerate(pairs):
        weight[owner == i, pair] = machine.dual_coef_[j - 1, owner == i]
        weight[owner == j, pair] = machine.dual_coef_[i, owner == j]
    return SupportVectors(
        scaler.mean_,
        scaler.scale_,
        support=machine.support_vectors_,
        weight=weight,
        bias=machine.intercept_,
        gamma=np.array(machine.gamma, dtype=np.float64),
        present=np.isin(np.arange(n_outputs), machine.classes_),
    )


@dataclass(frozen=True)
class _Truth:
    truth: np.ndarray
    speakers: np.ndarray
    seed: int

    def n_folds(self) -> int:
        """Folds that leave every emotion and several speakers on both sides."""
        rarest = int(np.unique(self.truth, return_counts=True)[1].min())
        return min(MAX_FOLDS, rarest, len(np.unique(self.speakers)))

    def splits(self, vectors: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Positions to fit on and to hold out, speakers apart; none of too few labels."""
        if self.n_folds() < 2:
            return []
        folds = StratifiedGroupKFold(self.n_folds(), shuffle=True, random_state=self.seed % 2**32)
        return [
            (train, test)
            for train, test in folds.split(vectors, self.truth, self.speakers)
            if len(test) and len(np.unique(self.truth[train])) > 1
        ]


def _fit(
    model: Pipeline, grid: dict[str, list[Any]], vectors: np.ndarray, data: _Truth
) -> Pipeline:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if not (splits := data.splits(vectors)):  # too few labels to choose by
            return model.fit(vectors, data.truth)  # the middle of the grid
        search = GridSearchCV(model, grid, scoring="accuracy", cv=splits)
        return search.fit(vectors, data.truth).best_estimator_
