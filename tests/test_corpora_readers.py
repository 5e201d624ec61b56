import subprocess
import sys

import pandas as pd
import pytest
from corpora_fakes import write_audio

from undertone import corpora
from undertone.corpora import emodb, folder, ravdess
from undertone.errors import UndertoneError


def test_emodb_reads_the_complete_layout_and_the_listeners(tmp_path):
    write_audio(tmp_path, "wav/03a01Fa.wav", "wav/16b10Lb.wav", "wav/10a07Ad.wav")
    (tmp_path / "erkennung.txt").write_bytes(
        "Satz\terkannt\tnatürlich\r\n03a01Fa.wav\t90,00\t75,00\r\n16b10Lb.wav\t87,5\t5,00\r\n".encode(
            "latin-1"
        )
    )
    table = emodb.read(tmp_path).table.set_index("utterance")
    assert table["emotion"].to_dict() == {
        "03a01Fa": "happiness",
        "10a07Ad": "fear",
        "16b10Lb": "boredom",
    }
    assert table["sex"].tolist() == ["male", "male", "female"]
    assert table.loc["16b10Lb", "sentence"] == "b10"
    assert table["agreement"].dropna().to_dict() == {"03a01Fa": 0.9, "16b10Lb": 0.875}
    assert table["file"].tolist()[0] == "wav/03a01Fa.wav"
    from_within = emodb.read(tmp_path / "wav").table
    assert from_within["agreement"].notna().sum() == 2


def test_emodb_knows_its_speakers_and_emotions():
    sexes = {
        s: emodb.read_name(f"{s}a01Wa")["sex"]
        for s in sorted(emodb.MALE | {"08", "09", "13", "14", "16"})
    }
    assert "".join(sex[0] for sex in sexes.values()) == "mffmmmffmf"
    assert len(set(emodb.EMOTIONS.values())) == 7
    assert len(emodb.SENTENCES) == 10
    assert emodb.read_name("04a01Wa") is None


def test_emodb_takes_any_format_and_counts_what_it_does_not_know(tmp_path):
    write_audio(tmp_path, "x/03a01Fa.flac", "y/08a01Na.ogg", "y/08a01Na.wav", "jingle.wav")
    corpus = emodb.read(tmp_path)
    assert sorted(corpus.table["file"]) == ["x/03a01Fa.flac", "y/08a01Na.ogg"]
    assert corpus.reasons() == {
        "not a file name of EmoDB": 1,
        "the same utterance as y/08a01Na.ogg": 1,
    }


@pytest.mark.parametrize(("reader", "name"), [(emodb.read, "EmoDB"), (ravdess.read, "RAVDESS")])
def test_another_folder_than_the_corpus_is_refused(tmp_path, reader, name):
    with pytest.raises(UndertoneError, match="no audio found"):
        reader(tmp_path)
    write_audio(tmp_path, "song.wav")
    with pytest.raises(UndertoneError, match=f"Is .* the {name} folder"):
        reader(tmp_path)
    with pytest.raises(UndertoneError, match="no such folder"):
        reader(tmp_path / "nowhere")


def test_ravdess_leaves_songs_and_videos_out_with_the_reason(tmp_path):
    write_audio(
        tmp_path,
        "Actor_12/03-01-06-02-02-01-12.wav",
        "Actor_12/03-02-06-01-02-01-12.wav",
        "Actor_12/01-01-06-01-02-01-12.wav",
    )
    corpus = ravdess.read(tmp_path)
    row = corpus.table.iloc[0]
    assert (row["speaker"], row["sex"], row["emotion"]) == ("12", "female", "fear")
    assert (row["intensity"], row["sentence"]) == ("strong", "02")
    assert corpus.reasons() == {"a song": 1, "the sound of a video": 1}
    assert len(ravdess.read(tmp_path, with_songs=True)) == 2


def test_a_folder_is_read_below_and_without_hidden_files(tmp_path):
    write_audio(tmp_path, "a/one.wav", "b/two.flac", "._one.wav", ".cache/three.wav")
    (tmp_path / "notes.txt").write_text("no audio")
    corpus = folder.read(tmp_path)
    assert corpus.table["utterance"].tolist() == ["one", "two"]
    assert corpus.table["speaker"].isna().all()
    assert corpus.name == tmp_path.name
    assert len(corpus.labelled) == 0


