"""A training's state on disk: one safetensors file, whole or absent, without pickles.

In:  tensors by name and notes that JSON can hold.
Out: ``checkpoint.safetensors`` in a folder, replaced by rename.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from undertone import atomic
from undertone.errors import UndertoneError

NAME = "checkpoint.safetensors"
Array = TypeVar("Array")


def write(folder: Path, tensors: dict[str, torch.Tensor], notes: dict[str, Any]) -> None:
    """Replace the checkpoint of ``folder``."""
    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    atomic.write_bytes(folder / NAME, save(whole, metadata={"notes": json.dumps(notes)}))


def read(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Tensors and notes of the checkpoint in ``folder``, None where there is none.

    Raises:
        UndertoneError: the file is there but is not a checkpoint.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            return tensors, json.loads(stored.metadata()["notes"])
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise UndertoneError(f"{path} is not a readable checkpoint ({error}); delete it") from None


def section(tensors: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Adam's state as tensors named ``optimiser.<parameter>.<quantity>``."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{i}.{name}": value for i in state for name, value in state[i].items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Put back what ``optimiser_tensors`` took."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in section(tensors, "optimiser.").items():
        position, quantity = name.split(".")
        state.setdefault(int(position), {})[quantity] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
