"""Linear discriminant analysis for very few labels: shrunk, speaker-aware, and self-trained.

In:  vectors (n_utterances, n_values) of labelled utterances, the positions of their emotions, and
     vectors of unlabelled utterances of the training speakers, the ``Crowd``.
Out: ``Discriminant``: z-scores and one linear score an emotion.

With twenty labels and a thousand values, what a classifier can learn of the covariance is next to
nothing; what it assumes decides. Three assumptions stand in for labels:

* The scale of each value is that of the crowd, not of the labelled few.
* Utterances of one emotion scatter equally in all directions (covariance shrunk towards a multiple
  of the identity; Friedman, J. Am. Stat. Assoc. 84, 1989), and more where speakers differ from
  each other: the covariance of the crowd's speaker means is added; where each speaker's own mean is
  taken off (``models.voices``), of as much as is left of a voice that is tested.
* What the classifier is surest of is true more often than not: the surest share of the crowd, the
  same number for every emotion, joins the labels and the fit is repeated (self-training; Yarowsky,
  1995), where the crowd sounds like a mix as that of the labels (``self_training.judge``). A given
  label weighs as much as ``label_weight`` of these.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from scipy.special import log_softmax, softmax

from undertone.config import check_ranges
from undertone.errors import UndertoneError
from undertone.models.crowd import Crowd, scaled
from undertone.models.heads import NEVER, Head
from undertone.models.nuisance import Copies, nuisance_rows
from undertone.models.self_training import AUTO, MODES, OFF, Verdict, judge
from undertone.models.temperature import SMALLEST, temperature_of

SCALE, TRAINING, NOTHING = USES = ("scale", "self_training", "nothing")  # of other corpora
NO_SCATTER = 1e-9  # of z-scores


@dataclass(frozen=True)
class DiscriminantConfig:
    """Settings of the discriminant analysis."""

    shrinkage: float = 0.7  # 0: the covariance as found; 1: equal in all directions
    speaker_weight: float = 0.1  # of the covariance of speaker means; 0: speakers are ignored
    rounds: int = 2  # of self-training; 0: labels alone
    crowd_share: float = 0.6  # of the crowd that joins the labels
    label_weight: int = 3  # of a given label against a guess
    encoder_emphasis: float = 0.5  # of an encoder's outputs beside descriptors
    nuisance_weight: float = 0.2  # of the covariance of recordings; 0: no copies are made
    centring: float = 5.0  # recordings that take half of a speaker's own mean off; 0: none is taken
    self_training: str = AUTO  # on or off; auto: where the crowd is a mix like the labels
    other_speech: str = SCALE  # what unlabelled corpora join: scale, self_training or nothing
    calibrate: bool = True  # test how sure probabilities may be; false: what is usual, faster

    def __post_init__(self) -> None:
        check_ranges(
            self,
            shrinkage=(1e-3, 1),
            speaker_weight=(0, math.inf),
            rounds=(0, 100),
            crowd_share=(1e-3, 1),
            label_weight=(1, 10_000),
            encoder_emphasis=(0, 100),
            nuisance_weight=(0, math.inf),
            centring=(0, 1e6),
        )
        _check_word("self_training", self.self_training, MODES)
        _check_word("other_speech", self.other_speech, USES)


def _check_word(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UndertoneError(
            f"DiscriminantConfig.{name} must be {' or '.join(known)}, found {value!r}: "
            f"--set discriminant.{name}={known[0]}"
        )


@dataclass(frozen=True)
class Discriminant(Head):
    """A fitted discriminant analysis.

    Attributes:
        mean: (n_values,) of the crowd.
        sd: (n_values,) of the crowd; infinity where a value is constant.
        emphasis: (n_values,) factor of the z-scores: less than 1 for what is to count less.
        weight: (n_outputs, n_values) of z-scores.
        bias: (n_outputs,).
    """

    axes = {  # noqa: RUF012
        "mean": ("values",),
        "sd": ("values",),
        "emphasis": ("values",),
        "weight": ("outputs", "values"),
        "bias": ("outputs",),
    }
    mean: np.ndarray
    sd: np.ndarray
    emphasis: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_outputs) probabilities.

        They are overconfident, as of any Gaussian model in many dimensions, until the
        discriminant is ``cooled``.
        """
        return softmax(self.scores(vectors), axis=1).astype(np.float32)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_outputs) logarithms of probabilities, but for what all have alike."""
        scores: np.ndarray = self.scaled(vectors) @ self.weight.T + self.bias
        return scores

    def scaled(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_values) z-scores."""
        return scaled(vectors, mean=self.mean, sd=self.sd, emphasis=self.emphasis)

    def cooled(self, temperature: float) -> "Discriminant":
        """The same decisions, surer (below 1) or less sure (above 1) of themselves.

        An emotion without a label stays impossible.
        """
        bias = np.where(self.bias <= NEVER / 2, self.bias, self.bias / temperature)
        return replace(self, weight=self.weight / temperature, bias=bias)


