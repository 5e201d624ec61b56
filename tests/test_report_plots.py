"""The pictures of a report."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_fakes import BUDGETS, SYSTEMS, Pair, System, amounts_result, result, run

from undertone.evaluation.report import plots
from undertone.evaluation.report.result import CurveResult


@pytest.fixture(scope="module")
def whole() -> CurveResult:
    return result()


def test_bars_at_one_budget_stand_side_by_side():
    one = result(run().only(budgets=BUDGETS[-1:]), n_replicates=50)
    axes = plots.curve_figure(one).axes[0]
    places = [line.get_xdata()[0] for line in axes.lines if line.get_marker() not in (None, "None")]
    assert len(places) == sum(system.kind != "floor" for system in one.systems)
    assert len(set(places)) == len(places)


def test_systems_differ_in_colour_marker_and_sign():
    looks = plots.styles(SYSTEMS)
    drawn = [looks[s.name] for s in SYSTEMS if s.kind != "floor"]
    for trait in ("colour", "marker", "glyph"):
        assert len({getattr(look, trait) for look in drawn}) == len(drawn)
    assert looks["constant"].variable == "muted"


def test_a_pretrained_system_in_two_pairs_has_a_hollow_sign_the_second_time(whole):
    twice = (Pair("svm", "logistic"), Pair("svm", "constant"))
    assert plots.pair_glyphs(replace(whole, pairs=twice)) == ("▼", "▽")


def test_more_systems_than_colours_never_take_a_first_one_again():
    many = tuple(System(f"s{i}", f"s{i}", "classic", "") for i in range(12))
    looks = plots.styles(many)
    first = {looks[f"s{i}"].colour for i in range(3)}
    assert not first & {looks[f"s{i}"].colour for i in range(3, 12)}
    assert len({look.marker for look in looks.values()}) == 12
    assert len({look.glyph for look in looks.values()}) == 12


def test_the_svg_follows_the_page_and_carries_text(whole):
    text = plots.svg(plots.curve_figure(whole), 'a "quoted" <description>')
    assert text.startswith('<svg role="img" aria-label="a \'quoted\' less than description>"')
    assert "var(--ink, #1b1f24)" in text
    assert "from scratch" in text
    assert "font-family" not in text
    assert "DejaVu" not in text


def test_curves_hold_the_values_and_chance(whole):
    axes = plots.curve_figure(whole).axes[0]
    expected = [[whole.curves.estimate(s.name, b).value for b in BUDGETS] for s in whole.systems]
    np.testing.assert_allclose([line.get_ydata() for line in axes.get_lines()[:-1]], expected)
    np.testing.assert_allclose(axes.get_lines()[-1].get_ydata(), 1 / 7)
    assert axes.get_ylabel() == "UAR"


def test_names_beside_the_lines_do_not_overlap(whole):
    axes = plots.curve_figure(whole).axes[0]
    heights = sorted(text.xy[1] for text in axes.texts)
    low, high = axes.get_ylim()
    assert np.diff(heights).min() > 0.04 * (high - low)
    assert "constant, chance" in {text.get_text() for text in axes.texts}


def test_a_curve_of_errors_says_that_lower_is_better_and_has_no_chance():
    errors = amounts_result()
    axes = plots.curve_figure(errors).axes[0]
    assert axes.get_ylabel() == "MAE (lower is better)"
    assert len(axes.get_lines()) == len(errors.systems)
    gains = plots.difference_figure(errors).axes[0]
    assert gains.get_ylabel() == "gain in MAE"
    first = gains.get_lines()[0].get_ydata()
    assert first == pytest.approx([w.difference.value for w in errors.worths[0][1]])
    assert first[0] > 0
