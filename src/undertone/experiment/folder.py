"""The folder of a run: whose it is, what is written there, when its truth was looked at.

In:  a folder, settings, a digest of the data.
Out: in it ``config.toml``, ``data.sha256`` (digests of data and settings, and this version), tables
     with their ``SHA256SUMS``, and ``test_looks.jsonl``. A folder that another run has claimed is
     refused: fits of two runs would otherwise stand side by side.
"""

import json
import os
import platform
import time
from dataclasses import asdict
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import pandas as pd

import undertone
from undertone import atomic, config, seals
from undertone.errors import UndertoneError

PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "torch")
SETTINGS, CLAIM = "config.toml", "data.sha256"
WRITTEN = (  # with names that others' files may have
    *("report.html", "report.json", "results.parquet", "predictions.parquet", "audit.json"),
    *("curve.png", "curve.svg", "curve.pdf"),
)
PLACES = ("corpus", "unlabelled", "fold_files")  # may be moved: the data are known by content
PLACES_ACROSS = ("test", "beside")  # likewise, in the section ``across``
NOT_OURS = {
    "undertone": f"holds a run of another version of Undertone than {undertone.__version__}",
    "settings": f"holds a run with other settings than its {SETTINGS} tells: a file was changed",
    "data": "holds a run on other data: the audio, the labels or the features have changed since",
}


def check(out: Path, settings: object) -> None:
    """See that the folder is free or holds this run; a run counts once its data are claimed.

    Raises:
        UndertoneError: it holds a run with other settings, or files of somebody else's.
    """
    path = out / SETTINGS
    if not (out / CLAIM).exists():
        _check_is_no_others(out, settings)
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


def _check_is_no_others(out: Path, settings: object) -> None:
    """Refuse a folder without a run whose files a run would write over.

    Settings that somebody laid there for this run are written out in full, and are theirs still.

    Raises:
        UndertoneError: there is such a file.
    """
    there = [out / name for name in (*WRITTEN, SETTINGS) if os.path.lexists(out / name)]
    if there == [out / SETTINGS] and _are_ours(out / SETTINGS, settings):
        return
    if there:
        raise UndertoneError(
            f"{there[0]} is there already, and no run of {out} wrote it: choose another --out, or "
            "move it away"
        )


def _are_ours(path: Path, settings: object) -> bool:
    """Whether a file holds these settings, or is one that a run wrote, which never got further."""
    try:
        held = config.load(type(settings), config.read_toml(path))
        return held == settings or path.read_text(encoding="utf-8") == config.to_toml(held)
    except (UndertoneError, OSError, UnicodeDecodeError):
        return False


def claim(out: Path, settings: object, digest: str) -> None:
    """Make the folder this run's, or see that its fits were made from the same data and settings.

    Call it while the folder is held (``atomic.held``).

    Raises:
        UndertoneError: they were made from others, or by another version.
    """
    path, text = out / CLAIM, config.to_toml(settings)
    values = asdict(settings)  # type: ignore[call-overload]
    told = {name: value for name, value in values.items() if name not in PLACES}
    if across := told.get("across"):
        told["across"] = {name: v for name, v in across.items() if name not in PLACES_ACROSS}
    parts = {"undertone": undertone.__version__, "settings": seals.digest_of(told), "data": digest}
    claimed = "".join(f"{value}  {what}\n" for what, value in parts.items())
    if not path.exists():
        atomic.write_together({out / SETTINGS: text.encode(), path: claimed.encode()})
        return
    held = dict(line.split("  ")[::-1] for line in _lines(path) if line.count("  ") == 1)
    others = [what for what, value in parts.items() if held.get(what) != value]
    if others:
        raise UndertoneError(f"{out} {NOT_OURS[others[0]]}; choose another --out")


def _lines(path: Path) -> list[str]:
    return (seals.read(path) or b"").decode("utf-8", "replace").splitlines()


def log_look(out: Path) -> None:
    """A line for each time that the test speakers' truth is read."""
    path = out / "test_looks.jsonl"
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    look = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "undertone": undertone.__version__}
    atomic.write_text(path, f"{before}{json.dumps(look)}\n")


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """A table, whole or absent; its digest beside it, with that of the settings."""
    content = BytesIO()
    table.to_parquet(content, index=False)
    atomic.write_bytes(path, content.getvalue())
    seals.write_sums([path, path.with_name(SETTINGS)])


def write_json(path: Path, content: object) -> None:
    """Plain values, whole or absent."""
    atomic.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def versions() -> dict[str, str]:
    """Of this package and of those that make its numbers."""
    by_package = {"undertone": undertone.__version__, "python": platform.python_version()}
    return by_package | {name: version(name) for name in PACKAGES}