def fit_discriminant(
    vectors: np.ndarray,
    truth: np.ndarray,
    *,
    crowd: Crowd,
    n_outputs: int,
    settings: DiscriminantConfig,
    emphasis: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    copies: Copies | None = None,
) -> Discriminant:
    """Fit to labels and a crowd, as ``fit_and_judge``, whose verdict is left out."""
    return fit_and_judge(
        vectors,
        truth,
        crowd=crowd,
        n_outputs=n_outputs,
        settings=settings,
        emphasis=emphasis,
        weights=weights,
        copies=copies,
    )[0]


def fit_and_judge(
    vectors: np.ndarray,
    truth: np.ndarray,
    *,
    crowd: Crowd,
    n_outputs: int,
    settings: DiscriminantConfig,
    emphasis: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    copies: Copies | None = None,
) -> tuple[Discriminant, Verdict]:
    """Fit to labels and a crowd, and whether the crowd taught.

    Args:
        vectors: (n_labels, n_values).
        truth: (n_labels,) positions of the emotions.
        crowd: of the same speakers.
        n_outputs: emotions; one without a label is never predicted.
        settings: of the analysis.
        emphasis: (n_values,) of the z-scores; all equal by default.
        weights: (n_labels,) what each counts; ``label_weight`` by default.
        copies: of the crowd's utterances, which differ from them by the recording alone.
    """
    mean, sd = crowd.mean_and_sd()
    emphasis = np.ones_like(mean) if emphasis is None else emphasis
    of_crowd = partial(scaled, mean=mean, sd=sd, emphasis=emphasis)
    labelled, others = of_crowd(vectors), of_crowd(crowd.vectors[crowd.unlabelled])
    prior = Prior(
        settings,
        speaker_means(of_crowd(crowd.differing), crowd.speakers),
        nuisance=nuisance_rows(copies, of_crowd, weight=settings.nuisance_weight),
    )
    if weights is None:
        weights = np.full(len(truth), float(settings.label_weight))
    weight, bias, verdict = taught(
        prior, labelled, truth, others=others, weights=weights, n_outputs=n_outputs
    )
    return Discriminant(mean, sd, emphasis, weight, bias), verdict


def taught(
    prior: "Prior",
    labelled: np.ndarray,
    truth: np.ndarray,
    *,
    others: np.ndarray,
    weights: np.ndarray,
    n_outputs: int,
) -> tuple[np.ndarray, np.ndarray, Verdict]:
    """Weight and bias of z-scores, from labels and, where the crowd is like them, from the crowd.

    Args:
        prior: what is assumed.
        labelled: (n_labels, n_values) z-scores.
        truth: (n_labels,) positions of the emotions.
        others: (n_unlabelled, n_values) z-scores of the crowd.
        weights: (n_labels,) what each label counts.
        n_outputs: emotions.
    """
    settings = prior.settings
    weight, bias = prior.fit(labelled, truth, weights=weights, n_outputs=n_outputs)
    mode = settings.self_training if settings.rounds else OFF
    verdict = judge(others @ weight.T + bias, truth, mode)
    for _ in range(settings.rounds if verdict.on else 0):
        joining, guess = surest(others @ weight.T + bias, settings.crowd_share)
        weight, bias = prior.fit(
            np.concatenate([labelled, others[joining]]),
            np.concatenate([truth, guess]),
            weights=np.concatenate([weights, np.ones(len(joining))]),
            n_outputs=n_outputs,
        )
    return weight, bias, verdict


