import time
from pathlib import Path

import pytest
from corpora_fakes import write_audio

from undertone.corpora import csv
from undertone.corpora.official import official_folds
from undertone.errors import UndertoneError


@pytest.fixture
def table(tmp_path):
    """Write a table beside three files of audio."""
    write_audio(tmp_path, "a.wav", "b.wav", "sub/c.wav")

    def write(text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "mine.csv"
        path.write_text(text, encoding=encoding)
        return path

    return write


@pytest.mark.parametrize(
    "header",
    [
        "file,speaker,emotion",
        "path;spk;label",
        "wav\tspeaker_id\temo",
        "FileName,SpkrID,EmoClass",
        "file_name , Speaker,EMOTION",
    ],
)
def test_synonyms_case_and_separators(table, header):
    separator = next(mark for mark in ",;\t" if mark in header)
    rows = (header, "a.wav,007,Angry", "b.wav,Unknown,xxx", "sub/c.wav,8,hap", "")
    corpus = csv.read(table("\n".join(rows).replace(",", separator), encoding="utf-8-sig"))
    assert corpus.name == "mine"
    assert corpus.table["utterance"].tolist() == ["a", "b", "c"]
    assert corpus.table["speaker"].tolist() == ["007", None, "8"]
    assert corpus.table["emotion"].tolist() == ["anger", None, "happiness"]


def test_everything_a_table_may_tell(table):
    corpus = csv.read(
        table(
            "file,speaker,emotion,start,end,gender,lang,text,utterance,age\n"
            'a.wav,1,sad,0.5,1.5,Female,en,"Well, yes",first,31\n'
            "a.wav,1,sad,0 days 00:00:01.5,NaT,Female,deu,,second,\n"
        )
    )
    first, second = corpus.table.to_dict("records")
    assert (first["start_s"], first["end_s"], second["start_s"]) == (0.5, 1.5, 1.5)
    assert second["end_s"] != second["end_s"]
    assert (first["sex"], first["language"], second["language"]) == ("female", "eng", "deu")
    assert (first["transcript"], first["utterance"], first["age"]) == ("Well, yes", "first", "31")
    assert second["age"] is None


def test_segments_of_one_file_get_names_of_their_own(table):
    text = "file,speaker,emotion,start,end\na.wav,1,sad,0,1\na.wav,1,sad,1,\nb.wav,1,sad,,\n"
    corpus = csv.read(table(text))
    assert corpus.table["utterance"].tolist() == ["a@0.000-1.000", "a@1.000-end", "b"]


def test_a_missing_column_names_what_is_there_and_what_would_do(table):
    with pytest.raises(UndertoneError) as caught:
        csv.read(table("file,who,emotion\na.wav,1,sad\n"))
    message = str(caught.value)
    assert "no column speaker" in message
    assert "file, who, emotion" in message
    assert "speaker, spk, speaker_id, spkrid" in message


@pytest.mark.parametrize("again", ["a.wav,1,sad", "./a.wav,2,hap", "sub/../a.wav,1,sad"])
def test_the_same_segment_twice_is_refused_with_its_rows(table, again):
    with pytest.raises(UndertoneError, match=r"a\.wav in the lines 2 and 4"):
        csv.read(table(f"file,speaker,emotion\na.wav,1,sad\nb.wav,1,sad\n{again}\n"))


def test_a_duplicate_is_found_below_an_empty_row(table):
    with pytest.raises(UndertoneError, match="in the lines 2 and 4"):
        csv.read(table("file,speaker,emotion\na.wav,1,sad\n\na.wav,1,sad\n"))


def test_one_utterance_name_twice_is_refused(table):
    with pytest.raises(UndertoneError, match="the utterance u in the lines 2 and 3"):
        csv.read(table("file,speaker,emotion,utterance\na.wav,1,sad,u\nb.wav,1,sad,u\n"))


def test_missing_files_are_counted_and_all_missing_is_an_error(table):
    corpus = csv.read(table("file,speaker,emotion\na.wav,1,sad\nz.wav,1,sad\n,1,sad\n"))
    assert len(corpus) == 1
    assert corpus.reasons() == {"file not found": 1, "no file named": 1}
    with pytest.raises(
        UndertoneError, match=r"none of the 1 files .* can be used; .*z\.wav: file not found"
    ):
        csv.read(table("file,speaker,emotion\nz.wav,1,sad\n"))


def test_absolute_and_windows_paths(table, tmp_path):
    corpus = csv.read(
        table(f"file,speaker,emotion\n{tmp_path / 'a.wav'},1,sad\nsub\\c.wav,1,sad\n")
    )
    assert corpus.table["file"].tolist() == ["a.wav", "sub/c.wav"]


def test_letters_of_another_corpus_are_not_guessed(table):
    corpus = csv.read(table("file,speaker,emotion\na.wav,1,A\nb.wav,1,U\nsub/c.wav,1,X\n"))
    assert corpus.table["emotion"].tolist() == ["anger", "surprise", None]
    with pytest.raises(UndertoneError, match="the emotion 'W'"):
        csv.read(table("file,speaker,emotion\na.wav,1,W\nb.wav,1,F\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: expected a row of column names"),
        ("file,speaker,emotion\na.wav,1,sad,more\n", "as many cells in every row"),
        ("file,speaker,emotion\na.wav,1,sad\nb.wav,1,sad,more\n", "as many cells in every row"),
        ("file,speaker,emotion,start\na.wav,1,sad,soon\n", "expected seconds"),
        ("file,speaker,emotion\n", "a row of column names and no row below it"),
        ("file,File,speaker,emotion\na.wav,a.wav,1,sad\n", None),
    ],
)
def test_odd_tables(table, text, message):
    if message is None:
        assert len(csv.read(table(text))) == 1
        return
    with pytest.raises(UndertoneError, match=message):
        csv.read(table(text))


