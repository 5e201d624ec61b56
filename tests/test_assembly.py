"""Who is in which pool: laws over finished plans, of a curve and of ``finetune``.

Parts have laws of their own; a leak is where they are put together.
"""

from dataclasses import replace

import numpy as np
import pytest
from plan_fakes import (
    Silent,
    curve_plan,
    curve_run,
    data_of,
    finetune_build,
    labelled_table,
    other_voices,
    spying,
)

from undertone.errors import UndertoneError
from undertone.models.encoder import EncoderConfig
from undertone.systems import calibrated, fits, table
from undertone.systems.held_out import N_GROUPS
from undertone.systems.plan import Data
from undertone.systems.view import View
from undertone.tasks import AMOUNTS
from undertone.tasks.draws import LabelDraw
from undertone.training.normalise import fit_normaliser


@pytest.fixture(params=["choice", AMOUNTS])
def data(request) -> Data:
    return data_of(request.param)


def test_usual_budgets_are_those_that_the_corpus_can_give(data, tmp_path):
    usual = curve_run(data, tmp_path, budgets=(4, 12, 400), fit_budgets=True)
    usual.check_draws()
    assert usual.draws.budgets[:2] == (4, 12)
    assert usual.draws.budgets[2:] == (usual.draws.all_labels,)
    assert 12 < usual.draws.all_labels <= len(data.corpus.table)
    (note,) = usual._budget_note()
    assert "the usual 400 cannot be drawn" in note
    few = curve_run(data, tmp_path, budgets=(4, 12), fit_budgets=True)
    assert few.draws.budgets == (4, 12)
    assert not list(few._budget_note())
    with pytest.raises(UndertoneError, match="400 labels cannot be drawn"):
        curve_run(data, tmp_path, budgets=(4, 400)).check_draws()


def check(plan, speaker_of):
    """What has to hold of every fold and every draw; ``speaker_of`` an utterance, None unknown."""
    for cell in plan.cells:
        fold = plan.folds[cell.fold]
        tested = {speaker_of[name] for name in fold.test}
        assert len(set(fold.test)) == len(fold.test)
        everything = {name for name, who in plan.speaker.items() if who in tested}
        assert set(fold.test) == everything, "every utterance of a test speaker is tested"
        material = plan.material(cell.fold, fit_normaliser(fold.frames()))
        problem = plan.problem(cell, material)
        learned_from = {
            "pool": [name for frames, names in fold.pool if frames is not None for name in names],
            "crowd": list(fold.crowd),
            "material": list(material.crowd),
            "train": cell.labels.train,
            "validation": cell.labels.validation,
            "budget": problem.budget,
            "truth": list(problem.truth),
        }
        for what, names in learned_from.items():
            voices = {speaker_of[name] for name in names}
            assert not voices & tested, f"a test speaker in {what}"
            assert None not in voices, f"an unknown speaker in {what}"
        assert set(problem.truth) == set(cell.labels.utterances)
        assert set(problem.test) == set(fold.test)
        assert not set(cell.labels.train) & set(cell.labels.validation)
        assert all(fold.crowd[name] == speaker_of[name] for name in fold.crowd)


def speakers(data: Data) -> dict:
    tables = [labelled_table("choice"), other_voices()[0].table]
    return {
        name: who
        for one in tables
        for name, who in zip(one["utterance"], one["speaker"], strict=True)
    }


def test_no_test_speaker_is_learned_from_in_a_curve(data, tmp_path):
    plan = curve_plan(data, tmp_path)
    # the other corpus has speakers of the same names: they are other people
    own = {name: who for name, who in speakers(data).items() if name in plan.frames.source}
    for number, fold in plan.folds.items():
        (_, first), (_, again), (_, others) = fold.pool
        assert first, "the labelled corpus's own training speakers are in the pool"
        assert not set(again) & set(first), "no utterance is twice in the pool"
        assert len(others) == 3 * 4 * 5
        only_own = replace(fold, pool=fold.pool[:2])
        one = replace(
            plan,
            folds={number: only_own},
            cells=tuple(cell for cell in plan.cells if cell.fold == number),
        )
        check(one, own)
    assert sorted(name for fold in plan.folds.values() for name in fold.test) == sorted(plan.truth)


def test_the_transductive_pool_is_the_exception_and_has_to_be_asked_for(data, tmp_path):
    plan = curve_plan(data, tmp_path, transductive=True)
    fold = plan.folds[0]
    assert set(fold.test) <= set(fold.pool[0][1])
    assert not set(fold.test) & {
        n for cell in plan.cells if cell.fold == 0 for n in cell.labels.utterances
    }


