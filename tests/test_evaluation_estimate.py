import json

import pytest

from undertone.evaluation.estimate import Difference, Estimate, decimal

NAN = float("nan")


def test_it_prints_value_and_interval():
    assert str(Estimate(0.783, 0.741, 0.82, 24)) == ".783 [.741, .820]"
    assert Estimate(-0.012, -0.05, 0.031, 24).signed() == "-.012 [-.050, +.031]"


@pytest.mark.parametrize(
    ("n_speakers", "text"),
    [(1, ".500 (no interval: 1 speaker)"), (0, ".500 (no interval: 0 speakers)")],
)
def test_without_an_interval_it_says_so(n_speakers, text):
    alone = Estimate(0.5, NAN, NAN, n_speakers)
    assert str(alone) == text
    assert not alone.has_interval
    assert not alone.excludes_zero


@pytest.mark.parametrize(
    ("low", "high", "excludes"),
    [
        (0.01, 0.2, True),
        (-0.2, -0.01, True),
        (-0.1, 0.1, False),
        (0.0, 0.1, False),
        (NAN, NAN, False),
    ],
)
def test_zero_is_excluded_only_by_a_whole_interval(low, high, excludes):
    assert Estimate(0.0, low, high, 10).excludes_zero is excludes


def test_decimals_lose_only_the_leading_zero():
    assert [decimal(v) for v in (0, 0.25, 1, -0.5, 12.3456)] == [
        ".000",
        ".250",
        "1.000",
        "-.500",
        "12.346",
    ]
    assert decimal(0.25, signed=True) == "+.250"
    assert decimal(-0.0001) == ".000"
    assert decimal(0.9999) == "1.000"
    assert decimal(NAN) == "n/a"


def test_json_has_null_where_there_is_no_end():
    assert json.loads(json.dumps(Estimate(0.5, NAN, NAN, 1).to_dict())) == {
        "value": 0.5,
        "low": None,
        "high": None,
        "n_speakers": 1,
    }


def test_a_difference_is_told_with_its_sign_wherever_it_is_told():
    from undertone.evaluation.report.told import spelled
    from undertone.recipes.reproduction import _text

    score, lost = Estimate(0.25, 0.1, 0.41, 10), Difference(0.25, 0.1, 0.41, 10)
    assert (_text(score, False), _text(lost, False)) == (".250\n.100–.410", "+.250\n+.100 to +.410")
    assert spelled(score.to_dict(), signed=False) == str(score) == ".250 [.100, .410]"
    assert spelled(lost.to_dict(), signed=False) == str(lost) == "+.250 [+.100, +.410]"
