"""Folders that stand for addresses: whole or absent there too, and the address is the truth."""

import itertools
import os
import re
import shutil
from pathlib import Path

import fsspec
import numpy as np
import pytest

from undertone import atomic, mirror, seals
from undertone.errors import UndertoneError, tell
from undertone.features import shards

COUNT = itertools.count()


@pytest.fixture(params=["memory", "file"])
def address(request, tmp_path) -> str:
    if request.param == "file":
        return f"file://{tmp_path}/bucket/run"
    return f"memory://bucket{next(COUNT)}/run"


@pytest.fixture
def folder(address, tmp_path):
    before = dict(mirror._known)
    yield mirror.place(address, lambda: tmp_path / "copies")
    mirror._known.clear()
    mirror._known.update(before)


def there(address: str) -> dict[str, bytes]:
    """Content by name of all that lies at an address."""
    system, root = fsspec.url_to_fs(address)
    return {path.removeprefix(f"{root}/"): system.cat_file(path) for path in system.find(root)}


def test_what_is_written_is_there_before_it_is_here(address, folder):
    atomic.write_text(folder / "fits" / "a.txt", "one")
    assert there(address) == {"fits/a.txt": b"one"}
    assert (folder / "fits" / "a.txt").read_text() == "one"
    assert mirror.stands_for(folder / "fits" / "a.txt") == f"{address}/fits/a.txt"


@pytest.mark.parametrize("address", ["memory"], indirect=True)
def test_what_cannot_be_published_is_not_here_either(address, folder, monkeypatch):
    system, _ = fsspec.url_to_fs(address)
    sent = system.put_file

    def full(here, name, **others):
        if name.endswith("b.txt"):
            raise OSError("quota")
        sent(here, name, **others)

    monkeypatch.setattr(type(system), "put_file", staticmethod(full))
    with pytest.raises(UndertoneError, match=r"b\.txt cannot be written: OSError: quota"):
        atomic.write_together({folder / "a.txt": b"1", folder / "b.txt": b"2"})
    assert [path.name for path in folder.iterdir()] == []


def test_another_machine_reads_what_this_one_wrote_and_its_last_version(address, folder, tmp_path):
    record, arrays = folder / "fits" / "x.npz", {"a": np.arange(3)}
    seals.write_record(record, arrays, {"of": 1})
    kept, written = record.read_bytes(), record.stat().st_mtime_ns
    shutil.rmtree(folder)  # as where nothing was fetched yet
    np.testing.assert_array_equal(seals.read_record(record, {"of": 1})["a"], np.arange(3))
    assert record.read_bytes() == kept
    system, root = fsspec.url_to_fs(address)
    wait_for_another_time(
        system,
        f"{root}/fits/x.npz",
        lambda: seals.write_record(record, {"a": np.arange(3) + 1}, {"of": 1}),
    )
    newer = record.read_bytes()
    assert newer != kept
    record.write_bytes(kept)
    os.utime(record, ns=(written, written))  # an older copy
    assert seals.read(record) == newer
    system.rm_file(f"{root}/fits/x.npz")
    assert seals.read(record) is None
    assert not record.exists()


def wait_for_another_time(system, path, write) -> None:
    """Times of change are told in milliseconds: write until another is."""
    before = mirror._version(system, path)
    while mirror._version(system, path) == before:
        write()


def test_a_folder_is_placed_with_what_lies_right_in_it(address, tmp_path):
    system, root = fsspec.url_to_fs(address)
    system.makedirs(root, exist_ok=True)
    system.pipe_file(f"{root}/config.toml", b"seed = 1\n")
    system.makedirs(f"{root}/fits", exist_ok=True)
    system.pipe_file(f"{root}/fits/large", b"later")
    placed = mirror.place(address, lambda: tmp_path / "copies")
    (placed / "stale.txt").write_text("of a run that was deleted there")
    mirror.place(address, lambda: tmp_path / "copies")
    assert [path.name for path in placed.iterdir()] == ["config.toml"]
    assert (placed / "config.toml").read_bytes() == b"seed = 1\n"
    mirror._known.pop(placed)


