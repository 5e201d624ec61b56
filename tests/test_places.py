"""Containers, service accounts, full disks: where nothing can be written, or nothing more."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from undertone import compiled, config
from undertone.errors import UndertoneError

SOURCE = Path(config.__file__).parent


def undertone(*arguments: object, source: Path = SOURCE, **changes: object):
    """The command line in a process of its own, as this source and this environment have it."""
    values = os.environ | {"PYTHONPATH": str(source.parent)} | changes.pop("env", {})
    return subprocess.run(
        [sys.executable, "-m", "undertone", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=values,
        **changes,
    )


@pytest.fixture
def sound(tmp_path, rng) -> Path:
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.normal(size=8000), 16_000)
    return tmp_path / "a.wav"


def test_nothing_is_needed_but_a_place_for_what_is_asked_for(tmp_path, sound):
    """A source that cannot be written, and a user without a home: log_mel compiles nothing."""
    source = tmp_path / "src" / "undertone"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [source, *(path for path in source.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").write_text("a file, in which no folder can be made")
    places = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/x", "NUMBA_CACHE_DIR": ""}
    done = undertone("extract", sound, "--csv", source=source, env=places, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 51
    said = [line for line in done.stderr.splitlines() if not line.startswith("[")]
    assert said == []
    command = [sys.executable, "-c", "import undertone.features.covarep.kernels"]
    values = os.environ | {"PYTHONPATH": str(source.parent)} | places
    compiling = subprocess.run(command, capture_output=True, text=True, env=values, cwd=tmp_path)
    assert compiling.returncode == 0, compiling.stderr
    (said,) = compiling.stderr.splitlines()
    assert said.startswith("undertone: Numba cannot keep compiled kernels (cannot cache function")
    assert "NUMBA_CACHE_DIR names another folder" in said


def test_a_damaged_or_full_cache_of_numba_costs_time_alone(capsys, monkeypatch):
    monkeypatch.setattr(compiled, "_told", False)

    @compiled.njit(cache=True)
    def twice(x):
        return 2 * x

    class Broken:
        def __getattr__(self, name):
            raise OSError(28, "No space left on device")

        def load_overload(self, *arguments):
            raise EOFError("Ran out of input")

    twice._cache._cache = Broken()
    assert twice(4.0) == 8.0
    assert twice(4) == 8
    assert capsys.readouterr().err.count("Numba cannot keep compiled kernels (EOFError") == 1


def test_where_there_is_no_home_the_cache_is_asked_for(monkeypatch):
    monkeypatch.delenv("UNDERTONE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UndertoneError, match=r"no home folder .* variable UNDERTONE_CACHE"):
        config.cache_folder()


def test_a_full_standard_output_is_one_message(sound):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "undertone", "extract", sound, "--csv", "--quiet"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "undertone: standard output cannot be written: No space left on device; what is finished "
        "is kept"
    ]


def test_a_reader_that_goes_away_is_no_error(sound):
    command = f"{sys.executable} -m undertone extract '{sound}' --csv --quiet | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("time_s")
    assert done.stderr == ""


@pytest.mark.parametrize("limit_kb", [300_000, 700_000])
def test_too_little_memory_is_one_message(sound, limit_kb):
    """Whatever it is that finds no more of it: the system, NumPy, torch, Numba."""
    command = (
        f"ulimit -v {limit_kb}; exec {sys.executable} -m undertone extract '{sound}' --csv --quiet"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.returncode == 2
        assert done.stderr.count("undertone: the memory that this process may use") == 1


def test_settings_of_windows_and_settings_nested_too_deep(tmp_path):
    (tmp_path / "bom.toml").write_bytes(b'\xef\xbb\xbfcorpus = "x"\r\n')
    assert config.read_toml(tmp_path / "bom.toml") == {"corpus": "x"}
    (tmp_path / "deep.toml").write_text("x = " + "[" * 100_000 + "]" * 100_000)
    with pytest.raises(UndertoneError, match=r"deep\.toml is nested too deep for settings"):
        config.read_toml(tmp_path / "deep.toml")
    with pytest.raises(UndertoneError, match="--set takes a value, found one that is nested"):
        config.override({}, ["x=" + "[" * 100_000])
    assert config.override({"when": np.float64(1)}, ["x=1979-05-27"])["x"].year == 1979


LONG = "x" * 400


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["audit", "--corpus", f"{LONG}=/tmp"], "cannot be used: File name too long"),
        (["predict", LONG, "a.wav"], "is not there .* a model folder is what `undertone finetune`"),
        (["extract", LONG, "--csv"], "cannot be .*: File name too long"),
        (["score", "--truth", LONG, "--prediction", LONG], "File name too long"),
        (["audit", "--corpus", "~nobodyhere/speech"], "there is no file or folder ~nobodyhere"),
        (["audit", "--corpus", "one=~nobodyhere/speech"], "there is no file or folder ~nobodyhere"),
        (["extract", "a.wav", "--csv", "--features", "upstream:~nobodyhere/x@1"], "there is no"),
    ],
)
def test_names_that_no_file_can_have_are_one_message(sound, tmp_path, command, message):
    done = undertone(*command, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    (said,) = (line for line in done.stderr.splitlines() if not line.startswith("["))
    assert re.search(message, said), said


def test_what_has_no_memory_to_be_read_is_not_compiled_anew():
    """Compiling needs far more of it, and there the compiler's library would abort the process."""

    class Full:
        def load_overload(self, *_):
            raise MemoryError

    with pytest.raises(MemoryError):
        compiled._Forgiving(Full()).load_overload()
