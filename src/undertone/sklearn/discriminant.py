"""The self-trained discriminant on plain vectors, as an estimator of scikit-learn.

In:  (n_rows, n_values) vectors; labels, some of them missing; perhaps who speaks.
Out: ``SelfTrainedDiscriminant``, which is ``models.discriminant`` under scikit-learn's names.
"""

from dataclasses import fields
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from undertone.models.crowd import Crowd
from undertone.models.discriminant import DiscriminantConfig, fit_and_judge
from undertone.models.temperature import temperature_expected
from undertone.sklearn.checked import checked
from undertone.sklearn.labels import classes_of, groups_of, is_labelled

USED = (
    *("shrinkage", "speaker_weight", "rounds", "crowd_share", "label_weight"),
    "self_training",
)
assert set(USED) <= {field.name for field in fields(DiscriminantConfig)}


class SelfTrainedDiscriminant(ClassifierMixin, BaseEstimator):
    """A shrunk linear discriminant analysis that also learns from rows without a label.

    Rows of ``y`` that are -1, NaN or None are the crowd: with the labelled ones they give the scale
    of each value, and where they sound like a mix as that of the labels they teach (self-training).

    Args:
        shrinkage: 0 takes the covariance as found, 1 equal in all directions.
        speaker_weight: of the covariance of the groups' means; 0: groups are ignored.
        rounds: of self-training; 0: labels alone.
        crowd_share: of the unlabelled rows that joins the labels.
        label_weight: how many rows of the crowd a label weighs.
        self_training: auto, on or off.

    Attributes:
        classes_: sorted.
        n_features_in_: values a row.
        self_trained_: whether the unlabelled rows taught.
        discriminant_: the fitted ``models.discriminant.Discriminant``.
    """

    def __init__(
        self,
        *,
        shrinkage: float = 0.7,
        speaker_weight: float = 0.1,
        rounds: int = 2,
        crowd_share: float = 0.6,
        label_weight: int = 3,
        self_training: str = "auto",
    ) -> None:
        self.shrinkage = shrinkage
        self.speaker_weight = speaker_weight
        self.rounds = rounds
        self.crowd_share = crowd_share
        self.label_weight = label_weight
        self.self_training = self_training

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:  # noqa: N803
        """Fit to (n_rows, n_values), (n_rows,) labels and, where they are known, groups."""
        X, y = checked(self, X, y, fitting=True)  # noqa: N806
        labelled = is_labelled(y)
        if labelled.any():
            check_classification_targets(_plain(y[labelled]))
        self.classes_, truth = classes_of(y, labelled)
        settings = DiscriminantConfig(**{name: getattr(self, name) for name in USED})
        crowd = Crowd(X, groups_of(groups, len(X)), ~labelled)
        fitted, verdict = fit_and_judge(
            X[labelled], truth, crowd=crowd, n_outputs=len(self.classes_), settings=settings
        )
        self.discriminant_ = fitted.cooled(temperature_expected(len(truth)))
        self.self_trained_ = verdict.on
        return self

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """(n_rows, n_classes) scores; (n_rows,) of the second class where there are two."""
        check_is_fitted(self)
        X, _ = checked(self, X)  # noqa: N806
        scores = self.discriminant_.scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """(n_rows, n_classes) probabilities, as sure as is usual with so many labels."""
        check_is_fitted(self)
        X, _ = checked(self, X)  # noqa: N806
        from scipy.special import softmax

        return np.asarray(softmax(self.discriminant_.scores(X), axis=1))

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """(n_rows,) the likeliest class of each."""
        check_is_fitted(self)
        X, _ = checked(self, X)  # noqa: N806
        return np.asarray(self.classes_[self.discriminant_.scores(X).argmax(axis=1)])


def _plain(labels: np.ndarray) -> np.ndarray:
    """Labels out of a column of objects, in a type of their own."""
    return np.array(labels.tolist()) if labels.dtype == object else labels
