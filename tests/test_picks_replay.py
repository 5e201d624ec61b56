"""Labelling replayed: nobody sees a truth that was not asked for; the system is the real one."""

import dataclasses
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from plan_fakes import curve_run, data_of
from recipe_fakes import write_tones

from undertone import config
from undertone.annotation.picking import pick as picking
from undertone.annotation.picking.heard import Heard
from undertone.errors import UndertoneError
from undertone.evaluation import needed
from undertone.evaluation.curves import trace
from undertone.evaluation.report.picked import said_labels
from undertone.experiment import CurveSettings, curve
from undertone.experiment.picks import replay as replaying
from undertone.experiment.picks.kept import Kept, go_through
from undertone.experiment.picks.replay import Job, Replays
from undertone.experiment.picks.settings import PicksSettings
from undertone.features.copies import Copied
from undertone.models.discriminant import DiscriminantConfig
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.systems.fits import fit_combined
from undertone.systems.plan import Cell
from undertone.tasks import Classes
from undertone.tasks.draws import LabelDraw

STRATEGIES = ("random", "balanced", "spread", "unsure+spread")


@pytest.fixture(scope="module")
def replays(tmp_path_factory):
    """Of eight speakers; the vectors that the strategies hear tell the emotion."""
    data = data_of("choice")
    run = curve_run(data, tmp_path_factory.mktemp("x"), picks=PicksSettings(STRATEGIES))
    plan = run.plan()
    rng = np.random.default_rng(0)
    everyone = list(data.corpus.table["utterance"])
    truth = dict(zip(data.corpus.table["utterance"], data.corpus.table["emotion"], strict=True))
    centres = {name: 4 * row for name, row in zip(data.task.outputs, np.eye(9), strict=False)}
    vectors = {n: rng.normal(3, 1, 9) + centres[truth.get(n, "anger")] for n in everyone}
    heard = Heard(data.corpus, vectors, np.ones(9), {n: n for n in everyone})
    settings = DiscriminantConfig(nuisance_weight=0.0)
    return Replays(plan, heard, settings, (4, 12, 30), 5, "log_mel")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nobody_who_is_tested_is_labelled_and_nothing_twice(replays, strategy):
    for fold, of_fold in replays.plan.folds.items():
        loop = replays.of_fold(fold)
        order = [loop.names[i] for i in loop.order(Job(strategy, fold, 0))]
        assert len(order) == len(set(order)) == 30
        assert not {replays.plan.speaker[n] for n in order} & {
            replays.plan.speaker[n] for n in of_fold.test
        }


@pytest.mark.parametrize("strategy", ["spread", "unsure+spread"])
def test_a_strategy_knows_the_labels_that_it_asked_for_and_no_other(replays, strategy, monkeypatch):
    of_fold = replays.of_fold(0)
    outputs, seen = replays.plan.task.outputs, []

    def spy(space, **given):
        seen.append(dict(given["labels"]))
        return picking.pick(space, **given)

    monkeypatch.setattr(replaying, "pick", spy)
    order = of_fold.order(Job(strategy, 0, 0))
    for number, labels in enumerate(seen):
        asked = order[: 5 * number].tolist()
        assert labels == {i: outputs[of_fold.truth[i]] for i in asked}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_truth_that_nobody_asked_for_changes_nothing(replays, strategy):
    """All labels but the first twelve are turned round: the loop up to there is the same."""
    if strategy == "balanced":
        pytest.skip("who draws balanced has to know the truth")
    job = Job(strategy, 0, 1)
    small = replace(replays, budgets=(4, 12))
    of_fold = small.of_fold(0)
    before = of_fold.order(job)
    plan, known = replays.plan, {of_fold.names[i] for i in before}
    turned = {n: values if n in known else values[::-1] for n, values in plan.truth.items()}
    after = replace(small, plan=replace(plan, truth=turned)).of_fold(0)
    assert (after.truth != of_fold.truth).any()
    np.testing.assert_array_equal(after.order(job), before)


def test_the_system_that_learns_is_the_recommended_one(replays):
    check_system(replace(replays, settings=DiscriminantConfig(nuisance_weight=0.0)))


