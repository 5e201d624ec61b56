"""Recordings to vectors, as transformers of scikit-learn: what any classifier takes.

In:  ``X`` as ``recordings`` has it.
Out: (n_rows, n_values) float32.

They learn nothing: ``fit`` looks at the features alone. scikit-learn's own checks feed transformers
with tables of numbers, which are no recordings, so that they do not apply.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from undertone.errors import UndertoneError
from undertone.features import extractors
from undertone.features.descriptors import describe
from undertone.features.name import FeatureName, parse_encoder
from undertone.features.store import FrameTable
from undertone.features.vectors import mean_sd
from undertone.reading import Resources
from undertone.sklearn.recordings import features_of, rows_of, table_of


class _Vectors(TransformerMixin, BaseEstimator):
    """Frames of a row to its vector."""

    sample_rate: int | None
    cache: str | Path | None
    workers: int | None

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Find out how many values there are; nothing is learned."""
        self._n_values = self.transform(rows_of(X)[:1]).shape[1]
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """(n_rows, n_values) of recordings, waveforms or frames."""
        items = rows_of(X)
        cache = None if self.cache is None else Path(self.cache)
        resources = Resources(cache, self.workers, progress=False)
        table = table_of(items, self._features(items), self.sample_rate, resources)
        return np.stack([self._vector(table, str(i)) for i in range(len(items))])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """(n_values,) names, once it was fitted."""
        if not hasattr(self, "_n_values"):
            raise UndertoneError("the names of the values are known once fit has seen a recording")
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{i}" for i in range(self._n_values)], dtype=object)

    def _features(self, items: list[Any]) -> FeatureName:
        raise NotImplementedError

    def _vector(self, table: FrameTable, name: str) -> np.ndarray:
        raise NotImplementedError


class Descriptors(_Vectors):
    """The 721 descriptors of speech of each recording; of other features their functionals.

    Args:
        features: ``log_mel`` by default, and of frames that ``X`` brings their own columns.
        sample_rate: Hz, where ``X`` holds waveforms.
        cache: folder of the frame store; the user's by default.
        workers: processes that compute frames.
    """

    def __init__(
        self,
        *,
        features: str | None = None,
        sample_rate: int | None = None,
        cache: str | Path | None = None,
        workers: int | None = 1,
    ) -> None:
        self.features = features
        self.sample_rate = sample_rate
        self.cache = cache
        self.workers = workers

    def _features(self, items: list[Any]) -> FeatureName:
        return features_of(items, self.features, self.sample_rate)

    def _vector(self, table: FrameTable, name: str) -> np.ndarray:
        return describe(table.frames(name), table.columns)


class UpstreamMeans(_Vectors):
    """Means over time of an encoder's layers, side by side.

    Args:
        model: a folder, or a name on the hub, as ``models/whisper-base``; a layer may be named, as
            ``models/whisper-base@4``; without one all are taken.
        sample_rate: Hz, where ``X`` holds waveforms.
        cache: folder of the frame store; the user's by default.
        workers: processes that compute frames.
    """

    def __init__(
        self,
        model: str,
        *,
        sample_rate: int | None = None,
        cache: str | Path | None = None,
        workers: int | None = 1,
    ) -> None:
        self.model = model
        self.sample_rate = sample_rate
        self.cache = cache
        self.workers = workers

    def _features(self, items: list[Any]) -> FeatureName:
        name = parse_encoder(self.model, layers="all").settled()
        extractors.get(name)  # refuses a model that is not there
        return name

    def _vector(self, table: FrameTable, name: str) -> np.ndarray:
        frames = table.frames(name)
        return mean_sd(frames)[: frames.shape[1]]
