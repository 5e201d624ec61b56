"""The folder of a run: whose it is, what is written there, when its truth was looked at.

In:  a folder, settings, a digest of the data.
Out: in it ``config.toml``, ``data.sha256``, tables, and ``test_looks.jsonl``. A folder that another
     run has claimed is refused: fits of two runs would otherwise stand side by side.
"""

import json
import platform
import time
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import pandas as pd

import undertone
from undertone import atomic, config
from undertone.errors import UndertoneError

PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "torch")


def check(out: Path, settings: object) -> None:
    """See that the folder is free or holds this run; a run counts once its data are claimed.

    Raises:
        UndertoneError: it holds a run with other settings.
    """
    path = out / "config.toml"
    if not (out / "data.sha256").exists():
        return
    try:
        held = config.load(type(settings), config.read_toml(path))
    except UndertoneError as error:
        raise UndertoneError(
            f"{out} holds a run whose settings this Undertone cannot read ({error}): was it made "
            "by another version? Choose another --out"
        ) from None
    if held != settings:
        raise UndertoneError(
            f"{out} holds a run with other settings (see {path}); choose another --out, or "
            f"repeat that run with --config {path}"
        )


def claim(out: Path, settings: object, digest: str) -> None:
    """Make the folder this run's, or see that its fits were made from the same data.

    Raises:
        UndertoneError: they were made from other data.
    """
    path, text = out / "data.sha256", f"{digest}\n"
    if not path.exists():
        atomic.write_text(out / "config.toml", config.to_toml(settings))
        atomic.write_text(path, text)
    elif path.read_text() != text:
        raise UndertoneError(
            f"{out} holds a run on other data: the audio, the labels or the features have changed "
            "since; choose another --out"
        )


def log_look(out: Path) -> None:
    """A line for each time that the test speakers' truth is read."""
    path = out / "test_looks.jsonl"
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    look = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "undertone": undertone.__version__}
    atomic.write_text(path, f"{before}{json.dumps(look)}\n")


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """A table, whole or absent."""
    content = BytesIO()
    table.to_parquet(content, index=False)
    atomic.write_bytes(path, content.getvalue())


def write_json(path: Path, content: object) -> None:
    """Plain values, whole or absent."""
    atomic.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def versions() -> dict[str, str]:
    """Of this package and of those that make its numbers."""
    by_package = {"undertone": undertone.__version__, "python": platform.python_version()}
    return by_package | {name: version(name) for name in PACKAGES}