def test_no_test_speaker_is_learned_from_in_finetune(data):
    build = finetune_build(data)
    plan, everybody = build.plan, max(build.plan.folds)
    check(plan, speakers(data))
    tested = [
        name for number, fold in plan.folds.items() if number != everybody for name in fold.test
    ]
    assert sorted(tested) == sorted(plan.truth), "each speaker is tested once"
    last = plan.folds[everybody]
    assert last.test == ()
    assert set(last.crowd) == {*plan.truth, "u-unlabelled"}


def test_the_unlabelled_utterance_of_a_test_speaker_is_in_no_crowd_of_its_fold(data):
    plan = finetune_build(data).plan
    for fold in plan.folds.values():
        tests_s00 = any(plan.speaker[name] == "s00" for name in fold.test)
        assert ("u-unlabelled" in fold.crowd) != tests_s00


def test_every_fit_of_the_cross_validation_is_given_a_problem_of_its_plan(monkeypatch):
    """What reaches a system, rather than what was planned."""
    given = []

    def spy(problem, settings):
        given.append(problem)
        return fits.fit_linear(problem, None, block="functionals")

    row = replace(
        table.ROWS[0], name="spy", fit=spy, pretrains=False, settings=None, hears_others=False
    )
    monkeypatch.setattr(table, "ROWS", (row, *table.ROWS))
    build = finetune_build(data_of("choice"), system="spy")
    score = build.cross_validate(Silent())
    assert score.n_speakers == 8
    assert score.n_utterances == len(build.plan.truth)
    assert len(given) == 3
    for problem in given:
        tested = {build.plan.speaker[name] for name in problem.test}
        assert not tested & set(problem.speaker.values())
        assert not tested & set(problem.material.crowd.values())


def test_the_temperature_is_found_on_speakers_that_its_fits_did_not_know():
    data = data_of("choice")
    build = finetune_build(data, system="descriptors", labels=24)
    cell = build.plan.cells[-1]
    problem = build.plan.problem(cell, build._material(cell))
    parts = []

    def spy(part, settings):
        parts.append(part)
        return fits.fit_combined(part, settings)

    calibrated.left_out(problem, spy, build._settings)
    assert len(parts) == N_GROUPS
    everyone = build.plan.speaker | {"u-unlabelled": "s00"}
    held_out = [everyone[name] for part in parts for name in part.test]
    assert set(held_out) == set(problem.speaker.values())
    for part in parts:
        tested = {everyone[name] for name in part.test}
        assert tested
        assert not tested & {everyone[name] for name in part.budget}
        assert not tested & {everyone[name] for name in part.material.crowd}
        assert not part.labels.validation


def test_of_an_emotion_that_one_speaker_shows_no_temperature_is_asked():
    build = finetune_build(data_of("choice"), system="descriptors", labels=None)
    cell = build.plan.cells[-1]
    problem = build.plan.problem(cell, build._material(cell))
    shown = [n for n in problem.budget if "anger" not in n or n.startswith("s00")]
    problem, given = replace(problem, labels=LabelDraw(shown, [])), []
    calibrated.left_out(problem, spying(given).fit, None)
    assert len(given) == N_GROUPS
    tested = {name for part, _ in given for name in part.test}
    assert tested == {name for name in shown if "anger" not in name}


def test_which_utterances_are_asked_for_first_changes_no_bit(tmp_path):
    """A process meets the cells in an order of its own."""
    plan = curve_plan(data_of("choice"), tmp_path)
    plan = replace(plan, shape=EncoderConfig(hidden_units=16, layers=2, stride=2))
    normaliser, names = fit_normaliser(plan.folds[0].frames(), stride=2), list(plan.truth)
    whole = dict(zip(names, plan.material(0, normaliser).pooled("random", names), strict=True))
    for some in (names[::-1], names[5:20], names[1::7], names[50:51]):
        material = plan.material(0, normaliser)
        material.pooled("random", some[:3])
        for name, vector in zip(some, material.pooled("random", some), strict=True):
            np.testing.assert_array_equal(vector, whole[name])


def test_a_random_encoder_is_the_same_in_every_process(data, tmp_path):
    plan = curve_plan(data, tmp_path)
    shape = EncoderConfig(hidden_units=4, layers=1, stride=4)
    plan = replace(plan, shape=shape)
    normaliser = fit_normaliser(plan.folds[0].frames(), stride=4)
    one, other = (plan.material(0, normaliser) for _ in range(2))
    names = list(plan.folds[0].test)[:3]
    np.testing.assert_array_equal(one.pooled("random", names), other.pooled("random", names))
    assert isinstance(View(("functionals",)).vectors(one, names), np.ndarray)
