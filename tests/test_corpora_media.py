"""What is read of a folder, what is passed over and told; names on disk and in tables."""

import os
import shutil
import unicodedata

import pytest
from corpora_fakes import write_audio

from undertone import corpora
from undertone.audio import foreign
from undertone.corpora import emodb, folder, media
from undertone.corpora.names import fold, spelt_in_several_ways
from undertone.errors import UndertoneError


@pytest.mark.parametrize(
    "group",
    [
        ("03", "3", "3.0", "3,0", "003"),
        ("Anna", "anna ", "ANNA"),
        ("Zoë", "Zoe\u0308"),
        ("spk_07", "SPK-7", "spk 07", "spk7", "Spk007"),
        ("Ses01F", "ses01f"),
    ],
)
def test_names_of_one_speaker_fold_alike(group):
    assert len({fold(name) for name in group}) == 1
    assert spelt_in_several_ways([*group, "someone else"]) == [tuple(sorted(group))]


@pytest.mark.parametrize(
    ("one", "other"), [("3", "30"), ("03", "13"), ("F03", "M03"), ("1_2", "12"), ("3.5", "3.0")]
)
def test_names_of_two_speakers_stay_apart(one, other):
    assert fold(one) != fold(other)


def linked(tmp_path):
    """A folder of two speakers and links to two more; and a link in a circle."""
    write_audio(tmp_path / "store", *(f"{name}/{name}{i}.wav" for name in "ABCD" for i in range(2)))
    home = tmp_path / "home"
    home.mkdir()
    for name in "AB":
        shutil.copytree(tmp_path / "store" / name, home / name)
    for name in "CD":
        os.symlink(tmp_path / "store" / name, home / name)
    os.symlink(home, home / "A" / "circle")
    return home


def test_links_to_folders_are_followed_once(tmp_path):
    corpus = folder.read(linked(tmp_path))
    assert corpus.table["file"].tolist() == [f"{n}/{n}{i}.wav" for n in "ABCD" for i in range(2)]


def test_a_folder_of_links_alone_is_read(tmp_path):
    write_audio(tmp_path / "store", "A/1.wav")
    (tmp_path / "home").mkdir()
    os.symlink(tmp_path / "store" / "A", tmp_path / "home" / "A")
    assert len(folder.read(tmp_path / "home")) == 1


def test_what_is_passed_over_is_counted_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "_program", lambda: None)
    write_audio(tmp_path, "a.wav", "._a.wav")
    for name in ("b.m4a", "c.webm", "d.aac", "e.raw", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    os.symlink(tmp_path / "nowhere.wav", tmp_path / "dead.wav")
    corpus = folder.read(tmp_path)
    assert corpus.table["file"].tolist() == ["a.wav"]
    assert corpus.reasons() == {
        media.NEEDS_FFMPEG: 3,
        media.DEAD_LINK: 1,
        ".raw files are not read: convert them to WAV or FLAC": 1,
    }
    told = "\n".join(corpus.told())
    assert "3 left out: needs ffmpeg to be read: install ffmpeg" in told
    assert "b.m4a, c.webm, d.aac" in told


def test_with_ffmpeg_foreign_files_are_utterances(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "_program", lambda: "/usr/bin/ffmpeg")
    write_audio(tmp_path, "a.wav", "b.wav")
    for name in ("a.m4a", "c.webm"):
        (tmp_path / name).write_bytes(b"x")
    corpus = folder.read(tmp_path)
    assert corpus.table["file"].tolist() == ["a.wav", "b.wav", "c.webm"]
    assert corpus.left_out["file"].tolist() == ["a.m4a"]


def test_a_folder_of_what_cannot_be_read_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "_program", lambda: None)
    (tmp_path / "a.m4a").write_bytes(b"x")
    with pytest.raises(UndertoneError, match=r"no audio found .* 1 passed over: needs ffmpeg"):
        folder.read(tmp_path)


def test_a_folder_that_cannot_be_opened_is_told(tmp_path, monkeypatch):
    write_audio(tmp_path, "a.wav", "closed/b.wav")
    scandir = os.scandir

    def refuse(path):
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert folder.read(tmp_path).reasons() == {media.UNREADABLE_FOLDER: 1}


