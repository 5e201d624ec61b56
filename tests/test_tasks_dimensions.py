"""The task of dimensions: its metrics against oracles, its scale, its proxy."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.corpora.proxy import with_proxy
from undertone.errors import UndertoneError
from undertone.tasks import Dimensions, Intensities, task_of
from undertone.tasks.agreement import ccc, mae, pearson
from undertone.tasks.dimensions import DIMENSIONS, PROXIES
from undertone.tasks.rows import Rows


def expected_ccc(truth, prediction):
    covariance = np.cov(truth, prediction, bias=True)[0, 1]
    apart = (truth.mean() - prediction.mean()) ** 2
    return 2 * covariance / (truth.var() + prediction.var() + apart)


@pytest.fixture
def rows(rng):
    """Seven speakers of unequal many utterances, on a scale far from 0."""
    speaker = np.repeat(np.arange(7), [3, 9, 4, 12, 5, 8, 6])
    truth = 4 + rng.normal(size=(7, 3))[speaker] + rng.normal(scale=0.7, size=(len(speaker), 3))
    return Rows(truth, 3.5 + 0.4 * truth + rng.normal(size=truth.shape), speaker)


def repeated(rows, weights):
    """What a resample of speakers holds, utterance by utterance."""
    order = np.repeat(np.arange(len(rows.speaker)), weights[rows.speaker])
    return rows.truth[order], rows.prediction[order]


@pytest.mark.parametrize(
    ("metric", "oracle"),
    [
        (ccc, expected_ccc),
        (pearson, lambda truth, prediction: pearsonr(truth, prediction).statistic),
        (mae, lambda truth, prediction: np.abs(truth - prediction).mean()),
    ],
)
def test_a_metric_of_a_resample_is_that_of_its_utterances(rows, rng, metric, oracle):
    weights = rng.integers(0, 4, (5, 7))
    expected = [
        [oracle(*columns) for columns in zip(*(part.T for part in repeated(rows, w)), strict=True)]
        for w in weights
    ]
    np.testing.assert_allclose(metric(rows, weights), expected, rtol=1e-9)


def test_what_never_changes_agrees_with_nothing(rows):
    flat = Rows(rows.truth, np.full(rows.truth.shape, 3.3), rows.speaker)
    both = Rows(np.full(rows.truth.shape, 3.9), flat.prediction, rows.speaker)
    once = np.ones((1, 7))
    assert ccc(flat, once) == pytest.approx(0, abs=1e-9)
    assert pearson(flat, once) == pytest.approx(0, abs=1e-9)
    for metric in (ccc, pearson):
        assert np.isnan(metric(both, once)).all()
    one_of_each = Rows(rows.truth[:1], rows.prediction[:1], np.zeros(1, int))
    assert np.isnan(ccc(one_of_each, np.ones((1, 1)))).all()


def test_ccc_pools_the_folds_and_does_not_average_them(rows):
    task = Dimensions()
    pooled = task.measure(rows, np.ones((1, 7)))[0, 0, 1:]
    of_each = [
        expected_ccc(rows.truth[rows.speaker == s, 0], rows.prediction[rows.speaker == s, 0])
        for s in range(7)
    ]
    assert pooled[0] == pytest.approx(expected_ccc(rows.truth[:, 0], rows.prediction[:, 0]))
    assert abs(np.mean(of_each) - pooled[0]) > 0.1


def test_the_mean_of_the_labels_has_no_ccc(rows):
    floor = Dimensions().floors["mean"].fit(rows.truth)
    flat = Rows(rows.truth, np.broadcast_to(floor, rows.truth.shape), rows.speaker)
    assert Dimensions().measure(flat, np.ones((1, 7)))[0, 0] == pytest.approx(0, abs=1e-9)


def test_a_corpus_may_have_some_of_the_dimensions_on_its_own_scale():
    table = pd.DataFrame({"valence": [2.0, 6.5, None], "arousal": [1.5, 3.0, 4.0]})
    task = Dimensions.of(table)
    assert task.outputs == ("arousal", "valence")
    assert (task.low, task.high) == (1.5, 6.5)
    on = task.on((1, 7))
    assert (on.low, on.high, on.outputs) == (1, 7, task.outputs)
    assert task.on(None) == task
    assert task.is_labelled(table).tolist() == [True, True, False]
    assert Dimensions.of(pd.DataFrame({"valence": [None]})) is None
    assert task_of(table, "this").name == "dimensions"


def corpus_of(**columns):
    n = len(next(iter(columns.values())))
    fixed = dict.fromkeys(COLUMNS, [None] * n)
    names = [f"u{i}" for i in range(n)]
    fixed |= {"utterance": names, "file": names, "speaker": ["a"] * n}
    return Corpus("this", ".", pd.DataFrame({**fixed, **columns}), "none", "")


def test_a_proxy_places_emotions_and_says_so_everywhere():
    corpus = with_proxy(corpus_of(emotion=["anger", "contempt", None, "calm"]), "pad")
    task = corpus.task("dimensions")
    assert (task.proxy, task.low, task.high) == ("pad", -1, 1)
    np.testing.assert_allclose(
        task.truth(corpus.table),
        [[0.59, -0.51, 0.25], [np.nan] * 3, [np.nan] * 3, [-0.46, 0.68, 0.06]],
    )
    assert "one value per emotion, no ratings" in task.caveat
    for metric in task.metrics.values():
        assert "of a proxy" in metric.label
        assert "of a proxy" in metric.of_output
        assert "no ratings" in metric.description
    assert not any("proxy" in m.label + m.description for m in Dimensions().metrics.values())
    assert Dimensions().caveat == Intensities().caveat == ""
    assert corpus.task().name == "classes"
    assert with_proxy(corpus, "") is corpus


def test_the_places_are_on_the_proxys_scale_and_apart():
    places = PROXIES["pad"]
    assert all(len(place) == 3 and max(map(abs, place)) <= 1 for place in places.values())
    assert len(set(places.values())) == len(places)
    arousal = DIMENSIONS.index("arousal")
    assert places["anger"][arousal] > 0 > places["sadness"][arousal]
    valence = DIMENSIONS.index("valence")
    assert max(places, key=lambda emotion: places[emotion][valence]) == "happiness"


@pytest.mark.parametrize(
    ("columns", "name", "task", "message"),
    [
        ({"emotion": ["anger"]}, "pda", "", "no proxy 'pda'; there are pad"),
        ({"emotion": ["anger"]}, "pad", "classes", "leave --proxy out, or say --task dimensions"),
        ({"emotion": ["anger"], "valence": [3.0]}, "pad", "", "has ratings of valence"),
        ({"emotion": ["envy"]}, "pad", "dimensions", "this has envy"),
        ({"emotion": [None]}, "pad", "", "this has no emotions"),
    ],
)
def test_a_proxy_that_cannot_be_is_refused(columns, name, task, message):
    with pytest.raises(UndertoneError, match=message):
        with_proxy(corpus_of(**columns), name, task)


def test_a_scale_that_no_one_knows_has_no_ends():
    assert (Dimensions().low, Dimensions().high) == (-math.inf, math.inf)
    assert Dimensions().on((1, 5)).on(None).high == 5


def test_a_corpus_without_ratings_is_told_what_it_has_and_what_can_stand_in():
    table = pd.DataFrame({"emotion": ["anger", "fear"]})
    ways = r"this has no labels for the task dimensions: take --task classes, .*or --proxy pad"
    with pytest.raises(UndertoneError, match=ways):
        task_of(table, "this", "dimensions")
    with pytest.raises(UndertoneError, match="task intensities: take --task classes, for which"):
        task_of(table, "this", "intensities")
    with pytest.raises(UndertoneError, match="it can only be a pool"):
        task_of(table.iloc[:0].drop(columns="emotion"), "this", "dimensions")
