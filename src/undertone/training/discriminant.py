"""Linear discriminant analysis for very few labels: shrunk, speaker-aware, and self-trained.

In:  vectors (n_utterances, n_values) of labelled utterances, the positions of their emotions, and
     vectors of unlabelled utterances of the training speakers, the ``Crowd``.
Out: ``Discriminant``: a scaler and one linear score an emotion.

With twenty labels and a thousand values, what a classifier can learn of the covariance is next to
nothing; what it assumes decides. Three assumptions stand in for labels:

* The scale of each value is that of the crowd, not of the labelled few.
* Utterances of one emotion scatter equally in all directions (covariance shrunk towards a multiple
  of the identity; Friedman, J. Am. Stat. Assoc. 84, 1989), and more where speakers differ from
  each other: the covariance of the crowd's speaker means is added.
* What the classifier is surest of is true more often than not: the surest share of the crowd, the
  same number for every emotion, joins the labels and the fit is repeated (self-training; Yarowsky,
  1995). A given label weighs as much as ``label_weight`` of these.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from undertone.config import check_ranges

FURTHEST = 5.0  # crowd's standard deviations at which a value is cut off
SMALLEST = 1e-37  # probability that float32 still holds
NEVER = -1e4  # the score of an emotion that the labels did not hold


@dataclass(frozen=True)
class DiscriminantConfig:
    """Settings of the discriminant analysis."""

    shrinkage: float = 0.7  # 0: the covariance as found; 1: equal in all directions
    speaker_weight: float = 0.1  # of the covariance of speaker means; 0: speakers are ignored
    rounds: int = 2  # of self-training; 0: labels alone
    crowd_share: float = 0.6  # of the crowd that joins the labels
    label_weight: int = 3
    encoder_emphasis: float = 0.5  # of an encoder's outputs beside descriptors

    def __post_init__(self) -> None:
        check_ranges(
            self,
            shrinkage=(1e-3, 1),
            speaker_weight=(0, math.inf),
            rounds=(0, 100),
            crowd_share=(1e-3, 1),
            label_weight=(1, 10_000),
            encoder_emphasis=(0, 100),
        )


@dataclass(frozen=True)
class Crowd:
    """Unlabelled utterances of the training speakers, the labelled ones among them.

    Attributes:
        vectors: (n_utterances, n_values).
        speakers: (n_utterances,) who spoke.
        unlabelled: (n_utterances,) whether self-training may use it.
    """

    vectors: np.ndarray
    speakers: np.ndarray
    unlabelled: np.ndarray


@dataclass(frozen=True)
class Scaler:
    """To z-scores of the crowd, cut off at ``FURTHEST``, some scaled down.

    Attributes:
        mean: (n_values,).
        sd: (n_values,).
        emphasis: (n_values,) factor of the z-scores: less than 1 for what is to count less.
    """

    mean: np.ndarray
    sd: np.ndarray
    emphasis: np.ndarray

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_values) in and out; what is constant in the crowd becomes 0."""
        return np.clip((vectors - self.mean) / self.sd, -FURTHEST, FURTHEST) * self.emphasis


@dataclass(frozen=True)
class Discriminant:
    """A fitted discriminant analysis.

    Attributes:
        scaler: of the vectors.
        weight: (n_classes, n_values) of z-scores.
        bias: (n_classes,).
    """

    scaler: Scaler
    weight: np.ndarray
    bias: np.ndarray

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_classes); overconfident, as of any Gaussian model in many dimensions."""
        scores = self.scaler.apply(vectors) @ self.weight.T + self.bias
        return softmax(scores, axis=1).astype(np.float32)

    def cooled(self, temperature: float) -> "Discriminant":
        """The same decisions, surer (below 1) or less sure (above 1) of themselves."""
        return replace(self, weight=self.weight / temperature, bias=self.bias / temperature)


def temperature_of(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The temperature at which probabilities fit what turned out to be true best.

    Args:
        probabilities: (n_utterances, n_classes) of utterances that the fit did not know.
        truth: (n_utterances,) positions of the emotions.

    Source: Guo et al., "On calibration of modern neural networks", arXiv 1706.04599.
    """
    scores = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))

    def cost(log_temperature: float) -> float:
        chances = log_softmax(scores / np.exp(log_temperature), axis=1)
        return -chances[np.arange(len(truth)), truth].mean()

    return float(np.exp(minimize_scalar(cost, bounds=(-3, 7), method="bounded").x))


