"""Whether the crowd may teach, and who is in it."""

from dataclasses import replace

import numpy as np
import pytest
from plan_fakes import curve_plan, curve_run, data_of, finetune_build, frames_of, other_voices

from undertone.config import load
from undertone.corpora.pool import SKEWED
from undertone.corpora.skew import Skew, parse_skew
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings
from undertone.experiment.pool_notes import how_drawn
from undertone.features.name import parse
from undertone.features.store import FrameTable
from undertone.models.discriminant import DiscriminantConfig
from undertone.models.heads import NEVER
from undertone.models.self_training import (
    LIKE_ENOUGH,
    LIKE_ENOUGH_OF_FEW,
    judge,
    likeness_of,
)
from undertone.recogniser.build import Build
from undertone.recogniser.settings import FinetuneSettings
from undertone.systems import fits
from undertone.systems.crowd_notes import told_of_fit
from undertone.systems.plan import prefix_of
from undertone.systems.problem import DESCRIPTORS
from undertone.systems.view import View
from undertone.tasks import AMOUNTS


def scores_of(guesses, n_outputs=4):
    return 5.0 * np.eye(n_outputs)[np.asarray(guesses)]


def test_likeness_is_the_divergence_of_the_two_mixes():
    guesses, truth = np.repeat([0, 1, 2, 3], [50, 25, 20, 5]), np.repeat([0, 1, 2, 3], [4, 3, 2, 1])
    guessed = np.array([50, 25, 20, 5]) + 0.02 * 100
    given = np.array([4, 3, 2, 1]) + 1.0
    q, p = guessed / guessed.sum(), given / given.sum()
    assert likeness_of(scores_of(guesses), truth) == pytest.approx(
        np.exp(-(q * np.log(q / p)).sum())
    )


def test_of_even_labels_it_is_the_effective_share_of_the_emotions():
    lopsided = likeness_of(scores_of(np.repeat([0, 1, 2, 3], [85, 5, 5, 5])), np.arange(40) % 4)
    even = likeness_of(scores_of(np.arange(100) % 4), np.arange(40) % 4)
    assert even == pytest.approx(1)
    assert lopsided < 0.6 < LIKE_ENOUGH


def test_labels_as_lopsided_as_the_crowd_let_it_teach():
    crowd = scores_of(np.repeat([0, 1, 2, 3], [80, 7, 7, 6]))
    assert not judge(crowd, np.arange(40) % 4).on
    assert judge(crowd, np.repeat([0, 1, 2, 3], [32, 3, 3, 2])).on


def test_fits_to_few_labels_are_believed_less():
    crowd = scores_of(np.repeat([0, 1, 2, 3], [55, 15, 15, 15]))
    assert LIKE_ENOUGH < likeness_of(crowd, np.arange(20) % 4) < LIKE_ENOUGH_OF_FEW
    assert [judge(crowd, np.arange(n) % 4).on for n in (20, 39, 40)] == [False, False, True]


def test_an_emotion_without_a_label_is_in_no_mix():
    scores = scores_of(np.arange(90) % 3)
    scores[:, 3] = NEVER
    assert likeness_of(scores, np.arange(30) % 3) == pytest.approx(1)


@pytest.mark.parametrize(("mode", "on"), [("on", True), ("off", False), ("auto", False)])
def test_it_can_be_asked_for_and_switched_off(mode, on):
    crowd = scores_of(np.zeros(50, dtype=int))
    verdict = judge(crowd, np.arange(40) % 4, mode)
    assert verdict.on == on
    assert (verdict.likeness is None) == (mode != "auto")


def test_without_a_crowd_there_is_nothing_to_learn_from():
    for mode in ("auto", "on"):
        assert not judge(np.zeros((0, 3)), np.arange(6) % 3, mode).on


@pytest.mark.parametrize("bad", [{"self_training": "maybe"}, {"other_speech": "all"}])
def test_words_that_are_none_are_refused(bad):
    with pytest.raises(UndertoneError, match=f"{next(iter(bad))} must be .* or"):
        load(DiscriminantConfig, bad)


# --- who is in the crowd


def heard_with_others(n_others=40):
    """A corpus among whose frames another's stand, as ``read_data`` leaves it."""
    data = data_of("choice")
    other, _ = other_voices()
    other = other.drop(dict.fromkeys(other.table["utterance"][n_others:], "not needed"))
    table = frames_of(other, seed=9)
    frames: FrameTable = data.frames.with_others({prefix_of(0, other): table})
    return replace(data, frames=frames, others=((other, table),))


def problem_and_crowd(data, **settings):
    build = finetune_build(data, system="descriptors", labels=12)
    cell = build.plan.cells[0]
    problem = build.plan.problem(cell, build._material(cell))
    settings = DiscriminantConfig(**settings)
    crowd = fits.crowd_of(problem, View((DESCRIPTORS,)), other_speech=settings.other_speech)
    return problem, crowd


