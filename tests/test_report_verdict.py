"""The sentences of a report."""

import re
from dataclasses import replace

import pytest
from evaluation_fakes import (
    SKILL,
    Pair,
    Valence,
    amounts_result,
    amounts_run,
    result,
    run,
)
from page_text import visible

from undertone.evaluation.report.page import render
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.verdict import summarise


@pytest.fixture(scope="module")
def whole() -> CurveResult:
    return result()


def with_skill(**skill: tuple[float, ...]) -> CurveResult:
    return result(run(SKILL | skill), n_replicates=200)


def test_a_gain_is_told_in_labels_and_its_end_too(whole):
    first = whole.worths[0][1][0]
    verdict = summarise(whole).verdict
    assert verdict.startswith(f"With 20 labels, pre-training is worth {first.phrase()}")
    end = r"; with 160 labels no gain measurable; at most \+\.\d{3}\. Measured on twelve, with pool"
    assert re.search(end, verdict)


def test_no_gain_is_said_plainly():
    same = dict.fromkeys(("pretrained_full", "pretrained_frozen"), (0.26, 0.36, 0.47, 0.60))
    level = with_skill(**same, scratch_frozen=(0.26, 0.36, 0.47, 0.60))
    assert "No gain from pre-training is measurable here" in summarise(level).verdict
    assert "No gain from pre-training is measurable here" in visible(render(level))


def test_worth_nothing_is_said_where_a_gain_is_excluded():
    one = run()
    copies = {
        ("pretrained_frozen", b): values
        for (system, b), values in one.predictions.items()
        if system == "scratch_frozen"
    }
    exact = result(
        replace(one, predictions={**one.predictions, **copies}),
        pairs=(Pair("pretrained_frozen", "scratch_frozen", "encoder frozen"),),
        n_replicates=200,
    )
    verdict = summarise(exact).verdict
    assert verdict.startswith("Pre-training is worth nothing here")
    assert "reaches .020 in UAR." in verdict


def test_harm_is_called_harm():
    low = dict.fromkeys(("pretrained_full", "pretrained_frozen"), (0.01, 0.01, 0.01, 0.01))
    said = summarise(with_skill(**low))
    assert "worth nothing here" in said.verdict
    assert "Somewhere it does harm" in said.verdict
    assert any("harm at 20" in finding for finding in said.findings)


def test_a_gain_that_turns_to_harm_says_both():
    turning = {
        "pretrained_full": (0.6, 0.6, 0.4, 0.2),
        "scratch_full": (0.2, 0.3, 0.5, 0.7),
    }
    assert "; with 160 labels it does harm" in summarise(with_skill(**turning)).verdict


def test_a_rival_that_wins_is_named_in_the_verdict():
    said = summarise(with_skill(svm=(0.8, 0.8, 0.8, 0.8)))
    assert said.verdict.endswith(
        "Yet SVM on functionals, without pre-training, scores better with 20, 40, 80 and 160 "
        "labels. Measured on twelve, with pool heard without labels."
    )
    assert any("it beats pre-trained" in finding for finding in said.findings)


def test_a_gain_at_the_last_budget_only_is_told_as_a_difference():
    late = {
        "pretrained_full": (0.26, 0.36, 0.47, 0.85),
        "pretrained_frozen": (0.22, 0.26, 0.29, 0.31),
    }
    assert "With 160 labels, pre-training gains +." in summarise(with_skill(**late)).verdict


def test_without_pairs_the_verdict_tells_where_the_recommended_system_stands():
    some = {name: SKILL[name] for name in ("logistic", "constant")}
    skill = SKILL | {"svm": (0.33, 0.43, 0.52, 0.9)}
    of = run(skill).only(("svm", *some))
    chosen = result(of, n_replicates=200, pairs=())
    svm, *others = chosen.systems
    chosen = replace(chosen, systems=(replace(svm, recommended=True), *others))
    first, last = (chosen.curves.difference("svm", "logistic", budget=b) for b in (20, 160))
    assert not first.excludes_zero
    assert last.excludes_zero
    assert summarise(chosen).verdict == (
        "With 20 labels, the best of the others (logistic regression) and SVM on functionals "
        f"cannot be told apart (gain in UAR {first.signed()}); with 160 labels, SVM on "
        "functionals beats the best of the others (logistic regression) (gain in UAR "
        f"{last.signed()}). Measured on twelve, with pool heard without labels."
    )
    alone = result(of.only(tuple(some)), n_replicates=200, pairs=())
    assert "holds no pre-trained system" in summarise(alone).verdict


