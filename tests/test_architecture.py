"""The tree, the order of imports and the documents say what is true."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from undertone.errors import DISTRIBUTION

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "undertone"
ORDER = (
    *("__init__", "errors", "atomic", "seals", "config", "progress", "processes"),
    *("web", "compiled", "device", "audio"),
    *("tasks", "models", "synthesis", "corpora", "features", "evaluation", "training", "systems"),
    *("recogniser", "reading", "pipeline", "annotation", "serving", "experiment", "sklearn"),
    *("recipes", "cli"),
    "__main__",
)
MAY_USE_TORCH = {SOURCE / "features" / name for name in ("upstream", "text")}  # reached lazily
OTHERS = {"__pycache__", "py.typed"}
FREE_OF_TORCH = ("audio", "tasks", "synthesis", "corpora", "features", "evaluation")
FILES = sorted(SOURCE.rglob("*.py"))


def _stage(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Names of modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_import_only_what_comes_before_them(path):
    own = _stage(path)
    for name in _imports(path):
        used = name.split(".")[1] if name.startswith("undertone.") else own
        if used in ORDER and own != "__init__":
            assert ORDER.index(used) <= ORDER.index(own), f"{own} must not import {used}"
    if own in FREE_OF_TORCH and not MAY_USE_TORCH & set(path.parents):
        assert "torch" not in _imports(path)


def test_every_module_has_a_place_in_the_order():
    modules = {p.name.removesuffix(".py") for p in SOURCE.iterdir()} - OTHERS
    assert modules == set(ORDER)


def test_the_tree_of_the_readme_names_every_module():
    tree = re.findall(r"^[├└]── ([\w.]+)", (ROOT / "README.md").read_text(), re.M)
    modules = {p.name for p in SOURCE.iterdir()} - {"__init__.py"} - OTHERS
    assert sorted(tree) == sorted(modules)


def test_the_base_install_stays_small():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert len(project["dependencies"]) <= 18


def test_the_distribution_has_one_name_in_messages_and_pages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == DISTRIBUTION == "undertone-ser"
    assert project["scripts"] == {"undertone": "undertone.cli:main"}
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *FILES]
    pages += [path for folder in ("scripts", "benchmarks") for path in (ROOT / folder).glob("*.py")]
    for path in pages:
        for strange in re.findall(
            r"(?:install\s+'?|(?<!-)\b)undertone\[.*|install '?undertone\b(?!-).*", path.read_text()
        ):
            pytest.fail(f"{path.name} names a stranger's program: {strange}")


def test_every_extra_that_a_message_names_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for path in FILES:
        for name in re.findall(r'needs\([^)]*extra="(\w+)"', path.read_text()):
            assert name in extras, f"{path.name}: {name}"


def test_every_command_is_documented_and_every_documented_command_exists():
    from undertone.cli import app

    commands = {command.callback.__name__ for command in app.registered_commands}
    documented = set(re.findall(r"^## undertone (\w+)", (ROOT / "docs/cli.md").read_text(), re.M))
    assert documented == commands


def test_every_option_is_documented():
    import typer

    from undertone.cli import app

    text = (ROOT / "docs/cli.md").read_text()
    for name, command in typer.main.get_command(app).commands.items():
        section = re.search(rf"^## undertone {name}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option != "--help":
                    assert option in section, f"{name} {option}"


def test_importing_undertone_is_light():
    code = (
        "import sys, undertone; dir(undertone); import undertone.cli, undertone.serving.predict;"
        "heavy = {'torch', 'sklearn', 'matplotlib', 'pandas', 'scipy', 'numba', 'numpy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_functions_come_when_asked_for():
    import undertone

    for name in undertone.__all__:
        assert getattr(undertone, name).__name__ == name
    with pytest.raises(AttributeError, match="undertone has no wonder"):
        _ = undertone.wonder


def test_files_stay_short():
    for path in [*FILES, *(ROOT / "tests").glob("*.py")]:
        assert len(path.read_text().splitlines()) <= 500, path
