"""The page of a run on emotions, and what a result refuses."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from evaluation_fakes import BUDGETS, EMOTIONS, PAIRS, SKILL, SYSTEMS, Pair, result, run, sources
from page_text import fetched, visible

from undertone.errors import UndertoneError
from undertone.evaluation.curves import trace
from undertone.evaluation.estimate import decimal
from undertone.evaluation.many import holm, p_values_against
from undertone.evaluation.report import plots
from undertone.evaluation.report.advice import Advice
from undertone.evaluation.report.page import render, write_report
from undertone.evaluation.report.result import CurveResult, Source


@pytest.fixture(scope="module")
def whole() -> CurveResult:
    return result()


@pytest.fixture(scope="module")
def page(whole) -> str:
    return render(whole)


def test_the_page_fetches_nothing(page):
    assert not fetched(page)


def test_every_number_of_every_system_is_on_the_page(whole, page):
    text = visible(page)
    for system in whole.systems:
        assert system.label in text
        assert system.description in text
        for budget in BUDGETS:
            for metric in ("uar", "wa", "macro_f1"):
                estimate = whole.curves.estimate(system.name, budget, metric)
                assert decimal(estimate.value) in text
                assert f"[{decimal(estimate.low)}, {decimal(estimate.high)}]" in text
    for _, worths in whole.worths:
        for worth in worths:
            assert worth.phrase() in text
            assert decimal(worth.difference.value, signed=True).replace("-", "−") in text


def test_every_recall_of_every_system_is_on_the_page(whole, page):
    text = visible(page)
    for system in whole.systems:
        for emotion in EMOTIONS:
            recall = whole.curves.estimate(system.name, 160, output=emotion)
            assert f"{decimal(recall.value)} [{decimal(recall.low)}" in text


def test_the_page_says_what_it_rests_on(page):
    text = visible(page)
    for said in (
        "no emotion in the label file",
        "mask_share = 0.1",
        "CC BY 4.0",
        "A. Author, 2020.",
        "undertone curve --corpus csv=labels.csv --out run",
        "numpy 2.0.0",
        "bootstrap 0",
        "0.5123",
        "chance is .143",
        "fold 2 02, 05, 08, 11",
        "The unlabelled pool held no test speaker.",
        "400 bootstrap replicates resample speakers and draws",
        "Splits are by speaker: 3 folds, 5 draws of the labels",
        "twelve (labelled), pool (unlabelled pool) · 7 classes",
        "336 test utterances of 12 speakers · 5 draws of the labels",
    ):
        assert said in text, said
    assert "What was claimed" not in text


def test_synthetic_voices_are_announced_before_anything_else(page):
    assert visible(render(result(sources=sources(synthetic=True)))).startswith(
        "The voices in this report are synthetic (twelve)"
    )
    assert "synthetic" not in visible(page)


def test_a_pool_with_test_speakers_and_warnings_are_announced(whole):
    text = visible(render(replace(whole, transductive=True, warnings=("fold 1 is <small>",))))
    assert "Transductive setting." in text
    assert "The unlabelled pool held the test speakers." in text
    assert "fold 1 is <small>" in text  # escaped in the source, shown as it is


def test_the_same_result_gives_the_same_bytes(whole, page, tmp_path):
    write_report(whole, tmp_path / "run" / "report.html")
    names = ["curve.pdf", "curve.png", "curve.svg", "report.html", "report.json"]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == names
    assert (tmp_path / "run" / "report.html").read_text(encoding="utf-8") == page
    for name in names[:3]:
        assert plots.file(whole, name) == (tmp_path / "run" / name).read_bytes()


def test_a_thin_result_still_makes_a_page():
    """One budget, one draw, one emotion that is never true, nothing left out, no pairs."""
    one = run({"svm": (0.4,), "constant": (0.0,)}, budgets=(20,), n_draws=1)
    kept = one.tested.truth[:, EMOTIONS.index("fear")] == 0
    thin = result(
        one,
        curves=trace(
            {key: values[:, kept] for key, values in one.predictions.items()},
            task=one.tested.task,
            truth=one.tested.truth[kept],
            speakers=pd.Series(one.tested.speakers)[kept],
            n_replicates=50,
        ),
        n_draws=1,
        left_out=pd.DataFrame({"corpus": [], "reason": []}),
        pretraining=pd.DataFrame(),
        seconds={"all": 7000.0},
    )
    text = visible(render(thin))
    assert "Nothing was left out." in text
    assert "1.9 h" in text
    assert "1 draw of the labels" in text
    assert "nan" not in text.split()
    assert "n/a" not in text


def test_a_system_without_a_budget_leaves_a_dash_and_none_cells_stay_empty():
    whole = run()
    some = {key: v for key, v in whole.predictions.items() if key != ("scratch_full", 20)}
    gap = result(
        replace(whole, predictions=some),
        pretraining=pd.DataFrame({"fold": [0], "note": [None], "loss": [math.nan]}),
        n_replicates=50,
    )
    assert "<td>–</td>" in render(gap)
    assert "None" not in visible(render(gap))
    assert "nan" not in visible(render(gap)).split()


def test_the_recommended_system_is_held_against_every_other(whole):
    advised = replace(whole, advised=Advice("svm", "svm", 0), pairs=())
    page = visible(render(advised))
    assert "the paired differences below do" in page
    assert "SVM on functionals over …, UAR" in page
    for other in (system for system in whole.systems if system.name != "svm"):
        row = [
            f"{decimal(e.value, signed=True)} [{decimal(e.low, signed=True)}, "
            f"{decimal(e.high, signed=True)}]".replace("-.", "−.")
            for e in (advised.curves.difference("svm", other.name, budget=b) for b in BUDGETS)
        ]
        assert f"{other.label} {' '.join(row)}" in page


def test_many_comparisons_are_taken_together(whole):
    """Holm's p-values, from the paired differences; the sentence counts what stands."""
    advised = replace(whole, advised=Advice("svm", "svm", 0))
    others = [system.name for system in whole.systems if system.name != "svm"]
    together = p_values_against(whole.curves, "svm", others, budget=160)
    alone = {
        name: p_values_against(whole.curves, "svm", [name], budget=160)[name] for name in others
    }
    assert together == holm(alone)
    assert all(together[name] >= alone[name] for name in others)
    difference = whole.curves.difference("svm", "scratch_frozen", budget=160)
    assert difference.low > 0
    assert together["scratch_frozen"] < 0.05
    assert together["scratch_full"] > 0.05
    n = sum(p < 0.05 for p in together.values())
    assert f"by them {n} of {len(others)} differ at 5 %" in visible(render(advised))
    assert (
        p_values_against(
            result(run(n_speakers=1), n_replicates=20).curves, "svm", others, budget=160
        )
        == {}
    )


def test_one_speaker_has_no_intervals():
    alone = result(run(n_speakers=1), n_replicates=50)
    assert "no interval" in visible(render(alone))


# --- what a result refuses


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"systems": SYSTEMS[:-1]}, "found constant"),
        ({"systems": (*SYSTEMS, SYSTEMS[0])}, "found constant"),
        ({"pairs": (Pair("hubert", "scratch_full"),)}, "found hubert"),
    ],
)
def test_results_that_contradict_themselves_are_refused(whole, changes, message):
    with pytest.raises(UndertoneError, match=message):
        replace(whole, **changes)


def test_a_result_without_a_floor_is_refused():
    rest = {name: skill for name, skill in SKILL.items() if name != "constant"}
    with pytest.raises(UndertoneError, match="kind floor"):
        result(run(rest), n_replicates=20)


def test_any_synthetic_source_makes_the_result_synthetic(whole):
    pool = Source("pool", "unlabelled pool", "", "", synthetic=True)
    assert replace(whole, sources=(pool,)).synthetic
    assert not whole.synthetic
    assert whole.task.outputs == EMOTIONS
    assert whole.pairs == PAIRS
