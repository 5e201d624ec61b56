"""The sentences of a report."""

import math
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

from undertone.evaluation.estimate import decimal
from undertone.evaluation.next_labels import gain_of_next
from undertone.evaluation.report.advice import Advice
from undertone.evaluation.report.page import render
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.verdict import summarise
from undertone.systems.table import ROWS, SIMPLEST_FIRST


@pytest.fixture(scope="module")
def whole() -> CurveResult:
    return result()


def with_skill(**skill: tuple[float, ...]) -> CurveResult:
    return result(run(SKILL | skill), n_replicates=200)


def test_a_gain_is_told_in_labels_and_its_end_too(whole):
    first = whole.worths[0][1][0]
    said = summarise(whole)
    told = said.pretraining
    assert told.startswith(f"With 20 labels, pre-training is worth {first.phrase()}")
    assert re.search(r"; with 160 labels no gain measurable; at most \+\.\d{3}\.$", told)
    assert told in said.findings
    assert said.verdict.endswith("Measured on twelve, with pool heard without labels.")


def test_no_gain_is_said_plainly():
    same = dict.fromkeys(("pretrained_full", "pretrained_frozen"), (0.26, 0.36, 0.47, 0.60))
    level = with_skill(**same, scratch_frozen=(0.26, 0.36, 0.47, 0.60))
    assert "No gain from pre-training is measurable here" in summarise(level).pretraining
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
    verdict = summarise(exact).pretraining
    assert verdict.startswith("Pre-training is worth nothing here")
    assert "reaches .020 in UAR." in verdict


def test_harm_is_called_harm():
    low = dict.fromkeys(("pretrained_full", "pretrained_frozen"), (0.01, 0.01, 0.01, 0.01))
    said = summarise(with_skill(**low))
    assert "worth nothing here" in said.pretraining
    assert "Somewhere it does harm" in said.pretraining
    assert any("harm at 20" in finding for finding in said.details)


def test_a_gain_that_turns_to_harm_says_both():
    turning = {
        "pretrained_full": (0.6, 0.6, 0.4, 0.2),
        "scratch_full": (0.2, 0.3, 0.5, 0.7),
    }
    assert "; with 160 labels it does harm" in summarise(with_skill(**turning)).pretraining


def test_a_rival_that_wins_is_named_in_the_verdict():
    said = summarise(with_skill(svm=(0.8, 0.8, 0.8, 0.8)))
    assert said.pretraining.endswith(
        "Yet SVM on functionals, without pre-training, scores better with 20, 40, 80 and 160 "
        "labels."
    )
    assert any("it beats pre-trained" in finding for finding in said.details)


def test_a_gain_at_the_last_budget_only_is_told_as_a_difference():
    late = {
        "pretrained_full": (0.26, 0.36, 0.47, 0.85),
        "pretrained_frozen": (0.22, 0.26, 0.29, 0.31),
    }
    assert "With 160 labels, pre-training gains +." in summarise(with_skill(**late)).pretraining


def test_without_pairs_nothing_is_said_of_pretraining(whole):
    said = summarise(replace(whole, pairs=()))
    assert said.pretraining == ""
    assert "pre-training" not in " ".join([said.verdict, *said.findings])


# --- the headline and the recommendation


def test_the_verdict_says_in_words_how_good_the_recommended_system_is(whole):
    score = whole.curves.estimate("svm", 160)
    assert summarise(replace(whole, advised=Advice("svm", "svm", 0))).verdict == (
        "Of seven emotions, “SVM on functionals” names about seven in ten rightly with 160 "
        f"labels, for voices it never heard; guessing names one in seven (UAR {score}). That is "
        "better than guessing. Measured on twelve, with pool heard without labels."
    )


def test_what_cannot_be_told_from_guessing_is_said_to_be():
    level = (0.001, 0.001, 0.001, 0.001)
    lucky = result(run({"svm": level, "constant": (0.0,) * 4}), n_replicates=200, pairs=())
    assert lucky.curves.estimate("svm", 160).low < lucky.curves.chance()
    verdict = summarise(lucky).verdict
    assert "Whether that is better than guessing cannot be told from this run." in verdict
    alone = summarise(result(run(n_speakers=1), n_replicates=50)).verdict
    assert "One speaker tells nothing of the next: whether that is more than guessing is" in alone


