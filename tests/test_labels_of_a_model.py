"""A corpus on which a model is measured has the labels that the model predicts."""

import numpy as np
import pytest
from corpora_fakes import fake_corpus, fake_table

from undertone.corpora.proxy import with_labels_of, with_proxy
from undertone.errors import UndertoneError
from undertone.tasks import kind_of
from undertone.tasks.dimensions import PROXIES

EMOTIONS = ("anger", "sadness")


def corpus(name: str = "heard", **columns):
    return fake_corpus(fake_table(3, 2, EMOTIONS).assign(**columns), name, f"/{name}")


def test_a_model_of_a_proxy_is_measured_on_the_places_of_the_emotions():
    task = with_proxy(corpus(), "pad").task("dimensions")
    given = with_labels_of(corpus(), task)
    assert given.proxy == "pad"
    at = given.table["emotion"] == "anger"
    assert np.allclose(task.truth(given.table[at])[0], PROXIES["pad"]["anger"])


@pytest.mark.parametrize("task", ["dimensions", "intensities", "classes"])
def test_labels_of_another_kind_are_refused(task):
    mute = fake_corpus(fake_table(3, 2, EMOTIONS).drop(columns="emotion"), "mute", "/mute")
    outputs = {"dimensions": ("arousal",), "intensities": ("happy",), "classes": EMOTIONS}[task]
    with pytest.raises(UndertoneError, match="mute"):
        with_labels_of(mute, kind_of(task)(outputs=outputs))


def test_what_the_corpus_lacks_is_named():
    model = with_proxy(corpus(), "pad").task("dimensions")
    rated = corpus("rated", arousal=1.0, valence=np.arange(12.0))
    with pytest.raises(UndertoneError, match=r"proxy pad.*rated has ratings of arousal, valence"):
        with_labels_of(rated, model)
    three = kind_of("dimensions")(outputs=("arousal", "valence", "dominance"))
    with pytest.raises(UndertoneError, match="rated has no labels of dominance"):
        with_labels_of(rated, three)
    other = kind_of("classes")(outputs=("calm", "fear"))
    with pytest.raises(
        UndertoneError, match=r"predicts calm, fear.*labels of anger, sadness alone"
    ):
        with_labels_of(corpus(), other)
