"""Losses as plain functions of tensors; padding and what is not hidden never enters them.

An objective of pre-training takes the outputs of its own dense layer, (batch, n_steps, width), and
a ``View`` of the batch, and gives a scalar. ``OBJECTIVES`` is the table of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from undertone.models.padding import is_real

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

DISTANCES: dict[str, Distance] = {
    "l1": lambda prediction, target: (prediction - target).abs(),
    "l2": lambda prediction, target: (prediction - target) ** 2,
}
LEAST = 1e-8
FEWEST_ROWS, FEWEST_VALUES = 32, 8  # of a batch whose CCC says something
N_CLUSTERS = 100  # as in HuBERT's first iteration
CONTRAST_WIDTH = 128
TEMPERATURE = 0.1  # of the contrast, as in SimCLR


@dataclass(frozen=True)
class View:
    """A batch of sequences as the objectives see it.

    Attributes:
        steps: (batch, n_steps, n_features) before some were hidden from the encoder.
        hidden: (batch, n_steps) 1 where a step was hidden, 0 elsewhere, never on padding.
        lengths: (batch,) real steps.
        owners: (batch,) utterance that each sequence is a part of.
        centroids: (N_CLUSTERS, n_features) of the steps; empty where no objective asks for them.
        distance: between a prediction and a target.
        speakers: (batch,) numbers of the speakers; where one is unknown, a number of its own.
        share: of the hidden steps, those of this view among those of the batch, where processes
            share one; ``owners`` and ``speakers`` are then of all its sequences.
        n_sequences: of such a batch; 0 where it is not shared.
        of_all: makes (n_sequences, width) of the rows of this view.
    """

    steps: torch.Tensor
    hidden: torch.Tensor
    lengths: torch.Tensor
    owners: torch.Tensor
    centroids: torch.Tensor
    distance: Distance = DISTANCES["l1"]
    speakers: torch.Tensor | None = None
    share: float = 1.0
    n_sequences: int = 0
    of_all: Callable[[torch.Tensor], torch.Tensor] = lambda rows: rows


def masked_reconstruction(prediction: torch.Tensor, view: View) -> torch.Tensor:
    """Mean distance to the steps themselves, over the hidden ones (arXiv 2307.12343)."""
    where = view.hidden.bool()
    return view.distance(prediction[where], hidden_steps(view)).mean()


def masked_functionals(prediction: torch.Tensor, view: View) -> torch.Tensor:
    """Mean distance to the functionals of the hidden stretch that a step lies in.

    A stretch is described by mean, standard deviation, minimum and maximum of each feature, after
    PFML (arXiv 2411.10087): coarser than the steps, so that unforeseeable detail costs nothing.
    """
    return view.distance(prediction[view.hidden.bool()], hidden_functionals(view)).mean()


def masked_clusters(scores: torch.Tensor, view: View) -> torch.Tensor:
    """Mean cross-entropy of the clusters of the hidden steps (HuBERT, arXiv 2106.07447)."""
    return functional.cross_entropy(scores[view.hidden.bool()], hidden_clusters(view))


def hidden_steps(view: View) -> torch.Tensor:
    """(n_hidden, n_features) the hidden steps."""
    return view.steps[view.hidden.bool()]


def hidden_functionals(view: View) -> torch.Tensor:
    """(n_hidden, 4 * n_features) functionals of the stretch that each hidden step lies in."""
    stretch, where = _stretches(view.hidden)
    return _describe(view.steps[where], stretch)[stretch]


def hidden_clusters(view: View) -> torch.Tensor:
    """(n_hidden,) the nearest centroid of each hidden step."""
    return torch.cdist(hidden_steps(view), view.centroids).argmin(dim=1)


def contrast(outputs: torch.Tensor, view: View) -> torch.Tensor:
    """Mean cross-entropy of finding, in the batch, the other part of the same utterance.

    Outputs are averaged over the real steps of a part and compared by cosine (NT-Xent, SimCLR,
    arXiv 2002.05709). A batch without two parts of one utterance costs nothing.
    """
    return _contrast(outputs, view, torch.zeros_like(view.owners))


def speaker_contrast(outputs: torch.Tensor, view: View) -> torch.Tensor:
    """As ``contrast``, among the parts of the same speaker: knowing the voice does not help."""
    assert view.speakers is not None
    return _contrast(outputs, view, view.speakers)


def _contrast(outputs: torch.Tensor, view: View, groups: torch.Tensor) -> torch.Tensor:
    """The contrast of each part with the others of its group."""
    real = is_real(view.lengths, outputs.shape[1]).to(outputs.device)[:, :, None]
    lengths = view.lengths.to(outputs.device)
    parts = view.of_all(functional.normalize((outputs * real).sum(1) / lengths[:, None], dim=1))
    itself = torch.eye(len(parts), dtype=torch.bool, device=parts.device)
    strange = groups[:, None] != groups[None, :]
    scores = (parts @ parts.T / TEMPERATURE).masked_fill(itself | strange, -torch.inf)
    partner = (view.owners[:, None] == view.owners[None, :]) & ~itself
    rows = partner.any(dim=1)
    if not rows.any():
        return outputs.sum() * 0
    return functional.cross_entropy(scores[rows], partner[rows].float().argmax(dim=1))


@dataclass(frozen=True)
class Objective:
    """What an encoder learns from without labels.

    Attributes:
        what: is learned, in words for the model card.
        loss: of the outputs of the objective's dense layer.
        width: outputs of that layer, by the number of features.
        in_parts: whether every sequence comes as two parts.
        clustered: whether the view must bring centroids.
        by_speaker: whether a batch must hold several utterances of a speaker.
        weight: in a sum of objectives; a cross-entropy is several times as large as a distance.
        targets: what the loss compares the outputs of hidden steps with, (n_hidden, width) numbers
            or (n_hidden,) clusters; None where it compares outputs with each other.
    """

    what: str
    loss: Callable[[torch.Tensor, View], torch.Tensor]
    width: Callable[[int], int]
    in_parts: bool = False
    clustered: bool = False
    by_speaker: bool = False
    weight: float = 1.0
    targets: Callable[[View], torch.Tensor] | None = None


OBJECTIVES = {
    "reconstruction": Objective(
        "to reconstruct the hidden steps",
        masked_reconstruction,
        lambda n_features: n_features,
        targets=hidden_steps,
    ),
    "functionals": Objective(
        "to predict mean, standard deviation, minimum and maximum of each hidden stretch",
        masked_functionals,
        lambda n_features: 4 * n_features,
        targets=hidden_functionals,
    ),
    "clusters": Objective(
        "to tell the clusters of the hidden steps",
        masked_clusters,
        lambda n_features: N_CLUSTERS,
        clustered=True,
        weight=0.1,
        targets=hidden_clusters,
    ),
    "contrast": Objective(
        "to find the other part of the same utterance",
        contrast,
        lambda n_features: CONTRAST_WIDTH,
        in_parts=True,
        weight=0.1,
    ),
    "speaker_contrast": Objective(
        "to find the other part of the same utterance among those of its speaker",
        speaker_contrast,
        lambda n_features: CONTRAST_WIDTH,
        in_parts=True,
        by_speaker=True,
        weight=0.1,
    ),
}


def mean_distance(distance: Distance) -> Distance:
    """() mean over rows and outputs of a distance between predictions and truths."""
    return lambda prediction, truth: distance(prediction, truth).mean()


def discordance(prediction: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """() mean over the outputs of 1 - CCC of a batch (batch, n_outputs).

    Where the batch is too small, or the truth too uniform, for a CCC to say anything, it is the
    mean squared distance.

    CCC = 2 cov / (var_p + var_t + (mean_p - mean_t)²), moments of the population; the denominator
    is kept from nothing by ``LEAST``.
    """
    few = len(truth) < FEWEST_ROWS
    if few or min(len(column.unique()) for column in truth.T) < FEWEST_VALUES:
        return ((prediction - truth) ** 2).mean()
    mean_p, mean_t = prediction.mean(0), truth.mean(0)
    covariance = ((prediction - mean_p) * (truth - mean_t)).mean(0)
    variances = prediction.var(0, unbiased=False) + truth.var(0, unbiased=False)
    return (1 - 2 * covariance / (variances + (mean_p - mean_t) ** 2 + LEAST)).mean()


AMOUNT_LOSSES: dict[str, Distance] = {
    **{name: mean_distance(distance) for name, distance in DISTANCES.items()},
    "ccc": discordance,
}


def cross_entropy(scores: torch.Tensor, truth: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Mean cross-entropy of (batch, n_classes) scores and (batch,) class positions."""
    return functional.cross_entropy(scores, truth, label_smoothing=smoothing)


def _stretches(hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (n_hidden,) the stretch of each hidden step, and (batch, n_steps) where those are."""
    where = hidden.bool()
    before = functional.pad(where, (1, 0))[:, :-1]
    number = (where & ~before).flatten().cumsum(0).view_as(where) - 1
    return number[where], where


def _describe(steps: torch.Tensor, stretch: torch.Tensor) -> torch.Tensor:
    """(n_stretches, 4 * n_features) mean, standard deviation, minimum and maximum of stretches."""
    place = stretch[:, None].expand_as(steps)
    empty = steps.new_zeros(int(stretch.max()) + 1, steps.shape[1])

    def reduced(values: torch.Tensor, how: str) -> torch.Tensor:
        return empty.scatter_reduce(0, place, values, how, include_self=False)

    mean = reduced(steps, "mean")
    variance = reduced((steps - mean[stretch]) ** 2, "mean")
    return torch.cat([mean, variance.sqrt(), reduced(steps, "amin"), reduced(steps, "amax")], dim=1)
