"""scikit-learn's own check of vectors, under the name that its version has for it."""

from typing import Any

import numpy as np

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # before 1.6

    def validate_data(estimator: Any, **how: Any) -> Any:
        """The method that it was."""
        X, y = how.pop("X"), how.pop("y", "no_validation")  # noqa: N806
        return estimator._validate_data(X, y, **how)


def checked(
    estimator: Any,
    X: Any,  # noqa: N803
    y: Any = None,
    *,
    fitting: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """(n_rows, n_values) float64 and (n_rows,) labels, of which some may be missing.

    Args:
        estimator: that remembers the number of values.
        X: of it.
        y: labels; None while predicting.
        fitting: whether they are remembered.

    Raises:
        ValueError: they are not what they should be, in scikit-learn's words.
    """
    X = validate_data(estimator, X=X, reset=fitting, dtype=np.float64)  # noqa: N806
    if not fitting:
        return X, np.zeros(0)
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None"
        )
    labels = np.asarray(y) if not isinstance(y, list) else np.array(y, dtype=object)
    if labels.ndim == 2 and labels.shape[1] == 1:
        from sklearn.utils import column_or_1d

        labels = column_or_1d(labels, warn=True)
    if labels.ndim != 1 or len(labels) != len(X):
        raise ValueError(
            f"bad input shape: y has the shape {labels.shape}, expected ({len(X)},), one label a "
            "row: found input variables with inconsistent numbers of samples"
        )
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise ValueError("Input y contains infinity, which is no label")
    return X, labels
