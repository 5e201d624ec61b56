"""Systems that read transcripts: what they choose, what they are without words, what is saved."""

from dataclasses import replace

import numpy as np
import pytest
from systems_fakes import fit, fit_and_predict
from words_fakes import NAMES, TESTED, TRAINED, of_amounts, of_classes, problem_of

from undertone.errors import UndertoneError
from undertone.systems import fitted as systems
from undertone.systems.words import Words
from undertone.tasks import Dimensions
from undertone.tasks.rows import Rows

SYSTEMS = ("audio_text", "text_alone", "text_shuffled", "audio_text_train")


def ccc(task, prediction, truth):
    """By output."""
    rows = Rows(truth, prediction, np.zeros(len(truth), dtype=int))
    return task.measure(rows, np.ones((1, 1)))[0, list(task.metrics).index("ccc"), 1:]


def recall(prediction, truth):
    hits = prediction.argmax(axis=1) == truth.argmax(axis=1)
    return np.mean([hits[truth[:, k] == 1].mean() for k in range(truth.shape[1])])


def test_each_dimension_is_told_by_what_it_is_in(rng):
    problem, truth = of_amounts(rng)
    found = fit(problem, "audio_text")
    prediction = found.predict(problem.material, problem.test)
    arousal, valence = ccc(problem.task, prediction, truth)
    assert arousal > 0.6
    assert valence > 0.6
    weights = {name: pair.split(":") for name, pair in found.notes["weights"].items()}
    assert float(weights["arousal"][1]) < float(weights["arousal"][0])
    assert float(weights["valence"][1]) > float(weights["valence"][0])


def test_controls_lose_what_they_are_denied(rng):
    problem, truth = of_amounts(rng)
    scores = {s: ccc(problem.task, fit_and_predict(problem, s), truth) for s in SYSTEMS}
    voice = ccc(problem.task, fit_and_predict(problem, "descriptors"), truth)
    assert voice[0] > 0.6
    assert abs(voice[1]) < 0.3
    assert abs(scores["text_alone"][0]) < 0.3
    assert scores["text_alone"][1] > 0.6
    assert scores["text_shuffled"][0] > 0.6
    assert abs(scores["text_shuffled"][1]) < 0.3


def test_shuffled_words_are_everybody_elses_and_all_are_used(rng):
    words = of_amounts(rng)[0].material.words
    own, others = words.of(NAMES), words.of_others(NAMES)
    assert not (own == others).all(axis=1).any()
    np.testing.assert_array_equal(np.sort(own, axis=0), np.sort(others, axis=0))
    one = Words(words.reader, {"u000": words.values["u000"]})
    np.testing.assert_array_equal(one.of_others(["u000"]), one.of(["u000"]))


@pytest.mark.parametrize("told_by", ["voice", "words"])
def test_emotions_are_told_by_what_they_are_in(rng, told_by):
    problem, truth = of_classes(rng, told_by=told_by)
    assert recall(fit_and_predict(problem, "audio_text", centring=0.0), truth) > 0.6
    denied = "text_alone" if told_by == "voice" else "descriptors"
    assert recall(fit_and_predict(problem, denied), truth) < 0.5
    chosen = fit(problem, "audio_text", centring=0.0).notes["weights"]["all"].split(":")
    voice, words = map(float, chosen)
    assert (words > voice) == (told_by == "words")


@pytest.mark.parametrize("kind", [of_amounts, of_classes])
@pytest.mark.parametrize("system", ["audio_text", "text_alone"])
def test_without_words_the_voice_alone_answers_or_a_constant(rng, kind, system):
    options = {"told_by": "words"} if kind is of_classes else {}
    missing = {*TESTED[:30], *TRAINED[5:15]}
    problem, _ = kind(rng, missing=missing, **options)
    prediction = fit_and_predict(problem, system)
    labels = problem.truths(problem.budget)
    if system == "text_alone":
        expected = np.tile(labels.mean(axis=0), (30, 1))
    else:
        expected = fit_and_predict(problem, "descriptors")[:30]
    found = prediction[:30]
    if kind is of_classes and system == "audio_text":  # one temperature for both answers
        found, expected = np.argsort(found), np.argsort(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isfinite(prediction).all()
    assert not np.allclose(prediction[30:40], expected[:10], atol=1e-3)
    order = [40, 3, 60, 0]
    some = fit(problem, system).predict(problem.material, [TESTED[i] for i in order])
    np.testing.assert_allclose(some, prediction[order], rtol=1e-4)


def test_what_an_utterance_without_words_would_say_changes_nothing(rng):
    missing = {*TESTED[:30], *TRAINED[5:15]}
    problem, _ = of_amounts(rng, missing=missing)
    for system in SYSTEMS:
        assert np.isfinite(fit_and_predict(problem, system)).all(), system


def test_a_corpus_with_hardly_any_words_is_refused(rng):
    problem, _ = of_amounts(rng, missing=set(TRAINED[1:]))
    for system in SYSTEMS:
        with pytest.raises(UndertoneError, match="only 1 of 180 utterances of the training"):
            fit(problem, system)


def test_no_test_utterances_words_are_seen(rng):
    """What the test says may change its own predictions, and nothing else."""
    problem, _ = of_amounts(rng)
    material = problem.material
    other = {n: v + 100 * (n in TESTED[:40]) for n, v in material.words.values.items()}
    words = replace(material.words, values=other)
    for system in ("audio_text", "text_alone", "audio_text_train"):
        before = fit(problem, system)
        after = fit(replace(problem, material=replace(material, words=words)), system)
        for name, array in before.tensors().items():
            np.testing.assert_array_equal(array, after.tensors()[name], err_msg=name)


def test_the_voice_that_learned_words_is_served_without_them(rng):
    """Valence is in the words, and the words are in the voice: many crowd utterances show how."""
    hidden = rng.normal(size=len(NAMES))
    truth = 4 + 0.3 * hidden[:, None]
    task = Dimensions(("valence",), 1.0, 7.0)
    problem, tested = problem_of(rng, task, truth, voice=hidden, words=hidden)
    found = fit(problem, "audio_text_train")
    assert not found.reads_words
    silent = replace(problem.material, words=None)
    prediction = found.predict(silent, problem.test)
    assert ccc(task, prediction, tested)[0] > 0.7
    np.testing.assert_array_equal(prediction, found.predict(problem.material, problem.test))


@pytest.mark.parametrize("kind", [of_amounts, of_classes])
def test_every_system_comes_back_from_what_is_saved_of_it(rng, kind):
    options = {"told_by": "words"} if kind is of_classes else {}
    problem, _ = kind(rng, missing=set(TESTED[:10]), **options)
    for system in SYSTEMS[: 4 if kind is of_amounts else 3]:
        found = fit(problem, system)
        back = systems.restore(systems.save(found), found.tensors(), problem.task, problem.material)
        np.testing.assert_array_equal(
            back.predict(problem.material, problem.test),
            found.predict(problem.material, problem.test),
        )


def test_cooling_changes_how_sure_both_heads_are_and_no_decision(rng):
    problem, _ = of_classes(rng, told_by="words", missing=set(TESTED[:30]))
    found = fit(problem, "audio_text")
    hot = found.predict(problem.material, problem.test)
    cold = found.cooled(10.0).predict(problem.material, problem.test)
    np.testing.assert_array_equal(hot.argmax(axis=1), cold.argmax(axis=1))
    for part in (slice(30), slice(30, None)):
        assert cold[part].max(axis=1).mean() < hot[part].max(axis=1).mean()
