import json

import h5py
import mosei_fakes as fakes
import numpy as np
import pytest

from undertone import corpora
from undertone.corpora import csd, mosei
from undertone.errors import UndertoneError
from undertone.tasks.intensities import INTENSITIES


@pytest.fixture
def folder(tmp_path, rng):
    return fakes.write_folder(tmp_path / "mosei", fakes.frame_entries(rng))


def test_labels_are_told_by_segment_with_the_official_folds(folder):
    corpus = corpora.open(f"mosei={folder}")
    rows = corpus.table.set_index("utterance")
    assert list(rows.index) == ["aaa[0]", "aaa[1]", "bbb[0]", "ccc[0]", "ddd[0]"]
    assert rows.loc["aaa[0]", ["start_s", "end_s"]].tolist() == [1.0, 2.0]
    assert rows.loc["aaa[0]", ["sentiment", *INTENSITIES]].tolist() == pytest.approx(
        [1, 2, 0, 0, 0, 1 / 3, 0]
    )
    assert by_split(corpus) == {
        "train": ("aaa[0]", "aaa[1]", "ddd[0]"),
        "valid": ("ccc[0]",),
        "test": ("bbb[0]",),
    }
    assert (rows["speaker"] == rows["video"]).all()
    assert (rows["file"] == "CMU_MOSEI_COVAREP.csd").all()


def test_aligned_labels_name_the_same_segments(tmp_path, folder):
    aligned = {
        f"{video}[{k}]": (features[k : k + 1], intervals[k : k + 1])
        for video, (features, intervals) in fakes.label_entries().items()
        for k in range(len(features))
    }
    expected = mosei.read(folder).table.drop(columns="file")
    fakes.write_csd(folder / "CMU_MOSEI_Labels.csd", aligned, root="All Labels")
    found = mosei.read(folder).table.drop(columns="file")
    assert (
        found.set_index("utterance")
        .sort_index()
        .equals(expected.set_index("utterance").sort_index())
    )


def test_a_table_may_hold_labels_and_folds(tmp_path):
    header = "video,start,end,sentiment,happy,sad,anger,surprise,disgust,fear,split"
    (tmp_path / "labels.csv").write_text(
        f"{header}\nv,0,2,1,0.6667,0,0,0,0,0,dev\nv,2,3,0,0,0,0,0,0,0,dev\nw,-0.1,1,0,0,0,0,0,0,0,none"
    )
    corpus = mosei.read(tmp_path)
    assert corpus.table["utterance"].tolist() == ["v[0]", "v[1]", "w[0]"]
    assert corpus.table["split"].tolist() == ["valid", "valid", None]
    assert corpus.table["start_s"].tolist() == [0, 2, 0]


def test_labels_that_cannot_be_used_are_left_out_and_counted(tmp_path):
    labels = {
        "aaa": [(0, 1, (0, np.nan, 0, 0, 0, 0, 0)), (1, 1, (0,) * 7), (2, 3, (0,) * 7)],
        "bbb": [(0, 1, (0, 0, 0, 0, 0, 0, 3.5)), (0, np.nan, (0,) * 7)],
    }
    corpus = mosei.read(fakes.write_folder(tmp_path / "m", None, labels=labels))
    assert corpus.table["utterance"].tolist() == ["aaa[2]"]
    assert corpus.reasons() == {
        "a label is no number": 1,
        "it ends before it starts": 1,
        "an intensity lies outside 0 to 3": 1,
        "it has no times": 1,
    }


def test_what_is_missing_is_said(tmp_path, folder):
    with pytest.raises(UndertoneError, match="there is no folder"):
        mosei.read(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UndertoneError, match=r"CMU_MOSEI_Labels.csd .* found nothing"):
        mosei.read(tmp_path / "empty")
    (folder / "splits.csv").write_text("video,split\naaa,train\naaa,test\n")
    with pytest.raises(UndertoneError, match="the video aaa is in two folds"):
        mosei.read(folder)
    (folder / "splits.csv").unlink()
    with pytest.raises(UndertoneError, match=r"a CSV with the columns video and split .* no CSV"):
        mosei.read(folder)


def test_labels_of_another_width_and_two_files_of_labels_are_refused(folder, rng):
    fakes.write_csd(folder / "CMU_MOSEI_Labels.csd", fakes.frame_entries(rng, width=6))
    with pytest.raises(UndertoneError, match=r"expected 7 labels a segment .* aaa has 6"):
        mosei.read(folder)
    (folder / "more labels.csd.csd").write_bytes(b"")
    with pytest.raises(UndertoneError, match="keep one"):
        mosei.read(folder)


@pytest.mark.parametrize(
    "metadata",
    [
        {"dimension names": json.dumps(["F0", "VUV"])},
        {"dimension namescomputational sequence version": json.dumps(["F0", "VUV"])},
        {"dimension namescomputational sequence version": json.dumps([["F0", "VUV"], "1.0"])},
    ],
)
def test_metadata_is_json_or_text_and_its_merged_key_counts(tmp_path, metadata):
    path = tmp_path / "a.csd"
    entries = {"v": (np.zeros((3, 2)), fakes.intervals(3))}
    fakes.write_csd(path, entries, metadata={**metadata, "creator": "me, not in JSON"})
    with csd.open(path) as sequence:
        assert sequence.dimension_names == ("F0", "VUV")
        assert sequence.metadata["creator"] == "me, not in JSON"


def test_a_sequence_that_was_written_is_read_again(tmp_path, rng):
    features, intervals_s = rng.normal(size=(5, 3)), fakes.intervals(5)
    entry = csd.Entry(features, intervals_s)
    csd.write(tmp_path / "a.csd", [("v[0]", entry)], root="X", metadata={"creator": "me"})
    with csd.open(tmp_path / "a.csd") as sequence:
        assert sequence.identifiers == ("v[0]",)
        found = sequence.read("v[0]")
        assert sequence.metadata == {"root name": "X", "creator": "me"}
        assert sequence.dimension_names is None
    np.testing.assert_array_equal(found.features, features)
    np.testing.assert_array_equal(found.intervals_s, intervals_s)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csd"]


