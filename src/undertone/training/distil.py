"""From a cut encoder to one that says what the whole encoder says: distillation of hidden states.

In:  the cut encoder; crops of unlabelled speech, and of each the hidden states of the whole
     encoder, (n_targets, n_frames, width).
Out: the encoder with new weights, the loss of each pass, and the loss on held-out crops beside that
     of predicting the mean. A run that was stopped goes on to the losses it would have had.

The recipe is DistilHuBERT's (Chang, Yang and Lee, arXiv 2110.01900), for any encoder: one head a
layer of the teacher on the student's last state, Linear - GELU - Linear, thrown away afterwards;
with p what a head says of a frame and t the teacher's state,

    loss = mean |p - t| + cosine_weight * mean(-log sigmoid(cos(p, t)))      (eq. 1)

over frames, layers and crops, the first mean over units too; AdamW with betas .9 and .98, a linear
warm-up and decay. What is ours: targets are z-scores of the pool by layer and unit, cut off at
``FURTHEST``, because outlier units of some encoders would own the first term; and the convolutions
at the start are kept as they are unless asked for.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from undertone import device
from undertone.config import check_ranges
from undertone.errors import UndertoneError
from undertone.models import padding
from undertone.training import checkpoint
from undertone.training.denormals import flushed
from undertone.training.finite import NotFiniteError, not_finite
from undertone.training.identity import computed_by
from undertone.training.seeds import generator, seed_torch

FURTHEST = 8.0  # standard deviations of the pool
BETAS, EPSILON = (0.9, 0.98), 1e-6
STEM = ("conv1.", "conv2.", "embed_positions.", "feature_extractor.")  # names of its weights


@dataclass(frozen=True)
class DistilConfig:
    """Settings of distillation."""

    passes: int = 10  # over the pool
    targets: tuple[int, ...] = ()  # layers of the teacher; by default at each third of its depth
    learning_rate: float = 2e-4  # at its highest
    warm_up: float = 0.07  # of all steps
    weight_decay: float = 1e-6  # of AdamW
    clip_norm: float = 5.0  # longest gradient
    cosine_weight: float = 1.0  # of the angle beside the distance
    batch_size: int = 8  # crops
    crop_s: float = 6.0  # the longest piece of an utterance
    held_out_share: float = 0.1  # of the crops
    trains_stem: bool = False  # the convolutions at the start too
    steps_a_checkpoint: int = 50  # after so many a stopped run goes on

    def __post_init__(self) -> None:
        check_ranges(
            self,
            passes=(1, math.inf),
            learning_rate=(1e-9, 1),
            warm_up=(0, 1),
            weight_decay=(0, 1),
            clip_norm=(1e-9, math.inf),
            cosine_weight=(0, math.inf),
            batch_size=(1, math.inf),
            crop_s=(0.5, 20),
            held_out_share=(0.01, 0.9),
            steps_a_checkpoint=(1, math.inf),
        )


@dataclass(frozen=True)
class Crops:
    """Pieces of the pool, read only when they are needed.

    Attributes:
        lengths: (n_crops,) frames.
        waveform: of a crop by its position, (n_samples,).
        target: what the teacher says of it, (n_targets, n_frames, width) z-scores.
        identity: names their content.
    """

    lengths: Sequence[int]
    waveform: Callable[[int], np.ndarray]
    target: Callable[[int], np.ndarray]
    identity: str


@dataclass(frozen=True)
class Distilled:
    """What came of it.

    Attributes:
        losses: (n_steps,) of the batches.
        held_out_loss: after the last step.
        start_loss: on the same crops before the first step, of heads that know nothing.
        mean_loss: on the same crops, of predicting the mean of the pool.
    """

    losses: tuple[float, ...]
    held_out_loss: float
    start_loss: float
    mean_loss: float


class Heads(nn.Module):
    """One prediction a layer of the teacher, of the student's last state."""

    def __init__(self, width: int, n_targets: int, target_width: int) -> None:
        super().__init__()
        self.shared = nn.Linear(width, width * n_targets)
        self.own = nn.ModuleList(nn.Linear(width, target_width) for _ in range(n_targets))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """(n_targets, n_frames, target_width) of (n_frames, width)."""
        parts = functional.gelu(self.shared(states)).chunk(len(self.own), dim=-1)
        return torch.stack([head(part) for head, part in zip(self.own, parts, strict=True)])


def distance(
    prediction: torch.Tensor, target: torch.Tensor, *, cosine_weight: float
) -> torch.Tensor:
    """() equation 1 of predictions and targets (n_targets, n_frames, width)."""
    apart = (prediction - target).abs().mean()
    alike = functional.cosine_similarity(prediction, target, dim=-1)
    return apart - cosine_weight * functional.logsigmoid(alike).mean()


