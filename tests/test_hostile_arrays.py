"""Arrays from Python that hold no frames, samples or labels: one message, nothing made up."""

import json

import numpy as np
import pandas as pd
import pytest

import undertone
from undertone import audio
from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.errors import UndertoneError
from undertone.features import given
from undertone.features.name import parse
from undertone.features.own import add_features
from undertone.sklearn import Descriptors, EmotionClassifier, EmotionRegressor
from undertone.systems.own_rows import add_row

RAGGED = [[[1.0, 2.0], [3.0]]]
NOTHING = np.full((50, 7), np.nan)


@pytest.fixture
def frames(rng) -> list[np.ndarray]:
    """(30, 5) of twelve rows, every second one higher."""
    return [(rng.normal(3, 0.2, (30, 5)) + i % 2).astype(np.float32) for i in range(12)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (None, r"X\[0\] has the shape \(\)"),
        (3, r"X\[0\] has the shape \(\)"),
        (np.zeros(16_000), r"X\[0\] has the shape \(16000,\)"),
        (NOTHING, r"X\[0\] holds 350 values that are not finite"),
        (np.full((50, 7), np.inf), r"X\[0\] holds 350 values"),
        (np.full((50, 7), 1e300), r"X\[0\] holds 350 values"),
        (np.ones((50, 7), complex), r"X\[0\] has .* the type complex128"),
        (np.full((50, 7), "a"), r"X\[0\] has .* the type <U1"),
        (*RAGGED, r"X\[0\] has the shape \(0,\)"),
    ],
)
def test_rows_that_are_no_frames(row, message):
    with pytest.raises(UndertoneError, match=message):
        Descriptors().fit_transform([row])


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.ones(16_000), 0, "above 0 Hz, found 0"),
        (np.ones(16_000), -8000, "above 0 Hz, found -8000"),
        (np.ones(16_000), float("nan"), "above 0 Hz, found nan"),
        (np.ones(16_000), "16k", "in Hz, as 16000; found '16k'"),
        (np.ones(16_000), True, "in Hz, as 16000; found True"),
        (np.full(16_000, "a"), 16_000, "expected .n_samples,."),
        (np.ones((2, 2, 16_000)), 16_000, "expected .n_samples,."),
        (np.float64(1), 16_000, "expected .n_samples,."),
        (*RAGGED, 16_000, "expected .n_samples,."),
    ],
)
def test_samples_that_are_none(samples, rate, message):
    with pytest.raises(UndertoneError, match=message):
        audio.from_array(samples, rate)


def test_a_model_answers_nothing_to_frames_that_are_not_finite(frames):
    estimator = EmotionClassifier().fit(frames, ["a", "b"] * 6)
    with pytest.raises(UndertoneError, match="holds 150 values"):
        estimator.predict([np.full((30, 5), np.nan)])
    model = estimator.recogniser_
    for bad in (np.full((30, 5), np.nan), np.zeros((0, 5)), np.full((30, 5), "a")):
        for answer in (model.predict, model.vector):
            with pytest.raises(UndertoneError, match="the model expects frames of"):
                answer(bad)
    np.testing.assert_array_equal(model.predict(frames[0].tolist()), model.predict(frames[0]))


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (lambda x: EmotionClassifier().fit(x, None), "y must hold a label for each of the 12"),
        (lambda x: EmotionClassifier().fit(x, "anger"), "y must hold a label for each"),
        (lambda x: EmotionClassifier().fit(x, np.zeros((12, 2))), "y holds several labels a row"),
        (lambda x: EmotionClassifier(settings="x").fit(x, ["a", "b"] * 6), "by section"),
        (lambda x: EmotionClassifier(settings={"cnn": 3}).fit(x, ["a", "b"] * 6), "by section"),
        (lambda x: EmotionRegressor().fit(x, ["a", "b"] * 6), "for EmotionClassifier"),
        (lambda x: EmotionRegressor().fit(x, None), "finite numbers|must hold numbers"),
        (lambda x: EmotionRegressor().fit(x, [np.inf, *range(11)]), "and infinite values"),
        (lambda x: EmotionRegressor(scale=(5, 1)).fit(x, range(12)), r"write \(1, 5\)"),
    ],
)
def test_labels_and_settings_that_are_none(frames, fit, message):
    with pytest.raises(UndertoneError, match=message):
        fit(frames)


