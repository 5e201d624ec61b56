import os
import pickle
import subprocess

import mosei_fakes as fakes
import numpy as np
import pandas as pd
import pytest

from undertone.corpora import csd, mosei
from undertone.corpora.mosei_pickle import convert, load
from undertone.errors import UndertoneError
from undertone.features import mosei as frames_of_mosei


class Attack:
    """Asks for a call when it is read."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def write(path, content, protocol=None):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_plain_containers_are_read(tmp_path, rng, protocol):
    content = {
        "audio": rng.normal(size=(3, 4)),
        "id": np.array(["a", "b"], dtype=object),
        "bytes": [b"\x00\xff", {1, 2}, (None, True, 1.5)],
        "scalar": np.float32(2.5),
        "words": np.array([["v", "1.0"]]),
    }
    found = load(write(tmp_path / "p.pkl", content, protocol))
    np.testing.assert_array_equal(found["audio"], content["audio"])
    assert found["id"].tolist() == ["a", "b"]
    assert found["bytes"] == content["bytes"]
    assert found["scalar"] == 2.5
    assert found["words"].tolist() == [["v", "1.0"]]


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch {}",)),
        (subprocess.check_call, (["touch", "{}"],)),
        (eval, ("open('{}', 'w')",)),
        (open, ("{}", "w")),
        (getattr, (np, "load")),
        (np.load, ("{}",)),
        (np.save, ("{}", 0)),
        (__import__, ("os",)),
    ],
)
def test_a_malicious_pickle_is_refused_before_anything_is_run(
    tmp_path, function, arguments, protocol
):
    touched = tmp_path / "touched"
    filled = [a.format(touched) if isinstance(a, str) else a for a in arguments]
    filled = [[w.format(touched) for w in a] if isinstance(a, list) else a for a in filled]
    attack = Attack(function, *(a for a in filled if a is not np))
    path = write(tmp_path / "p.pkl", {"train": [np.zeros(2), attack]}, protocol)
    with pytest.raises(UndertoneError, match=r"asks for .*: it is refused"):
        load(path)
    assert not touched.exists()


def test_objects_of_other_packages_are_refused_by_name(tmp_path):
    path = write(tmp_path / "p.pkl", pd.DataFrame({"a": [1]}))
    with pytest.raises(UndertoneError, match="asks for pandas"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"nothing", pickle.dumps([1, 2, 3])[:-4]])
def test_what_is_no_pickle_is_said(tmp_path, content):
    (tmp_path / "p.pkl").write_bytes(content)
    with pytest.raises(UndertoneError, match="expected a pickle"):
        load(tmp_path / "p.pkl")
    with pytest.raises(UndertoneError, match="cannot be read"):
        load(tmp_path / "none.pkl")


def padded(rng, lengths, n_steps=8, *, front=False):
    audio = np.zeros((len(lengths), n_steps, 74), np.float32)
    for row, n in zip(audio, lengths, strict=True):
        row[n_steps - n if front else 0 :][:n] = rng.normal(size=(n, 74))
    return audio


def test_ids_with_times_find_their_labels_and_lose_the_padding(tmp_path, rng):
    ids = {
        "train": [("aaa", "0.0", "1.0"), ("aaa", "1.0", "2.0"), ("ddd", "0", "1")],
        "valid": [("ccc", "0.0", "1.0")],
        "test": [(b"bbb", b"0.5", b"1.25")],
    }
    lengths = {"train": [3, 8, 5], "valid": [1], "test": [4]}
    content = {
        split: {"id": np.array(ids[split]), "audio": padded(rng, lengths[split], front=True)}
        for split in ids
    }
    content["train"]["audio"][0, -2, 3] = -np.inf
    folder = convert(write(tmp_path / "p.pkl", content), tmp_path / "m")
    fakes.write_csd(folder / "CMU_MOSEI_Labels.csd", fakes.label_entries(), root="All Labels")
    corpus = mosei.read(folder)
    table, repairs = frames_of_mosei.read(corpus, folder=tmp_path / "cache", progress=False)
    assert table.lengths == {"aaa[0]": 8, "aaa[1]": 3, "bbb[0]": 4, "ccc[0]": 1, "ddd[0]": 5}
    np.testing.assert_array_equal(table.frames("aaa[0]"), content["train"]["audio"][1])
    assert repairs.n_infinite == 1
    assert by_split(corpus)["test"] == ("bbb[0]",)


@pytest.mark.parametrize("form", ["{}$_${}", "{}[{}]"])
def test_ids_with_numbers_and_lengths(tmp_path, rng, form):
    audio = padded(rng, [3, 2])
    audio[1, 1] = 0  # a step of 0 that is no padding: the length says so
    part = {
        "id": [form.format("aaa", 1), form.format("ddd", 0)],
        "audio": audio,
        "audio_lengths": [3, 2],
    }
    folder = convert(write(tmp_path / "p.pkl", {"train": part}), tmp_path / "m")
    with csd.open(folder / "CMU_MOSEI_COVAREP.csd") as sequence:
        assert sequence.identifiers == ("aaa[1]", "ddd[0]")
        assert [len(sequence.read(i).features) for i in sequence.identifiers] == [3, 2]
    fakes.write_csd(folder / "CMU_MOSEI_Labels.csd", fakes.label_entries(), root="All Labels")
    corpus = mosei.read(folder)
    table, _ = frames_of_mosei.read(corpus, folder=tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(table.frames("aaa[1]"), audio[0, :3])
    assert set(table.failures) == {"aaa[0]", "bbb[0]", "ccc[0]"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected the folds .* found list"),
        ({"train": {"id": ["a"]}}, "expected id and audio"),
        ({"train": {"id": ["a[0]"], "audio": np.zeros((2, 3, 74))}}, "1 ids for 2 sequences"),
        ({"train": {"id": ["a"], "audio": np.zeros((1, 3, 74))}}, "expected an id such as"),
        (
            {s: {"id": ["a[0]"], "audio": np.ones((1, 3, 74))} for s in ("train", "test")},
            "the video a is in two folds",
        ),
    ],
)
def test_pickles_of_another_layout_are_refused(tmp_path, content, message):
    with pytest.raises(UndertoneError, match=message):
        convert(write(tmp_path / "p.pkl", content), tmp_path / "m")


def by_split(corpus):
    """Utterances of the official folds."""
    rows = corpus.table.dropna(subset="split")
    return {split: tuple(part["utterance"]) for split, part in rows.groupby("split")}
