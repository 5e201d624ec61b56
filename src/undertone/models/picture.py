"""Transfer from images: a residual network for pictures, on log-mel images of speech.

In:  segments of utterances, mel bands (n_frames, n_bands) in ln of power; a ResNet of the Hugging
     Face layout.
Out: outputs before their activation, (n_segments, n_outputs).

The baseline of arXiv 2309.12714: segments as grey pictures, time to the right and the low bands
below, z-scored, repeated as three colours. A picture is as large as the segment: a residual
network averages over places and takes any size. Its normalisation and average would see padding, so
that a batch holds equal lengths only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from undertone import device
from undertone.config import expanded
from undertone.errors import UndertoneError, needs
from undertone.models import padding
from undertone.models.schedule import SegmentSchedule

HUB_S = 4.0  # that the hub has to answer at all
SHORTEST = 32  # frames; shorter segments are repeated until they fill it


@dataclass(frozen=True)
class PictureConfig(SegmentSchedule):
    """Settings of the picture network: where it starts, and its training."""

    section: ClassVar[str] = "picture"
    network: str = ""  # folder of a ResNet, or its name on the hub
    learning_rate: float = 1e-4  # of Adam
    max_epochs: int = 15  # passes over the labels
    patience: int = 4
    epochs_without_validation: int = 15


class PictureNetwork(nn.Module):
    """A residual network without its own head, and one dense layer."""

    def __init__(self, backbone: Any, n_outputs: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.config.hidden_sizes[-1], n_outputs)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Outputs before their activation, (batch, n_outputs), of (batch, 3, n_bands, n_frames)."""
        return self.head(self.backbone(pictures).pooler_output.flatten(1))

    @property
    def last(self) -> nn.Linear:
        """The layer whose units are the outputs."""
        return self.head

    def of_segments(self, segments: Sequence[np.ndarray]) -> torch.Tensor:
        """(n_segments, n_outputs) of bands (n_frames, n_bands), their pictures of one width."""
        pictures = torch.from_numpy(np.stack([picture(bands) for bands in segments]))
        return self(pictures.to(device.place_of(self)))

    @staticmethod
    def plan(
        lengths: Sequence[int], batch_size: int, rng: np.random.Generator | None
    ) -> list[np.ndarray]:
        """Positions of batches whose pictures are of one width; in random order with ``rng``."""
        widths = [max(length, SHORTEST) for length in lengths]
        return padding.of_one_length(widths, batch_size, rng)


def load_backbone(model: str | Path) -> Any:
    """A ResNet by folder, or by its name on the hub.

    Raises:
        UndertoneError: the extra is not installed, or there is no such ResNet.
    """
    needs("transformers", extra="upstream", what="picture networks")
    import huggingface_hub as hub
    import transformers

    local = expanded(model).is_dir()
    try:
        if not (local or _is_fetched(str(model))):  # or the hub's own patience is half a minute
            hub.HfApi().model_info(str(model), timeout=HUB_S)
        config = transformers.AutoConfig.from_pretrained(model, local_files_only=local)
        config._attn_implementation = None  # it may name a program on the hub, which would be run
        if config.model_type != "resnet":
            raise UndertoneError(f"{model} is a {config.model_type}, expected a resnet")
        return transformers.ResNetModel.from_pretrained(
            model, config=config, local_files_only=local
        )
    except (UndertoneError, MemoryError):
        raise
    except Exception as error:  # a stranger's files may fail anywhere in what reads them
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UndertoneError(
            f"there is no ResNet {model}: {said}; give a folder with config.json and "
            "model.safetensors, or a name such as microsoft/resnet-18"
        ) from None


def _is_fetched(name: str) -> bool:
    import huggingface_hub as hub

    try:
        hub.snapshot_download(name, allow_patterns=["config.json"], local_files_only=True)
    except Exception:  # of many kinds
        return False
    return True


def empty_backbone(shape: Mapping[str, Any]) -> Any:
    """A ResNet of this configuration, its weights to be filled in."""
    needs("transformers", extra="upstream", what="picture networks")
    import transformers

    return transformers.ResNetModel(transformers.ResNetConfig(**shape))


def picture(bands: np.ndarray) -> np.ndarray:
    """(3, n_bands, n_frames) of (n_frames, n_bands): mean 0, variance 1, low bands below."""
    if len(bands) < SHORTEST:
        bands = np.tile(bands, (-(-SHORTEST // len(bands)), 1))[:SHORTEST]
    scored = (bands - bands.mean()) / (bands.std() + 1e-6)
    return np.repeat(scored.T[None, ::-1], 3, axis=0).astype(np.float32)
