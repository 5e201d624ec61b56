import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from evaluation_fakes import BUDGETS, EMOTIONS, SKILL, SYSTEMS, predictions, result

from undertone.errors import UndertoneError
from undertone.evaluation import plots
from undertone.evaluation.estimate import decimal
from undertone.evaluation.report import render, write_report
from undertone.evaluation.results import CurveResult, Pair, Source, System, results_table
from undertone.evaluation.summary import summarise


@pytest.fixture(scope="module")
def whole() -> CurveResult:
    return result()


@pytest.fixture(scope="module")
def page(whole) -> str:
    return render(whole)


def visible(page: str) -> str:
    """Text as a reader sees it, on one line."""

    class Text(HTMLParser):
        hidden = 0

        def handle_starttag(self, tag, attrs):
            self.hidden += tag in {"style", "title"}

        def handle_endtag(self, tag):
            self.hidden -= tag in {"style", "title"}

        def handle_data(self, data):
            if not self.hidden:
                self.words.append(data)

    parser = Text()
    parser.words = []
    parser.feed(page)
    return " ".join(" ".join(parser.words).split())


def with_skill(**skill: tuple[float, ...]) -> CurveResult:
    return result(predictions=predictions(SKILL | skill), n_replicates=200)


# --- the page


def test_the_page_fetches_nothing(page):
    assert "http" not in page
    assert not re.search(r"<(script|link|img|iframe)|@import|url\((?!#)", page)
    assert not re.search(r"\s(src|href)=\"(?!#)", page.replace("xlink:href", " href"))


def test_every_number_of_every_system_is_on_the_page(whole, page):
    text = visible(page)
    for system in whole.systems:
        assert system.label in text
        assert system.description in text
        for budget in BUDGETS:
            for metric in ("uar", "wa", "macro_f1"):
                found = whole.curves.estimate(system.name, budget, metric)
                assert decimal(found.value) in text
                assert f"[{decimal(found.low)}, {decimal(found.high)}]" in text
    for _, worths in whole.worths:
        for worth in worths:
            assert worth.phrase() in text
            assert decimal(worth.difference.value, signed=True).replace("-", "−") in text


def test_the_page_says_what_it_rests_on(whole, page):
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
    ):
        assert said in text, said


def test_synthetic_voices_are_announced_before_anything_else(page):
    assert visible(render(result(synthetic=True))).startswith(
        "The voices in this report are synthetic (twelve)"
    )
    assert "synthetic" not in visible(page)


def test_a_pool_with_test_speakers_and_warnings_are_announced():
    text = visible(render(result(transductive=True, warnings=("fold 1 is <small>",))))
    assert "Transductive setting." in text
    assert "The unlabelled pool held the test speakers." in text
    assert "fold 1 is <small>" in text  # escaped in the source, shown as it is


