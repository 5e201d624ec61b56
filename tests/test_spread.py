"""The same number of labels from few speakers and from many."""

from types import SimpleNamespace

import numpy as np
import pytest

from undertone.evaluation.estimate import Estimate
from undertone.experiment.more_speakers import with_more_speakers
from undertone.systems.plan import Cell
from undertone.systems.spread import FEW, SPREAD, halves, of_twice
from undertone.tasks import Classes
from undertone.tasks.draws import LabelDraw

GAIN = Estimate(0.06, 0.03, 0.09, n_speakers=9)


def a_plan(n_speakers: int, n_each: int) -> tuple[SimpleNamespace, list[Cell]]:
    """All labels of a fold, of two emotions by turns."""
    names = [f"s{i}-{k}" for i in range(n_speakers) for k in range(n_each)]
    truth = {name: np.eye(2)[int(name[-1]) % 2] for name in names}
    speaker = {name: name.partition("-")[0] for name in names}
    plan = SimpleNamespace(speaker=speaker, truth=truth, task=Classes(("anger", "neutral")))
    return plan, [Cell(0, 0, len(names), LabelDraw(names, []))]


@pytest.mark.parametrize(("n_speakers", "times"), [(8, 2.0), (5, 2.5), (7, 7 / 3)])
def test_what_twice_the_speakers_bring_is_by_how_many_really_spoke(n_speakers, times):
    plan, cells = a_plan(n_speakers, n_each=8)
    twice = of_twice(GAIN, plan, halves(plan, cells, seed=3, n_draws=2))
    assert twice.value == pytest.approx(0.06 / np.log2(times))
    assert (twice.low, twice.high) == pytest.approx((twice.value / 2, twice.value * 1.5))
    assert twice.n_speakers == 9


def test_nothing_is_said_where_labels_from_all_reach_hardly_more_speakers():
    plan, _ = a_plan(16, n_each=1)
    few, spread = [LabelDraw([f"s{i}-0" for i in range(n)], []) for n in (8, 10)]
    apart = {FEW: [Cell(0, 0, 16, few)], SPREAD: [Cell(0, 0, 16, spread)]}
    assert of_twice(GAIN, plan, apart) is None


def test_an_encoder_is_not_trained_again_to_ask_after_speakers():
    result = SimpleNamespace(
        advice=SimpleNamespace(system="encoder_full"), first_look="", unit="speaker"
    )
    row = SimpleNamespace(name="encoder_full", kind="classic", trains_all=True)
    sweep = SimpleNamespace(rows=[row])  # it has no plan, which would be asked
    assert with_more_speakers(result, sweep, None) is result