def test_a_folder_takes_speakers_from_the_table_beside_it(tmp_path):
    write_audio(tmp_path, "a.wav", "b.wav", "c.wav", "d.wav")
    (tmp_path / "metadata.csv").write_text(
        "file_name,speaker_id,gender\na.wav,007,F\nb.wav,unknown,\nc.wav,1,M\nc.wav,2,M\n"
    )
    table = folder.read(tmp_path).table
    assert table["speaker"].tolist() == ["007", None, None, None]
    assert table["sex"].tolist() == ["female", None, None, None]


def test_files_of_one_name_keep_their_folders_apart(tmp_path):
    write_audio(tmp_path, "a/1.wav", "b/1.wav", "b/1.flac")
    corpus = folder.read(tmp_path)
    assert corpus.table["utterance"].tolist() == ["a/1", "b/1"]
    assert corpus.left_out["file"].tolist() == ["b/1.wav"]


def test_open_chooses_by_name_then_by_what_is_there(tmp_path):
    root = tmp_path / "mine"
    write_audio(root, "03a01Fa.wav", "08a01Na.wav")
    assert corpora.open(f"emodb={root}").emotions == ("happiness", "neutral")
    assert corpora.open(str(root)).name == "mine"
    assert corpora.open(f"librispeech={root}").name == "librispeech"
    assert corpora.open(f"emodb={root}").name == "emodb"
    (root / "labels.csv").write_text("file,speaker,emotion\n03a01Fa.wav,1,\n08a01Na.wav,2,\n")
    unlabelled = corpora.open(f"other={root}")
    assert (unlabelled.name, unlabelled.emotions) == ("other", ())
    assert unlabelled.speakers == ("1", "2")
    (root / "labels.csv").write_text("file,speaker,emotion\n03a01Fa.wav,1,sad\n08a01Na.wav,2,hap\n")
    for spec in (f"other={root}", f"other={root / 'labels.csv'}", f"{root / 'labels.csv'}"):
        assert corpora.open(spec).emotions == ("happiness", "sadness")
    assert corpora.open(str(root / "labels.csv")).name == "mine"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("emodb", "expected NAME=PATH"),
        ("", "expected NAME=PATH"),
        ("emodb=", "expected NAME=PATH"),
        ("emodb=/nowhere/at/all", "no file or folder"),
        ("/nowhere/labels.csv", "no file or folder"),
        (__file__, "is a file, and no table"),
    ],
)
def test_open_says_what_is_wrong(spec, message):
    with pytest.raises(UndertoneError, match=message):
        corpora.open(spec)


def test_importing_corpora_stays_light():
    heavy = ["torch", "scipy", "sklearn", "matplotlib", "numba"]
    code = f"import sys, undertone.corpora; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("name", "n_utterances", "n_speakers", "n_emotions"),
    [("emodb", 339, 10, 4), ("ravdess", 1440, 24, 8), ("librispeech", 162, 162, 0)],
)
def test_real_corpora(corpora_root, name, n_utterances, n_speakers, n_emotions):
    corpus = corpora.open(f"{name}={corpora_root / name}")
    assert corpus.name == name
    found = (len(corpus), len(corpus.speakers), len(corpus.emotions))
    assert found == (n_utterances, n_speakers, n_emotions)
    assert corpus.left_out.empty


@pytest.mark.corpora
@pytest.mark.parametrize("name", ["emodb", "ravdess"])
def test_grammar_and_table_tell_the_same(corpora_root, name):
    by_grammar = corpora.open(f"{name}={corpora_root / name}").table
    by_table = corpora.open(str(corpora_root / name / "labels.csv")).table
    columns = ["utterance", "file", "speaker", "sex", "language", "emotion"]
    columns += {"emodb": ["transcript", "sentence"], "ravdess": ["intensity"]}[name]
    pd.testing.assert_frame_equal(
        by_grammar[columns].sort_values("utterance", ignore_index=True),
        by_table[columns].sort_values("utterance", ignore_index=True),
    )
