"""Krippendorff's alpha, against a worked example, an oracle, and its laws."""

import itertools

import numpy as np
import pytest

from undertone.errors import UndertoneError
from undertone.evaluation.agreement import agreement

# Three coders, fifteen units, as in the worked example of Krippendorff's computation of 2011.
EXAMPLE = ("*****34121133*3", "1*213343*******", "**21344*21133*4")


def _ratings():
    return [
        (unit, int(value)) for coder in EXAMPLE for unit, value in enumerate(coder) if value != "*"
    ]


def _of(values, units, **more):
    return agreement(
        np.asarray(values, float), units=list(map(str, units)), speakers=[None] * len(units), **more
    )


def test_alpha_is_that_of_the_worked_example():
    units, values = zip(*_ratings(), strict=True)
    nominal = _of(np.eye(5)[list(values)], units)
    interval = _of(np.array(values)[:, None], units)
    assert nominal.alpha.value == pytest.approx(0.691, abs=5e-4)
    assert interval.alpha.value == pytest.approx(0.811, abs=5e-4)
    assert nominal.n_ratings == interval.n_ratings == 26


def _slow(values, units):
    """From the definition: pairs, one by one."""
    by_unit = {}
    for value, unit in zip(values, units, strict=True):
        by_unit.setdefault(unit, []).append(value)
    paired = {u: v for u, v in by_unit.items() if len(v) > 1}
    everyone = [value for own in paired.values() for value in own]
    n = len(everyone)
    distance = lambda a, b: float(((a - b) ** 2).sum())  # noqa: E731
    within = sum(
        distance(a, b) / (len(own) - 1)
        for own in paired.values()
        for a, b in itertools.permutations(own, 2)
    )
    among = sum(distance(a, b) for a, b in itertools.permutations(everyone, 2))
    return 1 - (within / n) / (among / (n * (n - 1)))


def test_alpha_is_its_definition():
    rng = np.random.default_rng(3)
    for n_values in (1, 4):
        units = rng.integers(0, 12, size=40)
        values = rng.normal(size=(40, n_values)) + 0.7 * (units[:, None] % 3)
        assert _of(values, units).alpha.value == pytest.approx(_slow(values, units))


def test_alpha_is_one_of_full_agreement_and_near_zero_of_none():
    units = np.repeat(np.arange(300), 2)
    emotions = np.repeat(np.arange(300) % 3, 2)
    assert _of(np.eye(3)[emotions], units).alpha.value == 1
    chance = np.random.default_rng(0).integers(0, 3, size=600)
    assert abs(_of(np.eye(3)[chance], units).alpha.value) < 0.12


def test_raters_of_one_speaker_make_the_interval_wide():
    rng = np.random.default_rng(1)
    units = np.repeat(np.arange(120), 2)
    speaker = units // 12
    agrees = speaker % 2 == 0  # all or nothing, by speaker
    first = rng.integers(0, 3, size=120)
    second = np.where(agrees[::2], first, rng.integers(0, 3, size=120))
    values = np.eye(3)[np.column_stack([first, second]).ravel()]
    names = list(map(str, units))
    by_speaker = agreement(values, units=names, speakers=[f"s{s}" for s in speaker]).alpha
    by_unit = agreement(values, units=names, speakers=[None] * 240).alpha
    assert by_speaker.value == by_unit.value
    assert by_speaker.high - by_speaker.low > 1.5 * (by_unit.high - by_unit.low)
    assert by_speaker.n_speakers == 10


def test_nothing_is_told_of_single_ratings_and_an_interval_needs_two_speakers():
    assert _of(np.eye(2)[[0, 1]], [0, 1]) is None
    assert _of(np.zeros((0, 2)), []) is None
    assert not _of(np.eye(2)[[0, 1]], [0, 0]).alpha.has_interval
    assert np.isnan(_of(np.eye(2)[[0, 0, 0, 0]], [0, 0, 1, 1]).alpha.value)
    with pytest.raises(UndertoneError, match="a unit and a speaker"):
        agreement(np.eye(2), units=["a"], speakers=[None])
