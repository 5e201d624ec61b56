"""The classic rivals: one vector an utterance, and a linear or kernel classifier on it.

In:  vectors (n_utterances, n_values), emotions' positions (n_utterances,), speakers.
Out: a fitted scikit-learn pipeline; its strength is chosen by cross-validation on the same labels,
     by speaker where there are enough of them, so that nothing but the budget is ever seen.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

PENALTIES = (0.001, 0.01, 0.1, 1.0)  # C of the logistic regression
SVM_COSTS = (1.0, 10.0)  # C of the support vector machine
SVM_WIDTHS = (0.3, 1.0)  # its gamma, times 1 / number of values
MAX_FOLDS = 5
LEAST_CHANCE = 1e-4  # what a label counts that a model held impossible
NEVER = -1e4  # the score of an emotion that the labels did not hold


@dataclass(frozen=True)
class Fitted:
    """A scaler and a classifier on vectors."""

    pipeline: Pipeline

    def probabilities(self, vectors: np.ndarray, n_classes: int) -> np.ndarray:
        """(n_utterances, n_classes); those of a support vector machine are not calibrated."""
        scores = self.pipeline.decision_function(vectors)
        if scores.ndim == 1:  # scikit-learn keeps one column for two classes
            scores = np.stack([-scores, scores], axis=1) / 2
        out = np.full((len(vectors), n_classes), NEVER)
        out[:, self.pipeline.classes_] = scores
        return softmax(out, axis=1).astype(np.float32)

    def linear(self, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """A logistic regression as a dense layer on raw vectors, the scaling folded in.

        Returns:
            (n_classes, n_values) weights and (n_classes,) bias.
        """
        scaler, logistic = self.pipeline[0], self.pipeline[-1]
        coefficients, intercept = logistic.coef_, logistic.intercept_
        if len(logistic.classes_) == 2:
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercept = np.concatenate([-intercept, intercept]) / 2
        weight = np.zeros((n_classes, coefficients.shape[1]))
        bias = np.full(n_classes, NEVER)
        weight[logistic.classes_] = coefficients / scaler.scale_
        bias[logistic.classes_] = intercept - (coefficients / scaler.scale_) @ scaler.mean_
        return weight.astype(np.float32), bias.astype(np.float32)


def fit_logistic(
    vectors: np.ndarray, truth: np.ndarray, *, speakers: np.ndarray, seed: int
) -> Fitted:
    """Multinomial logistic regression with an L2 penalty on z-scored vectors."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    grid = {"logisticregression__C": list(PENALTIES)}
    return _fit(model, grid, vectors, _Truth(truth, speakers, seed))


def fit_svm(vectors: np.ndarray, truth: np.ndarray, *, speakers: np.ndarray, seed: int) -> Fitted:
    """Support vector machine with a radial kernel on z-scored vectors."""
    gammas = [width / vectors.shape[1] for width in SVM_WIDTHS]
    model = make_pipeline(StandardScaler(), SVC(C=1.0, gamma=gammas[-1], class_weight="balanced"))
    grid = {"svc__C": list(SVM_COSTS), "svc__gamma": gammas}
    return _fit(model, grid, vectors, _Truth(truth, speakers, seed))


def out_of_fold_likelihood(
    vectors: np.ndarray, truth: np.ndarray, *, speakers: np.ndarray, seed: int
) -> float:
    """Mean log probability of labels that a logistic regression of middling penalty did not see.

    NaN where there are too few labels to hold any out.
    """
    data = _Truth(truth, speakers, seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    found = []
    for train, test in data.splits(vectors) if data.n_folds() >= 2 else ():
        fitted = Fitted(model.fit(vectors[train], truth[train]))
        chances = fitted.probabilities(vectors[test], int(truth.max()) + 1)
        found.append(np.log(np.maximum(chances[np.arange(len(test)), truth[test]], LEAST_CHANCE)))
    return float(np.concatenate(found).mean()) if found else float("nan")


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
        """Positions to fit on and to hold out, speakers apart."""
        folds = StratifiedGroupKFold(self.n_folds(), shuffle=True, random_state=self.seed % 2**32)
        return [
            (train, test)
            for train, test in folds.split(vectors, self.truth, self.speakers)
            if len(test) and len(np.unique(self.truth[train])) > 1
        ]


def _fit(model: Pipeline, grid: dict[str, list[Any]], vectors: np.ndarray, data: _Truth) -> Fitted:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if data.n_folds() < 2:  # too few labels to choose by: the middle of the grid
            return Fitted(model.fit(vectors, data.truth))
        search = GridSearchCV(model, grid, scoring="accuracy", cv=data.splits(vectors))
        return Fitted(search.fit(vectors, data.truth).best_estimator_)