def test_the_same_result_gives_the_same_bytes(whole, page, tmp_path):
    write_report(whole, tmp_path / "run" / "report.html")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["curve.png", "report.html"]
    assert (tmp_path / "run" / "report.html").read_text(encoding="utf-8") == page
    first = (tmp_path / "run" / "curve.png").read_bytes()
    plots.save_png(whole, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == first


def test_a_thin_result_still_makes_a_page():
    """One budget, one draw, one emotion never predicted, nothing left out, no pairs."""
    table = predictions({"svm": (0.4,), "constant": (0.0,)}, budgets=(20,), n_draws=1)
    thin = result(
        predictions=table[table["truth"] != "fear"].replace({"prediction": {"fear": "anger"}}),
        systems=tuple(s for s in SYSTEMS if s.name in {"svm", "constant"}),
        pairs=(),
        budgets=(20,),
        n_draws=1,
        left_out=pd.DataFrame({"corpus": [], "reason": []}),
        pretraining=pd.DataFrame(),
        seconds={"all": 7000.0},
    )
    text = visible(render(thin))
    assert "Nothing was left out." in text
    assert "no pre-trained system beside the same network" in text
    assert "1.9 h" in text
    assert "1 draw of the labels" in text


def test_a_system_without_a_budget_leaves_a_dash_and_none_cells_stay_empty(whole):
    table = whole.predictions
    gap = result(
        predictions=table[(table["system"] != "scratch_full") | (table["budget"] > 20)],
        pretraining=pd.DataFrame({"fold": [0], "note": [None], "loss": [math.nan]}),
        n_replicates=50,
    )
    assert "<td>–</td>" in render(gap)
    assert "None" not in visible(render(gap))
    assert "nan" not in visible(render(gap)).split()


# --- the sentences


def test_a_gain_is_told_in_labels_and_its_end_too(whole):
    first = whole.worths[0][1][0]
    verdict = summarise(whole).verdict
    assert verdict.startswith(f"With 20 labels, pre-training is worth {first.phrase()}")
    assert verdict.endswith("with 160 labels no gain is measurable.")


def test_no_gain_is_said_plainly():
    same = dict.fromkeys(("pretrained_full", "pretrained_frozen"), (0.26, 0.36, 0.47, 0.60))
    level = with_skill(**same, scratch_frozen=(0.26, 0.36, 0.47, 0.60))
    assert "No gain from pre-training is measurable here" in summarise(level).verdict
    assert "No gain from pre-training is measurable here" in visible(render(level))


def test_worth_nothing_is_said_where_a_gain_is_excluded():
    one = predictions(SKILL)
    mine, twin = (one[one["system"] == f"{name}_frozen"] for name in ("pretrained", "scratch"))
    copy = twin.assign(system="pretrained_frozen")
    exact = result(
        predictions=pd.concat([one[~one.index.isin(mine.index)], copy]),
        pairs=(Pair("pretrained_frozen", "scratch_frozen", "encoder frozen"),),
        n_replicates=200,
    )
    assert summarise(exact).verdict.startswith("Pre-training is worth nothing here")


def test_harm_is_called_harm():
    low = dict.fromkeys(("pretrained_full", "pretrained_frozen"), (0.1, 0.1, 0.1, 0.1))
    found = summarise(with_skill(**low))
    assert "worth nothing here" in found.verdict
    assert "Somewhere it does harm" in found.verdict
    assert any("harm at 20" in finding for finding in found.findings)


def test_a_gain_that_turns_to_harm_says_both():
    turning = {
        "pretrained_full": (0.6, 0.6, 0.4, 0.2),
        "scratch_full": (0.2, 0.3, 0.5, 0.7),
    }
    assert "; with 160 labels it does harm" in summarise(with_skill(**turning)).verdict


def test_a_rival_that_wins_is_named_in_the_verdict():
    found = summarise(with_skill(svm=(0.8, 0.8, 0.8, 0.8)))
    assert found.verdict.endswith(
        "Yet SVM on functionals, without pre-training, scores higher with 20, 40, 80 and 160 "
        "labels."
    )
    assert any("it beats pre-trained" in finding for finding in found.findings)


def test_a_gain_at_the_last_budget_only_is_told_as_a_difference():
    late = {
        "pretrained_full": (0.26, 0.36, 0.47, 0.85),
        "pretrained_frozen": (0.22, 0.26, 0.29, 0.31),
    }
    assert "With 160 labels, pre-training gains +." in summarise(with_skill(**late)).verdict


def test_without_pairs_the_verdict_tells_where_the_recommended_system_stands():
    whole = with_skill(svm=(0.33, 0.43, 0.52, 0.9))
    svm = next(system for system in whole.systems if system.name == "svm")
    others = [system for system in whole.systems if system.name in ("logistic", "constant")]
    kept = whole.predictions["system"].isin(["svm", "logistic", "constant"])
    chosen = replace(
        whole,
        systems=(replace(svm, recommended=True), *others),
        pairs=(),
        predictions=whole.predictions[kept],
    )
    first, last = (chosen.curves.difference("svm", "logistic", budget=b) for b in (20, 160))
    assert not first.excludes_zero
    assert last.excludes_zero
    assert summarise(chosen).verdict == (
        "With 20 labels, the best of the others (logistic regression) and SVM on functionals "
        f"cannot be told apart ({first.signed()} in UAR); with 160 labels, SVM on functionals "
        f"beats the best of the others (logistic regression) ({last.signed()} in UAR)."
    )
    alone = replace(
        chosen,
        systems=tuple(others),
        predictions=chosen.predictions[chosen.predictions["system"] != "svm"],
    )
    assert "holds no pre-trained system" in summarise(alone).verdict


def test_the_recommended_system_is_held_against_every_other(whole):
    assert "less …" not in visible(render(replace(whole, pairs=())))
    assert "undertone compare" in visible(render(replace(whole, pairs=())))
    first, *others = whole.systems
    chosen = replace(whole, systems=(replace(first, recommended=True), *others), pairs=())
    page = visible(render(chosen))
    assert "the paired differences below do" in page
    assert f"{first.label} less …, UAR" in page
    for other in others:
        row = [
            f"{decimal(e.value, signed=True)} [{decimal(e.low, signed=True)}, "
            f"{decimal(e.high, signed=True)}]".replace("-.", "−.")
            for e in (chosen.curves.difference(first.name, other.name, budget=b) for b in BUDGETS)
        ]
        assert f"{other.label} {' '.join(row)}" in page


def test_bars_at_one_budget_stand_side_by_side(whole):
    one = whole.budgets[-1]
    kept = whole.predictions[whole.predictions["budget"] == one]
    axes = plots.curve_figure(replace(whole, budgets=(one,), predictions=kept)).axes[0]
    places = [line.get_xdata()[0] for line in axes.lines if line.get_marker() not in (None, "None")]
    assert len(places) == sum(system.kind != "floor" for system in whole.systems)
    assert len(set(places)) == len(places)


def test_the_recommended_system_is_named_first_and_described(whole):
    first, *others = whole.systems
    chosen = replace(whole, systems=(replace(first, recommended=True), *others))
    opening = summarise(chosen).findings[0]
    assert opening.startswith("Recommended is pre-trained, frozen, gRU pre-trained; encoder frozen")
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


def test_one_speaker_cannot_tell():
    alone = result(predictions=predictions(n_speakers=1), n_replicates=50)
    assert "cannot be known" in summarise(alone).verdict
    assert "no interval" in visible(render(alone))


# --- the pictures


def test_systems_differ_in_colour_marker_and_sign():
    looks = plots.styles(SYSTEMS)
    drawn = [looks[s.name] for s in SYSTEMS if s.kind != "floor"]
    for trait in ("colour", "marker", "glyph"):
        assert len({getattr(look, trait) for look in drawn}) == len(drawn)
    assert looks["constant"].variable == "muted"


def test_a_pretrained_system_in_two_pairs_has_a_hollow_sign_the_second_time():
    twice = (Pair("svm", "logistic"), Pair("svm", "constant"))
    assert plots.pair_glyphs(result(pairs=twice)) == ("▼", "▽")


def test_more_systems_than_colours_start_over():
    many = tuple(System(f"s{i}", f"s{i}", "classic", "") for i in range(10))
    assert plots.styles(many)["s8"].colour == plots.styles(many)["s0"].colour


def test_the_svg_follows_the_page_and_carries_text(whole):
    text = plots.svg(plots.curve_figure(whole), 'a "quoted" <description>')
    assert text.startswith('<svg role="img" aria-label="a \'quoted\' less than description>"')
    assert "var(--ink, #1b1f24)" in text
    assert "from scratch" in text
    assert "font-family" not in text
    assert "DejaVu" not in text


def test_curves_hold_the_values_and_chance(whole):
    lines = plots.curve_figure(whole).axes[0].get_lines()
    expected = [[whole.curves.estimate(s.name, b).value for b in BUDGETS] for s in whole.systems]
    np.testing.assert_allclose([line.get_ydata() for line in lines[:-1]], expected)
    np.testing.assert_allclose(lines[-1].get_ydata(), 1 / 7)


def test_names_beside_the_lines_do_not_overlap(whole):
    axes = plots.curve_figure(whole).axes[0]
    heights = sorted(text.xy[1] for text in axes.texts)
    low, high = axes.get_ylim()
    assert np.diff(heights).min() > 0.04 * (high - low)
    assert "constant, chance" in {text.get_text() for text in axes.texts}


# --- results


def test_one_row_a_fit_and_metric_in_a_stable_order(whole):
    table = results_table(whole)
    assert len(table) == len(SYSTEMS) * len(BUDGETS) * 3 * 3 * 3
    assert list(table["system"].unique()) == [system.name for system in SYSTEMS]
    assert (table["n_speakers"] == 4).all()
    assert (table["n_utterances"] == 112).all()
    shuffled = replace(whole, predictions=whole.predictions.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(results_table(shuffled), table)
    one = table.query("system == 'constant' and metric == 'uar'")["value"]
    assert one.tolist() == pytest.approx([1 / 7] * len(one))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"systems": SYSTEMS[:-1]}, "found constant"),
        ({"budgets": (20, 40)}, "at the budgets 20, 40; found 20, 40, 80, 160"),
        ({"pairs": (Pair("hubert", "scratch_full"),)}, "found hubert"),
    ],
)
def test_results_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(UndertoneError, match=message):
        result(**changes)


def test_a_result_without_a_floor_is_refused():
    rest = {name: skill for name, skill in SKILL.items() if name != "constant"}
    with pytest.raises(UndertoneError, match="kind floor"):
        result(systems=SYSTEMS[:-1], predictions=predictions(rest))


def test_an_unknown_kind_of_system_is_refused():
    with pytest.raises(UndertoneError, match="is of kind 'magic'; the kinds are pretrained"):
        System("x", "x", "magic", "")


def test_any_synthetic_source_makes_the_result_synthetic():
    pool = Source("pool", "unlabelled pool", "", "", synthetic=True)
    assert result(sources=(pool,)).synthetic
    assert not result().synthetic
    assert result().emotions == EMOTIONS