@pytest.mark.parametrize("use", ["scale", "self_training", "nothing"])
def test_other_corpora_join_what_they_are_asked_for(use):
    data = heard_with_others()
    problem, crowd = problem_and_crowd(data, other_speech=use)
    n_own = len(problem.material.crowd)
    assert len(problem.material.elsewhere) == 40
    assert len(crowd.vectors) == n_own + (0 if use == "nothing" else 40)
    assert set(crowd.speakers[n_own:]) <= {None}, "they are nobody's"
    assert crowd.unlabelled[:n_own].sum() == n_own - len(problem.budget)
    assert crowd.unlabelled[n_own:].all() == (use != "scale")
    elsewhere = problem.material.descriptors(list(problem.material.elsewhere))
    own = problem.material.descriptors(list(problem.material.crowd))
    np.testing.assert_allclose(crowd.vectors[:n_own], own)
    if use != "nothing":
        np.testing.assert_allclose(crowd.vectors[n_own:], elsewhere)


def test_a_large_pool_never_outnumbers_the_crowd_and_is_told(monkeypatch):
    data = heard_with_others()
    problem, _ = problem_and_crowd(data)
    monkeypatch.setattr(fits, "MOST_ELSEWHERE", 7)
    some = fits.some_elsewhere(problem.material)
    assert len(set(some)) == 7
    assert some == fits.some_elsewhere(problem.material), "the same for every fit of a fold"
    told = fits.fit_combined(problem, DiscriminantConfig()).remarks["crowd"]
    assert (told["elsewhere"], told["elsewhere_given"]) == (7, 40)
    small = replace(problem.material, crowd=dict(list(problem.material.crowd.items())[:4]))
    assert len(fits.some_elsewhere(small)) == 4


def test_finetune_takes_unlabelled_corpora_and_its_card_says_what_they_joined():
    data = heard_with_others()
    settings = FinetuneSettings(system="descriptors", folds=0, labels=24)
    build = Build(data, parse("log_mel"), None, settings)
    model = build.fit_all()
    told = " ".join(told_of_fit(model.notes))
    assert "40 of unlabelled corpora, which gave their scale and were not learned from" in told
    assert told in build.facts(None, model).method
    assert f"Self-training: {'on' if model.notes['self_training']['on'] else 'off'}" in told


def test_no_test_speaker_is_elsewhere(tmp_path):
    """The labelled corpus again, as an unlabelled one of its name."""
    data = data_of("choice")
    run = curve_run(data, tmp_path)
    again, other = run.unlabelled
    data = replace(
        data,
        frames=data.frames.with_others(
            {prefix_of(i, corpus): table for i, (corpus, table) in enumerate((again, other))}
        ),
        others=(again, other),
    )
    for number, fold in replace(run, data=data).plan().folds.items():
        tested = {name.split("-")[0] for name in fold.test}
        own = prefix_of(0, again[0])
        heard = [name.removeprefix(own) for name in fold.elsewhere if name.startswith(own)]
        assert not {name.split("-")[0] for name in heard} & tested, number
        assert "u-nobody" not in heard
        assert sum(not name.startswith(own) for name in fold.elsewhere) == len(other[0])


def test_rows_without_a_label_stay_in_the_crowd(tmp_path):
    plan = curve_plan(data_of("choice"), tmp_path)
    for fold in plan.folds.values():
        assert ("u-unlabelled" in fold.crowd) == (not any("s00" in name for name in fold.test))
        assert not {"u-nobody", "u-both"} & set(fold.crowd)


# --- a lopsided pool, and labels as they come


def counts(plan, names):
    truth = np.stack([plan.truth[name] for name in names])
    return dict(zip(plan.task.outputs, truth.sum(axis=0).astype(int).tolist(), strict=True))


def test_a_lopsided_pool_holds_the_share_that_was_asked(tmp_path):
    plan = curve_plan(data_of("choice"), tmp_path, skew="anger=.8")
    again = curve_plan(data_of("choice"), tmp_path, skew="anger=.8")
    honest = curve_plan(data_of("choice"), tmp_path)
    for number, fold in plan.folds.items():
        of_pool = counts(plan, fold.crowd)
        assert of_pool["anger"] / sum(of_pool.values()) == pytest.approx(0.8, abs=0.04)
        assert set(fold.crowd) < set(honest.folds[number].crowd)
        assert set(fold.pool[0][1]) == set(fold.crowd), "nobody hears the others"
        assert len(fold.voices) == sum(len(names) for _, names in fold.pool)
        assert fold.test == honest.folds[number].test
        assert fold.crowd == again.folds[number].crowd
    assert plan.cells == honest.cells, "balanced labels are drawn from all that there is"
    assert plan.digest() != honest.digest()


