import errno
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

    def fail(self, content):
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UndertoneError, match=r"the disk is full: .*b\.txt needs 3 bytes"):
        atomic.write_text(tmp_path / "b.txt", "two")
    monkeypatch.undo()
    assert (tmp_path / "b.txt").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(UndertoneError, match=r"a/b\.txt cannot be written"):
        atomic.write_text(tmp_path / "a" / "b.txt", "x")
