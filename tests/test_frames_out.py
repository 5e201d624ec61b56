"""Frames in one file: Parquet, NPZ, computational sequences, there and back."""

import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
import tones
from typer.testing import CliRunner

from undertone import cli
from undertone.corpora import csd
from undertone.errors import UndertoneError
from undertone.features import frames_out, log_mel
from undertone.features.store import FrameTable, extract_file
from undertone.pipeline import Resources, extract_to


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tones.write(tmp_path_factory.mktemp("tones"), n_speakers=2, n_each=1)


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


@pytest.mark.parametrize("form", frames_out.FORMS)
def test_frames_come_back_as_they_were(corpus, resources, tmp_path, form):
    path = tmp_path / "new" / f"frames.{form}"
    (line,) = extract_to(path, str(corpus), "log_mel", resources)
    assert line.startswith(f"{path}: 4 utterances, ")
    frames, columns = frames_out.read(path)
    assert columns == log_mel.COLUMNS
    assert sorted(frames) == sorted(name for name, *_ in tones.rows(2, 1))
    for name, rows in frames.items():
        expected, _ = extract_file(corpus.parent / f"{name}.wav", "log_mel")
        np.testing.assert_array_equal(rows, expected)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_row_of_parquet_has_the_time_of_its_frame(corpus, resources, tmp_path):
    extract_to(tmp_path / "a.parquet", str(corpus), "log_mel", resources)
    rows = pd.read_parquet(tmp_path / "a.parquet")
    of_one = rows[rows["utterance"] == "s0-anger-0"]
    _, times_s = extract_file(corpus.parent / "s0-anger-0.wav", "log_mel")
    np.testing.assert_allclose(of_one["time_s"], times_s)


def test_a_sequence_has_the_layout_of_the_sdk(corpus, resources, tmp_path):
    extract_to(tmp_path / "a.csd", str(corpus), "log_mel", resources)
    with csd.open(tmp_path / "a.csd") as sequence:
        entry = sequence.read("s1-sadness-0")
        np.testing.assert_allclose(np.diff(entry.intervals_s, axis=1), 0.01)
        assert sequence.metadata["dataset name"] == corpus.parent.name
        assert "log_mel" in sequence.metadata["computational sequence description"]
        assert sequence.metadata["featureset bib citation"] == ""
    with h5py.File(tmp_path / "a.csd") as file:
        assert set(file["undertone/data/s1-sadness-0"]) == {"features", "intervals"}


def test_recordings_need_no_corpus(corpus, resources, tmp_path):
    files = [corpus.parent / "s0-anger-0.wav", corpus.parent / "s1-anger-0.wav"]
    extract_to(tmp_path / "a.npz", files, "log_mel", resources)
    with np.load(tmp_path / "a.npz") as file:
        assert set(file.files) == {
            *(
                f"undertone.{name}"
                for name in ("columns", "features", "frames_per_second", "corpus")
            ),
            *("s0-anger-0", "s1-anger-0"),
        }
        assert float(file["undertone.frames_per_second"]) == 100
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        assert {entry.date_time[0] for entry in file.infolist()} == {1980}, "tells no time"


def test_what_is_there_stays_unless_asked(corpus, resources, tmp_path):
    path = tmp_path / "a.npz"
    path.write_text("mine")
    with pytest.raises(UndertoneError, match="say --overwrite"):
        extract_to(path, str(corpus), "log_mel", resources)
    assert path.read_text() == "mine"
    extract_to(path, str(corpus), "log_mel", resources, overwrite=True)
    assert len(frames_out.read(path)[0]) == 4


