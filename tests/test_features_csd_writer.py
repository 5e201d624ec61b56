"""Computational sequences as the CMU Multimodal SDK reads them."""

import json
import sys

import h5py
import numpy as np
import pytest

from undertone.corpora.csd import open as opened
from undertone.errors import UndertoneError
from undertone.features import csd_writer

COLUMNS = ("F0", "VUV", "peakSlope")


@pytest.fixture
def frames(rng):
    return {
        "first": rng.normal(size=(5, 3)).astype(np.float32),
        "second[0]": np.array([[100.0, np.nan, -np.inf]], dtype=np.float32),
    }


def test_layout_is_the_sdks(tmp_path, frames):
    csd_writer.write(tmp_path / "own.csd", frames, columns=COLUMNS, starts_s={"second[0]": 2.5})
    with h5py.File(tmp_path / "own.csd") as file:
        assert list(file) == ["COVAREP"]
        data = file["COVAREP/data"]
        assert set(data) == set(frames)
        np.testing.assert_array_equal(data["first/features"], frames["first"])
        np.testing.assert_allclose(data["first/intervals"][:, 0], np.arange(5) / 100)
        np.testing.assert_allclose(data["second[0]/intervals"], [[2.5, 2.51]])
        np.testing.assert_array_equal(data["second[0]/features"], [[100, 0, 0]])


def test_metadata_are_json_strings_of_one_element(tmp_path, frames):
    csd_writer.write(
        tmp_path / "own.csd", frames, columns=COLUMNS, name="mine", metadata={"dataset name": "x"}
    )
    with h5py.File(tmp_path / "own.csd") as file:
        stored = {key: value[0] for key, value in file["mine/metadata"].items()}
        assert all(value.shape == (1,) for value in file["mine/metadata"].values())
    found = {key: json.loads(value) for key, value in stored.items()}
    assert found["root name"] == "mine"
    assert found["dimension names"] == list(COLUMNS)
    assert found["dataset name"] == "x"
    assert csd_writer.MERGED_KEY in found


def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path, frames):
    with pytest.raises(UndertoneError, match="expected"):
        csd_writer.write(tmp_path / "own.csd", frames, columns=("F0",))
    with pytest.raises(UndertoneError, match=r"\.csd"):
        csd_writer.write(tmp_path / "own.h5", frames, columns=COLUMNS)
    with pytest.raises(UndertoneError, match="no frames"):
        csd_writer.write(tmp_path / "own.csd", {}, columns=COLUMNS)
    with pytest.raises(UndertoneError, match="slash"):
        csd_writer.write(tmp_path / "own.csd", {"a/b": frames["first"]}, columns=COLUMNS)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_says_what_installs_it(tmp_path, frames, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UndertoneError, match=r"h5py; .*undertone-ser\[mosei\]"):
        csd_writer.write(tmp_path / "own.csd", frames, columns=COLUMNS)
    with (
        pytest.raises(UndertoneError, match=r"undertone-ser\[mosei\]"),
        opened(tmp_path / "own.csd"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