def distil(
    encoder: Any,
    crops: Crops,
    *,
    settings: DistilConfig,
    seed: int,
    folder: Path,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Distilled:
    """Train an encoder in place; what it had learned when it was stopped lies in ``folder``.

    Args:
        encoder: cut, as ``features.upstream.batches.build`` gives it; its dropout stays off.
        crops: of the pool, with the teacher's states.
        settings: of the training.
        seed: names all randomness.
        folder: of the checkpoint.
        tell: called with the number of steps done and of all.

    Raises:
        UndertoneError: there are too few crops, ``folder`` holds another run, or a loss is not
            finite.
    """
    run = _Run(encoder, crops, settings, seed)
    start_loss = run.held_out_loss()
    run.resume(folder)
    tell(len(run.losses), len(run.batches))
    for batch in run.batches[len(run.losses) :]:
        with flushed():
            run.step(batch)
        tell(len(run.losses), len(run.batches))
        if len(run.losses) % settings.steps_a_checkpoint == 0:
            run.keep(folder)
    return Distilled(tuple(run.losses), run.held_out_loss(), start_loss, run.mean_loss())


class _Run:
    """Everything that a step changes."""

    def __init__(self, encoder: Any, crops: Crops, settings: DistilConfig, seed: int) -> None:
        if len(crops.lengths) < 2:
            raise UndertoneError(
                f"distillation needs two pieces of speech or more, found {len(crops.lengths)}: "
                "give a larger pool with --unlabelled NAME=PATH"
            )
        self.encoder, self.crops, self.settings, self.seed = encoder, crops, settings, seed
        n_targets, _, target_width = crops.target(0).shape
        seed_torch(seed, "distillation heads")
        module = encoder.module.eval()  # no dropout, no masks; gradients all the same
        self.heads = Heads(_width(module), n_targets, target_width)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(settings.trains_stem or not name.startswith(STEM))
        self.where = device.place(self.heads, module)
        self.trained = [p for p in module.parameters() if p.requires_grad]
        self.trained += list(self.heads.parameters())
        self.optimiser = torch.optim.AdamW(
            self.trained,
            lr=settings.learning_rate,
            betas=BETAS,
            eps=EPSILON,
            weight_decay=settings.weight_decay,
        )
        order = generator(seed, "distillation held out").permutation(len(crops.lengths))
        n_held_out = max(1, round(settings.held_out_share * len(order)))
        self.held_out, self.used = np.sort(order[:n_held_out]), np.sort(order[n_held_out:])
        self.losses: list[float] = []
        self.batches = self._plan()

    def _plan(self) -> list[np.ndarray]:
        """Positions of every batch of every pass."""
        lengths = [self.crops.lengths[i] for i in self.used]
        plan = padding.of_one_length if self.encoder.equal_lengths_only else padding.plan_batches
        rngs = (generator(self.seed, "distil", i) for i in range(self.settings.passes))
        return [
            self.used[positions]
            for rng in rngs
            for positions in plan(lengths, self.settings.batch_size, rng)
        ]

    def step(self, batch: np.ndarray) -> None:
        """One batch."""
        rate = _rate(len(self.losses), len(self.batches), self.settings)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self._loss(batch)
        self.optimiser.zero_grad()
        loss.backward()
        length = nn.utils.clip_grad_norm_(self.trained, self.settings.clip_norm)
        if not math.isfinite(float(loss.detach()) + float(length)):
            raise self._not_finite()
        self.optimiser.step()
        self.losses.append(float(loss.detach()))

    def _not_finite(self) -> NotFiniteError:
        passes = self.settings.passes
        now = min(len(self.losses) * passes // len(self.batches) + 1, passes)
        where = f"pass {now} of {passes} over the pool"
        return not_finite(where, self.settings.learning_rate, "distil.learning_rate")

    def _loss(self, batch: Sequence[int] | np.ndarray) -> torch.Tensor:
        pieces = [self._piece(i) for i in batch]
        with device.autocast():
            states = [layers[-1] for layers in self.encoder.run(pieces)]
        targets = [torch.from_numpy(self.crops.target(i)).to(self.where) for i in batch]
        prediction = self.heads(torch.cat(states))
        return distance(
            prediction, torch.cat(targets, dim=1), cosine_weight=self.settings.cosine_weight
        )

    def _piece(self, crop: int) -> np.ndarray:
        prepared = self.encoder.prepare(self.crops.waveform(int(crop)))
        return self.encoder.cut(prepared, 0, self.crops.lengths[crop])

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """Mean over the held-out crops, each alone."""
        loss = float(np.mean([float(self._loss([i])) for i in self.held_out]))
        if not math.isfinite(loss):
            raise self._not_finite()
        return loss

    def mean_loss(self) -> float:
        """The same of saying the pool's mean, 0 everywhere: its cosine is 0."""
        apart = [float(np.abs(self.crops.target(i)).mean()) for i in self.held_out]
        return float(np.mean(apart)) + self.settings.cosine_weight * math.log(2)

    def keep(self, folder: Path) -> None:
        """Write all that the next step depends on."""
        tensors = {f"module.{n}": t for n, t in self.encoder.module.state_dict().items()}
        tensors |= {f"heads.{name}": tensor for name, tensor in self.heads.state_dict().items()}
        tensors |= checkpoint.optimiser_tensors(self.optimiser)
        checkpoint.write(folder, tensors, {"losses": self.losses}, self._identity)

    def resume(self, folder: Path) -> None:
        """Go on where another run of the same was stopped."""
        stored = checkpoint.read(folder, "distillation begins again")
        if stored is None:
            return
        if others := checkpoint.differences(stored.identity, self._identity):
            raise UndertoneError(
                f"{folder} holds a distillation with another {', another '.join(others)}; repeat "
                "that one, choose another --out, or delete that folder"
            )
        tensors = stored.tensors
        self.encoder.module.load_state_dict(checkpoint.section(tensors, "module."))
        self.heads.load_state_dict(checkpoint.section(tensors, "heads."))
        checkpoint.restore_optimiser(self.optimiser, copy.deepcopy(tensors))
        self.losses = [float(loss) for loss in stored.notes["losses"]]

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "settings": asdict(self.settings),
            "seed": self.seed,
            "speech or teacher": self.crops.identity,
            **computed_by(),
        }


def _rate(step: int, total: int, settings: DistilConfig) -> float:
    """The learning rate of a step: up in a straight line, then down to nothing."""
    rising = max(1, round(settings.warm_up * total))
    share = (step + 1) / rising if step < rising else (total - step) / max(1, total - rising)
    return settings.learning_rate * share


def _width(module: Any) -> int:
    return int(getattr(module.config, "d_model", 0) or module.config.hidden_size)