def test_so_it_is_where_copies_are_heard(replays):
    table, plan, rng = replays.plan.frames, replays.plan, np.random.default_rng(4)
    source = {
        f"{n} noisy": np.asarray(table.frames(n)) + rng.normal(0, 0.3, (1, len(table.columns)))
        for n in table.utterances
    }
    copied = replace(table, source=source, keys={name: name for name in source})
    of = {name.removesuffix(" noisy"): (name,) for name in source}
    with_copies = replace(plan, copies=Copied(copied, of))
    check_system(replace(replays, plan=with_copies, settings=DiscriminantConfig()))


def check_system(replays):
    """Decisions of a loop are those of the fit that a curve makes of the same labels."""
    job, plan, of_fold = Job("random", 1, 0), replays.plan, replays.of_fold(1)
    replayed, material = of_fold.replay(job), of_fold.material
    for k, budget in enumerate(replays.budgets[1:], start=1):
        labels = LabelDraw(list(replayed.order[:budget]), [])
        problem = plan.problem(Cell(1, 0, budget, labels), material)
        expected = fit_combined(problem, replays.settings).predict(material, problem.test)
        np.testing.assert_array_equal(replayed.values[k].argmax(axis=1), expected.argmax(axis=1))


def test_what_nobody_can_uncover_is_heard_and_never_picked(replays):
    for fold, of_fold in replays.plan.folds.items():
        one = replays.of_fold(fold)
        assert list(one.material.crowd)[: len(one.names)] == one.names
        assert set(one.material.crowd) == set(of_fold.crowd)
        assert "u-unlabelled" not in one.names
    assert any("u-unlabelled" in of_fold.crowd for of_fold in replays.plan.folds.values())


def test_labels_of_one_emotion_predict_it(replays):
    of_fold = replays.of_fold(0)
    same = np.flatnonzero(of_fold.truth == 2)[:3]
    scores, taught = of_fold._learned(same, of_fold.truth[same])
    assert (scores.argmax(axis=1) == 2).all()
    assert not taught


def test_a_pool_may_end_before_the_budgets_do(replays):
    long = replace(replays, budgets=(4, 500))
    for strategy in ("random", "unsure+spread"):
        order = long.of_fold(0).replay(Job(strategy, 0, 0)).order
        assert len(order) == len(long.of_fold(0).names)


def test_draws_differ_and_begin_alike_for_strategies_that_do(replays):
    of_fold = replays.of_fold(0)
    orders = {
        (s, d): of_fold.order(Job(s, 0, d)).tolist()
        for s in ("random", "spread", "unsure+spread")
        for d in (0, 1)
    }
    assert orders["random", 0] != orders["random", 1]
    assert orders["spread", 0] != orders["spread", 1]
    assert orders["spread", 0][:10] == orders["unsure+spread", 0][:10]
    assert orders["spread", 0][10:] != orders["unsure+spread", 0][10:]


def test_a_stopped_run_goes_on_and_damaged_loops_are_gone_through_again(replays, tmp_path, capfd):
    one_fold = replace(replays.plan, folds={0: replays.plan.folds[0]})
    replays = replace(replays, plan=one_fold)
    kept = Kept(replace(replays, budgets=(4, 12)), ("random", "spread"), 3, tmp_path)
    with Progress(shown=False) as progress:
        go_through(kept, workers=1, progress=progress)
    before = {job: kept.loop(job) for job in kept.jobs}
    gone, damaged, stays = kept.jobs[0], kept.jobs[3], kept.jobs[5]
    kept.path(gone).unlink()
    kept.path(damaged).write_bytes(kept.path(damaged).read_bytes()[:200])
    written = kept.path(stays).stat().st_mtime_ns
    assert kept.missing() == [gone, damaged]
    with Progress(shown=False) as progress:
        go_through(kept, workers=1, progress=progress)
    assert "set aside" in capfd.readouterr().err
    for job, loop in before.items():
        again = kept.loop(job)
        assert again.order == loop.order
        np.testing.assert_array_equal(again.values, loop.values)
    assert kept.path(stays).stat().st_mtime_ns == written
    with pytest.raises(UndertoneError, match="was changed while the run was at work"):
        replace(kept, replays=replace(kept.replays, batch=6)).loop(stays)


