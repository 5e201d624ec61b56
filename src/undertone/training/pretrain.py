"""Pre-training: hide stretches of unlabelled sequences and learn from what is left of them.

In:  steps of unlabelled utterances, each (n_steps, n_features) float32, normalised, ragged.
Out: the encoder with the smallest loss on a held-out part of the pool, and the history of losses.

Source: Nimitsurachat & Washington, arXiv 2307.12343, on ragged sequences: a longer utterance is cut
into crops, a shorter one is used whole. What is learned of a sequence is a row or a sum of rows of
``losses.OBJECTIVES``. Each epoch's randomness is named by seed and epoch, and a checkpoint is
written after each, so that a killed run resumes to the losses it would have had.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from undertone import device
from undertone.config import check_ranges
from undertone.errors import UndertoneError
from undertone.models.encoder import Encoder, EncoderConfig
from undertone.training import checkpoint, cropping, references
from undertone.training.cropping import Crop
from undertone.training.denormals import flushed
from undertone.training.finite import not_finite
from undertone.training.identity import digest_of_arrays, identity_of
from undertone.training.losses import DISTANCES, N_CLUSTERS, OBJECTIVES, Objective, View
from undertone.training.references import Measured
from undertone.training.seeds import generator, seed_torch
from undertone.training.team import ALONE, Team
from undertone.training.views import Asks, Seen, moved, views

UTTERANCES_TO_CLUSTER = 2000  # enough for stable centroids, little enough for any memory
STEPS_FOR_CONSTANTS = 50_000  # enough for a median, little enough for any memory


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of pre-training."""

    objective: str = "functionals"  # a name in ``losses.OBJECTIVES``, or several with + between
    mask_share: float = 0.30  # of the steps: what is hidden
    mask_spans: int = 3  # stretches of a sequence that are hidden
    crop_steps: int = 300  # the longest piece of an utterance, in steps of the encoder
    distance: str = "l1"  # between what is hidden and what is guessed
    learning_rate: float = 1e-3  # of Adam
    batch_size: int = 32  # sequences
    clip_norm: float = 1.0  # longest gradient
    max_epochs: int = 60  # passes over the pool
    patience: int = 6  # epochs without a better held-out loss
    held_out_share: float = 0.1  # of the pool's utterances
    shared_pool: bool = False  # of a curve: once on the speech outside the corpus, then a fold

    def __post_init__(self) -> None:
        check_ranges(
            self,
            mask_share=(0.001, 0.999),
            mask_spans=(1, 1000),
            crop_steps=(2, math.inf),
            learning_rate=(1e-9, 10),
            batch_size=(1, math.inf),
            clip_norm=(1e-9, math.inf),
            max_epochs=(1, math.inf),
            patience=(1, math.inf),
            held_out_share=(0.001, 0.9),
        )
        if self.distance not in DISTANCES:
            raise UndertoneError(f"distance must be one of {', '.join(DISTANCES)}")
        if set(self.objective.split("+")) - set(OBJECTIVES):
            raise UndertoneError(
                f"objective must be one of {', '.join(OBJECTIVES)}, or several with + between, "
                f"found {self.objective!r}"
            )

    @property
    def objectives(self) -> dict[str, Objective]:
        """The rows of ``OBJECTIVES`` whose losses are added."""
        return {name: OBJECTIVES[name] for name in self.objective.split("+")}


@dataclass(frozen=True)
class Start:
    """Where a pre-training goes on from: another one's best weights, and what names it."""

    tensors: Mapping[str, torch.Tensor]
    name: str


@dataclass(frozen=True)
class Epoch:
    """Losses of one pass over the pool."""

    epoch: int
    loss: float
    held_out_loss: float


@dataclass(frozen=True)
class Pretraining:
    """A pre-trained encoder, how it came about, and its losses beside their references."""

    encoder: Encoder
    history: tuple[Epoch, ...]
    measured: tuple[Measured, ...] = ()

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return min(self.history, key=lambda epoch: epoch.held_out_loss)


