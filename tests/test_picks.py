"""What to label next: laws of the strategies, whatever the vectors."""

import importlib.util

import numpy as np
import pytest

from undertone.annotation.picking import rival
from undertone.annotation.picking.geometry import NEIGHBOURS, Space
from undertone.annotation.picking.pick import DEFAULT, STRATEGIES, pick
from undertone.annotation.picking.situation import Situation
from undertone.annotation.picking.strategies import spread, unsure_and_spread
from undertone.errors import UndertoneError

OURS = [name for name, one in STRATEGIES.items() if not one.theirs]
ALL = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            one.theirs and importlib.util.find_spec("skactiveml") is None,
            reason="needs the extra picks",
        ),
    )
    for name, one in STRATEGIES.items()
]
EMOTIONS = ("anger", "fear", "neutral")


def clouds(rng, sizes=(40, 40, 40), n_values=12, apart=8.0):
    """Vectors around centres far from each other, and which cloud each is of."""
    centres = 3 + apart * np.eye(n_values)[: len(sizes)]
    which = np.repeat(np.arange(len(sizes)), sizes)
    return centres[which] + rng.normal(0, 1, (len(which), n_values)), which


def labels_of(which, positions):
    return {int(i): EMOTIONS[which[i]] for i in positions}


@pytest.mark.parametrize("strategy", ALL)
@pytest.mark.parametrize("n_labels", [0, 24])
def test_picks_are_new_distinct_and_explained(rng, strategy, n_labels):
    vectors, which = clouds(rng)
    known = rng.permutation(len(which))[:n_labels]
    left_out = [i for i in range(30) if i not in known]
    picks = pick(vectors, labels=labels_of(which, known), n=15, strategy=strategy, skip=left_out)
    positions = [one.index for one in picks]
    assert len(set(positions)) == 15
    assert not set(positions) & {*known.tolist(), *left_out}
    assert all(one.why and one.why[-1] != "." for one in picks)


@pytest.mark.parametrize("strategy", ALL)
def test_the_same_seed_gives_the_same_picks(rng, strategy):
    vectors, which = clouds(rng)
    labels = labels_of(which, range(0, 120, 5))
    once, again = (pick(vectors, labels=labels, n=8, strategy=strategy, seed=3) for _ in range(2))
    assert once == again


@pytest.mark.parametrize("strategy", ALL)
def test_where_few_are_left_all_of_them_are_picked(rng, strategy):
    vectors, which = clouds(rng)
    picks = pick(vectors, labels=labels_of(which, range(115)), n=50, strategy=strategy)
    assert sorted(one.index for one in picks) == list(range(115, 120))


@pytest.mark.parametrize("strategy", OURS)
@pytest.mark.parametrize("n", [1, 2, 30])
def test_utterances_that_are_all_the_same_can_be_picked(strategy, n):
    vectors = np.full((30, 4), 2.5)
    labels = {0: "anger", 1: "fear"} if n > 2 else {}
    picks = pick(vectors, labels=labels, n=5, strategy=strategy)[:n]
    assert len({one.index for one in picks}) == min(n, 5)
    assert pick(vectors[:1], n=4, strategy=strategy)[0].index == 0


def test_labels_as_a_column_and_by_position_are_the_same(rng):
    vectors, which = clouds(rng)
    column = [EMOTIONS[which[i]] if i % 5 == 0 else (None, "", np.nan)[i % 3] for i in range(120)]
    by_position = labels_of(which, range(0, 120, 5))
    assert pick(vectors, labels=column, n=6) == pick(vectors, labels=by_position, n=6)


def test_the_space_may_be_made_once(rng):
    vectors, which = clouds(rng)
    speakers = [f"s{i % 7}" for i in range(len(which))]
    labels = labels_of(which, range(0, 120, 5))
    space = Space.of(vectors, speakers=speakers)
    assert pick(space, labels=labels, n=6) == pick(vectors, labels=labels, speakers=speakers, n=6)