def surest(scores: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the surest utterances, at most equally many an emotion, and their emotions.

    Args:
        scores: (n_utterances, n_outputs); the margin of the first over the second counts.
        share: of the utterances, if all emotions were equally frequent among them.
    """
    guess = scores.argmax(axis=1)
    second, first = np.partition(scores, -2, axis=1)[:, -2:].T
    most = max(1, int(share * len(scores) / (scores > NEVER / 2).any(axis=0).sum()))
    chosen = []
    for k in np.unique(guess):
        of_class = np.flatnonzero(guess == k)
        margin = first[of_class] - second[of_class]
        chosen.append(of_class[np.argsort(-margin, kind="stable")[:most]])
    positions = np.concatenate(chosen)
    return positions, guess[positions]


def likelihood_left_out(
    vectors: np.ndarray,
    truth: np.ndarray,
    *,
    crowd: Crowd,
    n_outputs: int,
    settings: DiscriminantConfig,
    emphasis: np.ndarray,
    groups: Sequence[np.ndarray],
) -> float:
    """Mean log probability of the labels, each by a fit without its group, not self-trained.

    Probabilities are cooled by the one temperature that fits them best: how sure they are is no
    part of the question. A fit needs nothing but products of the rows, so that all fits share
    coordinates of as many values as there are labels and speakers.

    Args:
        vectors: (n_labels, n_values).
        truth: (n_labels,) positions of the emotions.
        crowd: of the same speakers.
        n_outputs: emotions.
        settings: of the analysis.
        emphasis: (n_values,) of the z-scores; a value of 0 is left out.
        groups: positions of the labels that are left out together. An emotion that no other group
            holds is not asked for.

    Returns:
        -infinity where nothing can be asked.
    """
    mean, sd = crowd.mean_and_sd()
    kept = emphasis > 0
    of_crowd = partial(scaled, mean=mean, sd=sd, emphasis=emphasis)
    labelled, everyone = of_crowd(vectors)[:, kept], of_crowd(crowd.differing)[:, kept]
    means = speaker_means(everyone, crowd.speakers)
    rows = np.asarray(np.linalg.qr(np.concatenate([labelled, means]).T, mode="r")).T
    labelled, means = rows[: len(labelled)], rows[len(labelled) :]
    prior = Prior(settings, means, n_values=int(kept.sum()))
    scores, asked = [], []
    for group in groups:
        others = np.setdiff1d(np.arange(len(truth)), group)
        group = group[np.isin(truth[group], truth[others])]
        if len(group):
            ones = np.ones(len(others))
            weight, bias = prior.fit(
                labelled[others], truth[others], weights=ones, n_outputs=n_outputs
            )
            scores.append(labelled[group] @ weight.T + bias)
            asked.append(truth[group])
    if not asked:
        return -math.inf
    return _cooled_likelihood(np.concatenate(scores), np.concatenate(asked))


def _cooled_likelihood(scores: np.ndarray, truth: np.ndarray) -> float:
    probabilities = softmax(scores, axis=1)
    logs = np.log(np.maximum(probabilities, SMALLEST)) / temperature_of(probabilities, truth)
    return float(log_softmax(logs, axis=1)[np.arange(len(truth)), truth].mean())


@dataclass(frozen=True)
class Prior:
    """What is assumed of the covariance within an emotion."""

    settings: DiscriminantConfig
    speaker_means: np.ndarray = field(repr=False)  # (n_speakers, n_values), centred
    n_values: int = 0  # where the rows are coordinates in fewer
    nuisance: np.ndarray = field(repr=False, default_factory=lambda: np.zeros((0, 0)))

    def fit(
        self, vectors: np.ndarray, truth: np.ndarray, *, weights: np.ndarray, n_outputs: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n_outputs, n_values) weights and (n_outputs,) bias of equally frequent Gaussians."""
        present, position = np.unique(truth, return_inverse=True)
        of_each = [position == k for k in range(len(present))]
        means = np.stack([np.average(vectors[k], axis=0, weights=weights[k]) for k in of_each])
        shares = weights / weights.sum()
        solved = self._solve(np.sqrt(shares)[:, None] * (vectors - means[position]), means)
        weight = np.zeros((n_outputs, vectors.shape[1]))
        bias = np.full(n_outputs, NEVER)
        weight[present] = solved
        bias[present] = -0.5 * (means * solved).sum(axis=1)
        return weight, bias

    def _solve(self, residuals: np.ndarray, means: np.ndarray) -> np.ndarray:
        """(n_outputs, n_values) means times the inverse covariance within an emotion.

        The covariance is a multiple of the identity and a product of few rows with themselves:
        where there are fewer rows than values, only a matrix of their number is solved (Woodbury).
        """
        from scipy.linalg import solve  # not for serving

        share, weight = self.settings.shrinkage, self.settings.speaker_weight
        n_values = residuals.shape[1]
        spread = (residuals**2).sum() / (self.n_values or n_values)
        if spread < NO_SCATTER:  # one label an emotion
            spread = 1.0
        level = share * spread
        speakers = np.sqrt(weight / len(self.speaker_means)) * self.speaker_means
        known = [speakers, self.nuisance] if len(self.nuisance) else [speakers]
        rows = np.concatenate([np.sqrt(1 - share) * residuals, *known])
        if len(rows) < n_values:
            inner = _with_added_to_diagonal(rows @ rows.T, level)
            return (means - solve(inner, rows @ means.T, assume_a="pos").T @ rows) / level
        return solve(_with_added_to_diagonal(rows.T @ rows, level), means.T, assume_a="pos").T


def _with_added_to_diagonal(matrix: np.ndarray, level: float) -> np.ndarray:
    matrix[np.diag_indices_from(matrix)] += level
    return matrix


def speaker_means(vectors: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """(n_speakers, n_values) of each speaker's utterances, less their mean; 0 of one speaker.

    Utterances of unknown speakers are nobody's.
    """
    known = np.array([speaker is not None for speaker in speakers], dtype=bool)
    if not known.any():
        return np.zeros((1, vectors.shape[1]))
    of_each = (speakers == speaker for speaker in np.unique(speakers[known]))
    means = np.stack([vectors[rows].mean(axis=0) for rows in of_each])
    return means - means.mean(axis=0)