def test_the_labelled_are_in_the_crowd_of_their_fit_alone(tmp_path):
    plan = curve_plan(data_of("choice"), tmp_path, skew="anger=.8")
    cell = plan.cells[-1]
    material = replace(finetune_build(data_of("choice"))._material(cell), crowd={})
    material = replace(material, crowd=plan.folds[cell.fold].crowd)
    problem = plan.problem(cell, material)
    assert set(problem.material.crowd) == set(plan.folds[cell.fold].crowd) | set(problem.budget)
    assert material.crowd == plan.folds[cell.fold].crowd


def test_labels_as_they_come_are_of_the_pool_as_it_is(tmp_path):
    balanced = curve_plan(data_of("choice"), tmp_path, budgets=(12,))
    random = curve_plan(data_of("choice"), tmp_path, budgets=(12,), draw="random")
    lopsided = curve_plan(
        data_of("choice"), tmp_path, budgets=(12,), draw="random", skew="anger=.8"
    )
    assert {max(counts(balanced, c.labels.utterances).values()) for c in balanced.cells} == {3}
    assert max(max(counts(random, c.labels.utterances).values()) for c in random.cells) > 3
    share = np.mean([counts(lopsided, c.labels.utterances)["anger"] / 12 for c in lopsided.cells])
    assert share > 0.6
    for cell in lopsided.cells:
        assert set(cell.labels.utterances) <= set(lopsided.folds[cell.fold].crowd)
        assert sum(n > 0 for n in counts(lopsided, cell.labels.utterances).values()) > 1


def test_random_draws_of_one_number_are_nested(tmp_path):
    plan = curve_plan(data_of("choice"), tmp_path, budgets=(10, 30), draw="random")
    cells = {(c.fold, c.draw, c.budget): set(c.labels.utterances) for c in plan.cells}
    for fold, draw, budget in cells:
        assert cells[fold, draw, 10] <= cells[fold, draw, 30] or budget == 30


def test_a_report_says_how_labels_were_drawn_and_what_they_lack(tmp_path):
    data = data_of("choice")
    balanced, random = (
        curve_plan(data, tmp_path, budgets=(4, 30), draw=draw) for draw in ("balanced", "random")
    )
    assert "balanced over the emotions" in " ".join(how_drawn(balanced, "balanced", ""))
    text = " ".join(how_drawn(random, "random", "anger=.8"))
    lacking = sum(
        min(counts(random, c.labels.utterances).values()) == 0
        for c in random.cells
        if c.budget == 4
    )
    assert lacking > 0
    assert f"had none in {lacking} of 9 with 4 labels" in text
    assert "80% anger" in text
    assert not list(how_drawn(curve_plan(data_of(AMOUNTS), tmp_path), "random", ""))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"skew": "anger"}, "an emotion and a share between 0 and 1, as neutral=.8; found 'anger'"),
        ({"skew": "=.8"}, "found '=.8'"),
        ({"skew": "anger=80%"}, "found 'anger=80%'"),
        ({"skew": "anger=1"}, "found 'anger=1'"),
        ({"skew": "anger=nan"}, "found 'anger=nan'"),
        ({"skew": "pride=.8"}, "names the emotion pride; the corpus has"),
        ({"skew": "anger=.999"}, "cannot be made of the"),
        ({"skew": "anger=.8", "transductive": True}, "leave --skew out"),
        ({"skew": "anger=.8", "vault": "v.json"}, "leave --skew out"),
        ({"draw": "honest"}, "draw must be balanced or random, found 'honest'"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, changes, message):
    with pytest.raises(UndertoneError, match=message):
        curve_plan(data_of("choice"), tmp_path, **changes)


def test_amounts_have_no_lopsided_pool(tmp_path):
    with pytest.raises(UndertoneError, match="predicts amounts"):
        curve_plan(data_of(AMOUNTS), tmp_path, skew="anger=.8")


def test_synonyms_are_understood_and_the_dropped_are_counted(tmp_path):
    assert parse_skew("angry=0.5") == Skew("anger", 0.5)
    run = curve_run(data_of("choice"), tmp_path, skew="angry=.8")
    counted = run._left_out()
    dropped = sum(SKEWED in reason for reason in counted["reason"])
    assert dropped == 1


def test_a_control_comes_with_its_system_where_the_task_has_one():
    for kind, expected in (("choice", True), (AMOUNTS, False)):
        task = data_of(kind).task
        floors = tuple(task.floors)
        settings = CurveSettings("x", budgets=(12,), systems=(*_first(task), *floors))
        names = settings.resolved(task, parse("log_mel")).systems
        assert ("labels_alone" in names) == expected


def _first(task):
    return ("descriptors",) if task.name != "intensities" else ("functionals_ridge",)
