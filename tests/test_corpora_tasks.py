import pytest

from undertone.corpora.tasks import (
    EMOTIONS,
    SYNONYMS,
    Task,
    canonical_emotion,
    classes,
    names_no_emotion,
)
from undertone.errors import UndertoneError


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
    assert classes(["b", "a", "b"]) == classes(["a", "b"]) == Task("classes", ("a", "b"))


def test_one_emotion_is_nothing_to_tell_apart():
    with pytest.raises(UndertoneError, match="two emotions or more, found anger"):
        classes(["anger"])


def test_an_output_twice_is_refused():
    with pytest.raises(UndertoneError, match="twice"):
        Task("classes", ("anger", "anger"))