@pytest.mark.parametrize("on_disk", ["NFD", "NFC"])
def test_composed_and_decomposed_names_are_found_and_told(tmp_path, on_disk):
    in_table = "NFC" if on_disk == "NFD" else "NFD"
    names = [f"Zoë/zoë_{i}.wav" for i in range(3)]
    write_audio(tmp_path, *(unicodedata.normalize(on_disk, name) for name in names))
    rows = [f"{unicodedata.normalize(in_table, name)},zoë,sad" for name in names]
    (tmp_path / "mine.csv").write_text("\n".join(["file,speaker,emotion", *rows]))
    corpus = corpora.open(str(tmp_path / "mine.csv"))
    assert corpus.table["file"].tolist() == [unicodedata.normalize(on_disk, n) for n in names]
    assert "3 file names are written otherwise on disk" in corpus.notes[0]


def test_a_name_of_other_case_is_found_where_one_alone_is_meant(tmp_path):
    write_audio(tmp_path, "A.WAV", "b.wav", "B.wav")
    assert media.locate(tmp_path, "a.wav") == "A.WAV"
    assert media.locate(tmp_path, "b.wav") == "b.wav"
    assert media.locate(tmp_path, "B.WAV") is None
    assert media.locate(tmp_path, str(tmp_path / "a.wav")) == str(tmp_path / "A.WAV")


def test_names_that_no_disk_takes_are_files_that_are_not_there(tmp_path):
    write_audio(tmp_path, "a.wav", "b.wav")
    odd = ["x" * 400, "é" * 200, "y" * 5000, "a/" * 3000]
    rows = [f"{name},s,sad" for name in ("a.wav", "b.wav", *odd)]
    (tmp_path / "mine.csv").write_text("\n".join(["file,speaker,emotion", *rows]))
    corpus = corpora.open(str(tmp_path / "mine.csv"))
    assert len(corpus) == 2
    assert corpus.reasons() == {"file not found": 4}


def test_dead_links_and_foreign_files_of_a_table_are_left_out_with_their_reason(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(foreign, "_program", lambda: None)
    write_audio(tmp_path, "a.wav")
    (tmp_path / "b.m4a").write_bytes(b"x")
    os.symlink(tmp_path / "nowhere.wav", tmp_path / "c.wav")
    rows = [f"{name},s,sad" for name in ("a.wav", "b.m4a", "c.wav", "d.wav")]
    (tmp_path / "mine.csv").write_text("\n".join(["file,speaker,emotion", *rows]))
    reasons = corpora.open(str(tmp_path / "mine.csv")).reasons()
    assert reasons == {media.NEEDS_FFMPEG: 1, media.DEAD_LINK: 1, "file not found": 1}


NAMES = ("03a01Fa.wav", "03a01Nc.wav", "08a01Na.wav")


def test_speech_is_read_and_not_its_laryngograms(tmp_path):
    write_audio(tmp_path, *(f"{place}/{name}" for place in ("laryngo", "wav") for name in NAMES))
    corpus = corpora.open(f"emodb={tmp_path}")
    assert corpus.table["file"].tolist() == [f"wav/{name}" for name in NAMES]
    assert corpus.reasons() == {media.LARYNGOGRAM: 3}


def test_two_folders_of_other_sound_under_the_same_names_are_refused_by_name(tmp_path):
    write_audio(tmp_path, *(f"{place}/{name}" for place in ("a", "wav") for name in NAMES))
    with pytest.raises(UndertoneError) as refused:
        emodb.read(tmp_path)
    for word in (f"{tmp_path}/a", f"{tmp_path}/wav", "3 recordings", f"emodb={tmp_path}/wav"):
        assert word in str(refused.value)
    assert len(emodb.read(tmp_path / "wav")) == 3  # what the message says


def test_two_folders_of_the_same_sound_are_one(tmp_path):
    write_audio(tmp_path, *(f"wav/{name}" for name in NAMES))
    shutil.copytree(tmp_path / "wav", tmp_path / "backup")
    corpus = emodb.read(tmp_path)
    assert len(corpus) == 3
    assert corpus.reasons() == {f"the same utterance as backup/{name}": 1 for name in NAMES}