class Pretext(nn.Module):
    """The encoder with a dense layer an objective."""

    centroids: torch.Tensor

    def __init__(
        self, n_features: int, shape: EncoderConfig, objectives: dict[str, Objective]
    ) -> None:
        super().__init__()
        self.encoder = Encoder(n_features, shape.hidden_units, shape.layers)
        self.objectives = objectives
        self.dense = nn.ModuleDict(
            {
                name: nn.Linear(shape.hidden_units, objective.width(n_features))
                for name, objective in objectives.items()
            }
        )
        rows = objectives.values()
        clustered = any(objective.clustered for objective in rows)
        self.register_buffer("centroids", torch.zeros(N_CLUSTERS * clustered, n_features))
        self.team = ALONE
        self.in_parts = any(objective.in_parts for objective in rows)
        self.by_speaker = any(objective.by_speaker for objective in rows)

    def forward(self, view: View) -> torch.Tensor:
        """The sum of the objectives' losses."""
        losses = self.losses(view)
        if len(losses) == 1:
            return next(iter(losses.values()))
        return torch.stack([losses[name] * o.weight for name, o in self.objectives.items()]).sum()

    def losses(self, view: View) -> dict[str, torch.Tensor]:
        """By objective, before weights; the encoder sees 0 where a step is hidden.

        Of a team they are this process's part: those of all processes add up to the batch's.
        """
        states = self.encoder(view.steps * (1 - view.hidden[:, :, None]), view.lengths)
        losses = {
            name: o.loss(self.dense[name](states), view) for name, o in self.objectives.items()
        }
        if self.team.size == 1:
            return losses
        return {name: self._part(losses[name], o, view) for name, o in self.objectives.items()}

    def _part(self, loss: torch.Tensor, objective: Objective, view: View) -> torch.Tensor:
        """What a loss counts in a batch that several processes share."""
        if not self.team.works_on(view.n_sequences):
            return loss * 0
        if view.n_sequences < self.team.size:
            return loss
        if objective.targets is not None:
            return loss * view.share
        counts = loss.detach() / self.team.size  # every process has the loss of the whole batch,
        return counts + loss - loss.detach()  # and the gradients of its own sequences


@dataclass
class _State:
    """What a checkpoint holds."""

    model: Pretext
    optimiser: torch.optim.Optimizer
    best: dict[str, torch.Tensor]
    history: list[Epoch] = field(default_factory=list)
    measured: tuple[Measured, ...] = ()

    def epochs_without_gain(self) -> int:
        losses = [epoch.held_out_loss for epoch in self.history]
        return len(losses) - 1 - int(np.argmin(losses)) if losses else 0


def pretrain(
    utterances: Sequence[np.ndarray],
    *,
    shape: EncoderConfig,
    settings: PretrainConfig,
    seed: int,
    speakers: Sequence[str | None] | None = None,
    speech: str = "",
    folder: Path | None = None,
    report: Callable[[Epoch], None] = lambda epoch: None,
    team: Team = ALONE,
    start: Start | None = None,
) -> Pretraining:
    """Pre-train an encoder.

    Args:
        utterances: each (n_steps, n_features), normalised.
        shape: of the encoder.
        settings: of the training.
        seed: names all randomness.
        speakers: of each utterance, None where unknown; only ``speaker_contrast`` asks for them.
        speech: names what the utterances are, as ``identity.speech_of``; their own digest if empty.
        folder: where the checkpoint lies; a run that was stopped there goes on.
        report: called after each epoch.
        team: the processes that train it together, each of which calls this with the same arguments
            but for ``folder`` and ``report``, which are the leader's.
        start: another pre-training, of this shape and these objectives, that this one continues.

    Raises:
        UndertoneError: fewer than two utterances, no two of one speaker where an objective asks for
            them (also among those held out), the folder holds another run, or a loss is not finite.
    """
    check_pool(speakers or [None] * len(utterances), settings)
    whole = cropping.with_speakers(utterances, speakers)
    train, held_out = cropping.hold_out(whole, settings.held_out_share, seed)
    if any(objective.by_speaker for objective in settings.objectives.values()):
        parts = {"trained on": train, "held out": held_out}
        _check_speakers(
            settings.objective, {n: [str(c.speaker) for c in part] for n, part in parts.items()}
        )
    fixed = cropping.cut(held_out, settings.crop_steps, generator(seed, "held-out crops"))
    state = _start(train, shape, settings, seed)
    if start is not None:
        state.model.load_state_dict(start.tensors)
        state.best = copy.deepcopy(state.model.state_dict())
    state.model.team = team
    identity, stored = {}, None
    if folder is not None:
        speech = speech or digest_of_arrays(utterances)
        identity = identity_of(
            *(speech, speakers),
            shape=shape,
            settings=settings,
            seed=seed,
            continues="" if start is None else start.name,
        )
        stored = _stored(folder, identity)
    _restore(state, team.hand_out(stored))
    while len(state.history) < settings.max_epochs:
        if state.epochs_without_gain() >= settings.patience:
            break
        number = len(state.history)
        rng = generator(seed, "epoch", number)
        crops = cropping.cut(train, settings.crop_steps, rng)
        with flushed():
            loss = _train_epoch(state, crops, settings, rng)
        epoch = Epoch(number, loss, _held_out_loss(state.model, fixed, settings, seed))
        _check_finite(epoch, settings)
        state.history.append(epoch)
        if state.epochs_without_gain() == 0:
            state.best = copy.deepcopy(state.model.state_dict())
        _store(state, folder, identity)
        report(epoch)
    state.model.load_state_dict(state.best)
    if not state.measured and team.leads:
        state.measured = _measure(state.model, fixed, settings, seed)
        _store(state, folder, identity)
    return Pretraining(state.model.encoder.eval(), tuple(state.history), state.measured)


