import shutil
from pathlib import Path

import pandas as pd
import pytest
from msp_fakes import (
    HEADER,
    utterances,
    with_part,
    write_audios,
    write_consensus,
    write_details,
    write_lists,
    write_stereo,
)

from undertone import audio, corpora
from undertone.corpora import msp_podcast, ratings
from undertone.errors import UndertoneError
from undertone.tasks import Classes, Dimensions

TOLD = utterances()
FIRST = TOLD[0].file
CSV = "Labels/labels_consensus.csv"


@pytest.fixture
def newer(tmp_path) -> Path:
    write_audios(tmp_path, TOLD)
    write_consensus(tmp_path / CSV, TOLD)
    return tmp_path


@pytest.fixture
def older(tmp_path) -> Path:
    write_audios(tmp_path, TOLD)
    write_lists(tmp_path, TOLD)
    return tmp_path


def told(corpus) -> pd.DataFrame:
    names = ["utterance", "file", "speaker", "sex", "emotion", "arousal", "valence", "dominance"]
    return corpus.table[[*names, "letter", "split"]]


def test_both_layouts_tell_the_same(newer, tmp_path_factory):
    corpus = corpora.open(f"msp-podcast={newer}")
    other = tmp_path_factory.mktemp("older")
    write_audios(other, TOLD)
    write_lists(other, TOLD)
    pd.testing.assert_frame_equal(told(corpus), told(msp_podcast.read(other)))
    assert corpus.official_folds
    assert corpus.scale == (1, 7)
    row = corpus.table.iloc[0]
    assert row["utterance"] == FIRST.removesuffix(".wav")
    assert row["file"] == f"Audios/{FIRST}"
    assert (row["speaker"], row["sex"], row["emotion"]) == ("100", "female", "anger")
    assert tuple(row[["arousal", "valence", "dominance"]]) == TOLD[0].amounts
    assert row["split"] == "train"
    assert corpus.ratings is None


def test_columns_are_found_by_name_and_files_by_either_spelling(newer):
    expected = told(msp_podcast.read(newer))
    (newer / CSV).unlink()
    order = ",".join(reversed(HEADER.split(",")))
    write_consensus(newer / "Labels/Labels/labels_concensus.csv", TOLD, order)
    pd.testing.assert_frame_equal(told(msp_podcast.read(newer)), expected)


@pytest.mark.parametrize("folder", ["Audios/Audio", "Audio"])
def test_audio_is_found_where_releases_have_it(newer, folder):
    shutil.move(newer / "Audios", newer / "moved")
    (newer / folder).parent.mkdir(exist_ok=True)
    shutil.move(newer / "moved", newer / folder)
    corpus = msp_podcast.read(newer)
    assert len(corpus) == len(TOLD)
    assert corpus.table["file"].iloc[0] == f"{folder}/{FIRST}"


def test_what_has_no_class_keeps_its_amounts(newer):
    table = msp_podcast.read(newer).table.set_index("letter")
    assert table.loc[["X", "O"], "emotion"].isna().all()
    assert table.loc[["X", "O"], ["arousal", "valence", "dominance"]].notna().all(axis=None)
    assert set(table["emotion"].dropna()) == {"anger", "neutral", "happiness", "sadness"}


def test_withheld_labels_are_no_error(newer):
    corpus = msp_podcast.read(newer)
    secret = corpus.table[corpus.table["split"] == "test3"]
    assert len(secret) == 4
    assert secret[["emotion", "arousal", "valence", "dominance"]].isna().all(axis=None)
    assert corpus.task("dimensions") == Dimensions(low=1, high=7)
    assert corpus.task() == Classes(("anger", "happiness", "neutral", "sadness"))
    labelled = corpus.task("dimensions").is_labelled(corpus.table)
    assert labelled.sum() == len(TOLD) - 4


def test_unknown_speakers_are_told(newer, older):
    """Absent from the list of speakers, or called Unknown."""
    for root in (newer, older):
        corpus = msp_podcast.read(root)
        unknown = corpus.table["speaker"].isna()
        assert unknown.sum() == sum(said.speaker == "Unknown" for said in TOLD) == 6
        assert corpus.table.loc[unknown, "sex"].isna().all()
        assert corpus.notes[0].startswith(
            "6 utterances are of unknown speakers (1 in test2, 4 in train, 1 in valid)"
        )
        assert not {"Unknown", "unknown", "nan"} & set(corpus.speakers)


