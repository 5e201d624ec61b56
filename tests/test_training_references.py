"""Losses of pre-training beside those of predictions that take no training."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from undertone.models.encoder import EncoderConfig
from undertone.training import references
from undertone.training.losses import DISTANCES, N_CLUSTERS, OBJECTIVES, View
from undertone.training.pretrain import PretrainConfig, pretrain
from undertone.training.references import CHANCE, CONSTANT, INTERPOLATION, Measured

SHAPE = EncoderConfig(hidden_units=16, layers=2, stride=1)
SETTINGS = PretrainConfig(
    **{"objective": "reconstruction", "mask_share": 0.2, "mask_spans": 1, "crop_steps": 40},
    **{"batch_size": 8, "max_epochs": 15, "learning_rate": 1e-2, "held_out_share": 0.2},
)
EXPECTED = {
    "reconstruction": {CONSTANT, INTERPOLATION},
    "functionals": {CONSTANT, INTERPOLATION},
    "clusters": {CONSTANT},
    "contrast": {CHANCE},
    "speaker_contrast": {CHANCE},
}


@pytest.fixture
def waves(rng):
    """Waves of eight steps: a line through a hidden stretch misses them, a rule does not."""
    starts, lengths = rng.uniform(0, 8, size=(160, 2)), rng.integers(30, 41, size=160)
    return [
        np.sin(np.pi / 4 * (np.arange(n)[:, None] + start)).astype(np.float32)
        for n, start in zip(lengths, starts, strict=True)
    ]


@pytest.fixture
def noise(rng):
    """Skewed, with a mean of 1 and a median of .69, so that the best constant is not 0."""
    return [rng.exponential(size=(n, 2)).astype(np.float32) for n in rng.integers(30, 41, size=40)]


@pytest.fixture
def view(rng):
    """Ragged sequences around 3; stretches are hidden inside, at the start and at the end."""
    lengths, spans = [12, 10, 9, 7], [(2, 6), (0, 3), (5, 9), (3, 5)]
    steps = torch.from_numpy(rng.normal(3, 0.5, size=(4, 12, 3))).float()
    hidden = torch.zeros(4, 12)
    for row, (length, (start, stop)) in enumerate(zip(lengths, spans, strict=True)):
        hidden[row, start:stop] = 1
        steps[row, length:] = 0
    centroids = torch.from_numpy(rng.normal(3, 0.5, size=(N_CLUSTERS, 3))).float()
    owners = torch.tensor([0, 1, 0, 1])
    return View(steps, hidden, torch.tensor(lengths), owners, centroids, speakers=torch.zeros(4))


def measured_on(name, views, constants=None, distance="l1"):
    """The references of an objective on views, fitted to the same views unless told otherwise."""
    rows = {name: OBJECTIVES[name]}
    views = [replace(one, distance=DISTANCES[distance]) for one in views]
    if constants is None:
        constants = references.fit_constants(rows, views, distance)
    nothing = {name: torch.zeros(())}
    pairs = [(one, len(one.steps)) for one in views]
    (found,) = references.measure(rows, lambda one: nothing, pairs, constants)
    return found.references


def test_what_can_be_foreseen_beats_constant_and_interpolation(waves):
    (found,) = pretrain(waves, shape=SHAPE, settings=SETTINGS, seed=1).measured
    assert found.references.keys() == {CONSTANT, INTERPOLATION}
    assert found.loss < 0.5 * min(found.references.values())
    assert found.unbeaten == []
    assert references.warning([found]) == ""


@pytest.mark.parametrize("objective", ["reconstruction", "functionals", "clusters"])
@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_white_noise_does_not_beat_a_constant_and_warns(noise, objective, distance):
    settings = replace(SETTINGS, objective=objective, distance=distance, max_epochs=6)
    (found,) = pretrain(noise, shape=SHAPE, settings=settings, seed=1).measured
    assert CONSTANT in found.unbeaten
    text = references.warning([found])
    assert f"{objective} ({found.loss:.4f}) does not beat constant" in text
    assert "--set pretrain.max_epochs=N" in text


@pytest.mark.parametrize("objective", [*OBJECTIVES, "functionals+speaker_contrast"])
def test_the_loss_is_the_held_out_loss_and_every_objective_has_its_references(waves, objective):
    settings = replace(SETTINGS, objective=objective, max_epochs=2)
    speakers = [f"s{i % 2}" for i in range(len(waves))]
    done = pretrain(waves, shape=SHAPE, settings=settings, seed=1, speakers=speakers)
    assert {one.objective: set(one.references) for one in done.measured} == {
        name: EXPECTED[name] for name in objective.split("+")
    }
    weights = [OBJECTIVES[one.objective].weight for one in done.measured]
    if len(weights) == 1:
        weights = [1.0]
    total = sum(w * one.loss for w, one in zip(weights, done.measured, strict=True))
    assert total == pytest.approx(done.best.held_out_loss, rel=1e-6)


def test_what_was_measured_is_read_back_and_not_measured_again(waves, tmp_path, monkeypatch):
    settings = replace(SETTINGS, max_epochs=2)
    done = pretrain(waves, shape=SHAPE, settings=settings, seed=1, folder=tmp_path)
    monkeypatch.setattr(references, "measure", None)
    again = pretrain(waves, shape=SHAPE, settings=settings, seed=1, folder=tmp_path)
    assert again.measured == done.measured


@pytest.mark.parametrize("name", OBJECTIVES)
def test_padding_changes_no_reference(view, name, rng):
    """Whatever stands on it."""
    junk = torch.from_numpy(rng.normal(size=(4, 5, 3))).float()
    longer = replace(
        view,
        steps=torch.cat([view.steps, junk], dim=1),
        hidden=torch.cat([view.hidden, torch.zeros(4, 5)], dim=1),
    )
    assert measured_on(name, [longer]) == pytest.approx(measured_on(name, [view]), rel=1e-6)


@pytest.mark.parametrize(("distance", "middle"), [("l1", np.median), ("l2", np.mean)])
def test_the_constant_is_the_best_of_its_distance(view, distance, middle):
    hidden = view.steps[view.hidden.bool()].numpy()
    error = np.abs(hidden - middle(hidden, axis=0)) ** (1 if distance == "l1" else 2)
    found = measured_on("reconstruction", [view], distance=distance)[CONSTANT]
    assert found == pytest.approx(error.mean(), rel=1e-5)
    for shift in (-0.1, 0.1):
        other = torch.from_numpy(middle(hidden, axis=0) + shift)
        given = {"reconstruction": other.float()}
        assert measured_on("reconstruction", [view], given, distance)[CONSTANT] > found


def test_a_constant_of_many_steps_is_fitted_to_some_of_them(view):
    rows = {"reconstruction": OBJECTIVES["reconstruction"]}
    hidden = view.steps[view.hidden.bool()]
    found = references.fit_constants(rows, [view, view], "l2", every=4)["reconstruction"]
    torch.testing.assert_close(found, hidden[::4].mean(dim=0))


def test_interpolation_is_a_line_between_what_is_visible(view):
    filled = references.interpolate(view)
    for row, length in enumerate(view.lengths.tolist()):
        seen = [i for i in range(length) if not view.hidden[row, i]]
        for i in range(length):
            before = max((j for j in seen if j <= i), default=seen[0])
            after = min((j for j in seen if j >= i), default=seen[-1])
            share = (i - before) / (after - before) if after > before else 0.0
            line = view.steps[row, before] * (1 - share) + view.steps[row, after] * share
            torch.testing.assert_close(filled[row, i], line)


def test_lines_are_interpolated_without_loss(view):
    """Where stretches do not touch an end; and their functionals are those of the lines."""
    lines = torch.arange(12.0)[None, :, None] * torch.tensor([1.0, -2.0, 0.5]) + 3
    straight = replace(view, steps=lines.expand(4, 12, 3).clone())
    inner = {
        field: getattr(straight, field)[[0, 3]]
        for field in ("steps", "hidden", "lengths", "owners", "speakers")
    }
    for name in ("reconstruction", "functionals"):
        found = measured_on(name, [replace(straight, **inner)])
        assert found[INTERPOLATION] == pytest.approx(0, abs=1e-5)
        assert found[CONSTANT] > 0.1


def test_a_sequence_that_is_all_hidden_is_the_mean(view):
    gone = replace(view, hidden=torch.ones_like(view.hidden))
    assert (references.interpolate(gone) == 0).all()


def test_the_constant_of_clusters_is_the_entropy_of_their_frequencies(view):
    targets = OBJECTIVES["clusters"].targets(view)
    _, counts = np.unique(targets, return_counts=True)
    shares = counts / counts.sum()
    expected = -np.sum(shares * np.log(shares))
    assert measured_on("clusters", [view])[CONSTANT] == pytest.approx(expected, rel=1e-5)


def test_chance_of_a_contrast_is_the_log_of_the_candidates(view):
    assert measured_on("contrast", [view])[CHANCE] == pytest.approx(math.log(3), rel=1e-5)
    other = replace(view, owners=torch.tensor([0, 1, 0, 2]), speakers=torch.tensor([0, 0, 0, 1]))
    found = measured_on("speaker_contrast", [other])[CHANCE]
    assert found == pytest.approx(math.log(2), rel=1e-5)  # the partner and one more of its speaker


def test_references_are_means_over_sequences(view):
    constants = {"reconstruction": torch.full((3,), 2.0)}
    few = replace(view, steps=view.steps[:1] + 5, hidden=view.hidden[:1], lengths=view.lengths[:1])
    apart = [measured_on("reconstruction", [one], constants) for one in (view, few)]
    together = measured_on("reconstruction", [view, few], constants)
    for name, value in together.items():
        assert value == pytest.approx((4 * apart[0][name] + apart[1][name]) / 5, rel=1e-5)


def test_better_by_less_than_a_hundredth_is_not_better():
    almost = Measured("reconstruction", 0.995, {CONSTANT: 1.0, INTERPOLATION: 1.1})
    assert almost.unbeaten == [CONSTANT]
    assert Measured("reconstruction", 0.98, {CONSTANT: 1.0}).unbeaten == []
    nothing = Measured("contrast", 0.0, {CHANCE: 0.0})  # a batch in which nothing is compared
    assert nothing.unbeaten == []


def test_tables_name_objectives_where_there_are_several():
    one = Measured("functionals", 0.5, {CONSTANT: 0.7, INTERPOLATION: 0.6})
    other = Measured("contrast", 2.0, {CHANCE: 3.0})
    assert references.columns([one]) == {CONSTANT: 0.7, INTERPOLATION: 0.6}
    assert references.columns([one, other]) == {
        **{"functionals: loss": 0.5, "functionals: constant": 0.7},
        **{"functionals: interpolation": 0.6, "contrast: loss": 2.0, "contrast: chance": 3.0},
    }
    headings, rows = references.table([one, other])
    assert headings == ["this encoder", CONSTANT, INTERPOLATION, CHANCE]
    assert rows[1] == ("contrast, loss", "2.0000", "", "", "3.0000")
    assert one.line() == "functionals 0.5000; constant 0.7000, interpolation 0.6000"
