"""What is trained, saved, loaded and served: a recogniser, or a pre-trained encoder, as a folder.

On disk: ``config.json`` (everything but the weights), ``model.safetensors`` and ``README.md`` (the
model card). Never a pickle: loading a stranger's model runs no code.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from undertone import atomic
from undertone.config import load as load_settings
from undertone.corpora.tasks import Task
from undertone.errors import UndertoneError
from undertone.features.descriptors import describe
from undertone.training.combined import CombinedClassifier
from undertone.training.encoder import Encoder, EncoderConfig
from undertone.training.finetune import Classifier, probabilities
from undertone.training.normalise import Normaliser

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


@dataclass(frozen=True)
class Inputs:
    """What the network expects.

    Attributes:
        features: name of the extractor.
        version: of the extractor.
        columns: (n_features,) names.
        normaliser: from frames to steps.
    """

    features: str
    version: int
    columns: tuple[str, ...]
    normaliser: Normaliser


@dataclass(frozen=True)
class PretrainedEncoder:
    """An encoder with what it expects, ready to be fine-tuned."""

    inputs: Inputs
    shape: EncoderConfig
    encoder: Encoder
    notes: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path, card: str) -> None:
        """Write the folder; ``load_encoder`` reads it."""
        _write(folder, self, card, task=None, weights=self.encoder.state_dict())


@dataclass(frozen=True)
class Recognizer:
    """A classifier with what it expects and what it predicts."""

    inputs: Inputs
    shape: EncoderConfig
    task: Task
    model: Classifier | CombinedClassifier
    notes: dict[str, Any] = field(default_factory=dict)

    def probabilities(self, frames: np.ndarray) -> np.ndarray:
        """(n_classes,) of one utterance, from its frames (n_frames, n_features).

        Raises:
            UndertoneError: the frames have other columns than the model was trained on.
        """
        if frames.ndim != 2 or frames.shape[1] != len(self.inputs.columns):
            raise UndertoneError(
                f"the model expects frames of {len(self.inputs.columns)} {self.inputs.features} "
                f"columns, found an array of shape {frames.shape}"
            )
        steps = self.inputs.normaliser.apply(frames)
        if isinstance(self.model, CombinedClassifier):
            return self.model.probabilities(steps, describe(frames, self.inputs.columns))
        return probabilities(self.model, [steps])[0]

    def save(self, folder: Path, card: str) -> None:
        """Write the folder; ``load`` reads it."""
        _write(folder, self, card, task=self.task, weights=self.model.state_dict())


def load(folder: Path | str) -> Recognizer:
    """Read a recogniser.

    Raises:
        UndertoneError: no model is there, or it is damaged, or it was made by another format.
    """
    config, tensors = _read(Path(folder), "recognizer")
    with _damage_told(Path(folder)):
        inputs, shape = _inputs(config, tensors), load_settings(EncoderConfig, config["encoder"])
        task = Task(config["task"]["name"], tuple(config["task"]["outputs"]))
        notes = dict(config["notes"])
    model = _model(config, inputs, shape, task)
    _fill(model, tensors, Path(folder))
    return Recognizer(inputs, shape, task, model.eval(), notes)


def load_encoder(folder: Path | str) -> PretrainedEncoder:
    """Read a pre-trained encoder; raises as ``load`` does."""
    config, tensors = _read(Path(folder), "encoder")
    with _damage_told(Path(folder)):
        inputs, shape = _inputs(config, tensors), load_settings(EncoderConfig, config["encoder"])
        notes = dict(config["notes"])
    encoder = Encoder(len(inputs.columns), shape.hidden_units, shape.layers)
    _fill(encoder, tensors, Path(folder))
    return PretrainedEncoder(inputs, shape, encoder.eval(), notes)


def _model(
    config: dict[str, Any], inputs: Inputs, shape: EncoderConfig, task: Task
) -> Classifier | CombinedClassifier:
    encoder = Encoder(len(inputs.columns), shape.hidden_units, shape.layers)
    combined = config.get("combined")
    if combined is None:
        return Classifier(encoder, shape.pooling, len(task.outputs))
    kept = encoder if combined["encoder"] else None
    return CombinedClassifier(kept, combined["descriptors"], len(task.outputs))


@contextlib.contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    """Name the folder whose ``config.json`` lacks something or holds something of another type."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, UndertoneError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UndertoneError(f"the model in {folder} is damaged: {what}") from None


def _write(
    folder: Path,
    model: PretrainedEncoder | Recognizer,
    card: str,
    *,
    task: Task | None,
    weights: dict[str, torch.Tensor],
) -> None:
    normaliser = model.inputs.normaliser
    config = {
        "format": FORMAT,
        "kind": "encoder" if task is None else "recognizer",
        "features": model.inputs.features,
        "features_version": model.inputs.version,
        "columns": model.inputs.columns,
        "stride": normaliser.stride,
        "encoder": asdict(model.shape),
        "task": None if task is None else {"name": task.name, "outputs": task.outputs},
        "combined": _combined(model),
        "notes": model.notes,
    }
    tensors = {name: tensor.detach().contiguous() for name, tensor in weights.items()}
    tensors["normaliser.mean"] = torch.from_numpy(normaliser.mean)
    tensors["normaliser.sd"] = torch.from_numpy(normaliser.sd)
    atomic.write_bytes(folder / WEIGHTS, save_tensors(tensors))
    atomic.write_text(folder / CARD, card)
    atomic.write_text(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _combined(model: PretrainedEncoder | Recognizer) -> dict[str, Any] | None:
    """The shape of a combined classifier; None of any other model."""
    if not isinstance(model, Recognizer) or not isinstance(model.model, CombinedClassifier):
        return None
    return {
        "encoder": model.model.encoder is not None,
        "descriptors": model.model.n_descriptors,
    }


def _read(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    command = {"recognizer": "finetune", "encoder": "pretrain"}
    if not (folder / CONFIG).is_file():
        raise UndertoneError(
            f"{folder} holds no {CONFIG}; a model folder is what `undertone {command[kind]}` writes"
        )
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tensors = load_tensors((folder / WEIGHTS).read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError, SafetensorError, OSError) as error:
        raise UndertoneError(f"the model in {folder} is damaged: {error}") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise UndertoneError(f"{folder / CONFIG} is not of an Undertone model of format {FORMAT}")
    if config.get("kind") != kind:
        raise UndertoneError(
            f"{folder} holds a model of kind {config.get('kind')}, expected {kind}; "
            f"`undertone {command[kind]}` makes one"
        )
    return config, tensors


def _inputs(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Inputs:
    mean, sd = (tensors.pop(f"normaliser.{name}").numpy() for name in ("mean", "sd"))
    columns = tuple(config["columns"])
    if len(mean) != len(columns) or config["stride"] != config["encoder"]["stride"]:
        raise ValueError("its columns, normaliser and stride do not fit together")
    normaliser = Normaliser(mean, sd, config["stride"])
    return Inputs(config["features"], config["features_version"], columns, normaliser)


def _fill(module: torch.nn.Module, tensors: dict[str, torch.Tensor], folder: Path) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise UndertoneError(f"the weights in {folder} do not fit its {CONFIG}: {error}") from None
