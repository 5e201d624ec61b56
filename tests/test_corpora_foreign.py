"""Corpora in the forms of other programs: Hugging Face folders, Kaldi, audformat."""

import json

import pandas as pd
import pytest
from corpora_fakes import write_audio

from undertone import corpora
from undertone.corpora import kaldi
from undertone.errors import UndertoneError
from undertone.reading import settle

FILES = [f"w/s{speaker}_{number}.wav" for speaker in range(3) for number in range(4)]
EMOTIONS = ("anger", "happiness", "neutral", "sadness")
HEADER = "file,speaker,emotion"
ROWS = [f"{file},{file[2:4]},{EMOTIONS[int(file[5])]}" for file in FILES]


@pytest.fixture
def home(tmp_path):
    write_audio(tmp_path, *FILES)
    return tmp_path


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")


def check_whole(corpus):
    table = corpus.table
    assert sorted(table["file"].str[-10:]) == FILES
    assert table["speaker"].tolist() == table["file"].str[-8:-6].tolist()
    assert table["emotion"].tolist() == [EMOTIONS[int(f[-5])] for f in table["file"]]


def why_unlabelled(home) -> str:
    with pytest.raises(UndertoneError) as refused:
        settle(corpora.open(str(home)), "", "")
    return str(refused.value)


@pytest.mark.parametrize("name", ["metadata.csv", "Metadata.CSV", "labels.tsv", "LABELS.csv"])
def test_a_folder_is_read_by_its_table_in_any_case(home, name):
    mark = "\t" if name.endswith("tsv") else ","
    write(home / name, *(line.replace(",", mark) for line in (HEADER, *ROWS)))
    corpus = corpora.open(str(home))
    check_whole(corpus)
    assert corpus.name == home.name


def test_the_table_that_tells_emotions_counts(home):
    write(home / "labels.csv", "file,snr", *(f"{file},12" for file in FILES))
    write(home / "metadata.csv", HEADER, *ROWS)
    check_whole(corpora.open(str(home)))


def test_two_tables_that_tell_emotions_are_refused_by_name(home):
    write(home / "labels.csv", HEADER, *ROWS)
    write(home / "metadata.csv", HEADER, *ROWS[:5])
    with pytest.raises(
        UndertoneError, match=r"2 tables that tell labels, .*labels\.csv, .*metadata"
    ):
        corpora.open(str(home))


def test_labels_without_a_column_of_speakers_are_told(home):
    write(home / "metadata.csv", "file_name,label", *(row.replace(",s0", "") for row in ROWS[:4]))
    told = why_unlabelled(home)
    assert "can only be a pool" in told
    assert "metadata.csv tells emotions and has no column speaker" in told


def test_records_beside_the_audio_are_its_table(home):
    write(
        home / "metadata.jsonl",
        *(
            json.dumps(dict(zip(("file_name", "speaker_id", "label"), r.split(","), strict=True)))
            for r in ROWS
        ),
    )
    check_whole(corpora.open(str(home)))


def test_folders_called_like_emotions_are_told(tmp_path):
    write_audio(tmp_path, "happiness/0.wav", "sad/0.wav", "other things/0.wav", "a/1.wav")
    told = why_unlabelled(tmp_path)
    assert "Its folders happiness, sad look like emotions" in told


def kaldi_folder(home, *, segments=False):
    keys = {file[2:6]: file for file in FILES}
    folder = home / "data" / "train"
    folder.mkdir(parents=True)
    write(
        folder / "wav.scp",
        *(f"{key} {file}" for key, file in keys.items()),
        "cmd sox a.wav -t wav - |",
    )
    names = {f"{key}-a": key for key in keys} if segments else {key: key for key in keys}
    if segments:
        write(folder / "segments", *(f"{name} {key} 0.05 0.15" for name, key in names.items()))
    write(folder / "utt2spk", *(f"{name} {key[:2]}" for name, key in names.items()))
    write(folder / "utt2emo", *(f"{name} {EMOTIONS[int(key[3])]}" for name, key in names.items()))
    write(folder / "text", *(f"{name}\tja gut" for name in names))
    write(folder / "spk2gender", "s0 f", "s1 m", "s2 f")
    return folder


@pytest.mark.parametrize("segments", [False, True])
def test_kaldi_folders(home, segments):
    corpus = corpora.open(str(kaldi_folder(home, segments=segments)))
    check_whole(corpus)
    assert set(corpus.table["transcript"]) == {"ja gut"}
    assert corpus.table["sex"].tolist()[:5] == ["female"] * 4 + ["male"]
    assert corpus.table["utterance"].str.endswith("-a").all() == segments
    assert (corpus.table["end_s"] == 0.15).all() == segments
    assert corpus.reasons() == ({} if segments else {kaldi.COMMAND: 1})