def test_what_is_no_sequence_is_refused(tmp_path):
    (tmp_path / "a.csd").write_bytes(b"no sequence")
    with (
        pytest.raises(UndertoneError, match="Is the download complete"),
        csd.open(tmp_path / "a.csd"),
    ):
        pass
    (tmp_path / "a.csd").write_bytes(b"version https://git-lfs")
    with (
        pytest.raises(UndertoneError, match=r"a\.csd is a Git LFS pointer"),
        csd.open(tmp_path / "a.csd"),
    ):
        pass
    with h5py.File(tmp_path / "b.csd", "w") as file:
        file.create_group("other")
    with (
        pytest.raises(UndertoneError, match="found other: is it"),
        csd.open(tmp_path / "b.csd"),
    ):
        pass


def test_entries_that_do_not_fit_are_refused(tmp_path):
    entries = {"v": (np.zeros((3, 2)), fakes.intervals(4)), "w": (np.zeros(3), fakes.intervals(3))}
    fakes.write_csd(tmp_path / "a.csd", entries)
    with csd.open(tmp_path / "a.csd") as sequence:
        for identifier in entries:
            with pytest.raises(UndertoneError, match=f"{identifier} in .* expected .n, d."):
                sequence.read(identifier)


@pytest.mark.corpora
def test_the_real_labels_have_the_official_folds(corpora_root):
    corpus = corpora.open(f"mosei={corpora_root / 'mosei_labels'}")
    assert {split: len(rows) for split, rows in by_split(corpus).items()} == {
        "train": 16_327,
        "valid": 1_871,
        "test": 4_662,
    }
    videos = corpus.table.groupby("split")["video"].agg(set)
    assert [len(videos[split]) for split in ("train", "valid", "test")] == [2249, 300, 676]
    assert not videos["train"] & videos["test"]
    assert len(corpus) == 23_259


def by_split(corpus):
    """Utterances of the official folds."""
    rows = corpus.table.dropna(subset="split")
    return {split: tuple(part["utterance"]) for split, part in rows.groupby("split")}


# --- files that say what they do not hold


def bomb(path, *, shape=(10**10, 74), compression=None, chunks=None):
    """A few kilobytes that say they are of this shape."""
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("COVAREP/data/aaa")
        group.create_dataset(
            "features", shape, dtype="f4", compression=compression, chunks=chunks or (1000, 74)
        )
        group.create_dataset("intervals", data=np.zeros((3, 2)))
    return path


@pytest.mark.parametrize(
    "changes", [{}, {"compression": "gzip"}, {"shape": (2, 74), "chunks": (10**7, 74)}]
)
def test_a_small_file_does_not_ask_for_a_large_memory(tmp_path, changes):
    from undertone.corpora import csd

    if "chunks" in changes:
        changes = changes | {"shape": (10**7, 74)}
    path = bomb(tmp_path / "x.csd", **changes)
    assert path.stat().st_size < 50_000
    told = pytest.raises(UndertoneError, match=r"says that it is of shape .* and holds 0 bytes")
    with csd.open(path) as sequence, told:
        sequence.read("aaa")


def test_zeros_that_are_compressed_are_read(tmp_path):
    from undertone.corpora import csd

    fakes.write_csd(tmp_path / "x.csd", {"aaa": (np.zeros((5000, 74)), fakes.intervals(5000))})
    with csd.open(tmp_path / "x.csd") as sequence:
        assert sequence.read("aaa").features.shape == (5000, 74)


@pytest.mark.parametrize("what", ["features", "entry", "root", "raw", "virtual", "text"])
def test_what_lies_in_another_file_is_not_read_in_the_name_of_this_one(tmp_path, what):
    """A file of the reader's own would become frames that somebody else gets to see."""
    import h5py

    from undertone.corpora import csd

    fakes.write_csd(tmp_path / "other.csd", fakes.frame_entries(np.random.default_rng(0)))
    (tmp_path / "secret").write_bytes(bytes(74 * 4))
    with h5py.File(tmp_path / "x.csd", "w") as file:
        if what == "root":
            file["COVAREP"] = h5py.ExternalLink(tmp_path / "other.csd", "COVAREP")
        elif what == "entry":
            file.create_group("COVAREP/data")
            file["COVAREP/data/aaa"] = h5py.ExternalLink(tmp_path / "other.csd", "COVAREP/data/aaa")
        else:
            group = file.create_group("COVAREP/data/aaa")
            group.create_dataset("intervals", data=np.zeros((1, 2)))
            if what == "features":
                group["features"] = h5py.ExternalLink(
                    tmp_path / "other.csd", "COVAREP/data/aaa/features"
                )
            elif what == "raw":
                outside = [(str(tmp_path / "secret"), 0, 74 * 4)]
                group.create_dataset("features", (1, 74), dtype="f4", external=outside)
            elif what == "text":
                group.create_dataset("features", data=[["a"] * 74], dtype=h5py.string_dtype())
            else:
                layout = h5py.VirtualLayout((250, 74), dtype="f4")
                layout[:] = h5py.VirtualSource(
                    tmp_path / "other.csd", "COVAREP/data/aaa/features", (250, 74)
                )
                group.create_virtual_dataset("features", layout)

    def read():
        with csd.open(tmp_path / "x.csd") as sequence:
            return sequence.read("aaa")

    with pytest.raises(UndertoneError, match=r"somewhere else|in another file|expected numbers"):
        read()
