"""Shards of frames: used only as they were written, never deleted for want of access."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from undertone.errors import UndertoneError
from undertone.features import mappings, shards


@pytest.fixture
def folder(tmp_path, rng):
    """Three shards of two keys each."""
    for i in range(3):
        keys = (f"a{i}", f"b{i}")
        shards.write(tmp_path, {k: rng.normal(3, 0.2, (5 + i, 4)).astype(np.float32) for k in keys})
    return tmp_path


@pytest.fixture(autouse=True)
def fresh():
    """Nothing is known of any array, as in a process that begins."""
    shards._sound.clear()
    mappings.forget()
    yield
    mappings.forget()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("position", [40, 140, -1])
def test_a_flipped_bit_in_an_array_is_found_before_it_is_used(folder, capsys, position):
    places = shards.find(folder, 4)
    shard = places["a1"].shard
    flip(shard, position)
    found = shards.find(folder, 4)
    assert set(found) == set(places) - {"a1", "b1"}
    assert "1 stored pieces of frames" in (said := capsys.readouterr().err)
    assert "does not have the digest" in said
    assert shard.with_name(f"{shard.name}.damaged").exists()
    assert not shard.exists()


def test_an_index_that_names_other_rows_is_found(folder, capsys):
    index = sorted(folder.glob("*.json"))[0]
    content = json.loads(index.read_text())
    first, second = content["keys"]
    keys = content["keys"]
    keys[first], keys[second] = keys[second], keys[first]
    index.write_text(json.dumps(content))
    assert len(shards.find(folder, 4)) == 4
    assert "it does not have its own digest" in capsys.readouterr().err


def test_arrays_that_changed_places_are_found(folder, capsys):
    one = next(path for path in folder.glob("*.npy") if len(np.load(path)) == 10)
    shards.write(folder, {"c": np.ones((10, 4), np.float32)})
    twin = next(p for p in folder.glob("*.npy") if p != one and len(np.load(p)) == 10)
    content = one.read_bytes()
    one.write_bytes(twin.read_bytes())
    twin.write_bytes(content)
    assert set(shards.find(folder, 4)) == {"a1", "b1", "a2", "b2"}
    assert "2 stored pieces of frames" in capsys.readouterr().err


def test_only_arrays_that_are_wanted_are_read(folder, monkeypatch):
    read = []
    monkeypatch.setattr(shards.seals, "digest_of_file", lambda path: read.append(path) or "x")
    shards.find(folder, 4, {"a1"})
    assert len(read) == 1


def test_a_process_checks_what_it_is_handed_and_once(folder, monkeypatch):
    place = shards.find(folder, 4)["b2"]
    flip(place.shard, -1)
    with pytest.raises(UndertoneError, match="was changed while it was in use"):
        shards.read(place)
    flip(place.shard, -1)
    first, read = shards.read(place).copy(), shards.seals.digest_of_file
    monkeypatch.setattr(shards.seals, "digest_of_file", lambda path: read("never twice"))
    np.testing.assert_array_equal(shards.read(place), first)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("suffix", [".json", ".npy"])
def test_no_error_of_access_changes_a_file(folder, monkeypatch, code, suffix):
    before = contents(folder)

    def refusing(method):
        def refuse(self, *arguments, **options):
            if self.suffix == suffix:
                raise OSError(code, os.strerror(code), str(self))
            return method(self, *arguments, **options)

        return refuse

    with monkeypatch.context() as patch:
        for name in ("open", "read_bytes"):
            patch.setattr(Path, name, refusing(getattr(Path, name)))
        with pytest.raises(UndertoneError, match=f"cannot be read: {os.strerror(code)}"):
            shards.find(folder, 4)
    assert contents(folder) == before
    assert len(shards.find(folder, 4)) == 6


STARVED = """
import resource, sys
from pathlib import Path
from undertone.errors import UndertoneError
from undertone.features import shards
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    held.pop() if sys.argv[2] == "one left" else None
try:
    print(len(shards.find(folder, 4)))
except UndertoneError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("left", "said"), [("none left", "Too many open files"), ("one left", "6")]
)
def test_a_process_without_descriptors_leaves_the_store_as_it_is(folder, left, said):
    before = contents(folder)
    done = subprocess.run(
        [sys.executable, "-c", STARVED, folder, left], capture_output=True, text=True, check=True
    )
    assert said in done.stdout
    assert contents(folder) == before


MANY = """
import resource, sys
from pathlib import Path
import numpy as np
resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
from undertone.features import shards
folder = Path(sys.argv[1])
expected = {}
for i in range(300):
    expected[f"u{i}"] = np.full((3, 4), i, np.float32)
    shards.write(folder, {f"u{i}": expected[f"u{i}"]})
places = shards.find(folder, 4)
held = {key: shards.read(places[key]) for key in expected}  # nobody lets go of any
for key, rows in expected.items():
    np.testing.assert_array_equal(held[key], rows)
    assert not held[key].flags.writeable
    np.testing.assert_array_equal(shards.read(places[key]), rows)
del held

def owner(array):
    return type(array) if getattr(array, "base", None) is None else owner(array.base)

print("whole", owner(shards.read(places["u7"])))
"""


def test_more_shards_than_descriptors_are_read(tmp_path):
    """As 1,024 descriptors are to more than 16,000 recordings, 96 are to 300 shards."""
    done = subprocess.run(
        [sys.executable, "-c", MANY, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("whole"), done.stderr
    assert "mmap" in done.stdout


def test_layers_are_read_past_the_limit_of_mappings(tmp_path, rng, monkeypatch):
    stack = {"u": rng.normal(size=(3 * 7, 4)).astype(np.float16)}
    shards.write(tmp_path, stack)
    place = shards.find(tmp_path, 4)["u"].layers(range(1, 3), 3)
    mapped = shards.read(place)
    mappings.forget()
    monkeypatch.setattr(mappings, "most", lambda: 0)
    np.testing.assert_array_equal(shards.read(place), mapped)
    np.testing.assert_array_equal(mapped[:, 4:], stack["u"][14:])


def test_a_large_corpus_has_larger_shards(tmp_path):
    from undertone.features import workers

    def sizes(n):
        recordings = {f"u{i}": workers.Recording(tmp_path, 0.0, 0.1) for i in range(n)}
        return [len(group) for group in workers._group(recordings)]

    assert max(sizes(1000)) == workers.CHUNK_RECORDINGS
    assert max(sizes(40_000)) == 40
    assert len(sizes(400_000)) > 1000
    assert max(sizes(400_000)) == workers.LARGEST_CHUNK