def test_other_encodings_are_found_and_told(table):
    rows = "".join(f"{name},Jürgen Größer,sad\n" for name in ("a.wav", "b.wav", "sub/c.wav"))
    corpus = csv.read(table(f"file,speaker,emotion\n{rows}", encoding="cp1252"))
    assert corpus.speakers == ("Jürgen Größer",)
    assert "is not in UTF-8: read as" in corpus.notes[0]
    assert csv.read(table(f"file,speaker,emotion\n{rows}", encoding="utf-16")).notes == ()


def test_a_short_row_is_filled_up_with_nothing(table):
    corpus = csv.read(table("file,speaker,emotion\na.wav,1,sad\nb.wav\n"))
    assert corpus.table["speaker"].tolist() == ["1", None]


AMOUNTS = "a.wav,1,0,1,0.5,3,0,0\nb.wav,2,0,1,0,3,,0\n"


@pytest.mark.parametrize(
    "names",
    ["Happy,Sad,Anger,Surprise,Disgust,Fear", "HAPPINESS,sadness,anger,surprise,disgust,fear"],
)
def test_amounts_have_their_columns_whatever_their_case(table, names):
    corpus = csv.read(table(f"file,speaker,{names}\n{AMOUNTS}"))
    rows = corpus.table[["happy", "sad", "anger", "surprise", "disgust", "fear"]]
    assert rows.iloc[0].tolist() == [0, 1, 0.5, 3, 0, 0]
    assert rows["disgust"].isna().tolist() == [False, True]


def test_a_column_called_split_says_nothing_of_folds(table):
    text = "file,speaker,emotion,split\na.wav,1,sad,train\nb.wav,2,angry,test\n"
    assert official_folds(csv.read(table(text))) == []


def test_amounts_of_some_emotions_alone_are_told(table):
    with pytest.raises(UndertoneError, match="has 2 of the columns of the task intensities and no"):
        csv.read(table("file,speaker,Happiness,anger\na.wav,1,0,1\n"))


@pytest.mark.parametrize(
    "header", [",".join(["file"] * 10**6), "file" * 10**6, "\t".join("ab" * 6000)]
)
def test_a_table_of_a_million_columns_is_refused_at_once(tmp_path, header):
    (tmp_path / "wide.csv").write_text(f"{header}\n" * 3)
    began = time.process_time()
    few = "where at most 10,000 are read|has no column file"
    with pytest.raises(UndertoneError, match=few) as told:
        csv.read(tmp_path / "wide.csv")
    assert len(str(told.value)) < 2000
    assert time.process_time() - began < 5
