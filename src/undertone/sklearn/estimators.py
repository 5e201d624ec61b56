"""Recognisers of emotions and of dimensions as estimators of scikit-learn.

In:  ``X`` as ``recordings`` has it, labels of which some may be missing, perhaps who speaks.
Out: ``EmotionClassifier`` and ``EmotionRegressor``: any system of the package, fitted as
     ``undertone finetune`` fits it, and the ``Recogniser`` that it would write, ``recogniser_``.

A recogniser of a cross-validation sees the labels of its training rows and no others; unlabelled
rows are the crowd of those who speak in training. Splits by speaker are scikit-learn's business:
``GroupKFold`` with ``groups``.
"""

import contextlib
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.features.name import FeatureName, parse
from undertone.reading import Resources, open_layers, usable, with_copies
from undertone.recogniser.build import Build
from undertone.recogniser.folder import Recogniser
from undertone.recogniser.settings import FinetuneSettings
from undertone.sklearn.labels import classes_of, groups_of, is_labelled, labels_in, numbers_in
from undertone.sklearn.recordings import (
    are_files,
    as_files,
    corpus_of,
    features_of,
    rows_of,
    table_of,
)
from undertone.systems.plan import Data
from undertone.tasks import Classes, Dimensions, Task
from undertone.tasks.dimensions import DIMENSIONS


class _Hearing(BaseEstimator):
    """What both estimators do with recordings."""

    def __init__(
        self,
        *,
        features: str | None = None,
        system: str = "",
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        sample_rate: int | None = None,
        random_state: int | np.random.RandomState | None = 0,
        cache: str | Path | None = None,
        workers: int | None = 1,
    ) -> None:
        self.features = features
        self.system = system
        self.settings = settings
        self.sample_rate = sample_rate
        self.random_state = random_state
        self.cache = cache
        self.workers = workers

    @property
    def _resources(self) -> Resources:
        cache = None if self.cache is None else Path(self.cache)
        return Resources(cache, self.workers, progress=False)

    def _fit(self, items: list[Any], labels: pd.DataFrame, groups: Any, task: Task) -> Recogniser:
        """A recogniser of all rows, of which those without a label are the crowd."""
        features = features_of(items, self.features, self.sample_rate)
        speakers = groups_of(groups, len(items))
        settings = FinetuneSettings(
            system=self.system,
            features=str(features),
            folds=0,
            seed=_seed_of(self.random_state),
            of_systems=_settings_in(self.settings),
        )
        with self._heard(items, features) as heard:
            data = self._data(heard, corpus_of(heard, labels, speakers), features, task)
            build = Build(data, features, None, settings)
            if build.makes_copies and are_files(heard):
                copied = with_copies(data, features, self._resources)
                build = Build(copied, features, None, settings)
            build.check()
            return build.fit_all()

    def _heard(
        self, items: list[Any], features: FeatureName
    ) -> contextlib.AbstractContextManager[Sequence[Any]]:
        """The rows; for an encoder, which a system may train on recordings, waveforms as files."""
        if not features.is_upstream or are_files(items):
            return contextlib.nullcontext(items)
        if self.sample_rate is None:
            raise UndertoneError(
                f"an estimator on {features} hears recordings: give X as files, or as waveforms "
                "with sample_rate"
            )
        return as_files(items, self.sample_rate)

    def _data(
        self, items: Sequence[Any], corpus: Corpus, features: FeatureName, task: Task
    ) -> Data:
        frames = table_of(items, features, self.sample_rate, self._resources)
        layers = open_layers(corpus, features, self._resources) if features.is_upstream else None
        labelled = usable(corpus, task)
        known = set(labelled.table["utterance"])
        others = corpus.table[~corpus.table["utterance"].isin(known)]
        unlabelled = dict(zip(others["utterance"], others["speaker"], strict=True))
        return Data(task, labelled, frames, layers, unlabelled)

    def _values(self, X: Any) -> np.ndarray:  # noqa: N803
        """(n_rows, n_outputs) of the recogniser."""
        check_is_fitted(self, "recogniser_")
        recogniser: Recogniser = self.recogniser_
        items = rows_of(X)
        features = parse(recogniser.inputs.features)
        frames = table_of(items, features, self.sample_rate, self._resources)
        return np.stack([recogniser.predict(frames.frames(str(i))) for i in range(len(items))])

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "recogniser_")


def _settings_in(settings: Any) -> dict[str, Any]:
    """Settings of systems by section."""
    given = settings or {}
    if not isinstance(given, Mapping) or not all(isinstance(v, Mapping) for v in given.values()):
        raise UndertoneError(
            'settings are those of systems by section, as {"discriminant": {"shrinkage": 0.5}}; '
            f"found {settings!r:.60}"
        )
    return dict(given)


def _seed_of(random_state: Any) -> int:
    if random_state is None:
        return 0
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if not isinstance(random_state, Integral):
        raise UndertoneError(
            "random_state is a whole number, a numpy.random.RandomState, or None for 0; found "
            f"{random_state!r:.60}: write random_state=0"
        )
    return int(random_state)


