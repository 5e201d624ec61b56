"""What reaches a fit, and where what it says arrives: of a curve and of ``finetune``.

Spies stand in the table of systems; each says of an utterance what only its fit says.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from plan_fakes import (
    Silent,
    curve_run,
    data_of,
    everyone,
    finetune_build,
    said,
    spying,
    steps_by,
    the_same_voices,
)
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from undertone import seals
from undertone.errors import UndertoneError
from undertone.experiment import complete as runs
from undertone.experiment import sweep as sweeps
from undertone.experiment.order import jobs_of, leading
from undertone.experiment.run import Run
from undertone.experiment.sweep import run as run_sweep
from undertone.features.name import parse
from undertone.features.vectors import mean_sd
from undertone.models.discriminant import DiscriminantConfig
from undertone.models.encoder import Encoder, EncoderConfig
from undertone.models.temperature import WEIGHT, WEIGHT_ALONE
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.recogniser import folder as folders
from undertone.recogniser.build import Build
from undertone.recogniser.folder import Inputs, PretrainedEncoder
from undertone.recogniser.settings import FinetuneSettings
from undertone.systems import fits, table
from undertone.systems.calibrated import TESTED, left_out
from undertone.systems.layers import Layers
from undertone.systems.system import DISCRIMINANT, FINETUNE
from undertone.tasks import AMOUNTS, Intensities
from undertone.training.normalise import Normaliser
from undertone.training.pretrain import PretrainConfig
from undertone.training.supervised import FinetuneConfig

SHAPE = EncoderConfig(hidden_units=4, layers=1, stride=4)
BRIEF = {"encoder": SHAPE, "pretrain": PretrainConfig(max_epochs=1, crop_steps=8)}
QUIET = Progress(shown=False)


@pytest.fixture
def given() -> list:
    """Problem and settings of every fit of a spy, in their order."""
    return []


@pytest.fixture
def spies(given, monkeypatch):
    """Rows that spy: one of no section, and one of each of two."""
    rows = (
        spying(given),
        spying(given, "spy_pool", settings=FINETUNE, pretrains=True, sees_pool=True),
        spying(given, "spy_discriminant", settings=DISCRIMINANT),
    )
    monkeypatch.setattr(table, "ROWS", (*rows, *table.ROWS))


def swept(data, folder, *systems, **changes) -> tuple[Run, sweeps.Sweep]:
    """A run whose fits are all there, of the systems and the floors of the task."""
    run = curve_run(data, folder, systems=(*systems, *data.task.floors), **changes)
    sweep = run.sweep(run.plan())
    run_sweep(sweep, workers=1, progress=QUIET)
    return run, sweep


def oracle(data):
    """By utterance the truth (n_outputs,), read off the table."""
    rows = data.corpus.table.set_index("utterance")
    if data.task.kind == AMOUNTS:
        return {
            name: rows.loc[name, list(data.task.outputs)].to_numpy(float) for name in rows.index
        }
    return {
        name: np.array([output == emotion for output in data.task.outputs], dtype=float)
        for name, emotion in rows["emotion"].items()
    }


@pytest.mark.parametrize("kind", ["choice", AMOUNTS])
def test_what_a_fit_said_stands_beside_the_truth_of_its_utterance(spies, given, tmp_path, kind):
    data = data_of(kind)
    run, sweep = swept(data, tmp_path, "spy")
    plan, tested = sweep.plan, run.tested(sweep.plan)
    seeds = {(c.budget, c.draw, c.fold): plan.problem(c, None).seed for c in plan.cells}
    assert len(set(seeds.values())) == len(given) == 2 * 3 * 3
    truth, speaker = oracle(data), everyone(data)
    assert sorted(tested.utterances) == sorted(truth)
    np.testing.assert_array_equal(tested.truth, [truth[name] for name in tested.utterances])
    assert tested.speakers == tuple(speaker[name] for name in tested.utterances)

    def expected(budget):
        return [
            [
                said(seeds[budget, draw, fold], name, len(data.task.outputs))
                for name, fold in zip(tested.utterances, tested.folds, strict=True)
            ]
            for draw in range(3)
        ]

    found = run.predictions(sweep)
    for budget in (4, 12):
        np.testing.assert_array_equal(found["spy", budget], expected(budget))
    for path in tmp_path.glob("fits/spy/*.npz"):  # names decide, not the place in the file
        stored = dict(np.load(path))
        order = np.random.default_rng(1).permutation(len(stored["utterance"]))
        shuffled = {n: stored[n][order] for n in ("utterance", "values")}
        identity = json.loads(str(stored["identity"]))
        seals.write_record(path, {"notes": stored["notes"], **shuffled}, identity)
    again = run.predictions(sweep)
    for key, values in found.items():
        np.testing.assert_array_equal(again[key], values)


def test_a_curve_scores_what_was_said_and_tells_each_finding_once(
    spies, given, tmp_path, monkeypatch
):
    data, texts = data_of("choice"), iter("abacca")
    run, sweep = swept(data, tmp_path, "spy", budgets=(12,), replicates=7)
    monkeypatch.setattr(runs, "open_run", lambda *_: run)
    monkeypatch.setattr(
        "undertone.experiment.run.audit_fold",
        lambda corpus, fold: SimpleNamespace(findings=lambda: [next(texts), next(texts)]),
    )
    result = runs.run_curve(run.settings, tmp_path, Resources(workers=1, progress=False))
    assert result.warnings == ("a", "b", "c")
    curves, names = result.curves, run.tested(sweep.plan).utterances
    assert curves.scored["spy", 12].replicates.shape == (7, 3, 5)
    truth = [oracle(data)[name].argmax() for name in names]
    values = run.predictions(sweep)["spy", 12].argmax(axis=2)
    expected = np.mean([balanced_accuracy_score(truth, draw) for draw in values])
    assert curves.estimate("spy", 12).value == pytest.approx(expected)
    assert curves.speakers == tuple(sorted(set(everyone(data).values())))


def test_every_system_of_a_cell_is_given_the_same_problem(spies, given, tmp_path):
    _, sweep = swept(data_of("choice"), tmp_path, "spy", "spy_discriminant")
    assert len(given) == 2 * len(sweep.plan.cells)
    asked = sorted((p.seed, tuple(p.budget), tuple(p.test)) for p, _ in given)
    assert asked[::2] == asked[1::2]
    planned = [
        (sweep.plan.problem(c, None).seed, tuple(c.labels.utterances)) for c in sweep.plan.cells
    ]
    assert [a[:2] for a in asked[::2]] == sorted(planned)


def test_the_answer_comes_first_and_what_costs_most_last(tmp_path):
    """Within a stage the first draw of all folds, so that it can be scored on all speakers."""
    names = ("combined", "descriptors", "labels_alone", "scratch", "pretrained_full", "constant")
    sweep = (run := curve_run(data_of("choice"), tmp_path, systems=names)).sweep(run.plan())
    jobs = jobs_of(sweep)
    stages = list(dict.fromkeys((job.stage, job.systems) for job in jobs))
    assert [set(systems) for _, systems in stages] == [
        {"descriptors", "constant"},
        {"combined"},
        {"labels_alone"},
        {"pretrained_full", "scratch"},
    ]
    of_stage = [job.cell for job in jobs if "combined" in job.systems]
    assert [cell.draw for cell in of_stage] == sorted(cell.draw for cell in of_stage)
    assert [cell.fold for cell in of_stage[:6]] == [0, 0, 1, 1, 2, 2]
    assert leading(sweep) == ["combined", "descriptors"]


@pytest.fixture
def costly(given, monkeypatch):
    """A spy that is recommended, and one whose every weight is trained."""
    first = replace(spying(given), recommended=True)
    whole = replace(spying(given, "spy_whole"), trains_all=True)
    monkeypatch.setattr(table, "ROWS", (whole, first, *table.ROWS))


def test_what_costs_most_sees_few_draws_and_is_paired_over_these(
    costly, given, tmp_path, monkeypatch
):
    data = data_of("choice")
    run, sweep = swept(data, tmp_path, "spy", "spy_whole", full_draws=2, replicates=7)
    assert len(given) == sweep.n_fits - len(sweep.plan.cells) == 3 * 2 * (3 + 2)
    found = run.predictions(sweep)
    assert {name: len(of) for (name, _), of in found.items()} == {
        "spy": 3,
        "spy_whole": 2,
        "constant": 3,
    }
    monkeypatch.setattr(runs, "open_run", lambda *_: run)
    result = runs.run_curve(run.settings, tmp_path, Resources(workers=1, progress=False))
    assert any("were fitted to the first 2 draws of 3" in note for note in result.notes)
    of_two = replace(run, settings=replace(run.settings, draws=2))
    short = of_two.score(of_two.predictions(sweep, draws=2), run.tested(sweep.plan), 1, id)[0][""]
    for name in ("spy", "constant"):
        gain = result.curves.gain(name, "spy_whole", budget=12)
        assert gain == short.gain(name, "spy_whole", budget=12)
    assert result.curves.estimate("spy", 12) != short.estimate("spy", 12)
    every = replace(run.settings, full_draws=0)
    assert replace(run, settings=every).sweep(sweep.plan).n_fits > sweep.n_fits


def test_what_the_fits_say_is_told_while_they_go_on_and_after_they_were_stopped(
    costly, tmp_path, monkeypatch, capsys
):
    run = curve_run(data_of("choice"), tmp_path, systems=("spy", "spy_whole", "constant"))
    monkeypatch.setattr(runs, "open_run", lambda *_: run)

    def told():
        runs.run_curve(run.settings, tmp_path, Resources(workers=1, progress=True))
        return [line for line in capsys.readouterr().err.splitlines() if "so far" in line]

    lines = told()
    assert [line.split(":")[1].strip() for line in lines] == [
        "so far, on 1 draw, of 3",
        "so far, on 3 draws",
    ]
    looks = (tmp_path / "test_looks.jsonl").read_text().splitlines()
    assert len(looks) == len(lines) + 1
    sweep = run.sweep(run.plan())
    curves = run.score(run.predictions(sweep), run.tested(sweep.plan), 1, id)[0][""]
    assert all(f"{curves.estimate('spy', b)} with {b} labels" in lines[-1] for b in (4, 12))
    for path in tmp_path.glob("fits/*/*draw002*"):
        path.unlink()
    again = told()  # two draws are there: it begins with them
    assert again[0].split(":")[1].strip() == "so far, on 2 draws, of 3"
    assert again[-1] == lines[-1]
    assert told() == []  # nothing is missing


def test_each_fold_has_an_encoder_and_a_normaliser_of_its_own_pool(
    spies, given, tmp_path, monkeypatch
):
    trained, pretrain = [], sweeps.pretrain

    def watched(utterances, **others):
        trained.append((utterances, others))
        return pretrain(utterances, **others)

    monkeypatch.setattr(sweeps, "pretrain", watched)
    data = data_of("choice")
    run, sweep = swept(data, tmp_path, "spy_pool", budgets=(4,), draws=1, **BRIEF)
    assert len(trained) == len(given) == 3
    speaker, encoders = everyone(data), []
    others_frames = run.unlabelled[1][1]  # the first holds the labelled corpus again
    for number, ((steps, others), (problem, _)) in enumerate(zip(trained, given, strict=True)):
        tested = {speaker[name] for name in problem.test}
        own = [n for n in data.corpus.table["utterance"] if speaker[n] not in tested]
        pool = [data.frames.frames(name) for name in own]
        pool += [others_frames.frames(name) for name in others_frames.utterances]
        assert len(steps) == len(others["speakers"]) == len(pool)
        steps_of = steps_by(pool)
        expected = sorted(float(steps_of(frames).sum()) for frames in pool)
        np.testing.assert_allclose(
            sorted(float(of_one.sum()) for of_one in steps), expected, atol=1e-3
        )
        assert others["speakers"][: len(own)] == tuple(f"fake/{speaker[n]}" for n in own)
        assert (others["shape"], others["settings"]) == (SHAPE, BRIEF["pretrain"])
        name = problem.test[0]
        np.testing.assert_allclose(
            problem.material.steps([name])[0],
            steps_of(data.frames.frames(name)),
            atol=1e-4,
        )
        kept = sweep.read_pretraining(number).encoder.state_dict()
        found = problem.material.encoder("pretrained").state_dict()
        assert all(torch.equal(kept[name], tensor) for name, tensor in found.items())
        encoders.append(torch.cat([tensor.ravel() for tensor in found.values()]))
        random = problem.material.encoder("random").state_dict()
        encoders.append(torch.cat([tensor.ravel() for tensor in random.values()]))
    assert len({tuple(weights.tolist()) for weights in encoders}) == 6
    monkeypatch.setattr(sweeps, "pretrain", lambda steps, **others: trained.append((steps, others)))
    swept(data, tmp_path / "other", "spy_pool", budgets=(4,), draws=1, seed=5, **BRIEF)
    assert len({others["seed"] for _, others in trained}) == 6


def test_where_no_system_sees_the_pool_frames_stay_as_they_are(spies, given, tmp_path):
    data = data_of("choice")
    swept(data, tmp_path, "spy", budgets=(4,), draws=1, encoder=replace(SHAPE, stride=1))
    name = given[0][0].test[0]
    steps = given[0][0].material.steps([name])[0]
    np.testing.assert_array_equal(steps, np.clip(data.frames.frames(name), -10, 10))


OF_SYSTEMS = {
    "discriminant": {"rounds": 7},
    "finetune": {"max_epochs": 9, "epochs_without_validation": 9},
}


@pytest.mark.parametrize("step", ["curve", "finetune"])
@pytest.mark.parametrize("kind", ["choice", AMOUNTS])
def test_each_system_is_given_its_own_section_over_the_presets_of_the_task(
    spies, given, tmp_path, kind, step
):
    preset = Intensities.presets["finetune"]["batch_size"]
    assert preset != FinetuneConfig().batch_size
    assert Intensities.presets["finetune"]["max_epochs"] != 9
    data, names = data_of(kind), ("spy_pool", "spy_discriminant", "spy")
    if step == "curve":
        few = {"budgets": (4,), "draws": 1, "of_systems": OF_SYSTEMS}
        swept(data, tmp_path, *names, **few, **BRIEF)
    else:
        for name in names:
            pretrained = encoder_of(data) if name == "spy_pool" else None
            build = finetune_build(data, pretrained, system=name, folds=0, of_systems=OF_SYSTEMS)
            build.row.fit(build.plan.problem(build.plan.cells[-1], None), build._settings)
    found = {type(settings): settings for _, settings in given}
    assert set(found) == {FinetuneConfig, DiscriminantConfig, type(None)}
    assert found[DiscriminantConfig] == DiscriminantConfig(rounds=7)
    finetune = found[FinetuneConfig]
    assert (finetune.max_epochs, finetune.epochs_without_validation) == (9, 9)
    assert finetune.batch_size == (preset if kind == AMOUNTS else FinetuneConfig().batch_size)


# --- finetune


def encoder_of(data) -> PretrainedEncoder:
    """An encoder of another pool: mean 2, deviation .5."""
    torch.manual_seed(3)
    columns, n = data.frames.columns, len(data.frames.columns)
    normaliser = Normaliser(np.full(n, 2, np.float32), np.full(n, 0.5, np.float32), stride=4)
    return PretrainedEncoder(
        Inputs("log_mel", 1, columns, normaliser, 100.0), SHAPE, Encoder(n, 4, 1).eval()
    )


def test_finetune_is_scored_on_what_was_said_of_speakers_kept_out(spies, given):
    data = data_of("choice")
    build = finetune_build(data, system="spy", labels=24)
    score = build.cross_validate(Silent())
    truth, speaker = oracle(data), everyone(data)
    chosen = {}
    for problem, _ in given:
        tested = {speaker[name] for name in problem.test}
        assert not tested & {speaker[name] for name in problem.budget}
        assert len(problem.budget) == 24
        for name in (name for name in truth if speaker[name] in tested):
            chosen[name] = said(problem.seed, name, 4).argmax()
    right = [truth[name].argmax() for name in truth]
    guessed = [chosen[name] for name in truth]
    assert score.metrics["uar"].value == pytest.approx(balanced_accuracy_score(right, guessed))
    np.testing.assert_array_equal(score.confusion, confusion_matrix(right, guessed))
    assert (score.n_utterances, score.n_speakers) == (93, 8)


@pytest.mark.parametrize("labels", [None, 24])
def test_the_model_of_finetune_learns_from_everybody(spies, given, labels):
    data = data_of("choice")
    build = finetune_build(data, system="spy", labels=labels)
    model = build.fit_all()
    ((problem, _),) = given
    assert problem.test == []
    assert len(set(problem.budget)) == model.notes["labels"] == (labels or 93)
    assert f"validation included: {labels or 93}." in build.facts(None, model).method
    assert set(problem.material.crowd) == set(everyone(data))
    if labels is None:
        assert set(problem.budget) == set(oracle(data))


def test_finetune_knows_the_statistics_of_its_training_speakers_alone(spies, given, monkeypatch):
    """Of a system with a GRU and without an encoder; with one they are the encoder's."""
    row = replace(spying(given), sees_pool=True)
    monkeypatch.setattr(table, "ROWS", (row, *table.ROWS[1:]))
    data = data_of("choice")
    build = finetune_build(data, system="spy", encoder=SHAPE)
    build.cross_validate(Silent())
    build.fit_all()
    speaker = everyone(data)
    assert len(given) == 4
    for problem, _ in given:
        tested = {speaker[name] for name in problem.test}
        pool = [data.frames.frames(n) for n in oracle(data) if speaker[n] not in tested]
        name = next(iter(problem.test), "s00-anger-0")
        steps = problem.material.steps([name])[0]
        np.testing.assert_allclose(steps, steps_by(pool)(data.frames.frames(name)), atol=1e-4)