@pytest.mark.parametrize("form", frames_out.FORMS)
def test_a_writing_that_fails_leaves_nothing(corpus, resources, tmp_path, form, monkeypatch):
    """The third utterance cannot be read: the first two are in the file that must not stay."""
    true, read = frames_out.FrameTable.frames, []

    def frames(table, name):
        read.append(name)
        if len(read) == 3:
            raise OSError(28, "No space left on device")
        return true(table, name)

    monkeypatch.setattr(frames_out.FrameTable, "frames", frames)
    (tmp_path / f"a.{form}").write_text("before")
    with pytest.raises(UndertoneError, match="No space left on device"):
        extract_to(tmp_path / f"a.{form}", str(corpus), "log_mel", resources, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == [f"a.{form}"]
    assert (tmp_path / f"a.{form}").read_text() == "before"


def test_other_endings_names_with_slashes_and_folders_are_refused(tmp_path, corpus, resources):
    with pytest.raises(UndertoneError, match=r"\.parquet, \.npz, \.csd, found a\.txt"):
        frames_out.form_of(tmp_path / "a.txt")
    assert frames_out.form_of(tmp_path / "a.txt", "npz") == "npz"
    with pytest.raises(UndertoneError, match=r"ends in \.csd"):
        frames_out.form_of(tmp_path / "a.h5", "csd")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.wav").write_bytes((corpus.parent / "s0-anger-0.wav").read_bytes())
    with pytest.raises(UndertoneError, match=r"holds a slash: write \.npz"):
        extract_to(tmp_path / "a.csd", str(tmp_path), "log_mel", resources)
    (tmp_path / "junk.npz").write_bytes(b"junk")
    with pytest.raises(UndertoneError, match="holds no frames"):
        frames_out.read(tmp_path / "junk.npz")


def test_the_command_writes_and_refuses(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    wav, out = str(corpus.parent / "s0-anger-0.wav"), str(tmp_path / "frames")
    write = ["extract", wav, "--out", out, "--format", "npz", "--workers", "1", "--quiet"]
    done = CliRunner().invoke(cli.app, write)
    assert (done.exit_code, "1 utterances" in done.output) == (0, True)
    for arguments, said in (
        (write, "--overwrite"),
        (["extract", wav, "--csv", "--out", out], "leave the rest out"),
        (["extract", wav, "--csv", "--overwrite"], "of --out FILE"),
        (["extract", wav, "--csv", "--verify"], "of the frame store"),
    ):
        done = CliRunner().invoke(cli.app, arguments)
        assert said in str(done.exception)


def small_table(utterances=("a", "b"), columns=("x", "y")) -> FrameTable:
    frames = {name: np.full((3, len(columns)), i, np.float32) for i, name in enumerate(utterances)}
    return FrameTable("log_mel", 1, 100.0, tuple(columns), frames, keys=dict.fromkeys(frames, "k"))


@pytest.mark.parametrize(
    ("form", "changes", "message"),
    [
        ("npz", {"utterances": ("a", "undertone.columns")}, "'undertone.columns', which begins"),
        ("npz", {"utterances": ("undertone.b", "a")}, "'undertone.b', which begins"),
        ("npz", {"utterances": ("a", "a.npy")}, "'a.npy', which is another's name"),
        ("parquet", {"columns": ("x", "time_s")}, "'time_s'"),
        ("parquet", {"columns": ("utterance", "y")}, "'utterance'"),
    ],
)
def test_a_name_that_would_be_lost_is_refused_and_another_form_takes_it(
    tmp_path, form, changes, message
):
    table = small_table(**changes)
    path = tmp_path / f"a.{form}"
    with pytest.raises(UndertoneError, match=message) as told:
        frames_out.write(path, table, form, corpus="c")
    assert list(tmp_path.iterdir()) == []
    other = "npz" if form == "parquet" else "parquet"
    assert f"write .{other}" in str(told.value)
    frames_out.write(tmp_path / f"b.{other}", table, other, corpus="c")
    frames, columns = frames_out.read(tmp_path / f"b.{other}")
    assert (sorted(frames), columns) == (sorted(table.utterances), table.columns)


def test_an_utterance_may_end_in_npy(tmp_path):
    frames_out.write(tmp_path / "a.npz", small_table(("a.npy", "b")), "npz", corpus="c")
    assert sorted(frames_out.read(tmp_path / "a.npz")[0]) == ["a.npy", "b"]
