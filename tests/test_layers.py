"""``undertone layers`` on layers of which it is known what they hold."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from layers_fakes import ENCODER, NOISE, QUIET, WIDTH, found, opened, planted, with_layers

from undertone.errors import UndertoneError
from undertone.evaluation.layers import sentences, tables
from undertone.experiment import probing, sweep
from undertone.experiment.probing import LayersSettings, look_into
from undertone.progress import Progress
from undertone.systems import probes
from undertone.systems.layers import Layers
from undertone.tasks import AMOUNTS
from undertone.training.normalise import unchanged

KINDS = ("choice", AMOUNTS)


def material_of(swept, cell):
    normaliser = unchanged(len(swept.plan.frames.columns), stride=1)
    return swept.plan.material(cell.fold, normaliser)


@pytest.fixture(scope="module", params=KINDS)
def telling(request, tmp_path_factory):
    """The result where layer 2 of five tells much, its neighbours a little, and the folder."""
    folder = tmp_path_factory.mktemp("telling")
    data = planted((0.0, 0.7, 2.0, 0.7, 0.0), request.param)
    return found(data, folder), folder


def test_the_layer_that_tells_is_named_and_what_lies_above_it_may_be_cut(telling):
    result, _ = telling
    for budget in result.budgets:
        profile = result.probes.profile(budget)
        assert profile.best == 2
        assert result.probes.cut(budget).layer == 2
        assert all(profile.behind[layer].high < 0 for layer in (0, 4))
        assert "From layer 2 on truncation is free" in sentences.of_budget(result, budget)
    last = sentences.of_budget(result, result.largest)
    assert f"With {result.largest} labels layer 2 is the best in" in last
    assert "all others are worse" in last
    assert "every layer above it is worse" in last


def test_of_errors_the_layer_of_the_least_is_the_best(tmp_path):
    result = found(planted((0.0, 3.0, 1.0), "intensities"), tmp_path, budgets=(60,))
    assert result.metrics == ("mae", "presence_auc")
    profile = result.probes.profile(60)
    assert profile.best == 1
    assert profile.scores[1].value == min(score.value for score in profile.scores)
    assert all(profile.behind[layer].high < 0 for layer in (0, 2)), "below 0 is worse"
    assert result.probes.cut(60).layer == 1
    assert all(gain.estimate.low > 0 for gain in result.probes.gains(60))
    best = [row.name for row in tables.scores(result, "mae").rows if 0 in row.best]
    assert best == ["layer 1"]


def test_layers_that_hold_the_same_under_other_noise_cannot_be_told_apart(tmp_path):
    result = found(planted((1.0,) * 5), tmp_path)
    for budget in result.budgets:
        assert result.probes.profile(budget).near == tuple(
            layer for layer in range(5) if layer != result.probes.profile(budget).best
        )
        assert "the layers cannot be told apart in UAR" in sentences.of_budget(result, budget)


def test_layers_that_tell_nothing_are_not_compared(tmp_path):
    result = found(planted((0.0,) * 4), tmp_path, budgets=(12,))
    said = sentences.of_budget(result, 12)
    assert said == (
        "With 12 labels no layer is measurably better in UAR than a prediction that hears nothing: "
        "layers cannot be compared."
    )
    record = json.loads((tmp_path / "layers.json").read_text())
    assert record["findings"][0]["known"] is False
    assert record["findings"][0]["truncation_is_free_from"] is None


def test_nothing_is_cut_where_the_last_layer_is_better_than_all_below(tmp_path):
    result = found(planted((0.0, 0.5, 2.5)), tmp_path, budgets=(40,))
    assert result.probes.cut(40).layer == 2
    assert "No layer can be cut away: layer 2, the last" in sentences.of_budget(result, 40)


def test_what_needs_depth_gains_from_it(tmp_path):
    """Arousal lies in every layer, valence in the last ones alone: the published claim."""
    data = planted((0.0,) * 4, AMOUNTS, n_speakers=12)
    ratings = (data.corpus.table[["arousal", "valence"]].to_numpy() - 4) / 2
    signals = [ratings * [2.0, strength] for strength in (0.0, 0.3, 2.0, 2.0)]
    data = with_layers(data.corpus, signals, np.random.default_rng(5))
    result = found(data, tmp_path, budgets=(60,))
    said = list(sentences.of_depth(result))
    gains = {gain.output: gain for gain in result.probes.gains(60)}
    assert gains["valence"].layer in (2, 3)
    assert gains["valence"].estimate.value > 0.4
    lead = result.probes.lead(60, "valence", ["arousal"])
    assert lead.value == pytest.approx(
        gains["valence"].estimate.value - gains["arousal"].estimate.value
    )
    assert lead.low > 0
    assert said[1].startswith(f"Valence gains most from depth: {lead.signed()} more than arousal.")
    assert said[2].startswith("Does valence gain more from depth than arousal, as published? Yes: ")
    assert "valence that lies in words cannot show" in said[2]


def test_the_probe_of_a_layer_sees_its_mean_over_time_alone(tmp_path):
    """Layers whose deviations tell everything and whose means tell nothing."""
    data = planted((0.0, 0.0))
    position = pd.factorize(data.corpus.table["emotion"])[0]
    for row, vectors in enumerate(data.layers.vectors.source.values()):
        vectors[:, WIDTH + position[row]] += 10 * NOISE
    result = found(data, tmp_path, budgets=(40,))
    assert max(score.value for score in result.probes.profile(40).scores) < 0.4


@pytest.mark.parametrize("kind", KINDS)
def test_no_probe_sees_a_test_speaker(kind, tmp_path, monkeypatch):
    """What reaches the fits of every cell, of weights over layers too: vectors and labels."""
    monkeypatch.setattr(probes, "_WEIGHTED", replace(probes._WEIGHTED, least_labels=0))
    data = planted((1.0, 1.0, 0.0), kind)
    brief = {"max_epochs": 2, "epochs_without_validation": 2}
    run, settings = opened(data, tmp_path, draws=2, of_systems={"finetune": brief})
    swept = probing.sweep_of(run, run.plan(), settings)
    asked: set[str] = set()
    for name in ("of", "means"):
        original = getattr(Layers, name)

        def spy(self, *arguments, original=original):
            asked.update(arguments[-1])
            return original(self, *arguments)

        monkeypatch.setattr(Layers, name, spy)
    for cell in swept.plan.cells:
        tested = set(swept.plan.folds[cell.fold].test)
        strangers = {swept.plan.speaker[name] for name in tested}
        problem = swept.plan.problem(cell, material_of(swept, cell))
        for row in (row for row in swept.rows if row.kind != "floor"):
            asked.clear()
            row.fit(problem, row.own(swept.settings))
            assert asked, f"{row.name} looks at layers"
            assert not {swept.plan.speaker[name] for name in asked} & strangers
            assert set(cell.labels.utterances) <= asked
            assert asked <= set(problem.material.crowd)
        assert not set(problem.truth) & tested


def test_folds_and_draws_are_those_of_a_curve(tmp_path):
    run, settings = opened(planted((1.0, 1.0)), tmp_path, seed=5)
    curve = replace(run, settings=settings.of_curve().resolved(run.task, settings.features)).plan()
    plan = probing.sweep_of(run, run.plan(), settings).plan
    assert plan.cells == curve.cells
    assert {number: fold.test for number, fold in plan.folds.items()} == {
        number: fold.test for number, fold in curve.folds.items()
    }


def test_a_stopped_run_goes_on_to_the_same_numbers(tmp_path, monkeypatch):
    data = planted((0.0, 1.0))
    whole = found(data, tmp_path / "whole")
    told = []

    class Stops(Progress):
        def __new__(cls, **shown):
            return object.__new__(cls)

        def advance(self, name, count=1):
            told.append(name)
            if len(told) == 30:
                raise KeyboardInterrupt

    monkeypatch.setattr(probing, "Progress", Stops)
    with pytest.raises(KeyboardInterrupt):
        found(data, tmp_path / "stopped")
    assert not (tmp_path / "stopped" / "layers.html").exists()
    assert len(list((tmp_path / "stopped").rglob("*.npz"))) == 30
    again = found(data, tmp_path / "stopped")
    assert again.probes.profile(40) == whole.probes.profile(40)
    for name in ("results.parquet", "predictions.parquet"):
        pd.testing.assert_frame_equal(
            *(pd.read_parquet(tmp_path / place / name) for place in ("whole", "stopped"))
        )
    monkeypatch.setattr(sweep._Worker, "fit", None)  # all fits are there: none is made again
    found(data, tmp_path / "stopped")


def test_the_probes_reach_other_processes(tmp_path):
    run, settings = opened(planted((0.0, 2.0)), tmp_path)
    swept = pickle.loads(pickle.dumps(probing.sweep_of(run, run.plan(), settings)))
    assert swept.systems == ("layer_00", "layer_01", "weighted", "constant")
    cell = swept.plan.cells[0]
    problem = swept.plan.problem(cell, material_of(swept, cell))
    fitted = swept.rows[1].fit(problem, swept.rows[1].own(swept.settings))
    assert fitted.notes == {"layer": 1}


def test_a_folder_of_another_run_is_refused(tmp_path):
    data = planted((0.0, 1.0))
    found(data, tmp_path, budgets=(12,))
    run, settings = opened(planted((1.0, 1.0)), tmp_path, budgets=(12,))
    other = replace(run.data, frames=replace(run.data.frames, keys={}))
    with pytest.raises(UndertoneError, match="a run on other data"):
        look_into(replace(run, data=other), settings, ENCODER, QUIET)


# --- learned weights


def test_weights_are_learned_from_two_hundred_labels_on(tmp_path):
    data = planted((0.0, 2.0, 0.0), n_speakers=20)
    brief = {"max_epochs": 30, "learning_rate": 0.01}
    result = found(data, tmp_path, budgets=(40, 200), draws=1, of_systems={"finetune": brief})
    assert list(result.weights) == [200]
    assert result.weights[200].shape == (3, 3)
    np.testing.assert_allclose(result.weights[200].sum(axis=1), 1, atol=1e-5)
    assert (result.weights[200].argmax(axis=1) == 1).all()
    assert not result.curve.curves.has("weighted", 40)
    assert "layer 1 weighs most" in sentences.of_weights(result)
    assert "With 40 labels there are too few to say anything" in sentences.of_weights(result)
    shown = {row.name: row.cells for row in tables.scores(result, "uar").rows}
    assert shown["learned weights"][0] == "–"
    assert result.curve.curves.estimate("weighted", 200).value > 0.6
    assert [row.name for row in tables.weights(result).rows] == ["layer 0", "layer 1", "layer 2"]


def test_below_two_hundred_labels_no_weights_are_learned(telling):
    result, folder = telling
    assert result.weights == {}
    assert "No weights over layers were learned: with 12 and 40 labels there are too few" in (
        sentences.of_weights(result)
    )
    assert not (folder / "fits" / "weighted").exists()
    assert "learned weights" not in [
        row.name
        for row in tables.scores(result, "mae" if result.task.kind == AMOUNTS else "uar").rows
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_of_a_network_predicts_what_it_predicted(kind, tmp_path, monkeypatch):
    """The folded product is the network on z-scores of the crowd, whatever its dtype."""
    networks = []

    def spy(*arguments, original=probes._head):
        networks.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(probes, "_head", spy)
    run, settings = opened(planted((0.0, 2.0, 1.0), kind), tmp_path)
    swept = probing.sweep_of(run, run.plan(), settings)
    cell = swept.plan.cells[-1]
    problem = swept.plan.problem(cell, material_of(swept, cell))
    row = probes._WEIGHTED
    fitted = row.fit(problem, row.own(swept.settings))
    predicted = fitted.predict(problem.material, problem.test)
    _, mean, sd, network = networks[0]
    means = problem.material.layers.means(problem.test)
    z = ((means - mean) / sd).reshape(len(means), 3, WIDTH)
    weighted = np.einsum("l,nlw->nw", fitted.remarks["weights"], z)
    dense = network.dense
    scores = weighted @ dense.weight.detach().numpy().T + dense.bias.detach().numpy()
    if kind == "choice":
        scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predicted, scores, rtol=1e-3, atol=1e-4)


# --- what is asked for


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"upstream": "/encoders/fake@2"}, r"all layers of an encoder, found @2: leave it out"),
        ({"upstream": "/encoders/fake@auto"}, "found @auto"),
        ({"budgets": (12, 12)}, "budgets holds something twice: 12, 12"),
        ({"budgets": ()}, "budgets are numbers of labels from 2 on, or all"),
        ({"budgets": (1,)}, "budgets are numbers of labels from 2 on, or all"),
        ({"draws": 0}, r"LayersSettings\.draws must lie from 1 on"),
        ({"task": "moods"}, "there is no task 'moods'"),
        ({"of_systems": {"wings": {"span": 1}}}, "there are no settings wings"),
    ],
)
def test_bad_settings_are_told_before_anything_is_read(values, said):
    with pytest.raises(UndertoneError, match=said):
        LayersSettings(**{"corpus": "fake=/x", "upstream": "/encoders/fake"} | values)


def test_settings_of_what_is_no_probe_are_refused(tmp_path):
    run, settings = opened(planted((1.0, 1.0)), tmp_path, of_systems={"cnn": {"channels": 8}})
    with pytest.raises(UndertoneError, match="no settings cnn; they have discriminant, finetune"):
        look_into(run, settings, ENCODER, QUIET)


def test_settings_of_the_probes_arrive(tmp_path):
    given = {"discriminant": {"shrinkage": 0.25}}
    run, settings = opened(planted((1.0, 1.0)), tmp_path, of_systems=given)
    swept = probing.sweep_of(run, run.plan(), settings)
    assert swept.settings["discriminant"].shrinkage == 0.25
    assert swept.settings["discriminant"].rounds == 0, "no self-training unless it is asked for"
    amounts = planted((1.0, 1.0), AMOUNTS)
    run, settings = opened(amounts, tmp_path)
    ridge = probing.sweep_of(run, run.plan(), settings).settings["ridge"]
    assert ridge.match_spread, "as the task presets it"


def test_a_budget_that_the_speakers_cannot_meet_is_told(tmp_path):
    run, settings = opened(planted((1.0, 1.0)), tmp_path, budgets=(12, 500))
    with pytest.raises(UndertoneError, match=r"500 labels cannot be drawn .* largest possible is"):
        look_into(run, settings, ENCODER, QUIET)
    assert not list(tmp_path.iterdir())


def test_all_labels_are_a_budget(tmp_path):
    result = found(planted((0.0, 2.0)), tmp_path, budgets=(12, "all"), draws=1)
    assert result.budgets == (12, 96)


def test_official_test_parts_are_never_put_together(tmp_path):
    data = planted((0.0, 2.0), "choice")
    table = data.corpus.table
    part = {f"s{i:02d}": name for i, name in enumerate(["train"] * 5 + ["test1", "test2"] * 2)}
    table = table.assign(split=table["speaker"].map(part))
    data = replace(data, corpus=replace(data.corpus, table=table, official_folds=True))
    result = found(data, tmp_path, budgets=(40,))
    assert (result.curve.part, list(result.curve.elsewhere)) == ("test1", ["test2"])
    assert result.curve.curves.speakers == ("s05", "s07")
    assert result.curve.elsewhere["test2"].speakers == ("s06", "s08")
    assert any("of the official test part test1" in note for note in result.curve.notes)
    fits = pd.read_parquet(tmp_path / "results.parquet")
    assert set(fits["part"]) == {"test1", "test2"}
