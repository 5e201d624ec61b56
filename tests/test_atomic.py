import errno
import signal
from pathlib import Path

import pytest

from undertone import atomic
from undertone.errors import UndertoneError


def test_a_file_is_replaced_and_its_folder_made(tmp_path):
    atomic.write_text(tmp_path / "a" / "b.txt", "one")
    atomic.write_text(tmp_path / "a" / "b.txt", "two é")
    assert (tmp_path / "a" / "b.txt").read_text(encoding="utf-8") == "two é"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_a_full_disk_leaves_what_was_there_and_nothing_half_written(tmp_path, monkeypatch):
    atomic.write_text(tmp_path / "b.txt", "one")

    write_bytes = Path.write_bytes

    def fail_half_way(self, content):
        write_bytes(self, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail_half_way)
    with pytest.raises(UndertoneError, match=r"the disk is full: .*b\.txt needs 3 bytes"):
        atomic.write_text(tmp_path / "b.txt", "two")
    monkeypatch.undo()
    assert (tmp_path / "b.txt").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


@pytest.fixture
def small_disk():
    """The system itself stops a write after two megabytes, however it is asked."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**21, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_write_that_the_system_stops_half_way_changes_nothing(tmp_path, small_disk):
    (tmp_path / "old").write_bytes(b"old")
    for name in ("old", "new"):
        with pytest.raises(UndertoneError, match=f"{name} cannot be written: File too large"):
            atomic.write_bytes(tmp_path / name, bytes(2**22))
    assert (tmp_path / "old").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("before", [None, b"old"])
def test_who_reads_during_a_write_sees_the_old_file_or_none(tmp_path, monkeypatch, before):
    path, content, seen = tmp_path / "b", b"new content", []
    if before is not None:
        path.write_bytes(before)

    def write_slowly(self, content):
        with self.open("wb", buffering=0) as file:
            for first in range(0, len(content), 4):
                file.write(content[first : first + 4])
                seen.append(path.read_bytes() if path.exists() else None)

    monkeypatch.setattr(Path, "write_bytes", write_slowly)
    atomic.write_bytes(path, content)
    assert seen == [before] * 3
    assert path.read_bytes() == content


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(UndertoneError, match=r"a/b\.txt cannot be written"):
        atomic.write_text(tmp_path / "a" / "b.txt", "x")


@pytest.mark.parametrize("bad", ["file/inside", "file/a/b"])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path, bad):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UndertoneError, match=r"cannot be written: Not a directory; choose another"):
        atomic.check_free(tmp_path / bad)
    atomic.check_free(tmp_path / "new" / "folders" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
