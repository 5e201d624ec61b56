"""Undertone's parts as scikit-learn's: estimators and transformers for pipelines and searches.

In:  ``X``: a list of paths, of waveforms with ``sample_rate``, or of frames; ``y`` with
     -1, NaN or None where nobody labelled; ``groups``: who speaks.
Out: estimators that ``clone``, ``Pipeline``, ``cross_val_score`` and ``GridSearchCV`` take.

Nothing is computed here that the package does not compute elsewhere: frames come from
``features``, fits from ``systems`` and ``recogniser``.
"""

from undertone.sklearn.discriminant import SelfTrainedDiscriminant
from undertone.sklearn.estimators import EmotionClassifier, EmotionRegressor
from undertone.sklearn.transformers import Descriptors, UpstreamMeans

__all__ = [
    "Descriptors",
    "EmotionClassifier",
    "EmotionRegressor",
    "SelfTrainedDiscriminant",
    "UpstreamMeans",
]
