"""Transfer from images: a residual network for pictures, fine-tuned on log-mel images of speech.

In:  labelled utterances, mel bands (n_frames, n_bands) in ln of power; a ResNet of the Hugging
     Face layout.
Out: class probabilities (n_utterances, n_classes): of each utterance the mean over its segments.

The baseline of arXiv 2309.12714: segments as grey pictures, time to the right and the low bands
below, z-scored, repeated as three colours. A picture is as large as the segment: a residual
network averages over places and takes any size. Its normalisation and average would see padding, so
that a batch holds equal lengths only.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from undertone.errors import UndertoneError
from undertone.training.cnn import CnnConfig, cut
from undertone.training.finetune import Labelled
from undertone.training.losses import cross_entropy
from undertone.training.seeds import generator, seed_torch

SHORTEST = 32  # frames; shorter segments are repeated until they fill it
INSTALL = "pip install 'undertone[upstream]'"


@dataclass(frozen=True)
class ImageCnnConfig:
    """Settings of the picture network."""

    training: CnnConfig = field(
        default_factory=lambda: CnnConfig(learning_rate=1e-4, max_epochs=15, patience=4)
    )


class ImageCnn(nn.Module):
    """A residual network without its own head, and one dense layer."""

    def __init__(self, backbone: Any, n_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.config.hidden_sizes[-1], n_classes)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Scores (batch, n_classes) of (batch, 3, n_bands, n_frames)."""
        return self.head(self.backbone(pictures).pooler_output.flatten(1))


def load_backbone(model: str | Path) -> Any:
    """A ResNet by folder, or by its name on the hub.

    Raises:
        UndertoneError: the extra is not installed, or there is no such ResNet.
    """
    try:
        import transformers
    except ImportError:
        raise UndertoneError(
            f"picture networks need the package transformers; install it with `{INSTALL}`"
        ) from None
    local = Path(model).expanduser().is_dir()
    try:
        config = transformers.AutoConfig.from_pretrained(model, local_files_only=local)
        if config.model_type != "resnet":
            raise UndertoneError(f"{model} is a {config.model_type}, expected a resnet")
        return transformers.ResNetModel.from_pretrained(model, local_files_only=local)
    except (OSError, ValueError) as error:
        raise UndertoneError(
            f"there is no ResNet {model}: {str(error).splitlines()[0]}; give a folder with "
            "config.json and weights, or a name such as microsoft/resnet-18"
        ) from None


def picture(bands: np.ndarray) -> np.ndarray:
    """(3, n_bands, n_frames) of (n_frames, n_bands): mean 0, variance 1, low bands below."""
    if len(bands) < SHORTEST:
        bands = np.tile(bands, (-(-SHORTEST // len(bands)), 1))[:SHORTEST]
    scored = (bands - bands.mean()) / (bands.std() + 1e-6)
    return np.repeat(scored.T[None, ::-1], 3, axis=0).astype(np.float32)


def fit_image_cnn(
    backbone: Any,
    train: Labelled,
    validation: Labelled,
    *,
    n_classes: int,
    frames_per_second: float,
    settings: ImageCnnConfig,
    seed: int,
) -> ImageCnn:
    """Train everything on the segments of ``train``, and stop by those of ``validation``.

    Args:
        backbone: what ``load_backbone`` gave; it is copied, never changed.
        train: labels that the weights are fitted to.
        validation: labels that choose the epoch; may be empty.
        n_classes: emotions.
        frames_per_second: of the bands.
        settings: of the training.
        seed: names all randomness.
    """
    seed_torch(seed, "image cnn")
    model, training = ImageCnn(copy.deepcopy(backbone), n_classes), settings.training
    optimiser = torch.optim.Adam(model.parameters(), lr=training.learning_rate)
    pictures, owner = _pictures(train.steps, frames_per_second, training)
    truth = train.truth[owner]
    n_epochs = training.max_epochs if len(validation) else training.epochs_without_validation
    best, best_loss, best_epoch = model.state_dict(), np.inf, 0
    for epoch in range(n_epochs):
        model.train()
        rng = generator(seed, "image cnn epoch", epoch)
        for positions in _batches(pictures, training.batch_size, rng):
            scores = model(torch.from_numpy(np.stack([pictures[i] for i in positions])))
            loss = cross_entropy(scores, torch.from_numpy(truth[positions]), 0.0)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), training.clip_norm)
            optimiser.step()
        loss_now = -float(epoch)
        if len(validation):
            chances = probabilities(
                model, validation.steps, frames_per_second=frames_per_second, settings=settings
            )
            true_chances = chances[np.arange(len(validation)), validation.truth]
            loss_now = float(-np.log(np.maximum(true_chances, 1e-12)).mean())
        if loss_now < best_loss:
            best, best_loss, best_epoch = copy.deepcopy(model.state_dict()), loss_now, epoch
        if epoch - best_epoch >= training.patience:
            break
    model.load_state_dict(best)
    return model.eval()


@torch.no_grad()
def probabilities(
    model: ImageCnn,
    utterances: Sequence[np.ndarray],
    *,
    frames_per_second: float,
    settings: ImageCnnConfig,
) -> np.ndarray:
    """Class probabilities, (n_utterances, n_classes): the mean over each utterance's segments."""
    model.eval()
    pictures, owner = _pictures(utterances, frames_per_second, settings.training)
    out = np.zeros((len(utterances), model.head.out_features))
    for positions in _batches(pictures, 32, None):
        scores = model(torch.from_numpy(np.stack([pictures[i] for i in positions])))
        np.add.at(out, owner[positions], scores.softmax(dim=1).double().numpy())
    return (out / np.bincount(owner)[:, None]).astype(np.float32)


def _pictures(
    utterances: Sequence[np.ndarray], frames_per_second: float, settings: CnnConfig
) -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures of all segments, and the position of the utterance that each is of."""
    size = max(1, round(frames_per_second * settings.segment_s))
    cuts = [cut(bands, size, settings.overlap) for bands in utterances]
    owner = np.repeat(np.arange(len(cuts)), [len(segments) for segments in cuts])
    return [picture(segment) for of_one in cuts for segment in of_one], owner


def _batches(
    pictures: Sequence[np.ndarray], batch_size: int, rng: np.random.Generator | None
) -> Iterator[np.ndarray]:
    """Positions of pictures of one width; in random order with ``rng``."""
    widths = np.array([p.shape[2] for p in pictures])
    found = []
    for width in np.unique(widths):
        positions = np.flatnonzero(widths == width)
        if rng is not None:
            rng.shuffle(positions)
        found += [positions[i : i + batch_size] for i in range(0, len(positions), batch_size)]
    if rng is not None:
        rng.shuffle(found)
    yield from found
