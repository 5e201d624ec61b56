"""A wheel of this tree, and an environment that holds it and its base dependencies, no more.

A download of every dependency takes minutes. Here they are links to what this environment has
installed: the closure of what the wheel's own metadata names without an extra. What the metadata
forgets is therefore missing there, as it would be on a new machine.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
OF_A_BUILD = ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")


def build_wheel(folder: Path) -> Path:
    """The wheel, built from a copy of the sources, so that nothing is written into the tree."""
    copy, out = folder / "sources", folder / "dist"
    unseen = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", copy / "src", ignore=unseen)
    for name in OF_A_BUILD:
        shutil.copy(ROOT / name, copy)
    arguments = ["--wheel", "--no-isolation", "--outdir", out, copy]
    subprocess.run([sys.executable, "-m", "build", *arguments], check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return wheel


def base_environment(folder: Path, wheel: Path) -> Path:
    """The ``bin`` of an environment with the wheel installed and its base dependencies linked."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    offline = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check"]
    subprocess.run([*pip, *offline, wheel], env=outside(), check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (metadata,) = site.glob("undertone_ser-*.dist-info")
    for path in _installed(PathDistribution(metadata)):
        if not (site / path.name).exists():
            (site / path.name).symlink_to(path)
    return folder / "bin"


def outside() -> dict[str, str]:
    """The variables of a shell that knows nothing of the checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _installed(wheel: Distribution) -> Iterator[Path]:
    """Every file or folder at the top of ``site-packages`` that the base dependencies bring."""
    site, seen, ahead = Path(sysconfig.get_path("purelib")), set(), _base(wheel, set())
    while ahead:
        name, extras = ahead.pop()
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        ahead += _base(found, extras)
        tops = {Path(str(file)).parts[0] for file in found.files or ()}
        yield from (site / top for top in sorted(tops) if top not in ("..", "__pycache__"))


def _base(found: Distribution, extras: set[str]) -> list[tuple[str, set[str]]]:
    """What a distribution requires here, by its plain name, with the extras asked of it."""
    required = map(Requirement, found.requires or ())
    wanted = [{"extra": extra} for extra in ("", *extras)]
    return [
        (re.sub(r"[-_.]+", "-", one.name).lower(), one.extras)
        for one in required
        if one.marker is None or any(one.marker.evaluate(given) for given in wanted)
    ]
