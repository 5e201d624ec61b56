"""Corpora told by file names, in copies that somebody's disk or spreadsheet has changed."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from undertone import corpora
from undertone.errors import UndertoneError

NAMES = ("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")


def record(root: Path, *names: str, seed: int | None = None) -> None:
    """Recordings below a folder: each its own, or all of one seed."""
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i if seed is None else seed).normal(size=2000)
        soundfile.write(path, 0.1 * noise, 16_000, format="WAV")


def meld_table(path: Path, *rows: tuple[object, ...]) -> None:
    """Rows of (speaker, emotion, dialogue, utterance)."""
    lines = [",".join(NAMES)]
    lines += [f"1,hi,{who},{emotion},neutral,{d},{u}" for who, emotion, d, u in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("corpus", "one", "other", "emotion"),
    [
        ("tess", "OAF_bite_neutral", "OA_bite_neutral", "neutral"),
        ("tess", "YAF_cat_ps", "YAF_cat_pleasant_surprise", "surprise"),
        ("tess", "YAF_cat_sad", "yaf_CAT_Sad", "sadness"),
        ("emovo", "dis-f1-b1", "DIS-F1-B1", "disgust"),
        ("enterface", "s3_ha_1", "s_03_ha_1", "happiness"),
        ("nemo", "SB0_anger_01", "sb0_anger_01", "anger"),
        ("nemo", "SB0_surprise_01", "SB0_surprised_01", "surprise"),
        ("savee", "DC_a01", "dc_A01", "anger"),
    ],
)
def test_one_utterance_under_two_spellings_counts_once(tmp_path, corpus, one, other, emotion):
    record(tmp_path, f"a/{one}.wav", f"b/{other}.wav", seed=1)
    read = corpora.open(f"{corpus}={tmp_path}")
    assert list(read.table["emotion"]) == [emotion]
    assert any("the same utterance as a/" in reason for reason in read.left_out["reason"])
    record(tmp_path, f"b/{other}.wav", seed=2)
    with pytest.raises(UndertoneError, match="under the same names"):
        corpora.open(f"{corpus}={tmp_path}")


@pytest.mark.parametrize(
    ("corpus", "names", "speakers"),
    [
        ("savee", ("DC/A01.WAV", "je/SU02.WAV", "ALL/KL_SA03.WAV"), {"DC", "JE", "KL"}),
        ("enterface", ("S4_SU_1.WAV", "S05_AN_2.WAV"), {"4", "5"}),
        ("nemo", ("SB0_ANGER_01.WAV", "ab1_FEAR_02.wav"), {"SB0", "AB1"}),
        ("emovo", ("DIS-F1-B1.WAV",), {"f1"}),
    ],
)
def test_capital_letters_are_read(tmp_path, corpus, names, speakers):
    record(tmp_path, *names)
    read = corpora.open(f"{corpus}={tmp_path}")
    assert (set(read.speakers), len(read), len(read.left_out)) == (speakers, len(names), 0)


def test_meld_is_read_in_capitals_and_with_numbers_of_a_spreadsheet(tmp_path):
    record(tmp_path, "TRAIN_SPLITS/DIA0_UTT0.WAV", "TRAIN_SPLITS/DIA3_UTT1.WAV")
    meld_table(tmp_path / "TRAIN_SENT_EMO.CSV", ("Ross", "anger", 0, 0), ("Joey", "joy", 3.0, 1.0))
    read = corpora.open(f"meld={tmp_path}")
    assert list(read.table["utterance"]) == ["train/dia0_utt0", "train/dia3_utt1"]
    assert list(read.table["speaker"]) == ["Ross", "Joey"]


def test_meld_tables_of_one_name_must_say_the_same(tmp_path):
    record(tmp_path, "train/dia0_utt0.wav")
    meld_table(tmp_path / "train_sent_emo.csv", ("Ross", "anger", 0, 0))
    meld_table(tmp_path / "copy" / "train_sent_emo.csv", ("Ross", "anger", 0, 0))
    assert list(corpora.open(f"meld={tmp_path}").table["emotion"]) == ["anger"]
    meld_table(tmp_path / "copy" / "train_sent_emo.csv", ("Ross", "joy", 0, 0))
    with pytest.raises(UndertoneError, match=r"differ: which is MELD's train_sent_emo\.csv"):
        corpora.open(f"meld={tmp_path}")


def test_two_rows_of_meld_that_differ_tell_nothing(tmp_path):
    record(tmp_path, "train/dia0_utt0.wav", "train/dia1_utt0.wav")
    rows = [("Ross", "anger", 0, 0), ("Ross", "joy", 0, 0), *[("Bob", "fear", 1, 0)] * 2]
    meld_table(tmp_path / "train_sent_emo.csv", *rows)
    read = corpora.open(f"meld={tmp_path}")
    assert list(read.table["speaker"]) == ["Bob"]
    assert list(read.left_out["reason"]) == ["its table has two rows of it that differ"]


def test_a_file_that_is_misnamed_is_left_out_and_no_twin(tmp_path):
    record(tmp_path, "subject 1/anger/s1_an_1.wav", "subject 2/fear/s1_an_1.wav")
    read = corpora.open(f"enterface={tmp_path}")
    assert list(read.left_out["reason"]) == ["its folder says subject 2, its name 1"]


def test_nemos_table_may_be_empty_in_places_and_never_say_two_things(tmp_path):
    record(tmp_path, "SB0_anger_01.wav", "SB0_fear_02.wav")
    head = "file_id\temotion\tspeaker_id\tgender\traw_text\n"
    table = tmp_path / "data.tsv"
    table.write_text(f"{head}SB0_anger_01.wav\t\t\tmale\tTak.\n")
    read = corpora.open(f"nemo={tmp_path}").table.set_index("utterance")
    assert read.loc["SB0_anger_01", ["emotion", "sex"]].tolist() == ["anger", "male"]
    twice = "SB0_fear_02.wav\tfear\tSB0\tmale\tNie.\nSB0_fear_02.wav\tanger\tSB0\tmale\tNie.\n"
    table.write_text(head + twice)
    with pytest.raises(UndertoneError, match=r"says anger of SB0_fear_02 \(1 rows so\)"):
        corpora.open(f"nemo={tmp_path}")
