"""What another corpus costs: who is in which arm, and what the numbers say."""

import json
import math
import re

import numpy as np
import pytest
from page_text import visible
from test_across import corpus_of, finished, one, other, resources, run_of, specs
from test_cli import run as run_cli

from undertone import config
from undertone.errors import UndertoneError
from undertone.evaluation.report import shifts as said
from undertone.evaluation.report import told
from undertone.evaluation.shift import ACROSS, INSIDE, MIXED, Asked, Names, Needed, Shift, measure
from undertone.experiment import CurveSettings
from undertone.experiment.shifting import Arms
from undertone.tasks import Classes
from undertone.tasks.draws import LabelDraw

__all__ = ["finished", "resources", "specs"]  # fixtures
TASK = Classes(("anger", "sadness"))


@pytest.fixture
def arms(tmp_path) -> Arms:
    run = run_of([one("a"), one("b"), other("c", n_speakers=4)], tmp_path, 2, draws=3)
    return Arms(run, run.sweep(run.plan()), "c")


def test_every_arm_hears_whom_it_should_and_nobody_tested(arms):
    plan, n_inside = arms.plan, len(arms.inside)
    assert n_inside == 2
    for number, fold in plan.folds.items():
        tested = {plan.speaker[name] for name in fold.test}
        assert {corpus_of(name) for name in fold.test} == {"c"}
        assert len(tested) == 2
        heard = [*fold.crowd, *(name for _, names in fold.pool for name in names)]
        assert not {plan.speaker[name] for name in heard} & tested
        wanted = {"c"} if number < n_inside else {"a", "b", "c"}
        assert {corpus_of(name) for name in fold.crowd} == wanted
        assert {corpus_of(name) for name in heard} == wanted
    every = [name for number in range(n_inside) for name in plan.folds[number].test]
    assert sorted(every) == sorted(arms.own.table["utterance"]), "each speaker is tested once"


def test_labels_are_those_of_the_run_and_of_the_arm_inside(arms):
    plan, at = arms.plan, arms.at
    assert (at, arms.back) == (12, (10,))
    given = arms._given_across()
    by_cell = {(cell.fold, cell.draw, cell.budget): cell.labels for cell in plan.cells}
    for fold in range(2):
        for draw in range(3):
            inside = by_cell[fold, draw, 10]
            assert {corpus_of(name) for name in inside.utterances} == {"c"}
            assert len(inside.utterances) == 10
            assert by_cell[fold + 2, draw, at] == given[draw]
            mixed = by_cell[fold + 2, draw, at + 10]
            assert mixed == LabelDraw(
                [*given[draw].train, *inside.train], [*given[draw].validation, *inside.validation]
            )
            tested = {plan.speaker[name] for name in plan.folds[fold].test}
            assert not {plan.speaker[name] for name in mixed.utterances} & tested
    assert {corpus_of(n) for of in given.values() for n in of.utterances} == {"a", "b"}


def shift_of(skill: dict[tuple[str, int], float], n_speakers: int = 12, at: int = 100) -> Shift:
    """Predictions that are right with a probability of their own, by arm and number of labels."""
    rng = np.random.default_rng(3)
    n_rows = 40 * n_speakers
    truth = np.eye(2)[rng.integers(0, 2, n_rows)]
    chance = rng.random((5, n_rows))  # the same for all arms: more skill, never less right
    predictions = {
        key: np.where((chance < p)[:, :, None], truth, 1 - truth) for key, p in skill.items()
    }
    speakers = tuple(f"c/s{i % n_speakers:02d}" for i in range(n_rows))
    sexes = tuple(("female", "male", None)[i % n_speakers % 3] for i in range(n_rows))
    return measure(
        predictions,
        Asked(TASK, truth, speakers, sexes, 400),
        Names("a", "c", "descriptors"),
        at=at,
    )


SKILL = {
    (INSIDE, 10): 0.60,
    (INSIDE, 20): 0.66,
    (INSIDE, 100): 0.80,
    (ACROSS, 100): 0.66,
    (MIXED, 0): 0.70,
    (MIXED, 10): 0.75,
    (MIXED, 20): 0.86,
}


def test_what_is_lost_is_the_paired_difference():
    shift = shift_of(SKILL)
    lost = shift.lost(100)
    assert lost.value == pytest.approx(0.14, abs=0.02)
    assert 0.1 < lost.low < lost.value < lost.high < 0.18
    by_output = [shift.lost(100, output).value for output in TASK.outputs]
    assert np.mean(by_output) == pytest.approx(lost.value)
    assert shift.hearing.value == pytest.approx(0.04, abs=0.02)
    assert shift.beside(10).value == pytest.approx(0.15, abs=0.03)
    assert shift.short(20).value < 0 < shift.short(10).value
    told = said.sentences(shift)
    assert "With 100 labels of a, descriptors scores UAR" in told[0]
    assert told[0].endswith(f"{lost.signed()} is lost.")


def test_a_table_tells_differences_as_the_sentences_do():
    shift = shift_of(SKILL)
    by_labels, back, by_output, by_sex, _ = said.tables(shift)
    lost = shift.lost(100).signed()
    assert lost.startswith("+")
    assert lost in said.sentences(shift)[0]
    scores, last = by_labels.rows[:-1], by_labels.rows[-1]
    assert str(last.cells[-1]) == lost
    assert all(not str(row.cells[-1]).startswith("+") for row in scores)
    assert str(by_output.rows[0].cells[-1]) == lost
    assert all(str(row.cells[-1])[0] in "+-" for row in by_sex.rows)
    gain, short = back.rows[2:]
    assert str(gain.cells[1]) == shift.beside(10).signed()
    assert str(short.cells[1]) == shift.short(10).signed()
    plain = told._plain(by_labels)
    assert list(told.texts(plain))[-1][-1] == lost, "as it is stored, too"
    assert str(by_labels.rows[0].cells[-1]) == next(told.texts(plain))[-1]


