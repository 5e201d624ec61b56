import numpy as np
import pandas as pd
import pytest

from undertone.errors import UndertoneError
from undertone.tasks import AMOUNTS, CHOICE, MEAN, TASKS, Classes, Intensities, kind_of, task_of
from undertone.tasks.intensities import INTENSITIES
from undertone.tasks.names import EMOTIONS, SYNONYMS, canonical_emotion, names_no_emotion
from undertone.tasks.rows import Rows


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("exc", "happiness"),
        ("hap", "happiness"),
        ("Happy", "happiness"),
        ("Angry", "anger"),
        ("ANG", "anger"),
        ("A", "anger"),
        ("Angray", "anger"),
        ("Superise", "surprise"),
        ("boredem", "boredom"),
        ("fearful", "fear"),
        ("pleasant_surprise", "surprise"),
        (" Neutral ", "neutral"),
        ("U", "surprise"),
        ("oth", "other"),
        ("fru", "frustration"),
        ("Nostalgia", "nostalgia"),
    ],
)
def test_spellings_of_the_field(text, emotion):
    assert canonical_emotion(text) == emotion


def test_a_canonical_name_is_its_own_canonical_name():
    assert [canonical_emotion(emotion) for emotion in EMOTIONS] == list(EMOTIONS)


def test_synonyms_are_written_as_they_are_looked_up():
    for emotion, names in SYNONYMS.items():
        assert {canonical_emotion(name.upper()) for name in names} == {emotion}


@pytest.mark.parametrize("text", ["", "xxx", "X", "No agreement", "no_agreement", "NaN", "unknown"])
def test_labels_that_say_there_is_none(text):
    assert names_no_emotion(text)


def test_the_order_of_outputs_does_not_depend_on_the_order_given():
    assert Classes.among(["b", "a", "b"]) == Classes.among(["a", "b"]) == Classes(("a", "b"))


def test_one_emotion_is_nothing_to_tell_apart():
    with pytest.raises(UndertoneError, match="two emotions or more, found anger"):
        Classes.among(["anger"])


def test_an_output_twice_is_refused():
    with pytest.raises(UndertoneError, match="twice"):
        Classes(("anger", "anger"))


def test_intensities_have_six_outputs():
    assert Intensities().outputs == ("happy", "sad", "anger", "surprise", "disgust", "fear")


def labels(**columns):
    return pd.DataFrame({"utterance": ["u0", "u1", "u2"], "speaker": ["a", "a", "b"], **columns})


AMOUNTS_OF_SIX = {name: [0.0, 3.0, None] for name in INTENSITIES}


@pytest.mark.parametrize(
    ("table", "name", "expected"),
    [
        (labels(emotion=["fear", None, "anger"]), "", Classes(("anger", "fear"))),
        (labels(**AMOUNTS_OF_SIX), "", Intensities()),
        (labels(emotion=[None] * 3, **AMOUNTS_OF_SIX), "", Intensities()),
        (labels(emotion=["fear", "fear", "anger"], **AMOUNTS_OF_SIX), "intensities", Intensities()),
    ],
)
def test_a_corpus_has_the_task_that_it_has_labels_for(table, name, expected):
    assert task_of(table, "this", name) == expected


def test_a_task_without_labels_or_of_an_unknown_name_is_refused():
    pool = r"this has no emotion labels: it can only be a pool.*undertone label --corpus PATH"
    with pytest.raises(UndertoneError, match=pool):
        task_of(labels(emotion=[None] * 3), "this")
    with pytest.raises(UndertoneError, match="this has no labels for the task intensities"):
        task_of(labels(emotion=["fear", None, "anger"]), "this", "intensities")
    with pytest.raises(UndertoneError, match="no task 'moods'; there are classes, intensities"):
        kind_of("moods")


def test_truth_has_a_column_an_output_and_gaps_are_no_labels():
    table = labels(emotion=["fear", None, "anger"], **AMOUNTS_OF_SIX)
    fear = Classes(("anger", "fear"))
    np.testing.assert_array_equal(fear.truth(table), [[0, 1], [np.nan, np.nan], [1, 0]])
    assert fear.is_labelled(table).tolist() == [True, False, True]
    assert Intensities().truth(table)[:2].tolist() == [[0] * 6, [3] * 6]
    assert Intensities().is_labelled(table).tolist() == [True, True, False]


def example(kind):
    return Classes(("anger", "fear", "joy")) if kind.kind == CHOICE else kind(kind.label_columns)


@pytest.mark.parametrize("kind", TASKS.values())
def test_what_a_task_says_of_itself_fits_together(kind):
    """One file a task: whatever a new one is called, these hold."""
    task = example(kind)
    assert TASKS[task.name] is kind
    assert task.kind in (CHOICE, AMOUNTS)
    assert task.headline in task.metrics
    assert task.metrics[task.headline].of_output
    assert all(task.metrics[name].of_output for name in task.also_by_output)
    assert task.position(MEAN) == 0
    assert [task.position(output) for output in task.outputs] == [*range(1, 1 + len(task.outputs))]
    if task.kind == AMOUNTS:
        assert kind.of(pd.DataFrame(columns=list(task.outputs))) == task


@pytest.mark.parametrize("kind", TASKS.values())
def test_measures_are_of_one_shape_with_the_mean_first(kind, rng):
    task = example(kind)
    n_outputs = len(task.outputs)
    low, high = (task.low, task.high) if task.clipped else (1, 7)  # a corpus has its own scale
    truth, values = low + high * rng.random((2, 40, n_outputs))
    truth = task.decide(truth) if task.kind == CHOICE else np.round(truth)
    rows = Rows(truth, task.decide(values), np.arange(40) % 5)
    measured = task.measure(rows, rng.multinomial(5, np.full(5, 1 / 5), size=8))
    assert measured.shape == (8, len(task.metrics), 1 + n_outputs)
    for metric, column in zip(task.metrics.values(), np.moveaxis(measured, 1, 0), strict=True):
        if metric.of_output:
            assert column[:, 0] == pytest.approx(np.nanmean(column[:, 1:], axis=1))
        else:
            assert np.isnan(column[:, 1:]).all()
    assert task.speakers_behind(rows).shape == (1 + n_outputs,)
    for floor in task.floors.values():
        assert floor.fit(truth).shape == (n_outputs,)
