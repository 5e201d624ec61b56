"""Which utterances say the same sentence: by their words, by a code in their names."""

import numpy as np
import pandas as pd
import pytest
from corpora_fakes import write_audio

from undertone import corpora
from undertone.corpora.sentences import fold, sentence_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Kids are talking by the door.", "  kids ARE talking, by the door"),
        ("Zoe\u0308 läuft", "Zoë läuft"),  # decomposed and composed letters
        ("Straße", "STRASSE"),
        ("don\u2019t", "don't"),
        ("part-time work", "part time work"),
    ],
)
def test_case_punctuation_and_form_do_not_part_a_sentence(one, other):
    assert fold(one) == fold(other)


def test_other_words_are_another_sentence():
    assert fold("ready now") != fold("ready")
    assert fold("Zoé") != fold("Zoe")


def test_words_or_codes_make_one_sentence_in_any_order(rng):
    rows = pd.DataFrame(
        {
            "transcript": ["Go on!", "go on", None, "He goes", "?", None],
            "sentence": ["a01", None, "A01", "b02", None, "b02"],
        }
    )
    expected = ["go on", "go on", "go on", "he goes", None, "he goes"]
    assert sentence_of(rows).tolist() == expected
    order = rng.permutation(len(rows))
    shuffled = sentence_of(rows.iloc[order])
    assert shuffled.tolist() == [expected[i] for i in order]
    assert shuffled.index.tolist() == order.tolist()  # joined by the rows' own index


def test_transcripts_that_spell_one_sentence_in_several_ways_are_one_by_its_code():
    rows = pd.DataFrame({"transcript": ["der lappen", "der rappen"], "sentence": ["a01", "a01"]})
    assert sentence_of(rows).tolist() == ["der lappen", "der lappen"]


@pytest.mark.parametrize("column", ["transcript", "sentence"])
def test_one_of_the_two_columns_is_enough(column):
    rows = pd.DataFrame({column: ["One.", "two", "one", None, np.nan, "three"]})
    assert sentence_of(rows).tolist() == ["one", "two", "one", None, None, "three"]


def test_nothing_is_known_without_the_columns():
    assert sentence_of(pd.DataFrame({"utterance": ["a", "b"]})).tolist() == [None, None]
    assert sentence_of(pd.DataFrame({"transcript": [np.nan, None]})).tolist() == [None, None]


@pytest.mark.parametrize(
    ("name", "files", "n_sentences"),
    [
        ("emodb", ["03a01Fa.wav", "08a01Na.wav", "08b09Na.wav", "03a99Na.wav"], 3),
        ("ravdess", ["03-01-01-01-01-01-01.wav", "03-01-01-01-02-01-02.wav"], 2),
    ],
)
def test_grammars_of_file_names_tell_the_sentence(tmp_path, name, files, n_sentences):
    write_audio(tmp_path, *files)
    said = sentence_of(corpora.open(f"{name}={tmp_path}").table)
    assert said.notna().all()
    assert said.nunique() == n_sentences