def test_labels_that_win_it_back_lie_where_the_curves_meet():
    shift = shift_of(SKILL)
    needed, heights = shift.won_back, [shift.curves.height(MIXED, m)[0] for m in (10, 20)]
    goal = shift.curves.height(INSIDE, 100)[0]
    share = (goal - heights[0]) / (heights[1] - heights[0])
    oracle = 110 * (120 / 110) ** share - 100  # straight over the logarithm of all labels
    assert 10 < needed.labels < 20
    assert needed.labels == pytest.approx(oracle)
    assert needed.low <= needed.labels <= needed.high
    assert shift.alone.labels == pytest.approx(20, abs=4)
    assert any(
        "of c beside the 100 of a reach what 100 of c alone give" in s
        for s in said.sentences(shift)
    )


def test_what_is_not_won_back_is_said_with_the_most_that_was_tried():
    shift = shift_of(SKILL | {(MIXED, 20): 0.71, (MIXED, 10): 0.7})
    assert shift.won_back.labels == math.inf
    assert shift.to_dict()["won_back"]["labels"] is None
    assert any("not within 20 labels" in sentence for sentence in said.sentences(shift))


def test_no_loss_is_told_with_the_most_that_may_be_lost():
    shift = shift_of(SKILL | {(ACROSS, 100): 0.80})
    assert "no loss is measurable; nothing worth naming is lost (at most .000)" in said.loss(shift)
    near = shift_of(SKILL | {(ACROSS, 100): 0.795, (INSIDE, 100): 0.80}, n_speakers=6)
    if not near.lost(100).excludes_zero:
        assert "at most +" in said.loss(near)
    better = shift_of(SKILL | {(ACROSS, 100): 0.9})
    assert "a teaches better" in said.loss(better)
    assert not any("win" in s or "reach what 100 of c" in s for s in said.sentences(better))


def test_the_fewest_labels_may_be_more_than_enough():
    shift = shift_of(SKILL | {(ACROSS, 100): 0.52})
    assert "c alone reaches what 100 of a give on it with 10 labels or fewer." in said.sentences(
        shift
    )


def test_sexes_and_speakers_are_scored_apart():
    shift = shift_of(SKILL)
    assert set(shift.by_sex) == {"female", "male"}
    assert [of.n_speakers for of in shift.by_sex.values()] == [4, 4]
    assert len(shift.of_speakers) == 12
    losses = [one.lost for one in shift.of_speakers]
    assert losses == sorted(losses, reverse=True)
    assert np.mean(losses) == pytest.approx(shift.lost(100).value, abs=0.02)


def test_a_number_of_labels_is_told_with_its_ends():
    assert Needed(1.0, 0.0, 3.0, 20).phrase() == "1 label [0, 3]"
    assert Needed(5.0, math.nan, math.nan, 20).phrase() == "5 labels"


def test_a_run_shows_its_shift_on_page_terminal_and_as_json(finished):
    (shift,) = json.loads((finished / "shift.json").read_text())
    assert (shift["learned_from"], shift["tested"]) == ("near", "far")
    assert shift["labels"] == 12
    assert set(shift["beside"]) == {"0", "4", "8"}
    assert {one["sex"] for one in shift["by_speaker"]} == {"female", "male"}
    page = visible((finished / "report.html").read_text())
    assert "From near to far: what is lost, and what wins it back" in page
    assert re.search(r"With 12 labels of near, .* scores UAR .* on far", page)
    for sentence in shift["sentences"]:
        assert sentence.split(";")[0][:40].replace("-.", "−.") in page
    raw = (finished / "report.html").read_text()
    lost = re.search(r'<th scope="row">lost</th>(.*?)</tr>', raw, re.S).group(1)
    values = re.findall(r'<span class="value">([^<]*)<', lost)
    assert values
    assert all(value[0] in "+−" or value == ".000" for value in values)
    (table,) = (one for one in shift["tables"] if one["rows"][-1][0] == "lost")
    assert [cell.split()[0].replace("-", "−") for cell in table["rows"][-1][1:]] == values
    fits = list((finished / "shift" / "0" / "fits" / "descriptors").glob("*.npz"))
    assert len(fits) == 2 * 2 * (3 + 3)  # folds, draws, 4, 8 and 12 inside, 0, 4 and 8 beside


def test_the_command_prints_the_shift(finished, resources):
    arguments = ("curve", "--config", finished / "config.toml", "--out", finished, "--quiet")
    done = run_cli(*arguments, "--cache", resources.cache, "--workers", 1)
    for sentence in json.loads((finished / "shift.json").read_text())[0]["sentences"]:
        assert done.stdout.count(sentence) == 1
    assert done.stdout.count("With 12 labels of near") == 1
    assert "beside 12 of near" in done.stdout


def test_a_system_that_the_run_lacks_is_refused(specs):
    values = {"corpus": specs[0], "across": {"test": [specs[1]], "system": "svm"}}
    with pytest.raises(UndertoneError, match=r"across\.system is one of the systems of the run"):
        config.load(CurveSettings, values | {"systems": ["linear", "constant"]})