def test_a_kaldi_list_with_a_key_twice_is_refused_with_its_line(home):
    folder = kaldi_folder(home)
    write(folder / "utt2spk", "s0_0 s0", "s0_0 s1")
    with pytest.raises(UndertoneError, match="utt2spk, line 2: s0_0 stands there twice"):
        corpora.open(str(folder))


def database(home, storage_format="csv"):
    """A database with emotions in two split tables, speakers in a third, codes of sentences."""
    audformat = pytest.importorskip("audformat")
    db = audformat.Database("mine", source="made here", usage="unrestricted", languages=["deu"])
    db.license = "CC0-1.0"
    db.schemes["emotion"] = audformat.Scheme(labels=list(EMOTIONS))
    db.schemes["speaker"] = audformat.Scheme(
        labels={"s0": {"gender": "female"}, "s1": {"gender": "male"}, "s2": {"gender": "female"}}
    )
    db.schemes["transcription"] = audformat.Scheme(labels={"a01": "ja gut"})
    for name, files in {"emotion.train": FILES[:8], "emotion.test": FILES[8:]}.items():
        db[name] = audformat.Table(audformat.filewise_index(files))
        db[name]["emotion"] = audformat.Column(scheme_id="emotion")
        db[name]["emotion"].set([EMOTIONS[int(file[5])] for file in files])
    db["files"] = audformat.Table(audformat.filewise_index(FILES))
    for name, of_file in {"speaker": lambda f: f[2:4], "transcription": lambda f: "a01"}.items():
        db["files"][name] = audformat.Column(scheme_id=name)
        db["files"][name].set([of_file(file) for file in FILES])
    db.save(str(home), storage_format=storage_format)
    return db


@pytest.mark.parametrize("storage_format", ["csv", "parquet"])
def test_audformat_databases(home, storage_format):
    database(home, storage_format)
    corpus = corpora.open(str(home))
    check_whole(corpus)
    assert corpus.name == "mine"
    assert corpus.licence == "CC0-1.0"
    assert set(corpus.table["transcript"]) == {"ja gut"}
    assert set(corpus.table["language"]) == {"deu"}
    sexes = dict(zip(corpus.table["speaker"], corpus.table["sex"], strict=True))
    assert sexes == {"s0": "female", "s1": "male", "s2": "female"}


def test_audformat_segments(home):
    audformat = pytest.importorskip("audformat")
    db = audformat.Database("mine")
    db["emotion"] = audformat.Table(
        audformat.segmented_index([FILES[0], FILES[0]], ["0s", "0.1s"], ["0.1s", pd.NaT])
    )
    for name, values in {"emotion": ["anger", "sadness"], "speaker": ["a", "b"]}.items():
        db["emotion"][name] = audformat.Column()
        db["emotion"][name].set(values)
    db.save(str(home), storage_format="csv")
    table = corpora.open(str(home)).table
    assert table["start_s"].tolist() == [0.0, 0.1]
    assert table["end_s"].isna().tolist() == [False, True]
    assert table["speaker"].tolist() == ["a", "b"]


def test_tables_of_a_database_that_disagree_are_told(home):
    audformat = pytest.importorskip("audformat")
    db = database(home)
    db["emotion.old"] = audformat.Table(audformat.filewise_index(FILES[:3]))
    db["emotion.old"]["emotion"] = audformat.Column(scheme_id="emotion")
    db["emotion.old"]["emotion"].set(["anger"] * 3)
    db.save(str(home), storage_format="csv")
    corpus = corpora.open(str(home))
    assert "tell 2 utterances different emotions" in corpus.notes[0]
    unlabelled = corpus.table["file"][corpus.table["emotion"].isna()]
    assert sorted(file[-10:] for file in unlabelled) == FILES[1:3]


def test_a_pickled_table_is_never_opened(home):
    database(home)
    (home / "db.files.csv").unlink()
    (home / "db.files.pkl").write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    with pytest.raises(UndertoneError, match="as a pickle, which is not opened"):
        corpora.open(str(home))


def test_a_header_that_would_run_code_is_refused(home):
    pytest.importorskip("audformat")
    trap = home / "ran"
    (home / "db.yaml").write_text(f"name: !!python/object/apply:os.mkdir ['{trap}']\n")
    with pytest.raises(UndertoneError, match="no plain header"):
        corpora.open(str(home))
    assert not trap.exists()


def test_without_audformat_the_install_command_is_told(home, monkeypatch):
    write(home / "db.yaml", "name: mine")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UndertoneError, match=r"pip install 'undertone-ser\[audformat\]'"):
        corpora.open(str(home))
