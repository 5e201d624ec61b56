import dataclasses

import numpy as np
import pandas as pd
import pytest
from corpora_fakes import fake_corpus, fake_table

from undertone.corpora import COLUMNS
from undertone.corpora.corpus import name_utterances
from undertone.errors import UndertoneError


def test_unknown_text_is_none_and_unknown_time_is_nan():
    table = fake_table()
    table.loc[0, ["speaker", "transcript", "emotion"]] = np.nan
    corpus = fake_corpus(table)
    assert corpus.table.loc[0, ["speaker", "transcript", "emotion"]].tolist() == [None] * 3
    assert corpus.table["start_s"].dtype == float
    assert corpus.table["end_s"].isna().all()


def test_columns_are_in_order_and_labels_follow():
    corpus = fake_corpus(fake_table().iloc[:, ::-1])
    assert tuple(corpus.table.columns) == (*COLUMNS, "emotion")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_refused_by_name(column):
    with pytest.raises(UndertoneError, match=f"lacks {column}"):
        fake_corpus(fake_table().drop(columns=column))


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("utterance", "s00-anger-1", "occurs twice"),
        ("utterance", None, "has no name"),
        ("file", None, "names no file"),
        ("sex", "F", "has a sex that is none of female, male"),
        ("speaker", 3, "must hold text"),
        ("emotion", "", "must hold text"),
        ("start_s", -1.0, "starts before its file"),
        ("end_s", 0.0, "ends before it starts"),
    ],
)
def test_a_wrong_cell_is_refused_and_says_what_is_wrong(column, cell, message):
    table = fake_table().astype({column: object})
    table.loc[0, column] = cell
    with pytest.raises(UndertoneError, match=message):
        fake_corpus(table)


def test_dropping_records_the_reason_and_keeps_the_rest():
    corpus = fake_corpus()
    dropped = corpus.drop({"s00-anger-0": "silent"}).drop({"s01-anger-0": "too short"})
    assert len(dropped) == len(corpus) - 2
    assert dropped.left_out.to_dict("records") == [
        {"utterance": "s00-anger-0", "file": "s00/anger-0.wav", "reason": "silent"},
        {"utterance": "s01-anger-0", "file": "s01/anger-0.wav", "reason": "too short"},
    ]
    assert dropped.reasons() == {"silent": 1, "too short": 1}
    assert corpus.left_out.empty


def test_dropping_nothing_changes_nothing():
    pd.testing.assert_frame_equal(fake_corpus().drop({}).table, fake_corpus().table)


def test_dropping_what_is_not_there_is_refused():
    with pytest.raises(UndertoneError, match="no utterance nobody"):
        fake_corpus().drop({"nobody": "?"})


def test_a_corpus_is_not_changed_through_the_table_it_was_made_of():
    table = fake_table()
    corpus = fake_corpus(table)
    table.loc[0, "speaker"] = "someone else"
    assert corpus.table.loc[0, "speaker"] == "s00"
    with pytest.raises(dataclasses.FrozenInstanceError):
        corpus.name = "other"


def test_labelled_is_the_part_with_an_emotion():
    table = fake_table()
    table.loc[:9, "emotion"] = None
    corpus = fake_corpus(table)
    assert len(corpus.labelled) == len(corpus) - 10
    without = fake_corpus(table.drop(columns="emotion"))
    assert len(without.labelled) == 0
    assert without.emotions == ()


def test_utterance_names_are_unique_where_paths_are():
    files = ["a/1.wav", "b/1.wav", "c/2.wav"]
    assert name_utterances(files) == ["a/1", "b/1", "c/2"]


def test_videos_are_the_unit_where_they_stand_for_speakers():
    corpus = fake_corpus()
    speaker = corpus.table["speaker"]
    named = dataclasses.replace(corpus, table=corpus.table.assign(video=speaker))
    several = dataclasses.replace(
        corpus, table=corpus.table.assign(video=[f"v{i}" for i in range(len(corpus))])
    )
    assert [c.unit for c in (corpus, named, several)] == ["speaker", "video", "speaker"]