def _check_finite(epoch: Epoch, settings: PretrainConfig) -> None:
    """What a checkpoint holds is still of the epoch before."""
    if not (math.isfinite(epoch.loss) and math.isfinite(epoch.held_out_loss)):
        where = f"epoch {epoch.epoch + 1} of {settings.max_epochs} of the pre-training"
        raise not_finite(where, settings.learning_rate, "pretrain.learning_rate")


def check_pool(speakers: Sequence[str | None], settings: PretrainConfig) -> None:
    """Refuse a pool that cannot be learned from, whatever its frames are.

    Raises:
        UndertoneError: fewer than two utterances, or an objective asks for two of one speaker.
    """
    if len(speakers) < 2:
        raise UndertoneError(
            f"pre-training needs at least 2 unlabelled utterances, found {len(speakers)}"
        )
    if any(objective.by_speaker for objective in settings.objectives.values()):
        _check_speakers(settings.objective, {"unlabelled utterances": speakers})


def read_pretraining(
    folder: Path, identity: Mapping[str, Any], *, n_features: int, shape: EncoderConfig
) -> Pretraining | None:
    """What ``pretrain`` left in a folder, without its data; None where there is nothing."""
    if (stored := checkpoint.read_own(folder, identity)) is None:
        return None
    encoder = Encoder(n_features, shape.hidden_units, shape.layers)
    encoder.load_state_dict(checkpoint.section(stored.tensors, "best.encoder."))
    history = tuple(Epoch(**epoch) for epoch in stored.notes["history"])
    return Pretraining(encoder.eval(), history, _measured_in(stored.notes))


def read_start(folder: Path, identity: Mapping[str, Any], name: str) -> Start | None:
    """What ``pretrain`` left in a folder, to be gone on from; None where it has not ended there."""
    if (stored := checkpoint.read_own(folder, identity)) is None or not stored.notes["measured"]:
        return None
    return Start(checkpoint.section(stored.tensors, "best."), name)


def _check_speakers(objective: str, parts: Mapping[str, Sequence[str | None]]) -> None:
    """Where no speaker has two utterances there is nothing to compare, and every loss is 0."""
    for name, speakers in parts.items():
        known = [speaker for speaker in speakers if speaker is not None]
        if len(set(known)) == len(known):
            raise UndertoneError(
                f"the objective {objective} compares utterances of one speaker; of the pool's "
                f"{len(speakers)} {name} no two are known to be of one: name speakers in the "
                "corpus, give more speech of each, or choose another objective"
            )


def _train_epoch(
    state: _State, crops: list[Crop], settings: PretrainConfig, rng: np.random.Generator
) -> float:
    state.model.train()
    total, team, parameters = 0.0, state.model.team, list(state.model.parameters())
    for view, n_crops in _views(state.model, crops, settings, rng, team=team):
        loss = state.model(view)
        state.optimiser.zero_grad()
        loss.backward()
        team.add_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        state.optimiser.step()
        total += float(loss.detach()) * n_crops
    return team.total(total) / len(crops)