def test_one_label_a_row_may_stand_in_a_column(frames):
    labels = np.array(["a", "b"] * 6)
    told = EmotionClassifier().fit(frames, labels[:, None]).predict_proba(frames)
    np.testing.assert_array_equal(
        told, EmotionClassifier().fit(frames, labels).predict_proba(frames)
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": 3}, "features are named with letters"),
        ({"compute": 3}, "takes a function of a waveform"),
        ({"frames_per_second": "100"}, "frames_per_second above 0 and up to 16000, found '100'"),
        ({"columns": "ab"}, "columns of mine are a list of texts"),
        ({"columns": [1, 2]}, "columns of mine are a list of texts"),
        ({"columns": ["a", "a"]}, "two columns of mine have one name"),
    ],
)
def test_features_of_ones_own_that_are_none(changed, message):
    right = {"name": "mine", "compute": lambda waveform: np.ones((10, 2)), "version": 1}
    with pytest.raises(UndertoneError, match=message):
        add_features(**(right | {"frames_per_second": 100.0} | changed))


@pytest.mark.parametrize(
    ("frames_given", "message"),
    [
        ({}, "takes arrays by utterance.*found none"),
        ([np.ones((3, 2))], "takes arrays by utterance.*found a list"),
        ({3: np.ones((3, 2))}, "utterances are named by texts"),
        (
            {"a": np.ones((3, 2)), "b": np.ones((3, 3))},
            r"the array of b has the shape \(3, 3\).*\(n_frames, 2\)",
        ),
        ({"a": np.full((3, 2), 1e300)}, "the array of a holds 6 values that are not finite"),
    ],
)
def test_rows_of_ones_own_that_are_none(frames_given, message):
    with pytest.raises(UndertoneError, match=message):
        add_row("mine", frames_given)
    with pytest.raises(UndertoneError, match="a row is named with letters"):
        undertone.add_row(3, {"a": np.ones((3, 2))})


def write_given(folder, n=4, **facts) -> Corpus:
    """Frames of (20, 4), each its own, and their corpus."""
    folder.mkdir()
    for i in range(n):
        np.save(folder / f"u{i}.npy", np.full((20, 4), float(i)))
    if facts:
        (folder / "frames.json").write_text(json.dumps(facts))
    names = [f"u{i}" for i in range(n)]
    table = pd.DataFrame({"utterance": names, "file": names}).reindex(columns=list(COLUMNS))
    return Corpus("c", folder, table, licence="", citation="")


@pytest.mark.parametrize(
    "facts",
    [
        {"columns": "abcd"},
        {"columns": ["a", "a", "b", "c"]},
        {"frames_per_second": True},
    ],
)
def test_facts_of_given_frames_that_are_none(tmp_path, facts):
    corpus = write_given(tmp_path / "g", **facts)
    with pytest.raises(UndertoneError, match="must be JSON with columns and frames_per_second"):
        given.read(corpus, parse(f"given:{tmp_path / 'g'}"), tmp_path / "store")


@pytest.mark.parametrize("broken", ["width", "junk", "stranger"])
def test_one_broken_array_takes_no_other_along(tmp_path, broken):
    """The first by name is it: what most arrays have is the width, and it is left out and told."""
    folder = tmp_path / "g"
    corpus = write_given(folder)
    if broken == "junk":
        (folder / "u0.npy").write_bytes(b"junk")
    else:
        np.save(folder / ("u0.npy" if broken == "width" else "a.npy"), np.ones((20, 9)))
    table = given.read(corpus, parse(f"given:{folder}"), tmp_path / "store")
    assert len(table.columns) == 4
    assert sorted(table.failures) == ([] if broken == "stranger" else ["u0"])
    assert len(table.utterances) == 4 - len(table.failures)


def test_two_broken_arrays_of_one_content_are_told_by_their_own_names(tmp_path):
    corpus = write_given(tmp_path / "g")
    for name in ("u1", "u2"):
        np.save(tmp_path / "g" / f"{name}.npy", np.ones((20, 9)))
    table = given.read(corpus, parse(f"given:{tmp_path / 'g'}"), tmp_path / "store")
    assert [f"/{name}.npy has the shape" in table.failures[name] for name in ("u1", "u2")] == [
        True,
        True,
    ]