def test_finetune_on_an_encoder_makes_its_steps(spies, given):
    data = data_of("choice")
    pretrained = encoder_of(data)
    model = finetune_build(data, pretrained, system="spy_pool").fit_all()
    material = given[0][0].material
    frames = data.frames.frames("s00-anger-0")
    z = (frames - 2) / 0.5
    expected = [z[i : i + 4].mean(axis=0) for i in range(0, len(z), 4)]
    np.testing.assert_allclose(material.steps(["s00-anger-0"])[0], expected, rtol=1e-5)
    assert material.encoder("pretrained") is pretrained.encoder
    assert material.shape == model.shape == SHAPE
    assert model.inputs.normaliser is pretrained.inputs.normaliser


def test_the_encoder_that_is_kept_is_the_one_that_was_given():
    data = data_of("choice")
    pretrained = encoder_of(data)
    for system in ("pretrained_frozen", "combined"):
        model = finetune_build(data, pretrained, system=system, labels=24, folds=0).fit_all()
        assert model.encoders == {"pretrained": pretrained.encoder}
        assert model.fitted.view.start == "pretrained"


def test_a_model_on_a_chosen_layer_asks_for_that_layer_alone(monkeypatch):
    """Of three layers of two columns the second tells the emotion."""
    data, rng = data_of("choice"), np.random.default_rng(5)
    names = data.frames.utterances
    stacks = {name: rng.normal(3, 0.2, (3, 9, 2)).astype(np.float32) for name in names}
    for name, truth in oracle(data).items():
        stacks[name][1] += 0.4 * np.array([truth[0] + truth[1], truth[0] + truth[2]])
    vectors = {name: mean_sd(stack) for name, stack in stacks.items()}
    monkeypatch.setattr(
        Layers, "of", lambda self, layer, names: np.stack([vectors[n][layer] for n in names])
    )
    columns = tuple(f"0123abcd_{layer:02d}_{unit:04d}" for layer in range(3) for unit in range(2))
    frames = replace(data.frames, columns=columns)
    data = replace(data, frames=frames, layers=Layers(None, None, 3, range(3)))
    asked = []

    def get(features):
        asked.append(str(features))
        return SimpleNamespace(version=7, columns=columns[2:4], frames_per_second=50.0)

    monkeypatch.setattr(folders, "get", get)
    settings = FinetuneSettings("linear", folds=0, labels=48)
    model = Build(data, parse("upstream:x@auto+padded"), None, settings).fit_all()
    assert asked == [model.inputs.features] == ["upstream:x@1+padded"]
    assert model.notes["layer"] == 1
    assert (model.inputs.version, model.inputs.frames_per_second) == (7, 50.0)
    assert model.inputs.columns == columns[2:4]
    assert len(model.inputs.normaliser.mean) == len(model.inputs.normaliser.sd) == 2
    for name in names[:5]:
        expected = model.fitted.head.predict(vectors[name][1][None])[0]
        np.testing.assert_allclose(model.predict(stacks[name][1]), expected, atol=1e-6)