@pytest.mark.parametrize("n_utterances", [120, 2_400])
def test_distances_are_those_of_z_scores(rng, n_utterances):
    vectors = 5 + rng.normal(0, [0.1, 3, 40, 1], (n_utterances, 4))
    scores = (vectors - vectors.mean(0)) / vectors.std(0)
    points = Space.of(vectors).points
    for i, j in rng.integers(0, n_utterances, (20, 2)):
        expected = np.linalg.norm(np.clip(scores[i], -5, 5) - np.clip(scores[j], -5, 5))
        assert np.linalg.norm(points[i] - points[j]) == pytest.approx(expected, rel=1e-3)


def test_who_speaks_is_taken_off(rng):
    """Two voices far apart that say the same: without names they are two groups, with them one."""
    said = rng.normal(0, 1, (60, 6))
    vectors = np.concatenate([said, said + 4])
    apart = Space.of(vectors).near
    together = Space.of(vectors, speakers=["a"] * 60 + ["b"] * 60).near

    def ratio(points):
        between = np.linalg.norm(points[:60] - points[60:], axis=1).mean()
        return between / np.linalg.norm(points - points.mean(0), axis=1).mean()

    assert ratio(together) < 0.5
    assert ratio(apart) > 1.5


def test_typicality_is_one_over_the_distance_to_the_neighbours(rng):
    space = Space.of(rng.normal(2, 1, (60, 5)))
    distances = np.linalg.norm(space.near[:, None] - space.near[None], axis=2)
    expected = 1 / np.sort(distances, axis=1)[:, 1 : NEIGHBOURS + 1].mean(axis=1)
    np.testing.assert_allclose(space.typicality, expected, rtol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_spread_finds_what_is_rare(rng, seed):
    """Nine in ten are neutral: five typical picks are all of them, five far ones are not."""
    vectors, which = clouds(rng, sizes=(108, 6, 6))
    found = {which[one.index] for one in pick(vectors, n=10, strategy="spread", seed=seed)}
    assert found == {0, 1, 2}


@pytest.mark.parametrize("strategy", ["spread", "typical", "unsure+spread"])
def test_what_lies_apart_from_everything_is_not_what_is_picked(rng, strategy):
    """Three slips of the microphone, each like nothing else: far from all that is labelled."""
    vectors, which = clouds(rng, apart=3.0)
    slips = np.array([7, 60, 99])
    vectors[slips] = rng.normal(0, 40, (3, vectors.shape[1]))
    labels = labels_of(which, [i for i in range(0, 120, 6) if i not in slips])
    for given in ({}, labels):
        picks = pick(vectors, labels=given, n=8, strategy=strategy)
        assert not {one.index for one in picks} & set(slips.tolist())


def test_the_unsure_lie_between_emotions_and_the_reason_names_both(rng):
    vectors, which = clouds(rng, sizes=(50, 50))
    between = np.array([20, 70])
    vectors[between] = vectors[which == 0].mean(0) / 2 + vectors[which == 1].mean(0) / 2
    labels = labels_of(which, [i for i in range(0, 100, 4) if i not in between])
    picks = pick(vectors, labels=labels, n=2, strategy="unsure")
    assert {one.index for one in picks} == set(between.tolist())
    for one in picks:
        assert one.why.startswith("between anger and fear (.5") or "fear and anger" in one.why


def test_unsure_ones_are_spread(rng):
    """Two places of doubt, one with more in it: a batch of two has one of each."""
    vectors, which = clouds(rng, sizes=(60, 60, 60), apart=12.0)
    centres = [vectors[which == k].mean(0) for k in range(3)]
    crowded, lonely = np.arange(10, 40), np.arange(80, 100)
    vectors[crowded] = (centres[0] + centres[1]) / 2 + rng.normal(0, 0.3, (30, 12))
    vectors[lonely] = (centres[1] + centres[2]) / 2 + rng.normal(0, 0.3, (20, 12))
    doubt = {*crowded.tolist(), *lonely.tolist()}
    labels = labels_of(which, [i for i in range(0, 180, 5) if i not in doubt])
    first, second = (one.index for one in pick(vectors, labels=labels, n=2))
    assert (first in lonely) != (second in lonely)
    assert {first, second} <= doubt


def test_with_one_emotion_nobody_asks_a_model(rng):
    vectors, _ = clouds(rng)
    labels = dict.fromkeys(range(25), "anger")
    for strategy in ("unsure", "unsure+spread"):
        picks = pick(vectors, labels=labels, n=6, strategy=strategy, seed=2)
        assert picks == pick(vectors, labels=labels, n=6, strategy="spread", seed=2)


def test_a_recording_that_was_heard_is_not_heard_again_where_another_will_do(rng):
    """Pairs of segments alike, one of a recording that has a label."""
    vectors, which = clouds(rng, sizes=(40, 40))
    middle = (vectors[which == 0].mean(0) + vectors[which == 1].mean(0)) / 2
    vectors[10:14] = middle + rng.normal(0, 1e-3, (4, 12))
    recordings = [f"r{i}" for i in range(80)]
    recordings[10] = recordings[11] = recordings[12] = recordings[0]
    labels = labels_of(which, [i for i in range(0, 80, 4) if i != 12])
    (one,) = pick(vectors, labels=labels, recordings=recordings, n=1)
    assert one.index == 13


def test_speakers_take_turns_among_what_is_equally_typical(rng):
    points = np.repeat(np.array([[0.0, 0], [9, 9]]), 20, axis=0) + rng.normal(0, 1e-6, (40, 2))
    speakers = np.array(["a", "b"] * 20, dtype=object)
    space = Space(points.astype(np.float32), speakers, np.array([str(i) for i in range(40)]))
    known = {0: "anger", 2: "fear", 22: "anger"}
    left = np.setdiff1d(np.arange(40), list(known))
    situation = Situation(space, known, ("anger", "fear"), left, np.random.default_rng(0))
    ((index, _),) = spread(situation, 1)
    assert speakers[index] == "b"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategy": "clever"}, "there is no strategy 'clever'; there are random, typical"),
        ({"n": 0}, "from 1 on, found 0"),
        ({"labels": {200: "anger"}}, "labels are of utterances 0 to 119; found 200"),
        ({"labels": ["anger"]}, "for each of 120 utterances; found 1"),
        ({"skip": [-1]}, "skip are of utterances 0 to 119; found -1"),
        ({"speakers": ["a"]}, "one of speakers for each of 120 utterances; found 1"),
    ],
)
def test_what_cannot_be_is_refused(rng, change, message):
    vectors, _ = clouds(rng)
    with pytest.raises(UndertoneError, match=message.replace("(", r"\(")):
        pick(vectors, **({"n": 3} | change))


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused_by_position(rng, odd):
    vectors, _ = clouds(rng)
    vectors[17, 3] = odd
    with pytest.raises(UndertoneError, match="utterances 17 hold values that are no numbers"):
        pick(vectors, n=3)
    with pytest.raises(UndertoneError, match="found \\(0, 4\\)"):
        pick(np.zeros((0, 4)), n=3)


@pytest.mark.parametrize("strategy", ["badge", "coreset", "typiclust"])
def test_a_missing_extra_names_what_installs_it(rng, strategy, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    vectors, _ = clouds(rng)
    with pytest.raises(UndertoneError, match=r"pip install 'undertone-ser\[picks\]'"):
        pick(vectors, n=3, strategy=strategy)


def test_the_default_needs_no_extra(rng, monkeypatch):
    monkeypatch.setattr(rival, "needs", lambda *a, **k: pytest.fail("it asked for the extra"))
    vectors, which = clouds(rng)
    assert DEFAULT == "unsure+spread"
    assert STRATEGIES[DEFAULT].choose is unsure_and_spread
    assert len(pick(vectors, labels=labels_of(which, range(0, 120, 4)), n=5)) == 5
