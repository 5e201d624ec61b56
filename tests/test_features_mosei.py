import tracemalloc
from itertools import pairwise

import mosei_fakes as fakes
import numpy as np
import pytest

from undertone.corpora import mosei
from undertone.errors import UndertoneError
from undertone.features.mosei import NO_FRAME, NO_VIDEO, OTHER_SEGMENT, read
from undertone.training.normalise import fit_normaliser


@pytest.fixture
def frames(rng):
    return fakes.frame_entries(rng)


@pytest.fixture
def read_folder(tmp_path):
    """Write a folder of these frames, and read it."""

    def write_and_read(frames, **settings):
        corpus = mosei.read(fakes.write_folder(tmp_path / "mosei", frames, **settings))
        return read(corpus, folder=tmp_path / "cache", progress=False)

    return write_and_read


def test_segments_are_cut_by_their_times_and_never_padded(read_folder, frames):
    table, repairs = read_folder(frames)
    assert table.lengths == {
        "aaa[0]": 100,
        "aaa[1]": 100,
        "bbb[0]": 75,
        "ccc[0]": 100,
        "ddd[0]": 100,
    }
    np.testing.assert_array_equal(table.frames("aaa[0]"), frames["aaa"][0][100:200])
    np.testing.assert_array_equal(table.frames("bbb[0]"), frames["bbb"][0][50:125])
    assert table.frames("aaa[1]").dtype == np.float32
    assert (table.frames_per_second, len(table.columns), table.failures) == (100, 74, {})
    assert repairs.lines() == [
        "475 frames",
        "525 frames in no labelled segment, passed over",
    ]


def test_touching_segments_share_no_frame_and_lose_none(read_folder, rng):
    edges = np.array([0.0, 0.333, 1.0, 1.005, 2.5])
    labels = {"aaa": [(a, b, (0,) * 7) for a, b in pairwise(edges)]}
    table, repairs = read_folder(fakes.frame_entries(rng, ["aaa"]), labels=labels)
    assert sum(table.lengths.values()) == 250
    assert repairs.n_frames_outside == 0


def test_rows_out_of_order_are_put_in_order(read_folder, frames, rng):
    features, intervals = frames["bbb"]
    order = rng.permutation(250)
    expected = features[50:125].copy()
    table, _ = read_folder({"bbb": (features[order], intervals[order])})
    np.testing.assert_array_equal(table.frames("bbb[0]"), expected)


def test_a_second_reading_finds_the_first(tmp_path, read_folder, frames):
    first, repairs = read_folder(frames)
    corpus = mosei.read(tmp_path / "mosei")
    again, repairs_again = read(corpus, folder=tmp_path / "cache", progress=False)
    assert repairs_again == repairs
    assert again.source == first.source
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_other_content_is_read_anew(tmp_path, read_folder, frames, rng):
    first, _ = read_folder(frames)
    other, _ = read_folder(fakes.frame_entries(rng))
    assert (first.frames("aaa[0]") != other.frames("aaa[0]")).all()


def test_an_import_that_fails_leaves_nothing(tmp_path, frames, monkeypatch):
    corpus = mosei.read(fakes.write_folder(tmp_path / "mosei", frames))

    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("undertone.features.mosei.shards.write", fail)
    with pytest.raises(KeyboardInterrupt):
        read(corpus, folder=tmp_path / "cache", progress=False)
    assert list((tmp_path / "cache").iterdir()) == []


def test_nan_infinite_and_constant_rows_are_counted_and_harmless(read_folder, frames):
    features = frames["aaa"][0]
    features[100, :3] = np.nan
    features[101, 5], features[102, 6] = np.inf, -np.inf
    features[103] = 0
    features[240] = np.inf  # in no segment: nobody sees it
    table, repairs = read_folder(frames)
    assert (repairs.n_nan, repairs.n_infinite, repairs.n_constant_rows) == (3, 2, 1)
    found = table.frames("aaa[0]")
    assert len(found) == 100
    assert np.isnan(found).sum() == 5
    assert not np.isinf(found).any()
    scored = fit_normaliser([found]).apply(found)
    assert (scored[0, :3] == 0).all()
    assert np.isfinite(scored).all()


