"""A table is what its author meant: first lines, quotes, encodings, sheets, records, times."""

import json

import numpy as np
import pandas as pd
import pytest
from corpora_fakes import write_audio

from undertone import corpora
from undertone.corpora import columns, delimited, tables
from undertone.corpora.times import seconds
from undertone.errors import UndertoneError

FILES = [f"w/s{speaker}_{number}.wav" for speaker in range(3) for number in range(4)]
EMOTIONS = ("anger", "happiness", "neutral", "sadness")


def speaker_of(file: str) -> str:
    return file[2:4]


def emotion_of(file: str) -> str:
    return EMOTIONS[int(file[5])]


@pytest.fixture
def home(tmp_path):
    write_audio(tmp_path, *FILES)
    return tmp_path


def rows(mark: str = ",", tail: str = "", said: str | None = None) -> list[str]:
    """A row a file, its cells parted by a mark."""
    cells = (
        [f, speaker_of(f), emotion_of(f), *([said] if said is not None else [])] for f in FILES
    )
    return [mark.join(row) + tail for row in cells]


def read(path, *lines, encoding="utf-8"):
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return corpora.open(str(path))


def check_whole(corpus):
    """All files, with their own speakers and emotions."""
    table = corpus.table
    assert sorted(table["file"]) == FILES
    assert table["speaker"].tolist() == [speaker_of(file) for file in table["file"]]
    assert table["emotion"].tolist() == [emotion_of(file) for file in table["file"]]


@pytest.mark.parametrize(
    "lines",
    [
        ["sep=;", "file;speaker;emotion", *rows(";")],
        ['"sep=|"', "file|speaker|emotion", *rows("|")],
        ["# exported in 2024", "# by me, for you, and others", "file,speaker,emotion", *rows()],
        ["#file\tspeaker\temotion", *rows("\t")],
        ["", "", "file,speaker,emotion", *rows(), "", "# the end"],
        ["file,speaker,emotion,", *rows(tail=",")],
        ["file,speaker,emotion", *rows(tail=",,,")],
        ["file,speaker,emotion,,", *rows()],
        ['"file","speaker","emotion"', *rows()],
    ],
)
def test_first_and_last_lines_of_every_program(home, lines):
    check_whole(read(home / "mine.csv", *lines))


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("broken", [(3,), (3, 4), (3, 9), (0, 11), tuple(range(12))])
def test_a_quotation_mark_that_is_not_closed_eats_no_row(home, mark, broken):
    lines = rows(mark, said="ja")
    for i in broken:
        lines[i] = lines[i].removesuffix("ja") + '"Ach so'
    corpus = read(home / "mine.csv", mark.join(("file", "speaker", "emotion", "text")), *lines)
    check_whole(corpus)
    said = dict(zip(corpus.table["file"], corpus.table["transcript"], strict=True))
    assert [said[file] for file in FILES] == ['"Ach so' if i in broken else "ja" for i in range(12)]


def test_quoted_cells_keep_their_separators_lines_and_marks(home):
    said = ['"one, two"', '"a ""word"" here"', '"first\nsecond"', 'he said "so"'] * 3
    lines = [row + "," + text for row, text in zip(rows(), said, strict=True)]
    corpus = read(home / "mine.csv", "file,speaker,emotion,text", *lines)
    check_whole(corpus)
    assert corpus.table["transcript"].tolist()[:4] == [
        *("one, two", 'a "word" here', "first\nsecond", 'he said "so"')
    ]


def test_a_cell_of_several_lines_may_stand_first(home):
    lines = [f'"first\nsecond, third",{row}' for row in rows()]
    corpus = read(home / "mine.csv", "text,file,speaker,emotion", *lines)
    check_whole(corpus)
    assert set(corpus.table["transcript"]) == {"first\nsecond, third"}


def test_a_mark_that_cannot_be_understood_is_named_with_its_line(home):
    lines = [*rows(said="ja")[:5], f'{FILES[5]},s1,sad,"one, two', *rows(said="ja")[6:]]
    with pytest.raises(UndertoneError, match="line 7: a quotation mark is opened"):
        read(home / "mine.csv", "file,speaker,emotion,text", *lines)