def test_the_recommended_system_is_named_first_and_described(whole):
    first, *others = whole.systems
    chosen = replace(whole, systems=(replace(first, recommended=True), *others))
    opening = summarise(chosen).findings[0]
    assert opening.startswith("Recommended is pre-trained, frozen, GRU pre-trained; encoder frozen")
    svm = replace(whole.system("svm"), recommended=True)
    kept = (*(system for system in whole.systems if system.name != "svm"), svm)
    told = summarise(replace(whole, systems=kept)).findings[0]
    assert told.startswith("Recommended is SVM on functionals, means and deviations, RBF kernel: ")
    for budget in (20, 160):
        assert str(chosen.curves.estimate("pretrained_frozen", budget)) in opening
    assert not any(text.startswith("Recommended") for text in summarise(whole).findings)


def test_only_a_pair_that_is_like_with_like_tells_what_pretraining_is_worth():
    """The pre-trained system gains on one that is trained otherwise, not on its own twin."""
    twin = Pair("pretrained_frozen", "scratch_frozen", "encoder frozen")
    other = Pair("pretrained_full", "scratch_full", "other", like_with_like=False)
    flat = (0.22, 0.26, 0.29, 0.31)
    whole = with_skill(scratch_frozen=flat, pretrained_frozen=flat)
    apart = summarise(replace(whole, pairs=(other, twin)))
    assert apart.verdict.startswith("No gain from pre-training is measurable here")
    assert any("a gain at" in finding for finding in apart.findings)
    told = summarise(replace(whole, pairs=(replace(other, like_with_like=True), twin)))
    assert " (other)" in told.verdict


@pytest.mark.parametrize("unit", ["speaker", "video"])
def test_one_speaker_cannot_tell(unit):
    alone = result(run(n_speakers=1), n_replicates=50, unit=unit)
    assert f"One {unit} tells nothing of the next" in summarise(alone).verdict
    assert "cannot be known" in summarise(alone).verdict


def test_of_errors_less_is_better_and_a_gain_is_above_zero():
    whole = amounts_result(amounts_run(n_videos=20), n_replicates=200)
    said = summarise(whole)
    assert said.verdict.startswith("With 20 labels, pre-training is worth")
    best = whole.curves.estimate("pretrained_frozen", 20)
    assert f"With 20 labels, pre-trained, frozen scores best: MAE {best}." in said.findings
    assert "chance" not in " ".join(said.findings)
    pair = next(finding for finding in said.findings if "against" in finding)
    gain = whole.curves.difference("scratch", "pretrained_frozen", budget=20)
    assert gain.low > 0
    assert f"With 20 labels the gain in MAE is {gain.signed()}." in pair
    rival = next(finding for finding in said.findings if "strongest rival" in finding)
    assert "pre-trained, frozen beats it (gain in MAE +." in rival


def test_of_errors_more_is_harm():
    noise = {"pretrained_frozen": (1.2, 1.2), "scratch": (0.3, 0.3), "always_0": (0.0, 0.0)}
    said = summarise(amounts_result(amounts_run(noise=noise, n_videos=20), n_replicates=100))
    assert said.verdict.startswith("Pre-training is worth nothing here")
    assert "reaches .010 in MAE. Somewhere it does harm." in said.verdict
    assert "Yet from scratch, without pre-training, scores better with 20 and 200" in said.verdict


def test_any_task_has_a_verdict_in_its_own_metric():
    toy = amounts_result(amounts_run(Valence(("valence",)), n_videos=20), paper=None)
    said = " ".join([summarise(toy).verdict, *summarise(toy).findings])
    assert "scores best: CCC ." in said
    assert "the gain in CCC is +." in said
    assert "UAR" not in said
    assert "MAE" not in said
