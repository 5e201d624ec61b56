"""The claims of system B on results whose answer is known by construction."""

from dataclasses import replace

import numpy as np
import pytest
from layers_fakes import found, planted, with_layers

from undertone.evaluation.curves import trace
from undertone.evaluation.report.paper import NO, NOT_HERE, OPEN, YES
from undertone.recipes import audio_textual_claims as claims
from undertone.recipes.audio_textual_claims import Pair
from undertone.recipes.audio_textual_lines import lines_of, taught, with_words
from undertone.recipes.audio_textual_page import Found
from undertone.recipes.audio_textual_words import Words
from undertone.recipes.small_encoders import Size
from undertone.tasks import AMOUNTS, Dimensions

WHOLE = Size(12, 12, 90_000_000, 1.0)
FIFTH = Size(2, 12, 20_000_000, 0.22)
HALF = Size(6, 12, 45_000_000, 0.5)
OUTPUTS = ("arousal", "valence", "dominance")
N_ROWS, N_SPEAKERS = 480, 24


def curves_of(noises, budgets=(20, 50)):
    """Lines of which each dimension is the truth under so much noise, shared as far as it goes."""
    rng = np.random.default_rng(7)
    truth = rng.normal(4, 1, (N_ROWS, 3))
    shared = rng.normal(size=(2, N_ROWS, 3))
    predictions = {
        (label, budget): truth + np.array(noise) * shared if noise else np.full((2, N_ROWS, 3), 4.0)
        for label, noise in noises.items()
        for budget in budgets
    }
    speakers = [f"s{i % N_SPEAKERS:02d}" for i in range(N_ROWS)]
    task = Dimensions(OUTPUTS, 1.0, 7.0)
    return trace(predictions, task=task, truth=truth, speakers=speakers, n_replicates=300)


def layered(arousal, valence, folder):
    """The analysis of an encoder whose layer k tells so much of each."""
    data = planted((0.0,), AMOUNTS, n_speakers=12, n_each=6)
    signal = (data.corpus.table[["arousal", "valence"]].to_numpy(float) - 4) / 2
    told = [signal * np.array(pair) for pair in zip(arousal, valence, strict=True)]
    data = with_layers(data.corpus, told, np.random.default_rng(4))
    return found(data, folder, budgets=(40,))


def test_arousal_in_low_layers_and_valence_in_high_ones_is_as_published(tmp_path):
    result = layered((8.0, 8.0, 8.0, 1.0, 0.0), (0.0, 0.0, 1.0, 8.0, 8.0), tmp_path)
    shallow, depth = claims.shallow_suffices(result), claims.valence_needs_depth(result)
    assert (shallow.verdict, depth.verdict) == (YES, YES)
    assert "layers 0 to 2" in shallow.evidence
    assert "valence that lies in words cannot show" in depth.evidence


def test_the_other_way_round_it_is_not(tmp_path):
    result = layered((0.0, 0.0, 0.0, 1.0, 8.0), (8.0, 8.0, 1.0, 0.0, 0.0), tmp_path)
    assert claims.shallow_suffices(result).verdict == NO
    assert claims.valence_needs_depth(result).verdict == NO


def test_layers_that_tell_nothing_suffice_for_nothing(tmp_path):
    result = layered((0.0,) * 4, (0.0,) * 4, tmp_path)
    for answer in (claims.shallow_suffices(result), claims.valence_needs_depth(result)):
        assert answer.verdict == OPEN
        assert "a prediction that hears nothing" in answer.evidence


def test_of_classes_arousal_and_valence_cannot_be_asked(tmp_path):
    result = found(planted((0.0, 2.0)), tmp_path, budgets=(12,))
    for answer in (claims.shallow_suffices(result), claims.valence_needs_depth(result)):
        assert answer.verdict == NOT_HERE
        assert "What is told is anger" in answer.evidence


def test_words_that_tell_valence_alone_are_found(tmp_path):
    noises = {"v": (0.5, 1.5, 0.5), "both": (0.5, 0.5, 0.5), "all": (0.1, 1.1, 0.1)}
    curves = curves_of(noises)
    answer = claims.valence_needs_words(curves, voice="v", both="both")
    assert answer.verdict == YES
    assert answer.claim == claims.WORDS
    assert claims.valence_needs_words(curves, voice="both", both="v").verdict == NO
    assert claims.valence_needs_words(curves, voice="v", both="v").verdict == OPEN
    assert claims.without_words("nobody wrote").evidence == "nobody wrote"


def par(noise, size=FIFTH, by_itself=(0.5, 0.5, 0.5)):
    labels = {"whole": (0.5, 0.5, 0.5), "itself": by_itself, "small": noise, "mean": ()}
    pair = Pair(size, "small", ("whole", "itself"))
    return claims.of_the_published_share(curves_of(labels), [pair], floor="mean")


def test_on_par_is_what_may_lose_nothing_that_counts():
    assert par((0.5, 0.5, 0.5)).verdict == YES
    assert par((0.505, 0.505, 0.49)).verdict == YES
    worse = par((0.5, 0.9, 0.5))
    assert worse.verdict == NO
    assert "22 % of the parameters" in worse.question


def test_it_is_held_against_the_better_of_the_whole_ones():
    """A teacher that teaching makes better is the one to be on par with."""
    answer = par((0.5, 0.5, 0.5), by_itself=(0.3, 0.3, 0.3))
    assert "“itself”" in answer.question
    assert answer.verdict == NO


def test_half_of_the_parameters_are_not_about_a_fifth():
    answer = par((0.5, 0.5, 0.5), size=HALF)
    assert answer.verdict == NOT_HERE
    assert "50 % of the parameters" in answer.evidence


def test_nothing_is_on_par_with_what_tells_nothing():
    labels = {"whole": (), "small": (), "mean": ()}
    answer = claims.of_the_published_share(
        curves_of(labels), [Pair(FIFTH, "small", ("whole",))], floor="mean"
    )
    assert answer.verdict == OPEN
    assert "nothing to be on par with" in answer.evidence


def test_each_part_is_answered_and_named(tmp_path):
    lines = lines_of((FIFTH, WHOLE), Dimensions.floors, words=True)
    noises = {line.label: () if line.is_floor else (0.5, 0.5, 0.5) for line in lines}
    noises[FIFTH.label] = noises[WHOLE.label] = (0.5, 1.5, 0.5)
    analysis = layered((2.0, 2.0), (0.0, 2.0), tmp_path)
    of_part = Found("test1", analysis, curves_of(noises), lines, Words(parameters=22_700_000))
    answers = {answer.claim: answer.verdict for answer in of_part.answers()}
    assert answers[f"test1: {claims.WORDS}"] == YES
    assert answers[f"test1: {claims.PAR}"] == YES
    assert len(answers) == len(of_part.answers())
    tables = of_part.tables()
    assert all(table.title.startswith("test1: ") for table in tables)
    rows = {row.name: row.cells for row in tables[0].rows}
    assert rows[taught(FIFTH)][:2] == ("20.00 M", "22 %")
    assert rows[with_words(FIFTH)][:2] == ("20.00 M + 22.70 M of text", "22 %")
    assert rows["words alone"][:2] == ("22.70 M of text", "–")
    assert rows[WHOLE.label][2].value == pytest.approx(
        of_part.curves.estimate(WHOLE.label, 50).value
    )
    without = replace(of_part, part="", words=Words("No words."))
    told = {answer.claim: answer for answer in without.answers()}
    assert told[claims.WORDS].verdict == NOT_HERE
    assert told[claims.WORDS].evidence == "No words."