def test_a_row_with_too_many_cells_is_named_with_its_line(home):
    lines = [*rows()[:5], f"{FILES[5]},s1,sad,1,5", *rows()[6:]]
    with pytest.raises(UndertoneError, match="line 7 has 5 cells where there are 3 column names"):
        read(home / "mine.csv", "file,speaker,emotion", *lines)


def test_every_line_is_a_row_or_a_comment_or_empty(rng):
    """Whatever quotation marks stand where: no line vanishes, or the table is refused."""
    for _ in range(200):
        words = rng.choice(["a", '"', '""', 'b"', '"c'], size=(8, 2))
        lines = [f"f{i},{''.join(pair)},x" for i, pair in enumerate(words)]
        try:
            cells = delimited.parse("\n".join(["file,said,label", *lines]), "somewhere")
        except UndertoneError:
            continue
        assert [row[0] for row in cells.rows] == [f"f{i}" for i in range(8)]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig", "cp1251", "utf-32"])
def test_encodings(home, encoding):
    name = "Ольга" if encoding == "cp1251" else "Zoë Müller"
    lines = [f"{f},{name},{emotion_of(f)},Das ist ein längerer Satz" for f in FILES]
    if encoding == "cp1251":
        lines = [f"{f},{name},{emotion_of(f)},Это довольно длинное предложение" for f in FILES]
    corpus = read(home / "mine.csv", "file,speaker,emotion,text", *lines, encoding=encoding)
    assert corpus.speakers == (name,)
    assert bool(corpus.notes) == encoding.startswith("cp")


def test_bytes_of_nothing_are_no_text(home):
    (home / "mine.csv").write_bytes(b"file,speaker\0\0\xff\xfe\xff")
    with pytest.raises(UndertoneError, match="is no text"):
        corpora.open(str(home / "mine.csv"))


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {"file": FILES, "speaker": map(speaker_of, FILES), "emotion": map(emotion_of, FILES)}
    )


def test_sheets(home):
    with pd.ExcelWriter(home / "mine.xlsx") as book:
        pd.DataFrame({"note": ["made by me"]}).to_excel(book, sheet_name="About", index=False)
        frame().to_excel(book, sheet_name="Data", index=False, startrow=2)
    corpus = corpora.open(str(home / "mine.xlsx"))
    check_whole(corpus)
    assert "the sheet 'Data' was read, and not 'About'" in corpus.notes[0]


def test_numbers_of_a_sheet_are_no_fractions_and_its_times_are_seconds(home):
    table = frame().iloc[:2].assign(speaker=[3, 4], start=[0.05, 0.0], end=[0.15, 0.2])
    table.to_excel(home / "mine.xlsx", index=False)
    corpus = corpora.open(str(home / "mine.xlsx"))
    assert corpus.speakers == ("3", "4")
    assert corpus.table["start_s"].tolist() == [0.05, 0.0]


def test_a_sheet_that_is_none_is_told(home):
    (home / "mine.xlsx").write_bytes(b"PK\3\4 not a workbook")
    with pytest.raises(UndertoneError, match="save it as CSV"):
        corpora.open(str(home / "mine.xlsx"))


def test_without_openpyxl_the_install_command_is_told(home, monkeypatch):
    frame().to_excel(home / "mine.xlsx", index=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UndertoneError, match=r"pip install 'undertone-ser\[xlsx\]'"):
        corpora.open(str(home / "mine.xlsx"))


@pytest.mark.parametrize("indexed", [False, True])
def test_parquet(home, indexed):
    table = frame().set_index("file") if indexed else frame()
    table.to_parquet(home / "mine.parquet")
    check_whole(corpora.open(str(home / "mine.parquet")))


def test_parquet_with_a_segmented_index(home):
    index = pd.MultiIndex.from_arrays(
        [FILES[:2], pd.to_timedelta([0, 0.05], "s"), pd.to_timedelta([0.15, None], "s")],
        names=["file", "start", "end"],
    )
    pd.DataFrame({"speaker": [3.0, 4.0], "emotion": ["a", "b"]}, index).to_parquet(
        home / "m.parquet"
    )
    table = columns.standardise(columns.read_cells(home / "m.parquet"))
    assert table["start_s"].tolist() == [0.0, 0.05]
    assert table["end_s"].tolist() == [0.15, None]
    assert table["speaker"].tolist() == ["3", "4"]


