"""What a stranger gets: the wheel, without extras, away from the checkout."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from serving_fakes import write_voice
from wheel_fakes import ROOT, base_environment, build_wheel, outside

import undertone

SOURCE = ROOT / "src" / "undertone"
OWN = {*sys.stdlib_module_names, "undertone", "features"}  # an export writes features.py
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SMALL = ("--budgets", "8", "--draws", "1", "--folds", "2", "--set", "replicates=20")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def bin_folder(wheel, tmp_path_factory) -> Path:
    return base_environment(tmp_path_factory.mktemp("fresh") / "venv", wheel)


def test_the_wheel_holds_every_file_of_the_package(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    files = {
        path.relative_to(SOURCE.parent).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files <= held
    kinds = {Path(name).suffix for name in files}
    assert {".html", ".css", ".js", ".cpp", ".safetensors", ".json", ".md", ".typed"} <= kinds


def test_it_runs_without_extras_away_from_the_checkout(bin_folder, tmp_path):
    def run(program: str, *arguments: object) -> str:
        command = [bin_folder / program, *map(str, arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, env=outside(), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import undertone; print(undertone.__file__, undertone.__version__)"
    file, version = run("python", "-c", where).split()
    assert Path(file).is_relative_to(bin_folder.parent)
    assert version == undertone.__version__
    lacks = "from importlib.util import find_spec; print(find_spec('fastapi'), find_spec('h5py'))"
    assert run("python", "-c", lacks).split() == ["None", "None"]
    assert "predict" in run("undertone", "--help")
    recording = write_voice(tmp_path / "my.wav")
    assert run("undertone", "predict", recording.name).startswith("my.wav")
    what = ("--corpus", write_table(tmp_path), "--systems", "linear,constant")
    run("undertone", "curve", *what, *SMALL, "--out", "demo", "--workers", "1")
    report = (tmp_path / "demo" / "report.html").read_text()
    assert "<style" in report
    assert "UAR" in report


def test_every_module_that_is_imported_is_a_dependency_or_brought_by_one():
    extras = PROJECT["optional-dependencies"]
    named = [*PROJECT["dependencies"], *(one for some in extras.values() for one in some)]
    direct = {_plain(Requirement(one).name) for one in named} - {"undertone-ser"}
    brought = {_plain(name) for one in direct for name in _required_by(one)}
    providers = packages_distributions()
    for path in SOURCE.rglob("*.py"):
        for module in _imported(path) - OWN:
            by = {_plain(name) for name in providers.get(module, [module])}
            assert by & (direct | brought), f"{path.relative_to(SOURCE)} imports {module}"


def test_the_version_is_the_changelog_s_and_the_citation_s():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    newest, date = re.findall(r"^## \[([\d.]+)\] - (\d{4}-\d\d-\d\d)$", changelog, re.M)[0]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {newest}\n" in citation
    assert f"\ndate-released: {date}\n" in citation
    assert newest == undertone.__version__


def write_table(folder: Path) -> Path:
    """Four speakers, two emotions: high voices and low ones."""
    rows = ["file,speaker,emotion"]
    for i in range(16):
        emotion = ("anger", "sadness")[i % 2]
        path = write_voice(folder / f"clip{i}.wav", f0_hz=(200 if i % 2 else 100) + i)
        rows.append(f"{path.name},s{i // 4},{emotion}")
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder / "labels.csv"


def _required_by(name: str) -> set[str]:
    """What an installed distribution names among its requirements; nothing of one that is not."""
    try:
        return {Requirement(one).name for one in distribution(name).requires or ()}
    except PackageNotFoundError:
        return set()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names
