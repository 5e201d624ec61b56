"""Kernels that several processes want at once: one compiles, the others wait for what it leaves."""

import threading
import time
from types import SimpleNamespace

import pytest

from undertone import compiled


class Kept:
    """A cache of one kernel on disk, as Numba's, shared by what wants the kernel."""

    def __init__(self, folder):
        self.cache_path, self.kernel = str(folder), None
        self._impl = SimpleNamespace(filename_base="kernel")

    def load_overload(self, *arguments):
        return self.kernel

    def save_overload(self, signature, kernel):
        self.kernel = kernel


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(compiled, "_compiling", compiled._Compiling())


@pytest.mark.skipif(compiled.fcntl is None, reason="there are no such locks on Windows")
def test_who_wants_a_kernel_that_is_being_compiled_waits_and_does_not_compile_it(tmp_path, fresh):
    kept, found = Kept(tmp_path / "a"), []
    one, other = compiled._Forgiving(kept), compiled._Forgiving(kept)
    assert one.load_overload("f8") is None  # and compiles
    waiting = threading.Thread(target=lambda: found.append(other.load_overload("f8")))
    waiting.start()
    while waiting.is_alive() and other._lock._held < 0:  # until it tries to have the lock
        time.sleep(0.01)
    assert waiting.is_alive()
    assert found == []
    one.save_overload("f8", "a kernel")
    waiting.join(60)
    assert found == ["a kernel"]
    assert one.load_overload("f8") == "a kernel"


def test_compiling_is_said_before_it_begins_and_once(tmp_path, fresh, capsys):
    first, second = (compiled._Forgiving(Kept(tmp_path / name)) for name in ("a", "b"))
    assert first.load_overload("f8") is None
    assert "compiling kernels for this processor, once a machine" in capsys.readouterr().err
    first.save_overload("f8", "a")
    assert second.load_overload("f8") is None
    second.save_overload("f8", "b")
    assert (first.load_overload("f8"), second.load_overload("f8")) == ("a", "b")
    assert capsys.readouterr().err == ""


def test_a_place_without_locks_is_no_error(tmp_path, fresh):
    (tmp_path / "file").write_text("in which no folder can be made")
    kernel = compiled._Forgiving(Kept(tmp_path / "file" / "within"))
    assert kernel.load_overload("f8") is None
    kernel.save_overload("f8", "a kernel")
    assert kernel.load_overload("f8") == "a kernel"