def test_labels_needed_are_read_off_lines_that_never_fall(rng):
    budgets = (10, 20, 40, 80)
    heights = rng.normal(0, 1, (200, 4)).cumsum(axis=1)
    goals = rng.normal(0, 1, 200)
    found = needed.first_reaching(budgets, heights, goals)
    for row, goal, n in zip(heights, goals, found, strict=True):
        best = np.maximum.accumulate(row)
        if goal <= best[0]:
            assert n == 10
        elif goal > best[-1]:
            assert n == np.inf
        else:
            assert np.interp(n, budgets, best) == pytest.approx(goal)
            assert np.interp(n - 1e-6, budgets, best) <= goal


def test_who_is_the_rival_needs_as_many_and_who_knows_all_needs_fewest(rng):
    task = Classes(("anger", "fear", "sadness"))
    truth = np.eye(3)[np.arange(90) % 3]
    speakers = [f"s{i % 9}" for i in range(90)]

    def right(share):
        wrong = rng.random((4, 90)) > share
        return np.where(wrong[..., None], np.roll(truth, 1, axis=1), truth)

    scores = {10: 0.4, 50: 0.6, 100: 0.8}
    predictions = {("random", b): right(share) for b, share in scores.items()}
    predictions |= {("oracle", b): right(1.1) for b in scores}
    predictions |= {("hopeless", b): right(0.1) for b in scores}
    curves = trace(predictions, task=task, truth=truth, speakers=speakers, n_replicates=200)
    assert needed.labels_needed(curves, "random", "random", at=100).value == 100
    oracle = needed.labels_needed(curves, "oracle", "random", at=100)
    assert said_labels(oracle) == "10 [10, 10]"
    hopeless = needed.labels_needed(curves, "hopeless", "random", at=100)
    assert said_labels(hopeless) == "more than were tried"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picks": {"strategies": ["clever"]}}, "no strategy clever"),
        ({"picks": {"strategies": ["typical", "typical"]}}, "names one twice"),
        ({"picks": {"strategies": ["typical"], "batch": 0}}, "batch"),
        ({"budgets": [20, "all"]}, "in place of all"),
        ({"adapt": [3]}, "leave --adapt out"),
        ({"transductive": True}, "leave --transductive out"),
        ({"across": {"test": ["b=/x"]}}, "leave --test-corpus out"),
    ],
)
def test_what_has_no_meaning_is_refused(change, message):
    values = {"corpus": "x", "picks": {"strategies": ["typical"]}} | change
    with pytest.raises(UndertoneError, match=message):
        config.load(CurveSettings, values)


@pytest.mark.slow
def test_a_replay_end_to_end_and_its_report(tmp_path):
    """Tones whose pitch is their emotion."""
    table = write_tones(
        tmp_path / "tones", ("anger", "happiness", "sadness"), n_each=2, n_speakers=4
    )
    values = {
        "corpus": f"tones={table}",
        "budgets": [4, 8, 12],
        "replicates": 100,
        "draws": 2,
        "folds": 2,
        "picks": {"strategies": ["unsure+spread", "balanced"], "batch": 4},
        "discriminant": {"nuisance_weight": 0.0},
    }
    settings = config.load(CurveSettings, values)
    resources = Resources(tmp_path / "cache", workers=1, progress=False)
    report = curve(settings, tmp_path / "run", resources).report.read_text()
    assert "Is picking worth it on tones?" in report
    assert "honest random" in report
    assert "Labels were drawn" not in report
    told = json.loads((tmp_path / "run" / "picks.json").read_text())
    assert list(told["strategies"]) == ["random", "unsure+spread", "balanced"]
    assert told["goal"] == 12
    orders = pd.read_parquet(tmp_path / "run" / "picks.parquet")
    assert (orders.groupby(["strategy", "fold", "draw"]).size() == 12).all()
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert set(results["system"]) == {"random", "unsure+spread", "balanced", "constant"}
    with pytest.raises(UndertoneError, match="other settings"):
        curve(dataclasses.replace(settings, seed=5), tmp_path / "run", resources)
