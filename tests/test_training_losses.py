"""Laws of the objectives, each against its equation."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from undertone.training.losses import (
    DISTANCES,
    N_CLUSTERS,
    OBJECTIVES,
    TEMPERATURE,
    View,
    contrast,
    masked_clusters,
    masked_functionals,
    speaker_contrast,
)

N_FEATURES = 3


@pytest.fixture
def view(rng):
    """Four sequences of two utterances, ragged, some steps hidden."""
    lengths = torch.tensor([12, 10, 9, 7])
    steps = torch.from_numpy(rng.normal(size=(4, 12, N_FEATURES))).float()
    hidden = torch.zeros(4, 12)
    for row, (start, stop) in enumerate([(2, 6), (0, 3), (5, 9), (3, 5)]):
        hidden[row, start:stop] = 1
    for row, length in enumerate(lengths):
        steps[row, length:] = 0
    centroids = torch.from_numpy(rng.normal(size=(N_CLUSTERS, N_FEATURES))).float()
    owners = torch.tensor([0, 1, 0, 1])
    return View(steps, hidden, lengths, owners, centroids, speakers=torch.zeros(4))


def outputs_of(name, rng, n_steps=12):
    width = OBJECTIVES[name].width(N_FEATURES)
    return torch.from_numpy(rng.normal(size=(4, n_steps, width))).float()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_padding_changes_no_loss(rng, view, name):
    outputs = outputs_of(name, rng)

    def padded(values, filling):
        return torch.cat([values, torch.full((4, 5, *values.shape[2:]), filling)], dim=1)

    longer = replace(view, steps=padded(view.steps, 0.0), hidden=padded(view.hidden, 0.0))
    loss = OBJECTIVES[name].loss
    torch.testing.assert_close(loss(padded(outputs, 9.0), longer), loss(outputs, view))


@pytest.mark.parametrize("name", ["reconstruction", "functionals", "clusters"])
def test_what_is_not_hidden_changes_no_loss(rng, view, name):
    outputs, loss = outputs_of(name, rng), OBJECTIVES[name].loss
    changed = outputs + 5 * (1 - view.hidden)[:, :, None]
    torch.testing.assert_close(loss(changed, view), loss(outputs, view))


def test_functionals_of_a_stretch_are_its_mean_sd_min_and_max(view):
    outputs = torch.zeros(4, 12, 4 * N_FEATURES)
    for row, hidden in enumerate(view.hidden.bool()):
        stretch = view.steps[row][hidden]
        outputs[row][hidden] = torch.cat(
            [
                stretch.mean(0),
                stretch.std(0, correction=0),
                stretch.min(0).values,
                stretch.max(0).values,
            ]
        )
    assert masked_functionals(outputs, view).item() == pytest.approx(0, abs=1e-6)


def test_stretches_that_end_and_begin_at_the_borders_of_rows_are_kept_apart(rng):
    steps = torch.from_numpy(rng.normal(size=(2, 4, 1))).float()
    hidden = torch.tensor([[0.0, 0, 1, 1], [1.0, 1, 0, 1]])
    view = View(steps, hidden, torch.tensor([4, 4]), torch.arange(2), torch.zeros(0, 1))
    means = torch.stack([steps[0, 2:].mean(), steps[1, :2].mean(), steps[1, 3].mean()])
    expected = means[[0, 0, 1, 1, 2]]
    outputs = torch.zeros(2, 4, 4)
    outputs[hidden.bool()] = masked_target(view)
    torch.testing.assert_close(outputs[hidden.bool()][:, 0], expected)


def masked_target(view):
    """The targets of the functionals, from the gradient of the squared distance at 0."""
    zero = torch.zeros(*view.hidden.shape, 4 * view.steps.shape[2], requires_grad=True)
    squared = View(
        view.steps, view.hidden, view.lengths, view.owners, view.centroids, DISTANCES["l2"]
    )
    masked_functionals(zero, squared).backward()
    count = view.hidden.sum() * zero.shape[2]
    return (-zero.grad * count / 2)[view.hidden.bool()]


def test_a_sure_guess_of_the_right_cluster_costs_nothing(view):
    nearest = torch.cdist(view.steps, view.centroids).argmin(dim=2)
    scores = 50.0 * torch.nn.functional.one_hot(nearest, N_CLUSTERS)
    assert masked_clusters(scores, view).item() == pytest.approx(0, abs=1e-6)
    blind = masked_clusters(torch.zeros_like(scores), view)
    assert blind.item() == pytest.approx(math.log(N_CLUSTERS), rel=1e-5)


def test_contrast_is_the_cross_entropy_of_the_partner(rng, view):
    outputs = outputs_of("contrast", rng)
    parts = np.stack([o[:n].mean(0) for o, n in zip(outputs.numpy(), view.lengths, strict=True)])
    parts /= np.linalg.norm(parts, axis=1, keepdims=True)
    scores = np.exp(parts @ parts.T / TEMPERATURE)
    np.fill_diagonal(scores, 0)
    expected = np.mean([-np.log(scores[i, (i + 2) % 4] / scores[i].sum()) for i in range(4)])
    assert contrast(outputs, view).item() == pytest.approx(expected, rel=1e-4)


def test_a_batch_without_partners_costs_nothing(rng, view):
    alone = View(view.steps, view.hidden, view.lengths, torch.arange(4), view.centroids)
    assert contrast(outputs_of("contrast", rng), alone).item() == 0


def test_contrast_by_speaker_is_contrast_among_each_speakers_own(rng, view):
    outputs = outputs_of("speaker_contrast", rng)
    torch.testing.assert_close(speaker_contrast(outputs, view), contrast(outputs, view))
    apart = replace(view, speakers=view.owners)  # one utterance each: nothing to tell apart
    assert speaker_contrast(outputs, apart).item() == pytest.approx(0, abs=1e-6)

    def twice(values):
        return torch.cat([values, values])

    two = replace(
        view,
        steps=twice(view.steps),
        lengths=twice(view.lengths),
        owners=torch.cat([view.owners, view.owners + 2]),
        speakers=torch.arange(2).repeat_interleave(4),
    )
    both = torch.cat([outputs, outputs + rng.normal()])
    second = speaker_contrast(both[4:], view)
    expected = (speaker_contrast(outputs, view) + second) / 2  # as if each stood alone
    torch.testing.assert_close(speaker_contrast(both, two), expected)
