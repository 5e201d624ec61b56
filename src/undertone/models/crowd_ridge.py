"""Ridge regression for very few labels: z-scores of the crowd, one fixed penalty, spread matched.

In:  vectors (n_utterances, n_values) of labelled utterances, their amounts, and the ``Crowd``.
Out: ``CrowdRidge``: z-scores and one linear score an output, on the scale of the labels.

The weights have a closed form. With rows x_i centred on the labelled mean, K = X Xᵀ and targets y
as z-scores of the labels given, W = Xᵀ (K + λ I)⁻¹ y, with λ = ``penalty`` times the mean squared
norm of the rows. It is fixed, never searched for: twenty labels cannot tell penalties apart.

A shrunk regression predicts too narrow a spread, and CCC punishes that: for a given correlation it
is highest at equal spread. **Spread matching** stretches the predictions so that those of
unlabelled utterances have mean and standard deviation of the labels: p becomes
(p - m) / s * sd_y + mean_y. It makes the penalty harmless. Of the labelled utterances the
fit knows too much, so that where no utterance is without a label, m and s are those of closed-form
leave-one-out predictions.
"""

import math
from dataclasses import dataclass

import numpy as np

from undertone.config import check_ranges
from undertone.models.crowd import Crowd, scaled
from undertone.models.heads import Head

FEWEST = 8  # utterances that a spread can be told from
NO_SPREAD = 1e-6  # of z-scores


@dataclass(frozen=True)
class RidgeConfig:
    """Settings of the ridge regression on the crowd's z-scores."""

    penalty: float = 0.1  # of the mean squared norm of the labelled rows
    match_spread: bool = False  # predictions spread as the labels do: better CCC, worse MAE
    centring: float = 0.0  # recordings that take half of a speaker's own mean off; 0: none is taken

    def __post_init__(self) -> None:
        check_ranges(self, penalty=(1e-9, math.inf), centring=(0, 1e6))


