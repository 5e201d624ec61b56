"""A recogniser to a folder that runs with NumPy and onnxruntime; it is whole or absent.

In:  a recogniser or its folder, clips to compare by.
Out: ``model.onnx``, ``config.json``, ``run.py``, ``README.md``, the card of the model, and
     ``features/`` where the graph does not begin at the waveform.

Everything is written beside its place and compared with the package there (``parity``); only then
does it get its name.
"""

import hashlib
import importlib.metadata
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import undertone
from undertone import atomic, audio, seals
from undertone.config import expanded
from undertone.errors import UndertoneError
from undertone.features.name import parse
from undertone.recogniser import files
from undertone.recogniser.adapted import ADAPTED
from undertone.recogniser.folder import Recogniser
from undertone.recogniser.starter import folder_of
from undertone.serving.onnx import carried, parity, readme
from undertone.serving.onnx.graphs import LOG_MEL, WAVEFORM, Exported, build, check
from undertone.serving.onnx.nodes import check_installed
from undertone.serving.onnx.parity import Parity
from undertone.serving.predict import loaded

KIND, FORMAT = "onnx", 1
GRAPH, CONFIG, RUN, README, CARD = (
    *("model.onnx", "config.json", "run.py"),
    *("README.md", "MODEL_CARD.md"),
)
LARGEST_CONFIG = 2**24  # bytes


@dataclass(frozen=True)
class Made:
    """An exported folder.

    Attributes:
        folder: where it is.
        reads: what its program reads.
        parity: of the graph in full precision.
        rounded: of the graph in 8 bits; None where it is in full precision.
        size_bytes: of the graph.
    """

    folder: Path
    reads: str
    parity: Parity
    rounded: Parity | None
    size_bytes: int


def check_place(out: Path) -> None:
    """Refuse a place that holds anything but an exported model.

    Raises:
        UndertoneError: says what to do.
    """
    if not _lexists(out):
        atomic.check_free(out, "--onnx")
        return
    if not is_export(out):
        raise UndertoneError(
            f"{out} is there already and is no exported model, so it is left as it is: choose "
            "another --onnx"
        )
    atomic.check_writable(out, "--onnx")


def is_export(folder: Path) -> bool:
    """Whether a folder is one that ``export`` wrote."""
    path = folder / CONFIG
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_CONFIG:
            return False
        held = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(held, dict) and held.get("kind") == KIND


def export(
    model: Recogniser | Path | str,
    out: Path | str,
    *,
    clips: Sequence[np.ndarray] = (),
    int8: bool = False,
    cost: Sequence[str] = (),
) -> Made:
    """Write the folder of a recogniser.

    Args:
        model: a recogniser, or its folder.
        out: a folder that is not there yet, or an exported one.
        clips: waveforms (n_samples,) that it is compared by beside random ones.
        int8: round the weights of the encoder to 8 bits.
        cost: sentences on what that costs.

    Raises:
        UndertoneError: it cannot be exported, or the graph and the package differ.
    """
    check_installed()
    recogniser, out = loaded(model), expanded(out).resolve()  # what a link leads to is replaced
    check(recogniser)
    check_rounding(recogniser, int8=int8)
    check_place(out)
    exported = build(recogniser)
    heard = parity.hear(recogniser, exported.reads, clips)
    source = None if isinstance(model, Recogniser) else folder_of(model)
    replaces = _lexists(out)
    with atomic.new_folder(out, "--onnx", replaces=replaces) as folder:
        _write(folder, recogniser, exported)
        found, rounded = parity.check(folder, recogniser, heard), None
        if int8:
            exported = build(recogniser, int8=True)
            (folder / GRAPH).write_bytes(exported.model.SerializeToString())
            rounded = parity.measure(folder, recogniser, heard)
        checked = _Checked(found, rounded, tuple(cost))
        _describe(folder, recogniser, exported, source=source, checked=checked)
        size = (folder / GRAPH).stat().st_size
    return Made(out, exported.reads, found, rounded, size)


def check_rounding(recogniser: Recogniser, *, int8: bool) -> None:
    """Refuse 8 bits for a model without a pre-trained encoder.

    Raises:
        UndertoneError: says so.
    """
    if int8 and not parse(recogniser.inputs.features).is_upstream:
        raise UndertoneError(
            f"--int8 rounds the weights of a pre-trained encoder, and this model reads "
            f"{recogniser.inputs.features}: leave --int8 out"
        )


@dataclass(frozen=True)
class _Checked:
    """What was found of the graph."""

    parity: Parity
    rounded: Parity | None
    cost: tuple[str, ...]


def _write(folder: Path, recogniser: Recogniser, exported: Exported) -> None:
    """What the folder needs to run."""
    (folder / GRAPH).write_bytes(exported.model.SerializeToString())
    texts = {RUN: carried.run(), **(carried.features() if _carries(exported) else {})}
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / CONFIG).write_text(_json(_config(recogniser, exported)), encoding="utf-8")


def _carries(exported: Exported) -> bool:
    """Whether anything is computed in NumPy."""
    return exported.reads == LOG_MEL or bool(exported.vectors)


def _config(recogniser: Recogniser, exported: Exported) -> dict[str, Any]:
    """What the program needs to know."""
    task, inputs = recogniser.task, recogniser.inputs
    return {
        "kind": KIND,
        "format": FORMAT,
        "reads": exported.reads,
        "inputs": list(exported.inputs),
        "vectors": exported.vectors[0] if exported.vectors else None,
        "carries_features": _carries(exported),
        "rate": audio.SAMPLE_RATE,
        "task": task.name,
        "kind_of_task": task.kind,
        "outputs": list(task.outputs),
        "scale": [_told(task.low), _told(task.high)],
        "columns": [] if exported.reads == WAVEFORM else list(inputs.columns),
        "frames_per_second": inputs.frames_per_second,
    }


def _describe(
    folder: Path,
    recogniser: Recogniser,
    exported: Exported,
    *,
    source: Path | None,
    checked: _Checked,
) -> None:
    """The whole config, the digests of all files, and what people read."""
    card = _card(source)
    if card:
        (folder / CARD).write_bytes(card)
    config = {
        **_config(recogniser, exported),
        "system": recogniser.system,
        "features": recogniser.inputs.features,
        "features_version": recogniser.inputs.version,
        "int8": checked.rounded is not None,
        "labels": recogniser.notes.get("labels"),
        "voice": recogniser.notes.get(ADAPTED, {}).get("voice"),
        "model_sha256": None if source is None else files.digest_of_model(source),
        "parity": {**asdict(checked.parity), "tolerance": parity.TOLERANCE},
        "rounding": None if checked.rounded is None else asdict(checked.rounded),
        "cost": list(checked.cost),
        "versions": {
            "undertone": undertone.__version__,
            **{name: importlib.metadata.version(name) for name in parity.REPORTED},
        },
    }
    (folder / README).write_text(
        readme.text(config, has_card=bool(card)), encoding="utf-8", errors="backslashreplace"
    )
    written = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CONFIG)
    config["files"] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in written
    }
    (folder / CONFIG).write_text(_json(config), encoding="utf-8")


def _card(source: Path | None) -> bytes:
    if source is None or not (source / files.CARD).is_file():
        return b""
    return seals.read(source / files.CARD) or b""


def _json(config: dict[str, Any]) -> str:
    return json.dumps(config, indent=2, allow_nan=False) + "\n"


def _told(end: float) -> float | None:
    """The end of a scale; None where there is none."""
    return float(end) if math.isfinite(end) else None


def _lexists(path: Path) -> bool:
    return path.is_symlink() or path.exists()