class EmotionClassifier(ClassifierMixin, _Hearing):
    """A recogniser of emotions on recordings, waveforms or frames.

    Args:
        features: of the frames, as ``--features``; ``log_mel`` by default, and of frames that ``X``
            brings their own columns.
        system: a row of ``undertone curve``; the recommended one by default.
        settings: of systems by section, as ``{"discriminant": {"shrinkage": 0.5}}``.
        sample_rate: Hz, where ``X`` holds waveforms; without it arrays are frames.
        random_state: seed; of a ``RandomState`` the next number that it draws. None is 0, and not a
            seed of the moment as elsewhere: whoever asks for nothing can repeat it.
        cache: folder of the frame store; the user's by default.
        workers: processes that compute frames.

    Attributes:
        classes_: sorted.
        recogniser_: ``undertone``'s own, with ``save`` and ``save_pretrained``.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:  # noqa: N803
        """Fit to recordings.

        Args:
            X: (n_rows,) list of paths, waveforms or frames.
            y: (n_rows,) labels; -1, NaN or None is unlabelled, and used as the system uses such.
            groups: (n_rows,) who speaks; None of unknown ones. Without it every row counts as a
                speaker of its own.
        """
        items = rows_of(X)
        labels = labels_in(y, len(items))
        labelled = is_labelled(labels)
        self.classes_, positions = classes_of(labels, labelled)
        names = np.array([str(one) for one in self.classes_], dtype=object)
        if len(set(names)) < len(names):
            raise UndertoneError(f"two classes of y have one name: {', '.join(names)}")
        emotion = np.full(len(items), None, dtype=object)
        emotion[labelled] = names[positions]
        task = Classes(tuple(sorted(names)))
        self._order = [task.outputs.index(name) for name in names]
        self.recogniser_ = self._fit(items, pd.DataFrame({"emotion": emotion}), groups, task)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """(n_rows, n_classes) probabilities, in the order of ``classes_``."""
        values = self._values(X)
        return values[:, self._order]

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """(n_rows,) the likeliest class of each; nothing is held back."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class EmotionRegressor(RegressorMixin, _Hearing):
    """Arousal, valence and dominance, or one of them, of recordings, waveforms or frames.

    Args:
        features: as of ``EmotionClassifier``, and so the others.
        system: a row of a curve of dimensions.
        settings: of systems by section.
        sample_rate: Hz, of waveforms.
        random_state: seed; None is 0.
        cache: folder of the frame store.
        workers: processes that compute frames.
        outputs: names of the columns of ``y``, of arousal, valence and dominance; by default as
            many of them as ``y`` has columns.
        scale: lowest and highest value; those that ``y`` spans by default.

    Attributes:
        outputs_: names of what is predicted.
        recogniser_: ``undertone``'s own.
    """

    def __init__(
        self,
        *,
        features: str | None = None,
        system: str = "",
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        sample_rate: int | None = None,
        random_state: int | np.random.RandomState | None = 0,
        cache: str | Path | None = None,
        workers: int | None = 1,
        outputs: tuple[str, ...] | None = None,
        scale: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(
            features=features,
            system=system,
            settings=settings,
            sample_rate=sample_rate,
            random_state=random_state,
            cache=cache,
            workers=workers,
        )
        self.outputs = outputs
        self.scale = scale

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:  # noqa: N803
        """Fit to recordings.

        Args:
            X: (n_rows,) list of paths, waveforms or frames.
            y: (n_rows,) or (n_rows, n_outputs) numbers; a row with NaN or None is unlabelled.
            groups: (n_rows,) who speaks.
        """
        items = rows_of(X)
        given = numbers_in(y, len(items))
        self._one = given.ndim == 1
        values = given[:, None] if self._one else given
        self.outputs_ = tuple(self.outputs or DIMENSIONS[: values.shape[1]])
        if len(self.outputs_) != values.shape[1] or not set(self.outputs_) <= set(DIMENSIONS):
            raise UndertoneError(
                f"y has {values.shape[1]} columns for the outputs {', '.join(self.outputs_)}; "
                f"outputs are among {', '.join(DIMENSIONS)}"
            )
        known = values[~np.isnan(values).any(axis=1)]
        if not len(known):
            raise UndertoneError("y holds no labelled row: every one has a NaN")
        ordered = tuple(name for name in DIMENSIONS if name in self.outputs_)
        self._order = [ordered.index(name) for name in self.outputs_]
        low, high = self.scale or (float(known.min()), float(known.max()))
        if not low <= high:
            raise UndertoneError(
                f"scale is (lowest, highest), found ({low:g}, {high:g}): write ({high:g}, {low:g})"
            )
        labels = pd.DataFrame(values, columns=list(self.outputs_))
        task = Dimensions(ordered).on((low, high))
        self.recogniser_ = self._fit(items, labels, groups, task)
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """(n_rows,) of one output, else (n_rows, n_outputs)."""
        values = self._values(X)[:, self._order]
        return values[:, 0] if self._one else values