@pytest.mark.parametrize("form", ["jsonl", "list", "by name", "inside"])
def test_records(home, form):
    records = [
        {"file_name": file, "speaker_id": speaker_of(file), "label": emotion_of(file)}
        for file in FILES
    ]
    path = home / ("metadata.jsonl" if form == "jsonl" else "mine.json")
    content = {
        "list": records,
        "by name": {record["file_name"][2:6]: record for record in records},
        "inside": {"labels": {"a": 0}, "meta_data": records},
    }
    if form == "jsonl":
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        path.write_text(json.dumps(content[form]))
    check_whole(corpora.open(str(home if form == "jsonl" else path)))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"file": "a"}\nnothing\n', "not valid JSON"),
        ("a.jsonl", '{"file": "a"}\n\n[1]\n', "line 3: expected a record"),
        ("a.jsonl", "", "no records"),
        ("a.json", '{"a": 1, "b": [2]}', "expected a list of records"),
        ("a.json", "[" * 100_000, "not valid JSON"),
    ],
)
def test_what_are_no_records_is_told(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UndertoneError, match=message):
        tables.read(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[("1.5", 1.5), ("1,5", 1.5), (" 1.5 ", 1.5), (".5", 0.5), ("1e-1", 0.1), ("0", 0.0)],
        *[("1.5s", 1.5), ("1500 ms", 1.5), ("2 min", 120.0)],
        *[("00:00:01,500", 1.5), ("0:00:01,5", 1.5), ("00:00:01.500", 1.5)],
        *[("01:05", 65.0), ("75:30.5", 4530.5), ("1:02:03", 3723.0)],
        *[("0 days 00:00:01.500000", 1.5), ("1 days 00:00:00", 86400.0)],
    ],
)
def test_times_as_people_write_them(text, expected):
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["1 000", "1,000.5", "1.000,5", "soon", "1:75", "1:99:00", "inf"])
def test_times_that_could_mean_two_things_are_refused(text):
    with pytest.raises(UndertoneError, match="expected seconds"):
        seconds(text)


def test_a_time_that_is_none_is_named_with_file_line_and_column(home):
    with pytest.raises(UndertoneError, match=r"mine\.csv, line 3, start_s: .*'1 000'"):
        read(
            home / "mine.csv",
            "file,start,end,speaker,emotion",
            f"{FILES[0]},0,1,a,anger",
            f"{FILES[1]},1 000,2 000,a,sadness",
        )


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("start,duration", "1,0.5", (1.0, 1.5)),
        ("offset,duration", "1,0.5", (1.0, 1.5)),
        ("start,duration,end", "1,9,1.25", (1.0, 1.25)),
        ("start,duration,end", "1,0.5,", (1.0, 1.5)),
        ("onset,offset", "1,1.5", (1.0, 1.5)),
        ("begin,end", "1,1.5", (1.0, 1.5)),
        ("start,duration", ",0.5", (None, None)),
    ],
)
def test_a_segment_ends_where_its_columns_say(home, header, cells, expected):
    corpus = read(
        home / "mine.csv", f"file,{header},speaker,emotion", f"{FILES[0]},{cells},a,anger"
    )
    found = corpus.table[["start_s", "end_s"]].iloc[0]
    assert tuple(None if np.isnan(value) else value for value in found) == expected


def test_the_duration_of_a_whole_file_is_a_column_like_any_other(home):
    corpus = read(home / "mine.csv", "file,duration,speaker,emotion", f"{FILES[0]},0.2,a,anger")
    assert corpus.table["duration"].tolist() == ["0.2"]
    assert corpus.table["end_s"].isna().all()


def test_a_table_of_a_million_columns_is_refused_at_once(home):
    (home / "mine.csv").write_text(",".join(map(str, range(1_000_000))) + "\n")
    with pytest.raises(UndertoneError, match="1,000,000 columns"):
        corpora.open(str(home / "mine.csv"))


def test_words_that_are_no_emotion_are_listed_once_with_counts_and_the_nearest(home):
    lines = [row.replace("anger", "Freude").replace("neutral", "neutrral") for row in rows()]
    corpus = read(home / "mine.csv", "file,speaker,emotion", *lines)
    assert corpus.notes == (
        "2 words are no emotion known here, each counts as one of its own: freude (3 times, "
        "perhaps happiness), neutrral (3 times, perhaps neutral).",
    )
