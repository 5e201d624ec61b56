"""Corpora by the grammar of their file names, on made-up files, odd ones among them."""

import shutil

import pytest
from audio_fakes import ffmpeg
from corpora_fakes import write_audio

from undertone import corpora
from undertone.corpora import emovo, enterface, meld, savee
from undertone.corpora.official import OF_TEST_SPEAKER, in_official_folds, official_folds
from undertone.errors import UndertoneError
from undertone.features.workers import Recording, read

NAMES = {  # a file of each corpus, what it tells, and an odd name that is counted
    "tess": (
        "OAF_angry/OAF_back_angry.wav",
        ("OAF", "female", "anger", "back"),
        "OAF_back_mad.wav",
    ),
    "savee": ("AudioData/JK/su07.wav", ("JK", "male", "surprise", None), "JK/s07.wav"),
    "emovo": ("m2/rab-m2-n5.wav", ("m2", "male", "anger", "n5"), "m2/rab-m4-n5.wav"),
    "enterface": (
        "subject 3/fear/sentence 2/s3_fe_2.wav",
        ("3", None, "fear", "fe2"),
        "s3_fe_6.wav",
    ),
    "nemo": ("samples/SB0_surprised_07.wav", ("SB0", None, "surprise", "07"), "SB0_bored_07.wav"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_tells_and_an_odd_one_is_counted(tmp_path, name):
    file, told, odd = NAMES[name]
    write_audio(tmp_path, file, odd)
    corpus = corpora.open(f"{name}={tmp_path}")
    row = corpus.table.iloc[0]
    found = (row["speaker"], row["sex"], row["emotion"], row.get("sentence"))
    assert (len(corpus), found, row["file"]) == (1, told, file)
    (reason, n), *others = corpus.reasons().items()
    assert (reason.startswith("not a file name of"), n, others) == (True, 1, [])
    assert corpus.licence
    assert any(year in corpus.citation for year in ("2006", "2010", "2014", "2020", "2024"))
    assert len(row["language"]) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_something_else_is_refused(tmp_path, name):
    write_audio(tmp_path, "song.wav")
    with pytest.raises(UndertoneError, match=r"expected names such as .* Is .* folder"):
        corpora.open(f"{name}={tmp_path}")


def test_tess_knows_the_file_that_lost_its_letter(tmp_path):
    write_audio(tmp_path, "OAF_neutral/OA_bite_neutral.wav", "YAF_neat_ps.wav")
    table = corpora.open(f"tess={tmp_path}").table.set_index("utterance")
    assert table["speaker"].to_dict() == {"OA_bite_neutral": "OAF", "YAF_neat_ps": "YAF"}
    assert table.loc["YAF_neat_ps", "transcript"] == "Say the word neat."


def test_savee_reads_the_original_and_the_flat_copy_alike(tmp_path):
    write_audio(tmp_path, *(f"o/{s}/{e}01.wav" for s in savee.SPEAKERS for e in savee.EMOTIONS))
    write_audio(tmp_path, *(f"f/{s}_{e}01.wav" for s in savee.SPEAKERS for e in savee.EMOTIONS))
    original, flat = (corpora.open(f"savee={tmp_path / place}").table for place in "of")
    columns = ["utterance", "speaker", "emotion"]
    assert original.sort_values("utterance")[columns].equals(flat.sort_values("utterance")[columns])
    assert len(flat) == 28
    assert flat["emotion"].nunique() == 7


def test_emotions_of_the_two_letter_and_three_letter_grammars_are_all_there():
    assert {emovo.read_name(f"{e}-f1-b1")["emotion"] for e in emovo.EMOTIONS} == {
        *("disgust", "happiness", "neutral", "fear", "anger", "surprise", "sadness")
    }
    assert len({enterface.read_name(f"s1_{e}_1")["emotion"] for e in enterface.EMOTIONS}) == 6


def test_enterface_leaves_out_what_folder_and_name_tell_apart(tmp_path):
    write_audio(
        tmp_path,
        *("subject 6/anger/s6_an_1.wav", "subject 6/anger/s7_an_2.wav"),
        *("subject 6/fear/sentence 1/s6_ha_1.wav", "subject 3/sadness/s_3_sa_1.wav"),
    )
    corpus = corpora.open(f"enterface={tmp_path}")
    assert sorted(corpus.table["utterance"]) == ["s6_an_1", "s_3_sa_1"]
    assert corpus.reasons() == {
        "its folder says subject 6, its name 7": 1,
        "its folder says fear, its name happiness": 1,
    }
    assert corpus.notes == (enterface.WORDS_TELL,)


def test_the_sound_of_a_video_is_read_by_ffmpeg(tmp_path):
    write_audio(tmp_path, "sound.wav")
    video = tmp_path / "subject 1" / "anger" / "s1_an_1.avi"
    video.parent.mkdir(parents=True)
    ffmpeg("-i", tmp_path / "sound.wav", "-c:a", "pcm_s16le", "-f", "avi", video)
    shutil.move(tmp_path / "sound.wav", tmp_path / "other.txt")
    corpus = corpora.open(f"enterface={tmp_path}")
    assert corpus.table["file"].tolist() == ["subject 1/anger/s1_an_1.avi"]
    assert len(read(Recording(video))) == 3200


def test_nemo_takes_sex_and_words_from_its_table(tmp_path):
    files = ("SB0_anger_01.wav", "MK1_neutral_02.wav")
    write_audio(tmp_path / "samples", *files)
    rows = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
    rows += "SB0_anger_01.wav\tanger\tCzy ktoś „tu” był?\tczy ktoś tu był\tSB0\tmale\t24\n"
    (tmp_path / "data.tsv").write_text(rows)
    table = corpora.open(f"nemo={tmp_path}").table.set_index("utterance")
    assert table["sex"].to_dict() == {"SB0_anger_01": "male", "MK1_neutral_02": None}
    assert table.loc["SB0_anger_01", "transcript"] == "Czy ktoś „tu” był?"
    from_within = corpora.open(f"nemo={tmp_path / 'samples'}").table
    assert from_within["transcript"].notna().sum() == 1
    (tmp_path / "data.tsv").write_text(rows.replace("\tanger\t", "\tfear\t"))
    with pytest.raises(UndertoneError, match="says fear of SB0_anger_01"):
        corpora.open(f"nemo={tmp_path}")
    (tmp_path / "data.tsv").write_text("file_id\temotion\nSB0_anger_01.wav\tanger\n")
    with pytest.raises(UndertoneError, match="no column speaker_id and no column gender"):
        corpora.open(f"nemo={tmp_path}")


HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
PARTS = {
    "train": '1,"Oh, no.",Ross,sadness,negative,0,0\n2,Hi,Anna,joy,positive,0,1\n'
    "3,We won,All,joy,positive,1,0\n4,Lost,Anna,neutral,neutral,1,1\n",
    "dev": "1,Well,Monica,neutral,neutral,0,0\n",
    "test": "1,What?,ross,anger,negative,0,0\n2,Yes,Dr. Green,fear,negative,0,1\n"
    "3,Yes,Dr.  Green,disgust,negative,7,0\n",
}


@pytest.fixture
def friends(tmp_path):
    for part, rows in PARTS.items():
        (tmp_path / f"{part}_sent_emo.csv").write_bytes((HEAD + rows).encode("cp1252"))
    write_audio(
        tmp_path,
        *("train/train_splits/dia0_utt0.wav", "train/train_splits/dia0_utt1.wav"),
        *("train/train_splits/dia1_utt0.wav", "train/train_splits/dia1_utt1.wav"),
        *("dev_splits_complete/dia0_utt0.wav", "output_repeated_splits_test/dia0_utt0.wav"),
        *("output_repeated_splits_test/dia0_utt1.wav", "dia5_utt5.wav"),
        *("output_repeated_splits_test/dia9_utt9.wav",),
        *("output_repeated_splits_test/final_videos_testdia9_utt9.wav",),
    )
    return tmp_path


def test_meld_tells_parts_apart_and_counts_what_does_not_fit(friends):
    corpus = corpora.open(f"meld={friends}")
    table = corpus.table.set_index("utterance")
    assert table["emotion"].to_dict() == {
        "valid/dia0_utt0": "neutral",
        "test/dia0_utt0": "anger",
        "test/dia0_utt1": "fear",
        "train/dia0_utt0": "sadness",
        "train/dia0_utt1": "happiness",
        "train/dia1_utt0": "happiness",
        "train/dia1_utt1": "neutral",
    }
    assert table.loc[["train/dia0_utt0", "test/dia0_utt0"], "speaker"].nunique() == 1
    assert table.loc["train/dia0_utt0", ["sex", "transcript"]].tolist() == ["male", "Oh, no."]
    assert table.loc["train/dia1_utt0", "speaker"] is None
    assert corpus.reasons() == {
        meld.NO_PART: 1,
        meld.NO_ROW: 1,
        meld.NO_FILE: 1,
        "not a file name of MELD": 1,
    }


def test_in_melds_folds_nobody_is_on_both_sides(friends):
    used = in_official_folds(corpora.open(f"meld={friends}"))
    (fold,) = official_folds(used)
    assert fold.train_speakers == ("Anna", "unknown speaker of train/dia1_utt0")
    assert fold.test_speakers == ("Dr. Green", "Ross")
    assert used.reasons()[OF_TEST_SPEAKER] == 1


def test_meld_without_tables_or_columns_is_refused(friends):
    (friends / "dev_sent_emo.csv").write_text("Utterance,Speaker\nHi,Ross\n")
    with pytest.raises(UndertoneError, match="has no column Emotion"):
        corpora.open(f"meld={friends}")
    for table in friends.glob("*.csv"):
        table.unlink()
    with pytest.raises(UndertoneError, match=r"expected train_sent_emo\.csv, dev_sent_emo\.csv"):
        corpora.open(f"meld={friends}")