@dataclass(frozen=True)
class CrowdRidge(Head):
    """A fitted regression.

    Attributes:
        mean: (n_values,) of the crowd.
        sd: (n_values,) of the crowd; infinity where a value is constant.
        emphasis: (n_values,) factor of the z-scores.
        weight: (n_outputs, n_values) of z-scores.
        bias: (n_outputs,).
        range: (2,) that predictions are kept in; infinite where they are not.
    """

    axes = {  # noqa: RUF012
        "mean": ("values",),
        "sd": ("values",),
        "emphasis": ("values",),
        "weight": ("outputs", "values"),
        "bias": ("outputs",),
        "range": ("ends",),
    }
    mean: np.ndarray
    sd: np.ndarray
    emphasis: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    range: np.ndarray

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_outputs) amounts."""
        rows = scaled(vectors, mean=self.mean, sd=self.sd, emphasis=self.emphasis)
        return np.clip(rows @ self.weight.T + self.bias, *self.range).astype(np.float32)


def fit_crowd_ridge(
    vectors: np.ndarray,
    truth: np.ndarray,
    *,
    crowd: Crowd,
    settings: RidgeConfig,
    emphasis: np.ndarray | None = None,
    limits: tuple[float, float] = (-math.inf, math.inf),
    weights: np.ndarray | None = None,
) -> CrowdRidge:
    """Fit to labels and a crowd.

    Args:
        vectors: (n_labels, n_values).
        truth: (n_labels, n_outputs) amounts.
        crowd: of the same speakers.
        settings: of the regression.
        emphasis: (n_values,) of the z-scores; all equal by default.
        limits: lowest and highest amount that is predicted.
        weights: (n_labels,) what each counts; all equal by default.
    """
    mean, sd = crowd.mean_and_sd()
    emphasis = np.ones_like(mean) if emphasis is None else emphasis
    rows = scaled(vectors, mean=mean, sd=sd, emphasis=emphasis)
    weights = np.ones(len(rows)) if weights is None else weights
    centre = np.average(rows, axis=0, weights=weights)
    fit = closed_form(
        rows - centre, truth.astype(np.float64), penalty=settings.penalty, weights=weights
    )
    slope, offset = fit.label_sd, fit.label_mean
    if settings.match_spread:
        others = crowd.vectors[crowd.unlabelled]
        if len(others) < FEWEST:
            heard = fit.left_out
        else:
            others = scaled(others, mean=mean, sd=sd, emphasis=emphasis)
            heard = (others - centre) @ fit.weight.T
        slope, offset = matched(heard, sd=fit.label_sd, mean=fit.label_mean)
    weight = slope[:, None] * fit.weight
    return CrowdRidge(mean, sd, emphasis, weight, offset - weight @ centre, np.array(limits, float))


@dataclass(frozen=True)
class ClosedForm:
    """A regression on centred rows, its targets as z-scores of the labels.

    Attributes:
        weight: (n_outputs, n_values).
        left_out: (n_labels, n_outputs) of each label by a fit without it, as z-scores.
        label_mean: (n_outputs,).
        label_sd: (n_outputs,) of the population; 0 where all labels are one.
    """

    weight: np.ndarray
    left_out: np.ndarray
    label_mean: np.ndarray
    label_sd: np.ndarray


def closed_form(
    rows: np.ndarray, truth: np.ndarray, *, penalty: float, weights: np.ndarray | None = None
) -> ClosedForm:
    """Fit all outputs at once, and predict each label as if it had not been given.

    Of weighted labels the rows and targets are multiplied by the roots of their weights. The hat
    matrix is then H = K (K + λ I)⁻¹ + √w √wᵀ / Σw, and what a fit without row i says of it is
    y_i - (y_i - ŷ_i) / (1 - H_ii) (Cook and Weisberg, Residuals and Influence, 1982, section 2.2).

    Args:
        rows: (n_labels, n_values), centred.
        truth: (n_labels, n_outputs).
        penalty: of the mean squared norm of the rows.
        weights: (n_labels,) what each counts; all equal by default.
    """
    weights = np.ones(len(rows)) if weights is None else weights
    root = np.sqrt(weights)[:, None]
    mean = np.average(truth, axis=0, weights=weights)
    sd = np.sqrt(np.average((truth - mean) ** 2, axis=0, weights=weights))
    targets = (truth - mean) / np.where(sd > 0, sd, 1)
    rows = root * rows
    kernel = rows @ rows.T
    dual, hat = dual_form(kernel, root * targets, penalty=penalty, weights=weights)
    apart = np.maximum(1 - np.diag(hat), np.finfo(float).eps)
    left_out = targets - (targets - kernel @ dual / root) / apart[:, None]
    return ClosedForm(dual.T @ rows, left_out, mean, sd)


def dual_form(
    kernel: np.ndarray,
    targets: np.ndarray,
    *,
    penalty: float,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(n_labels, n_outputs) weights of the rows, and the (n_labels, n_labels) hat matrix.

    Args:
        kernel: (n_labels, n_labels) products of the centred rows.
        targets: (n_labels, n_outputs), centred.
        penalty: of the mean squared norm of the rows.
        weights: (n_labels,) what each counts, with whose root rows and targets are multiplied.
    """
    weights = np.ones(len(kernel)) if weights is None else weights
    level = penalty * max(kernel.trace() / weights.sum(), np.finfo(float).tiny)
    from scipy.linalg import cho_factor, cho_solve  # not for serving

    factor = cho_factor(kernel + level * np.eye(len(kernel)))
    mean = np.sqrt(np.outer(weights, weights)) / weights.sum()
    return cho_solve(factor, targets), cho_solve(factor, kernel) + mean


def matched(
    heard: np.ndarray, *, sd: np.ndarray, mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(n_outputs,) slope and offset that give predictions this mean and spread.

    Args:
        heard: (n_utterances, n_outputs) predictions that the fit did not know.
        sd: (n_outputs,) wanted.
        mean: (n_outputs,) wanted.
    """
    spread = heard.std(axis=0)
    slope = np.where(spread > NO_SPREAD, sd / np.maximum(spread, NO_SPREAD), 0)
    return slope, mean - slope * heard.mean(axis=0)