@torch.no_grad()
def _held_out_loss(model: Pretext, crops: list[Crop], settings: PretrainConfig, seed: int) -> float:
    """The loss on the same crops behind the same masks every time."""
    model.eval()
    rng = generator(seed, "held-out masks")
    seen = _views(model, crops, settings, rng, team=model.team)
    total = sum(float(model(view)) * n_crops for view, n_crops in seen)
    return model.team.total(total) / len(crops)


@torch.no_grad()
def _measure(
    model: Pretext, held_out: list[Crop], settings: PretrainConfig, seed: int
) -> tuple[Measured, ...]:
    """The loss on the held-out crops beside what takes no training, behind the same masks."""
    model.eval().team = ALONE

    def seen() -> Iterator[tuple[View, int]]:
        return _views(model, held_out, settings, generator(seed, "held-out masks"))

    n_hidden = settings.mask_share * sum(len(crop.steps) for crop in held_out)
    constants = references.fit_constants(
        model.objectives,
        (view for view, _ in seen()),
        settings.distance,
        every=1 + int(n_hidden / STEPS_FOR_CONSTANTS),
    )
    return references.measure(model.objectives, model.losses, seen(), constants)


def _views(
    model: Pretext,
    crops: list[Crop],
    settings: PretrainConfig,
    rng: np.random.Generator,
    *,
    team: Team = ALONE,
) -> Iterator[Seen]:
    """Batches as the objectives see them, where the model is."""
    asks = Asks(model.in_parts, model.by_speaker, model.centroids)
    made = views(asks, crops, settings, rng, training=model.training, team=team)
    return device.ahead(made, device.place_of(model), moved)


def _start(train: list[Crop], shape: EncoderConfig, settings: PretrainConfig, seed: int) -> _State:
    seed_torch(seed, "pre-training weights")
    model = Pretext(train[0].steps.shape[1], shape, settings.objectives)
    if len(model.centroids):
        model.centroids.copy_(torch.from_numpy(_centroids(train, seed)))
    device.place(model)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    return _State(model, optimiser, copy.deepcopy(model.state_dict()))


def _centroids(train: list[Crop], seed: int) -> np.ndarray:
    """(N_CLUSTERS, n_features) of a sample of the pool's steps, by k-means."""
    from sklearn.cluster import MiniBatchKMeans  # not for serving

    rng = generator(seed, "clusters")
    some = rng.permutation(len(train))[:UTTERANCES_TO_CLUSTER]
    steps = np.concatenate([train[i].steps for i in some])
    if len(steps) < N_CLUSTERS:
        raise UndertoneError(
            f"the objective clusters needs at least {N_CLUSTERS} steps, the pool has {len(steps)}"
        )
    state = int(rng.integers(2**31))
    means = MiniBatchKMeans(N_CLUSTERS, n_init=3, batch_size=4096, random_state=state).fit(steps)
    return means.cluster_centers_.astype(np.float32)


def _store(state: _State, folder: Path | None, identity: Mapping[str, Any]) -> None:
    if folder is None:
        return
    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best.items()}
    tensors |= checkpoint.optimiser_tensors(state.optimiser)
    history = [asdict(epoch) for epoch in state.history]
    measured = [asdict(one) for one in state.measured]
    checkpoint.write(folder, tensors, {"history": history, "measured": measured}, identity)


def _stored(folder: Path, identity: Mapping[str, Any]) -> checkpoint.Checkpoint | None:
    """What a run that was stopped left in its folder."""
    if (stored := checkpoint.read(folder, "pre-training begins again")) is None:
        return None
    if others := checkpoint.differences(stored.identity, identity):
        raise UndertoneError(
            f"{folder} holds a pre-training with another {', another '.join(others)}; choose "
            f"another folder, or delete {folder / checkpoint.NAME} to train anew"
        )
    return stored


def _restore(state: _State, stored: checkpoint.Checkpoint | None) -> None:
    if stored is None:
        return
    state.model.load_state_dict(checkpoint.section(stored.tensors, "model."))
    state.best = checkpoint.section(stored.tensors, "best.")
    checkpoint.restore_optimiser(state.optimiser, stored.tensors)
    state.history = [Epoch(**epoch) for epoch in stored.notes["history"]]
    state.measured = _measured_in(stored.notes)


def _measured_in(notes: dict[str, Any]) -> tuple[Measured, ...]:
    """What a checkpoint holds of the references; nothing before training has ended."""
    return tuple(Measured(**one) for one in notes.get("measured", ()))