def test_too_large_for_float32_is_infinite(read_folder, frames):
    features, intervals = frames["bbb"]
    features = features.astype(np.float64)
    features[60, 0] = 1e300
    _, repairs = read_folder({**frames, "bbb": (features, intervals)})
    assert repairs.n_infinite == 1


def test_a_video_of_43_features_is_left_out_and_told(read_folder, frames, rng):
    narrow = fakes.frame_entries(rng, ["ccc"], width=43)
    table, repairs = read_folder({**frames, **narrow})
    assert repairs.n_other_width == {"43": 250}
    assert table.failures == {"ccc[0]": "its video has 43 features instead of 74"}
    assert "ccc[0]" not in table.utterances
    assert "250 rows with 43 features instead of 74, left out" in repairs.lines()


def test_keys_that_differ_are_told(read_folder, frames, rng):
    del frames["ddd"]
    table, repairs = read_folder({**frames, **fakes.frame_entries(rng, ["eee", "fff[0]"])})
    assert repairs.videos_without_labels == ("eee", "fff")
    assert repairs.videos_without_frames == ("ddd",)
    assert table.failures == {"ddd[0]": NO_VIDEO}
    assert repairs.n_without_frames == 1
    assert "2 videos with frames but no label (eee, fff)" in repairs.lines()


def test_a_segment_behind_the_end_has_no_frames(read_folder, frames):
    features, intervals = frames["aaa"]
    table, _ = read_folder({**frames, "aaa": (features[:100], intervals[:100])})
    assert table.failures == {"aaa[0]": NO_FRAME}


def test_aligned_identifiers_are_whole_segments(read_folder, rng):
    aligned = {
        "aaa[0]": (rng.normal(size=(7, 74)), np.linspace((1.0, 1.2), (1.8, 2.1), 7)),
        "aaa[1]": (rng.normal(size=(3, 74)), np.full((3, 2), np.nan)),  # no times to check
        "bbb[0]": (rng.normal(size=(3, 74)), fakes.intervals(3, start_s=9.0)),
    }
    table, _ = read_folder(aligned)
    assert table.lengths == {"aaa[0]": 7, "aaa[1]": 3}
    np.testing.assert_array_equal(table.frames("aaa[1]"), aligned["aaa[1]"][0].astype(np.float32))
    assert table.failures["bbb[0]"] == OTHER_SEGMENT


def test_a_broken_entry_costs_its_video_alone(read_folder, frames):
    features, intervals = frames["ccc"]
    table, _ = read_folder({**frames, "ccc": (features, intervals[:-1])})
    assert set(table.failures) == {"ccc[0]"}
    assert "expected (n, d) with (n, 2)" in table.failures["ccc[0]"]


def test_nothing_usable_and_nothing_there_are_errors(tmp_path, read_folder, rng):
    with pytest.raises(UndertoneError, match="holds no frame of any of the 5 segments"):
        read_folder(fakes.frame_entries(rng, ["zzz"]))
    (tmp_path / "mosei" / "CMU_MOSEI_COVAREP.csd").unlink()
    with pytest.raises(UndertoneError, match=r"there is no such file\. Copy"):
        read(mosei.read(tmp_path / "mosei"), folder=tmp_path / "cache")


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, rng):
    monkeypatch.setattr("undertone.features.mosei.SHARD_BYTES", 2**19)
    features, intervals = fakes.frame_entries(rng, ["v"], n_rows=1000)["v"]  # .3 MB a video

    def peak_bytes(n_videos):
        videos = [f"v{i}" for i in range(n_videos)]
        folder = fakes.write_folder(
            tmp_path / f"m{n_videos}",
            dict.fromkeys(videos, (features, intervals)),
            labels={video: [(0, 10, (0,) * 7)] for video in videos},
            compression=None,
            splits=dict.fromkeys(videos, "train"),
        )
        corpus = mosei.read(folder)
        tracemalloc.start()
        table, _ = read(corpus, folder=tmp_path / "cache", progress=False)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sum(table.lengths.values()) == 1000 * n_videos
        return peak

    small, large = peak_bytes(5), peak_bytes(25)
    assert large < 1.2 * small + 2**19
    assert large < features.nbytes * 25 / 2
