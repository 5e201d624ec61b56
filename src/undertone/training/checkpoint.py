"""A training's state on disk: one safetensors file, whole or absent, without pickles.

In:  tensors by name, notes that JSON can hold, and the identity of what they are a state of.
Out: ``checkpoint.safetensors`` in a folder, replaced by rename, with a digest of its content.

A state is gone on with only where its identity is equal part by part: what the speech is, who
speaks, settings, seed, and what computes.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from undertone import atomic, seals

if TYPE_CHECKING:
    import torch

NAME = "checkpoint.safetensors"
Array = TypeVar("Array")


class Checkpoint(NamedTuple):
    """What ``write`` was given."""

    tensors: "dict[str, torch.Tensor]"
    notes: dict[str, Any]
    identity: dict[str, Any]


def write(
    folder: Path,
    tensors: "Mapping[str, torch.Tensor]",
    notes: Mapping[str, Any],
    identity: Mapping[str, Any],
) -> None:
    """Replace the checkpoint of ``folder``."""
    from safetensors.torch import save as save_tensors  # it brings torch

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = json.dumps({"notes": notes, "identity": identity}, sort_keys=True)
    metadata = {"about": about, seals.SEAL: _digest(whole, about)}
    atomic.write_bytes(folder / NAME, save_tensors(whole, metadata=metadata))


def read(folder: Path, then: str = "it is computed again") -> Checkpoint | None:
    """The checkpoint in ``folder``, None where there is none; a damaged one is set aside.

    Args:
        folder: of the training.
        then: what becomes of the training without it.
    """
    from safetensors.torch import load as load_tensors  # it brings torch

    path = folder / NAME
    if (content := seals.read(path)) is None:
        return None
    try:
        tensors = load_tensors(content)
        metadata = header(content)["__metadata__"]
        about = metadata["about"]
        if metadata[seals.SEAL] == _digest(tensors, about):
            return Checkpoint(tensors, **json.loads(about))
        reason = "it does not have its own digest"
    except Exception as error:  # damage may fail anywhere in the machine that reads it
        reason = f"no checkpoint: {type(error).__name__}: {error}"
    atomic.set_aside(path, reason, then)
    return None


def read_own(folder: Path, identity: Mapping[str, Any]) -> Checkpoint | None:
    """As ``read``; a checkpoint of another identity is set aside, too."""
    stored = read(folder)
    if stored is None or not (others := differences(stored.identity, identity)):
        return stored
    atomic.set_aside(folder / NAME, f"it is of another {', another '.join(others)}")
    return None


def differences(held: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """The parts of two identities that are not equal, each by its name."""
    asked = json.loads(json.dumps(asked))  # as it would be read back
    return [name for name in {**held, **asked} if held.get(name) != asked.get(name)]


def header(content: bytes) -> dict[str, Any]:
    """What a safetensors file says of its tensors: by name ``dtype`` and ``shape``.

    Raises:
        ValueError: it is no such file.
    """
    n_bytes = int.from_bytes(content[:8], "little")
    if not 2 <= n_bytes <= len(content) - 8:
        raise ValueError("its header has no length that it could have")
    told = json.loads(content[8 : 8 + n_bytes])
    if not isinstance(told, dict):
        raise ValueError("its header is no table of tensors")
    return told


def section(tensors: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def optimiser_tensors(optimiser: "torch.optim.Optimizer") -> "dict[str, torch.Tensor]":
    """Adam's state as tensors named ``optimiser.<parameter>.<quantity>``."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{i}.{name}": value for i in state for name, value in state[i].items()}


def restore_optimiser(
    optimiser: "torch.optim.Optimizer", tensors: "dict[str, torch.Tensor]"
) -> None:
    """Put back what ``optimiser_tensors`` took."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in section(tensors, "optimiser.").items():
        position, quantity = name.split(".")
        state.setdefault(int(position), {})[quantity] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})


def _digest(tensors: "Mapping[str, torch.Tensor]", about: str) -> str:
    together = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        together.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        together.update(tensor.numpy().tobytes())
    return together.hexdigest()