def test_recommended_is_the_simplest_that_is_not_measurably_worse(whole):
    """SVM and the pre-trained network meet with all labels; over all budgets SVM falls behind."""
    worse = whole.curves.mean_gain("pretrained_full", "logistic")
    assert worse.low > 0
    order = ("logistic", "svm", "scratch_full", "pretrained_full", "pretrained_frozen")
    advice = replace(whole, simplest_first=order).advice
    assert advice.best == "pretrained_full"
    for name in order[: order.index(advice.system)]:
        gains = (
            whole.curves.gain(advice.best, name, budget=160),
            whole.curves.mean_gain(advice.best, name),
        )
        assert any(gain.low > 0 for gain in gains), name
    assert advice.n_simpler == order.index(advice.system) > 0
    kept = (whole.curves.gain(advice.best, advice.system, budget=160), advice.system)
    assert kept[1] == advice.best or not kept[0].excludes_zero
    told = summarise(replace(whole, simplest_first=order)).findings
    assert sum("Recommended is" in text for text in told) == 1
    assert any("The choice was made on these very scores" in text for text in told)
    controls = replace(whole, simplest_first=("scratch_frozen", "constant"))
    assert not {"scratch_frozen", "constant"} & set(controls.candidates)


def test_a_row_of_ones_own_is_not_sent_to_finetune_which_refuses_it(whole):
    advised = replace(whole, advised=Advice("svm", "svm", 0))
    systems = [replace(s, stands_alone=s.name == "svm") for s in whole.systems]
    for of, said, other in (
        (advised, "undertone finetune --system svm trains it", "a row of your own"),
        (replace(advised, systems=tuple(systems)), "It is a row of your own", "finetune"),
    ):
        (told,) = (text for text in summarise(of).findings if text.startswith("Recommended"))
        assert said in told
        assert other not in told


def test_the_best_is_recommended_where_all_simpler_ones_are_measurably_worse():
    far = with_skill(pretrained_full=(0.9, 0.9, 0.9, 0.9))
    far = replace(far, simplest_first=("logistic", "svm", "scratch_full", "pretrained_frozen"))
    assert (far.advice.system, far.advice.n_simpler) == ("pretrained_full", 4)
    (told,) = (text for text in summarise(far).findings if text.startswith("Recommended"))
    assert "it scores best, and all simpler ones are measurably worse" in told


def test_every_system_that_may_be_recommended_has_its_place_in_the_order_of_simplicity():
    able = {row.name for row in ROWS if row.kind != "control"}
    assert able == set(SIMPLEST_FIRST)
    assert len(SIMPLEST_FIRST) == len(able)


def test_whether_the_curve_still_rises_and_what_more_labels_bring(whole):
    steep = with_skill(svm=(0.2, 0.4, 0.6, 0.8))
    steep = replace(steep, simplest_first=("svm",))
    assert steep.advice.system == "svm"
    risen = steep.curves.contrast([(1, ("svm", 160), ("mean",)), (-1, ("svm", 80), ("mean",))])
    ahead = gain_of_next(steep.curves, "svm", (80, 160), n_labels=160)
    assert ahead.value == pytest.approx(risen.value * math.log2(180 / 160))
    assert summarise(steep).findings[0] == (
        f"From 80 to 160 labels it gains {risen.signed()}: it is still rising. Twenty more labels "
        f"would bring about {ahead.signed()}, if it went on like this; curves flatten out, so "
        "hardly more."
    )
    fallen = replace(with_skill(svm=(0.9, 0.9, 0.9, 0.6)), simplest_first=("svm",))
    fallen = replace(fallen, advised=Advice("svm", "svm", 0))
    assert ": it gets worse." in summarise(fallen).findings[0]
    down = gain_of_next(fallen.curves, "svm", (80, 160), n_labels=160)
    assert down.value < 0
    assert (
        summarise(fallen)
        .findings[0]
        .endswith(
            f"Twenty more labels would bring nothing, if it went on like this ({down.signed()})."
        )
    )


def test_few_draws_are_called_a_first_look_and_nothing_worth_nothing():
    early = result(run(n_draws=3), n_draws=3, n_replicates=100)
    said = summarise(early)
    assert said.verdict.startswith("A first look, from 3 draws of the labels. Of seven emotions")
    assert said.pretraining.startswith("What pre-training is worth: a first look.")
    assert said.pretraining.endswith("a verdict takes 5 draws of the labels for both or more.")
    text = " ".join([said.verdict, *said.findings, *said.details, visible(render(early))])
    for claim in ("is worth nothing", "No gain from", "no gain measurable", "pre-training gains"):
        assert claim not in text, claim


