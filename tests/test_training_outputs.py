"""Units on a corpus's own scale, and the loss 1 - CCC."""

import numpy as np
import pytest
import torch

from undertone.models.network import DenseHead, predict
from undertone.models.schedule import Schedule
from undertone.tasks import Dimensions
from undertone.training.losses import FEWEST_ROWS, discordance
from undertone.training.outputs import outputs_of
from undertone.training.supervised import Labelled, fit

TASK = Dimensions(("arousal", "valence"), 1.0, 7.0)


def test_discordance_is_one_less_ccc(rng):
    prediction, truth = rng.normal(3, 0.4, size=(2, 50, 2))
    ccc = [
        2 * np.cov(p, t, bias=True)[0, 1] / (p.var() + t.var() + (p.mean() - t.mean()) ** 2)
        for p, t in zip(prediction.T, truth.T, strict=True)
    ]
    found = discordance(torch.from_numpy(prediction), torch.from_numpy(truth)).item()
    assert found == pytest.approx(1 - np.mean(ccc), abs=1e-6)


@pytest.mark.parametrize("n_rows", [FEWEST_ROWS - 1, 60])
def test_few_rows_or_values_are_compared_by_their_squares(rng, n_rows):
    prediction, truth = (torch.from_numpy(v) for v in rng.normal(size=(2, n_rows, 2)))
    if n_rows > FEWEST_ROWS:
        truth[:, 1] = truth[:, 1].sign()
    assert discordance(prediction, truth) == ((prediction - truth) ** 2).mean()


def test_a_trained_network_gives_amounts_on_the_scale_of_its_labels(rng):
    vectors = rng.normal(size=(64, 1, 6)).astype(np.float32)
    truth = (4 + 0.3 * vectors[:, 0, :2]).astype(np.float32)
    outputs = outputs_of(TASK, labels=truth)
    torch.manual_seed(3)
    network = fit(
        DenseHead(6, 2),
        train=Labelled(list(vectors), truth, np.array(["s"] * 64)),
        validation=Labelled([], truth[:0], np.array([])),
        outputs=outputs,
        schedule=Schedule(learning_rate=0.05, batch_size=64, epochs_without_validation=150),
        seed=1,
    )
    served = predict(network, list(vectors), outputs_of(TASK).activation)
    assert np.abs(served - truth).mean() < 0.05
    assert served.mean() == pytest.approx(truth.mean(), abs=0.05)


def test_predictions_leave_the_range_before_they_are_scored(rng):
    labels = rng.normal(6.5, 0.4, size=(40, 2)).astype(np.float32)
    units = torch.full((3, 2), 4.0)
    assert outputs_of(TASK, labels=labels).activation(units).min() > TASK.high
    assert torch.equal(outputs_of(TASK).activation(units), units)


def test_the_scale_changes_no_loss(rng):
    labels = rng.normal(size=(40, 2)).astype(np.float32)
    units, truth = (torch.from_numpy(v) for v in rng.normal(size=(2, 40, 2)).astype(np.float32))
    narrow, wide = outputs_of(TASK, labels=labels), outputs_of(TASK, labels=3 + 0.2 * labels)
    assert narrow.loss(units, truth).item() == pytest.approx(
        wide.loss(units, 3 + 0.2 * truth).item(), rel=1e-4
    )
    ours = narrow.validation_loss(narrow.activation(units).numpy(), truth.numpy())
    assert ours == pytest.approx(narrow.loss(units, truth).item(), rel=1e-4)