def fit_discriminant(
    vectors: np.ndarray,
    truth: np.ndarray,
    *,
    crowd: Crowd,
    n_classes: int,
    settings: DiscriminantConfig,
    emphasis: np.ndarray | None = None,
) -> Discriminant:
    """Fit to labels and a crowd.

    Args:
        vectors: (n_labels, n_values).
        truth: (n_labels,) positions of the emotions.
        crowd: of the same speakers.
        n_classes: emotions; one without a label is never predicted.
        settings: of the analysis.
        emphasis: (n_values,) of the scaler; all equal by default.
    """
    scaler = _fit_scaler(crowd.vectors, emphasis)
    labelled, others = scaler.apply(vectors), scaler.apply(crowd.vectors[crowd.unlabelled])
    prior = _Prior(settings, _speaker_covariance(scaler.apply(crowd.vectors), crowd.speakers))
    weight, bias = prior.fit(labelled, truth, n_classes)
    labelled, truth = (np.repeat(a, settings.label_weight, axis=0) for a in (labelled, truth))
    for _ in range(settings.rounds if len(others) else 0):
        scores = others @ weight.T + bias
        surest, guess = _surest(scores, settings.crowd_share)
        joined = np.concatenate([labelled, others[surest]])
        weight, bias = prior.fit(joined, np.concatenate([truth, guess]), n_classes)
    return Discriminant(scaler, weight, bias)


@dataclass(frozen=True)
class _Prior:
    settings: DiscriminantConfig
    between_speakers: np.ndarray = field(repr=False)

    def fit(
        self, vectors: np.ndarray, truth: np.ndarray, n_classes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n_classes, n_values) weights and (n_classes,) bias of equally frequent Gaussians."""
        present, position = np.unique(truth, return_inverse=True)
        means = np.stack([vectors[position == k].mean(axis=0) for k in range(len(present))])
        covariance = self._covariance(vectors - means[position])
        solved = np.linalg.solve(covariance, means.T).T
        weight = np.zeros((n_classes, vectors.shape[1]))
        bias = np.full(n_classes, NEVER)
        weight[present] = solved
        bias[present] = -0.5 * (means * solved).sum(axis=1)
        return weight, bias

    def _covariance(self, residuals: np.ndarray) -> np.ndarray:
        """(n_values, n_values) of utterances of one emotion."""
        share = self.settings.shrinkage
        found = residuals.T @ residuals / len(residuals)
        spread = np.trace(found) / len(found) or 1.0  # one label an emotion shows no scatter
        covariance = (1 - share) * found + self.settings.speaker_weight * self.between_speakers
        covariance[np.diag_indices_from(covariance)] += share * spread
        return covariance


def _fit_scaler(vectors: np.ndarray, emphasis: np.ndarray | None) -> Scaler:
    mean, sd = vectors.mean(axis=0), vectors.std(axis=0)
    sd = np.where(sd > 1e-6 * np.maximum(1, np.abs(mean)), sd, np.inf)
    return Scaler(mean, sd, np.ones_like(mean) if emphasis is None else emphasis)


def _speaker_covariance(vectors: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """(n_values, n_values) of the speakers' means; 0 of one speaker."""
    means = np.stack([vectors[speakers == speaker].mean(axis=0) for speaker in np.unique(speakers)])
    means = means - means.mean(axis=0)
    return means.T @ means / len(means)


def _surest(scores: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the surest utterances, at most equally many an emotion, and their emotions."""
    guess = scores.argmax(axis=1)
    second, first = np.partition(scores, -2, axis=1)[:, -2:].T
    most = max(1, int(share * len(scores) / (scores > NEVER / 2).any(axis=0).sum()))
    chosen = []
    for k in np.unique(guess):
        of_class = np.flatnonzero(guess == k)
        margin = first[of_class] - second[of_class]
        chosen.append(of_class[np.argsort(-margin, kind="stable")[:most]])
    surest = np.concatenate(chosen)
    return surest, guess[surest]