def test_of_amounts_the_verdict_speaks_of_the_metric_and_the_best_constant():
    whole = amounts_result(amounts_run(n_videos=20), n_replicates=100)
    name = whole.advice.system
    best, floor = (whole.curves.estimate(system, 200) for system in (name, "always_0"))
    gain, beside = (
        whole.curves.gain(name, "always_0", budget=200),
        whole.curves.estimate(name, 200, whole.task.beside),
    )
    assert gain.low > 0
    assert summarise(whole).verdict == (
        f"With 200 labels, “{whole.label(name)}” errs on the mean of six emotions by "
        f"{decimal(best.value)}, on a scale from 0 to 3, for videos it never heard (MAE {best}); "
        f"the best constant, always 0, has {decimal(floor.value)}. That is better than a constant. "
        f"In AUC of presence, which no constant wins, it has {beside}. Measured on "
        "toy."
    )
    assert "it is still getting better" in summarise(whole).findings[0]
    toy = amounts_result(amounts_run(Valence(("valence",)), n_videos=20), paper=None)
    verdict = summarise(toy).verdict
    assert verdict.startswith("With 200 labels, “pre-trained, frozen” agrees with the truth in ")
    assert re.search(r"in valence by \.\d+, where 1 is all and 0 nothing, for videos", verdict)


def test_only_a_pair_that_is_like_with_like_tells_what_pretraining_is_worth():
    """The pre-trained system gains on one that is trained otherwise, not on its own twin."""
    twin = Pair("pretrained_frozen", "scratch_frozen", "encoder frozen")
    other = Pair("pretrained_full", "scratch_full", "other", like_with_like=False)
    flat = (0.22, 0.26, 0.29, 0.31)
    whole = with_skill(scratch_frozen=flat, pretrained_frozen=flat)
    apart = summarise(replace(whole, pairs=(other, twin)))
    assert apart.pretraining.startswith("No gain from pre-training is measurable here")
    assert any("a gain at" in finding for finding in apart.details)
    told = summarise(replace(whole, pairs=(replace(other, like_with_like=True), twin)))
    assert " (other)" in told.pretraining


@pytest.mark.parametrize("unit", ["speaker", "video"])
def test_one_speaker_cannot_tell(unit):
    alone = result(run(n_speakers=1), n_replicates=50, unit=unit)
    assert f"One {unit} tells nothing of the next" in summarise(alone).pretraining
    assert "cannot be known" in summarise(alone).pretraining


def test_of_errors_less_is_better_and_a_gain_is_above_zero():
    whole = amounts_result(amounts_run(n_videos=20), n_replicates=200)
    said = summarise(whole)
    assert said.pretraining.startswith("With 20 labels, pre-training is worth")
    best = whole.curves.estimate("pretrained_frozen", 20)
    assert f"With 20 labels, pre-trained, frozen scores best: MAE {best}." in said.details
    assert "chance" not in " ".join([said.verdict, *said.findings, *said.details])
    pair = next(finding for finding in said.details if "against" in finding)
    gain = whole.curves.difference("scratch", "pretrained_frozen", budget=20)
    assert gain.low > 0
    assert f"With 20 labels the gain in MAE is {gain.signed()}." in pair
    rival = next(finding for finding in said.details if "strongest rival" in finding)
    assert "pre-trained, frozen beats it (gain in MAE +." in rival


def test_of_errors_more_is_harm():
    noise = {"pretrained_frozen": (1.2, 1.2), "scratch": (0.3, 0.3), "always_0": (0.0, 0.0)}
    said = summarise(amounts_result(amounts_run(noise=noise, n_videos=20), n_replicates=100))
    assert said.pretraining.startswith("Pre-training is worth nothing here")
    assert "reaches .010 in MAE. Somewhere it does harm." in said.pretraining
    assert "Yet from scratch, without pre-training, scores better with 20 and" in said.pretraining


def test_any_task_has_a_verdict_in_its_own_metric():
    toy = amounts_result(amounts_run(Valence(("valence",)), n_videos=20), paper=None)
    summary = summarise(toy)
    said = " ".join([summary.verdict, *summary.findings, *summary.details])
    assert "scores best: CCC ." in said
    assert "the gain in CCC is +." in said
    assert "UAR" not in said
    assert "MAE" not in said