def test_transcripts_are_read_where_they_are(newer):
    (newer / "Transcripts").mkdir()
    place = newer / "Transcripts" / FIRST.replace(".wav", ".txt")
    place.write_text("That's «naïve»,\nisn't it?\n", encoding="utf-8")
    place.with_stem(TOLD[1].file.removesuffix(".wav")).write_text(" \n")
    spoken = msp_podcast.read(newer).table["transcript"]
    assert spoken.iloc[0] == "That's «naïve», isn't it?"
    assert spoken.iloc[1:].isna().all()
    place.write_bytes(b"na\xefve")
    with pytest.raises(UndertoneError, match=rf"{place.name} is not in UTF-8"):
        msp_podcast.read(newer)


# --- raters


@pytest.mark.parametrize("kind", ["json", "csv", "detail", "lines"])
def test_raters_are_told_by_each_of_the_tables(newer, kind):
    if kind == "lines":
        write_lists(newer, TOLD)
    else:
        suffix = "json" if kind == "json" else "csv"
        write_details(newer / f"Labels/labels_detailed.{suffix}", TOLD, kind)
    corpus = msp_podcast.read(newer)
    rated = corpus.ratings
    assert len(rated) == 3 * (len(TOLD) - 4)
    assert rated["rater"].nunique() == 3
    own = rated[rated["utterance"] == FIRST.removesuffix(".wav")]
    assert own["emotion"].tolist() == ["anger", "anger", "sadness"]
    assert own[["arousal", "valence", "dominance"]].to_numpy().tolist() == [
        *([1, 2, 3], [2, 3, 4], [3, 4, 5])
    ]
    table = corpus.table.set_index("utterance")
    assert table.loc[FIRST[:-4], "share_anger"] == pytest.approx(2 / 3)
    assert ratings.shares_of(table).sum(axis=1, min_count=1).dropna().eq(1).sum() > 30
    assert {"share_other", "share_fear"} <= set(table)  # what raters wrote themselves is one word


def test_free_words_may_hold_anything(older):
    path = older / "Labels/labels.txt"
    text = path.read_text().replace("Angry; Angry,Confused", "Other-hot; cold, A:9; Angry", 1)
    path.write_text(text)
    rated = msp_podcast.read(older).ratings
    assert rated["emotion"].iloc[0] == "other"


# --- what is left out, and what is refused


def test_files_without_labels_and_labels_without_files_are_counted(newer):
    (newer / "Audios" / FIRST).unlink()
    write_stereo(newer / "Audios" / TOLD[1].file)
    write_stereo(newer / "Audios" / "MSP-PODCAST_9999_0001.wav")
    write_stereo(newer / "Audios" / "._MSP-PODCAST_0000_0001.wav")
    (newer / "Audios" / TOLD[2].file).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    write_audios(newer, TOLD[3:4], "Audio")
    corpus = msp_podcast.read(newer)
    assert sorted(corpus.reasons().items()) == [
        ("a Git LFS pointer, not sound; run `git lfs pull` in its repository", 1),
        ("another file of the same utterance is there", 1),
        ("file not found", 1),
        ("in no table of labels", 1),
    ]
    assert len(corpus) == len(TOLD) - 2
    assert len(audio.read(newer / "Audios" / TOLD[1].file)) == audio.SAMPLE_RATE
    shutil.rmtree(newer / "Audio")
    for path in newer.rglob("*.wav"):
        path.unlink()
    write_stereo(newer / "Audios" / "MSP-PODCAST_9999_0001.wav")
    with pytest.raises(UndertoneError, match="none of the 48 utterances with labels has audio"):
        msp_podcast.read(newer)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amounts": (2.0, 7.2, 3.0)}, "line 2: expected a number from 1 to 7, found '7.2'"),
        ({"amounts": (0.0, 2.0, 3.0)}, r"line 2: .* found '0\.0'"),
        ({"amounts": (2.0, "low", 3.0)}, "line 2: .* found 'low'"),
        ({"letter": "Q"}, "line 2: expected a class .*, found 'Q'"),
        ({"split": "Trian"}, "line 2: expected Train, Development, .* found 'Trian'"),
        ({"file": TOLD[5].file}, "line 7: .* a second time"),
    ],
)
def test_cells_that_are_none_are_refused_where_they_stand(newer, changes, message):
    write_consensus(newer / CSV, with_part(TOLD, FIRST, **changes))
    with pytest.raises(UndertoneError, match=rf"labels_consensus\.csv, {message}"):
        msp_podcast.read(newer)


