"""Laws of finished plans beside those on who may be in which pool: draws, seeds, digests."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from corpora_fakes import fake_corpus
from plan_fakes import (
    curve_plan,
    curve_run,
    data_of,
    everyone,
    finetune_build,
    frames_of,
    labelled_table,
)

from undertone.corpora import emobox
from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import Fold
from undertone.corpora.official import official_folds
from undertone.corpora.pool import pool
from undertone.experiment.settings import ALL
from undertone.features.name import parse
from undertone.models.encoder import EncoderConfig
from undertone.pipeline import Resources
from undertone.reading import read_data
from undertone.systems import table
from undertone.systems.layers import Layers
from undertone.systems.plan import Data, Draws, Plan
from undertone.systems.table import ENCODER, FRAMES, System, advised
from undertone.tasks import AMOUNTS, Classes, Dimensions, Intensities, task_of
from undertone.training.normalise import Normaliser

OFFICIAL = {"train": ("s00", "s01", "s02", "s03"), "valid": ("s04", "s05"), "test": ("s06", "s07")}


@pytest.fixture(scope="module", params=["choice", AMOUNTS])
def data(request) -> Data:
    return data_of(request.param)


@pytest.fixture(scope="module")
def plans(data, tmp_path_factory) -> list[Plan]:
    """Of two seeds."""
    return [curve_plan(data, tmp_path_factory.mktemp("run"), seed=seed) for seed in (4, 5)]


def test_a_budget_is_all_the_labels_that_a_cell_sees(data, tmp_path):
    for cell in curve_plan(data, tmp_path, budgets=(12, 40), draws=1).cells:
        labels = cell.labels
        assert len({*labels.train, *labels.validation}) == cell.budget
        assert len(labels.train) + len(labels.validation) == cell.budget
        assert sorted(labels.utterances) == sorted([*labels.train, *labels.validation])
        assert len(labels.validation) <= 0.3 * cell.budget


def test_draws_are_nested_and_differ_by_number_and_seed(data, plans, tmp_path):
    one, other, same = (
        {
            (cell.fold, cell.draw, cell.budget): frozenset(cell.labels.utterances)
            for cell in plan.cells
        }
        for plan in (*plans, curve_plan(data, tmp_path))
    )
    assert one == same
    assert len(one) == 3 * 3 * 2
    assert len(set(one.values())) == len(one)
    assert not set(one.values()) & set(other.values())
    for fold, draw, _ in one:
        assert one[fold, draw, 4] < one[fold, draw, 12]


def test_names_and_seeds_are_of_one_cell_and_one_run(plans):
    names = [cell.name for cell in plans[0].cells]
    assert len(set(names)) == len(names) == 18
    seeds = [plan.problem(cell, None).seed for plan in plans for cell in plan.cells]
    assert len(set(seeds)) == 36


def test_random_encoders_differ_between_folds_and_runs(data, plans):
    n, seen = len(data.frames.columns), set()
    normaliser = Normaliser(np.full(n, 3, np.float32), np.full(n, 0.2, np.float32), 4)
    for plan in plans:
        small = replace(plan, shape=EncoderConfig(4, 1, stride=4))
        for fold in plan.folds:
            weights = small.material(fold, normaliser).encoder("random").state_dict()
            seen.add(tuple(next(iter(weights.values())).ravel().tolist()))
    assert len(seen) == 6


def test_folds_follow_the_seed_of_the_run(tmp_path):
    data = data_of("choice")
    folds = [curve_run(data, tmp_path, seed=seed).folds for seed in range(3)]
    builds = [finetune_build(data, system="constant", seed=seed) for seed in range(3)]
    for of_all in (folds, [build.folds[:-1] for build in builds]):
        assert len({str(one) for one in of_all}) > 1


def test_folds_that_were_published_stand_in_for_our_own(tmp_path, monkeypatch):
    data, published = data_of("choice"), [Fold(0, ("s03",), ("s01", "s02"))]
    asked = []
    monkeypatch.setattr(emobox, "disjoint_folds", lambda *what: asked.append(what) or published)
    plan = curve_plan(data, tmp_path, fold_files="/published", budgets=(4,), draws=1)
    assert asked == [(Path("/published"), data.corpus)]
    assert {plan.speaker[name] for name in plan.folds[0].test} == {"s03"}


def test_all_labels_are_those_of_the_training_speakers(data, tmp_path):
    plan = curve_plan(data, tmp_path, budgets=(4, ALL), draws=1)
    speaker = everyone(data)
    every = [cell for cell in plan.cells if cell.budget != 4]
    for cell in every:
        tested = {speaker[name] for name in plan.folds[cell.fold].test}
        expected = {name for name in plan.truth if speaker[name] not in tested}
        assert set(cell.labels.utterances) == expected
    assert {cell.budget for cell in every} == {max(len(c.labels.utterances) for c in every)}


def test_where_the_pool_holds_test_speakers_nothing_else_does(data, plans, tmp_path):
    """They are pre-trained on, and that is all that was asked for."""
    plan = curve_plan(data, tmp_path, transductive=True)
    speaker, honest = everyone(data), plans[0]
    for cell, as_ever in zip(plan.cells, honest.cells, strict=True):
        fold = plan.folds[cell.fold]
        tested = {speaker[name] for name in fold.test}
        problem = plan.problem(cell, plan.material(cell.fold, Normaliser(*np.ones((2, 1)))))
        assert set(plan.truth) == set(fold.pool[0][1])
        assert cell == as_ever
        assert set(problem.truth) == set(problem.speaker) == set(cell.labels.utterances)
        assert not tested & set(problem.material.crowd.values())
        assert problem.material.crowd == honest.folds[cell.fold].crowd


# --- what a run depends on


def digest_of(data: Data, folds=None, **changes) -> str:
    data = replace(data, **changes)
    folds = folds or [Fold(0, ("s06", "s07"), ("s00", "s01"))]
    pools = [(fold, pool(data.corpus, [], fold), []) for fold in folds]
    return data.plan(pools, Draws((6,)), shape=EncoderConfig(), seed=4).digest()


def test_a_digest_follows_everything_that_is_heard_or_told_and_nothing_else(data):
    def heard_anew(name):
        return replace(data.frames, keys=data.frames.keys | {name: "changed"})

    def told_anew(column, value):
        table = data.corpus.table.copy()
        table.loc[0, column] = value
        return replace(data.corpus, table=table)

    before = digest_of(data)
    assert digest_of(data) == before
    for name in ("s00-anger-0", "s06-anger-1", "u-unlabelled"):  # learned from, tested, the crowd
        assert digest_of(data, frames=heard_anew(name)) != before, name
    assert digest_of(data, frames=heard_anew("u-nobody")) == before
    of_task = {"emotion": "sadness"} if data.task.kind == "choice" else {"happy": 2.9}
    for column, value in (of_task | {"speaker": "s01"}).items():
        assert digest_of(data, corpus=told_anew(column, value)) != before, column
    assert digest_of(data, folds=[Fold(0, ("s06",), ("s00", "s01"))]) != before
    other = replace(data.task, outputs=data.task.outputs[::-1])
    assert digest_of(data, task=other) != before


# --- official folds


def official_corpus() -> Corpus:
    """It tells who trains and who is tested; of a validation and a test speaker one label lacks."""
    table = labelled_table("choice")
    part = {who: name for name, speakers in OFFICIAL.items() for who in speakers}
    table = table.assign(split=table["speaker"].map(part), video=table["speaker"])
    for who in ("s04", "s06"):
        first = table.index[table["speaker"] == who][0]
        table.loc[first, "emotion"] = None
    return replace(fake_corpus(table), official_folds=True)


def test_who_validates_officially_neither_trains_nor_is_tested():
    assert official_folds(official_corpus()) == [Fold(0, OFFICIAL["test"], OFFICIAL["train"])]


@pytest.fixture
def official(tmp_path, monkeypatch) -> Data:
    corpus = official_corpus()
    frames = frames_of(corpus)
    monkeypatch.setattr("undertone.reading.read_frames", lambda c, f, r, **_: (c, frames))
    return read_data(corpus, parse("log_mel"), task_of(corpus.table, "fake"), Resources(tmp_path))


def test_the_official_parts_keep_their_roles(official, tmp_path):
    run = curve_run(official, tmp_path, draws=1)
    build = finetune_build(official, system="constant", folds=5)
    for plan in (replace(run, unlabelled=()).plan(), build.plan):
        fold, speaker = plan.folds[0], everyone(official)
        assert {speaker[name] for name in fold.test} == set(OFFICIAL["test"])
        assert len(fold.test) == 23  # of 24, one has no label
        names = {name for _, names in fold.pool for name in names}
        assert {speaker[name] for name in names} == set(OFFICIAL["train"])
        assert set(fold.crowd) == names | {"u-unlabelled"}
        for cell in plan.cells:
            if cell.fold == 0:
                assert {speaker[n] for n in cell.labels.utterances} <= set(OFFICIAL["train"])
    assert run.data.corpus.unit == run.tested(run.plan()).unit == "video"
    assert len(build.folds) == 2
    everybody = build.plan.folds[1]
    assert everybody.test == ()
    assert set(everybody.crowd.values()) == {*OFFICIAL["train"], *OFFICIAL["test"]}


def test_utterances_without_a_label_are_known_by_their_speakers(official):
    assert set(official.unlabelled) >= {"u-unlabelled", "s06-anger-0"}
    assert not set(official.unlabelled) & set(official.corpus.table["utterance"])
    assert all(isinstance(who, str) for who in official.unlabelled.values())


# --- what a report owes its reader


def test_everything_that_was_left_out_is_counted(tmp_path):
    data = data_of("choice")
    run = curve_run(data, tmp_path)
    (same, _), (other, frames) = run.unlabelled
    other = other.drop(dict.fromkeys(other.table["utterance"][:3], "too short"))
    run = replace(run, unlabelled=((same, _), (other, frames)))
    found = set(run._left_out().itertuples(index=False, name=None))
    assert {("fake", "no emotion label", 2), ("other", "too short", 3)} <= found
    pooled = ("fake", "from the pool: a test speaker of this fold (sum over folds)", 93)
    assert pooled in found  # each labelled utterance is tested once


# --- the table of systems


@pytest.mark.parametrize(
    ("task", "frames", "pretrained", "name"),
    [
        (Classes(("a", "b")), FRAMES, True, "combined"),
        (Classes(("a", "b")), FRAMES, False, "descriptors"),
        (Classes(("a", "b")), ENCODER, False, "layers"),
        (Intensities(), FRAMES, True, "pretrained_frozen"),
        (Intensities(), FRAMES, False, "functionals_ridge"),
        (Intensities(), ENCODER, False, "linear"),
        (Dimensions(), FRAMES, True, "pretrained_frozen"),
        (Dimensions(), FRAMES, False, "descriptors"),
        (Dimensions(), ENCODER, False, "layers"),
    ],
)
def test_what_is_advised_is_what_the_documents_recommend(task, frames, pretrained, name):
    assert advised(task, frames, pretrained=pretrained) == name


def test_a_control_is_never_advised_and_what_is_recommended_is(monkeypatch):
    def row(name, kind, **changes):
        return System(name, name, kind, "", None, **changes)

    control, plain = row("control", "control", recommended=True), row("plain", "scratch")
    classic, best = row("classic", "classic"), row("best", "scratch", recommended=True)
    for rows, name in {
        (control, plain): "plain",
        (control, plain, classic): "classic",
        (plain, classic, best): "best",
    }.items():
        monkeypatch.setattr(table, "ROWS", rows)
        assert advised(Classes(("a", "b")), FRAMES, pretrained=False) == name


def test_the_frames_of_a_plan_reach_its_material(tmp_path):
    """At their rate, with their layers, and in memory where they are few."""
    data = data_of("choice")
    layers = Layers(data.frames, data.frames, 1, range(1))
    data = replace(data, frames=replace(data.frames, frames_per_second=50.0), layers=layers)
    plan = curve_plan(data, tmp_path, budgets=(4,), draws=1)
    n = len(data.frames.columns)
    normaliser = Normaliser(np.full(n, 3, np.float32), np.full(n, 0.2, np.float32), 4)
    material = plan.material(1, normaliser)
    assert (material.frames_per_second, material.layers) == (50.0, layers)
    assert material.columns == data.frames.columns
    assert not material.lazy
