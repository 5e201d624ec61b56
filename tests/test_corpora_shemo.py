import json

import pytest
from corpora_fakes import write_audio

from undertone import corpora
from undertone.corpora import shemo
from undertone.errors import UndertoneError

FILES = ("female/F03S02.wav", "female/F21F01.wav", "male/M21F01.wav", "male/M02H03.wav")


def correct(path, **rows):
    path.write_text(json.dumps({f"{name}.wav": row for name, row in rows.items()}))


def test_position_tells_women_from_fear(tmp_path):
    write_audio(tmp_path, *FILES, "female/jingle.wav", "male/M02X03.wav")
    corpus = corpora.open(f"shemo={tmp_path}")
    table = corpus.table.set_index("utterance")
    assert table["emotion"].to_dict() == {
        "F03S02": "sadness",
        "F21F01": "fear",
        "M21F01": "fear",
        "M02H03": "happiness",
    }
    assert table["sex"].to_dict()["F21F01"] == "female"
    assert corpus.speakers == ("F03", "F21", "M02", "M21")
    assert set(table["language"]) == {"fas"}
    assert corpus.reasons() == {"not a file name of ShEMO": 2}


def test_a_speaker_is_sex_and_number():
    assert shemo.read_name("F21A01")["speaker"] != shemo.read_name("M21A01")["speaker"]
    letters = [shemo.read_name(f"M01{letter}01")["emotion"] for letter in "AFHNSW"]
    assert letters == list(shemo.EMOTIONS.values())
    for wrong in ("03a01Fa", "X01A01", "F1A01", "F01B01", "F01A", "F01A01b"):
        assert shemo.read_name(wrong) is None


def test_five_emotions_leave_fear_out_and_say_so(tmp_path):
    write_audio(tmp_path, *FILES)
    corpus = corpora.open(f"shemo5={tmp_path}")
    assert corpus.emotions == ("happiness", "sadness")
    assert corpus.reasons() == {shemo.TOO_RARE: 2}


@pytest.mark.parametrize("beside", [True, False])
def test_corrected_labels_are_taken_and_the_named_ones_kept(tmp_path, beside):
    write_audio(tmp_path / "shemo", *FILES)
    path = tmp_path / shemo.CORRECTIONS if beside else tmp_path / "shemo" / shemo.CORRECTIONS
    correct(path, F03S02={"emotion": "anger", "transcript": "x y"}, M21F01={"emotion": "Surprise"})
    table = shemo.read(tmp_path / "shemo").table.set_index("utterance")
    assert table.loc["F03S02", ["emotion", "named_emotion", "transcript"]].tolist() == [
        "anger",
        "sadness",
        "x y",
    ]
    assert table["emotion"].to_dict()["M21F01"] == "surprise"
    assert table["emotion"].to_dict()["F21F01"] == "fear"
    assert table["transcript"].isna().sum() == 3
    assert shemo.read(tmp_path / "shemo", five=True).reasons() == {shemo.TOO_RARE: 1}


def test_old_and_new_names_are_told_apart_by_the_audio(tmp_path):
    path = tmp_path / shemo.CORRECTIONS
    correct(
        path,
        F03S02={"emotion": "sadness", "speech_name": "F03A02"},
        M02H03={"emotion": "happiness", "speech_name": "M02H03"},
    )
    new = shemo.read_corrections(path, {"F03S02", "M02H03"})
    old = shemo.read_corrections(path, {"F03A02", "M02H03"})
    assert new["F03S02"] == old["F03A02"]
    assert "F03A02" not in new


def test_a_wrong_table_and_a_wrong_folder_are_told(tmp_path):
    write_audio(tmp_path, *FILES)
    for content in ("[1]", "{", '{"F03S02.wav": {}}'):
        (tmp_path / shemo.CORRECTIONS).write_text(content)
        with pytest.raises(UndertoneError, match="is not the table of corrected labels"):
            shemo.read(tmp_path)
    write_audio(tmp_path / "other", "song.wav")
    with pytest.raises(UndertoneError, match=r"Is .* the ShEMO folder"):
        shemo.read(tmp_path / "other")