def test_shards_are_found_by_whoever_has_no_copy_and_set_aside_at_the_address(
    address, folder, capsys
):
    home = folder / "log_mel-v1"
    frames = {"k": np.ones((4, 3), np.float32), "l": np.zeros((2, 3), np.float32)}
    shards.write(home, frames)
    shutil.rmtree(folder)
    found = shards.find(home, 3)
    np.testing.assert_array_equal(shards.read(found["k"]), frames["k"])
    system, root = fsspec.url_to_fs(address)
    (name,) = (name for name in there(address) if name.endswith(".npy"))
    system.pipe_file(f"{root}/{name}", there(address)[name][:-1] + b"x")
    shutil.rmtree(folder)
    assert shards.find(home, 3) == {}
    assert "1 stored pieces of frames" in capsys.readouterr().err
    assert sorted(path.rpartition(".")[2] for path in there(address)) == ["damaged", "damaged"]
    assert shards.find(home, 3) == {}
    assert capsys.readouterr().err == ""


def test_frames_at_an_address_are_computed_once_for_all_machines(address, folder, tmp_path):
    from test_experiment import write_tones

    from undertone.corpora import open as open_corpus
    from undertone.features.store import extract

    corpus = open_corpus(f"more={write_tones(tmp_path / 'tones', 1) / 'more'}")
    table = extract(corpus, "log_mel", folder=folder, workers=1, progress=False)
    kept, frames = there(address), {u: table.frames(u).copy() for u in table.utterances}
    shutil.rmtree(folder)
    again = extract(corpus, "log_mel", folder=folder, workers=1, progress=False)
    assert there(address) == kept
    for utterance, rows in frames.items():
        np.testing.assert_array_equal(again.frames(utterance), rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s3://bucket/run", r"pip install 'undertone-ser\[s3\]'"),
        ("gs://bucket/run", r"pip install 'undertone-ser\[gs\]'"),
        ("zz://bucket/run", "zz://bucket/run cannot be used: Protocol not known: zz"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(text, message, tmp_path, monkeypatch):
    found = __import__("importlib").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda n: None if n in ("s3fs", "gcsfs") else found(n)
    )
    with pytest.raises(UndertoneError, match=message):
        mirror.place(text, lambda: tmp_path)
    assert list(tmp_path.iterdir()) == []


SECRET = "wJalrX/K7+b"  # keys of an object store hold such characters


@pytest.mark.parametrize(
    "text",
    [
        f"s3://KEY:{SECRET}@bucket/run",
        f"s3:/KEY:{SECRET}@bucket/run",
        f"corpus=gs://{SECRET.replace('/', '')}@bucket/run, which is none",
        f"two: s3://KEY:{SECRET}@bucket/a and s3://KEY:{SECRET}@bucket/b",
    ],
)
def test_no_message_tells_the_keys_of_an_address(text, capsys):
    tell(text)
    for message in (str(UndertoneError(text)), capsys.readouterr().err):
        assert "bucket/" in message
        assert not {"KEY", "wJalrX", "K7"} & set(re.split(r"\W+", message.replace("K7+b", "K7 b")))


def test_no_folder_is_named_after_the_keys_of_an_address(tmp_path, capsys, monkeypatch):
    before = dict(mirror._known)
    address = f"memory://KEY:{SECRET}@bucket{next(COUNT)}/run"
    try:
        folder = mirror.place(address, lambda: tmp_path)
        monkeypatch.setattr(type(mirror._system(address)[0]), "ls", broken)
        with pytest.raises(UndertoneError, match="cannot be read") as told:
            mirror.names(folder)
    finally:
        mirror._known.clear()
        mirror._known.update(before)
    for text in (str(folder), capsys.readouterr().err, str(told.value)):
        assert "run" in text
        assert not any(part in text for part in ("KEY", "wJalrX", "K7"))


def broken(*given, **named):
    raise ValueError("no such endpoint")


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8765/a@b",
        "https://huggingface.co/a/b@main",
        "file:///tmp/x:y/upstream@all",
        "mail a@b.org, upstream:whisper@all, c:/me@home",
        "abfs://account/folder",
    ],
)
def test_what_names_no_keys_is_told_as_it_is(text):
    assert str(UndertoneError(text)) == text


def test_paths_are_no_addresses():
    assert not any(map(mirror.is_address, ["runs/a", "/tmp/a", "C:\\runs", "a:b", "./s3:/x"]))
    assert mirror.is_address("s3://bucket/run")
    assert mirror.stands_for(Path("/runs/a")) == ""