@pytest.mark.parametrize(
    ("file", "right", "wrong", "message"),
    [
        ("Labels/labels.txt", "A:", "A:9", r"line 1: expected a number from 1 to 7, found '9"),
        ("Labels/labels.txt", "; A; ", "; Q; ", "line 1: expected a class"),
        ("Labels/labels.txt", " V:", " W:", "line 1: expected 'A:2.2; V:4.0"),
        ("Labels/labels.txt", "WORKER", "W", "line 2: expected 'FILE"),
        ("Labels/labels.txt", TOLD[1].file, FIRST, "line 6: expected .* once"),
        ("Partitions.txt", "Train;", "Trian;", "line 1: expected Train"),
        ("Partitions.txt", "Train;", "", "line 1: expected 'Train; FILE"),
        ("Partitions.txt", TOLD[-1].file, FIRST, "line 48: expected .* in one part"),
        ("Speaker_ids.txt", "Speaker_101;", "", "line 2: expected 'Speaker_12; Male'"),
        ("Speaker_ids.txt", TOLD[-2].file, FIRST, "expected one speaker of"),
    ],
)
def test_lines_that_are_none_are_refused_where_they_stand(older, file, right, wrong, message):
    path = older / file
    path.write_text(path.read_text().replace(right, wrong, 1))
    with pytest.raises(UndertoneError, match=rf"{path.name}, .*{message}"):
        msp_podcast.read(older)


@pytest.mark.parametrize("name", ["Labels/labels.txt", "Partitions.txt", "Speaker_ids.txt"])
def test_an_incomplete_layout_names_the_missing_file(older, name):
    (older / name).unlink()
    with pytest.raises(UndertoneError, match=rf"found .* without {Path(name).name}:"):
        msp_podcast.read(older)


def test_a_folder_without_labels_or_audio_or_a_column_is_refused(newer):
    write_consensus(newer / CSV, TOLD, HEADER.replace("EmoVal,", ""))
    with pytest.raises(UndertoneError, match="no column EmoVal; it has"):
        msp_podcast.read(newer)
    (newer / CSV).unlink()
    with pytest.raises(UndertoneError, match=r"either Labels/labels_consensus\.csv, or .* none"):
        msp_podcast.read(newer)
    write_consensus(newer / CSV, TOLD)
    shutil.rmtree(newer / "Audios")
    with pytest.raises(UndertoneError, match="expected the audio of MSP-Podcast"):
        msp_podcast.read(newer)


@pytest.mark.parametrize("content", ["[1]", '{"a.wav": {"W": {"EmoAct": 1}}}', "{", '{"a": 1}'])
def test_another_table_of_raters_is_refused(newer, content):
    (newer / "Labels/labels_detailed.json").write_text(content)
    with pytest.raises(UndertoneError, match=r"labels_detailed\.json is not the table of raters"):
        msp_podcast.read(newer)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("FileName,EmoClass_Major,EmoAct,EmoVal,EmoDom", "a.wav,Sad,1,2,3", "no column of raters"),
        ("FileName,Workers,EmoAct,EmoVal,EmoDom", "a.wav,W,1,2,3", "no column EmoClass_Major"),
        (
            "FileName,Workers,EmoClass_Major,EmoAct,EmoVal,EmoDom",
            "a.wav,W,Sad,1,8,3",
            "line 2: .* found '8'",
        ),
        ("FileName,EmoDetail", "a.wav,WORKER1; Sad", "line 2: expected 'WORKER0000001"),
    ],
)
def test_a_damaged_table_of_raters_is_refused(newer, header, row, message):
    (newer / "Labels/labels_detailed.csv").write_text(f"{header}\n{row}\n")
    with pytest.raises(UndertoneError, match=message):
        msp_podcast.read(newer)


# --- both layouts in one folder


def test_both_layouts_may_lie_in_one_folder_if_they_agree(newer):
    write_lists(newer, TOLD)
    corpus = msp_podcast.read(newer)
    assert len(corpus) == len(TOLD)
    write_lists(newer, TOLD[:-4])  # without what is withheld
    pd.testing.assert_frame_equal(told(msp_podcast.read(newer)), told(corpus))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"letter": "S"}, "letter A in one and S in the other"),
        ({"amounts": (2.0, 3.0, 4.0)}, r"arousal .* in one and 2\.0 in the other"),
        ({"split": "Test1"}, "split train in one and test1"),
        ({"speaker": "999"}, "speaker 100 in one and 999"),
    ],
)
def test_layouts_that_disagree_are_refused(newer, changes, message):
    write_lists(newer, with_part(TOLD, FIRST, **changes))
    with pytest.raises(UndertoneError, match=rf"disagree: {FIRST} has the {message}"):
        msp_podcast.read(newer)


def test_layouts_of_other_files_and_two_tables_are_refused(newer):
    write_lists(newer, with_part(TOLD[:1], FIRST, file="MSP-PODCAST_8888_0001.wav"))
    with pytest.raises(UndertoneError, match="have no file in common"):
        msp_podcast.read(newer)
    write_consensus(newer / "Labels/labels_concensus.csv", TOLD[1:])
    with pytest.raises(UndertoneError, match=r"concensus\.csv and .* are not the same: keep"):
        msp_podcast.read(newer)
