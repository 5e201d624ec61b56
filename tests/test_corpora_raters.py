"""A table of one's own with several raters an utterance."""

import numpy as np
import pytest
from corpora_fakes import write_audio

from undertone import corpora
from undertone.corpora import csv, ratings
from undertone.errors import UndertoneError

ROWS = """file,speaker,rater,emotion,valence,transcript,remark
a.wav,1,ann,sad,2,Hello.,unsure
a.wav,1,ben,angry,4,,
a.wav,,cat,sad,3,Hello.,
b.wav,2,ann,sad,1,,
b.wav,2,ben,hap,2,,
c.wav,2,ann,xxx,,,
c.wav,2,,neutral,5,,
"""


@pytest.fixture
def table(tmp_path):
    write_audio(tmp_path, "a.wav", "b.wav", "c.wav")

    def write(text, name="mine.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_several_rows_of_an_utterance_become_one(table):
    corpus = csv.read(table(ROWS))
    rows = corpus.table.set_index("utterance")
    assert rows.index.tolist() == ["a", "b", "c"]
    assert rows["emotion"].tolist() == ["sadness", None, "neutral"]
    assert rows["valence"].tolist() == [3, 1.5, 5]
    assert rows["speaker"].tolist() == ["1", "2", "2"]
    assert rows["transcript"].tolist() == ["Hello.", None, None]
    assert rows["share_sadness"].tolist() == pytest.approx([2 / 3, 1 / 2, 0])
    assert ratings.shares_of(rows).sum(axis=1).tolist() == pytest.approx([1, 1, 1])
    assert len(corpus.ratings) == 7
    assert corpus.ratings["rater"].tolist()[:3] == ["ann", "ben", "cat"]
    assert corpus.notes == (
        "Raters differ in the columns remark: the first row is kept.",
        "1 utterances have no emotion: as many raters heard one as another.",
    )
    assert corpus.task("dimensions").outputs == ("valence",)


def test_raters_may_have_any_name_and_rate_segments(table):
    text = (
        "wav,start,end,spk,annotator,emo\na.wav,0,0.1,1,x,sad\na.wav,0,0.1,1,y,sad\n"
        "a.wav,0.1,0.2,1,x,hap\n"
    )
    corpus = corpora.open(str(table(text, "labels.csv")))
    assert corpus.table["utterance"].tolist() == ["a@0.000-0.100", "a@0.100-0.200"]
    assert corpus.ratings["utterance"].tolist() == [*["a@0.000-0.100"] * 2, "a@0.100-0.200"]


def test_files_that_are_not_there_take_their_ratings_along(table):
    text = ROWS + "z.wav,3,ann,sad,1,,\nz.wav,3,ben,sad,1,,\n,3,ann,sad,1,,\n,3,ann,sad,1,,\n"
    corpus = csv.read(table(text))
    assert corpus.reasons() == {"file not found": 1, "no file named": 2}
    assert set(corpus.ratings["utterance"]) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav,1,ann,sad,2,,", "the rater ann twice for the utterance a, in the rows 2 and 9"),
        ("a.wav,2,dan,sad,2,,", "several of the column speaker of the utterance a in the rows 2"),
        ("a.wav,1,dan,sad,2,Hi.,", "several of the column transcript of the utterance a"),
    ],
)
def test_raters_who_contradict_each_other_are_refused(table, row, message):
    with pytest.raises(UndertoneError, match=message):
        csv.read(table(f"{ROWS}{row}\n"))


def test_without_raters_a_segment_stands_there_once(table):
    with pytest.raises(UndertoneError, match=r"the same segment of the file a\.wav in the lines 2"):
        csv.read(table("file,speaker,emotion\na.wav,1,sad\na.wav,1,hap\n"))


SHARES = """file,speaker,share_angry,share_sad,share_other,n_raters
a.wav,1,0.67,.33,0,3
b.wav,2,.5,.5,0,4
c.wav,2,,,,
"""


def test_shares_tell_emotions_and_raters(table):
    corpus = corpora.open(str(table(SHARES, "labels.csv")))
    rows = corpus.table.set_index("utterance")
    assert rows["emotion"].tolist() == ["anger", None, None]
    assert rows["share_anger"].tolist()[:2] == [0.67, 0.5]
    assert np.isnan(rows.loc["c", "share_anger"])
    assert corpus.notes == ("1 utterances have no emotion: as many raters heard one as another.",)
    counts = ratings.counts(corpus.ratings, ("anger", "other", "sadness"))
    assert counts.loc["a"].tolist() == [2, 0, 1]
    assert counts.loc["b"].tolist() == [2, 0, 2]
    folder = corpora.open(f"mine={table(SHARES, 'labels.csv').parent}")
    assert folder.emotions == ("anger",)


def test_a_given_emotion_stands_beside_shares(table):
    text = "file,speaker,emotion,share_anger,share_sad\na.wav,1,sad,.6,.4\nb.wav,1,,.6,.4\n"
    corpus = csv.read(table(text))
    assert corpus.table["emotion"].tolist() == ["sadness", None]
    assert corpus.ratings is None


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (".33", ".2", "row 2 .* sum to 1, found 0.67, .2, 0"),
        (".33", "x", "row 2 .* found 0.67, x, 0"),
        ("0.67,.33", "1.33,-.33", "row 2 .* from 0"),
        ("3\n", "7\n", "row 2 .* the shares are none of 7 raters"),
        ("3\n", "0\n", "row 2 .* the shares are none of 0 raters"),
        ("share_other", "share_sadness", "two columns of share_sadness"),
    ],
)
def test_shares_that_are_none_are_refused_where_they_stand(table, right, wrong, message):
    with pytest.raises(UndertoneError, match=message):
        csv.read(table(SHARES.replace(right, wrong, 1)))