def test_a_model_is_as_sure_as_its_temperature_says():
    """Weights of the fit to all labels, divided by what was found on the same labels."""
    data = data_of("choice")
    build = finetune_build(data, system="descriptors", labels=24, folds=0)
    cell = build.plan.cells[-1]
    problem = build.plan.problem(cell, build._material(cell))
    sure = fits.fit_combined(problem, build._settings)
    on = "on" if sure.remarks["self_training"]["on"] else "off"
    same = replace(build._settings, self_training=on)
    weight = WEIGHT if on == "on" else WEIGHT_ALONE
    temperature = left_out(problem, fits.fit_combined, same).temperature(weight)
    model = build.fit_all()
    sure, served = sure.head, model.fitted.head
    assert model.notes["temperature_from"] == TESTED
    assert model.notes["temperature"] == pytest.approx(temperature, abs=1e-3)
    assert abs(np.log(temperature)) > 0.1
    np.testing.assert_allclose(served.weight * temperature, sure.weight, rtol=1e-6)
    np.testing.assert_allclose(served.bias * temperature, sure.bias, rtol=1e-6)


def test_the_voices_under_test_are_those_of_the_same_name():
    """What the laws above take for granted of their corpora."""
    corpus, frames = the_same_voices()
    data = data_of("choice")
    assert corpus.name == data.corpus.name
    assert set(data.corpus.table["utterance"]) < set(frames.utterances)


def test_finetune_refuses_what_it_would_pass_over():
    data = data_of("choice")
    with pytest.raises(UndertoneError, match="for scratch name one layer, as --features"):
        Build(data, parse("upstream:x@auto"), None, FinetuneSettings(system="scratch"))
    for settings, message in (
        (FinetuneSettings(encoder=EncoderConfig(stride=7)), "settings of encoder are those of"),
        (FinetuneSettings(features="covarep"), "hears log_mel, found --features covarep"),
    ):
        with pytest.raises(UndertoneError, match=message):
            Build(data, parse("log_mel"), encoder_of(data), settings)
