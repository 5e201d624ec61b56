"""The files of a model folder: written together, and believed only as they were written.

In:  what JSON can hold of a model, its tensors, its card.
Out: ``config.json``, ``model.safetensors`` and ``README.md`` in a folder, and the first two back.

The config holds its own digest and that of the weights, so that neither is used when it was
changed, or is of another model. Of a stranger's folder, too, nothing large is made and nothing is
computed before sizes, types and values have been looked at.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from undertone import atomic, seals
from undertone.errors import UndertoneError
from undertone.recogniser.front_matter import without
from undertone.seals import UnsoundError

FORMAT = 3
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
OF_WEIGHTS = "weights_sha256"
RECOGNISER, ENCODER = "recogniser", "encoder"
COMMANDS = {RECOGNISER: "finetune", ENCODER: "pretrain"}
LARGEST_CONFIG = 64 * 2**20  # bytes
LARGEST_CARD = 2**20
DEVIATION, LIMITS = "sd", "range"  # infinite of a value that is constant, and where there are none


def write(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    *,
    card: str,
    beside: Mapping[str, bytes] | None = None,
) -> None:
    """Create or replace a model; no file is touched before all are on the disk.

    Args:
        folder: of the model.
        config: what JSON can hold.
        tensors: by name.
        card: Markdown.
        beside: more files, by name.
    """
    weights = save_tensors({n: np.asarray(array, order="C") for n, array in tensors.items()})
    whole = {"format": FORMAT, **config, OF_WEIGHTS: hashlib.sha256(weights).hexdigest()}
    atomic.write_together(
        {
            folder / WEIGHTS: weights,
            folder / CARD: card.encode("utf-8", "backslashreplace"),
            **{folder / name: content for name, content in (beside or {}).items()},
            folder / CONFIG: as_json(seals.seal(whole)),
        }
    )


def read(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Config and tensors of a model of this kind.

    Raises:
        UndertoneError: no model is there, it was changed, or it is of another kind or format.
    """
    again = f"train it again with `undertone {COMMANDS[kind]}`"
    path = folder / CONFIG
    if not path.is_file():
        raise UndertoneError(
            f"{folder} holds no {CONFIG}; a model folder is what "
            f"`undertone {COMMANDS[kind]}` writes"
        )
    if path.stat().st_size > LARGEST_CONFIG:
        raise UndertoneError(f"{path} is too large to be of an Undertone model; {again}")
    content, weights = seals.read(path) or b"", seals.read(folder / WEIGHTS)
    config = _config(folder, content, kind, again)
    if weights is None:
        raise UndertoneError(f"the model in {folder} is damaged: it has no {WEIGHTS}; {again}")
    if config[OF_WEIGHTS] != hashlib.sha256(weights).hexdigest():
        raise UndertoneError(
            f"the model in {folder} is damaged: its {WEIGHTS} is not the file that its {CONFIG} "
            f"was written with; {again}"
        )
    with damage_told(folder):
        tensors = load_tensors(weights)
        _check_values(tensors)
    return config, tensors


def digest_of_model(folder: Path) -> str:
    """What names a model wherever its folder lies: its config, which names its weights."""
    from undertone.recogniser.starter import folder_of

    return hashlib.sha256(seals.read(folder_of(folder) / CONFIG) or b"").hexdigest()


@contextlib.contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Name the folder whose files lack something, or do not fit together."""
    try:
        yield
    except UndertoneError as error:
        raise UndertoneError(f"the model in {folder} is damaged: {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # a stranger's values may fail anywhere in what reads them
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UndertoneError(
            f"the model in {folder} is damaged: {what.splitlines()[0] if what else type(error)}"
        ) from None


def kind_held(folder: Path) -> str | None:
    """The kind of the model in a folder; None where no model can be read."""
    with contextlib.suppress(OSError, ValueError, RecursionError, LookupError, TypeError):
        held = json.loads((folder / CONFIG).read_bytes())["kind"]
        return held if held in COMMANDS else None
    return None


def others_file(folder: Path) -> Path | None:
    """A file that no model of ours wrote, under a name that one would write over; None if none.

    A config that holds no names may be a damaged one of ours, which is trained again in its place.
    """
    if not (folder / CONFIG).exists():
        return next((folder / n for n in (CARD, WEIGHTS) if os.path.lexists(folder / n)), None)
    try:
        held = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    names = set(held) if isinstance(held, dict) else set()
    return folder / CONFIG if names and not names & {"format", "kind"} else None


def _config(folder: Path, content: bytes, kind: str, again: str) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = seals.unseal(content)
    except UnsoundError as error:
        told = _format_told(content)
        if told is not None and told != FORMAT:
            raise UndertoneError(
                f"{path} is not of an Undertone model of format {FORMAT}; {again}"
            ) from None
        raise UndertoneError(
            f"the model in {folder} is damaged: its {CONFIG} was changed ({error}); {again}"
        ) from None
    if config.get("format") != FORMAT:
        raise UndertoneError(f"{path} is not of an Undertone model of format {FORMAT}; {again}")
    if config.get("kind") != kind:
        raise UndertoneError(
            f"{folder} holds a model of kind {config.get('kind')}, expected {kind}; "
            f"`undertone {COMMANDS[kind]}` makes one"
        )
    return config


def _format_told(content: bytes) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        values = json.loads(content)
        return values.get("format", 0) if isinstance(values, dict) else 0
    return None


def _check_values(tensors: Mapping[str, np.ndarray]) -> None:
    """No weight is NaN, and none infinite but limits and a deviation, which is above 0."""
    for name, array in tensors.items():
        if array.dtype.kind == "f" and not _is_sound(name.rpartition(".")[2], array):
            raise UndertoneError(f"its weights {name} hold values that no training leaves (NaN)")


def _is_sound(name: str, array: np.ndarray) -> bool:
    if name == DEVIATION:
        return bool((array > 0).all())
    return not np.isnan(array).any() if name == LIMITS else bool(np.isfinite(array).all())


def read_card(folder: Path) -> str:
    """The card of a model without the hub's front matter; "" where there is none, or no card."""
    with contextlib.suppress(OSError):
        path = folder / CARD
        if path.stat().st_size <= LARGEST_CARD:
            return without(path.read_text(encoding="utf-8", errors="backslashreplace"))
    return ""


def as_json(values: Mapping[str, Any]) -> bytes:
    """Readable, and escaped only where a path is no text."""
    try:
        return f"{json.dumps(values, indent=2, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(values, indent=2)}\n".encode()
