"""Labels as scikit-learn has them, some of which are missing.

In:  ``y``: -1, NaN or None where nobody labelled, as semi-supervised estimators have it.
Out: which rows are labelled; classes and their positions; groups as names.
"""

from typing import Any

import numpy as np

from undertone.errors import UndertoneError

NO_LABEL = (None, "", "-1", "nan", "None", "<NA>")


def labels_in(y: Any, n_rows: int) -> np.ndarray:
    """(n_rows,) labels of any type, one a row.

    Raises:
        UndertoneError: there are none, more than one a row, or those of other rows.
    """
    if y is None or isinstance(y, str | bytes) or not hasattr(y, "__len__"):
        raise UndertoneError(
            f"y must hold a label for each of the {n_rows} rows of X, None for an unlabelled one; "
            f"found {y!r:.60}"
        )
    check_lengths(n_rows, len(y))
    given = list(y)
    if any(isinstance(one, np.ndarray | list | tuple) for one in given):
        given = [one[0] if len(one) == 1 else one for one in map(list, given)]
    if any(isinstance(one, list) for one in given):
        raise UndertoneError(f"y holds several labels a row, as {y[0]!r:.60}: give one each")
    labels = np.empty(n_rows, dtype=object)
    labels[:] = given
    return labels


def numbers_in(y: Any, n_rows: int) -> np.ndarray:
    """(n_rows,) or (n_rows, n_outputs) numbers, NaN where nobody rated.

    Raises:
        UndertoneError: they are no numbers, infinite, or those of other rows.
    """
    try:
        numbers = np.array(y, dtype=float)
    except (TypeError, ValueError) as error:
        raise UndertoneError(
            f"y must hold numbers, a row for each of the {n_rows} of X: {error}; emotions are for "
            "EmotionClassifier"
        ) from None
    if numbers.ndim not in (1, 2) or np.isinf(numbers).any():
        raise UndertoneError(
            "y must hold finite numbers (n_rows,) or (n_rows, n_outputs), NaN where nobody rated; "
            f"found the shape {numbers.shape}"
            + (" and infinite values" if np.isinf(numbers).any() else "")
        )
    check_lengths(n_rows, len(numbers))
    return numbers


def is_labelled(y: np.ndarray) -> np.ndarray:
    """(n_rows,) whether a row of (n_rows,) has a label.

    NumPy makes text of -1 and NaN among text: that is no label either.

    >>> is_labelled(np.array(["anger", None, float("nan"), -1, 1], dtype=object)).tolist()
    [True, False, False, False, True]
    >>> is_labelled(np.array(["anger", -1, float("nan")])).tolist()
    [True, False, False]
    """
    return np.array([not _is_missing(value) for value in y], dtype=bool)


def classes_of(y: np.ndarray, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sorted classes of the labelled rows, and the position of each labelled row's.

    Raises:
        ValueError: there is no label, or only one class.
    """
    known = np.asarray(y)[labelled]
    if known.dtype == object and len(known):
        known = np.array(known.tolist())
    if not len(known):
        raise ValueError("y holds no label: every row is -1, NaN or None")
    classes, positions = np.unique(known, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes[0]}: a classifier needs labels of two classes or more"
        )
    return classes, positions


def groups_of(groups: Any, n_rows: int) -> np.ndarray:
    """(n_rows,) who speaks, as text; None where it is not known.

    Raises:
        ValueError: as many groups as rows are needed.
    """
    if groups is None:
        return np.full(n_rows, None, dtype=object)
    given = np.asarray(groups, dtype=object).ravel()
    if len(given) != n_rows:
        raise ValueError(f"groups names {len(given)} speakers of {n_rows} rows")
    return np.array([None if _is_nobody(who) else str(who) for who in given], dtype=object)


def check_lengths(n_rows: int, n_labels: int) -> None:
    """Refuse labels of other rows."""
    if n_rows != n_labels:
        raise UndertoneError(f"X holds {n_rows} recordings and y {n_labels} labels: one each")


def _is_nobody(value: Any) -> bool:
    return value is None or value != value


def _is_missing(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return value in NO_LABEL
    missing = value != value or (value == -1 and not isinstance(value, bool | np.bool_))
    return bool(missing) if isinstance(missing, bool | np.bool_) else True  # pandas' NA
